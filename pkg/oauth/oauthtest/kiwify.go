package oauthtest

import (
	"net/http"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// kiwify answers as node oauth2-server behind Kiwify's wrapper: every refusal is 400 auth_error with the library's text as message. The
// bodies are those of the token endpoint vectors K01 to K06, R06 and R07, byte for byte.
type kiwify struct{}

func (kiwify) facts() facts {
	return facts{
		name:      "kiwify",
		host:      "public-api.kiwify.com",
		path:      "/v1/oauth/token",
		apiHosts:  []string{"public-api.kiwify.com"},
		apiPaths:  []string{"/v1/account-details", "/v1/products", "/v1/sales", "/v1/webhooks", "/v1/balance", "/v1/affiliates"},
		lifetime:  24 * time.Hour,
		scopes:    []string{"stats", "products", "events", "sales", "sales_refund", "financial", "affiliates", "webhooks"},
		kind:      "Bearer",
		format:    FormatJWT,
		expiresIn: ExpiresInString,
	}
}

func (kiwify) present(_ *Settings, in *wire) credentials { return in.present(false) }

// Answers of Kiwify, named by the case that fixes them. Those without a case are literals of node oauth2-server in the same wrapper.
const (
	kiwifyK01       = `{"error": "auth_error", "message": "Invalid client: client is invalid"}`
	kiwifyK02       = `{"error": "auth_error", "message": "Invalid client: cannot retrieve client credentials"}`
	kiwifyK03       = `{"error": "auth_error", "message": "Invalid request: content must be application/x-www-form-urlencoded"}`
	kiwifyK05       = `{"message": "Too many requests"}`
	kiwifyK06       = `{"error": "server_error", "message": "Internal server error"}`
	kiwifyR06       = `{"error": "auth_error", "message": "Invalid token: access token has expired"}`
	kiwifyR07       = `{"message": "Unauthorized"}`
	kiwifyBadMethod = `{"error": "auth_error", "message": "Invalid request: method must be POST"}`
	kiwifyBadGrant  = "{\"error\": \"auth_error\", \"message\": \"Unsupported grant type: `grant_type` is invalid\"}"
	kiwifyNoGrant   = "{\"error\": \"auth_error\", \"message\": \"Unauthorized client: `grant_type` is invalid\"}"
	kiwifyBadScope  = `{"error": "auth_error", "message": "Invalid scope: Requested scope is invalid"}`
	kiwifyNoSuch    = `{"error": "auth_error", "message": "Invalid token: access token is invalid"}`
)

func (kiwify) token(p *Provider, v *visit) (answer, outcome) {
	in := v.in
	bad := func(body string) (answer, outcome) { return reply(http.StatusBadRequest, body), outcome{} }
	switch {
	case in.method != http.MethodPost:
		return bad(kiwifyBadMethod)
	case in.hasBody && in.form == nil:
		return bad(kiwifyK03)
	case in.form.Get("client_id") == "" || in.form.Get("client_secret") == "":
		return bad(kiwifyK02)
	}
	e, c := p.authenticate(in.form.Get("client_id"), in.form.Get("client_secret"), p.now())
	if c == nil {
		return bad(kiwifyK01)
	}
	if grant := in.form.Get("grant_type"); grant != "" && grant != oauth.GrantClientCredentials {
		return bad(kiwifyBadGrant)
	}
	if !c.allows(oauth.GrantClientCredentials) {
		return bad(kiwifyNoGrant)
	}
	scope, ok := c.scope(in.form.Get("scope"), p.facts.scopes)
	if !ok {
		return bad(kiwifyBadScope)
	}
	g, o := p.grant(e, c, scope, kiwifyClaims)
	return p.success(g, "application/json; charset=utf-8"), o
}

// kiwifyClaims are those of the documented sample.
func kiwifyClaims(t *issued) any {
	return struct {
		Integration string `json:"store_api_integration_id"`
		StoreID     string `json:"store_id"`
		Scope       string `json:"scope"`
		JTI         string `json:"jti"`
		Iat         int64  `json:"iat"`
		Exp         int64  `json:"exp"`
	}{t.clientID, t.accountID, t.scope, t.jti, t.issuedAt.Unix(), t.expiresAt.Unix()}
}

func (kiwify) api(p *Provider, v *visit, t *issued) answer {
	now := p.now()
	switch {
	case t != nil && !p.ended(t) && !now.Before(t.expiresAt):
		return reply(http.StatusBadRequest, kiwifyR06)
	case t == nil || p.ended(t):
		return reply(http.StatusBadRequest, kiwifyNoSuch)
	case v.in.header.Get("X-Kiwify-Account-Id") != t.accountID:
		return reply(http.StatusUnauthorized, kiwifyR07)
	}
	return reply(http.StatusOK, `{"company_name":"Loja","company_cnpj":""}`)
}

func (kiwify) tooMany(Limit, time.Duration) answer {
	return reply(http.StatusTooManyRequests, kiwifyK05)
}

func (kiwify) failure(status int) answer {
	switch status {
	case http.StatusTooManyRequests:
		return reply(status, kiwifyK05)
	case http.StatusUnauthorized, http.StatusForbidden:
		return reply(status, kiwifyR07)
	}
	return reply(status, kiwifyK06)
}
