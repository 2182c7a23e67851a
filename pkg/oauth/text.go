package oauth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxDescription = 200 // characters

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
