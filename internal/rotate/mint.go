package rotate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	// attempts of one token request within a step, as far as its time allows.
	attempts = 3
	// maxWait is the longest wait between two of them; who asks for more is left to Secrets Manager's next try.
	maxWait = 20 * time.Second
	// windowWait is the time between two tries within a provider's propagation window.
	windowWait = 5 * time.Second
)

// mint makes the token request exactly as the refresher does.
func (s *step) mint(ctx context.Context, v version, _ string) (*oauth.Token, error) {
	x, err := s.cfg.Exchanger.TokenWithRetry(ctx, v.conn.TokenRequest(), oauth.Retry{
		Attempts: attempts, MaxWait: maxWait,
		OnAttempt: func(x oauth.Attempt, err error) { s.observe(attempt(v, x, err).of(v)) },
	})
	if err != nil {
		return nil, err
	}
	return x.Token, nil
}

func attempt(v version, x oauth.Attempt, err error) Audit {
	a := Audit{Kind: EventAttempt, Attempt: x.Number, Latency: x.Latency}
	if x.Token != nil {
		a.TokenID, a.JTI, a.Scope, a.ExpiresAt = x.Token.ID(), x.Token.JTI, x.Token.Scope, x.Token.IssuedAt.Add(v.conn.Lifetime(x.Token.Lifetime))
	}
	var refused *oauth.Error
	if errors.As(err, &refused) {
		a.Class, a.OAuthCode, a.HTTPStatus, a.Message = refused.Class, refused.Code, refused.Status, refused.Error()
	}
	return a
}

// patiently repeats what a provider refuses while it may not know the pair yet (auth0.com: up to thirty seconds).
func (s *step) patiently(ctx context.Context, v version, try func() error) error {
	for {
		err := try()
		left := v.conn.Provider.PropagationWindow - v.age(s.cfg.Now())
		if !refusesPair(err) || left <= 0 || !sleep(ctx, min(windowWait, left)) {
			return err
		}
	}
}

// refusesPair reports whether the provider said that the pair is no good.
func refusesPair(err error) bool {
	var refused *oauth.Error
	return errors.As(err, &refused) && refused.Class == oauth.Credentials
}

// trial is what a test of a pair brings: the token that it cost.
type trial struct {
	token     *oauth.Token
	published refresh.Published
}

// try tests the pair of a version: the token request, what was granted, whose it is, and the provider's cheap call where the document says so.
func (s *step) try(ctx context.Context, v version) (trial, error) {
	published, err := s.cfg.Publisher.Published(ctx, s.id)
	if err != nil {
		return trial{}, cutOff(ctx, s.parameterFault("read what is published", err))
	}
	t := trial{published: published}
	err = s.patiently(ctx, v, func() (err error) {
		t.token, err = s.mint(ctx, v, published.TokenID)
		return err
	})
	if err != nil {
		return t, providerFault(err, providerName(v)+" and the new pair")
	}
	if err := s.compare(v, t); err != nil {
		return t, err
	}
	return t, s.verify(ctx, v, t.token)
}

// compare holds what was granted against what the published token has: a rotation changes the pair and nothing else.
func (s *step) compare(v version, t trial) error {
	c := t.published.Compare(v.conn, t.token)
	switch {
	case c.Account != "":
		return permanent(CodeWrongAccount, "the new pair's token belongs to "+c.Account,
			"Stage the pair of the right account: "+s.stageCommand()+". If the account is meant to change, store the whole document with put-secret-value, and invoke the refresher with force")
	case c.Unfit != "":
		e := permanent(CodeProviderConfig, c.Unfit, "Grant it to the new pair in the provider's panel, then "+s.rotateCommand())
		e.OAuthCode = c.Code
		return e
	case len(c.Lost) > 0:
		return permanent(CodeScopeLost, fmt.Sprintf("the new pair is granted less than the published token; it lacks %.200s", strings.Join(c.Lost, " ")),
			"Grant it to the new pair in the provider's panel, then "+s.rotateCommand()+". If it is meant to have less, store the whole document with put-secret-value")
	}
	if c.Lifetime != "" {
		s.observe(Audit{Kind: EventNotice, Message: "the new pair's tokens have another lifetime: " + c.Lifetime}.of(v))
	}
	return nil
}

// parameterFault is what an error of the published parameters means: SSM's trouble, never the pair's.
func (s *step) parameterFault(verb string, err error) *Error {
	if errors.Is(err, refresh.ErrAccessDenied) {
		e := permanent(CodeAccess, verb+": "+err.Error(), "Allow the action on the parameters of the prefix to the rotator's role, then "+s.rotateCommand())
		e.cause = err
		return e
	}
	return &Error{Code: CodeAWSUnavailable, Text: verb + ": " + err.Error(), Transient: true, cause: err,
		Advice: "Secrets Manager tries the rotation again by itself"}
}

// coexists reports whether a token more ends no other, so that one may be thrown away.
func coexists(v version) bool { return v.conn.Provider.MintEffect == provider.MintCoexists }

func providerName(v version) string {
	if v.conn.Provider.Name != "" {
		return v.conn.Provider.Name
	}
	return "the provider"
}

// serve publishes a token that a test cost, where it may have ended the published one (contract.md section 6): one of AWSCURRENT, or of another
// secret of the same client, which stands in until the next sweep fetches AWSCURRENT's own.
func (s *step) serve(ctx context.Context, pending, current version, token *oauth.Token) error {
	if token == nil || coexists(pending) || pending.conn.ClientID != current.conn.ClientID {
		return nil
	}
	m := refresh.Mint{Connection: pending.conn, Document: pending.doc, Token: token, Stage: stagePending, Current: s.current, RenewSoon: true}
	if pending.samePair(current) {
		m.Connection, m.Document, m.Stage, m.RenewSoon = current.conn, current.doc, refresh.StageCurrent, false
	}
	return s.publish(ctx, m)
}

// serveMeanwhile is serve for a step that fails for another reason.
func (s *step) serveMeanwhile(ctx context.Context, pending, current version, token *oauth.Token) {
	if err := s.serve(ctx, pending, current, token); err != nil {
		s.observe(Audit{Kind: EventNotice, Message: err.Error()}.of(pending))
	}
}

// publish writes a token through the refresher's seam.
func (s *step) publish(ctx context.Context, m refresh.Mint) error {
	end, cancel := s.closing(ctx)
	defer cancel()
	p, err := s.cfg.Publisher.Publish(end, m)
	if err != nil {
		return s.notPublished(err)
	}
	return s.published(p, m.Document.VersionID, m.Stage)
}

// published checks and tells what was written.
func (s *step) published(p refresh.Publication, want, stage string) error {
	if p.Credential != want {
		return &Error{Code: CodeStateConflict, Text: "the published token came from version " + p.Credential + ", not " + want, Transient: true,
			Advice: "Secrets Manager tries the rotation again by itself"}
	}
	s.observe(Audit{Kind: EventPublished, Credential: p.Credential, Label: stage, Parameter: p.Version, ExpiresAt: p.ExpiresAt})
	return nil
}

// notPublished is what a token that was not written means for the rotation: never that the pair is bad. What no retry can mend ends a rotation
// that has not promoted its version yet, so that the next one can begin.
func (s *step) notPublished(err error) *Error {
	over := s.secret.holder(refresh.StageCurrent) != s.ev.Token
	e := &Error{Code: CodeNotPublished, Text: "the token was not published: " + err.Error(), Transient: true, cause: err,
		Advice: "Nothing is rolled back for this. Secrets Manager tries again by itself, and so does the refresher in its next sweep"}
	var refused *refresh.Refusal
	switch {
	case errors.Is(err, refresh.ErrSuperseded):
		e.Code, e.Transient, e.detach = CodeStateConflict, false, over
		e.Advice = "Somebody moved AWSCURRENT meanwhile, and that counts; the refresher publishes its token in its next sweep"
	case errors.Is(err, refresh.ErrStoreRefuses):
		e.Transient, e.detach = !over, over
		e.Advice = "SSM refuses writes: mend the installation (role, KMS key, limits). The refresher publishes the token then"
	case errors.As(err, &refused):
		e.Transient, e.detach = !over, over
		e.OAuthCode = refused.Code
	}
	return e
}
