package oauth

import (
	"html"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestNoFormIsShorterThanItsBound: a text that is too short to hold a form is not looked at, so no form may be shorter than was said.
func TestNoFormIsShorterThanItsBound(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "a1-._~", "+/=", "<>&'\"\\% \t\x00\x7f", "a\u00e9\xff"}
	for n := range 4000 {
		alphabet := alphabets[n%len(alphabets)]
		secret := make([]byte, minScrubbed+n%300)
		for i := range secret {
			secret[i] = alphabet[dice.IntN(len(alphabet))]
		}
		o := &sought{text: string(secret), least: shortestForm(string(secret))}
		for how := range readings {
			for _, f := range o.in(how) {
				if len(f) < o.least {
					t.Fatalf("%q has the form %q in reading %d: %d bytes, said were at least %d", secret, f, how, len(f), o.least)
				}
			}
		}
	}
}

func TestWhatIsCleanAtAGlanceIsClean(t *testing.T) {
	for _, s := range []string{"", " ", "a", " a", "a ", "a b", "a  b", "a\tb", "a\nb", "\x7f", "a\x00", "é", "a b c", "~!", "\u00a0", "read write"} {
		slow := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
			if r == utf8.RuneError || !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, s)), " ")
		if got := clean(s); got != slow {
			t.Errorf("clean(%q) = %q, want %q", s, got, slow)
		}
		if isClean(s) && slow != s {
			t.Errorf("%q is not clean", s)
		}
	}
}

func TestLettersAndDigitsAreThoseOfASCII(t *testing.T) {
	for c := range 256 {
		want := strings.IndexByte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", byte(c)) >= 0
		if got := isAlphanumeric(byte(c)); got != want {
			t.Errorf("%q: %v, want %v", byte(c), got, want)
		}
	}
}

func TestAShortTextCostsNoMemory(t *testing.T) {
	s := new(scrubber)
	s.add("a1b2c3d4-1111-2222-3333-444455556666")
	s.finds(strings.Repeat("public ", 50)) // makes the marks
	for _, text := range []string{"1700172800", "read write", "9C7A3C52-0F6D-4F13-9F0E-4F2F6F2A3B1C", strings.Repeat("Public ", 30)} {
		if n := testing.AllocsPerRun(100, func() { s.finds(text) }); n > 0 {
			t.Errorf("%q: %v pieces of memory", text, n)
		}
	}
}

func TestHTMLIsEscapedAsThePackageHTMLEscapesIt(t *testing.T) {
	var all strings.Builder
	for c := range rune(0x250) {
		all.WriteRune(c)
	}
	for _, text := range []string{"", "plain", `<a href="x">'&amp;'</a>`, "&&<<", all.String(), "\xff&\xfe"} {
		if got, want := escapeHTML(text), html.EscapeString(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
