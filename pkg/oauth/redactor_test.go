package oauth

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// randomSecrets yields secrets of all kinds of characters.
func randomSecrets(rounds int, yield func(secret string, rnd *rand.Rand)) {
	rnd := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{
		"abcXYZ019", "abc-._~XYZ019", "ab+/=Z9", "<&>\"'a", "a b\tc", "äöü€a", "\x00\x7f\xff\u202e a1", "+/-_", "%2F{}é9", "?>~", "a?>~\x7f", "a\u00e9\xff",
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
	}
	for range rounds {
		letters := []rune(alphabets[rnd.IntN(len(alphabets))])
		var b strings.Builder
		for length := minSecret + rnd.IntN(60); b.Len() < length; {
			b.WriteRune(letters[rnd.IntN(len(letters))])
		}
		yield(b.String(), rnd)
	}
}

// TestEveryFormOfASecretIsFound, also in capitals, within other text, and with a blank or a dash somewhere, and none of it is shown.
func TestEveryFormOfASecretIsFound(t *testing.T) {
	t.Parallel()
	randomSecrets(250, func(secret string, rnd *rand.Rand) {
		var r redactor
		r.add(secret)
		inside := base64.StdEncoding.EncodeToString([]byte("id:" + strings.Repeat("x", rnd.IntN(3)) + secret + "&z"))
		for _, form := range append(formsOf(secret), inside) {
			whole := []string{form, strings.Map(upperASCII, form), "got " + form + "!"}
			if chars := charsOf(form, isAlphanumeric); form != inside && len(chars) >= minSpreadPart { // elsewhere it may be chance
				at := rnd.IntN(len(form) + 1)
				whole = append(whole, form[:at]+" "+form[at:], form[:at]+"-"+form[at:])
			}
			for _, text := range whole {
				if form == inside && len(secret) < minPart { // too short to show in base64
					continue
				}
				if !r.finds(text) {
					t.Fatalf("the secret %q is not found in %q", secret, text)
				}
				if shown := r.text(text); len(form) >= minSecret && strings.Contains(shown, form) && !strings.Contains(redacted, form) {
					t.Fatalf("the secret %q is shown of %q: %q", secret, text, shown)
				}
			}
		}
	})
}

// TestNoFormIsShorterThanItsBound: a text that is too short to hold a form is not looked at.
func TestNoFormIsShorterThanItsBound(t *testing.T) {
	t.Parallel()
	randomSecrets(2000, func(secret string, _ *rand.Rand) {
		for _, form := range formsOf(secret) {
			if n := len(charsOf(form, isAlphanumeric)); n < shortestForm(secret) {
				t.Fatalf("%q has the form %q with %d letters and digits, said were at least %d", secret, form, n, shortestForm(secret))
			}
		}
	})
}

// TestALongTokenMakesNoForms when no text is as long: each successful response has one.
func TestALongTokenMakesNoForms(t *testing.T) {
	t.Parallel()
	var r redactor
	r.add(strings.Repeat("a1B2", 500))
	for _, text := range []string{"read write", "9c7a3c52-0f6d-4f13-9f0e-4f2f6f2a3b1c", strings.Repeat("public ", 50)} {
		if r.finds(text) {
			t.Errorf("found in %q", text)
		}
	}
	if r.secrets[0].forms != nil {
		t.Error("the forms were made all the same")
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", " ": "", " a": "a", "a ": "a", "a  b": "a b", "a\tb": "a b", "a\r\nb": "a b", "\x7f": "", "a\x00b": "a b", "é": "é", "a\u00a0b": "a b",
		"a\u202eb": "a b", "a\xffb": "a b", "read write": "read write",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func upperASCII(r rune) rune {
	if r >= 'a' && r <= 'z' {
		return r - 'a' + 'A'
	}
	return r
}
