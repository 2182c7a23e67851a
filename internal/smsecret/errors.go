package smsecret

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// Error is one failed call, or the failure of one secret in a batch. It unwraps to the sentinel of package refresh that says what to do
// about it, and to context.Canceled or context.DeadlineExceeded where one of them was the cause. The SDK's own error is not in the
// chain: an answer that cannot be read may hold a secret, and its text a piece of it.
type Error struct {
	Op      string // GetSecretValue
	Subject string // the secret's name, or the prefix of a listing
	Code    string // AWS's error code, "" when there was no answer
	Message string // cleaned, at most 300 characters, without any value

	kind  error
	cause error
}

// Error is of the form "GetSecretValue oauth/x: AccessDeniedException: Access to KMS is not allowed".
func (e *Error) Error() string {
	text := e.Op + " " + e.Subject
	for _, part := range []string{e.Code, e.Message} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// Unwrap returns the sentinel and, if any, the context's error.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// withoutValue tells the refusal that a secret gets which has no version with the label: it was created without a value. AWS has no
// code of its own for it, only the words "can't find the specified secret value for staging label: AWSCURRENT"; a secret that does not
// exist is "can't find the specified secret".
func (e *Error) withoutValue() bool {
	return e.Code == (&types.ResourceNotFoundException{}).ErrorCode() && strings.Contains(e.Message, "secret value for staging label")
}

// callError makes an *Error of what the SDK returned.
func callError(op, subject string, err error) *Error {
	status := 0
	if answered := interface{ HTTPStatusCode() int }(nil); errors.As(err, &answered) {
		status = answered.HTTPStatusCode()
	}
	e := &Error{Op: op, Subject: subject, kind: refresh.ErrUnavailable}
	var (
		api      smithy.APIError
		unread   *smithy.DeserializationError
		transfer *url.Error
	)
	switch {
	case errors.As(err, &api):
		return answerError(op, subject, api.ErrorCode(), api.ErrorMessage(), status)
	case errors.Is(err, context.DeadlineExceeded):
		e.Message, e.cause = "no answer in time", context.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		e.Message, e.cause = "cancelled", context.Canceled
	case errors.As(err, &unread):
		e.Message = fmt.Sprintf("HTTP %d: the answer cannot be read", status)
	case errors.As(err, &transfer):
		e.Message = clean("no connection: " + transfer.Err.Error())
	default:
		e.Message = clean(err.Error())
	}
	return e
}

// answerError makes an *Error of a code and message of Secrets Manager. status is 0 for the error of one secret in a batch.
func answerError(op, subject, code, message string, status int) *Error {
	return &Error{Op: op, Subject: subject, Code: clean(code), Message: clean(message), kind: kindOf(code, message, status)}
}

// kindOf is the table of what Secrets Manager's codes mean here. Whatever it does not name is ErrUnavailable: asked again later.
// A caller without valid credentials (ExpiredTokenException, …) is among that: it says nothing about the secret.
func kindOf(code, message string, status int) error {
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case throttled || status == http.StatusTooManyRequests || status >= 500:
		return refresh.ErrUnavailable
	case code == (&types.ResourceNotFoundException{}).ErrorCode():
		return refresh.ErrNotFound
	case code == (&types.DecryptionFailure{}).ErrorCode(), kmsRefuses(code):
		return refresh.ErrUndecryptable
	case code == "AccessDeniedException" || code == "AccessDenied":
		if aboutKMS(message) {
			return refresh.ErrUndecryptable
		}
		return refresh.ErrAccessDenied
	case code == (&types.InvalidRequestException{}).ErrorCode():
		return invalidRequest(message)
	}
	return refresh.ErrUnavailable
}

// kmsRefuses tells KMS's own refusals, which come through under their names; its troubles (KMSInternalException) are none.
func kmsRefuses(code string) bool {
	switch code {
	case "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException", "KMSOptInRequired":
		return true
	}
	return false
}

// aboutKMS tells "Access to KMS is not allowed" and "… is not authorized to perform: kms:Decrypt …" from a refusal of Secrets
// Manager's own, which has the same code. No secret's or role's name can hold the second (a colon is not allowed).
func aboutKMS(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "access to kms") || strings.Contains(m, "kms:") || strings.Contains(m, "kms key")
}

// invalidRequest reads the one code that Secrets Manager has for every state in which a secret cannot be read: marked for deletion,
// or its key out of use.
func invalidRequest(message string) error {
	m := strings.ToLower(message)
	switch {
	case aboutKMS(m):
		return refresh.ErrUndecryptable
	case strings.Contains(m, "delet"):
		return refresh.ErrNotFound
	}
	return refresh.ErrUnavailable
}

const maxMessage = 300 // characters

// clean makes one line of at most maxMessage characters.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if r := []rune(text); len(r) > maxMessage {
		return string(r[:maxMessage-1]) + "…"
	}
	return text
}
