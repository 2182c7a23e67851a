package refresh

import (
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/message"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// EventKind names what happened; it is the stable first word of the log line.
type EventKind string

// Kinds of events (docs/audit.md).
const (
	EventRequest    EventKind = "token_request"    // one token request, successful or not
	EventRefreshed  EventKind = "refreshed"        // a new token was published
	EventReused     EventKind = "reused"           // the provider issued the published token again
	EventFailed     EventKind = "refresh_failed"   // an attempt of this run failed
	EventFallback   EventKind = "fallback"         // a standby issued the published token
	EventRejected   EventKind = "token_rejected"   // a reader reported that an API rejected the published token
	EventNotice     EventKind = "notice"           // something that somebody should look at, see Event.Notice
	EventUnrecorded EventKind = "not_recorded"     // a state, a failure, an account id or a clean-up could not be written
	EventUnverified EventKind = "not_verified"     // parameters could not be compared with the state table
	EventOrphanGone EventKind = "orphan_removed"   // the parameters of a deleted secret were removed
	EventEndpoint   EventKind = "endpoint_paused"  // an endpoint's circuit breaker tripped, or it wants a pause
	EventUnwritable EventKind = "store_unwritable" // SSM accepts no writes
	EventDiscovery  EventKind = "discovery_failed" // the secrets could not be listed
)

// Notices of this package, beside those of lifecycle (contract.md section 8).
const (
	NoticeCapacity     = "capacity"
	NoticeOrphaned     = "orphaned"
	NoticeNotCommitted = "state_not_committed"
)

// Event is one thing that happened, for logs and metrics. Fields that do not apply are zero. Nothing in it is secret.
type Event struct {
	Kind       EventKind
	Connection string
	Provider   string
	Endpoint   string // host
	Reason     string // why the connection was renewed, or the endpoint paused
	Message    string // for a person

	Credential string // version id
	Stage      string
	TokenID    string
	JTI        string
	Scope      string
	ExpiresAt  time.Time
	RenewAt    time.Time
	Version    int64 // of the parameter

	Class      lifecycle.Class
	Code       string
	HTTPStatus int
	NextAt     time.Time

	Attempt int
	Latency oauth.Latency

	Notice  string
	Details []string // of a notice: what changed
}

// Counts reports whether the event counts in the metric Notices. Parameters of a deleted secret are named in each run until they are removed, a day
// after the token's expiry: an alarm for all that time would hide the next notice.
func (ev Event) Counts() bool { return ev.Kind == EventNotice && ev.Notice != NoticeOrphaned }

// requestEvent describes one token request.
func requestEvent(t Task, req acquire.Request) Event {
	conn := &req.Connection
	ev := Event{Kind: EventRequest, Connection: t.State.ID, Provider: conn.Provider.ID, Endpoint: conn.Host, Reason: t.Decision.Text,
		Credential: req.Document.VersionID, Stage: req.Stage, Attempt: req.Attempt.Number, Latency: req.Attempt.Latency}
	if token := req.Attempt.Token; token != nil {
		ev.TokenID, ev.JTI, ev.Scope, ev.ExpiresAt = token.ID(), token.JTI, token.Scope, token.IssuedAt.Add(conn.Lifetime(token.Lifetime))
	}
	var response *oauth.Error
	if errors.As(req.Err, &response) {
		ev.Class, ev.Code, ev.HTTPStatus, ev.Message = lifecycle.Class(response.Class), response.Code, response.Status, response.Error()
	}
	return ev
}

// standbyEvent says why a standby issued no token. src is nil when its document could not be used.
func standbyEvent(t Task, stage, version string, src *acquire.Source, cause *lifecycle.Cause) Event {
	ev := Event{Kind: EventFailed, Connection: t.State.ID, Reason: t.Decision.Text, Credential: version, Stage: stage,
		Class: cause.Class, Code: cause.Code, HTTPStatus: cause.HTTPStatus,
		Message: message.Named(t.State.ID, "the standby "+stage+" issued no token: "+cause.Text)}
	if src != nil {
		ev.Provider, ev.Endpoint = src.Connection.Provider.ID, src.Connection.Host
	}
	return ev
}

// failedEvent describes a failed attempt with AWSCURRENT.
func failedEvent(out Outcome, now time.Time) Event {
	conn := &out.Task.Source.Connection
	ev := Event{Kind: EventFailed, Connection: out.State.ID, Provider: conn.Provider.ID, Endpoint: conn.Host, Reason: out.Task.Decision.Text,
		Message: out.Cause.Text, Credential: out.Task.Source.Document.VersionID, Stage: store.StageCurrent, Class: out.Cause.Class, Code: out.Cause.Code,
		HTTPStatus: out.Cause.HTTPStatus, ExpiresAt: liveExpiry(out.State, now)}
	if f := out.State.Failure; f != nil && !out.Cause.Unrecorded {
		ev.Message, ev.Attempt, ev.NextAt = f.Message, f.Attempts, f.NextAt
	}
	return ev
}

// tokenEvent describes the published token after an outcome.
func tokenEvent(kind EventKind, out Outcome) Event {
	ev := stateEvent(kind, out.State)
	ev.Reason, ev.Attempt, ev.Latency = out.Task.Decision.Text, out.Attempt.Number, out.Attempt.Latency
	return ev
}

func stateEvent(kind EventKind, s lifecycle.State) Event {
	ev := Event{Kind: kind, Connection: s.ID}
	if t := s.Token; t != nil {
		ev.Provider, ev.Endpoint, ev.Credential, ev.Stage = t.Provider, t.Endpoint, t.Credential, t.Stage
		ev.TokenID, ev.JTI, ev.Scope, ev.ExpiresAt, ev.RenewAt, ev.Version = t.TokenID, t.JTI, t.Scope, t.ExpiresAt, t.RenewAt, t.Version
	}
	return ev
}

func unverifiedEvent(err error) Event {
	return Event{Kind: EventUnverified, Message: "parameters were not compared with the state table: " + err.Error()}
}

// rejectedEvent says that a reader reported a version of the parameter, and what is known of the published token.
func rejectedEvent(e *entry, version int64) Event {
	ev := stateEvent(EventRejected, e.state)
	ev.Version, ev.Reason = version, e.decision.Text
	return ev
}
