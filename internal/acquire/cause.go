package acquire

import (
	"errors"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Codes of this program, beside those of lifecycle, oauth and connection (contract.md section 3).
const (
	CodeTypeConflict      = string(lifecycle.TypeConflict)
	CodeParameterRejected = "parameter_rejected"
	CodeSecretDenied      = "secret_access_denied"
	CodeUndecryptable     = "secret_undecryptable"
	CodeAWSUnavailable    = "aws_unavailable"
	CodeStandbyUnusable   = "standby_unusable"
)

// CauseOf classifies an error of AWS, of the document or of the provider.
func CauseOf(err error) *lifecycle.Cause {
	var response *oauth.Error
	var document *connection.Error
	cause := &lifecycle.Cause{Class: lifecycle.Configuration, Text: err.Error(), Err: err}
	switch {
	case errors.As(err, &document):
		cause.Class, cause.Code = lifecycle.Class(document.Class()), document.Code
	case errors.As(err, &response):
		cause.Class, cause.Code, cause.HTTPStatus = lifecycle.Class(response.Class), response.Code, response.Status
		cause.RetryAfter, cause.ProviderMessage, cause.FromProvider = response.RetryAfter, response.Description, true
	case errors.Is(err, store.ErrAccessDenied):
		cause.Code = CodeSecretDenied
	case errors.Is(err, store.ErrUndecryptable):
		cause.Code = CodeUndecryptable
	case errors.Is(err, store.ErrTypeConflict):
		cause.Code = CodeTypeConflict
	case errors.Is(err, store.ErrInvalidWrite):
		cause.Code = CodeParameterRejected
	default:
		return Unavailable(err)
	}
	return cause
}

// Unavailable is the cause of AWS's trouble, which is no one connection's: an outage, or a permission that the function's role lacks.
func Unavailable(err error) *lifecycle.Cause {
	return &lifecycle.Cause{Class: lifecycle.Transient, Code: CodeAWSUnavailable, Text: err.Error(), Err: err, Unrecorded: true}
}
