package oauth

import (
	"bytes"
	"net/http"
	"time"
)

// wafWait is the wait after a block page that states none: another request soon prolongs many blocks.
const wafWait = 300 * time.Second

// blockedByFirewall recognises a response of a firewall in front of the server. Such a response says nothing about the credentials.
func (r *response) blockedByFirewall() bool {
	if r.header.Get("Cf-Mitigated") != "" || r.header.Get("X-Amzn-Waf-Action") != "" {
		return true
	}
	switch r.form {
	case formHTML:
		return r.status == http.StatusForbidden ||
			hasAny(r.body, "<title>Just a moment...", "<title>Attention Required! | Cloudflare", "Request blocked", "Incapsula incident ID")
	case formText:
		return isErrorCodePage(r.body)
	case formEmpty, formObject, formJSON, formBadJSON:
	}
	return false
}

func hasAny(body []byte, marks ...string) bool {
	for _, m := range marks {
		if bytes.Contains(body, []byte(m)) {
			return true
		}
	}
	return false
}

// isErrorCodePage matches "error code: 10xx" of a firewall. "error code: 5xx" means that the server behind it is down.
func isErrorCodePage(body []byte) bool {
	code, ok := bytes.CutPrefix(body, []byte("error code: "))
	return ok && len(code) == 4 && bytes.HasPrefix(code, []byte("10")) && code[2] >= '0' && code[2] <= '9' && code[3] >= '0' && code[3] <= '9'
}

// requiresClientCertificate recognises a server that demands a client certificate by an HTML page instead of a TLS alert.
func (r *response) requiresClientCertificate() bool {
	return r.form == formHTML && r.status == http.StatusBadRequest && hasAny(r.body, "No required SSL certificate was sent", "The SSL certificate error")
}

// notTheProvider reports an HTML page where an authorization server responds with JSON (RFC 6749 section 5.2): the page of a gateway, a load
// balancer or a captive portal. A status about the address or the form of the request keeps its meaning.
func (r *response) notTheProvider() bool {
	if r.form != formHTML || r.status < 400 || r.status > 499 {
		return false
	}
	switch r.status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusGone,
		http.StatusUnsupportedMediaType, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return true
}
