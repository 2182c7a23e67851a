package oauth

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// outcome makes a Token or an Error of an answer. It is the one place where answers are judged. The first rule that fits decides:
//
//  1. a redirect, or the proxy's own refusal
//  2. the dialect's error rules
//  3. an error code of an RFC, with any status: some servers send invalid_client with 400, some with 200
//  4. ok:false
//  5. a firewall's page
//  6. a 2xx: a token, or none
//  7. an HTML page with a 4xx
//  8. the status
func (a *answer) outcome() (*Token, *Error) {
	c := a.complaint()
	e := a.refusal(c)
	var t *Token
	if e == nil {
		t, e = a.success()
	}
	if e == nil {
		return t, nil
	}
	a.finish(e)
	return nil, e
}

// refusal returns nil for what is to be read as a success.
func (a *answer) refusal(c *complaint) *Error {
	if a.status >= 300 && a.status <= 399 || a.status == http.StatusProxyAuthRequired {
		return statusVerdict(a.status).error("") // no description: a Location may hold anything
	}
	if e := a.dialectError(c); e != nil {
		return e
	}
	if v, ok := c.verdict(); ok {
		return v.error(c.describe(v.code))
	}
	if a.ok() && c.made() { // an error that nobody knows, with or without a token: not to be trusted
		return verdict{Malformed, CodeUnrecognizedError}.error(c.description(true))
	}
	switch {
	case a.blockedByFirewall():
		e := verdict{Transient, CodeWAFBlocked}.error("a firewall's page, not the provider: is this address or User-Agent blocked?")
		e.RetryAfter = wafWait
		return e
	case a.ok():
		return nil
	case a.wantsClientCertificate():
		return verdict{Configuration, CodeMTLSRequired}.error("the server wants a client certificate")
	case a.notTheProvider():
		return verdict{Transient, CodeNotTheProvider}.error("an HTML page, not the provider")
	}
	return statusVerdict(a.status).error(c.description(true))
}

func (v verdict) error(description string) *Error {
	return &Error{Class: v.class, Code: v.code, Description: description}
}

func (a *answer) success() (*Token, *Error) {
	if a.bodyErr != nil || a.form != formObject || a.status == http.StatusNoContent {
		return nil, a.noObject()
	}
	return a.token()
}

// dialectError asks the dialect's rules. A 2xx with a token and without a complaint is no error, whatever a pattern may find in it.
func (a *answer) dialectError(c *complaint) *Error {
	if a.ok() && a.hasToken() && !c.made() {
		return nil
	}
	for _, rule := range a.dialect.Errors {
		if rule.matches(a, c) {
			e := verdict{rule.Class, rule.Code}.error(c.describe(rule.Code))
			e.RetryAfter = rule.RetryAfter
			return e
		}
	}
	return nil
}

func (r ErrorRule) matches(a *answer, c *complaint) bool {
	if r.Status != 0 && r.Status != a.status {
		return false
	}
	if r.Error != "" && !slices.ContainsFunc(c.words, func(w string) bool { return normalize(w) == normalize(r.Error) }) {
		return false
	}
	if r.Message != "" && !matchesAny(r.Message, c.texts) {
		return false
	}
	return r.Field == "" || matchesAny(r.Match, fieldText(at(a.fields, r.Field)))
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

// finish adds the status, the wait, and cleans the words.
func (a *answer) finish(e *Error) {
	e.Status, e.Host, e.RefreshToken = a.status, a.request.host, a.newRefreshToken()
	if e.Class == Transient && e.Code != CodeZeroLifetime {
		e.RetryAfter = a.wait(e)
	} else if e.Class != Transient {
		e.RetryAfter = 0
	}
	if e.Description == "" {
		return
	}
	s := a.request.redactor()
	a.secrets(s, minScrubbed)
	e.Description = s.text(e.Description)
}

// wait is what the headers ask for, else the rule's or the block page's, else the dialect's for a rate limit.
func (a *answer) wait(e *Error) time.Duration {
	d := retryAfter(a.status, a.header, a.at)
	if d == 0 {
		d = e.RetryAfter
	}
	if d == 0 && e.Code == CodeRateLimited {
		d = a.dialect.RateLimitWait
	}
	return min(d, MaxRetryAfter)
}
