package refresh

import (
	"errors"

	"chaveiro/internal/connection"
	"chaveiro/internal/renew"
	"chaveiro/pkg/oauth"
)

// attemptEvent tells one request to a token endpoint.
func attemptEvent(it *item, conn connection.Connection, doc Document, stage string, x oauth.Exchange, err error) Event {
	ev := Event{Kind: EventAttempt, Connection: it.id, Provider: conn.Provider.ID, Endpoint: conn.Host, Reason: it.decision.Text,
		Credential: doc.VersionID, Stage: stage, Attempt: x.Attempt, Latency: x.Latency}
	if x.Token != nil {
		ev.TokenID, ev.JTI, ev.Scope, ev.ExpiresAt = x.Token.ID(), x.Token.JTI, x.Token.Scope, x.Token.Expiry()
	}
	var refused *oauth.Error
	if errors.As(err, &refused) {
		ev.Class, ev.Code, ev.HTTPStatus, ev.Message = refused.Class, refused.Code, refused.Status, refused.Error()
	}
	return ev
}

// failedEvent tells that a standby was refused too.
func failedEvent(it *item, conn connection.Connection, doc Document, stage string, f *fault) Event {
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
