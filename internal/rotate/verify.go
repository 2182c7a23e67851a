package rotate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	verifyTime  = 10 * time.Second
	verifyTries = 2
	verifyPause = 2 * time.Second
	// maxVerifyBody is read of an answer, so that its connection can be used again; nothing of it is looked at.
	maxVerifyBody = 64 << 10
)

// verify makes the provider's cheap authenticated call with the token of new client credentials, where the document says verify_call: an authorization server
// gives tokens also for the sandbox, or for another account, and only the API tells.
func (s *step) verify(ctx context.Context, src acquire.Source, token *oauth.Token) error {
	if !src.Connection.VerifyCall {
		return nil
	}
	call, ok := verifyCall(src.Connection.Provider.VerifyCalls, src.Connection.Environment, token.Scope)
	if !ok {
		s.observe(Audit{Kind: EventNotice, Message: "verify_call: none of the calls that are known is for this environment and for a scope that was granted; the client credentials count as tested by their token alone"}.of(src))
		return nil
	}
	var status int
	var failure string
	for try := 1; ; try++ {
		if status, failure = s.call(ctx, src, call, token); !again(status) || try == verifyTries || !sleep(ctx, verifyPause) {
			break
		}
	}
	what := "the API of " + providerName(src)
	switch {
	case status >= 200 && status <= 299:
		return nil
	case again(status):
		if ctx.Err() != nil {
			return deadlineError("the authenticated call to " + what)
		}
		text := what + " did not answer the authenticated call: " + failure
		return &Error{Code: CodeProviderUnavailable, Text: text, Transient: true, HTTPStatus: status,
			Advice: retriedByAWS + "; AWSCURRENT is unchanged"}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e := permanent(CodeWrongAccount, fmt.Sprintf("%s rejects the token of the new client credentials (HTTP %d): they belong to another account or environment than the document says", what, status),
			"Compare environment and account_id with the panel where they were made, and stage the right ones: "+s.commands().stage())
		e.HTTPStatus = status
		return e
	case status >= 300 && status <= 399:
		e := permanent(CodeRedirectRefused, fmt.Sprintf("%s answers the authenticated call with a redirect (HTTP %d), which is not followed", what, status), "Leave verify_call out of the document until the catalogue knows the new address")
		e.HTTPStatus = status
		return e
	default:
		e := permanent(CodeProviderConfig, fmt.Sprintf("%s refuses the authenticated call itself (HTTP %d)", what, status), "Leave verify_call out of the document if the call is at fault, then "+s.commands().rotate())
		e.HTTPStatus = status
		return e
	}
}

// verifyCall is the first call for the environment whose scope was granted.
func verifyCall(calls []provider.VerifyCall, environment, granted string) (provider.VerifyCall, bool) {
	has := strings.Fields(granted)
	i := slices.IndexFunc(calls, func(c provider.VerifyCall) bool {
		return c.URL[environment] != "" && (c.Scope == "" || slices.Contains(has, c.Scope))
	})
	if i < 0 {
		return provider.VerifyCall{}, false
	}
	return calls[i], true
}

// again reports whether a status says nothing about the client credentials; 0 is no answer.
func again(status int) bool {
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// call makes the call once. What went wrong is told in our own words: an error of the transport may hold what was sent.
func (s *step) call(ctx context.Context, src acquire.Source, call provider.VerifyCall, token *oauth.Token) (status int, failure string) {
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL[src.Connection.Environment], http.NoBody)
	if err != nil {
		return http.StatusBadRequest, "the catalogue's address cannot be used"
	}
	account := src.Connection.AccountID
	if account == "" {
		account = token.Claims.Text(src.Connection.Provider.AccountClaim)
	}
	for name, value := range call.Headers {
		req.Header.Set(name, strings.ReplaceAll(value, "{account_id}", account))
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	res, err := s.cfg.VerifyCall.RoundTrip(req) // no Client: a redirect would carry the token elsewhere
	if err != nil || res == nil {
		if ctx.Err() != nil {
			return 0, "no answer in " + verifyTime.String()
		}
		return 0, "no connection"
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxVerifyBody)) // only the status counts
	return res.StatusCode, fmt.Sprintf("HTTP %d", res.StatusCode)
}
