package connection

import (
	"encoding/json"
	"slices"
)

// A sweep reads a document for each token. Nearly all are plain: one object of strings of printable ASCII without escapes, of numbers and of
// literals. Those are taken apart here, in one pass; every other one by encoding/json, which decides what is right (docs/adr/0016).

// readPlain splits a plain object into its fields, as readFields does. ok is false for anything else, also for what is no JSON.
func readPlain(raw []byte) (doc document, ok bool) {
	s := plainScanner{raw: raw}
	doc = document{names: make([]string, 0, 8), fields: make(map[string]json.RawMessage, 8)}
	if !s.sign('{') {
		return document{}, false
	}
	for more := !s.sign('}'); more; more = !s.sign('}') {
		if len(doc.names) > 0 && !s.sign(',') {
			return document{}, false
		}
		quoted := s.value()
		name, isText := plainText(quoted)
		if _, twice := doc.fields[name]; !isText || twice || !s.sign(':') {
			return document{}, false
		}
		value := s.value()
		if value == nil {
			return document{}, false
		}
		doc.names = append(doc.names, name)
		doc.fields[name] = value
	}
	s.blanks()
	return doc, s.at == len(raw)
}

// plainScanner goes through a text once.
type plainScanner struct {
	raw []byte
	at  int
}

func (s *plainScanner) blanks() {
	for s.at < len(s.raw) && (s.raw[s.at] == ' ' || s.raw[s.at] == '\n' || s.raw[s.at] == '\r' || s.raw[s.at] == '\t') {
		s.at++
	}
}

// sign goes past one sign, and reports whether it was there.
func (s *plainScanner) sign(c byte) bool {
	s.blanks()
	if s.at == len(s.raw) || s.raw[s.at] != c {
		return false
	}
	s.at++
	return true
}

// value goes past a plain string, a number or a literal and returns it, nil for anything else.
func (s *plainScanner) value() []byte {
	s.blanks()
	from := s.at
	if s.at < len(s.raw) && s.raw[s.at] == '"' {
		s.at++
		for s.at < len(s.raw) && isPlain(s.raw[s.at]) {
			s.at++
		}
		if s.at == len(s.raw) || s.raw[s.at] != '"' {
			return nil
		}
		s.at++
		return s.raw[from:s.at:s.at]
	}
	for s.at < len(s.raw) && inLiteral(s.raw[s.at]) {
		s.at++
	}
	if value := s.raw[from:s.at:s.at]; json.Valid(value) {
		return value
	}
	return nil
}

// plainText returns the text of a plain JSON string.
func plainText(raw []byte) (string, bool) {
	n := len(raw)
	if n < 2 || raw[0] != '"' || raw[n-1] != '"' || slices.ContainsFunc(raw[1:n-1], func(c byte) bool { return !isPlain(c) }) {
		return "", false
	}
	return string(raw[1 : n-1]), true
}

// isPlain reports whether a character stands for itself in a JSON string.
func isPlain(c byte) bool { return c >= ' ' && c <= '~' && c != '"' && c != '\\' }

func inLiteral(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// unquote reads a JSON string, as json.Unmarshal into a string does.
func unquote(raw []byte) (text string, ok bool) {
	if text, ok := plainText(raw); ok {
		return text, true
	}
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}
