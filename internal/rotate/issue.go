package rotate

import (
	"context"
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	// attempts of one token request within a step, as far as its time allows.
	attempts = 3
	// maxWait is the longest wait between two of them; a longer Retry-After is left to the next retry of Secrets Manager.
	maxWait = 20 * time.Second
	// windowWait is the time between two attempts within a provider's propagation window.
	windowWait = 5 * time.Second
)

// issue requests a token as the refresher does, under the lease: at most so many requests.
func (s *step) issue(ctx context.Context, src acquire.Source, attempts int) (*oauth.Token, error) {
	if err := s.claim(ctx); err != nil {
		return nil, err
	}
	got, err := s.cfg.Requester.TokenWithRetry(ctx, src.Connection.TokenRequest(), oauth.Retry{
		Attempts: attempts, MaxWait: maxWait,
		OnAttempt: func(attempt oauth.Attempt, err error) { s.observe(request(src, attempt, err)) },
	})
	if err != nil {
		return nil, err
	}
	return got.Token, nil
}

// request describes one token request.
func request(src acquire.Source, attempt oauth.Attempt, err error) Audit {
	a := Audit{Kind: EventAttempt, Attempt: attempt.Number, Latency: attempt.Latency}
	if t := attempt.Token; t != nil {
		a.TokenID, a.JTI, a.Scope, a.ExpiresAt = t.ID(), t.JTI, t.Scope, t.IssuedAt.Add(src.Connection.Lifetime(t.Lifetime))
	}
	var response *oauth.Error
	if errors.As(err, &response) {
		a.Class, a.OAuthCode, a.HTTPStatus, a.Message = response.Class, response.Code, response.Status, response.Error()
	}
	return a.of(src)
}

// retryDuringPropagation repeats what a provider rejects while it may not know the client credentials yet (auth0.com: up to thirty seconds).
func (s *step) retryDuringPropagation(ctx context.Context, src acquire.Source, try func() error) error {
	for {
		err := try()
		left := src.Connection.Provider.PropagationWindow - s.cfg.Now().Sub(src.Document.Created)
		if !rejectsCredentials(err) || left <= 0 || !sleep(ctx, min(windowWait, left)) {
			return err
		}
	}
}

// rejectsCredentials reports whether the provider said that the client credentials are wrong.
func rejectsCredentials(err error) bool {
	var response *oauth.Error
	return errors.As(err, &response) && response.Class == oauth.Credentials
}

// coexists reports whether a new token ends no other one, so that one may be thrown away.
func coexists(src acquire.Source) bool {
	return src.Connection.Provider.IssueEffect == provider.IssueCoexists
}

func providerName(src acquire.Source) string {
	if src.Connection.Provider.Name != "" {
		return src.Connection.Provider.Name
	}
	return "the provider"
}
