package connection

import "github.com/chaveiro/chaveiro/pkg/oauth"

// Codes of contract.md section 3 that a connection document can fail with.
const (
	CodeInvalidDocument     = "invalid_document"
	CodeUnknownProvider     = "unknown_provider"
	CodeEndpointRefused     = "endpoint_refused"
	CodeInvalidConnectionID = "invalid_connection_id"
)

// Error is what is wrong with a connection. It never holds a credential.
type Error struct {
	Connection string // "" when the caller has not said which, see MergeCredentials
	Code       string // one of the codes above
	Field      string // field of the document, "" when it is the whole value or the name
	Message    string // for a person, without the connection; names the field and what to do
}

// Error is the message with the connection in front, except where the message is about the connection's name.
func (e *Error) Error() string {
	if e.Connection == "" || e.Code == CodeInvalidConnectionID {
		return e.Message
	}
	return e.Connection + ": " + e.Message
}

// Class is always oauth.Configuration: a person must change something.
func (e *Error) Class() oauth.Class { return oauth.Configuration }

// BinaryError is the error for a secret that holds SecretBinary, which only the reader of the secret can tell.
func BinaryError(connection string) *Error {
	return &Error{
		Connection: connection, Code: CodeInvalidDocument,
		Message: "the secret holds binary data; store the JSON document as text (--secret-string)",
	}
}
