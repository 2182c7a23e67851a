package oauth

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Class decides what happens next (contract.md section 3).
type Class string

// Classes.
const (
	Transient     Class = "transient"     // try again later, keep the old token
	Credentials   Class = "credentials"   // the provider refuses this pair
	Configuration Class = "configuration" // a person must change something
	Malformed     Class = "malformed"     // a 2xx that holds no usable token
	Canceled      Class = "canceled"      // the caller's context ended: says nothing about the server
)

// Error is a failed exchange. Its text never holds the answer's body, the request, or a secret: only the error and its description as
// RFC 6749 section 5.2 names them, cleaned of control characters and of everything secret that was sent, and cut to 200 characters.
type Error struct {
	Class       Class
	Code        string        // lower_snake_case, see the Code constants; never free text of the provider
	Status      int           // HTTP status, 0 when there was no answer
	Host        string        // host of the token endpoint, with the port if it is not 443
	Description string        // the provider's words, cleaned, or our own when there was no answer; may be empty
	RetryAfter  time.Duration // the wait that the answer asks for, at most MaxRetryAfter; 0 when none
	// RefreshToken is a new refresh token that came with a 2xx which is an error otherwise. It must be kept: the old one may be spent
	// (RFC 6749 section 6). The zero Secret when there is none.
	RefreshToken Secret

	cause error // never carries a URL or a secret
}

// MaxRetryAfter caps what an answer may ask for.
const MaxRetryAfter = time.Hour

// Error is one line: the code, the description, and who answered with what:
// "invalid_client: Bad credentials (HTTP 401 from api-sec-vlc.hotmart.com)".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Code)
	if e.Description != "" {
		b.WriteString(": ")
		b.WriteString(e.Description)
	}
	switch {
	case e.Status != 0 && e.Host != "":
		b.WriteString(" (HTTP " + strconv.Itoa(e.Status) + " from " + e.Host + ")")
	case e.Status != 0:
		b.WriteString(" (HTTP " + strconv.Itoa(e.Status) + ")")
	case e.Host != "":
		b.WriteString(" (" + e.Host + ")")
	}
	return b.String()
}

// Unwrap returns what lies below HTTP, when it is known and harmless: a context's error, a *net.DNSError, a syscall.Errno, an x509 error.
func (e *Error) Unwrap() error { return e.cause }

// Targets of errors.Is: every *Error matches the one of its class.
var (
	ErrTransient     = errors.New("transient failure")
	ErrCredentials   = errors.New("credentials rejected")
	ErrConfiguration = errors.New("configuration error")
	ErrMalformed     = errors.New("malformed response")
	ErrCanceled      = errors.New("canceled by the caller")
)

// Is reports whether target is the error of e's class.
func (e *Error) Is(target error) bool {
	switch e.Class {
	case Transient:
		return target == ErrTransient
	case Credentials:
		return target == ErrCredentials
	case Configuration:
		return target == ErrConfiguration
	case Malformed:
		return target == ErrMalformed
	case Canceled:
		return target == ErrCanceled
	}
	return false
}
