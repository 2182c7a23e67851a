package connection

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Names of the fields of a document (contract.md section 1).
const (
	fieldProvider      = "provider"
	fieldClientID      = "client_id"
	fieldClientSecret  = "client_secret"
	fieldBasicToken    = "basic_token"
	fieldAccountID     = "account_id"
	fieldEnvironment   = "environment"
	fieldScope         = "scope"
	fieldRequiredScope = "required_scope"
	fieldTokenEndpoint = "token_endpoint"
	fieldAuthMethod    = "token_endpoint_auth_method"
	fieldGrantType     = "grant_type"
	fieldAudience      = "audience"
	fieldResource      = "resource"
	fieldRefreshAt     = "refresh_at"
	fieldMaxLifetime   = "max_lifetime"
	fieldVerifyCall    = "verify_call"
	fieldFallback      = "fallback"
)

// freePrefix begins the names of fields that are kept and ignored.
const freePrefix = "x_"

// fieldNames are all known fields, those that people most often mean first.
var fieldNames = [...]string{
	fieldProvider, fieldClientID, fieldClientSecret, fieldBasicToken, fieldTokenEndpoint, fieldAuthMethod, fieldScope,
	fieldRequiredScope, fieldAccountID, fieldEnvironment, fieldGrantType, fieldAudience, fieldResource, fieldRefreshAt,
	fieldMaxLifetime, fieldVerifyCall, fieldFallback,
}

// credential reports whether a field is part of the client credentials; all others are configuration.
func credential(field string) bool {
	return field == fieldClientID || field == fieldClientSecret || field == fieldBasicToken
}

// document is the outermost object of a connection document, undecoded.
type document struct {
	names  []string // in the order in which they are written
	fields map[string]json.RawMessage
}

// Faults of a value that is not a JSON object. None of them repeats a part of the value.
var (
	errEmpty = errors.New(`the value is empty; it must be a JSON object such as {"provider":"hotmart","client_id":"…","client_secret":"…"}`)
	errUTF8  = errors.New("the value is not UTF-8 text; save the file as UTF-8 and store it again")
	errTail  = errors.New("something follows the closing brace of the JSON object; the value must be one object")
)

// readDocument splits value into its fields. Its errors repeat nothing of the value except names of fields.
func readDocument(value oauth.Secret) (document, error) {
	raw := []byte(strings.TrimPrefix(value.Reveal(), "\ufeff")) // Windows editors write it
	if len(bytes.TrimSpace(raw)) == 0 {
		return document{}, errEmpty
	}
	if !utf8.Valid(raw) {
		return document{}, errUTF8
	}
	if kind := kindOf(bytes.TrimSpace(raw)); kind != "an object" {
		return document{}, fmt.Errorf("the value is %s; it must be a JSON object", kind)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	doc, err := readFields(dec)
	if duplicate := (*duplicateError)(nil); errors.As(err, &duplicate) {
		return document{}, err
	}
	if err != nil {
		return document{}, syntaxError(raw)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return document{}, errTail
	}
	return doc, nil
}

// duplicateError names a field that is written twice: programs differ in which of the two they read (RFC 8259 section 4).
type duplicateError struct{ field string }

func (e *duplicateError) Error() string {
	return fmt.Sprintf("field %s is there twice; remove one", e.field)
}

// readFields reads one object field by field: json.Unmarshal takes the last of two equal names without an error.
func readFields(dec *json.Decoder) (document, error) {
	doc := document{fields: map[string]json.RawMessage{}}
	if _, err := dec.Token(); err != nil {
		return doc, err
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return doc, err
		}
		name, _ := token.(string) // Token returns nothing else as the name of a field
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return doc, err
		}
		if _, twice := doc.fields[name]; twice {
			return doc, &duplicateError{field: quoteName(name, doc)}
		}
		doc.names = append(doc.names, name)
		doc.fields[name] = raw
	}
	_, err := dec.Token()
	return doc, err
}

// syntaxError reports where the JSON is invalid, and the usual reason, without repeating a part of it.
func syntaxError(raw []byte) error {
	var whole json.RawMessage
	syntax := (*json.SyntaxError)(nil)
	if err := json.Unmarshal(raw, &whole); !errors.As(err, &syntax) { // a Decoder's offsets mean different things in different places
		return errors.New("the value is not JSON")
	}
	if syntax.Error() == "unexpected end of JSON input" { // encoding/json has no other sign: an error at the last byte has the same offset
		return errors.New("the value is not JSON: it ends before its closing brace")
	}
	before := raw[:max(int(syntax.Offset)-1, 0)]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	if !bytes.ContainsRune(raw, '"') {
		return fmt.Errorf("the value is not JSON (line %d, column %d): its double quotes are gone, as a shell removes them; store it from a file (--secret-string file://…)", line, column)
	}
	return fmt.Errorf("the value is not JSON (line %d, column %d)", line, column)
}

// kindOf names the kind of a JSON value by its first byte.
func kindOf(raw []byte) string {
	switch c := raw[0]; {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == 't' && string(raw) == "true", c == 'f' && string(raw) == "false":
		return "a boolean"
	case c == 'n' && string(raw) == "null":
		return "null"
	case (c == '-' || c >= '0' && c <= '9') && json.Valid(raw):
		return "a number"
	}
	return "not JSON"
}

// unknown returns the first field that is neither known nor begins with freePrefix.
func (d document) unknown() (name string, found bool) {
	i := slices.IndexFunc(d.names, func(name string) bool {
		return !strings.HasPrefix(name, freePrefix) && !slices.Contains(fieldNames[:], name)
	})
	if i < 0 {
		return "", false
	}
	return d.names[i], true
}

// alias returns the field for a name that other tools use and that no edit distance finds, "" for none.
func alias(name string) string {
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)) {
	case "tokenurl", "accesstokenurl", "tokenuri", "url", "uri":
		return fieldTokenEndpoint
	case "authmethod", "authstyle", "authtype", "clientauth":
		return fieldAuthMethod
	case "basic", "authorization":
		return fieldBasicToken
	case "env":
		return fieldEnvironment
	case "storeid", "xkiwifyaccountid":
		return fieldAccountID
	case "key", "apikey", "clientkey", "consumerkey":
		return fieldClientID
	case "ttl", "lifetime", "expiresin":
		return fieldMaxLifetime
	}
	return ""
}

// nearestField returns the known field that name probably means, "" for none.
func nearestField(name string) string {
	if field := alias(name); field != "" {
		return field
	}
	return provider.Closest(name, fieldNames[:])
}
