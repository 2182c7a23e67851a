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
	// maxVerifyBody is how much of a response is read, so that its connection can be used again. The content is dropped.
	maxVerifyBody = 64 << 10
)

// verify makes the provider's authenticated call with the token of new client credentials, where the document says verify_call. An authorization
// server also issues tokens for the sandbox or for another account; only the API shows that.
func (s *step) verify(ctx context.Context, src acquire.Source, token *oauth.Token) error {
	if !src.Connection.VerifyCall {
		return nil
	}
	call, ok := verifyCall(src.Connection.Provider.VerifyCalls, src.Connection.Environment, token.Scope)
	if !ok {
		s.observe(Audit{Kind: EventNotice, Message: "verify_call: no known call fits this environment and a scope that was granted; " +
			"the client credentials were tested by their token alone"}.of(src))
		return nil
	}
	var status int
	var failure string
	for try := 1; ; try++ {
		if status, failure = s.call(ctx, src, call, token); !isInconclusive(status) || try == verifyTries || !sleep(ctx, verifyPause) {
			break
		}
	}
	if isInconclusive(status) && ctx.Err() != nil {
		return deadlineError("the authenticated call to the API of " + providerName(src))
	}
	return verified("the API of "+providerName(src), status, failure, s.commands())
}

// verified is what the status of the authenticated call means; nil means that the API accepts the token. failure says why there is no clear status.
func verified(api string, status int, failure string, do commands) error {
	var e *Error
	switch {
	case status >= 200 && status <= 299:
		return nil
	case isInconclusive(status):
		e = &Error{Code: CodeProviderUnavailable, Text: api + " did not respond to the authenticated call: " + failure, Transient: true,
			Advice: retriedByAWS + "; AWSCURRENT is unchanged"}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e = permanent(CodeWrongAccount, fmt.Sprintf("%s rejects the token of the new client credentials (HTTP %d): "+
			"they belong to another account or environment than the document says", api, status),
			"Compare environment and account_id with the panel where they were made, and stage the right ones: "+do.stage())
	case status >= 300 && status <= 399:
		e = permanent(CodeRedirectRefused, fmt.Sprintf("%s redirects the authenticated call (HTTP %d), which is not followed", api, status),
			"Remove verify_call from the document until the catalogue has the new address")
	default:
		e = permanent(CodeProviderConfig, fmt.Sprintf("%s rejects the authenticated call itself (HTTP %d)", api, status),
			"If the call is wrong, remove verify_call from the document, then "+do.rotate())
	}
	e.HTTPStatus = status
	return e
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

// isInconclusive reports whether a status says nothing about the client credentials; 0 is no response.
func isInconclusive(status int) bool {
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// call makes the call once. failure is in our own words, because an error of the transport may hold what was sent.
func (s *step) call(ctx context.Context, src acquire.Source, call provider.VerifyCall, token *oauth.Token) (status int, failure string) {
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL[src.Connection.Environment], http.NoBody)
	if err != nil {
		return http.StatusBadRequest, "the address in the catalogue cannot be used"
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
			return 0, "no response in " + verifyTime.String()
		}
		return 0, "no connection"
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxVerifyBody)) // only the status counts
	return res.StatusCode, fmt.Sprintf("HTTP %d", res.StatusCode)
}
