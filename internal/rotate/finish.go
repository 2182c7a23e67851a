package rotate

import (
	"context"
	"errors"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// finish makes the pending version AWSCURRENT, once its client credentials have passed the test again: anybody who may invoke the function can send
// finishSecret first.
//
//	the version is AWSCURRENT              completed (reconcile)
//	it has no value                        ERR_PENDING_EMPTY
//	it holds AWSCURRENT's credentials      ERR_CANDIDATE_SAME
//	they fail the test                     as in testSecret; nothing is promoted
//	AWSCURRENT is not where it was         ERR_STATE_CONFLICT, and what a person put there stays
//	the promotion's response is lost       looked up; it counts when it happened
//	else                                   AWSCURRENT moves, AWSPENDING is removed, the test's token is published, the candidate is consumed
//	the token cannot be written            ERR_NOT_PUBLISHED, and no rollback: the test was passed; the next retry publishes
func (s *step) finish(ctx context.Context, live bool) error {
	if live {
		return s.reconcile(ctx)
	}
	pending, current, err := s.readBoth(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.secret.Paused:
		return s.paused()
	case sameCredentials(pending, current):
		return s.nothingNew()
	}
	token, err := s.verifyCredentials(ctx, pending, current)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		s.standInMeanwhile(ctx, pending, current, token)
		return deadlineError("before the promotion")
	}
	if err := s.promote(ctx); err != nil {
		s.standInMeanwhile(ctx, pending, current, token)
		return err
	}
	return s.finalize(ctx, pending, current, token)
}

// promote moves AWSCURRENT by compare-and-swap. Secrets Manager moves AWSPREVIOUS along by itself.
func (s *step) promote(ctx context.Context) error {
	end, cancel := s.writing(ctx)
	defer cancel()
	from := s.current
	if err := s.moveCurrent(end, from, s.ev.Token); err != nil {
		return err
	}
	s.current = s.ev.Token
	s.observe(Audit{Kind: EventPromoted, Stage: store.StageCurrent, From: from, To: s.ev.Token, Credential: s.ev.Token})
	return nil
}

// moveCurrent moves AWSCURRENT from one version to another. Where the response is lost, or says that the stage is elsewhere, AWSCURRENT is looked up:
// a response to an earlier attempt may have been lost, and then the stage is where it belongs.
func (s *step) moveCurrent(ctx context.Context, from, to string) error {
	moved := s.cfg.Secrets.MoveStage(ctx, store.StageMove{SecretID: s.secret.ARN, Stage: store.StageCurrent, From: from, To: to})
	if moved == nil {
		return nil
	}
	if !errors.Is(moved, store.ErrStageMoved) && !errors.Is(moved, store.ErrUnavailable) {
		return s.secretError(ctx, "move AWSCURRENT", moved)
	}
	secret, err := s.cfg.Secrets.Describe(ctx, s.secret.ARN)
	if err != nil {
		return s.secretError(ctx, "move AWSCURRENT: "+moved.Error()+"; look where it is", err)
	}
	s.secret = secret
	switch now := secret.Holder(store.StageCurrent); now {
	case to:
		return nil
	case from:
		return s.secretError(ctx, "move AWSCURRENT", moved)
	default:
		e := permanent(CodeStateConflict, "AWSCURRENT was moved meanwhile, to version "+now+"; it stays there",
			"If the staged client credentials are still to become AWSCURRENT: "+s.commands().stage()+", then "+s.commands().rotate())
		e.cause = moved
		return e
	}
}

// finalize does what follows the promotion. The stages are cleaned up as far as possible; only the publication can fail the step.
func (s *step) finalize(ctx context.Context, live, before acquire.Source, token *oauth.Token) error {
	end, cancel := s.writing(ctx)
	defer cancel()
	s.removePending(end)
	err := s.publish(end, asStage(live, store.StageCurrent), token)
	s.consume(end, live, before)
	if err != nil {
		return err
	}
	s.succeeded(live, "the client credentials of before stay AWSPREVIOUS; they may be deleted at the provider once the readers have the new token")
	return nil
}

// asStage is a source whose token is published with another stage.
func asStage(src acquire.Source, stage string) acquire.Source {
	src.Stage = stage
	return src
}

func (s *step) succeeded(live acquire.Source, then string) {
	s.observe(Audit{Kind: EventSucceeded, Message: "the new client credentials are AWSCURRENT and their token is published; " + then}.of(live))
}
