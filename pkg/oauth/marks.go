package oauth

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
)

// mayBeIn reports whether a text, read without signs, may hold a whole form of the secret. It errs on the side of yes, and a no is much cheaper
// than to make all forms: each answer of success is asked a few times, and holds none.
func (o *sought) mayBeIn(bare []byte) bool {
	if o.marks == nil {
		o.marks = marks(o.text)
	}
	return slices.ContainsFunc(o.marks, func(m []byte) bool { return bytes.Contains(bare, m) })
}

// marks are what the forms of a secret have in common when they are read without signs: whoever finds a form in a text finds a mark in it.
//
//   - The secret itself, and what HTML, JSON and URLs make of it, keep every run of its letters and digits: the longest is the mark.
//   - The two alphabets of base64 differ in signs alone, and so does padding: what is left is the same for all. The base64 of the secret begins
//     with what shows of it at offset 0 of a longer text.
//   - Hex is hex.
//
// A mark that is empty is in every text.
func marks(secret string) [][]byte {
	raw := append(make([]byte, 2, 2+len(secret)), secret...) // with room for the offsets in front
	form := make([]byte, 0, 2*len(raw))                      // hex is the longest
	all := make([]byte, 0, 8*len(raw))
	ends := make([]int, 0, 5)
	add := func(form []byte) {
		all = withoutSigns.appendTo(all, form)
		ends = append(ends, len(all))
	}
	add([]byte(longestRun(secret)))
	add(hex.AppendEncode(form, raw[2:]))
	for offset := range 3 {
		from, to, ok := base64Span(len(secret), offset)
		encoded := base64.RawStdEncoding.AppendEncode(form, raw[2-offset:])
		switch {
		case ok:
			add(encoded[from:to])
		case offset == 0:
			add(encoded) // too short to show within a longer text
		}
	}
	found := make([][]byte, len(ends))
	for i, from := 0, 0; i < len(ends); i++ {
		found[i], from = all[from:ends[i]], ends[i]
	}
	return found
}

// longestRun of letters and digits.
func longestRun(text string) string {
	longest, from := "", 0
	for i := range len(text) + 1 {
		if i < len(text) && isAlphanumeric(text[i]) {
			continue
		}
		if i-from > len(longest) {
			longest = text[from:i]
		}
		from = i + 1
	}
	return longest
}
