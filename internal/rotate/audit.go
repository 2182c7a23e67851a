package rotate

import (
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// EventKind names a decision; it is the stable first word of the log line.
type EventKind string

// Kinds of events.
const (
	EventAttempt       EventKind = "token_request"           // one request to a token endpoint with the pair of Audit.Credential
	EventPending       EventKind = "rotation.staged"         // the candidate was laid over AWSCURRENT as AWSPENDING
	EventTested        EventKind = "rotation.tested"         // the provider takes the pair
	EventPromoted      EventKind = "rotation.promoted"       // AWSCURRENT moved
	EventLabel         EventKind = "rotation.label"          // another label moved
	EventPublished     EventKind = "rotation.published"      // a token was written
	EventRejected      EventKind = "rotation.rejected"       // the provider refuses the new pair
	EventRolledBack    EventKind = "rotation.rolled_back"    // AWSCURRENT went back
	EventSucceeded     EventKind = "rotation.succeeded"      // the new pair is AWSCURRENT and its token published
	EventFailed        EventKind = "rotation.failed"         // a step failed: the signal of the metric RotationFailed
	EventCleanupFailed EventKind = "rotation.cleanup_failed" // a label could not be moved; the next rotation makes up for it
	EventNotice        EventKind = "rotation.notice"         // something that a person should look at
)

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

	Credential string // version id of the pair that was used
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

	Label    string // that moved
	From, To string // versions
}

// observe fills in what every event has.
func (s *step) observe(a Audit) {
	a.Step, a.Connection, a.SecretARN, a.Version = s.ev.Step, s.id, s.secret.ARN, s.ev.Token
	s.cfg.Observe(a)
}

// of adds whose pair an event is about.
func (a Audit) of(v version) Audit {
	a.Credential, a.Provider, a.Endpoint = v.doc.VersionID, v.conn.Provider.ID, v.conn.Host
	a.ClientID = oauth.NewSecret(v.conn.ClientID).Fingerprint()
	return a
}
