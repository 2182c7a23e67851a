package connection

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// MergeCredentials returns the document current with the credential fields of a staged version, BACKUP or CANDIDATE (contract.md section 6). A
// basic_token replaces client_id and client_secret, and they replace it, so that nothing of the old credentials stays. Fields of the staged
// version that begin with x_ are ignored; any other field is rejected by name. The error is an *Error without Connection.
func MergeCredentials(current, staged oauth.Secret) (oauth.Secret, error) {
	base, err := readDocument(current)
	if err != nil {
		return oauth.Secret{}, &Error{Code: CodeInvalidDocument, Message: err.Error()}
	}
	over, err := readDocument(staged)
	if err != nil {
		return oauth.Secret{}, &Error{Code: CodeInvalidDocument, Message: "the client credentials: " + err.Error()}
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
		return oauth.Secret{}, &Error{Code: CodeInvalidDocument, Message: "the client credentials cannot be merged into the document"}
	}
	return oauth.NewSecret(string(bytes.TrimRight(out.Bytes(), "\n"))), nil
}

// ValidateCredentials returns an error unless a staged version has client_id and client_secret, or basic_token: with one of them alone, the
// other would stay the old one. The error is an *Error without Connection.
func ValidateCredentials(staged oauth.Secret) error {
	doc, err := readDocument(staged)
	if err != nil {
		return &Error{Code: CodeInvalidDocument, Message: "the client credentials: " + err.Error()}
	}
	if given(doc, fieldBasicToken) {
		return nil
	}
	for _, field := range []string{fieldClientID, fieldClientSecret} {
		if !given(doc, field) {
			return &Error{Code: CodeInvalidDocument, Field: field, Message: "the client credentials: " + field + " is missing; stage both client_id and client_secret"}
		}
	}
	return nil
}

// BoolField reports whether a staged version has a field with the value true. A field that begins with x_ is how a person confirms something.
func BoolField(staged oauth.Secret, field string) bool {
	doc, err := readDocument(staged)
	if err != nil {
		return false
	}
	return canonical(doc, field) == "true"
}

// onlyCredentials rejects a staged version with a configuration field, or without a credential.
func onlyCredentials(staged document) error {
	some := false
	for _, name := range staged.names {
		if credential(name) {
			some = some || given(staged, name)
			continue
		}
		if !strings.HasPrefix(name, freePrefix) {
			return &Error{
				Code: CodeInvalidDocument, Field: clip(quoteName(name, staged)),
				Message: "the client credentials: field " + quoteName(name, staged) +
					" is not allowed; they hold client_id and client_secret (or basic_token) only, the rest comes from AWSCURRENT",
			}
		}
	}
	if !some {
		return &Error{Code: CodeInvalidDocument, Field: fieldClientID, Message: "the client credentials: the version holds neither client_id, client_secret nor basic_token"}
	}
	return nil
}
