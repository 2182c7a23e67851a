package oauth

import (
	"slices"
	"strings"
)

// complaint is what an answer says went wrong, gathered from the places where servers say it.
type complaint struct {
	words   []string // error codes: RFC 6749's error, or what an envelope calls type, code or status
	texts   []string // sentences
	refused bool     // ok:false, or an error that is neither a word nor an object
}

// complaint gathers from `error` as a word (RFC 6749 section 5.2) or as an object, from `errors` as an object or as a list, and from the
// fields in which a sentence may stand. An empty or null error counts as no error.
func (a *answer) complaint() *complaint {
	c := new(complaint)
	switch v := a.field("error").(type) {
	case string:
		c.word(v)
	case map[string]any:
		c.object(v)
	case bool:
		c.refused = v
	case nil:
	default:
		c.word(scalar(v))
	}
	switch v := a.fields["errors"].(type) {
	case map[string]any:
		c.object(v)
	case []any:
		if len(v) > 0 {
			c.element(v[0])
		}
	case string:
		c.word(v)
	}
	if ok, isBool := a.fields["ok"].(bool); isBool && !ok {
		c.refused = true
	}
	for _, name := range []string{"error_description", "message"} {
		c.text(a.text(name))
	}
	for _, name := range []string{"error_message", "errorMessage", "detail", "title"} {
		c.text(scalar(a.fields[name]))
	}
	return c
}

func (c *complaint) element(v any) {
	switch v := v.(type) {
	case string:
		c.text(v)
		c.refused = true
	case map[string]any:
		c.object(v)
	}
}

// object takes up an error object, which is a complaint also when nothing in it is understood.
func (c *complaint) object(o map[string]any) {
	if len(o) == 0 {
		return
	}
	c.refused = true
	for _, name := range []string{"error", "error_type", "type", "status", "code"} {
		c.word(scalar(o[name]))
	}
	for _, name := range []string{"error_description", "error_message", "message", "detail", "title"} {
		c.text(scalar(o[name]))
	}
}

func (c *complaint) word(s string) {
	if s = strings.TrimSpace(s); s != "" {
		c.words = append(c.words, s)
	}
}

func (c *complaint) text(s string) {
	if s != "" && !slices.Contains(c.texts, s) {
		c.texts = append(c.texts, s)
	}
}

// made reports whether there is any complaint: sentences alone are none, a success may have a message.
func (c *complaint) made() bool { return len(c.words) > 0 || c.refused }

// description is the complaint in the provider's words; withWord puts the error code in front, for when nobody else will say it.
func (c *complaint) description(withWord bool) string {
	var parts []string
	if withWord && len(c.words) > 0 {
		parts = append(parts, c.words[0])
	}
	if len(c.texts) > 0 && !slices.Contains(parts, c.texts[0]) {
		parts = append(parts, c.texts[0])
	}
	return strings.Join(parts, ": ")
}

// describe is the description beside a code: the error code is part of it only when there is no sentence, and the code differs.
func (c *complaint) describe(code string) string {
	return c.description(len(c.texts) == 0 && !slices.Contains(c.words, code))
}

// verdict returns what the error codes of the RFCs make of the complaint.
func (c *complaint) verdict() (verdict, bool) {
	for _, w := range c.words {
		if v, ok := codeVerdict(w); ok {
			return v, true
		}
	}
	return verdict{}, false
}
