package connection

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown is the greatest length of a value that a message repeats. Secrets are longer (a UUID has 36 characters), so a secret in the wrong
// field is not shown.
const shown = 30

// quote shows a configuration value in a message, or only its length when it may be a secret in the wrong field.
func quote(value string, doc document) string {
	if len(value) > shown || doc.holds(value) {
		return fmt.Sprintf("(a value of %d characters)", len([]rune(value)))
	}
	return fmt.Sprintf("%q", value)
}

// quoteName is quote for the name of a field.
func quoteName(name string, doc document) string {
	if len(name) > shown || doc.holds(name) {
		return fmt.Sprintf("(a name of %d characters)", len([]rune(name)))
	}
	return fmt.Sprintf("%q", name)
}

// holds reports whether text and a secret of the document contain one another.
func (d document) holds(text string) bool {
	for _, field := range []string{fieldClientSecret, fieldBasicToken} {
		var secret string
		if json.Unmarshal(d.fields[field], &secret) != nil {
			secret = string(d.fields[field]) // not a string: its text is as secret
		}
		if secret = strings.TrimSpace(secret); secret != "" && (strings.Contains(text, secret) || len(text) > 3 && strings.Contains(secret, text)) {
			return true
		}
	}
	return false
}

// cut shortens a name for a message.
func cut(s string) string {
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return s
}

// padding returns the fault of a text that begins or ends with white space, "" for none.
func padding(s string) string {
	first, last := firstRune(s), lastRune(s)
	switch {
	case lineBreak(last):
		return "ends with a line break; store it again without"
	case unicode.IsSpace(last):
		return "ends with a space; store it again without"
	case lineBreak(first):
		return "begins with a line break; store it again without"
	case unicode.IsSpace(first):
		return "begins with a space; store it again without"
	}
	return ""
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

func lastRune(s string) rune {
	if s == "" {
		return 0
	}
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

func lineBreak(r rune) bool { return r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' }

// textFault returns why s cannot be the value of a request parameter, "" when it can.
func textFault(s string) string {
	if s == "" {
		return ""
	}
	if why := padding(s); why != "" {
		return why
	}
	if strings.ContainsFunc(s, lineBreak) {
		return "holds a line break; store it again without"
	}
	if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
		return fmt.Sprintf("holds a control character at position %d; store it again without", position(s, i))
	}
	return ""
}

// credentialFault is textFault for a client id or secret, which RFC 6749 appendix A.1 and A.2 limit to printable ASCII.
func credentialFault(s string) string {
	if why := textFault(s); why != "" {
		return why
	}
	if placeholder(s) {
		return "is a placeholder; store the value that the provider's panel shows"
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }); i >= 0 {
		return fmt.Sprintf("holds a character that no client id or secret has at position %d (a look-alike or an invisible one); type or copy it again", position(s, i))
	}
	return ""
}

// position counts characters from 1, as an editor does.
func position(s string, byteIndex int) int { return len([]rune(s[:byteIndex])) + 1 }
