package oauth

import (
	"bytes"
	"net/http"
	"time"
)

// wafWait is how long a block page keeps us away when it does not say: knocking again soon prolongs many blocks.
const wafWait = 300 * time.Second

// blockedByFirewall recognises an answer that came from in front of the provider. It says nothing about the credentials.
func (a *answer) blockedByFirewall() bool {
	if a.header.Get("Cf-Mitigated") != "" || a.header.Get("X-Amzn-Waf-Action") != "" {
		return true
	}
	switch a.form {
	case formHTML:
		return a.status == http.StatusForbidden || hasAny(a.body, "<title>Just a moment...", "<title>Attention Required! | Cloudflare", "Request blocked", "Incapsula incident ID")
	case formText:
		return isCloudflareBlock(a.body)
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

// isCloudflareBlock matches "error code: 10xx", the firewall's; 5xx is of a server that is down.
func isCloudflareBlock(body []byte) bool {
	code, ok := bytes.CutPrefix(body, []byte("error code: "))
	return ok && len(code) == 4 && bytes.HasPrefix(code, []byte("10")) && code[2] >= '0' && code[2] <= '9' && code[3] >= '0' && code[3] <= '9'
}

// wantsClientCertificate recognises nginx, which asks for a client certificate in a page and not in TLS.
func (a *answer) wantsClientCertificate() bool {
	return a.form == formHTML && a.status == http.StatusBadRequest && hasAny(a.body, "No required SSL certificate was sent", "The SSL certificate error")
}

// notTheProvider reports an HTML page where the provider would have said what is wrong in JSON: a gateway's, a balancer's, a captive portal's.
// The statuses that mean the request went to the wrong place, or in the wrong way, keep their meaning.
func (a *answer) notTheProvider() bool {
	if a.form != formHTML || a.status < 400 || a.status > 499 {
		return false
	}
	switch a.status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusGone,
		http.StatusUnsupportedMediaType, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return true
}
