package oauth

// Codes of an Error. A Dialect may add its own. Programs compare them, so they change only with a breaking release. Each comment begins with
// the class.
const (
	// Before the request.
	CodeInvalidRequestConfig = "invalid_request_config" // configuration: a part of the TokenRequest is missing or cannot be sent
	CodeInvalidEndpoint      = "invalid_endpoint"       // configuration: not an absolute URL, or with user info or a fragment
	CodeEndpointRefused      = "endpoint_refused"       // configuration: http, or a forbidden address
	CodeMTLSCertExpired      = "mtls_cert_expired"      // configuration: the client certificate's NotAfter has passed

	// No response.
	CodeNetwork            = "network"              // transient: the request was not fully sent, so the server cannot have acted on it
	CodeNetworkAmbiguous   = "network_ambiguous"    // transient: sent, but no complete response came
	CodeDNS                = "dns"                  // transient: the host name does not resolve
	CodeTLSTrust           = "tls_trust"            // configuration: the server's certificate is not trusted, expired, or of another host
	CodeTLSHandshake       = "tls_handshake"        // configuration: no common version or cipher, or not a TLS server
	CodeMTLSRequired       = "mtls_required"        // configuration: the server requires a client certificate, or another one
	CodeEgressProxyAuth    = "egress_proxy_auth"    // configuration: the proxy requires credentials (407)
	CodeEgressProxyRefused = "egress_proxy_refused" // configuration: the proxy does not allow the host
	CodeCancelled          = "cancelled"            // canceled: the caller's context ended

	// Error codes of the server (RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2), and what a Dialect maps to them.
	CodeInvalidRequest         = "invalid_request"         // configuration
	CodeInvalidClient          = "invalid_client"          // credentials
	CodeSecretExpired          = "secret_expired"          // credentials: the client secret has expired
	CodeInvalidGrant           = "invalid_grant"           // credentials
	CodeUnauthorizedClient     = "unauthorized_client"     // configuration
	CodeUnsupportedGrantType   = "unsupported_grant_type"  // configuration
	CodeInvalidScope           = "invalid_scope"           // configuration
	CodeInvalidTarget          = "invalid_target"          // configuration: audience or resource
	CodeAccessDenied           = "access_denied"           // configuration
	CodeTemporarilyUnavailable = "temporarily_unavailable" // transient

	// From the status or the form of the response.
	CodeServerError       = "server_error"       // transient: 5xx, or the error code
	CodeRateLimited       = "rate_limited"       // transient: 429, or slow_down (RFC 8628 section 3.5)
	CodeTimeout           = "timeout"            // transient: 408
	CodeTooEarly          = "too_early"          // transient: 425
	CodeWAFBlocked        = "waf_blocked"        // transient: a firewall's block page or challenge
	CodeNotTheProvider    = "not_the_provider"   // transient: an HTML page with a 4xx, where an authorization server responds with JSON
	CodeRedirectRefused   = "redirect_refused"   // configuration: 3xx
	CodeBadRequest        = "bad_request"        // configuration: 400 and other 4xx
	CodeUnauthorized      = "unauthorized"       // credentials: 401
	CodePaymentRequired   = "payment_required"   // configuration: 402
	CodeForbidden         = "forbidden"          // configuration: 403, 451
	CodeWrongEndpoint     = "wrong_endpoint"     // configuration: 404, 410, or a service without a token endpoint
	CodeMethodNotAllowed  = "method_not_allowed" // configuration: 405
	CodeNotAcceptable     = "not_acceptable"     // configuration: 406
	CodeBadContentType    = "bad_content_type"   // configuration: 415
	CodeUnexpectedStatus  = "unexpected_status"  // malformed: below 200 or above 599
	CodeUnrecognizedError = "unrecognized_error" // malformed: a 2xx with an unknown error

	// A 2xx without a usable token.
	CodeEmptyBody            = "empty_body"             // malformed
	CodeNotJSON              = "not_json"               // malformed: text or HTML
	CodeBadJSON              = "bad_json"               // malformed: begins as JSON but is invalid
	CodeNotAnObject          = "not_an_object"          // malformed: JSON, but not an object
	CodeBadEncoding          = "bad_encoding"           // malformed: a Content-Encoding that cannot be decoded
	CodeTooLarge             = "too_large"              // malformed: over 64 KiB
	CodeMissingAccessToken   = "missing_access_token"   // malformed
	CodeBadType              = "bad_type"               // malformed: access_token is not a string
	CodeIllegalTokenChars    = "illegal_token_chars"    // malformed: a byte outside of 0x21..0x7E
	CodeUnsupportedTokenType = "unsupported_token_type" // configuration: not usable as a bearer token
	CodeZeroLifetime         = "zero_lifetime"          // transient: no lifetime left; try again in 2 s

	// From Client.Probe.
	CodeNoRefusal = "no_refusal" // malformed: a token was issued to a request without credentials
)
