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

// form is what a body is, by its content. The Content-Type is not asked: JSON comes as text/html and HTML as application/json.
type form int

const (
	formEmpty   form = iota
	formObject       // a JSON object, or key=value pairs
	formJSON         // JSON, but no object
	formBadJSON      // begins as JSON
	formHTML
	formText
)

// answer is one HTTP answer, taken apart as far as it can be.
type answer struct {
	status  int
	header  http.Header
	at      time.Time // issued_at: just before the request was sent
	body    []byte    // without byte order mark and blanks around
	bodyErr error     // errBodyTooLarge, errBodyEncoding
	form    form
	fields  map[string]any // of formObject
	dialect Dialect
	request outgoing
}

func parseAnswer(res *http.Response, body []byte, request outgoing) *answer {
	d := request.endpoint.Dialect
	a := &answer{status: res.StatusCode, header: res.Header, at: request.call.Now.UTC().Truncate(time.Second), dialect: d, request: request}
	a.body = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\ufeff")))
	a.form, a.fields = sniff(a.body, d)
	return a
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
	if fields, ok := plainObject(body); ok {
		return fields
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // a float64 cannot hold every number that a server may send, and 1e999 not at all
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return nil
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil
	}
	return fields
}

// decodeForm takes key=value pairs for an answer only when one of the fields that matter is among them: "try again in a=b minutes" is none.
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

// path is where a standard field stands in this server's answers.
func (d Dialect) path(field string) string {
	if p := d.Fields[field]; p != "" {
		return p
	}
	return field
}

// field returns a standard field's value, nil when it is absent or null.
func (a *answer) field(name string) any { return at(a.fields, a.dialect.path(name)) }

// at follows a dotted path. A name that itself holds a dot is found as well.
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
func (a *answer) text(name string) string {
	s, _ := a.field(name).(string)
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

// hasToken reports whether there is anything in the place of the access token.
func (a *answer) hasToken() bool {
	v := a.field("access_token")
	return v != nil && v != ""
}

func (a *answer) ok() bool { return a.status >= 200 && a.status <= 299 }

// minNamed is the length from which a text of a success is taken for a secret because of its field's name alone: "token_use":"access" is none, and
// would cost the scope.
const minNamed = 16

// secrets adds the answer's own tokens to a scrubber, wherever they stand. Beside the two of RFC 6749 a field counts by its name, if it has at least
// this many bytes.
func (a *answer) secrets(s *scrubber, least int) {
	for _, name := range []string{"access_token", "refresh_token"} {
		if v, ok := a.field(name).(string); ok {
			s.add(v)
		}
	}
	addSecrets(s, a.fields, least)
}

func addSecrets(s *scrubber, v any, least int) {
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
