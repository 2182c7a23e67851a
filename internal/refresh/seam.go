package refresh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// The seam for the rotator: it mints tokens while it tests pairs, and what it mints is published here, through the same gate, with the same
// record, at the same pace and with the same clearing of failures as in a sweep (contract.md section 6, "Tests cost tokens").

// StagePending is the label of the version that a rotation is about.
const StagePending = "AWSPENDING"

// ErrSuperseded is wrapped when AWSCURRENT is no longer the version that the caller counted on: nothing was published.
var ErrSuperseded = errors.New("another version is AWSCURRENT")

// Published is what is known of the token that is published for one connection. The zero Published means that there is none.
type Published struct {
	Version   int64     // of the parameter; 0 when there is none
	TokenID   string    // fingerprint; "" when the record cannot be read
	ExpiresAt time.Time // zero when the record cannot be read

	record *renew.Record
}

// MintedBy reports whether the published token came from a version of the secret, as AWSCURRENT.
func (p Published) MintedBy(versionID string) bool {
	return p.record != nil && p.record.Credential == versionID && p.record.Current == versionID && p.record.Stage == StageCurrent && p.record.Seq == p.Version
}

// Mint is a token that was fetched with one version of a connection's secret.
type Mint struct {
	Connection connection.Connection
	Document   Document // the version: its id and creation
	Token      *oauth.Token
	Stage      string // the version's label: AWSCURRENT, or that of a version whose token stands in
	Current    string // id of AWSCURRENT; it is looked at once more right before the write
	RenewSoon  bool   // due at the next sweep: the token serves readers until AWSCURRENT's own is fetched
}

// Publication is a token that was written.
type Publication struct {
	Version    int64  // of the parameter
	Credential string // version id that minted it
	ExpiresAt  time.Time
}

// Refusal is why a token was not published, or not fetched. It unwraps to its cause: the provider's *oauth.Error, a *connection.Error, or an
// error of the stores.
type Refusal struct {
	Class oauth.Class
	Code  string // contract.md section 3
	Text  string // for a person: what happened and what to do

	cause error
}

// Error is the text for a person.
func (e *Refusal) Error() string { return e.Text }

// Unwrap returns the cause, nil when the gate refused.
func (e *Refusal) Unwrap() error { return e.cause }

func asRefusal(id string, f *fault, cause error) *Refusal {
	advice := f.advice
	if advice == "" {
		advice = adviceFor(f)
	}
	return &Refusal{Class: f.class, Code: f.code, Text: ended(named(id, f.text)) + sentenceEnd(advice), cause: cause}
}

// Published reads what is published for a connection. The error wraps ErrThrottled, ErrAccessDenied or ErrUnavailable.
func (r *Refresher) Published(ctx context.Context, id string) (Published, error) {
	found, err := r.cfg.Parameters.Lookup(ctx, []string{id})
	if err != nil {
		return Published{}, wrap("read parameters", err)
	}
	it := item{id: id, confirmed: true}
	it.learn(Secret{Connection: id}, index(found)[id])
	p := Published{Version: it.facts.Version, record: it.facts.Record}
	if p.record != nil {
		p.TokenID, p.ExpiresAt = p.record.TokenID, p.record.ExpiresAt
	}
	return p, nil
}

// Publish writes a token that was minted elsewhere. The error is a *Refusal when the gate refuses the token or SSM this one write, wraps
// ErrSuperseded when AWSCURRENT moved, and else one of ErrStoreRefuses, ErrThrottled, ErrAccessDenied and ErrUnavailable.
func (r *Refresher) Publish(ctx context.Context, m Mint) (Publication, error) {
	run := r.newRun(ctx, Call{Connections: []string{m.Connection.ID}})
	mint := minted{token: m.Token, conn: &m.Connection, document: m.Document, stage: m.Stage}
	for try := 0; ; try++ {
		it, err := run.lookUp(ctx, m)
		if err != nil {
			return Publication{}, err
		}
		v := run.judge(it, mint)
		if v.fault != nil {
			return Publication{}, asRefusal(it.id, v.fault, nil)
		}
		if m.RenewSoon {
			v.record.RenewAt = run.start.Truncate(time.Second)
		}
		if err := run.stillCurrent(ctx, it.id, m.Current); err != nil {
			return Publication{}, err
		}
		var out outcome
		run.publishOne(ctx, it, mint, *v.record, &out)
		switch {
		case out.refused != nil:
			return Publication{}, fmt.Errorf("publish token of %s: %w", it.id, out.refused)
		case out.lost != nil:
			return Publication{}, fmt.Errorf("publish token of %s: %w", it.id, out.lost)
		case out.fault != nil:
			return Publication{}, asRefusal(it.id, out.fault, nil)
		case out.raced && try < maxRepeats: // written once more, so that the record knows its version
			continue
		}
		run.tell(ctx, it, out, v.notices)
		return Publication{Version: out.version, Credential: out.published.Credential, ExpiresAt: out.published.ExpiresAt}, nil
	}
}

// publishOne is publish with a deadline of its own.
func (r *run) publishOne(ctx context.Context, it *item, m minted, record renew.Record, out *outcome) {
	ctx, cancel := r.forWrites(ctx)
	defer cancel()
	r.publish(ctx, it, m, record, out)
}

// RefreshVersion fetches a token with the version that is AWSCURRENT, read by its id, and publishes it. Beyond what Publish returns, the error
// may be a *Refusal that unwraps to the provider's *oauth.Error.
func (r *Refresher) RefreshVersion(ctx context.Context, id, versionID string) (Publication, error) {
	run := r.newRun(ctx, Call{Connections: []string{id}})
	doc, err := r.cfg.Secrets.ReadVersion(ctx, id, versionID)
	if err != nil {
		return Publication{}, wrap("read version "+versionID, err)
	}
	conn, err := connection.Parse(id, doc.Value, r.cfg.Catalogue, run.options())
	if err != nil {
		return Publication{}, asRefusal(id, faultOf(err), err)
	}
	m := Mint{Connection: conn, Document: doc, Stage: StageCurrent, Current: versionID}
	it, err := run.lookUp(ctx, m)
	if err != nil {
		return Publication{}, err
	}
	answer, err := run.exchange(ctx, it, &conn, doc, StageCurrent, patientAttempts)
	if err != nil {
		return Publication{}, asRefusal(id, faultOf(err), err)
	}
	m.Token = answer.Token
	return r.Publish(ctx, m)
}

// lookUp gathers the facts of one connection by its name.
func (r *run) lookUp(ctx context.Context, m Mint) (*item, error) {
	id := m.Connection.ID
	found, err := r.cfg.Parameters.Lookup(ctx, []string{id})
	if err != nil {
		return nil, wrap("read parameters", err)
	}
	it := &item{id: id, secret: Secret{Connection: id, Stages: map[string]string{StageCurrent: m.Current}}, confirmed: true, conn: m.Connection, document: m.Document}
	it.learn(it.secret, index(found)[id])
	r.decide(it)
	it.decision.Text = "rotation"
	if it.facts.Conflict != "" {
		return nil, asRefusal(id, conflictFault(it.facts.Conflict), nil)
	}
	return it, nil
}

// judge is the gate, but for the token that is published already: its record is written anew, since it says who minted it.
func (r *run) judge(it *item, m minted) verdict {
	published := it.facts.Record
	if published == nil || published.Seq != it.facts.Version || published.TokenID != m.token.ID() || unfit(m) != nil {
		v := r.gate(it, m)
		if v.record == nil {
			v.record = v.reissued
		}
		return v
	}
	record := r.recordFor(it, m, m.token.Claims.Text(m.conn.Provider.AccountClaim))
	if record.IssuedAt.Equal(published.IssuedAt) {
		return verdict{record: &record}
	}
	v := r.handedOutAgain(it, m, record, r.cfg.Now().UTC())
	return verdict{record: v.reissued, notices: v.notices}
}

// stillCurrent looks at AWSCURRENT right before a write.
func (r *run) stillCurrent(ctx context.Context, id, version string) error {
	secret, err := r.cfg.Secrets.Describe(ctx, id)
	if err != nil {
		return wrap("look at AWSCURRENT before the write", err)
	}
	if now := secret.Stages[StageCurrent]; now != version {
		return fmt.Errorf("%s: AWSCURRENT is version %s, not %s: %w", id, now, version, ErrSuperseded)
	}
	return nil
}

// tell reports a publication and has the failure record deleted that it ends.
func (r *run) tell(ctx context.Context, it *item, out outcome, notices []notice) {
	for _, n := range notices {
		r.notice(it, n)
	}
	r.noteRefreshed(outcome{item: it, published: out.published, version: out.version})
	if it.failureThere && out.published.Stage == StageCurrent {
		r.remove(ctx, []Name{{it.id, KindFailure}})
	}
}

// Comparison is how a token compares with the published one, for a pair that is to replace another.
type Comparison struct {
	Unfit    string   // why it can never be published: too large, or without a scope of required_scope; "" when it can
	Code     string   // of Unfit, contract.md section 3
	Lost     []string // scopes that the published token has and this one has not
	Account  string   // the claim and both accounts, when it belongs to another than the published one; else ""
	Lifetime string   // both lifetimes, when they differ by more than a minute; else ""
}

// Compare holds a token against the published one.
func (p Published) Compare(conn connection.Connection, t *oauth.Token) Comparison {
	var c Comparison
	if f := unfit(minted{token: t, conn: &conn}); f != nil {
		c.Unfit, c.Code = f.text, f.code
	}
	was := p.record
	if was == nil {
		return c
	}
	claim := conn.Provider.AccountClaim
	if store := t.Claims.Text(claim); !was.SameStore(store) {
		c.Account = fmt.Sprintf("%s %q, the published token to %q", claim, store, was.StoreID)
	}
	if t.ScopeSource != oauth.ScopeUnknown && was.Scope != "" {
		c.Lost = renew.MissingScopes(t.Scope, strings.Fields(was.Scope))
	}
	if now, before := t.Lifetime, was.Lifetime(); (now-before).Abs() > lifetimeChange && t.ID() != was.TokenID {
		c.Lifetime = fmt.Sprintf("was %s, is %s", before, now)
	}
	return c
}
