package refresh

import (
	"fmt"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	// maxToken is what an advanced parameter holds.
	maxToken = 8192
	// sameExpiry is how far two statements of one token's end may differ.
	sameExpiry = 5 * time.Second
	// oldCredential is the age from which a pair is to be replaced.
	oldCredential = 150 * 24 * time.Hour
	// lifetimeChange is the difference between two tokens' lives that is worth a notice.
	lifetimeChange = time.Minute
)

// minted is a token with the credential that it came from.
type minted struct {
	token    *oauth.Token
	conn     *connection.Connection
	document Document
	stage    string
}

// verdict is what the gate makes of a token: a record to publish it with, a fault, or neither for a token that changes nothing.
type verdict struct {
	record   *renew.Record
	reissued *renew.Record
	fault    *fault
	notices  []notice
}

// gate decides whether a token may replace the published one (contract.md section 5): a good token is never replaced by a worse one.
func (r *run) gate(it *item, m minted) verdict {
	if f := unfit(m); f != nil {
		f.answer = true
		return verdict{fault: f}
	}
	published := it.facts.Record
	store := m.token.Claims.Text(m.conn.Provider.AccountClaim)
	moved := published != nil && !published.SameStore(store)
	if moved && (m.stage != StageCurrent || !r.call.Force) {
		return verdict{notices: storeRefused(it, published.StoreID, store), fault: &fault{class: oauth.Configuration, code: codeStoreChanged, answer: true,
			text:   fmt.Sprintf("the new token belongs to %s %q, the published one to %q", m.conn.Provider.AccountClaim, store, published.StoreID),
			advice: "If the account was meant to change, publish it by hand with force; if not, store the pair of the right account"}}
	}
	now := r.cfg.Now().UTC()
	record := r.recordFor(it, m, store)
	v := verdict{record: &record}
	// After another writer's change the parameter may hold anything: what is minted then is published in any case.
	trusted := published != nil && it.decision.Reason != renew.ChangedByOther && it.repeats == 0
	if trusted && m.token.ID() == published.TokenID && !record.ExpiresAt.After(published.ExpiresAt.Add(sameExpiry)) {
		return r.handedOutAgain(it, m, record, now)
	}
	floor := r.cfg.policy(m.conn.RefreshAt).Floor()
	if trusted && !record.ExpiresAt.After(published.ExpiresAt) && record.ExpiresAt.Sub(now) <= floor {
		return verdict{fault: &fault{class: oauth.Malformed, code: codeWorseToken, answer: true,
			text: fmt.Sprintf("the new token would end at %s, before the published one", stamp(record.ExpiresAt))}}
	}
	v.notices = r.noticesFor(it, m, record, moved)
	return v
}

// storeRefused is the notice about a token of another account that is not published; once, not with every canary.
func storeRefused(it *item, was, is string) []notice {
	if f := it.facts.Failure; f != nil && f.Code == codeStoreChanged {
		return nil
	}
	return []notice{storeNotice(was, is)}
}

// monthsTooOld counts the begun months of thirty days for which a pair has been due for replacement, 0 when it is not, or its age is unknown.
func monthsTooOld(since, at time.Time) int {
	if since.IsZero() || at.Sub(since) <= oldCredential {
		return 0
	}
	return 1 + int((at.Sub(since)-oldCredential)/(30*24*time.Hour))
}

// fieldsNow names what the answer holds now; of the one before only a hash is kept.
func fieldsNow(t *oauth.Token) []string {
	if t.Fields == "" {
		return nil
	}
	return []string{"fields now: " + t.Fields}
}

func storeNotice(was, is string) notice {
	return notice{NoticeStoreChanged, []string{"was " + was, "is " + is}}
}

// unfit says why a token can never be published for its connection.
func unfit(m minted) *fault {
	if size := len(m.token.AccessToken.Reveal()); size > maxToken {
		return &fault{class: oauth.Configuration, code: codeTooLarge,
			text:   fmt.Sprintf("the token has %d bytes, a parameter holds %d", size, maxToken),
			advice: "Ask for fewer scopes, which makes the token shorter"}
	}
	if m.token.ScopeSource == oauth.ScopeUnknown {
		return nil
	}
	if missing := renew.MissingScopes(m.token.Scope, m.conn.RequiredScope); len(missing) > 0 {
		return &fault{class: oauth.Configuration, code: codeMissingScope,
			text:   fmt.Sprintf("the granted token lacks required scope %.200s", strings.Join(missing, " ")),
			advice: "Grant it in the provider's panel, or remove it from required_scope"}
	}
	return nil
}

func (r *run) recordFor(it *item, m minted, store string) renew.Record {
	t := m.token
	policy := r.cfg.policy(m.conn.RefreshAt)
	life := m.conn.Lifetime(t.Lifetime)
	expires := t.IssuedAt.Add(life).Truncate(time.Second)
	if !expires.After(t.IssuedAt) {
		expires = t.IssuedAt.Add(time.Second) // a life of less than a second
	}
	return renew.Record{
		Provider: m.conn.Provider.ID, Endpoint: m.conn.Host,
		IssuedAt: t.IssuedAt, ExpiresAt: expires, RenewAt: policy.At(it.id, t.IssuedAt, life),
		Scope: t.Scope, JTI: t.JTI, StoreID: store, TokenID: t.ID(), Shape: t.Shape,
		Credential: m.document.VersionID, Stage: m.stage, Current: it.facts.Current, Since: m.document.Created.UTC().Truncate(time.Second),
	}
}

// handedOutAgain treats the same token: it gets no new life, and is asked for again in the middle of what it has left. Close to its end, and
// for a consumer that it does not serve, nothing is written.
func (r *run) handedOutAgain(it *item, m minted, record renew.Record, now time.Time) verdict {
	published := it.facts.Record
	record.IssuedAt = published.IssuedAt
	if published.ExpiresAt.Sub(record.ExpiresAt).Abs() <= sameExpiry {
		record.ExpiresAt = published.ExpiresAt
	}
	left := record.ExpiresAt.Sub(now)
	record.RenewAt = now.Add(left / 2).Truncate(time.Second)
	v := verdict{reissued: &record}
	switch {
	case left <= r.cfg.policy(m.conn.RefreshAt).Floor():
		v.notices = append(v.notices, notice{NoticeReissuedTooLong, []string{"handed out again with " + left.Truncate(time.Second).String() + " left"}})
	case it.decision.Reason != renew.RejectedByReader:
		v.record = &record
	}
	return v
}

// noticesFor lists what a person should know about a token that is published.
func (r *run) noticesFor(it *item, m minted, record renew.Record, moved bool) []notice {
	var list []notice
	add := func(name string, details ...string) { list = append(list, notice{name, details}) }
	if was := it.facts.Record; was != nil {
		if known := was.Scope+was.ScopeSHA256 != ""; known && !was.SameScope(record.Scope) {
			add(NoticeScopeChanged, was.ScopeDiff(record.Scope)...)
		}
		if moved {
			list = append(list, storeNotice(was.StoreID, record.StoreID))
		}
		if was.Shape != "" && was.Shape != record.Shape {
			add(NoticeShapeChanged, fieldsNow(m.token)...)
		}
		if (was.Lifetime() - record.Lifetime()).Abs() > lifetimeChange {
			add(NoticeLifetimeChanged, "was "+was.Lifetime().String(), "is "+record.Lifetime().String())
		}
	}
	// What lasts is told once for each credential, not with each token: the alarm on notices would never end, and hide the next one.
	was, policy := it.facts.Record, r.cfg.policy(m.conn.RefreshAt)
	if was != nil && was.Credential != record.Credential {
		was = nil
	}
	if m.token.ScopeSource == oauth.ScopeUnknown && len(m.conn.RequiredScope) > 0 && was == nil {
		add(NoticeScopeUnverified)
	}
	if policy.TooShort(record.Lifetime()) && (was == nil || !policy.TooShort(was.Lifetime())) {
		add(NoticeLifetimeTooShort, "lifetime "+record.Lifetime().String())
	}
	if months := monthsTooOld(record.Since, r.start); months > 0 && (was == nil || months > monthsTooOld(was.Since, was.IssuedAt)) {
		add(NoticeCredentialOld, "since "+stamp(record.Since))
	}
	return list
}
