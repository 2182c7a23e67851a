package scenario

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// window is the length of the pieces by which a canary is recognised, stride the least distance between two of them: a text that was cut
// on its way out is found too.
const (
	window = 12
	stride = 4
)

// Leaks finds the canaries in a text and names them with the form in which they are there: as they are, URL-encoded, in JSON, in base64
// of either alphabet at any offset, or in hex. It is how a scenario knows that no secret comes out.
func Leaks(canaries map[string]string, text string) []string {
	index := map[string]string{}
	for canary, name := range canaries {
		for form, shown := range forms(canary) {
			step := max(stride, len(shown)/16)
			for i := 0; i+window <= len(shown); i += step {
				index[shown[i:i+window]] = name + " (" + form + ")"
			}
			if len(shown) >= window {
				index[shown[len(shown)-window:]] = name + " (" + form + ")"
			}
		}
	}
	var found []string
	for i := 0; i+window <= len(text); i++ {
		if what, ok := index[text[i:i+window]]; ok && !slices.Contains(found, what) {
			found = append(found, what)
		}
	}
	slices.Sort(found)
	return found
}

// forms are the ways in which a canary may be written.
func forms(s string) map[string]string {
	quoted, _ := json.Marshal(s) // a string can always be marshalled
	out := map[string]string{
		"plain":      s,
		"query":      url.QueryEscape(s),
		"query, low": lowerEscapes(url.QueryEscape(s)),
		"path":       url.PathEscape(s),
		"json":       strings.Trim(string(quoted), `"`),
		"go":         strings.Trim(fmt.Sprintf("%+q", s), `"`),
		"hex":        hex.EncodeToString([]byte(s)),
	}
	for offset := range 3 {
		for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			out[fmt.Sprintf("%s at offset %d", name, offset)] = inBase64(enc, s, offset)
		}
	}
	return out
}

// inBase64 is the part of the encoding of a longer text that depends on s alone, when s begins at the offset in a group of three bytes.
// Padding belongs to the end of the longer text, so it is never a part of it.
func inBase64(enc *base64.Encoding, s string, offset int) string {
	encoded := enc.EncodeToString([]byte(strings.Repeat("\x00", offset) + s))
	first := (offset*8 + 5) / 6       // signs before it hold bits of what stands before
	last := (offset + len(s)) * 8 / 6 // the sign after it holds bits of what follows
	if first >= last {
		return ""
	}
	return encoded[first:last]
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}
