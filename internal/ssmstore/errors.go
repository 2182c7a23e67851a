package ssmstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Error is one failed call. It unwraps to the sentinel of package refresh that says what to do about it, and to
// context.Canceled or context.DeadlineExceeded where one of them was the cause. The SDK's own error is not in the chain, since its
// text may repeat what was sent.
type Error struct {
	Op      string // PutParameter
	Subject string // the parameter, or the first of a call, or the prefix of a listing
	Code    string // AWS's error code, "" when there was no answer
	Message string // cleaned, at most 300 characters, without any value

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

// Unwrap returns the sentinel and, if any, the context's error.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// purpose is what a call was for: it decides what a refusal means, and what must not be repeated of it.
type purpose struct {
	write  bool
	secret oauth.Secret
}

var (
	reads  = purpose{}
	writes = purpose{write: true}
)

func writing(value oauth.Secret) purpose { return purpose{write: true, secret: value} }

// callError makes an *Error of what the SDK returned.
func callError(op, subject string, p purpose, err error) error {
	e := &Error{Op: op, Subject: subject, kind: refresh.ErrUnavailable}
	status := 0
	if answered := interface{ HTTPStatusCode() int }(nil); errors.As(err, &answered) {
		status = answered.HTTPStatusCode()
	}
	var (
		api      smithy.APIError
		unread   *smithy.DeserializationError
		transfer *url.Error
	)
	switch {
	case errors.As(err, &api):
		e.Code, e.Message = api.ErrorCode(), api.ErrorMessage()
		e.kind = kindOf(e.Code, status, p)
	case errors.Is(err, context.DeadlineExceeded):
		e.Message, e.cause = "no answer in time", context.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		e.Message, e.cause = "cancelled", context.Canceled
	case errors.As(err, &unread):
		// Its text may hold pieces of the answer.
		e.Message, e.kind = fmt.Sprintf("HTTP %d: the answer cannot be read", status), kindOf("", status, p)
	case errors.As(err, &transfer):
		e.Message = "no connection: " + transfer.Err.Error()
	default:
		e.Message = err.Error()
	}
	e.Code, e.Message = clean(scrub(e.Code, p.secret)), clean(scrub(e.Message, p.secret))
	return e
}

// kindOf is the table of what AWS's codes mean here. Codes are those of the SDK's types where it has one; the others are common to all
// services (ThrottlingException, AccessDeniedException, ValidationException, …) and are told as generic errors.
func kindOf(code string, status int, p purpose) error {
	switch {
	case throttled(code, status):
		return refresh.ErrThrottled
	case status >= 500 || code == (&types.InternalServerError{}).ErrorCode():
		return refresh.ErrUnavailable
	case !p.write:
		return readKind(code)
	}
	return writeKind(code, status)
}

func throttled(code string, status int) bool {
	_, known := retry.DefaultThrottleErrorCodes[code]
	return known || status == http.StatusTooManyRequests || code == (&types.TooManyUpdates{}).ErrorCode()
}

func readKind(code string) error {
	switch code {
	case (&types.ParameterNotFound{}).ErrorCode(), (&types.ParameterVersionNotFound{}).ErrorCode():
		return refresh.ErrNotFound
	case (&types.AccessDeniedException{}).ErrorCode(), "AccessDenied":
		return refresh.ErrAccessDenied
	}
	return refresh.ErrUnavailable
}

func writeKind(code string, status int) error {
	switch code {
	case (&types.HierarchyTypeMismatchException{}).ErrorCode():
		return refresh.ErrTypeConflict
	case (&types.InvalidKeyId{}).ErrorCode(), (&types.ParameterLimitExceeded{}).ErrorCode():
		return refresh.ErrStoreRefuses
	}
	// Whoever is refused by name or by signature is refused for every parameter, and so is whoever may not use the key; KMS's own
	// codes come through as they are.
	if installation(code) || status == http.StatusForbidden || strings.HasPrefix(code, "KMS") {
		return refresh.ErrStoreRefuses
	}
	if code == "" {
		return refresh.ErrUnavailable // an answer that says nothing is a proxy's, not SSM's
	}
	return refresh.ErrRefusesValue
}

// installation tells the codes that speak of the caller, not of the request.
func installation(code string) bool {
	switch code {
	case (&types.AccessDeniedException{}).ErrorCode(), "AccessDenied", "NotAuthorized", "OptInRequired",
		"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return true
	}
	return false
}

const (
	redacted   = "[redacted]"
	maxMessage = 300 // characters
	// A shorter run that message and value share is coincidence: the words of a validation message occur in failure sentences.
	sharedRun = 8
)

// scrub removes from text whatever it shares with the secret: validation messages quote the value that was sent, whole, cut or escaped.
func scrub(text string, secret oauth.Secret) string {
	value := secret.Reveal()
	if value == "" || text == "" {
		return text
	}
	for _, form := range []string{
		value,
		url.QueryEscape(value),
		url.PathEscape(value),
		base64.StdEncoding.EncodeToString([]byte(value)),
		base64.URLEncoding.EncodeToString([]byte(value)),
	} {
		text = cutShared(text, form)
	}
	return text
}

// cutShared replaces each run of at least sharedRun bytes (or all of a shorter form) that text shares with form.
func cutShared(text, form string) string {
	least := min(sharedRun, len(form))
	var out strings.Builder
	for i := 0; i < len(text); {
		n := 0
		for l := least; i+l <= len(text) && strings.Contains(form, text[i:i+l]); l++ {
			n = l
		}
		if n == 0 {
			out.WriteByte(text[i])
			i++
			continue
		}
		out.WriteString(redacted)
		i += n
	}
	return out.String()
}

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
