package refresh

import (
	"context"
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/schedule"
	"github.com/chaveiro/chaveiro/internal/store"
)

// drain works until nothing is left to do or the run ends. It is the only goroutine that touches the board.
func (b *board) drain(ctx context.Context) {
	type started struct {
		e    *entry
		task Task
	}
	type finished struct {
		e   *entry
		out Outcome
	}
	// Workers stay, because a new goroutine would grow its stack anew in every call of the AWS SDK.
	tasks, done := make(chan started, b.run.cfg.MaxConcurrency), make(chan finished)
	defer close(tasks)
	workers := 0
	work := func() {
		for s := range tasks {
			done <- finished{s.e, b.run.isolate(ctx, s.task)}
		}
	}
	for stop := ctx.Done(); ; {
		b.read()
		now := b.run.cfg.Now()
		for b.open(now) {
			e, task, ok := b.next(now)
			if !ok {
				break
			}
			if workers < b.queue.InFlight() {
				workers++
				go work()
			}
			tasks <- started{e, task}
			now = b.run.cfg.Now()
		}
		b.noteSome(ctx)
		wake, waiting := b.wake(now)
		if b.queue.InFlight() == 0 && b.background == 0 && !waiting {
			break
		}
		alarm, cancel := timer(wake, waiting, now)
		select {
		case f := <-done:
			b.tell(b.queue.Done(f.e.state.ID, signal(f.out), b.run.cfg.Now()))
			b.finish(f.e, f.out)
		case then := <-b.mail:
			then()
		case <-alarm:
		case <-stop:
			b.queue.Close(runEnded)
			stop = nil
		}
		cancel()
	}
	for _, d := range b.queue.Rest(b.run.cfg.Now()) {
		b.rest(d)
	}
}

const runEnded = "run_ended: the next sweep continues"

// discard ends what still runs in the background.
func (b *board) discard() {
	b.cancel()
	for b.background > 0 {
		(<-b.mail)()
	}
}

// open reports whether tasks may start: a sweep gives the listing a head start.
func (b *board) open(now time.Time) bool { return b.listing.ended || !now.Before(b.hold) }

// wake is the next instant at which something that waits may start.
func (b *board) wake(now time.Time) (time.Time, bool) {
	if !b.open(now) {
		return b.hold, true
	}
	return b.queue.Wake(now)
}

// timer is a channel that receives at an instant; without waiting it never does.
func timer(at time.Time, waiting bool, now time.Time) (<-chan time.Time, func()) {
	if !waiting {
		return nil, func() {}
	}
	t := time.NewTimer(at.Sub(now))
	return t.C, func() { t.Stop() }
}

// next takes the next task from the queue. What the listing showed meanwhile may have ended the reason for it.
func (b *board) next(now time.Time) (*entry, Task, bool) {
	for {
		start, ok := b.queue.Next(now)
		if !ok {
			return nil, Task{}, false
		}
		e := b.entries[start.ID]
		task := start.Value
		task.Observed, task.Decision = e.observed, e.decision
		if e.decision.Action.Attempts() {
			task.Attempts, task.Deadline = start.Attempts, start.RequestDeadline
			return e, task, true
		}
		b.tell(b.queue.Done(e.state.ID, schedule.Signal{Kind: schedule.Neutral}, now))
		b.finish(e, Outcome{Kind: KindKept, Task: task, State: e.state})
	}
}

// tell reports what the queue found out about an endpoint.
func (b *board) tell(notices []schedule.Notice) {
	for _, n := range notices {
		b.run.observe(Event{Kind: EventEndpoint, Endpoint: n.Endpoint, Reason: n.Reason})
	}
}

// reuseWait is how long after its expiry a reused token is requested once more.
const reuseWait = 2 * time.Second

// finish takes in what became of a connection.
func (b *board) finish(e *entry, out Outcome) {
	e.phase, e.state, e.decision = handled, out.State, out.Task.Decision
	for _, n := range out.Notices {
		b.sum.notice(out.Task, n)
	}
	switch out.Kind {
	case KindRenewed, KindUncommitted:
		b.written++
		b.lost = 0
		b.succeeded[out.Task.Source.Connection.Host] = true
	case KindLost:
		if errors.Is(out.Err, store.ErrThrottled) {
			break // the time of the run was too short, and nothing more starts
		}
		if b.lost++; b.lost > 1 { // each further request would cost one more token
			b.stop(e, out.Err)
		}
	case KindUnwritable:
		b.stop(e, out.Err)
	case KindReused:
		if again, ok := b.again(out); ok {
			e.phase = queued
			b.queue.Push(again)
		}
	case KindKept, KindFailed, KindDeferred, KindOrphaned:
	}
	if out.Kind == KindReused && e.phase == queued {
		b.sum.reused(out)
		return
	}
	b.sum.add(e, out)
	b.note(e, out)
}

// stop starts nothing more: SSM accepts no writes.
func (b *board) stop(e *entry, err error) {
	if b.stopped != nil {
		return
	}
	b.stopped = err
	b.queue.Close("store_unwritable: SSM accepts no writes")
	b.run.observe(Event{Kind: EventUnwritable, Connection: e.state.ID, Message: err.Error()})
}

// again is the job of a reused token that expires before the next sweep: it is requested once more right after its end, so that readers of such
// a provider meet no gap.
func (b *board) again(out Outcome) (schedule.Job[Task], bool) {
	r := b.run
	expires := out.State.Token.ExpiresAt
	at := expires.Add(reuseWait)
	if soon := r.cfg.Now().Add(reuseWait); at.Before(soon) {
		at = soon
	}
	if !expires.Before(r.start.Add(r.cfg.Period)) || !at.Add(r.cfg.TokenTimeout).Before(r.startDeadline) {
		return schedule.Job[Task]{}, false
	}
	t := out.Task
	t.State = out.State
	return b.job(t, at), true
}

// rest reports a job that was not started.
func (b *board) rest(d schedule.Deferred[Task]) {
	e := b.entries[d.Job.ID]
	e.phase = handled
	if !d.Job.NotBefore.IsZero() { // a reused token, which is still alive
		b.sum.keptReused(e.state)
		return
	}
	b.sum.deferred(e.state.ID, d.Reason)
}

// err is the error of the run.
func (b *board) err() error {
	if b.stopped != nil {
		what, advice := "accepts no writes", "fix the installation (role, KMS key, limits)"
		if !errors.Is(b.stopped, store.ErrUnwritable) {
			what, advice = "does not answer writes", "they are retried in the next run"
		}
		r := &b.sum.result
		return &runError{what: what, advice: advice, written: len(r.Refreshed), deferred: len(r.Deferred), err: b.stopped}
	}
	return b.discoveryErr()
}

// note remembers a connection whose failure, or whose refresh_failure parameter, is not written yet.
func (b *board) note(e *entry, out Outcome) {
	e.later, e.before = out.Later, out.State
	e.before.Failure = out.Task.State.Failure
	if e.state.Failure == nil || !e.later && e.state.WantedNotice() == e.state.Notice {
		return
	}
	b.failing = append(b.failing, e)
}

// noteSome writes a failure while tokens are still coming, at most one for ten writes.
func (b *board) noteSome(ctx context.Context) {
	if b.stopped != nil || (b.noted+b.noting+1)*9 > b.written {
		return
	}
	for i, e := range b.failing {
		if f := e.state.Failure; f.Endpoint != "" && !b.succeeded[f.Endpoint] {
			continue
		}
		b.failing = append(b.failing[:i], b.failing[i+1:]...)
		b.noting++
		state, later := e.state, e.later
		b.spawn(func() func() {
			next, err := b.run.record(ctx, state, later)
			return func() {
				b.noting--
				b.recorded(e, next, err)
			}
		})
		return
	}
}

// recorded takes in how the write of a failure ended.
func (b *board) recorded(e *entry, next lifecycle.State, err error) {
	e.state, e.later = next, false
	switch {
	case err == nil:
		b.noted++
	case errors.Is(err, store.ErrUnwritable):
		b.stop(e, err)
	default:
		b.run.observe(Event{Kind: EventUnrecorded, Connection: e.state.ID, Message: "the failure was not recorded: " + err.Error()})
	}
}
