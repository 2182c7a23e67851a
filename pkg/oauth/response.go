package oauth

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// form is what a body holds, by its content. The Content-Type is ignored: servers send JSON as text/html and HTML as application/json.
type form int

const (
	formEmpty   form = iota
	formObject       // a JSON object, or key=value pairs
	formJSON         // JSON, but not an object
	formBadJSON      // begins as JSON
	formHTML
	formText
)

// response is one HTTP response, parsed as far as possible.
type response struct {
	status  int
	header  http.Header
	at      time.Time // just before the request was sent
	body    []byte    // without byte order mark and surrounding blanks
	bodyErr error     // errBodyTooLarge, errBodyEncoding
	form    form
	fields  map[string]any // of formObject
	dialect Dialect
	request outgoing
}

func parseResponse(res *http.Response, body []byte, request outgoing) *response {
	d := request.endpoint.Dialect
	r := &response{status: res.StatusCode, header: res.Header, at: request.call.Now.UTC().Truncate(time.Second), dialect: d, request: request}
	r.body = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\ufeff")))
	r.form, r.fields = sniff(r.body, d)
	return r
}

func sniff(body []byte, d Dialect) (form, map[string]any) {
	if len(body) == 0 {
		return formEmpty, nil
	}
	switch body[0] {
	case '{':
		if fields := decodeObject(body); fields != nil {
			return formObject, fields
		}
		return formBadJSON, nil
	case '[':
		if json.Valid(body) {
			return formJSON, nil
		}
		return formBadJSON, nil
	case '<':
		return formHTML, nil
	}
	if json.Valid(body) { // a string, a number, true, false, null
		return formJSON, nil
	}
	if fields := decodeForm(body, d); fields != nil {
		return formObject, fields
	}
	return formText, nil
}

// decodeObject returns nil for anything but one whole JSON object.
func decodeObject(body []byte) map[string]any {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // a float64 cannot hold every number that a server may send
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return nil
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil
	}
	return fields
}

// decodeForm accepts key=value pairs only when they have an access token or an error: "a=b" may be any text.
func decodeForm(body []byte, d Dialect) map[string]any {
	if bytes.ContainsAny(body, " \t\r\n<>\"") {
		return nil
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil
	}
	known := false
	fields := make(map[string]any, len(values))
	for name, v := range values {
		fields[name] = v[0]
		known = known || name == d.path("access_token") || name == d.path("error")
	}
	if !known {
		return nil
	}
	return fields
}

// path is where a standard field is in this server's responses.
func (d Dialect) path(field string) string {
	if p := d.Fields[field]; p != "" {
		return p
	}
	return field
}

// field returns the value of a standard field, nil when it is absent or null.
func (r *response) field(name string) any { return at(r.fields, r.dialect.path(name)) }

// at follows a dotted path. It also finds a name that contains a dot.
func at(object map[string]any, path string) any {
	if v, ok := object[path]; ok {
		return v
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil
	}
	inner, ok := object[head].(map[string]any)
	if !ok {
		return nil
	}
	return at(inner, rest)
}

// text returns a field that is a string, trimmed.
func (r *response) text(name string) string {
	s, _ := r.field(name).(string)
	return strings.TrimSpace(s)
}

// scalar returns a string or a number as text.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	}
	return ""
}

// hasToken reports whether the response has an access token, usable or not.
func (r *response) hasToken() bool {
	v := r.field("access_token")
	return v != nil && v != ""
}

func (r *response) ok() bool { return r.status >= 200 && r.status <= 299 }

// minNamed: in a 2xx, a field with "token" or "secret" in its name is redacted only from 16 bytes on. A short one, such as
// "token_use":"access", is not a secret, and would take a scope of the same word with it.
const minNamed = 16

// secrets adds the response's own tokens to a redactor, at any depth: the two of RFC 6749, and every field whose name suggests a secret and
// whose value has at least the given number of bytes.
func (r *response) secrets(s *redactor, least int) {
	for _, name := range []string{"access_token", "refresh_token"} {
		if v, ok := r.field(name).(string); ok {
			s.add(v)
		}
	}
	addSecrets(s, r.fields, least)
}

func addSecrets(s *redactor, v any, least int) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if text, ok := inner.(string); ok && len(text) >= least && isSecretName(name) {
				s.add(text)
			}
			addSecrets(s, inner, least)
		}
	case []any:
		for _, inner := range v {
			addSecrets(s, inner, least)
		}
	}
}

func isSecretName(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(name, "_", ""), "-", ""))
	return (strings.Contains(name, "token") && !strings.HasSuffix(name, "type")) || strings.Contains(name, "secret") ||
		strings.Contains(name, "password") || name == "jwt" || name == "basic" || name == "authorization"
}
