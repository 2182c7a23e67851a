package refresh

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// failureWrite is a failure record that waits for its place.
type failureWrite struct {
	item     *item
	was      *renew.Failure // what the store holds
	fault    *fault
	record   renew.Failure
	sentence string
}

// close reports an item that is not worked on.
func (r *run) close(it *item) {
	d := it.decision
	switch d.Action {
	case renew.Pause:
		r.result.Counts.Paused++
	case renew.Keep:
		r.result.Fresh = append(r.result.Fresh, Kept{it.id, it.expiry(), d.Text})
	case renew.Wait:
		r.result.Failed = append(r.result.Failed, r.stillFailing(it))
	case renew.Refuse:
		r.fail(it, conflictFault(it.facts.Conflict))
	case renew.Refresh, renew.Canary, renew.Standby:
		r.postpone(it, "run_ended: the next sweep goes on")
	}
}

// expiry of the published token, zero when it is unknown.
func (it *item) expiry() time.Time {
	if it.facts.Record == nil {
		return time.Time{}
	}
	return it.facts.Record.ExpiresAt
}

// liveExpiry of the published token, zero when none lives.
func (it *item) liveExpiry(now time.Time) time.Time {
	if it.facts.Left(now) <= 0 {
		return time.Time{}
	}
	return it.facts.Record.ExpiresAt
}

// stillFailing repeats what the failure record says.
func (r *run) stillFailing(it *item) Failed {
	f := it.facts.Failure
	text := named(it.id, f.Code+" since "+stamp(f.FirstAt)+"; "+it.decision.Text) + ". " + r.tokenLife(it)
	if f.Class != string(oauth.Transient) {
		text += sentenceEnd(adviceFor(&fault{class: oauth.Class(f.Class)}))
	}
	return Failed{Connection: it.id, Class: f.Class, Code: f.Code, Message: text,
		NextAt: it.decision.NotBefore, TokenExpiresAt: it.liveExpiry(r.start)}
}

// settle notes the outcome of one item.
func (r *run) settle(out outcome) {
	it := out.item
	now := r.cfg.Now().UTC()
	for _, n := range out.notices {
		r.notice(it, n)
	}
	if out.published != nil {
		r.notePublished(out)
	}
	if out.refused != nil {
		r.refused = out.refused
		r.observe(Event{Kind: EventStoreRefuse, Connection: it.id, Message: out.refused.Error()})
	}
	if out.fault != nil {
		if why := it.endpoint.failed(it, out.fault, now); why != "" {
			r.observe(Event{Kind: EventEndpoint, Endpoint: it.endpoint.host, Reason: why})
		}
		if out.lost != nil {
			r.noteLost(it, out.lost)
		}
		r.noteFault(out)
		return
	}
	switch {
	case out.refused != nil:
		r.postpone(it, "store_refuses: SSM refuses writes")
	case out.gone:
		r.result.Orphaned = append(r.result.Orphaned, it.id)
	case out.kept:
		r.close(it)
	case out.cutOff:
		r.postpone(it, "run_ended: the deadline came before an answer")
	case out.raced && it.repeats < maxRepeats:
		r.comeBack(it)
	case out.reissued != nil:
		r.noteReissued(out, now)
	case out.published != nil:
		r.noteRefreshed(out)
	default: // no standby helped: the latch stays as it is recorded
		r.noteWait(it, out.retryAfter, now)
		policy := r.cfg.policy(it.conn.RefreshAt)
		it.decision.NotBefore = policy.NextCanary(now, it.facts.Failure.FirstAt, policy.Canary(it.lifetime()))
		r.result.Failed = append(r.result.Failed, r.stillFailing(it))
	}
}

// noteWait adds a standby's Retry-After to the failure record of its connection.
func (r *run) noteWait(it *item, wait time.Duration, now time.Time) {
	if wait <= 0 {
		return
	}
	rec := *it.facts.Failure
	rec.RetryAt = endOf(wait, now)
	r.failures = append(r.failures, failureWrite{it, it.facts.Failure, &fault{retryAfter: wait}, rec, r.stillFailing(it).Message})
	it.facts.Failure = &rec
}

// noteLost counts tokens whose write got no answer in spite of all tries. After two in a row it is the store that is sick, and each further
// exchange would cost one more token.
func (r *run) noteLost(it *item, err error) {
	if r.lost++; r.lost > 1 && r.refused == nil {
		r.refused = err
		r.observe(Event{Kind: EventStoreRefuse, Connection: it.id, Message: err.Error()})
	}
}

// notePublished brings the facts up to date with what was written.
func (r *run) notePublished(out outcome) {
	it := out.item
	r.written++
	r.lost = 0
	it.endpoint.tokenWritten(r.cfg.MaxConcurrency)
	it.facts.Record, it.facts.Version = out.published, out.version
	if out.fault == nil {
		r.forgive(it, out.published.Stage)
	}
}

// forgive has the failure record deleted after a success with AWSCURRENT.
func (r *run) forgive(it *item, stage string) {
	if stage == StageCurrent && it.failureThere {
		r.deletions = append(r.deletions, Name{it.id, KindFailure})
		it.facts.Failure, it.failureThere = nil, false
	}
}

// noteFault reports a failure of AWSCURRENT; when a standby's token was published meanwhile, the connection is named as refreshed.
func (r *run) noteFault(out outcome) {
	if out.published == nil {
		r.fail(out.item, out.fault)
		return
	}
	r.record(out.item, out.fault)
	r.noteRefreshed(out)
}

func (r *run) noteRefreshed(out outcome) {
	it, rec := out.item, out.published
	r.result.Refreshed = append(r.result.Refreshed, Refreshed{it.id, rec.ExpiresAt, rec.Stage, out.version})
	ev := recordEvent(EventRefreshed, it, rec, out.version)
	ev.Reason, ev.Attempt, ev.Latency = it.decision.Text, out.attempt, out.latency
	r.observe(ev)
	if rec.Stage != StageCurrent {
		ev.Kind = EventFallback
		r.observe(ev)
	}
}

// comeBack queues an item again whose parameter another writer changed meanwhile: the end state must be a token of AWSCURRENT.
func (r *run) comeBack(it *item) {
	it.repeats++
	it.decision.Reason, it.decision.Text = renew.ChangedByOther, "changed_by_other: another writer was there in between"
	it.endpoint.queue = append([]*item{it}, it.endpoint.queue...)
}

// noteReissued reports a token that was handed out again. One that ends before the next sweep is asked for again right after its end, so that
// readers of such a provider see no gap.
func (r *run) noteReissued(out outcome, now time.Time) {
	it, rec := out.item, out.reissued
	ev := recordEvent(EventReissued, it, rec, it.facts.Version)
	ev.Reason, ev.Attempt, ev.Latency = it.decision.Text, out.attempt, out.latency
	r.observe(ev)
	it.facts.Record = keepSeq(rec, it.facts.Record)
	r.forgive(it, rec.Stage)
	again := rec.ExpiresAt.Add(reissueWait)
	if soon := now.Add(reissueWait); again.Before(soon) {
		again = soon
	}
	if rec.ExpiresAt.Before(r.start.Add(r.cfg.Period)) && again.Add(r.cfg.TokenTimeout).Before(r.end) {
		it.notBefore, it.endpoint.again = again, true
		it.endpoint.queue = append(it.endpoint.queue, it)
		return
	}
	r.keepReissued(it)
}

// reissueWait is how long after its end a token that was handed out again is asked for once more.
const reissueWait = 2 * time.Second

// keepSeq carries the parameter version over: a record that was not written has none of its own.
func keepSeq(rec, was *renew.Record) *renew.Record {
	if rec.Seq == 0 && was != nil {
		rec.Seq = was.Seq
	}
	return rec
}

func (r *run) keepReissued(it *item) {
	r.result.Reissued = append(r.result.Reissued, Kept{it.id, it.expiry(), "reissued: the provider handed out the same token again"})
}

// fail reports a failure of this run and has it recorded.
func (r *run) fail(it *item, f *fault) {
	rec, text := r.record(it, f)
	r.result.Health.Attempted++
	next := rec.NextAt
	if f.unrecorded {
		next = r.start.Add(r.cfg.Period).Truncate(time.Second)
	}
	r.result.Failed = append(r.result.Failed, Failed{Connection: it.id, Class: rec.Class, Code: rec.Code, Message: text,
		NextAt: next, TokenExpiresAt: it.liveExpiry(r.start)})
}

// record works out the failure record, queues it if it has to be written, and tells the event.
func (r *run) record(it *item, f *fault) (renew.Failure, string) {
	rec, write := r.nextRecord(it, f, r.cfg.Now().UTC().Round(0))
	text := r.sentence(it, f, rec)
	if write {
		r.deletions = slices.DeleteFunc(r.deletions, func(n Name) bool { return n == Name{it.id, KindFailure} })
		r.failures = append(r.failures, failureWrite{it, it.facts.Failure, f, rec, text})
		if f.answer {
			r.owed++
		}
	}
	it.facts.Failure = &rec
	r.observe(Event{Kind: EventFailed, Connection: it.id, Provider: it.conn.Provider.ID, Endpoint: it.conn.Host, Reason: it.decision.Text,
		Message: text, Credential: it.facts.Current, Stage: StageCurrent, Class: f.class, Code: f.code, HTTPStatus: f.status,
		Attempt: rec.Attempts, NextAt: rec.NextAt, ExpiresAt: it.liveExpiry(r.start)})
	return rec, text
}

// failEarly reports a name that is no connection, or one that could not even be looked up: there is nothing that could hold its record.
func (r *run) failEarly(name string, f *fault) {
	text := ended(named(name, f.text)) + sentenceEnd(f.advice)
	r.result.Health.Attempted++
	r.result.Failed = append(r.result.Failed, Failed{Connection: name, Class: string(f.class), Code: f.code, Message: text})
	r.observe(Event{Kind: EventFailed, Connection: name, Message: text, Class: f.class, Code: f.code})
}

// noteSomeFailures starts the write of a failure record while tokens are still coming, at most one for ten writes.
func (r *run) noteSomeFailures(ctx context.Context) {
	if (r.noted+r.noting+1)*9 > r.written || r.refused != nil {
		return
	}
	i := slices.IndexFunc(r.failures, func(w failureWrite) bool { return w.item.endpoint == nil || w.item.endpoint.answered })
	if i < 0 {
		return
	}
	w := r.failures[i]
	r.failures = slices.Delete(r.failures, i, i+1)
	r.noting++
	if w.fault.answer {
		r.owed--
	}
	go func() { r.recorded <- r.note(ctx, w) }()
}

// finish writes what is left: failure records, deletions of what no longer fails, and what remains of deleted connections.
func (r *run) finish(ctx context.Context) {
	ctx, cancel := r.forWrites(ctx)
	defer cancel()
	r.remove(ctx, r.deletions)
	for _, w := range r.failures {
		if r.refused != nil || !r.cfg.Now().Before(r.end) {
			break
		}
		if e := w.item.endpoint; e != nil && e.unproven() && w.fault.again() && w.fault.retryAfter == 0 {
			w.item.facts.Failure = w.was // an outage: the next run finds the state anew
			continue
		}
		r.heed(r.note(ctx, w))
	}
	r.removeOrphans(ctx)
	r.measure()
}

// remove deletes parameters and reports whether that worked; what is left is deleted by a later run.
func (r *run) remove(ctx context.Context, names []Name) bool {
	if len(names) == 0 {
		return true
	}
	err := r.cfg.Parameters.Delete(ctx, names)
	if err != nil {
		r.observe(Event{Kind: EventUnrecorded, Message: "clean-up: " + err.Error()})
	}
	return err == nil
}

// note writes one failure record at the pace of all writes. It is lost when that fails: the next run finds the same.
func (r *run) note(ctx context.Context, w failureWrite) error {
	write := Write{Connection: w.item.id, Kind: KindFailure, Value: oauth.NewSecret(storable(w.sentence)), Description: w.record.Encode()}
	place, err := r.pacer.wait(ctx)
	if err == nil {
		_, err = r.cfg.Parameters.Put(ctx, write)
	}
	if errors.Is(err, ErrTypeConflict) && r.remove(ctx, []Name{{w.item.id, KindFailure}}) { // ours by its name, made by hand
		if place, err = r.pacer.wait(ctx); err == nil {
			_, err = r.cfg.Parameters.Put(ctx, write)
		}
	}
	switch {
	case err == nil:
		r.pacer.passed()
		return nil
	case errors.Is(err, ErrThrottled):
		r.pacer.throttled(place)
	}
	r.observe(Event{Kind: EventUnrecorded, Connection: w.item.id, Message: "the failure was not recorded: " + err.Error()})
	return err
}

// heed takes in how the write of a failure record ended.
func (r *run) heed(err error) {
	switch {
	case err == nil:
		r.noted++
	case errors.Is(err, ErrStoreRefuses):
		r.refused = err
		r.observe(Event{Kind: EventStoreRefuse, Message: err.Error()})
	}
}

// storable breaks up double braces, which a provider may have written: SSM refuses values that hold them.
func storable(sentence string) string { return strings.ReplaceAll(sentence, "{{", "{ {") }

// reportUnknown explains names that do not exist, with one listing for the nearest name.
func (r *run) reportUnknown(ctx context.Context, names []string) {
	if len(names) == 0 {
		return
	}
	secrets, err := r.cfg.Secrets.List(ctx)
	var here []string
	if err == nil {
		for _, s := range secrets {
			here = append(here, s.Connection)
		}
	}
	for _, name := range names {
		r.failEarly(name, &fault{class: oauth.Configuration, code: codeUnknown, text: r.unknownText(name, here, err)})
	}
}

func sortedByOrder(items []*item) []*item {
	slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.order, b.order) })
	return items
}

// observe passes an event on; notices are counted.
func (r *run) observe(ev Event) {
	if ev.Counts() {
		r.mu.Lock()
		r.notices++
		r.mu.Unlock()
	}
	r.cfg.Observe(ev)
}

// notice tells what a person should look at. it is nil for what is about all connections.
func (r *run) notice(it *item, n notice) {
	ev := Event{Kind: EventNotice, Notice: n.name, Details: n.details, Message: strings.Join(n.details, ", ")}
	if it != nil {
		ev.Connection, ev.Provider, ev.Endpoint, ev.Credential = it.id, it.conn.Provider.ID, it.conn.Host, it.facts.Current
	}
	r.observe(ev)
}
