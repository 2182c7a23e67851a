package rotate

import (
	"context"
	"errors"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/store"
)

// reconcile completes a rotation whose version is AWSCURRENT already: a finishSecret that was interrupted, or sent once more.
//
//	the published token came from it       the stages are cleaned up, nothing else
//	the connection is paused               the same
//	the provider issues a token for it     published
//	it does not respond, or SSM fails      transient, and no rollback: the client credentials passed the test before
//	it rejects the client credentials      rolled back to AWSPREVIOUS, if that works
//	it rejects both                        ERR_BOTH_REJECTED: nothing moves, somebody must act
//	there is nothing to roll back to       ERR_ROLLBACK_IMPOSSIBLE
func (s *step) reconcile(ctx context.Context) error {
	s.removePending(ctx)
	live, err := s.readCurrent(ctx)
	if err != nil {
		return keepPending(err)
	}
	if err := s.readState(ctx); err != nil {
		return keepPending(err)
	}
	if !s.publishedFrom(s.ev.Token) && !s.secret.Paused {
		if err := s.publishLive(ctx, live); err != nil {
			return s.unpublished(ctx, live, err)
		}
	}
	if s.secret.Has(s.ev.Token, store.StageRejected) { // rejected once, and accepted later
		s.move(ctx, store.StageMove{Stage: store.StageRejected, From: s.ev.Token})
	}
	s.consume(ctx, live, live)
	s.succeeded(live, "an earlier finishSecret had promoted it")
	return nil
}

// publishedFrom reports whether the published token was issued with a version, as AWSCURRENT.
func (s *step) publishedFrom(version string) bool {
	t := s.state.Token
	return t != nil && t.Credential == version && t.Stage == store.StageCurrent && s.state.Current == version
}

// publishLive requests a token with AWSCURRENT and publishes it, unless the refresher has done so while this step waited for the lease.
func (s *step) publishLive(ctx context.Context, live acquire.Source) error {
	return s.retryDuringPropagation(ctx, live, func() error {
		if err := s.claim(ctx); err != nil {
			return err
		}
		if s.publishedFrom(s.ev.Token) {
			return nil
		}
		token, err := s.issue(ctx, live, attempts)
		if err != nil {
			return err
		}
		return s.publish(ctx, live, token)
	})
}

// unpublished deals with a live version that got no published token.
func (s *step) unpublished(ctx context.Context, live acquire.Source, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return keepPending(own)
	}
	e := providerError(err, live, "the new client credentials, which are AWSCURRENT")
	if rejectsCredentials(err) {
		return s.rollBack(ctx, live, e)
	}
	e.endsRotation = false
	e.Advice = "The new client credentials are AWSCURRENT and have passed their tests before. " + retriedByAWS +
		", and the refresher requests a token in its next sweep; " + servedUntil(s.state)
	return e
}

// rollBack makes AWSPREVIOUS live again. The order makes a crash at any point harmless. First the old client credentials get a token, which serves
// readers as that of a standby does. AWSPENDING is removed before AWSCURRENT moves, so that no retry promotes the bad version again. The bad
// version is REJECTED before Secrets Manager makes it AWSPREVIOUS, so that it is never a standby.
func (s *step) rollBack(ctx context.Context, live acquire.Source, rejected *Error) error {
	previous, ok, err := s.previous(ctx, live)
	if err != nil {
		return err
	}
	if !ok {
		return s.impossible(rejected)
	}
	token, err := s.issue(ctx, previous, 1)
	if rejectsCredentials(err) {
		return s.bothRejected(rejected)
	}
	if err != nil {
		return keepPending(providerError(err, previous, "the client credentials of AWSPREVIOUS"))
	}
	if err := s.publish(ctx, previous, token); err != nil {
		return err
	}
	end, cancel := s.writing(ctx)
	defer cancel()
	if err := s.revertStages(end, previous); err != nil {
		return err
	}
	s.current = previous.Document.VersionID
	republished := s.publish(end, asStage(previous, store.StageCurrent), token)
	s.consume(end, live, previous) // the next rotation must not test the bad client credentials
	return s.rolledBack(previous, rejected, republished)
}

func (s *step) rolledBack(previous acquire.Source, rejected *Error, republished error) error {
	s.observe(Audit{Kind: EventRolledBack, Message: rejected.Text, HTTPStatus: rejected.HTTPStatus, OAuthCode: rejected.OAuthCode,
		CurrentOK: Yes}.of(previous))
	e := *rejected
	e.Code, e.CurrentOK, e.endsRotation = CodeRolledBack, Yes, false
	e.Text += " after they had passed their tests; AWSCURRENT is the version of before again (" + previous.Document.VersionID + ")"
	e.Advice = "Find out in the provider's panel why the new client credentials are rejected, then stage others: " + s.commands().stage() +
		", then " + s.commands().rotate()
	if republished != nil {
		e.Advice += ". The refresher requests its token in the next sweep (" + republished.Error() + ")"
	}
	return &e
}

func (s *step) bothRejected(rejected *Error) error {
	e := *rejected
	e.Code, e.Critical, e.CurrentOK, e.endsRotation = CodeBothRejected, true, No, false
	e.Text += "; it rejects the client credentials of AWSPREVIOUS too"
	e.Advice = "CRITICAL: nothing was moved; " + servedUntil(s.state) +
		". Make client credentials in the provider's panel and store the whole document: " + s.commands().store()
	return &e
}

func (s *step) impossible(rejected *Error) error {
	e := *rejected
	e.Code, e.Critical, e.CurrentOK, e.endsRotation = CodeRollbackImpossible, true, No, false
	e.Text += `; there is no AWSPREVIOUS to roll back to (none, REJECTED, with another configuration, or forbidden by "fallback": false)`
	e.Advice = "CRITICAL: nothing was moved; " + servedUntil(s.state) +
		". Make client credentials in the provider's panel and store the whole document: " + s.commands().store()
	return &e
}

// previous reads the version that a rollback would make live; false means that there is none.
func (s *step) previous(ctx context.Context, live acquire.Source) (acquire.Source, bool, error) {
	id := s.secret.Holder(store.StagePrevious)
	if id == "" || s.secret.Has(id, store.StageRejected) || !live.Connection.Fallback {
		return acquire.Source{}, false, nil
	}
	doc, err := s.read(ctx, id, store.StagePrevious)
	if errors.Is(err, store.ErrNotFound) {
		return acquire.Source{}, false, nil
	}
	if err != nil {
		return acquire.Source{}, false, keepPending(s.secretError(ctx, "read AWSPREVIOUS", err))
	}
	src, err := s.understand(doc, store.StagePrevious)
	if err != nil || src.Configuration != live.Configuration {
		return acquire.Source{}, false, nil //nolint:nilerr // a document that cannot be read cannot be made live
	}
	return src, true, nil
}

// revertStages moves the stages of a rollback.
func (s *step) revertStages(ctx context.Context, previous acquire.Source) error {
	if !s.removePending(ctx) {
		return &Error{Code: CodeAWSUnavailable, Text: "AWSPENDING could not be removed, so AWSCURRENT was not moved back",
			Transient: true, Advice: retriedByAWS}
	}
	if !s.secret.Has(s.ev.Token, store.StageRejected) &&
		!s.move(ctx, store.StageMove{Stage: store.StageRejected, From: s.secret.Holder(store.StageRejected), To: s.ev.Token}) {
		return &Error{Code: CodeAWSUnavailable, Text: "the rejected version did not get the stage REJECTED, so AWSCURRENT was not moved back",
			Transient: true, Advice: retriedByAWS}
	}
	if err := s.moveCurrent(ctx, s.ev.Token, previous.Document.VersionID); err != nil {
		return keepPending(err)
	}
	// Secrets Manager has moved AWSPREVIOUS to the bad version. What had it before the rotation is not known any more: better none.
	s.move(ctx, store.StageMove{Stage: store.StagePrevious, From: s.ev.Token})
	return nil
}
