package connection

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// MergeCredentials lays the credential fields of pair over the document current: what a BACKUP or CANDIDATE version means (contract.md section 6).
// A pair that brings a basic_token replaces client_id and client_secret, and the other way round, so that no half of the old pair stays
// beside the new one. Fields that begin with x_ are ignored, any other field of pair is refused by name. The error is an *Error without
// Connection, which the caller fills in.
func MergeCredentials(current, pair oauth.Secret) (oauth.Secret, error) {
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

// ValidateCredentials reports whether a staged pair names both halves, or the ready-made Basic value of both: one half alone would be completed with
// the old pair's other half. The error is an *Error without Connection.
func ValidateCredentials(pair oauth.Secret) error {
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

// BoolField reports whether a staged pair has a field of the given name, which begins with x_, at true: how the person who stages it answers a
// question about it.
func BoolField(pair oauth.Secret, field string) bool {
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
