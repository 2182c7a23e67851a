package refresh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// settle ends a run: what no longer fails, failures, what the listing changed, and what remains of deleted connections.
func (b *board) settle(ctx context.Context) {
	ctx, cancel := b.run.writing(ctx)
	defer cancel()
	b.closeRest()
	b.updateStates(ctx)
	b.clearNotices(ctx)
	b.recordFailures(ctx)
	b.repairAccounts(ctx)
	b.settleDiscovery(ctx)
	b.removeOrphans(ctx)
	b.sum.measure(b)
}

// inTime reports whether there is time for a write that the run can do without.
func (b *board) inTime() bool { return b.stopped == nil && b.run.cfg.Now().Before(b.run.startDeadline) }

// record writes a failure that is not in the table yet, and then its refresh_failure parameter when class, code or suspension changed.
func (r *run) record(ctx context.Context, s lifecycle.State, later bool) (lifecycle.State, error) {
	if later {
		next, err := r.cfg.States.Update(ctx, s)
		if errors.Is(err, store.ErrInFlight) {
			return s, nil // another run has attempted it since, and knows better
		}
		if err != nil {
			return s, err
		}
		s = next
	}
	want := s.WantedNotice()
	if want == s.Notice {
		return s, nil
	}
	if err := r.publisher.Failure(ctx, s.ID, s.Failure.Message); err != nil {
		return s, err
	}
	return r.noticed(ctx, s, want)
}

// noticed writes what the refresh_failure parameter says now. A lost update costs one more write in the next sweep.
func (r *run) noticed(ctx context.Context, s lifecycle.State, notice string) (lifecycle.State, error) {
	s.Notice = notice
	next, err := r.cfg.States.Update(ctx, s)
	if errors.Is(err, store.ErrInFlight) {
		return s, nil
	}
	return next, err
}

// recordFailures writes the failures of this run, as far as its time goes. Where an endpoint failed for everybody and never succeeded, it is an
// outage, which marks no connection.
func (b *board) recordFailures(ctx context.Context) {
	for _, e := range b.failing {
		if !b.inTime() {
			return
		}
		f := e.state.Failure
		if e.later && b.queue.NeverSucceeded(f.Endpoint) && f.RetryAt.IsZero() && !f.Suspends() && temporary(f.Class) {
			e.state, e.later = e.before, false
			continue
		}
		next, err := b.run.record(ctx, e.state, e.later)
		b.recorded(e, next, err)
	}
}

func temporary(c lifecycle.Class) bool { return c == lifecycle.Transient || c == lifecycle.Malformed }

// clearNotices deletes the refresh_failure parameters of connections that do not fail any more.
func (b *board) clearNotices(ctx context.Context) {
	var ids []string
	for _, e := range b.order {
		id := e.state.ID
		if e.state.Failure == nil && e.state.Notice != "" && !e.state.Leased(b.run.start) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	if err := b.run.publisher.ClearFailures(ctx, ids); err != nil {
		b.run.observe(Event{Kind: EventUnrecorded, Message: "clean-up: " + err.Error()})
		return
	}
	for _, id := range ids {
		e := b.entries[id]
		next, err := b.run.noticed(ctx, e.state, "")
		if err != nil {
			b.run.observe(Event{Kind: EventUnrecorded, Connection: id, Message: "clean-up: " + err.Error()})
			continue
		}
		e.state = next
	}
}

// updateStates writes what the listing changed: pauses, and obsolete failures.
func (b *board) updateStates(ctx context.Context) {
	for _, e := range b.order {
		id := e.state.ID
		s := e.observed.Secret
		if s == nil || e.state.Revision == 0 || !b.inTime() {
			continue
		}
		next := e.state
		if e.decision.ClearFailure {
			next = lifecycle.WithoutFailure(next)
		}
		next.DeleteAt = time.Time{}
		next.Paused = s.Paused
		if next.Failure == e.state.Failure && next.Paused == e.state.Paused && next.DeleteAt.Equal(e.state.DeleteAt) {
			continue
		}
		b.update(ctx, e, next, id)
	}
}

// repairAccounts writes account ids again that another program changed or deleted.
func (b *board) repairAccounts(ctx context.Context) {
	for _, e := range b.order {
		id := e.state.ID
		t := e.state.Token
		if !e.accountChanged || t == nil || !b.inTime() || !b.exists(e) || e.decision.Action == lifecycle.Pause {
			continue
		}
		if err := b.run.publisher.Account(ctx, id, t.AccountID, t.Provider); err != nil {
			b.run.observe(Event{Kind: EventUnrecorded, Connection: id, Message: "account_id was not published: " + err.Error()})
		}
	}
}

func (b *board) update(ctx context.Context, e *entry, next lifecycle.State, id string) {
	written, err := b.run.cfg.States.Update(ctx, next)
	switch {
	case err == nil:
		e.state = written
	case !errors.Is(err, store.ErrInFlight):
		b.run.observe(Event{Kind: EventUnrecorded, Connection: id, Message: "the state was not updated: " + err.Error()})
	}
}

// discoveryID is the item that counts failed listings. It is no valid connection id.
const discoveryID = "*"

// failedListings in a row end a run with an error, so that an alarm rings.
const failedListings = 3

// settleDiscovery counts failed listings in a row.
func (b *board) settleDiscovery(ctx context.Context) {
	err, s := b.listing.err, b.sum.discovery
	if b.run.call.Connections != nil || err == nil && s.Failure == nil {
		return
	}
	s.ID = discoveryID
	next := s.Clone()
	next.Failure = nil
	if err != nil {
		at := lifecycle.Attempted{Start: b.run.start}
		cause := &lifecycle.Cause{Class: lifecycle.Transient, Code: codeDiscovery, Text: err.Error()}
		next = lifecycle.AfterFailure(b.run.cfg.Now(), s, at, cause, b.run.policy())
		next.Failure.Message = "Could not list secrets: " + err.Error()
		b.sum.result.DiscoveryFailed = next.Failure.Message
		b.run.observe(Event{Kind: EventDiscovery, Message: next.Failure.Message + ". Known connections were still renewed", Attempt: next.Failure.Attempts})
	}
	b.sum.discovery = next
	if _, err := b.run.cfg.States.Update(ctx, next); err != nil && !errors.Is(err, store.ErrInFlight) {
		b.run.observe(Event{Kind: EventUnrecorded, Message: "the failed listing was not counted: " + err.Error()})
	}
}

func (b *board) discoveryErr() error {
	f := b.sum.discovery.Failure
	if b.listing.err == nil || f == nil || f.Attempts < failedListings {
		return nil
	}
	return fmt.Errorf("could not list secrets in %d runs in a row; known connections were still renewed, new ones were not found: %w", f.Attempts, b.listing.err)
}

// runError says that SSM ended the run.
type runError struct {
	what, advice      string
	written, deferred int
	err               error
}

// Error names what was done all the same.
func (e *runError) Error() string {
	return fmt.Sprintf("SSM %s: %d tokens written, %d connections deferred; %s: %v", e.what, e.written, e.deferred, e.advice, e.err)
}

// Unwrap returns the store's error.
func (e *runError) Unwrap() error { return e.err }
