package oauth

import "strings"

// errorKind is a class with a code.
type errorKind struct {
	class Class
	code  string
}

// codeKind returns what an error code of an RFC means. Codes of other servers are a matter of a Dialect.
func codeKind(code string) (errorKind, bool) {
	switch normalize(code) {
	case "invalid_client": // RFC 6749 section 5.2, as the next five
		return errorKind{Credentials, CodeInvalidClient}, true
	case "invalid_grant":
		return errorKind{Credentials, CodeInvalidGrant}, true
	case "unauthorized_client":
		return errorKind{Configuration, CodeUnauthorizedClient}, true
	case "unsupported_grant_type":
		return errorKind{Configuration, CodeUnsupportedGrantType}, true
	case "invalid_scope":
		return errorKind{Configuration, CodeInvalidScope}, true
	case "invalid_request":
		return errorKind{Configuration, CodeInvalidRequest}, true
	case "invalid_target": // RFC 8707 section 2
		return errorKind{Configuration, CodeInvalidTarget}, true
	case "access_denied": // RFC 6749 section 4.1.2.1, as the next two
		return errorKind{Configuration, CodeAccessDenied}, true
	case "server_error":
		return errorKind{Transient, CodeServerError}, true
	case "temporarily_unavailable":
		return errorKind{Transient, CodeTemporarilyUnavailable}, true
	case "slow_down": // RFC 8628 section 3.5
		return errorKind{Transient, CodeRateLimited}, true
	}
	return errorKind{}, false
}

// normalize writes "Invalid-Client" and "invalid client" as invalid_client.
func normalize(word string) string {
	return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(word)))
}

// statusKind is what a status means when the response says nothing that is known (RFC 9110 section 15).
func statusKind(status int) errorKind {
	switch status {
	case 401:
		return errorKind{Credentials, CodeUnauthorized}
	case 402:
		return errorKind{Configuration, CodePaymentRequired}
	case 403, 451:
		return errorKind{Configuration, CodeForbidden}
	case 404, 410:
		return errorKind{Configuration, CodeWrongEndpoint}
	case 405:
		return errorKind{Configuration, CodeMethodNotAllowed}
	case 406:
		return errorKind{Configuration, CodeNotAcceptable}
	case 407:
		return errorKind{Configuration, CodeEgressProxyAuth}
	case 408:
		return errorKind{Transient, CodeTimeout}
	case 415:
		return errorKind{Configuration, CodeBadContentType}
	case 425:
		return errorKind{Transient, CodeTooEarly}
	case 429:
		return errorKind{Transient, CodeRateLimited}
	}
	switch {
	case status >= 300 && status <= 399:
		return errorKind{Configuration, CodeRedirectRefused}
	case status >= 400 && status <= 499:
		return errorKind{Configuration, CodeBadRequest}
	case status >= 500 && status <= 599:
		return errorKind{Transient, CodeServerError}
	}
	return errorKind{Malformed, CodeUnexpectedStatus}
}
