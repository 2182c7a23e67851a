// Package awserr turns the errors of the AWS SDK into errors of package store, for every adapter. An Error says which call failed, for
// which secret, parameter or item, and never holds a value that was sent or received.
package awserr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Error is one failed call, or the failure of one item of a batch. It unwraps to the sentinel of package store that decides what follows,
// and to context.Canceled or context.DeadlineExceeded where one of them was the cause. The SDK's own error is not in the chain, because
// its text may repeat what was sent or a part of the response.
type Error struct {
	Op      string // PutParameter
	Subject string // name of the secret, parameter or item; the first name of a call with several; the prefix of a listing
	Code    string // AWS's error code, "" when there was no response
	Message string // one line, at most 300 characters, without any value

	kind  error
	cause error
}

// Error is of the form "PutParameter /oauth/x/access_token: ThrottlingException: Rate exceeded".
func (e *Error) Error() string {
	text := e.Op + " " + e.Subject
	for _, part := range []string{e.Code, e.Message} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// Unwrap returns the sentinel of package store and, if any, the error of the context.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// For returns a copy of e for another subject: the failure of a whole batch, once for each of its items.
func (e *Error) For(subject string) *Error {
	c := *e
	c.Subject = subject
	return &c
}

// Explain returns a copy of e whose message begins with text, followed by AWS's own message in parentheses.
func (e *Error) Explain(text string) *Error {
	c := *e
	c.Message = clean(text + " (" + e.Message + ")")
	return &c
}

// WithMessage returns a copy of e with text in place of AWS's own message.
func (e *Error) WithMessage(text string) *Error {
	c := *e
	c.Message = clean(text)
	return &c
}

// Response is what the service returned.
type Response struct {
	Code    string // "" when the body could not be read
	Message string
	Status  int // HTTP status, 0 for one item of a batch
}

// Throttled reports whether the service refused the call because there were too many.
func (r Response) Throttled() bool {
	_, known := retry.DefaultThrottleErrorCodes[r.Code]
	return known || r.Status == http.StatusTooManyRequests
}

// Table returns the sentinel of package store for a response. Each adapter has its own, because one code means different things to
// different services.
type Table func(Response) error

// New makes an Error of what an SDK client returned, which must not be nil. Without a response the sentinel is [store.ErrUnavailable].
// secrets are the values that were sent: they, and every run of eight bytes of them, are removed from AWS's message.
func New(op, subject string, err error, table Table, secrets ...oauth.Secret) *Error {
	e := &Error{Op: op, Subject: subject, kind: store.ErrUnavailable}
	status := 0
	if response := interface{ HTTPStatusCode() int }(nil); errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var (
		api        smithy.APIError
		unreadable *smithy.DeserializationError
		transfer   *url.Error
	)
	switch {
	case errors.As(err, &api):
		return FromResponse(op, subject, Response{Code: api.ErrorCode(), Message: api.ErrorMessage(), Status: status}, table, secrets...)
	case errors.Is(err, context.DeadlineExceeded):
		e.Message, e.cause = "no response in time", context.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		e.Message, e.cause = "canceled", context.Canceled
	case errors.As(err, &unreadable): // its text may hold a part of the body
		e.Message, e.kind = fmt.Sprintf("HTTP %d: the response cannot be read", status), table(Response{Status: status})
	case errors.As(err, &transfer):
		e.Message = "no connection: " + transfer.Err.Error()
	default:
		e.Message = err.Error()
	}
	e.Message = clean(redact(e.Message, secrets))
	return e
}

// FromResponse makes an Error of a response, such as the failure of one item of a batch.
func FromResponse(op, subject string, r Response, table Table, secrets ...oauth.Secret) *Error {
	return &Error{
		Op: op, Subject: subject, Code: clean(redact(r.Code, secrets)), Message: clean(redact(r.Message, secrets)), kind: table(r),
	}
}

// Local makes an Error of a fault that the adapter found without a response. kind is an error of package store.
func Local(op, subject string, kind error, message string) *Error {
	return &Error{Op: op, Subject: subject, Message: clean(message), kind: kind}
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
