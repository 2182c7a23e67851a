package oauth

import (
	"slices"
	"strings"
)

// complaint is what an answer says went wrong, gathered from the places where servers say it.
type complaint struct {
	words   []string // error codes: RFC 6749's error, or what an envelope calls type, code or status
	texts   []string // sentences
	envelop map[string]any
	refused bool // ok:false, or an error that is neither a word nor an object
}

// complaint gathers from `error` as a word (RFC 6749 section 5.2) or as an object (Meta, Google), from `errors` as an object (RD Station) or as a list, and
// from the fields in which a sentence may stand. An empty or null error is none.
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
	c.envelop, c.refused = o, true
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

func (c *complaint) says(part string) bool {
	return slices.ContainsFunc(c.texts, func(t string) bool { return strings.Contains(t, part) })
}

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

// verdict returns what the built-in rules make of the complaint.
func (c *complaint) verdict(status int) (verdict, bool) {
	if c.says("AADSTS7000222") { // Microsoft: the secret's end date has passed
		return verdict{Credentials, CodeSecretExpired}, true
	}
	if wrongService(c) {
		return verdict{Configuration, CodeWrongEndpoint}, true
	}
	if o := c.envelop; o != nil {
		transient, _ := o["is_transient"].(bool)
		if v, ok := facebookVerdict(scalar(o["type"]), scalar(o["code"]), scalar(o["message"]), transient); ok {
			return v, true
		}
		if v, ok := googleVerdict(scalar(o["status"])); ok {
			return v, true
		}
	}
	for _, w := range c.words {
		if v, ok := wordVerdict(w, status); ok {
			return v, true
		}
	}
	return verdict{}, false
}

// wrongService recognises AWS, which speaks so when a request for somebody else reaches an API gateway: there is no token endpoint at this address.
func wrongService(c *complaint) bool {
	return c.says("Authorization header requires 'Credential' parameter") || c.says("Missing Authentication Token") ||
		c.says("not a valid key=value pair (missing equal-sign) in Authorization header")
}
