package oauth

import (
	"slices"
	"strings"
)

const (
	// minPart is how many characters in a row a text must share with a form of a secret to be taken for a part of it. It is the number of
	// bytes of a uint64, so that eight characters are compared as one number.
	minPart = 8
	// minPlainPart is the same where the text reads as words: "client secret" is no part of "my-client-secret-7", a passphrase is.
	minPlainPart = 16
)

// reading is a way in which a text is compared with a secret: characters may have been put between those of the secret, or left out.
type reading int

const (
	asItIs reading = iota
	withoutBlanks
	withoutSigns
	readings // their number
)

// keeps reports whether a reading takes note of a character.
func (r reading) keeps(c byte) bool {
	switch r {
	case withoutBlanks:
		return c > ' '
	case withoutSigns:
		return isAlphanumeric(c)
	case asItIs, readings:
	}
	return true
}

// keepsAll reports whether a reading takes note of every character of a text.
func (r reading) keepsAll(text string) bool {
	for i := range len(text) {
		if !r.keeps(text[i]) {
			return false
		}
	}
	return true
}

// read returns a text in lower case as it is read.
func (r reading) read(text string) string {
	if r == asItIs {
		return lowerASCII(text)
	}
	if isLower(text) && r.keepsAll(text) {
		return text
	}
	return string(r.appendTo(make([]byte, 0, len(text)), []byte(text)))
}

// appendTo adds a text in lower case as it is read.
func (r reading) appendTo(b, text []byte) []byte {
	for _, c := range text {
		if r.keeps(c) {
			b = append(b, lowerByte(c))
		}
	}
	return b
}

// places returns where each byte of what is read stands in the whole text.
func (r reading) places(text string) []int {
	at := make([]int, 0, len(text))
	for i := range len(text) {
		if r.keeps(text[i]) {
			at = append(at, i)
		}
	}
	return at
}

// markParts marks what the words share with a form: the first half of a secret, or one that is written with blanks between.
func (s *scrubber) markParts(words string, hidden []bool) {
	for how := range readings {
		text, at := how.read(words), how.places(words)
		shared := make([]bool, len(text))
		open := windows(text)
		s.eachForm(how, func(f string) { markShared(open, f, shared) })
		for from := 0; from < len(shared); from++ {
			to := from
			for to < len(shared) && shared[to] {
				to++
			}
			if to == from {
				continue
			}
			// In the text as it is, a part is a part. Elsewhere the run must not be words that merely stand beside each other.
			if first, last := at[from], at[to-1]+1; how == asItIs || to-from >= minPlainPart || !readsAsWords(words, first, last) {
				mark(hidden, first, last)
			}
			from = to
		}
	}
}

// windows returns where each run of minPart bytes begins.
func windows(text string) map[uint64][]int {
	open := make(map[uint64][]int, len(text))
	eachWindow(text, func(window uint64, at int) { open[window] = append(open[window], at) })
	return open
}

// markShared marks the windows that a form shares, in time linear in its length: each is marked once and then forgotten.
func markShared(open map[uint64][]int, form string, shared []bool) {
	eachWindow(form, func(window uint64, _ int) {
		found, ok := open[window]
		if !ok {
			return
		}
		delete(open, window)
		for _, at := range found {
			mark(shared, at, at+minPart)
		}
	})
}

func eachWindow(text string, yield func(window uint64, at int)) {
	var window uint64
	for i := range len(text) {
		window = window<<8 | uint64(text[i])
		if i >= minPart-1 {
			yield(window, i-minPart+1)
		}
	}
}

// readsAsWords reports whether text[from:to], widened to whole words, is several ordinary ones: at least three letters each, and capitals as in a
// sentence.
func readsAsWords(text string, from, to int) bool {
	for from > 0 && isAlphanumeric(text[from-1]) {
		from--
	}
	for to < len(text) && isAlphanumeric(text[to]) {
		to++
	}
	words := strings.FieldsFunc(text[from:to], func(r rune) bool { return r > '~' || !isAlphanumeric(byte(r&0x7f)) })
	for _, w := range words {
		if !isWord(w) {
			return false
		}
	}
	return len(words) > 1
}

func isWord(s string) bool {
	if len(s) < 3 || strings.ContainsAny(s, "0123456789") {
		return false
	}
	return s[1:] == strings.ToLower(s[1:]) || s == strings.ToUpper(s)
}

func isAlphanumeric(c byte) bool {
	return c-'0' < 10 || c|' '-'a' < 26 // what is below '0' or 'a' wraps around; it is asked of every byte of a token
}

// finds reports whether a text holds a whole form of a secret, also with blanks or signs between. That a secret holds the text is no find: a
// JWT holds its claims.
func (s *scrubber) finds(text string) bool {
	if text == "" {
		return false
	}
	if s.overwhelmed() {
		return true
	}
	if !slices.ContainsFunc(s.secrets, func(o *sought) bool { return len(text) >= o.least }) {
		return false // mostly: a claim is shorter than a secret
	}
	var room [256]byte
	bare := withoutSigns.appendTo(room[:0], []byte(text))
	return slices.ContainsFunc(s.secrets, func(o *sought) bool {
		return len(bare) >= o.least && o.mayBeIn(bare) && o.isIn(text)
	})
}

// isIn reports whether one of the readings of a text holds a whole form.
func (o *sought) isIn(text string) bool {
	for how := range readings {
		seen := how.read(text)
		if slices.ContainsFunc(o.in(how), func(f string) bool {
			return (how == asItIs || len(f) >= minPlainPart) && strings.Contains(seen, f)
		}) {
			return true
		}
	}
	return false
}
