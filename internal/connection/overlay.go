package connection

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Overlay lays the credential fields of pair over the document current: what a BACKUP or CANDIDATE version means (contract.md section 6).
// A pair that brings a basic_token replaces client_id and client_secret, and the other way round, so that no half of the old pair stays
// beside the new one. Fields that begin with x_ are ignored, any other field of pair is refused by name. The error is an *Error without
// Connection, which the caller fills in.
func Overlay(current, pair oauth.Secret) (oauth.Secret, error) {
	base, err := readDocument(current)
	if err != nil {
		return oauth.Secret{}, &Error{Code: CodeInvalidDocument, Message: err.Error()}
	}
	over, err := readDocument(pair)
	if err != nil {
		return oauth.Secret{}, &Error{Code: CodeInvalidDocument, Message: "the pair: " + err.Error()}
	}
	if err := onlyCredentials(over); err != nil {
		return oauth.Secret{}, err
	}
	merged := maps.Clone(base.fields)
	if given(over, fieldBasicToken) {
		delete(merged, fieldClientID)
		delete(merged, fieldClientSecret)
	} else {
		delete(merged, fieldBasicToken)
	}
	for name, raw := range over.fields {
		if credential(name) {
			merged[name] = raw
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)               // sorts the names, so that the same two always give the same bytes
	enc.SetEscapeHTML(false)                   // what is kept stays as it was written
	if err := enc.Encode(merged); err != nil { // the fields have just been read as JSON; the text of err could hold some of it
		return oauth.Secret{}, &Error{Code: CodeInvalidDocument, Message: "the pair cannot be laid over the document"}
	}
	return oauth.NewSecret(string(bytes.TrimRight(out.Bytes(), "\n"))), nil
}

// WholePair reports whether a staged pair names both halves, or the ready-made Basic value of both: one half alone would be completed with
// the old pair's other half. The error is an *Error without Connection.
func WholePair(pair oauth.Secret) error {
	doc, err := readDocument(pair)
	if err != nil {
		return &Error{Code: CodeInvalidDocument, Message: "the pair: " + err.Error()}
	}
	if given(doc, fieldBasicToken) {
		return nil
	}
	for _, field := range []string{fieldClientID, fieldClientSecret} {
		if !given(doc, field) {
			return &Error{Code: CodeInvalidDocument, Field: field, Message: "the pair: " + field + " is missing; stage both halves, client_id and client_secret"}
		}
	}
	return nil
}

// Says reports whether a staged pair has a field of the given name, which begins with x_, at true: how the person who stages it answers a
// question about it.
func Says(pair oauth.Secret, field string) bool {
	doc, err := readDocument(pair)
	if err != nil {
		return false
	}
	return canonical(doc, field) == "true"
}

// onlyCredentials refuses a pair with configuration in it, or without a credential.
func onlyCredentials(pair document) error {
	some := false
	for _, name := range pair.names {
		if credential(name) {
			some = some || given(pair, name)
			continue
		}
		if !strings.HasPrefix(name, freePrefix) {
			return &Error{
				Code: CodeInvalidDocument, Field: clip(quoteName(name, pair)),
				Message: "the pair: field " + quoteName(name, pair) + " is not allowed; it holds client_id and client_secret (or basic_token) only, the rest comes from AWSCURRENT",
			}
		}
	}
	if !some {
		return &Error{Code: CodeInvalidDocument, Field: fieldClientID, Message: "the pair holds neither client_id, client_secret nor basic_token"}
	}
	return nil
}

// given reports whether a field has a value: not absent, null or "".
func given(d document, field string) bool {
	raw := string(bytes.TrimSpace(d.fields[field]))
	return raw != "" && raw != "null" && raw != `""`
}

// SameConfiguration reports whether two documents agree in every field but the credentials and those that begin with x_: only then may
// AWSPREVIOUS stand in for AWSCURRENT (contract.md section 6). An absent field, null and "" are the same; a string is the same as the
// number or boolean that it spells; lists are compared as they are written.
func SameConfiguration(a, b oauth.Secret) (bool, error) {
	left, err := readDocument(a)
	if err != nil {
		return false, &Error{Code: CodeInvalidDocument, Message: err.Error()}
	}
	right, err := readDocument(b)
	if err != nil {
		return false, &Error{Code: CodeInvalidDocument, Message: err.Error()}
	}
	for _, name := range slices.Concat(left.names, right.names) {
		if credential(name) || strings.HasPrefix(name, freePrefix) {
			continue
		}
		if canonical(left, name) != canonical(right, name) {
			return false, nil
		}
	}
	return true, nil
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
