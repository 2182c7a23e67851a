package oauth

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
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
	secrets int
	taken   map[string]bool    // what was added: an answer's token is met by its field and by its field's name
	forms   [readings][]string // per reading, in lower case: %2F is also written %2f, and some servers put what they repeat in lower case
}

// add takes up a secret in each form in which a server may echo it.
func (s *scrubber) add(secret string) {
	if len(secret) < minScrubbed || s.taken[secret] {
		return
	}
	if s.taken == nil {
		s.taken = make(map[string]bool)
	}
	s.taken[secret] = true
	if s.secrets++; s.overwhelmed() {
		return
	}
	raw := []byte(secret)
	quoted, _ := json.Marshal(secret) // a string always marshals
	forms := []string{
		secret, html.EscapeString(secret), string(bytes.Trim(quoted, `"`)), url.QueryEscape(secret), url.PathEscape(secret),
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
		for how := range readings {
			s.forms[how] = append(s.forms[how], how.read(f))
		}
	}
}

// overwhelmed reports whether there are more secrets than any real answer has: then all words are taken for one.
func (s *scrubber) overwhelmed() bool { return s.secrets > maxSecrets }

// base64Inside returns how a secret shows within the base64 of a longer text, in which it begins offset bytes into a group of three: the
// characters that depend on it alone.
func base64Inside(raw []byte, offset int) []string {
	const shortest = 8
	padded := append(make([]byte, offset), raw...)
	from := (offset*8 + 5) / 6
	to := len(padded) * 8 / 6
	if to-from < shortest {
		return nil
	}
	return []string{base64.RawStdEncoding.EncodeToString(padded)[from:to], base64.RawURLEncoding.EncodeToString(padded)[from:to]}
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
	for _, f := range s.forms[asItIs] {
		if len(f) >= minPart {
			continue
		}
		for from := 0; ; {
			i := strings.Index(lower[from:], f)
			if i < 0 {
				break
			}
			mark(hidden, from+i, from+i+len(f))
			from += i + 1 // the next may begin within this one
		}
	}
}

func mark(hidden []bool, from, to int) {
	for i := from; i < to; i++ {
		hidden[i] = true
	}
}

// lowerASCII keeps every byte in its place, which strings.ToLower does not.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// clean puts a text on one line: control and format characters become blanks, runs of blanks one blank.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
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
