package oauth

import (
	"context"
	"net/http"
)

// ProbeResult is how a token endpoint refused a request without credentials, as a healthy endpoint does.
type ProbeResult struct {
	Status  int    // HTTP status
	Code    string // see the Code constants and the codes of the Dialect: invalid_client, invalid_request, unauthorized, …
	Latency Latency
}

// Probe makes the token request without the client's credentials and expects the server's own refusal (RFC 6749 section 5.2). It shows
// whether a token endpoint works and how long it takes; no secret is sent, no token is issued, and no client can be locked. Auth of the
// request is not used and may be nil; a parameter of the grant that holds one of its secrets is left out.
//
// The error is always an *Error. Beyond those of [Client.Token] it has the code no_refusal, when the endpoint issued a token. Latency is
// known in any case.
func (c *Client) Probe(ctx context.Context, req TokenRequest) (ProbeResult, error) {
	watch := newStopwatch(c.cfg.Now)
	_, e := c.attempt(ctx, req, true, watch)
	result := ProbeResult{Latency: watch.stop()}
	if e == nil {
		return result, &Error{Class: Malformed, Code: CodeNoRefusal, Host: EndpointHost(req.Endpoint.URL),
			Description: "a request without credentials was given a token"}
	}
	if !e.refusesClient() {
		return result, e
	}
	result.Status, result.Code = e.Status, e.Code
	return result, nil
}

// refusesClient reports whether the server itself refuses this client or this request, as opposed to something in front of it that would
// serve nobody: a redirect, TLS, another service at this address, a gateway.
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
