package rotate

import (
	"context"
	"errors"
	"strings"

	"github.com/chaveiro/chaveiro/internal/refresh"
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
	CodeVersionNotStaged  Code = "ERR_VERSION_NOT_STAGED"  // the version of the event has no label (any more)
	CodeVersionNotPending Code = "ERR_VERSION_NOT_PENDING" // it has labels, but not AWSPENDING
	CodeNoCurrent         Code = "ERR_NO_CURRENT"          // no version, or several, are AWSCURRENT

	// The staged pair.
	CodeNoCandidate       Code = "ERR_NO_CANDIDATE"
	CodeCandidateInvalid  Code = "ERR_CANDIDATE_INVALID"
	CodeCandidateSame     Code = "ERR_CANDIDATE_SAME"     // as AWSCURRENT
	CodeCandidateReused   Code = "ERR_CANDIDATE_REUSED"   // as AWSPREVIOUS
	CodeCandidateRejected Code = "ERR_CANDIDATE_REJECTED" // CANDIDATE and REJECTED are on one version
	CodeCurrentInvalid    Code = "ERR_CURRENT_INVALID"    // the AWSCURRENT document cannot be used
	CodePendingEmpty      Code = "ERR_PENDING_EMPTY"      // the version has no value yet
	CodePendingConflict   Code = "ERR_PENDING_CONFLICT"   // the version's value is not what was put, or changes the configuration
	CodePaused            Code = "ERR_PAUSED"             // the tag chaveiro:paused

	// The provider.
	CodeRejected            Code = "ERR_CREDENTIALS_REJECTED" // it refuses the new pair
	CodeProviderUnavailable Code = "ERR_PROVIDER_UNAVAILABLE" // transient
	CodeProviderProtocol    Code = "ERR_PROVIDER_PROTOCOL"    // a 2xx without a usable token: transient
	CodeProviderConfig      Code = "ERR_PROVIDER_CONFIG"      // scope, grant, endpoint, TLS
	CodeRedirectRefused     Code = "ERR_REDIRECT_REFUSED"     //
	CodeWrongAccount        Code = "ERR_WRONG_ACCOUNT"        // the token belongs to another account, or the API refuses it
	CodeScopeLost           Code = "ERR_SCOPE_LOST"           // the new pair is granted less

	// The end of a rotation.
	CodeStateConflict      Code = "ERR_STATE_CONFLICT"      // somebody else moved a label meanwhile
	CodeRolledBack         Code = "ERR_ROLLED_BACK"         // refused after the promotion; the pair before is AWSCURRENT again
	CodeRollbackImpossible Code = "ERR_ROLLBACK_IMPOSSIBLE" // refused after the promotion, and there is nothing to go back to
	CodeBothRejected       Code = "ERR_BOTH_REJECTED"       // both pairs are refused
	CodeNotPublished       Code = "ERR_NOT_PUBLISHED"       // the pair is proven, its token could not be written

	// AWS and the time.
	CodeAccess         Code = "ERR_ACCESS"          // the role may not
	CodeKMS            Code = "ERR_KMS"             // the key refuses
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
	Transient  bool   // Secrets Manager's next try may succeed by itself
	Critical   bool   // readers will run out of tokens unless somebody acts

	CurrentOK  Answer // whether AWSCURRENT still works, where that was asked
	HTTPStatus int    // of the provider, 0 when it is not about an answer
	OAuthCode  string // of the provider (contract.md section 3), "" when it is not about one

	detach bool  // the rotation is over: AWSPENDING is to be taken off
	cause  error // harmless: a sentinel of the stores or an *oauth.Error
}

// Answer is yes, no or not asked.
type Answer string

// Answers.
const (
	NotAsked Answer = ""
	Yes      Answer = "true"
	No       Answer = "false"
	Unknown  Answer = "unknown" // asked, without an answer
)

// Error is one line: "ERR_NO_CANDIDATE: hotmart/loja-a: no version is labelled CANDIDATE. Stage one: aws …".
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

// storeFault is what an error of Secrets Manager means.
func (s *step) storeFault(verb string, err error) *Error {
	e := &Error{Text: verb + ": " + err.Error(), cause: err}
	switch {
	case errors.Is(err, refresh.ErrUndecryptable):
		e.Code, e.detach = CodeKMS, true
		e.Advice = "Allow kms:Decrypt and kms:GenerateDataKey on the secret's key to the rotator's role, through secretsmanager, then rotate again"
	case errors.Is(err, refresh.ErrAccessDenied):
		e.Code, e.detach = CodeAccess, true
		e.Advice = "The rotator's role reaches only secrets whose rotation function is this very one (its plain ARN, without a version or an alias): set it with " +
			s.rotateCommand() + ". If it is set, allow DescribeSecret, GetSecretValue, PutSecretValue and UpdateSecretVersionStage on this secret to the role"
	case errors.Is(err, ErrStageMismatch), errors.Is(err, ErrLabelMoved):
		e.Code, e.Transient = CodeStateConflict, true
		e.Advice = "A label was moved meanwhile; Secrets Manager tries the rotation again by itself"
	case errors.Is(err, refresh.ErrNotFound):
		e.Code, e.Transient = CodeStateConflict, true
		e.Advice = "The version or the secret is gone meanwhile; Secrets Manager tries the rotation again by itself"
	case errors.Is(err, ErrLimitExceeded):
		e.Code, e.Transient = CodeAWSUnavailable, true
		e.Advice = "Take labels that nobody needs off the secret's versions (20 is the limit); Secrets Manager tries the rotation again by itself"
	default:
		e.Code, e.Transient = CodeAWSUnavailable, true
		e.Advice = "Nothing to do for now, Secrets Manager tries the rotation again by itself"
	}
	return e
}

// permanent is a failure that ends the rotation.
func permanent(code Code, text, advice string) *Error {
	return &Error{Code: code, Text: text, Advice: advice, detach: true}
}

// providerFault is what a provider's answer to the pair of a version means; class credentials is the caller's business too.
func providerFault(err error, who string) *Error {
	var refused *oauth.Error
	if !errors.As(err, &refused) {
		return &Error{Code: CodeInternal, Text: who + ": no answer of the provider", Transient: true, cause: err}
	}
	e := &Error{Text: who + ": " + refused.Error(), HTTPStatus: refused.Status, OAuthCode: refused.Code, cause: refused}
	const again = "Secrets Manager tries the rotation again by itself; AWSCURRENT is untouched"
	switch refused.Class {
	case oauth.Canceled:
		e.Code, e.Transient, e.Advice = CodeDeadline, true, again+"; if it goes on, give the function more time"
	case oauth.Transient:
		e.Code, e.Transient, e.Advice = CodeProviderUnavailable, true, again
	case oauth.Malformed:
		e.Code, e.Transient, e.Advice = CodeProviderProtocol, true, again+"; if it goes on, look at what the provider answers"
	case oauth.Credentials:
		e.Code, e.detach = CodeRejected, true
	case oauth.Configuration:
		e.Code, e.detach = CodeProviderConfig, true
		e.Advice = "The pair is not to blame and stays CANDIDATE. Mend the connection's document or the provider's panel, then rotate again"
		if refused.Code == oauth.CodeRedirectRefused {
			e.Code = CodeRedirectRefused
			e.Advice = "The token endpoint sends elsewhere, and a redirect would hand the pair over. Mend token_endpoint, then rotate again"
		}
	}
	return e
}

// cutOff tells a failure of our own deadline from the store's.
func cutOff(ctx context.Context, e *Error) *Error {
	if ctx.Err() == nil || !e.Transient {
		return e
	}
	return deadlineError(e.Text)
}

func deadlineError(what string) *Error {
	return &Error{Code: CodeDeadline, Text: "the time of this invocation is up (" + what + ")", Transient: true,
		Advice: "Secrets Manager tries again by itself; if it goes on, give the function more time (60 s or more)", cause: context.DeadlineExceeded}
}

// Temporary reports whether another try may succeed by itself.
func (e *Error) Temporary() bool { return e.Transient }
