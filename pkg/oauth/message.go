package oauth

import (
	"slices"
	"strings"
)

// providerMessage is what a response says of an error, collected from the places where servers put it.
type providerMessage struct {
	codes     []string // error of RFC 6749 section 5.2, or type, code or status of an error object
	sentences []string
	isError   bool // also without a code: ok:false, or an error object
}

// message reads `error` as a string (RFC 6749 section 5.2) or an object, `errors` as an object or a list, and the fields that may hold a
// sentence. An empty or null error counts as no error.
func (r *response) message() *providerMessage {
	m := new(providerMessage)
	switch v := r.field("error").(type) {
	case string:
		m.addCode(v)
	case map[string]any:
		m.object(v)
	case bool:
		m.isError = v
	case nil:
	default:
		m.addCode(scalar(v))
	}
	switch v := r.fields["errors"].(type) {
	case map[string]any:
		m.object(v)
	case []any:
		if len(v) > 0 {
			m.element(v[0])
		}
	case string:
		m.addCode(v)
	}
	if ok, isBool := r.fields["ok"].(bool); isBool && !ok {
		m.isError = true
	}
	for _, name := range []string{"error_description", "message"} {
		m.addSentence(r.text(name))
	}
	for _, name := range []string{"error_message", "errorMessage", "detail", "title"} {
		m.addSentence(scalar(r.fields[name]))
	}
	return m
}

func (m *providerMessage) element(v any) {
	switch v := v.(type) {
	case string:
		m.addSentence(v)
		m.isError = true
	case map[string]any:
		m.object(v)
	}
}

// object reads an error object. It counts as an error also when none of its fields is known.
func (m *providerMessage) object(o map[string]any) {
	if len(o) == 0 {
		return
	}
	m.isError = true
	for _, name := range []string{"error", "error_type", "type", "status", "code"} {
		m.addCode(scalar(o[name]))
	}
	for _, name := range []string{"error_description", "error_message", "message", "detail", "title"} {
		m.addSentence(scalar(o[name]))
	}
}

func (m *providerMessage) addCode(s string) {
	if s = strings.TrimSpace(s); s != "" {
		m.codes = append(m.codes, s)
	}
}

func (m *providerMessage) addSentence(s string) {
	if s != "" && !slices.Contains(m.sentences, s) {
		m.sentences = append(m.sentences, s)
	}
}

// present reports whether the response states an error. Sentences alone do not: a success may have a message.
func (m *providerMessage) present() bool { return len(m.codes) > 0 || m.isError }

// description is the first sentence, withCode after the first error code.
func (m *providerMessage) description(withCode bool) string {
	var parts []string
	if withCode && len(m.codes) > 0 {
		parts = append(parts, m.codes[0])
	}
	if len(m.sentences) > 0 && !slices.Contains(parts, m.sentences[0]) {
		parts = append(parts, m.sentences[0])
	}
	return strings.Join(parts, ": ")
}

// describe is the description beside a code: the error code is part of it only when there is no sentence, and the code differs.
func (m *providerMessage) describe(code string) string {
	return m.description(len(m.sentences) == 0 && !slices.Contains(m.codes, code))
}

// kind returns what the first known error code means.
func (m *providerMessage) kind() (errorKind, bool) {
	for _, c := range m.codes {
		if k, ok := codeKind(c); ok {
			return k, true
		}
	}
	return errorKind{}, false
}
