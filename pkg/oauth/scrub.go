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
	// minScrubbed is the length from which a text is taken for a secret: replacing every "a" would leave nothing to read, and hide nothing.
	minScrubbed = 4
	// minOpaque is the length from which a run of characters that tokens are made of is taken for one. No word is that long; the base64 of
	// an echoed request is.
	minOpaque = 64
)

// scrubber removes what must not be seen from a provider's words: some servers echo what they were sent.
type scrubber struct{ forms []string }

// add takes up a secret in each form in which a server may echo it.
func (s *scrubber) add(secret string) {
	if len(secret) < minScrubbed {
		return
	}
	raw := []byte(secret)
	quoted, _ := json.Marshal(secret) // a string always marshals
	s.forms = append(s.forms, secret, html.EscapeString(secret), string(bytes.Trim(quoted, `"`)), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		hex.EncodeToString(raw))
	if c := clean(secret); len(c) >= minScrubbed {
		s.forms = append(s.forms, c)
	}
	for offset := range 3 {
		s.forms = append(s.forms, base64Inside(raw, offset)...)
	}
}

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
	forms := slices.Clone(s.forms)
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) }) // the longest first: one form may hold another
	for range 2 {                                                            // once as it came, and once more after the blanks inside have been put in order
		for _, f := range forms {
			words = hide(words, f)
		}
		words = clean(words)
	}
	return shorten(hideOpaque(words))
}

// hide replaces a form without regard to case: %2F is also written %2f, and some servers put what they repeat in lower case.
func hide(words, form string) string {
	lower, form := lowerASCII(words), lowerASCII(form)
	var b strings.Builder
	for {
		i := strings.Index(lower, form)
		if i < 0 {
			b.WriteString(words)
			return b.String()
		}
		b.WriteString(words[:i] + redacted)
		words, lower = words[i+len(form):], lower[i+len(form):]
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
