package oauth

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	minSecret     = 4       // a shorter text is not redacted: replacing every "a" would leave nothing to read
	maxSecrets    = 64      // caps the secrets tracked per response; beyond it everything is redacted
	minPart       = 8       // characters in a row that a text and a secret share by no coincidence; 8 of them are one uint64
	minSpreadPart = 16      // the same with other characters between them, where the text reads as words
	maxText       = 1 << 10 // bytes of a text that are looked at; a secret that is cut there is found by its part
)

// redactor removes secrets from what a server says: some servers repeat what they were sent.
type redactor struct{ secrets []*knownSecret }

// knownSecret is a secret with each form in which a server may repeat it.
type knownSecret struct {
	secret   string
	shortest int        // no form has fewer letters and digits
	forms    []string   // nil until needed: a token is long, and mostly no text is as long
	read     [][]string // the forms as each of the readings reads them, each once; nil until needed
}

// readings are the ways in which a text is compared with a secret: as it is, without blanks, and letters and digits only. Each says which
// characters count.
func readings() []func(c byte) bool {
	return []func(byte) bool{
		func(byte) bool { return true },
		func(c byte) bool { return c > ' ' },
		isAlphanumeric,
	}
}

func (r *redactor) add(secret string) {
	known := func(k *knownSecret) bool { return k.secret == secret }
	if len(secret) >= minSecret && !r.full() && !slices.ContainsFunc(r.secrets, known) {
		r.secrets = append(r.secrets, &knownSecret{secret: secret, shortest: shortestForm(secret)})
	}
}

// full reports whether there are more secrets than any real response has.
func (r *redactor) full() bool { return len(r.secrets) > maxSecrets }

// shortestForm counts the letters and digits that every form has at least. An escape keeps all those of the secret, and hex has more. Of the
// base64 of ASCII only every fourth character can be a sign, and within a longer text up to two characters are missing: at least n-3 of n bytes.
func shortestForm(secret string) int {
	kept := 0
	for _, c := range []byte(secret) {
		if c > 0x7f {
			return 0 // its base64 may be all signs
		}
		if isAlphanumeric(c) {
			kept++
		}
	}
	return min(kept, len(secret)-3)
}

// formsOf returns each form in which a server may repeat a secret.
func formsOf(secret string) []string {
	raw := []byte(secret)
	quoted, _ := json.Marshal(secret) // a string always marshals
	forms := []string{
		secret, html.EscapeString(secret), strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString(raw),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	}
	// Within the base64 of a longer text: the characters that depend on the secret alone, which begins offset bytes into a group of three.
	for offset := range 3 {
		from, to := (offset*8+5)/6, (offset+len(raw))*8/6
		if padded := append(make([]byte, offset), raw...); to-from >= minPart {
			forms = append(forms, base64.RawStdEncoding.EncodeToString(padded)[from:to], base64.RawURLEncoding.EncodeToString(padded)[from:to])
		}
	}
	if c := clean(secret); len(c) >= minSecret { // see redactor.text
		forms = append(forms, c)
	}
	return forms
}

// formsIn returns the forms as the reading with this index reads them.
func (k *knownSecret) formsIn(reading int) []string {
	if k.forms == nil {
		k.forms, k.read = formsOf(k.secret), make([][]string, len(readings()))
	}
	if k.read[reading] == nil {
		read, counts := make([]string, len(k.forms)), readings()[reading]
		for i, form := range k.forms {
			read[i] = charsOf(form, counts)
		}
		slices.Sort(read)
		k.read[reading] = slices.Compact(read)
	}
	return k.read[reading]
}

// charsOf returns the characters of a text that count, in lower case. Case does not count: %2F is also written %2f.
func charsOf(text string, counts func(byte) bool) string {
	chars := make([]byte, 0, len(text))
	for _, c := range []byte(text) {
		if !counts(c) {
			continue
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		chars = append(chars, c)
	}
	return string(chars)
}

// placesOf returns where the characters that count stand.
func placesOf(text string, counts func(byte) bool) []int {
	var places []int
	for i := range len(text) {
		if counts(text[i]) {
			places = append(places, i)
		}
	}
	return places
}

// finds reports whether a text holds a whole form of a secret. That a secret holds the text does not count: a JWT holds its claims.
func (r *redactor) finds(text string) bool {
	if text == "" || r.full() {
		return text != ""
	}
	return slices.ContainsFunc(r.secrets, func(k *knownSecret) bool { return len(text) >= k.shortest && k.isIn(text) })
}

func (k *knownSecret) isIn(text string) bool {
	// A text that holds a form holds its letters and digits in the same order. Most texts are ruled out by these alone.
	last := len(readings()) - 1
	alphanumerics := charsOf(text, isAlphanumeric)
	if !slices.ContainsFunc(k.formsIn(last), func(form string) bool { return strings.Contains(alphanumerics, form) }) {
		return false
	}
	for i, counts := range readings() {
		chars := charsOf(text, counts)
		for _, form := range k.formsIn(i) {
			if (i == 0 || len(form) >= minSpreadPart) && strings.Contains(chars, form) {
				return true
			}
		}
	}
	return false
}

// text returns what a server says, fit to be shown: without secrets and control characters, on one line, and short.
func (r *redactor) text(words string) string {
	if r.full() {
		return redacted
	}
	words = r.hide(words[:min(len(words), maxText)])
	if cleaned := clean(words); cleaned != words { // a secret with other blanks than its own may show now
		words = clean(r.hide(cleaned))
	}
	return shorten(opaque.ReplaceAllLiteralString(words, redacted))
}

// hide replaces every form of a secret, and every part of one that is long enough to be no coincidence.
func (r *redactor) hide(words string) string {
	hidden := make([]bool, len(words))
	for i, counts := range readings() {
		shared, places := r.shared(charsOf(words, counts), i), placesOf(words, counts)
		for from := 0; from < len(shared); from++ {
			to := from
			for to < len(shared) && shared[to] {
				to++
			}
			if to == from {
				continue
			}
			// In the text as it is, a part is a part. Elsewhere it must not be words that merely stand beside each other.
			if first, last := places[from], places[to-1]+1; i == 0 || to-from >= minSpreadPart || !readsAsWords(words, first, last) {
				mark(hidden, first, last)
			}
			from = to
		}
	}
	return replaceMarked(words, hidden)
}

// shared marks what the characters share with a form, in time linear in their lengths.
func (r *redactor) shared(chars string, reading int) []bool {
	marks := make([]bool, len(chars))
	begins := make(map[uint64][]int) // where each run of minPart characters begins
	eachWindow(chars, func(window uint64, at int) { begins[window] = append(begins[window], at) })
	for _, k := range r.secrets {
		for _, form := range k.formsIn(reading) {
			if len(form) < minPart && reading == 0 {
				markAll(marks, chars, form)
			}
			eachWindow(form, func(window uint64, _ int) {
				for _, begin := range begins[window] {
					mark(marks, begin, begin+minPart)
				}
				delete(begins, window)
			})
		}
	}
	return marks
}

// eachWindow yields each run of minPart characters as a number.
func eachWindow(text string, yield func(window uint64, at int)) {
	var window uint64
	for i := range len(text) {
		if window = window<<8 | uint64(text[i]); i >= minPart-1 {
			yield(window, i-minPart+1)
		}
	}
}

// markAll marks each place of a form that is too short to have parts. Two places may overlap.
func markAll(marks []bool, chars, form string) {
	for at := range len(chars) {
		if strings.HasPrefix(chars[at:], form) {
			mark(marks, at, at+len(form))
		}
	}
}

func mark(marks []bool, from, to int) {
	for i := from; i < to; i++ {
		marks[i] = true
	}
}

// replaceMarked replaces each run of marked characters.
func replaceMarked(words string, marked []bool) string {
	var b strings.Builder
	for i := 0; i < len(words); {
		from, secret := i, marked[i]
		for i < len(words) && marked[i] == secret {
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

// readsAsWords reports whether text[from:to], widened to whole words, is several ordinary ones: at least three letters each, and capitals as in
// a sentence.
func readsAsWords(text string, from, to int) bool {
	for from > 0 && isAlphanumeric(text[from-1]) {
		from--
	}
	for to < len(text) && isAlphanumeric(text[to]) {
		to++
	}
	words := strings.FieldsFunc(text[from:to], func(r rune) bool { return r > '~' || !isAlphanumeric(byte(r&0x7f)) })
	ordinary := func(w string) bool {
		return len(w) >= 3 && !strings.ContainsAny(w, "0123456789") && (w[1:] == strings.ToLower(w[1:]) || w == strings.ToUpper(w))
	}
	return len(words) > 1 && !slices.ContainsFunc(words, func(w string) bool { return !ordinary(w) })
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// opaque matches base64 and percent-encoding: no word is that long, but a repeated request is.
var opaque = regexp.MustCompile(`[0-9A-Za-z+/=_%.-]{64,}`)
