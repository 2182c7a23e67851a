package refresh

import (
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// EventKind names what happened; it is the stable first word of the log line.
type EventKind string

// Kinds of events.
const (
	EventAttempt     EventKind = "token_request"   // one request to a token endpoint, successful or not
	EventRefreshed   EventKind = "refreshed"       // a new token was published
	EventReissued    EventKind = "reissued"        // the provider handed the same token out again
	EventFailed      EventKind = "refresh_failed"  // this run tried a connection and it failed
	EventFallback    EventKind = "fallback"        // a standby credential minted the published token
	EventRejected    EventKind = "token_rejected"  // a consumer reported a 401 for the published token
	EventNotice      EventKind = "notice"          // something that a person should look at, see Event.Notice
	EventUnrecorded  EventKind = "not_recorded"    // a failure record, an account id or a clean-up could not be written
	EventOrphanGone  EventKind = "orphan_removed"  // the parameters of a deleted secret were removed
	EventEndpoint    EventKind = "endpoint_paused" // an endpoint's breaker opened, or it asked for a pause
	EventStoreRefuse EventKind = "store_refuses"   // SSM refuses writes
)

// Notices (contract.md section 8).
const (
	NoticeScopeChanged     = "scope_changed"
	NoticeStoreChanged     = "store_changed"
	NoticeShapeChanged     = "shape_changed"
	NoticeLifetimeChanged  = "lifetime_changed"
	NoticeReissuedTooLong  = "reissued_too_long"
	NoticeScopeUnverified  = "scope_unverified"
	NoticeLifetimeTooShort = "lifetime_too_short_for_schedule"
	NoticeCapacity         = "capacity"
	NoticeCredentialOld    = "credential_old"
	NoticeOrphaned         = "orphaned"
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

	Class      oauth.Class
	Code       string
	HTTPStatus int
	NextAt     time.Time

	Attempt int
	Latency oauth.Latency

	Notice  string
	Details []string // of a notice: what changed
}

// Counts reports whether the event counts in the metric Notices. Parameters of a deleted secret are named in each run until they are removed a day
// after the token's end; whoever deletes a tenant needs no alarm for days, which would hide the next notice.
func (ev Event) Counts() bool { return ev.Kind == EventNotice && ev.Notice != NoticeOrphaned }

// attemptEvent tells one request to a token endpoint.
func attemptEvent(it *item, conn *connection.Connection, doc Document, stage string, x oauth.Attempt, err error) Event {
	ev := Event{Kind: EventAttempt, Connection: it.id, Provider: conn.Provider.ID, Endpoint: conn.Host, Reason: it.decision.Text,
		Credential: doc.VersionID, Stage: stage, Attempt: x.Number, Latency: x.Latency}
	if x.Token != nil {
		ev.TokenID, ev.JTI, ev.Scope, ev.ExpiresAt = x.Token.ID(), x.Token.JTI, x.Token.Scope, x.Token.IssuedAt.Add(conn.Lifetime(x.Token.Lifetime))
	}
	var refused *oauth.Error
	if errors.As(err, &refused) {
		ev.Class, ev.Code, ev.HTTPStatus, ev.Message = refused.Class, refused.Code, refused.Status, refused.Error()
	}
	return ev
}

// failedEvent tells that a standby was refused too.
func failedEvent(it *item, conn *connection.Connection, doc Document, stage string, f *fault) Event {
	ev := Event{Kind: EventFailed, Connection: it.id, Provider: conn.Provider.ID, Endpoint: conn.Host, Reason: it.decision.Text,
		Credential: doc.VersionID, Stage: stage, Message: named(it.id, "the standby "+stage+" does not help")}
	if f != nil {
		ev.Class, ev.Code, ev.HTTPStatus = f.class, f.code, f.status
		ev.Message += ": " + f.text
	}
	return ev
}

// recordEvent tells what a record says.
func recordEvent(kind EventKind, it *item, rec *renew.Record, version int64) Event {
	return Event{Kind: kind, Connection: it.id, Provider: rec.Provider, Endpoint: rec.Endpoint, Credential: rec.Credential, Stage: rec.Stage,
		TokenID: rec.TokenID, JTI: rec.JTI, Scope: rec.Scope, ExpiresAt: rec.ExpiresAt, RenewAt: rec.RenewAt, Version: version}
}

// rejectedEvent tells that a consumer reported a version of the parameter, and what is known of the token that is published now.
func rejectedEvent(it *item, version int64) Event {
	ev := Event{Kind: EventRejected, Connection: it.id, Version: version}
	if rec := it.facts.Record; rec != nil {
		ev = recordEvent(EventRejected, it, rec, version)
	}
	ev.Reason = it.decision.Text
	return ev
}
