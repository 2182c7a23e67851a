package oauth

import (
	"context"
	"net/http"
)

// Refusal is how a token endpoint refused a request without credentials: what a healthy one does.
type Refusal struct {
	Status  int    // HTTP status
	Code    string // what it said, see the Code constants and the Dialect's own: invalid_client, invalid_request, unauthorized, …
	Latency Latency
}

// Reach makes the token request without the client's credentials and expects the provider's own refusal (RFC 6749 section 5.2). So it is
// seen whether a token endpoint works and how long it takes, while no secret leaves, no token is minted and no pair can be locked. ClientID
// and ClientSecret of the request are not looked at.
//
// The error is always an *Error. Beyond what [Client.Exchange] returns it is no_refusal, when the endpoint gave a token all the same.
// Latency is known in any case.
func (c *Client) Reach(ctx context.Context, req Request) (Refusal, error) {
	req.ClientID, req.ClientSecret, req.anonymous = "", Secret{}, true
	watch := newStopwatch(c.cfg.Now)
	_, e := c.attempt(ctx, &req, watch)
	refusal := Refusal{Latency: watch.stop()}
	if e == nil {
		return refusal, &Error{Class: Malformed, Code: CodeNoRefusal, Host: EndpointHost(req.TokenEndpoint),
			Description: "a request without credentials was given a token"}
	}
	if !e.refusesClient() {
		return refusal, e
	}
	refusal.Status, refusal.Code = e.Status, e.Code
	return refusal, nil
}

// refusesClient reports whether it is the provider that refuses this client or this request, and not something on the way to it that says
// that nobody would be served: a redirect, TLS, another service at this address, a gateway that lets nobody through.
func (e *Error) refusesClient() bool {
	if e.Status == http.StatusUnauthorized && e.Code == CodeNotTheProvider {
		return true // a web server's own page beside the one status that asks for credentials (RFC 9110 section 15.5.2)
	}
	if e.Status == 0 || e.Class != Credentials && e.Class != Configuration {
		return false
	}
	switch e.Code {
	case CodeRedirectRefused, CodeEgressProxyAuth, CodeEgressProxyRefused, CodeMTLSRequired, CodeForbidden, CodePaymentRequired, CodeWrongEndpoint,
		CodeMethodNotAllowed, CodeNotAcceptable, CodeBadContentType, CodeUnsupportedTokenType:
		return false
	}
	return true
}
