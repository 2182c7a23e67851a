package rotate

import (
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// EventKind names a decision; it is the stable first word of the log line.
type EventKind string

// Kinds of events.
const (
	EventAttempt       EventKind = "token_request"           // one token request with the client credentials of Audit.Credential
	EventPending       EventKind = "rotation.staged"         // the candidate was merged into AWSCURRENT as AWSPENDING
	EventTested        EventKind = "rotation.tested"         // the provider issued a token for them
	EventPromoted      EventKind = "rotation.promoted"       // AWSCURRENT moved
	EventStage         EventKind = "rotation.stage"          // another stage moved
	EventPublished     EventKind = "rotation.published"      // a token was written
	EventRejected      EventKind = "rotation.rejected"       // the provider rejects the new client credentials
	EventRolledBack    EventKind = "rotation.rolled_back"    // AWSCURRENT went back
	EventSucceeded     EventKind = "rotation.succeeded"      // the new version is AWSCURRENT and its token published
	EventFailed        EventKind = "rotation.failed"         // a step failed: the signal of the metric RotationFailed
	EventCleanupFailed EventKind = "rotation.cleanup_failed" // a stage could not be moved; the next rotation repeats it
	EventNotice        EventKind = "rotation.notice"         // something that somebody should look at
)

// NoticeNotCommitted is the notice of a published token whose state was not written.
const NoticeNotCommitted = "state_not_committed"

// Audit is one decision, for logs and metrics. Fields that do not apply are zero. Nothing in it is secret.
type Audit struct {
	Kind       EventKind
	Step       Step
	Connection string
	SecretARN  string
	Version    string // of the rotation: the event's ClientRequestToken
	Message    string // for a person

	Code      Code // why a step failed
	Transient bool
	Critical  bool
	CurrentOK Answer

	Credential string // version id of the client credentials that were used
	ClientID   string // fingerprint of its client_id: first 16 hex digits of the SHA-256
	Provider   string
	Endpoint   string // host
	Class      oauth.Class
	OAuthCode  string // contract.md section 3
	HTTPStatus int
	Attempt    int
	Latency    oauth.Latency
	TokenID    string
	JTI        string
	Scope      string
	ExpiresAt  time.Time
	Parameter  int64 // version of the published parameter

	Stage    string // that moved, or of the token that was published
	From, To string // versions

	Notice  string   // of EventNotice: its name, as in contract.md section 8; "" where Message says all
	Details []string // of a notice
}

// observe fills in what every event has.
func (s *step) observe(a Audit) {
	a.Step, a.Connection, a.SecretARN, a.Version = s.ev.Step, s.id, s.secret.ARN, s.ev.Token
	s.in.Observe(a)
}

// of adds whose client credentials an event is about.
func (a Audit) of(src acquire.Source) Audit {
	a.Credential, a.Provider, a.Endpoint = src.Document.VersionID, src.Connection.Provider.ID, src.Connection.Host
	a.ClientID = oauth.NewSecret(src.Connection.ClientID).Fingerprint()
	return a
}
