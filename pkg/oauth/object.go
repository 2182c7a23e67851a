package oauth

import (
	"encoding/json"
)

// maxPlainDepth is how deep a plain object may hold others.
const maxPlainDepth = 8

// plainObject decodes a JSON object as decodeObject does, in one pass and without reflection, as long as it is plain: texts of printable ASCII
// without escapes, numbers, literals, objects and lists of those. ok is false for anything else, also for what is no JSON: encoding/json then
// decides what is right. Nearly all answers and claims are plain (docs/adr/0016).
func plainObject(text []byte) (object map[string]any, ok bool) {
	s := plainScanner{text: text}
	v, ok := s.value(maxPlainDepth)
	if !ok {
		return nil, false
	}
	s.blanks()
	object, isObject := v.(map[string]any)
	return object, isObject && s.at == len(text)
}

// plainScanner goes through a text once.
type plainScanner struct {
	text []byte
	at   int
}

func (s *plainScanner) blanks() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\n' || s.text[s.at] == '\r' || s.text[s.at] == '\t') {
		s.at++
	}
}

// sign goes past one sign, and reports whether it was there.
func (s *plainScanner) sign(c byte) bool {
	s.blanks()
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

func (s *plainScanner) value(depth int) (any, bool) {
	s.blanks()
	if s.at == len(s.text) || depth == 0 {
		return nil, false
	}
	switch c := s.text[s.at]; {
	case c == '"':
		return s.string()
	case c == '{':
		return s.object(depth - 1)
	case c == '[':
		return s.list(depth - 1)
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	default:
		return s.literal()
	}
}

func (s *plainScanner) object(depth int) (any, bool) {
	s.at++
	fields := make(map[string]any)
	if s.sign('}') {
		return fields, true
	}
	for {
		s.blanks()
		if s.at == len(s.text) || s.text[s.at] != '"' {
			return nil, false
		}
		quoted, ok := s.plain()
		if !ok || !s.sign(':') {
			return nil, false
		}
		v, ok := s.value(depth)
		if !ok {
			return nil, false
		}
		fields[fieldName(quoted)] = v // the last of two with one name, as in encoding/json
		if !s.sign(',') {
			return fields, s.sign('}')
		}
	}
}

func (s *plainScanner) list(depth int) (any, bool) {
	s.at++
	items := []any{}
	if s.sign(']') {
		return items, true
	}
	for {
		v, ok := s.value(depth)
		if !ok {
			return nil, false
		}
		items = append(items, v)
		if !s.sign(',') {
			return items, s.sign(']')
		}
	}
}

// string reads a text. It is a copy, so that what is kept of an answer keeps nothing else of it, such as its token.
func (s *plainScanner) string() (any, bool) {
	quoted, ok := s.plain()
	if !ok {
		return nil, false
	}
	return string(quoted), true
}

// plain goes past a string that stands for itself, from its opening quote, and returns what is between the quotes.
func (s *plainScanner) plain() ([]byte, bool) {
	from := s.at + 1
	for i := from; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			return s.text[from:i], true
		case c < ' ' || c > '~' || c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// fieldName returns a name as a string, of which the usual ones cost no memory.
func fieldName(name []byte) string {
	switch string(name) {
	case "access_token":
		return "access_token"
	case "token_type":
		return "token_type"
	case "expires_in":
		return "expires_in"
	case "refresh_token":
		return "refresh_token"
	case "scope":
		return "scope"
	case "jti":
		return "jti"
	}
	return string(name)
}

// number reads one that encoding/json takes for one.
func (s *plainScanner) number() (any, bool) {
	from := s.at
	digits := func() bool {
		start := s.at
		for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
			s.at++
		}
		return s.at > start
	}
	next := func(chars ...byte) bool {
		for _, c := range chars {
			if s.at < len(s.text) && s.text[s.at] == c {
				s.at++
				return true
			}
		}
		return false
	}
	next('-')
	if !next('0') && !digits() {
		return nil, false
	}
	if next('.') && !digits() {
		return nil, false
	}
	if next('e', 'E') {
		next('+', '-')
		if !digits() {
			return nil, false
		}
	}
	return json.Number(s.text[from:s.at]), true
}

func (s *plainScanner) literal() (any, bool) {
	for _, l := range [...]struct {
		word  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if len(s.text)-s.at >= len(l.word) && string(s.text[s.at:s.at+len(l.word)]) == l.word {
			s.at += len(l.word)
			return l.value, true
		}
	}
	return nil, false
}
