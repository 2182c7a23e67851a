package refresh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// outcome is what became of one item. A token may have been published from a standby while fault says why AWSCURRENT was refused.
type outcome struct {
	item      *item
	published *renew.Record // what was written, nil when nothing was
	version   int64         // of the parameter, as SSM gave it
	reissued  *renew.Record // the same token again, with what is known of it now
	fault     *fault
	kept      bool  // a second look said that nothing is due
	gone      bool  // the secret vanished
	cutOff    bool  // the caller's deadline came first
	raced     bool  // another writer was there: come back
	refused   error // SSM refuses writes
	lost      error // the token was fetched and could not be written
	notices   []notice
	writes    int // that were reserved for it

	attempt int           // which request got the token
	latency oauth.Latency // of that request

	retryAfter time.Duration // what a standby was told
}

type notice struct {
	name    string
	details []string
}

// writes is how many PutParameter calls the item may need: a first token of some providers comes with an account id.
func (it *item) writes() int {
	if it.conn.Provider.PublishAccount && it.facts.Record == nil {
		return 2
	}
	return 1
}

// forWrites is the context of the writes that have to happen: the caller cannot cancel it, the end of the run does (house style 15).
func (r *run) forWrites(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(ctx), r.hard)
}

// work does one connection: a second look where a listing cannot be trusted, the exchange, the gate, the write. until bounds the exchange,
// writing is of forWrites.
func (r *run) work(ctx, writing context.Context, it *item, attempts int, until time.Time) (out outcome) {
	out.item = it
	defer func() {
		if p := recover(); p != nil { // one broken connection must not stop the others; the panic's value may hold anything
			out.fault = &fault{class: oauth.Transient, code: codeInternal, text: fmt.Sprintf("internal error (panic of type %T)", p), unrecorded: true}
		}
	}()
	exchange, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if done := r.lookAgain(exchange, it, &out); done {
		return out
	}
	if it.decision.Action != renew.Standby {
		tries := attempts
		if it.decision.Action == renew.Canary { // a look, no more
			tries = 1
		}
		r.try(writing, exchange, it, &it.conn, it.document, StageCurrent, tries, &out)
		if out.fault == nil || out.fault.class != oauth.Credentials || !r.standbyAllowed(it, out.fault) {
			return out
		}
	}
	r.tryStandbys(writing, exchange, it, attempts, &out)
	return out
}

// lookAgain settles what a listing cannot: a token that it does not show, and a connection to which the run comes back.
func (r *run) lookAgain(ctx context.Context, it *item, out *outcome) (done bool) {
	switch {
	case it.repeats > 0:
		it.document = r.cfg.Secrets.ReadCurrent(ctx, []string{it.id})[0]
		if it.document.Err == nil {
			it.facts.Current = it.document.VersionID
		}
		conn, f, gone := r.understand(it)
		out.fault, out.gone = f, gone
		it.conn = conn
		return gone || f != nil
	case it.decision.Reason == renew.Missing && !it.confirmed:
		found, err := r.cfg.Parameters.Lookup(ctx, []string{it.id})
		if err != nil {
			out.fault = awsFault(err)
			return true
		}
		current := it.facts.Current
		it.confirmed = true
		it.learn(it.secret, index(found)[it.id])
		it.facts.Current = current
		r.decide(it)
		out.kept = !it.due()
		return out.kept
	}
	return false
}

// standbyAllowed reports whether the refusal of AWSCURRENT, with those before it, lets a standby take over: latched, and due by time.
func (r *run) standbyAllowed(it *item, f *fault) bool {
	if !it.conn.Fallback {
		return false
	}
	if it.decision.UseStandby {
		return true
	}
	rec, _ := r.nextRecord(it, f, r.start)
	return renew.LatchedBy(&rec) && (it.facts.Record == nil || !r.start.Before(it.facts.Record.RenewAt))
}

// tryStandbys fetches with BACKUP, then AWSPREVIOUS. What they answer is only told in events: the connection's fault is AWSCURRENT's.
func (r *run) tryStandbys(writing, exchange context.Context, it *item, attempts int, out *outcome) {
	if !it.conn.Fallback {
		return
	}
	for _, stage := range []string{StageBackup, StagePrevious} {
		doc, conn, err := r.standby(exchange, it, stage)
		if err != nil {
			r.observe(Event{Kind: EventAttempt, Connection: it.id, Stage: stage, Class: oauth.Configuration, Code: "standby_unusable", Message: err.Error()})
			continue
		}
		if doc.VersionID == "" {
			continue
		}
		var second outcome
		r.try(writing, exchange, it, &conn, doc, stage, attempts, &second)
		out.cutOff = out.cutOff || second.cutOff
		if second.published == nil && second.reissued == nil && second.refused == nil && !second.cutOff {
			r.observe(failedEvent(it, &conn, doc, stage, second.fault))
			out.wait(second)
			continue
		}
		out.published, out.version, out.reissued = second.published, second.version, second.reissued
		out.attempt, out.latency = second.attempt, second.latency
		out.raced, out.refused, out.notices = second.raced, second.refused, second.notices
		return
	}
}

// wait takes over what a standby was told: its Retry-After binds the connection too.
func (out *outcome) wait(second outcome) {
	out.lost = second.lost
	if second.fault == nil || second.fault.retryAfter <= out.retryAfter {
		return
	}
	out.retryAfter = second.fault.retryAfter
	if out.fault != nil {
		out.fault.retryAfter = out.retryAfter
	}
}

// standby reads the pair under a label and lays it over the AWSCURRENT document. The zero Document means that there is none to be used.
func (r *run) standby(ctx context.Context, it *item, stage string) (Document, connection.Connection, error) {
	stages := it.secret.Stages
	id := stages[stage]
	if id == "" || id == stages[StageRejected] || id == it.facts.Current {
		return Document{}, connection.Connection{}, nil
	}
	doc, err := r.cfg.Secrets.ReadVersion(ctx, it.id, id)
	if err != nil {
		return Document{}, connection.Connection{}, err
	}
	value := doc.Value
	if stage == StageBackup {
		value, err = connection.MergeCredentials(it.document.Value, doc.Value)
	} else if same, cmpErr := connection.SameConfiguration(it.document.Value, doc.Value); cmpErr != nil || !same {
		return Document{}, connection.Connection{}, cmpErr
	}
	if err != nil {
		return Document{}, connection.Connection{}, err
	}
	conn, err := connection.Parse(it.id, value, r.cfg.Catalogue, r.options())
	if err != nil {
		return Document{}, connection.Connection{}, err
	}
	return doc, conn, nil
}

// try exchanges one credential for a token and publishes it. writing is of forWrites, exchange bounds the exchange.
func (r *run) try(writing, exchange context.Context, it *item, conn *connection.Connection, doc Document, stage string, attempts int, out *outcome) {
	answer, err := r.exchange(exchange, it, conn, doc, stage, attempts)
	if err != nil {
		out.fault = faultOf(err)
		if out.fault.class == oauth.Canceled {
			out.fault, out.cutOff = nil, true
		}
		return
	}
	out.attempt, out.latency = answer.Number, answer.Latency
	mint := minted{token: answer.Token, conn: conn, document: doc, stage: stage}
	verdict := r.gate(it, mint)
	out.notices = append(out.notices, verdict.notices...)
	out.reissued = verdict.reissued
	if verdict.fault != nil {
		out.fault = verdict.fault
		return
	}
	if verdict.record == nil {
		return
	}
	r.publish(writing, it, mint, *verdict.record, out)
}

// exchange asks the token endpoint and tells every attempt.
func (r *run) exchange(ctx context.Context, it *item, conn *connection.Connection, doc Document, stage string, attempts int) (oauth.Attempt, error) {
	return r.cfg.Exchanger.TokenWithRetry(ctx, conn.TokenRequest(), oauth.Retry{
		Attempts: attempts,
		MaxWait:  maxInRunWait,
		OnAttempt: func(x oauth.Attempt, err error) {
			r.observe(attemptEvent(it, conn, doc, stage, x, err))
		},
	})
}

// maxInRunWait is how long a worker waits between two attempts. Whoever is told to wait longer is recorded, and tried in a later run.
const maxInRunWait = 30 * time.Second

// publish writes the token and its record in one PutParameter, then the account id if the catalogue wants it published. ctx is of forWrites.
func (r *run) publish(ctx context.Context, it *item, m minted, record renew.Record, out *outcome) {
	version, err := r.put(ctx, it, func(seq int64) Write {
		record.Seq = seq
		return Write{Connection: it.id, Kind: KindToken, Value: m.token.AccessToken, Description: record.Encode()}
	}, &record)
	switch {
	case errors.Is(err, ErrStoreRefuses):
		out.refused = err
		return
	case err != nil:
		out.fault = faultOf(err)
		if errors.Is(err, ErrUnavailable) {
			out.lost = err
		}
		return
	}
	out.published, out.version = &record, version
	out.raced = version != record.Seq
	if err := r.publishAccount(ctx, it, m); err != nil {
		r.observe(Event{Kind: EventUnrecorded, Connection: it.id, Provider: m.conn.Provider.ID, Message: "account_id was not published: " + err.Error()})
	}
}

// putTries is how often a write that got no answer is repeated.
const putTries = 4

// put writes at the pace of the installation. Throttling is waited out to the end of the run, since the token that would be lost may have
// ended another; a write without an answer is looked up before it is repeated. ctx is of forWrites.
func (r *run) put(ctx context.Context, it *item, write func(seq int64) Write, record *renew.Record) (int64, error) {
	expected := it.facts.Version + 1
	for try := 1; ; {
		place, err := r.pacer.wait(ctx)
		if err != nil {
			return 0, fmt.Errorf("write token: no place before the end of the run: %w", ErrUnavailable)
		}
		version, err := r.cfg.Parameters.Put(ctx, write(expected))
		switch {
		case err == nil:
			r.pacer.passed()
			return version, nil
		case errors.Is(err, ErrThrottled):
			r.pacer.throttled(place)
		case errors.Is(err, ErrUnavailable):
			if there, ok := r.arrived(ctx, it, record); ok {
				if there.token != nil && there.version == expected {
					return expected, nil
				}
				expected = there.version + 1
			}
			if try++; try > putTries {
				return 0, err
			}
		default:
			return 0, err
		}
	}
}

// arrival is what is found after a write that got no answer.
type arrival struct {
	token   *renew.Record // ours
	version int64
}

// arrived looks up whether a write reached the store although its answer did not reach us.
func (r *run) arrived(ctx context.Context, it *item, record *renew.Record) (arrival, bool) {
	found, err := r.cfg.Parameters.Lookup(ctx, []string{it.id})
	if err != nil {
		return arrival{}, false
	}
	token := index(found)[it.id].token
	if token == nil {
		return arrival{}, true
	}
	a := arrival{version: token.Version}
	if rec, err := renew.ParseRecord(token.Description); err == nil && rec.TokenID == record.TokenID && rec.Seq == token.Version {
		a.token = rec
	}
	return a, true
}
