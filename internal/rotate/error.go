package rotate

import (
	"context"
	"errors"
	"strings"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Code says why a step failed; an operator may search for it, so it changes only with a breaking release.
type Code string

// Codes.
const (
	// Before anything is touched.
	CodeEventInvalid      Code = "ERR_EVENT_INVALID"
	CodeSecretNotAllowed  Code = "ERR_SECRET_NOT_ALLOWED"  // not under SECRET_PREFIX, or of another account or region
	CodeSecretNotFound    Code = "ERR_SECRET_NOT_FOUND"    //
	CodeSecretDeleted     Code = "ERR_SECRET_DELETED"      // scheduled for deletion
	CodeSecretManaged     Code = "ERR_SECRET_MANAGED"      // another AWS service owns it
	CodeSecretReplica     Code = "ERR_SECRET_REPLICA"      // rotate it in its primary region
	CodeRotationDisabled  Code = "ERR_ROTATION_DISABLED"   // never configured, or cancelled
	CodeWrongFunction     Code = "ERR_WRONG_FUNCTION"      // the secret names another rotation function
	CodeVersionNotStaged  Code = "ERR_VERSION_NOT_STAGED"  // the version of the event has no stage (any more)
	CodeVersionNotPending Code = "ERR_VERSION_NOT_PENDING" // it has stages, but not AWSPENDING
	CodeNoCurrent         Code = "ERR_NO_CURRENT"          // no version, or several, are AWSCURRENT

	// The staged client credentials.
	CodeNoCandidate          Code = "ERR_NO_CANDIDATE"
	CodeCandidateInvalid     Code = "ERR_CANDIDATE_INVALID"
	CodeCandidateSame        Code = "ERR_CANDIDATE_SAME"        // as AWSCURRENT
	CodeCandidateReused      Code = "ERR_CANDIDATE_REUSED"      // as AWSPREVIOUS
	CodeCandidateRejected    Code = "ERR_CANDIDATE_REJECTED"    // CANDIDATE and REJECTED are on one version
	CodeCurrentInvalid       Code = "ERR_CURRENT_INVALID"       // the AWSCURRENT document cannot be used
	CodeConfigurationChanged Code = "ERR_CONFIGURATION_CHANGED" // no token was published for AWSCURRENT's configuration
	CodePendingEmpty         Code = "ERR_PENDING_EMPTY"         // the version has no value yet
	CodePendingConflict      Code = "ERR_PENDING_CONFLICT"      // the version's value is not what was put, or changes the configuration
	CodePaused               Code = "ERR_PAUSED"                // the tag chaveiro:paused

	// The provider.
	CodeRejected            Code = "ERR_CREDENTIALS_REJECTED" // it rejects the new client credentials
	CodeProviderUnavailable Code = "ERR_PROVIDER_UNAVAILABLE" // transient
	CodeProviderProtocol    Code = "ERR_PROVIDER_PROTOCOL"    // a 2xx without a usable token: transient
	CodeProviderConfig      Code = "ERR_PROVIDER_CONFIG"      // scope, grant, endpoint, TLS
	CodeRedirectRefused     Code = "ERR_REDIRECT_REFUSED"     //
	CodeWrongAccount        Code = "ERR_WRONG_ACCOUNT"        // the token belongs to another account, or the API rejects it
	CodeScopeLost           Code = "ERR_SCOPE_LOST"           // the new client credentials are granted less

	// The end of a rotation.
	CodeStateConflict      Code = "ERR_STATE_CONFLICT"      // a stage moved meanwhile, or another run has the lease
	CodeRolledBack         Code = "ERR_ROLLED_BACK"         // rejected after the promotion; AWSCURRENT is the version of before again
	CodeRollbackImpossible Code = "ERR_ROLLBACK_IMPOSSIBLE" // rejected after the promotion, and there is nothing to go back to
	CodeBothRejected       Code = "ERR_BOTH_REJECTED"       // the client credentials of before are rejected too
	CodeNotPublished       Code = "ERR_NOT_PUBLISHED"       // a token was issued and could not be written

	// AWS and the time.
	CodeAccess         Code = "ERR_ACCESS"          // the role lacks a permission
	CodeKMS            Code = "ERR_KMS"             // the key cannot be used
	CodeAWSUnavailable Code = "ERR_AWS_UNAVAILABLE" // transient
	CodeDeadline       Code = "ERR_DEADLINE"        // transient: the time of the invocation is up
	CodeInternal       Code = "ERR_INTERNAL"        // a fault of this program
)

// Error is why a step failed. Its text says what happened, to what, and what to do next, and never holds a credential.
type Error struct {
	Code       Code
	Connection string // "" when it is not known yet
	Step       Step
	Text       string // what happened
	Advice     string // what to do next
	Transient  bool   // Secrets Manager's next attempt may succeed by itself
	Critical   bool   // readers will run out of tokens unless somebody acts

	CurrentOK  Answer // whether AWSCURRENT still works, where that was tested
	HTTPStatus int    // of the provider, 0 without a response
	OAuthCode  string // of the provider (contract.md section 3), "" without a response

	endsRotation bool  // AWSPENDING is removed
	cause        error // harmless: an error of package store or an *oauth.Error
}

// Answer is yes, no or not asked.
type Answer string

// Answers.
const (
	NotAsked Answer = ""
	Yes      Answer = "true"
	No       Answer = "false"
	Unknown  Answer = "unknown" // tested without a clear response
)

// Error is one line: "ERR_NO_CANDIDATE: hotmart/loja-a: no version has the stage CANDIDATE. Stage one: aws …".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code) + ": ")
	if e.Connection != "" && !strings.HasPrefix(e.Text, e.Connection+": ") {
		b.WriteString(e.Connection + ": ")
	}
	b.WriteString(strings.TrimSuffix(e.Text, ".") + ".")
	if e.Advice != "" {
		b.WriteString(" " + strings.TrimSuffix(e.Advice, ".") + ".")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Temporary reports whether another attempt may succeed by itself.
func (e *Error) Temporary() bool { return e.Transient }

// retriedByAWS is the advice for what Secrets Manager repeats.
const retriedByAWS = "Secrets Manager retries the rotation automatically"

// permanent is a failure that ends the rotation.
func permanent(code Code, text, advice string) *Error {
	return &Error{Code: code, Text: text, Advice: advice, endsRotation: true}
}

// keepPending is for a failure after the promotion: the version is AWSCURRENT, so the rotation cannot be given up.
func keepPending(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.endsRotation = false
	}
	return err
}

// secretError is what an error of Secrets Manager means.
func (s *step) secretError(ctx context.Context, verb string, err error) *Error {
	e := &Error{Text: verb + ": " + err.Error(), cause: err}
	switch {
	case errors.Is(err, store.ErrUndecryptable):
		e.Code, e.endsRotation = CodeKMS, true
		e.Advice = "Allow kms:Decrypt and kms:GenerateDataKey on the secret's key to the rotator's role, through secretsmanager. Then rotate again"
	case errors.Is(err, store.ErrAccessDenied):
		e.Code, e.endsRotation = CodeAccess, true
		e.Advice = "The rotator's role reaches only secrets whose rotation function is this one (its ARN without a version or alias): set it with " +
			s.commands().rotate() + ". If it is set, allow the role DescribeSecret, GetSecretValue, PutSecretValue and UpdateSecretVersionStage on the secret"
	case errors.Is(err, store.ErrStageMismatch), errors.Is(err, store.ErrStageMoved):
		e.Code, e.Transient = CodeStateConflict, true
		e.Advice = "A stage was moved meanwhile. " + retriedByAWS
	case errors.Is(err, store.ErrNotFound):
		e.Code, e.Transient = CodeStateConflict, true
		e.Advice = "The version or the secret was removed meanwhile. " + retriedByAWS
	case errors.Is(err, store.ErrLimitExceeded):
		e.Code, e.Transient = CodeAWSUnavailable, true
		e.Advice = "Remove stages that nobody needs from the secret's versions (the limit is 20). " + retriedByAWS
	default:
		e.Code, e.Transient = CodeAWSUnavailable, true
		e.Advice = "Nothing to do for now: " + retriedByAWS
	}
	return orDeadline(ctx, e)
}

// stateError is what an error of the state table means. No token was requested.
func stateError(ctx context.Context, verb string, err error) *Error {
	e := &Error{Code: CodeAWSUnavailable, Text: verb + ": " + err.Error() + "; no token was requested", Transient: true, cause: err,
		Advice: "Nothing to do for now: " + retriedByAWS}
	switch {
	case errors.Is(err, store.ErrNewer):
		e.Code = CodeInternal
		e.Advice = "Update this function to the version that wrote the state; " + retriedByAWS
	case errors.Is(err, store.ErrAccessDenied), errors.Is(err, store.ErrNotFound):
		e.Code, e.Transient, e.endsRotation = CodeAccess, false, true
		e.Advice = "Compare STATE_TABLE with the name of the table, and allow the rotator's role dynamodb:BatchGetItem and dynamodb:UpdateItem on it. " +
			"Then rotate again"
	}
	return orDeadline(ctx, e)
}

// providerError is what a provider's response to a token request means. whose are the client credentials, for the sentence. An *Error stays what
// it is.
func providerError(err error, src acquire.Source, whose string) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	request := "token request to " + providerName(src) + " with " + whose
	cause := acquire.CauseOf(err)
	if !cause.FromProvider {
		return &Error{Code: CodeInternal, Text: request + ": there is no response of the provider", Transient: true, cause: err}
	}
	e := &Error{Text: request + ": " + cause.Text, HTTPStatus: cause.HTTPStatus, OAuthCode: cause.Code, cause: err}
	if errors.Is(err, oauth.ErrCanceled) {
		cause.Class = lifecycle.Canceled
	}
	const retried = retriedByAWS + "; AWSCURRENT is unchanged"
	switch cause.Class {
	case lifecycle.Canceled:
		e.Code, e.Transient, e.Advice = CodeDeadline, true, retried+". If it continues, give the function more time"
	case lifecycle.Transient:
		e.Code, e.Transient, e.Advice = CodeProviderUnavailable, true, retried
	case lifecycle.Malformed:
		e.Code, e.Transient, e.Advice = CodeProviderProtocol, true, retried+". If it continues, look at the provider's response"
	case lifecycle.Credentials:
		e.Code, e.endsRotation = CodeRejected, true
	case lifecycle.Configuration:
		e.Code, e.endsRotation = CodeProviderConfig, true
		e.Advice = "The client credentials are not the cause and stay CANDIDATE. Fix the connection's document or the provider's panel, then rotate again"
		if cause.Code == oauth.CodeRedirectRefused {
			e.Code = CodeRedirectRefused
			e.Advice = "The token endpoint redirects, and a redirect would hand over the client credentials. Fix token_endpoint, then rotate again"
		}
	}
	return e
}

// orDeadline replaces a transient failure by that of the deadline, when that was reached.
func orDeadline(ctx context.Context, e *Error) *Error {
	if ctx.Err() == nil || !e.Transient {
		return e
	}
	return deadlineError(e.Text)
}

func deadlineError(what string) *Error {
	return &Error{Code: CodeDeadline, Text: "the time of this invocation is up (" + what + ")", Transient: true,
		Advice: retriedByAWS + ". If it continues, give the function more time (60 s or more)", cause: context.DeadlineExceeded}
}
