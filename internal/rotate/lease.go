package rotate

import (
	"context"
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

const (
	// firstWait and longWait bound the wait between two attempts to take the lease: it doubles from one to the other.
	firstWait = 200 * time.Millisecond
	longWait  = time.Second
	// claimShare is the part of the step's time that may be spent on taking the lease: a quarter.
	claimShare = 4
	// commitPause is the wait between two attempts to commit.
	commitPause = 500 * time.Millisecond
)

// readState reads what is known of the connection, without the lease.
func (s *step) readState(ctx context.Context) error {
	found, err := s.cfg.States.Get(ctx, []string{s.id})
	if err != nil {
		return stateError(ctx, "read the state of the connection", err)
	}
	state, ok := found[s.id]
	if !ok {
		state = lifecycle.State{ID: s.id}
	}
	s.state = state
	return nil
}

// claim takes the lease, unless this invocation has it already. While another run has it, claim waits and reads the state again: that run may
// publish the token that this step needs.
func (s *step) claim(ctx context.Context) error {
	if s.leased {
		return nil
	}
	limit := s.cfg.Now().Add(s.workEnd.Sub(s.start) / claimShare)
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		if err := s.readState(ctx); err != nil {
			return err
		}
		leased, err := s.cfg.Leases.Claim(ctx, s.state, lifecycle.Owner{ID: s.in.RequestID, HardEnd: s.hardEnd})
		switch {
		case err == nil:
			s.state, s.leased = leased, true
			return nil
		case !errors.Is(err, store.ErrInFlight):
			return stateError(ctx, "take the lease of the connection", err)
		case s.cfg.Now().Add(wait).After(limit):
			return &Error{Code: CodeStateConflict, Text: "the refresher is renewing the connection right now, so no token was requested", Transient: true,
				Advice: "Nothing to do for now: " + retriedByAWS, cause: err}
		case !sleep(ctx, wait):
			return deadlineError("the refresher is renewing the connection right now")
		}
	}
}

// commit writes the state and ends the lease. It repeats until the hard end. A published token whose state is not committed serves readers; the
// next run of the refresher issues one token too many, so the failure is only reported.
func (s *step) commit(ctx context.Context, next lifecycle.State) {
	for {
		err := s.cfg.Leases.Commit(ctx, next)
		if err == nil {
			s.state, s.leased = next, false
			return
		}
		if errors.Is(err, store.ErrLeaseLost) || !sleep(ctx, commitPause) {
			s.leased = false
			s.observe(Audit{Kind: EventNotice, Notice: NoticeNotCommitted, Message: "the token is published, its state was not written: " + err.Error()})
			return
		}
	}
}

// release ends the lease of a step that published nothing more. If that fails, the lease runs out.
func (s *step) release(ctx context.Context) {
	if !s.leased {
		return
	}
	ctx, cancel := s.writing(ctx)
	defer cancel()
	if err := s.cfg.Leases.Release(ctx, s.state); err != nil {
		s.observe(Audit{Kind: EventCleanupFailed, Message: "the lease was not released, it ends by itself: " + err.Error()})
	}
}
