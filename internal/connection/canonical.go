package connection

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Configuration identifies the configuration of a document: the first 16 hex digits of the SHA-256 of its sorted configuration fields, which are
// all but the credential fields and those that begin with x_. Values are compared in their canonical form: an absent field, null and "" are
// the same; a string is the same as the number or boolean that it spells; a list is its strings, joined by spaces. The error is an *Error
// without Connection.
func Configuration(doc oauth.Secret) (string, error) {
	d, err := readDocument(doc)
	if err != nil {
		return "", &Error{Code: CodeInvalidDocument, Message: err.Error()}
	}
	fields := configurationOf(d)
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		hash.Write([]byte(name + "\x00" + fields[name] + "\x00"))
	}
	return hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

// SameConfiguration reports whether two documents agree in every configuration field, as Configuration compares them: only then may the
// credentials of one version stand in for those of another. The error is an *Error without Connection.
func SameConfiguration(a, b oauth.Secret) (bool, error) {
	left, err := readDocument(a)
	if err != nil {
		return false, &Error{Code: CodeInvalidDocument, Message: err.Error()}
	}
	right, err := readDocument(b)
	if err != nil {
		return false, &Error{Code: CodeInvalidDocument, Message: err.Error()}
	}
	return maps.Equal(configurationOf(left), configurationOf(right)), nil
}

// configurationOf returns the canonical values of the configuration fields that have one.
func configurationOf(d document) map[string]string {
	fields := make(map[string]string)
	for name := range d.fields {
		if value := canonical(d, name); value != "" && !credential(name) && !strings.HasPrefix(name, freePrefix) {
			fields[name] = value
		}
	}
	return fields
}

// given reports whether a field has a value: not absent, null or "".
func given(d document, field string) bool {
	raw := string(bytes.TrimSpace(d.fields[field]))
	return raw != "" && raw != "null" && raw != `""`
}

// canonical is a field's value as text for comparison.
func canonical(d document, field string) string {
	if !given(d, field) {
		return ""
	}
	raw := d.fields[field]
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var items []string
	if json.Unmarshal(raw, &items) == nil {
		return strings.Join(items, " ")
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return string(raw)
	}
	return compact.String()
}
