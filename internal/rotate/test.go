package rotate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// test has the provider issue a token for the client credentials of the pending version.
//
//	the version is AWSCURRENT             nothing to do, and no request is made
//	it has no value                       ERR_PENDING_EMPTY
//	its configuration is not AWSCURRENT's ERR_PENDING_CONFLICT, and no request is made
//	it holds AWSCURRENT's credentials     passes when they work: so RotateImmediately=false validates
//	the provider does not respond         transient, AWSPENDING stays
//	it rejects the client credentials     repeated within the provider's propagation window, then ERR_CREDENTIALS_REJECTED: the candidate gets the
//	                                      stage REJECTED, and AWSCURRENT is tested once
//	it wants something else               ERR_PROVIDER_CONFIG, ERR_REDIRECT_REFUSED: the candidate is not the cause
//	the token is another account's,       ERR_WRONG_ACCOUNT
//	or has fewer scopes                   ERR_SCOPE_LOST
//	else                                  passes; the token is thrown away only where that ends no other
func (s *step) test(ctx context.Context, live bool) error {
	if live {
		return nil
	}
	pending, current, err := s.readBoth(ctx)
	if err != nil {
		return err
	}
	if s.secret.Paused {
		return s.paused()
	}
	token, err := s.verifyCredentials(ctx, pending, current)
	if err != nil {
		return err
	}
	return s.standIn(ctx, pending, current, token)
}

// verifyCredentials tests the pending version and deals with a rejection. AWSCURRENT and AWSPREVIOUS stay as they are.
func (s *step) verifyCredentials(ctx context.Context, pending, current acquire.Source) (*oauth.Token, error) {
	token, err := s.try(ctx, pending)
	var e *Error
	switch {
	case err == nil:
		s.observe(Audit{Kind: EventTested, TokenID: token.ID(), ExpiresAt: token.IssuedAt.Add(pending.Connection.Lifetime(token.Lifetime))}.of(pending))
		return token, nil
	case !errors.As(err, &e):
		return token, err
	case e.Transient:
		s.standInMeanwhile(ctx, pending, current, token)
		return token, e
	case e.Code == CodeRejected:
		return token, s.reject(ctx, pending, current, e)
	}
	if token != nil && !coexists(pending) && pending.Connection.ClientID == current.Connection.ClientID {
		// The token that cannot be used may have ended the published one: one of AWSCURRENT takes its place.
		if _, err := s.probe(ctx, current); err != nil {
			return token, err
		}
	}
	return token, e
}

// try tests the client credentials of a version: the token request, what was granted, whose it is, and the provider's cheap call where the document
// says so.
func (s *step) try(ctx context.Context, src acquire.Source) (token *oauth.Token, err error) {
	err = s.retryDuringPropagation(ctx, src, func() (err error) {
		token, err = s.issue(ctx, src, attempts)
		return err
	})
	if err != nil {
		return nil, providerError(err, src, "the new client credentials")
	}
	if err := s.compare(src, token); err != nil {
		return token, err
	}
	return token, s.verify(ctx, src, token)
}

// lifetimeChange is the difference between two lifetimes that is worth a notice.
const lifetimeChange = time.Minute

// compare checks what was granted against the published token: a rotation changes the client credentials and nothing else.
func (s *step) compare(src acquire.Source, token *oauth.Token) error {
	c := src.Candidate(token)
	was := s.state.Token
	if was != nil && was.Account != "" && c.Account != "" && was.Account != c.Account {
		return permanent(CodeWrongAccount,
			fmt.Sprintf("the token of the new client credentials belongs to %s %q, the published token to %q", c.AccountClaim, c.Account, was.Account),
			"Stage the client credentials of the right account: "+s.commands().stage()+
				". If the account is meant to change, store the whole document with put-secret-value, and invoke the refresher with force")
	}
	if cause := c.Unfit(); cause != nil {
		e := permanent(CodeProviderConfig, cause.Text, "Grant it to the new client credentials in the provider's panel, then "+s.commands().rotate())
		e.OAuthCode = cause.Code
		return e
	}
	if was == nil {
		return nil
	}
	if lost := lifecycle.MissingScopes(c.Scope, strings.Fields(was.Scope)); !c.ScopeUnknown && len(lost) > 0 {
		return permanent(CodeScopeLost,
			fmt.Sprintf("the new client credentials are granted less than the published token; they lack %.200s", strings.Join(lost, " ")),
			"Grant it to them in the provider's panel, then "+s.commands().rotate()+
				". If they are meant to have less, store the whole document with put-secret-value")
	}
	if (c.Lifetime-was.Lifetime()).Abs() > lifetimeChange && c.TokenID != was.TokenID {
		s.observe(Audit{Kind: EventNotice, Notice: lifecycle.NoticeLifetimeChanged, Message: fmt.Sprintf(
			"tokens of the new client credentials have another lifetime: was %s, is %s", was.Lifetime(), c.Lifetime)}.of(src))
	}
	return nil
}

// reject ends a rotation whose client credentials the provider rejects: AWSCURRENT is tested, AWSPENDING is removed, and the candidate gets the stage
// REJECTED.
func (s *step) reject(ctx context.Context, pending, current acquire.Source, e *Error) error {
	if sameCredentials(pending, current) {
		e.CurrentOK, e.Critical = No, true
	} else {
		ok, err := s.probe(ctx, current)
		if err != nil {
			return err // retried: nothing was moved yet
		}
		e.CurrentOK, e.Critical = ok, ok == No
	}
	end, cancel := s.writing(ctx)
	defer cancel()
	s.removePending(end)
	s.markRejected(end, pending, current)
	e.Advice = s.rejectedAdvice(pending, current, e.CurrentOK)
	s.observe(Audit{Kind: EventRejected, Code: e.Code, HTTPStatus: e.HTTPStatus, OAuthCode: e.OAuthCode, CurrentOK: e.CurrentOK, Critical: e.Critical,
		Message: e.Text}.of(pending))
	return e
}

func (s *step) rejectedAdvice(pending, current acquire.Source, ok Answer) string {
	stage := "Copy both values again from the provider's panel and stage them: " + s.commands().stage() + ", then " + s.commands().rotate()
	switch {
	case sameCredentials(pending, current):
		return "CRITICAL: these are the client credentials of AWSCURRENT itself. " + stage + "; " + servedUntil(s.state)
	case ok == Yes:
		return "AWSCURRENT works and stays. " + stage
	case ok == No:
		return "CRITICAL: the provider rejects AWSCURRENT too; " + servedUntil(s.state) + ". " + stage
	}
	return "AWSCURRENT stays; whether it works could not be tested. " + stage
}

// probe requests a token with AWSCURRENT, once. Where a new token may end others, it is published. The error is of that write; the provider's
// response is the answer.
func (s *step) probe(ctx context.Context, current acquire.Source) (Answer, error) {
	token, err := s.issue(ctx, current, 1)
	switch {
	case rejectsCredentials(err):
		return No, nil
	case err != nil:
		return Unknown, nil
	case coexists(current):
		return Yes, nil
	}
	err = s.publish(ctx, current, token)
	var rejected *lifecycle.Cause
	if errors.As(err, &rejected) || errors.Is(err, store.ErrUnwritable) || errors.Is(err, errSuperseded) {
		s.observe(Audit{Kind: EventNotice, Message: err.Error()}.of(current)) // another attempt would not help
		return Yes, nil
	}
	return Yes, err
}

// markRejected moves REJECTED to the candidate and removes CANDIDATE from it, if it holds the client credentials that were rejected. Other ones that
// were staged meanwhile keep their stage.
func (s *step) markRejected(ctx context.Context, rejected, current acquire.Source) {
	id, ok := s.ownCandidate(ctx, rejected, current)
	if !ok {
		return
	}
	if s.move(ctx, store.StageMove{Stage: store.StageRejected, From: s.secret.Holder(store.StageRejected), To: id}) {
		s.move(ctx, store.StageMove{Stage: store.StageCandidate, From: id})
	}
}

// consume removes CANDIDATE from the version whose client credentials are live now.
func (s *step) consume(ctx context.Context, live, base acquire.Source) {
	if id, ok := s.ownCandidate(ctx, live, base); ok {
		s.move(ctx, store.StageMove{Stage: store.StageCandidate, From: id})
	}
}

// ownCandidate finds the version with the stage CANDIDATE, and whether it holds the client credentials of src. A candidate on AWSCURRENT or on the
// version of the rotation itself is its own.
func (s *step) ownCandidate(ctx context.Context, src, base acquire.Source) (id string, own bool) {
	id = s.secret.Holder(store.StageCandidate)
	if id == "" || id == src.Document.VersionID {
		return id, id != ""
	}
	doc, err := s.read(ctx, id, store.StageCandidate)
	if err != nil {
		s.observe(Audit{Kind: EventCleanupFailed, Stage: store.StageCandidate, Message: "read CANDIDATE: " + err.Error()})
		return id, false
	}
	candidate, err := s.merge(base, doc)
	return id, err == nil && sameCredentials(candidate, src)
}
