package oauth

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// fault returns the first fault of a built request, "" for none. No text repeats a value.
func (o outgoing) fault() string {
	for _, why := range []string{o.endpoint.bodyFault(), o.endpoint.secretFault(), o.renameFault(), o.headerFault(), o.endpoint.dialectFault()} {
		if why != "" {
			return why
		}
	}
	return ""
}

func (e Endpoint) bodyFault() string {
	if e.Body != FormBody && e.Body != JSONBody && e.Body != QueryBody {
		return "the body format is unknown"
	}
	return ""
}

// secretFault finds a parameter in which a client authentication or a grant has its secrets. Among the fixed parameters the redactor would
// not know them.
func (e Endpoint) secretFault() string {
	for _, name := range []string{
		"client_secret", "client_assertion", "refresh_token", "code", "code_verifier", "device_code", "username", "password", "assertion",
		"subject_token", "actor_token",
	} {
		if e.Params.Has(name) {
			return name + " must not be a fixed parameter; it belongs to the client authentication or the grant"
		}
	}
	return ""
}

func (e Endpoint) dialectFault() string {
	if e.Dialect.checked {
		return ""
	}
	if err := e.Dialect.Validate(); err != nil {
		return shorten(clean(err.Error()))
	}
	return ""
}

// renameFault finds two parameters that would be sent under one name, which RFC 6749 section 3.2 forbids. The standard ones count also when
// this request has none of them, so that a wrong ParamNames shows at once.
func (o outgoing) renameFault() string {
	if len(o.endpoint.ParamNames) == 0 {
		return ""
	}
	names := slices.Collect(maps.Keys(o.call.Form))
	names = append(names, "grant_type", "scope", "audience", "resource", "client_id", "client_secret")
	slices.Sort(names)
	sentAs := make(map[string]string)
	for _, name := range slices.Compact(names) {
		sent := o.endpoint.paramName(name)
		if other, ok := sentAs[sent]; ok {
			return fmt.Sprintf("the parameters %s and %s would have one name", other, name)
		}
		sentAs[sent] = name
	}
	return ""
}

func (o outgoing) headerFault() string {
	for name := range o.endpoint.Header {
		if canonical := http.CanonicalHeaderKey(name); len(o.call.Header[canonical]) > 0 {
			return "the header " + clean(name) + " is set by the client authentication"
		}
	}
	for _, headers := range []http.Header{o.endpoint.Header, o.call.Header} {
		for name, values := range headers {
			if why := headerFault(name, values); why != "" {
				return why
			}
		}
	}
	return ""
}

func headerFault(name string, values []string) string {
	switch http.CanonicalHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding", "Trailer", "Upgrade":
		return "the header " + clean(name) + " cannot be set"
	}
	if !isHeaderName(name) {
		return "the name of a header has invalid characters (RFC 9110 section 5.6.2)"
	}
	for _, v := range values {
		if strings.ContainsFunc(v, isHeaderBreak) {
			return "the header " + name + " has control characters"
		}
	}
	return ""
}

// isHeaderName follows RFC 9110 section 5.6.2 (token).
func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

func isHeaderBreak(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
