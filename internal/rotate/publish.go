package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/message"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// errSuperseded says that AWSCURRENT is not the version that this step knows: nothing was published.
var errSuperseded = errors.New("another version is AWSCURRENT")

// publish admits a token, writes it under the lease and commits the state. The stage of src says as what the token is published. A token with
// the stage AWSPENDING stands in: it is due at once, so that the refresher's next sweep issues one of AWSCURRENT.
func (s *step) publish(ctx context.Context, src acquire.Source, token *oauth.Token) error {
	ctx, cancel := s.writing(ctx)
	defer cancel()
	if err := s.claim(ctx); err != nil {
		return err
	}
	if err := s.publishLeased(ctx, src, token); err != nil {
		return s.notPublished(err)
	}
	return nil
}

func (s *step) publishLeased(ctx context.Context, src acquire.Source, token *oauth.Token) error {
	a := admit(s.cfg.Now(), s.state, src.Candidate(token), s.policy)
	s.notices(src, a.Notices)
	if a.Rejected != nil {
		return a.Rejected
	}
	changed, err := s.stillCurrent(ctx)
	if err != nil {
		return err
	}
	if !a.Reused {
		if err := s.write(ctx, src, token, &a.Token); err != nil {
			return err
		}
	}
	s.commit(ctx, lifecycle.AfterSuccess(s.state, a, lifecycle.Issue{Current: s.current, ChangedAt: changed, Configuration: src.Configuration}))
	s.observe(Audit{Kind: EventPublished, Credential: a.Token.Credential, Stage: a.Token.Stage, TokenID: a.Token.TokenID, Parameter: a.Token.Version,
		ExpiresAt: a.Token.ExpiresAt})
	return nil
}

// admit decides whether a token of this rotation may be published, and as what.
func admit(now time.Time, s lifecycle.State, c lifecycle.Candidate, p lifecycle.Policy) lifecycle.Admission {
	decision := lifecycle.Decision{Action: lifecycle.Renew, Reason: lifecycle.CredentialChanged}
	was := s.Token
	again := was != nil && was.TokenID == c.TokenID && was.IssuedAt.Equal(c.IssuedAt)
	if !again {
		a := lifecycle.Admit(now, s, decision, c, p)
		if c.Stage == store.StagePending {
			a.Token.RenewAt = now.UTC().Truncate(time.Second)
		}
		return a
	}
	// This very response was published before under another stage. Only what the state says of the token changes.
	decision.Reason = lifecycle.Missing
	a := lifecycle.Admit(now, s, decision, c, p)
	a.Reused, a.Notices, a.Told = true, nil, s.Told
	a.Token.Version = was.Version
	return a
}

func (s *step) notices(src acquire.Source, notices []lifecycle.Notice) {
	for _, n := range notices {
		s.observe(Audit{Kind: EventNotice, Notice: n.Name, Details: n.Details}.of(src))
	}
}

// stillCurrent looks at AWSCURRENT right before a write: a person may have moved it. It returns when the secret changed last.
func (s *step) stillCurrent(ctx context.Context) (changed time.Time, err error) {
	secret, err := s.cfg.Secrets.Describe(ctx, s.secret.ARN)
	if err != nil {
		return time.Time{}, fmt.Errorf("look at AWSCURRENT before the write: %w", err)
	}
	if now := secret.Holder(store.StageCurrent); now != s.current {
		return time.Time{}, fmt.Errorf("AWSCURRENT is version %s, not %s: %w", now, s.current, errSuperseded)
	}
	return secret.Changed, nil
}

// write writes the account id where it changed, then the token, so that a reader of both never combines a new token with an old account.
func (s *step) write(ctx context.Context, src acquire.Source, token *oauth.Token, t *lifecycle.Token) error {
	if was := s.state.Token; t.AccountID != "" && (was == nil || was.AccountID != t.AccountID) {
		if err := s.cfg.Publisher.Account(ctx, s.id, t.AccountID, src.Connection.Provider.Name); err != nil {
			s.observe(Audit{Kind: EventCleanupFailed, Message: "account_id was not published: " + err.Error()}.of(src))
			t.AccountID = "" // the next renewal writes it
		}
	}
	version, err := s.cfg.Publisher.Token(ctx, s.id, token.AccessToken, t.ExpiresAt)
	switch {
	case err == nil:
		t.Version = version
		return nil
	case errors.Is(err, store.ErrUnwritable):
		return err
	case errors.Is(err, store.ErrTypeConflict), errors.Is(err, store.ErrInvalidWrite):
		return acquire.CauseOf(err)
	}
	s.leased = false // the last write may still arrive: the lease runs out by itself
	return err
}

// notPublished is what a token that was not written means for the rotation: never that the client credentials are bad. What no retry can fix ends
// a rotation that has not promoted its version yet, so that the next one can begin.
func (s *step) notPublished(err error) *Error {
	ends := s.current != s.ev.Token
	e := &Error{Code: CodeNotPublished, Text: "the token was not published: " + err.Error(), Transient: true, cause: err,
		Advice: "Nothing is rolled back for this. " + retriedByAWS + ", and the refresher publishes a token in its next sweep"}
	var rejected *lifecycle.Cause
	switch {
	case errors.Is(err, errSuperseded):
		e.Code, e.Transient, e.endsRotation = CodeStateConflict, false, ends
		e.Advice = "Somebody moved AWSCURRENT meanwhile, and that version stays; the refresher publishes its token in the next sweep"
	case errors.Is(err, store.ErrUnwritable):
		e.Transient, e.endsRotation = !ends, ends
		e.Advice = "SSM does not accept writes: fix the installation (role, KMS key, limits). Then the refresher publishes the token"
	case errors.As(err, &rejected):
		e.Text = "the token was not published: " + message.Cause(s.id, rejected)
		e.Transient, e.endsRotation = !ends, ends
		e.OAuthCode = rejected.Code
	}
	return e
}

// standIn publishes the token that a test cost where that token may have ended the published one (contract.md section 6): a token of AWSCURRENT, or
// of another secret of the same client.
func (s *step) standIn(ctx context.Context, pending, current acquire.Source, token *oauth.Token) error {
	if token == nil || coexists(pending) || pending.Connection.ClientID != current.Connection.ClientID {
		return nil
	}
	if sameCredentials(pending, current) {
		pending = current
	}
	return s.publish(ctx, pending, token)
}

// standInMeanwhile is standIn for a step that fails for another reason.
func (s *step) standInMeanwhile(ctx context.Context, pending, current acquire.Source, token *oauth.Token) {
	if err := s.standIn(ctx, pending, current, token); err != nil {
		s.observe(Audit{Kind: EventNotice, Message: err.Error()}.of(pending))
	}
}

// servedUntil says how long readers have a token.
func servedUntil(s lifecycle.State) string {
	if s.Token == nil {
		return "there is no token that readers could use meanwhile"
	}
	return "readers have the published token until " + message.Instant(s.Token.ExpiresAt)
}
