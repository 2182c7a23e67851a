package connection

import (
	"bytes"
	"encoding/json"
	"strings"
)

// raw returns a field's JSON, nil when it is absent or null (as Terraform writes what is not set).
func (p *parser) raw(field string) []byte {
	raw := bytes.TrimSpace(p.doc.fields[field])
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}

// text returns a string field as it is, "" when it is absent.
func (p *parser) text(field string) string {
	raw := p.raw(field)
	if raw == nil {
		return ""
	}
	s, ok := unquote(raw)
	if !ok {
		p.fail(field, field+" is "+kindOf(raw)+"; it must be a string in double quotes")
	}
	return s
}

// plainText returns a string field that is sent or compared: no padding, line breaks or control characters.
func (p *parser) plainText(field string) string {
	s := p.text(field)
	if why := textFault(s); why != "" {
		p.fail(field, field+" "+why)
	}
	return s
}

// unquote reads a JSON string.
func unquote(raw []byte) (text string, ok bool) {
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}

// scalar returns a field that may be a JSON number or boolean, or the same as a string, as text.
func (p *parser) scalar(field string) string {
	raw := p.raw(field)
	if raw == nil {
		return ""
	}
	switch kindOf(raw) {
	case "a string":
		return p.plainText(field)
	case "an object", "an array":
		p.fail(field, field+" is "+kindOf(raw))
		return ""
	}
	return string(raw)
}

// boolean reads true or false, as such or as a string; otherwise is the value of an absent field.
func (p *parser) boolean(field string, otherwise bool) bool {
	switch s := p.scalar(field); strings.ToLower(s) {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	default:
		p.fail(field, field+" "+quote(s, p.doc)+": true or false")
		return otherwise
	}
}

// list returns a field that may be a JSON list, a string that holds one (the console's editor stores every value as a string), or a
// string of words.
func (p *parser) list(field string) []string {
	raw := p.raw(field)
	if raw == nil {
		return nil
	}
	if kindOf(raw) == "a string" {
		s := p.text(field)
		if !strings.HasPrefix(strings.TrimSpace(s), "[") {
			return strings.Fields(s)
		}
		raw = []byte(s)
	}
	var items []string
	if json.Unmarshal(raw, &items) != nil {
		p.fail(field, field+": a string of names separated by spaces, or a list of strings")
		return nil
	}
	var words []string
	for _, item := range items {
		words = append(words, strings.Fields(item)...)
	}
	return words
}
