package rotate

import (
	"context"
	"errors"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// finish makes the pending version AWSCURRENT, once it has proved itself again: anybody who may invoke the function can send finishSecret first.
//
//	the version is AWSCURRENT              brought to its end (reconcile)
//	it has no value                        ERR_PENDING_EMPTY
//	it holds AWSCURRENT's pair             ERR_CANDIDATE_SAME
//	its pair fails the test                as in testSecret; nothing is promoted
//	AWSCURRENT is not where it was         ERR_STATE_CONFLICT, and what a person put there stays
//	the promotion's answer is lost         looked up; it counts when it happened
//	else                                   AWSCURRENT moves, AWSPENDING goes, the test's token is published, the candidate is consumed
//	the token cannot be written            ERR_NOT_PUBLISHED, and no rollback: the pair is proven; the next try publishes
func (s *step) finish(ctx context.Context, live bool) error {
	if live {
		return s.reconcile(ctx)
	}
	pending, current, err := s.pair(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.secret.Paused:
		return s.paused()
	case pending.samePair(current):
		return s.samePair()
	}
	t, err := s.prove(ctx, pending, current)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		s.serveMeanwhile(ctx, pending, current, t.token)
		return deadlineError("before the promotion")
	}
	if err := s.promote(ctx); err != nil {
		s.serveMeanwhile(ctx, pending, current, t.token)
		return err
	}
	return s.goLive(ctx, pending, current, t)
}

// promote moves AWSCURRENT by compare-and-swap. Secrets Manager moves AWSPREVIOUS along by itself.
func (s *step) promote(ctx context.Context) error {
	end, cancel := s.closing(ctx)
	defer cancel()
	err := s.moveCurrent(end, s.current, s.ev.Token)
	if err != nil {
		return err
	}
	s.observe(Audit{Kind: EventPromoted, Label: refresh.StageCurrent, From: s.current, To: s.ev.Token, Credential: s.ev.Token})
	return nil
}

// moveCurrent moves AWSCURRENT from one version to another. Where the answer is lost, or says that the label is elsewhere, it is looked up: an
// answer of ours may have been lost before, and then it is where it belongs.
func (s *step) moveCurrent(ctx context.Context, from, to string) error {
	moved := s.cfg.Secrets.MoveLabel(ctx, Move{SecretID: s.secret.ARN, Label: refresh.StageCurrent, From: from, To: to})
	if moved == nil {
		return nil
	}
	if !errors.Is(moved, ErrLabelMoved) && !errors.Is(moved, refresh.ErrUnavailable) {
		return s.storeFault("move AWSCURRENT", moved)
	}
	secret, err := s.cfg.Secrets.Describe(ctx, s.secret.ARN)
	if err != nil {
		return s.storeFault("move AWSCURRENT: "+moved.Error()+"; look where it is", err)
	}
	s.secret = secret
	switch now := secret.holder(refresh.StageCurrent); now {
	case to:
		return nil
	case from:
		return s.storeFault("move AWSCURRENT", moved)
	default:
		e := permanent(CodeStateConflict, "AWSCURRENT was moved meanwhile, to version "+now+"; it stays there",
			"If the staged pair is still to go live: "+s.stageCommand()+", then "+s.rotateCommand())
		e.cause = moved
		return e
	}
}

// goLive does what follows the promotion. The labels are cleaned up as far as it goes; only the publication can fail the step.
func (s *step) goLive(ctx context.Context, live, before version, t trial) error {
	end, cancel := s.closing(ctx)
	defer cancel()
	s.detach(end)
	err := s.publish(end, refresh.Mint{Connection: live.conn, Document: live.doc, Token: t.token, Stage: refresh.StageCurrent, Current: s.ev.Token})
	s.consume(end, live, before)
	if err != nil {
		return err
	}
	s.succeeded(live, "the pair of before stays AWSPREVIOUS; it may be deleted at the provider once the readers have the new token")
	return nil
}

func (s *step) succeeded(live version, then string) {
	s.observe(Audit{Kind: EventSucceeded, Message: "the new pair is AWSCURRENT and its token is published; " + then}.of(live))
}
