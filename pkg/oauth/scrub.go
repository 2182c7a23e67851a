package oauth

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxDescription = 200
	// maxWords is how many bytes of a provider's words are looked at. A secret that is cut there is still found by its part.
	maxWords = 8 << 10
	// minScrubbed is the length from which a text is taken for a secret: replacing every "a" would leave nothing to read, and hide nothing.
	minScrubbed = 4
	// maxSecrets is from how many on an answer is not one that anybody could mean.
	maxSecrets = 64
	// minOpaque is the length from which a run of characters that tokens are made of is taken for one. No word is that long; the base64 of
	// an echoed request is.
	minOpaque = 64
)

// scrubber removes what must not be seen from a provider's words: some servers echo what they were sent.
type scrubber struct {
	secrets []*sought // each once; of more than maxSecrets none is looked for
}

// sought is one secret that is looked for.
type sought struct {
	text  string
	least int                // letters and digits that a text must have to hold a whole form
	marks [][]byte           // see mayBeIn; nil until they are asked for
	made  bool               // the forms are: an answer of success mostly needs none of its token's, and a token is long
	forms [readings][]string // per reading, in lower case: %2F is also written %2f, and some servers put what they repeat in lower case
}

// add takes up a secret.
func (s *scrubber) add(secret string) {
	known := func(o *sought) bool { return o.text == secret }
	if len(secret) < minScrubbed || s.overwhelmed() || slices.ContainsFunc(s.secrets, known) {
		return
	}
	s.secrets = append(s.secrets, &sought{text: secret, least: shortestForm(secret)})
}

// shortestForm is a lower bound of the length of every form of a secret in every reading, 0 where none is known. A form has all letters and
// digits of the secret, or is its hex, or its base64. Of the base64 of ASCII only every fourth character can be a sign: the other three hold
// the upper bit of a byte, which is 0, where a sign has a 1. So the base64 of n bytes has at least n letters and digits, and the part of it
// that lies inside of a longer text, which is up to two characters shorter, at least n-3.
func shortestForm(secret string) int {
	kept := 0
	for i := range len(secret) {
		if secret[i] >= utf8.RuneSelf {
			return 0
		}
		if isAlphanumeric(secret[i]) {
			kept++
		}
	}
	return min(kept, max(len(secret)-3, 0))
}

// in returns the forms in one reading.
func (o *sought) in(how reading) []string {
	if !o.made {
		o.make()
		o.made = true
	}
	return o.forms[how]
}

// make works out each form in which a server may echo the secret.
func (o *sought) make() {
	secret, raw := o.text, []byte(o.text)
	quoted, _ := json.Marshal(secret) // a string always marshals
	forms := []string{
		secret, escapeHTML(secret), string(bytes.Trim(quoted, `"`)), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		hex.EncodeToString(raw),
	}
	if c := clean(secret); len(c) >= minScrubbed {
		forms = append(forms, c)
	}
	for offset := range 3 {
		forms = append(forms, base64Inside(raw, offset)...)
	}
	slices.Sort(forms)
	for _, f := range slices.Compact(forms) {
		whole := asItIs.read(f)
		for how := range readings {
			if how.keepsAll(whole) {
				o.forms[how] = append(o.forms[how], whole)
			} else {
				o.forms[how] = append(o.forms[how], how.read(whole))
			}
		}
	}
}

// overwhelmed reports whether there are more secrets than any real answer has: then all words are taken for one.
func (s *scrubber) overwhelmed() bool { return len(s.secrets) > maxSecrets }

// eachForm calls yield for each form of each secret in one reading.
func (s *scrubber) eachForm(how reading, yield func(form string)) {
	for _, o := range s.secrets {
		for _, f := range o.in(how) {
			yield(f)
		}
	}
}

// base64Inside returns how a secret shows within the base64 of a longer text, in which it begins offset bytes into a group of three: the
// characters that depend on it alone.
func base64Inside(raw []byte, offset int) []string {
	from, to, ok := base64Span(len(raw), offset)
	if !ok {
		return nil
	}
	padded := append(make([]byte, offset), raw...)
	return []string{base64.RawStdEncoding.EncodeToString(padded)[from:to], base64.RawURLEncoding.EncodeToString(padded)[from:to]}
}

// base64Span is where a secret of the given length shows in that base64; ok is false for one that is too short.
func base64Span(length, offset int) (from, to int, ok bool) {
	const shortest = 8
	from, to = (offset*8+5)/6, (offset+length)*8/6
	return from, to, to-from >= shortest
}

// text returns a provider's words fit to be shown: without secrets and control characters, on one line, and short.
func (s *scrubber) text(words string) string {
	if s.overwhelmed() {
		return redacted
	}
	words = words[:min(len(words), maxWords)]
	for range 2 { // once as it came, and once more after the blanks inside have been put in order
		words = clean(s.hide(words))
	}
	return shorten(hideOpaque(words))
}

// hide replaces every form of a secret, and every part of one that is long enough to be no coincidence.
func (s *scrubber) hide(words string) string {
	hidden := make([]bool, len(words))
	s.markShort(lowerASCII(words), hidden)
	s.markParts(words, hidden)
	var b strings.Builder
	for i := 0; i < len(words); {
		from, secret := i, hidden[i]
		for i < len(words) && hidden[i] == secret {
			i++
		}
		if secret {
			b.WriteString(redacted)
		} else {
			b.WriteString(words[from:i])
		}
	}
	return b.String()
}

// markShort marks the forms that are too short to have parts.
func (s *scrubber) markShort(lower string, hidden []bool) {
	s.eachForm(asItIs, func(f string) {
		if len(f) >= minPart {
			return
		}
		for from := 0; ; {
			i := strings.Index(lower[from:], f)
			if i < 0 {
				break
			}
			mark(hidden, from+i, from+i+len(f))
			from += i + 1 // the next may begin within this one
		}
	})
}

func mark(hidden []bool, from, to int) {
	for i := from; i < to; i++ {
		hidden[i] = true
	}
}

// lowerASCII keeps every byte in its place, which strings.ToLower does not.
func lowerASCII(s string) string {
	if isLower(s) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		b[i] = lowerByte(c)
	}
	return string(b)
}

// isLower reports whether lowerASCII would change nothing.
func isLower(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// clean puts a text on one line: control and format characters become blanks, runs of blanks one blank.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// isClean reports whether clean would change nothing, as far as that is seen at a glance: printable ASCII with single blanks inside.
func isClean(s string) bool {
	blank := true // of what stands before
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || blank && s[i] == ' ' {
			return false
		}
		blank = s[i] == ' '
	}
	return s == "" || !blank
}

// shorten cuts a text to maxDescription characters.
func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxDescription {
		return s
	}
	return string([]rune(s)[:maxDescription-1]) + "…"
}

// hideOpaque replaces runs of at least minOpaque characters of base64 and percent-encoding.
func hideOpaque(s string) string {
	var b strings.Builder
	start := 0
	flush := func(end int) {
		if end-start >= minOpaque {
			b.WriteString(redacted)
		} else {
			b.WriteString(s[start:end])
		}
	}
	for i := range len(s) {
		if isOpaque(s[i]) {
			continue
		}
		flush(i)
		b.WriteByte(s[i])
		start = i + 1
	}
	flush(len(s))
	return b.String()
}

func isOpaque(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("+/=_-%.", c) >= 0
}

// escapeHTML is html.EscapeString, without the package's table of two thousand entities.
func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", "'", "&#39;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(s)
}
