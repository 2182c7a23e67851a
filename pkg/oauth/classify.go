package oauth

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// outcome makes a Token or an Error of a response. Responses are classified here only. The first rule that fits decides:
//
//  1. a redirect, or a proxy that demands credentials
//  2. the dialect's error rules
//  3. an error code of an RFC, with any status: some servers send invalid_client with 400, some with 200
//  4. ok:false
//  5. a firewall's page
//  6. a 2xx: a token, or none
//  7. a page that demands a client certificate, or another HTML page with a 4xx
//  8. the status
func (r *response) outcome() (*Token, *Error) {
	m := r.message()
	e := r.failure(m)
	var t *Token
	if e == nil {
		t, e = r.success()
	}
	if e == nil {
		return t, nil
	}
	r.finish(e)
	return nil, e
}

// failure returns nil for a response that is to be read as a success.
func (r *response) failure(m *providerMessage) *Error {
	if r.status >= 300 && r.status <= 399 || r.status == http.StatusProxyAuthRequired {
		return statusKind(r.status).error("") // no description: a Location may hold anything
	}
	if e := r.dialectError(m); e != nil {
		return e
	}
	if k, ok := m.kind(); ok {
		return k.error(m.describe(k.code))
	}
	if r.ok() && m.present() { // an unknown error: a token beside it is not trusted
		return errorKind{Malformed, CodeUnrecognizedError}.error(m.description(true))
	}
	switch {
	case r.blockedByFirewall():
		e := errorKind{Transient, CodeWAFBlocked}.error("a firewall's page, not the server's response; it may block this address or User-Agent")
		e.RetryAfter = wafWait
		return e
	case r.ok():
		return nil
	case r.requiresClientCertificate():
		return errorKind{Configuration, CodeMTLSRequired}.error("the server requires a client certificate")
	case r.notTheProvider():
		return errorKind{Transient, CodeNotTheProvider}.error("an HTML page, not the server's response")
	}
	return statusKind(r.status).error(m.description(true))
}

func (k errorKind) error(description string) *Error {
	return &Error{Class: k.class, Code: k.code, Description: description}
}

func (r *response) success() (*Token, *Error) {
	if r.bodyErr != nil || r.form != formObject || r.status == http.StatusNoContent {
		return nil, r.noObject()
	}
	return r.token()
}

// dialectError applies the dialect's rules. A 2xx with a token and without an error is a success, whatever a pattern matches in it.
func (r *response) dialectError(m *providerMessage) *Error {
	if r.ok() && r.hasToken() && !m.present() {
		return nil
	}
	for _, rule := range r.dialect.Errors {
		if rule.matches(r, m) {
			e := errorKind{rule.Class, rule.Code}.error(m.describe(rule.Code))
			e.RetryAfter = rule.RetryAfter
			return e
		}
	}
	return nil
}

func (rule ErrorRule) matches(r *response, m *providerMessage) bool {
	if rule.Status != 0 && rule.Status != r.status {
		return false
	}
	if rule.Error != "" && !slices.ContainsFunc(m.codes, func(w string) bool { return normalize(w) == normalize(rule.Error) }) {
		return false
	}
	if rule.Message != "" && !matchesAny(rule.Message, m.sentences) {
		return false
	}
	return rule.Field == "" || matchesAny(rule.Match, fieldText(at(r.fields, rule.Field)))
}

// matchesAny reports whether a pattern, which Validate has checked, matches one of the texts.
func matchesAny(pattern string, texts []string) bool {
	re, err := regexp.Compile(pattern)
	return err == nil && slices.ContainsFunc(texts, re.MatchString)
}

// fieldText is a string, number or boolean as text; nothing for all else.
func fieldText(v any) []string {
	if b, ok := v.(bool); ok {
		return []string{strconv.FormatBool(b)}
	}
	if s := scalar(v); s != "" {
		return []string{s}
	}
	return nil
}

// finish adds what the response says beside the error, and redacts the description.
func (r *response) finish(e *Error) {
	e.Status, e.Host, e.RefreshToken = r.status, r.request.host, r.newRefreshToken()
	if e.Class == Transient && e.Code != CodeZeroLifetime {
		e.RetryAfter = r.wait(e)
	} else if e.Class != Transient {
		e.RetryAfter = 0
	}
	if e.Description == "" {
		return
	}
	s := r.request.redactor()
	r.secrets(s, minSecret)
	e.Description = s.text(e.Description)
}

// wait is the wait that the headers state, else that of the rule or the firewall, else the dialect's for a rate limit.
func (r *response) wait(e *Error) time.Duration {
	d := retryAfter(r.status, r.header, r.at)
	if d == 0 {
		d = e.RetryAfter
	}
	if d == 0 && e.Code == CodeRateLimited {
		d = r.dialect.RateLimitWait
	}
	return min(d, MaxRetryAfter)
}
