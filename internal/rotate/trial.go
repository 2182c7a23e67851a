package rotate

import (
	"context"
	"errors"

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// test proves the pair of the pending version at the provider.
//
//	the version is AWSCURRENT             nothing to do, and the provider is not asked
//	it has no value                       ERR_PENDING_EMPTY
//	its configuration is not AWSCURRENT's ERR_PENDING_CONFLICT, and nobody is asked
//	it holds AWSCURRENT's pair            passes when that works: so RotateImmediately=false validates
//	the provider does not answer          transient, AWSPENDING stays
//	it refuses the pair                   asked again within the provider's propagation window, then ERR_CREDENTIALS_REJECTED: the candidate
//	                                      is labelled REJECTED, and AWSCURRENT is asked for once
//	it wants something else               ERR_PROVIDER_CONFIG, ERR_REDIRECT_REFUSED: the candidate is not to blame
//	the token is another account's,       ERR_WRONG_ACCOUNT
//	or has fewer scopes                   ERR_SCOPE_LOST
//	else                                  passes; the token is thrown away only where that ends no other
func (s *step) test(ctx context.Context, live bool) error {
	if live {
		return nil
	}
	pending, current, err := s.pair(ctx)
	if err != nil {
		return err
	}
	if s.secret.Paused {
		return s.paused()
	}
	t, err := s.prove(ctx, pending, current)
	if err != nil {
		return err
	}
	return s.serve(ctx, pending, current, t.token)
}

// prove tests the pending pair and deals with a refusal. AWSCURRENT and AWSPREVIOUS stay as they are.
func (s *step) prove(ctx context.Context, pending, current version) (trial, error) {
	t, err := s.try(ctx, pending)
	var e *Error
	switch {
	case err == nil:
		s.observe(Audit{Kind: EventTested, TokenID: t.token.ID(), ExpiresAt: t.token.IssuedAt.Add(pending.conn.Lifetime(t.token.Lifetime))}.of(pending))
		return t, nil
	case !errors.As(err, &e):
		return t, err
	case e.Transient:
		s.serveMeanwhile(ctx, pending, current, t.token)
		return t, e
	case e.Code == CodeRejected:
		return t, s.reject(ctx, pending, current, t, e)
	}
	if t.token != nil && !coexists(pending) && pending.conn.ClientID == current.conn.ClientID {
		// The token that is no good may have ended the published one: AWSCURRENT's own takes its place.
		if _, err := s.probe(ctx, current, t.published); err != nil {
			return t, err
		}
	}
	return t, e
}

// reject ends a rotation whose pair the provider refuses: AWSCURRENT is asked for, AWSPENDING goes, and the candidate is labelled REJECTED.
func (s *step) reject(ctx context.Context, pending, current version, t trial, e *Error) error {
	switch {
	case pending.samePair(current):
		e.CurrentOK, e.Critical = No, true
	default:
		ok, err := s.probe(ctx, current, t.published)
		if err != nil {
			return err // tried again: nothing was moved yet
		}
		e.CurrentOK, e.Critical = ok, ok == No
	}
	end, cancel := s.closing(ctx)
	defer cancel()
	s.detach(end)
	s.markRejected(end, pending, current)
	e.Advice = s.rejectedAdvice(pending, current, e.CurrentOK, t)
	s.observe(Audit{Kind: EventRejected, Code: e.Code, HTTPStatus: e.HTTPStatus, OAuthCode: e.OAuthCode, CurrentOK: e.CurrentOK, Critical: e.Critical, Message: e.Text}.of(pending))
	return e
}

func (s *step) rejectedAdvice(pending, current version, ok Answer, t trial) string {
	stage := "Copy both values again from the provider's panel and stage them: " + s.stageCommand() + ", then " + s.rotateCommand()
	switch {
	case pending.samePair(current):
		return "CRITICAL: this is the pair of AWSCURRENT itself. " + stage + "; " + servedUntil(t)
	case ok == Yes:
		return "AWSCURRENT works and stays. " + stage
	case ok == No:
		return "CRITICAL: the provider refuses AWSCURRENT too; " + servedUntil(t) + ". " + stage
	}
	return "AWSCURRENT stays; whether it works could not be found out. " + stage
}

func servedUntil(t trial) string {
	if t.published.ExpiresAt.IsZero() {
		return "there is no token that readers could use meanwhile"
	}
	return "readers have the published token until " + t.published.ExpiresAt.UTC().Format("2006-01-02T15:04:05Z")
}

// probe asks for a token with AWSCURRENT, once. Where a new token may end others, the one that it costs is published. The error is of that
// write: what the provider says is the answer.
func (s *step) probe(ctx context.Context, current version, published refresh.Published) (Answer, error) {
	token, err := s.mintOnce(ctx, current, published.TokenID)
	switch {
	case refusesPair(err):
		return No, nil
	case err != nil:
		return Unknown, nil
	case coexists(current):
		return Yes, nil
	}
	err = s.publish(ctx, refresh.Mint{Connection: current.conn, Document: current.doc, Token: token, Stage: refresh.StageCurrent, Current: s.current})
	var refused *refresh.Refusal
	if errors.As(err, &refused) || errors.Is(err, refresh.ErrStoreRefuses) || errors.Is(err, refresh.ErrSuperseded) {
		s.observe(Audit{Kind: EventNotice, Message: err.Error()}.of(current)) // trying again would not help
		return Yes, nil
	}
	return Yes, err
}

func (s *step) mintOnce(ctx context.Context, v version, _ string) (*oauth.Token, error) {
	x, err := s.cfg.Exchanger.TokenWithRetry(ctx, v.conn.TokenRequest(), oauth.Retry{
		Attempts: 1, OnAttempt: func(x oauth.Attempt, err error) { s.observe(attempt(v, x, err).of(v)) },
	})
	if err != nil {
		return nil, err
	}
	return x.Token, nil
}

// markRejected moves REJECTED to the candidate and takes CANDIDATE off it, if it is the pair that was refused. Another that was staged meanwhile
// keeps its label.
func (s *step) markRejected(ctx context.Context, refused, current version) {
	id, ok := s.ownCandidate(ctx, refused, current)
	if !ok {
		return
	}
	if s.move(ctx, Move{Label: refresh.StageRejected, From: s.secret.holder(refresh.StageRejected), To: id}) {
		s.move(ctx, Move{Label: refresh.StageCandidate, From: id})
	}
}

// consume takes CANDIDATE off the version whose pair went live.
func (s *step) consume(ctx context.Context, live, base version) {
	if id, ok := s.ownCandidate(ctx, live, base); ok {
		s.move(ctx, Move{Label: refresh.StageCandidate, From: id})
	}
}

// ownCandidate finds the version labelled CANDIDATE, and whether it holds the pair of v. A candidate on AWSCURRENT or on the version of the
// rotation itself is its own.
func (s *step) ownCandidate(ctx context.Context, v, base version) (id string, own bool) {
	id = s.secret.holder(refresh.StageCandidate)
	if id == "" || id == v.doc.VersionID {
		return id, id != ""
	}
	doc, err := s.read(ctx, id, refresh.StageCandidate)
	if err != nil {
		s.observe(Audit{Kind: EventCleanupFailed, Label: refresh.StageCandidate, Message: "read CANDIDATE: " + err.Error()})
		return id, false
	}
	candidate, err := s.merge(base, doc)
	return id, err == nil && candidate.samePair(v)
}
