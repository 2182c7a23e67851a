package oauth

import "strings"

// verdict is a class with its code.
type verdict struct {
	class Class
	code  string
}

// codeVerdict returns what an error code of an RFC means. Codes of other servers are a matter of a Dialect.
func codeVerdict(code string) (verdict, bool) {
	switch normalize(code) {
	case "invalid_client": // RFC 6749 section 5.2, as the next five
		return verdict{Credentials, CodeInvalidClient}, true
	case "invalid_grant":
		return verdict{Credentials, CodeInvalidGrant}, true
	case "unauthorized_client":
		return verdict{Configuration, CodeUnauthorizedClient}, true
	case "unsupported_grant_type":
		return verdict{Configuration, CodeUnsupportedGrantType}, true
	case "invalid_scope":
		return verdict{Configuration, CodeInvalidScope}, true
	case "invalid_request":
		return verdict{Configuration, CodeInvalidRequest}, true
	case "invalid_target": // RFC 8707 section 2
		return verdict{Configuration, CodeInvalidTarget}, true
	case "access_denied": // RFC 6749 section 4.1.2.1, as the next two
		return verdict{Configuration, CodeAccessDenied}, true
	case "server_error":
		return verdict{Transient, CodeServerError}, true
	case "temporarily_unavailable":
		return verdict{Transient, CodeTemporarilyUnavailable}, true
	case "slow_down": // RFC 8628 section 3.5
		return verdict{Transient, CodeRateLimited}, true
	}
	return verdict{}, false
}

// normalize writes "Rate Limit-Reached" as rate_limit_reached.
func normalize(word string) string {
	return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(word)))
}

// statusVerdict is what a status means when nobody has said more.
func statusVerdict(status int) verdict {
	switch status {
	case 401:
		return verdict{Credentials, CodeUnauthorized}
	case 402:
		return verdict{Configuration, CodePaymentRequired}
	case 403, 451:
		return verdict{Configuration, CodeForbidden}
	case 404, 410:
		return verdict{Configuration, CodeWrongEndpoint}
	case 405:
		return verdict{Configuration, CodeMethodNotAllowed}
	case 406:
		return verdict{Configuration, CodeNotAcceptable}
	case 407:
		return verdict{Configuration, CodeEgressProxyAuth}
	case 408:
		return verdict{Transient, CodeTimeout}
	case 415:
		return verdict{Configuration, CodeBadContentType}
	case 425:
		return verdict{Transient, CodeTooEarly}
	case 429:
		return verdict{Transient, CodeRateLimited}
	}
	switch {
	case status >= 300 && status <= 399:
		return verdict{Configuration, CodeRedirectRefused}
	case status >= 400 && status <= 499:
		return verdict{Configuration, CodeBadRequest}
	case status >= 500 && status <= 599:
		return verdict{Transient, CodeServerError}
	}
	return verdict{Malformed, CodeUnexpectedStatus}
}
