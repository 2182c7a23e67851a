package oauth

import "strings"

// verdict is a class with its code.
type verdict struct {
	class Class
	code  string
}

// wordVerdict returns what an error code means that is in RFC 6749 section 5.2, or that others are known to say instead of one that is. The
// status decides only where the same word is said of two things.
func wordVerdict(word string, status int) (verdict, bool) {
	switch normalize(word) {
	case "invalid_client", "invalid_client_id", "invalid_client_secret", "invalid_client_credentials", "incorrect_client_credentials",
		"bad_client_id", "bad_client_secret", "bad_client_credentials", "bad_credentials", "client_authentication_failed", "unknown_client", "client_not_found":
		return verdict{Credentials, CodeInvalidClient}, true
	case "secret_expired", "client_secret_expired", "expired_client_secret":
		return verdict{Credentials, CodeSecretExpired}, true
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
	case "invalid_target", "invalid_resource":
		return verdict{Configuration, CodeInvalidTarget}, true
	case "access_denied":
		if status == 401 { // Auth0, RD Station: of a wrong secret
			return verdict{Credentials, CodeInvalidClient}, true
		}
		return verdict{Configuration, CodeAccessDenied}, true
	case "server_error", "internal_server_error", "internal_error":
		return verdict{Transient, CodeServerError}, true
	case "temporarily_unavailable", "service_unavailable":
		return verdict{Transient, CodeTemporarilyUnavailable}, true
	case "slow_down", "too_many_requests", "rate_limit_reached", "rate_limit_exceeded", "rate_limited", "ratelimited", "rate_limit":
		return verdict{Transient, CodeRateLimited}, true
	}
	return verdict{}, false
}

// normalize writes "Rate Limit-Reached" as rate_limit_reached.
func normalize(word string) string {
	return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(word)))
}

// googleVerdict is for the canonical status of a Google API (google.rpc.Code) in an error object.
func googleVerdict(status string) (verdict, bool) {
	switch status {
	case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE":
		return verdict{Configuration, CodeInvalidRequest}, true
	case "UNAUTHENTICATED":
		return verdict{Credentials, CodeUnauthorized}, true
	case "PERMISSION_DENIED":
		return verdict{Configuration, CodeForbidden}, true
	case "NOT_FOUND", "UNIMPLEMENTED":
		return verdict{Configuration, CodeWrongEndpoint}, true
	case "RESOURCE_EXHAUSTED":
		return verdict{Transient, CodeRateLimited}, true
	case "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED", "UNKNOWN":
		return verdict{Transient, CodeServerError}, true
	}
	return verdict{}, false
}

// facebookVerdict is for the error object of Meta's Graph API, whose type says little and whose code says more
// (developers.facebook.com/docs/graph-api/guides/error-handling).
func facebookVerdict(kind, code, message string, transient bool) (verdict, bool) {
	if kind != "OAuthException" {
		return verdict{}, false
	}
	message = strings.ToLower(message)
	switch {
	case code == "4" || code == "17" || code == "32" || code == "341" || code == "613":
		return verdict{Transient, CodeRateLimited}, true
	case code == "101" || strings.Contains(message, "validating client secret") || strings.Contains(message, "validating application"):
		return verdict{Credentials, CodeInvalidClient}, true
	case transient || code == "2":
		return verdict{Transient, CodeServerError}, true
	}
	return verdict{}, false
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
