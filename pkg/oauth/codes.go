package oauth

// Codes of an Error that this package gives by itself. A Dialect may add its own. They are part of the contract (contract.md section 3): an alarm or a
// record may compare them, so they change only with a breaking release.
const (
	// Before the request.
	CodeInvalidRequestConfig = "invalid_request_config" // configuration: a field of Request is missing or makes no sense
	CodeInvalidEndpoint      = "invalid_endpoint"       // configuration: not an absolute URL, or with user info or a fragment
	CodeEndpointRefused      = "endpoint_refused"       // configuration: http, or an address that is never asked
	CodeMTLSCertExpired      = "mtls_cert_expired"      // configuration: the client certificate's NotAfter has passed

	// No answer.
	CodeNetwork            = "network"              // transient: the request was not fully sent, so nothing can have happened
	CodeNetworkAmbiguous   = "network_ambiguous"    // transient: sent, but the answer did not come, or not whole
	CodeDNS                = "dns"                  // transient: the name does not resolve
	CodeTLSTrust           = "tls_trust"            // configuration: the server's certificate is not trusted, expired, or of another host
	CodeTLSHandshake       = "tls_handshake"        // configuration: no common version or cipher, or not a TLS server
	CodeMTLSRequired       = "mtls_required"        // configuration: the server wants a client certificate, or another one
	CodeEgressProxyAuth    = "egress_proxy_auth"    // configuration: the proxy wants credentials (407)
	CodeEgressProxyRefused = "egress_proxy_refused" // configuration: the proxy does not let the host through
	CodeCancelled          = "cancelled"            // not an outcome: the caller's context ended

	// The provider's own words (RFC 6749 section 5.2, RFC 8707 section 2, and what is meant by others' words).
	CodeInvalidRequest         = "invalid_request"         // configuration
	CodeInvalidClient          = "invalid_client"          // credentials
	CodeSecretExpired          = "secret_expired"          // credentials: the provider says that the secret's time is over
	CodeInvalidGrant           = "invalid_grant"           // credentials
	CodeUnauthorizedClient     = "unauthorized_client"     // configuration
	CodeUnsupportedGrantType   = "unsupported_grant_type"  // configuration
	CodeInvalidScope           = "invalid_scope"           // configuration
	CodeInvalidTarget          = "invalid_target"          // configuration: audience or resource
	CodeAccessDenied           = "access_denied"           // configuration
	CodeTemporarilyUnavailable = "temporarily_unavailable" // transient

	// From the status or from what the answer looks like.
	CodeServerError       = "server_error"       // transient: 5xx, or the word
	CodeRateLimited       = "rate_limited"       // transient: 429, or the word
	CodeTimeout           = "timeout"            // transient: 408
	CodeTooEarly          = "too_early"          // transient: 425
	CodeWAFBlocked        = "waf_blocked"        // transient: a firewall's block page or challenge
	CodeNotTheProvider    = "not_the_provider"   // transient: an HTML page with a 4xx, where the provider would have spoken JSON
	CodeRedirectRefused   = "redirect_refused"   // configuration: 3xx
	CodeBadRequest        = "bad_request"        // configuration: 400 and other 4xx
	CodeUnauthorized      = "unauthorized"       // credentials: 401
	CodePaymentRequired   = "payment_required"   // configuration: 402
	CodeForbidden         = "forbidden"          // configuration: 403, 451
	CodeWrongEndpoint     = "wrong_endpoint"     // configuration: 404, 410, or a service that is no token endpoint
	CodeMethodNotAllowed  = "method_not_allowed" // configuration: 405
	CodeNotAcceptable     = "not_acceptable"     // configuration: 406
	CodeBadContentType    = "bad_content_type"   // configuration: 415
	CodeUnexpectedStatus  = "unexpected_status"  // malformed: below 200 or above 599
	CodeUnrecognizedError = "unrecognized_error" // malformed: a 2xx with an error that nobody knows

	// A 2xx that is no usable token.
	CodeEmptyBody            = "empty_body"             // malformed
	CodeNotJSON              = "not_json"               // malformed: text or HTML
	CodeBadJSON              = "bad_json"               // malformed: begins as JSON and is none
	CodeNotAnObject          = "not_an_object"          // malformed: JSON, but no object
	CodeBadEncoding          = "bad_encoding"           // malformed: a Content-Encoding that cannot be undone
	CodeTooLarge             = "too_large"              // malformed: over 64 KiB
	CodeMissingAccessToken   = "missing_access_token"   // malformed
	CodeBadType              = "bad_type"               // malformed: access_token is not a string
	CodeIllegalTokenChars    = "illegal_token_chars"    // malformed: a byte outside of 0x21..0x7E
	CodeUnsupportedTokenType = "unsupported_token_type" // configuration: not usable as a bearer token
	CodeZeroLifetime         = "zero_lifetime"          // transient: nothing left of it; ask again in 2 s

	// From Client.Probe.
	CodeNoRefusal = "no_refusal" // malformed: a request without credentials was given a token
)
