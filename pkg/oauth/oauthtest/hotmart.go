package oauthtest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// hotmart answers as Spring Security OAuth 2.x, whose literals Hotmart's error list and live envelope repeat.
// The bodies are those of the token endpoint vectors H01 to H13 and R01 to R08, byte for byte.
type hotmart struct{}

func (hotmart) facts() facts {
	return facts{
		name:      "hotmart",
		host:      "api-sec-vlc.hotmart.com",
		path:      "/security/oauth/token",
		apiHosts:  []string{"developers.hotmart.com", "sandbox.hotmart.com"},
		apiPaths:  []string{"/payments/api/v1/sales/history", "/products/api/v1/products"},
		lifetime:  172799 * time.Second, // 48 h less one second: Spring serialises what is left when the answer is written
		scopes:    []string{"read", "write"},
		kind:      "bearer",
		format:    FormatOpaque,
		gzipLike:  true,
		expiresIn: ExpiresInNumber,
	}
}

func (hotmart) present(_ *Settings, in *wire) credentials { return in.present(false) }

// Answers of Hotmart, named by the case that fixes them.
const (
	hotmartH01 = `{"error": "invalid_client", "error_description": "Bad client credentials"}`
	hotmartH02 = `{"error": "unauthorized", "error_description": "Bad credentials"}`
	hotmartH04 = `{"error_description": "Full authentication is required to access this resource.", "error_uri": "https://developers.hotmart.com/docs/en/start/http-response-codes/", "error": "unauthorized"}`
	hotmartH05 = `{"error": "invalid_client", "error_description": "Given client ID does not match authenticated client"}`
	hotmartH06 = `{"error": "invalid_client", "error_description": "Unauthorized grant type"}`
	hotmartH07 = `{"error": "invalid_request", "error_description": "Missing grant type"}`
	hotmartH08 = `{"error": "unsupported_grant_type", "error_description": "Unsupported grant type"}`
	hotmartH09 = `{"error": "method_not_allowed", "error_description": "Request method 'GET' not supported"}`
	hotmartH10 = `{"error": "too_many_requests", "error_description": "..."}`
	hotmartH11 = `{"error": "unauthorized_client", "error_description": "The user does not have permission to continue with this request."}`
	hotmartH12 = `{"error": "internal_server_error", "error_description": "..."}`
	hotmartH13 = `{"error": "internal_server_error"}`
	hotmartR01 = `{"error": "token_expired", "error_description": "..."}`
	hotmartR02 = `{"error": "invalid_token"}`
	hotmartR05 = `{"error": "unauthorized", "error_description": "Full authentication is required to access this resource."}`
	hotmartR08 = `{"error": "too_many_requests"}`
)

func (h hotmart) token(p *Provider, v *visit) (answer, outcome) {
	if v.in.method != http.MethodPost {
		return reply(http.StatusMethodNotAllowed, strings.Replace(hotmartH09, "GET", v.in.method, 1)), outcome{}
	}
	e, c, refusal := h.authenticate(p, v)
	if refusal != nil {
		return *refusal, outcome{}
	}
	scope, refusal := h.authorize(c, v.in, p.facts.scopes)
	if refusal != nil {
		return *refusal, outcome{}
	}
	g, o := p.grant(e, c, scope, springClaims)
	return p.success(g, "application/json;charset=UTF-8", member{"jti", g.jti}), o // JwtAccessTokenConverter.enhance adds it to the answer itself
}

// authenticate follows Spring's filters: which refusal comes depends on how the credentials did. A JSON body is never read.
func (hotmart) authenticate(p *Provider, v *visit) (*entry, *Client, *answer) {
	c, now := v.creds, p.now()
	param := c.inQuery || c.inForm
	if c.hasBasic {
		e, client := p.authenticate(c.basicID, c.basicSecret, now)
		switch {
		case !c.basicOK || client == nil:
			return refuse(http.StatusUnauthorized, hotmartH02)
		case param && c.paramID != c.basicID:
			return refuse(http.StatusUnauthorized, hotmartH05)
		case param && c.paramSecret != "" && c.paramSecret != c.basicSecret:
			return hotmartBadParams() // the filter for parameters stands before the one for Basic
		}
		return e, client, nil
	}
	if !param {
		return refuse(http.StatusUnauthorized, hotmartH04)
	}
	e, client := p.authenticate(c.paramID, c.paramSecret, now)
	if client == nil {
		return hotmartBadParams()
	}
	return e, client, nil
}

func hotmartBadParams() (*entry, *Client, *answer) {
	e, c, a := refuse(http.StatusUnauthorized, hotmartH01)
	a.header.Set("WWW-Authenticate", `Form realm="oauth2/client", error="invalid_client", error_description="Bad client credentials"`)
	return e, c, a
}

func refuse(status int, body string) (*entry, *Client, *answer) {
	a := reply(status, body)
	return nil, nil, &a
}

// authorize checks scope and grant in the order of Spring's TokenEndpoint.
func (hotmart) authorize(c *Client, in *wire, usual []string) (string, *answer) {
	scope, ok := c.scope(in.param("scope"), usual)
	if !ok {
		a := reply(http.StatusBadRequest, invalidScope(in.param("scope")))
		return "", &a
	}
	var a answer
	switch grant := in.param("grant_type"); {
	case grant == "":
		a = reply(http.StatusBadRequest, hotmartH07)
	case !slices.Contains([]string{oauth.GrantClientCredentials, "authorization_code", "refresh_token", "password"}, grant):
		a = reply(http.StatusBadRequest, hotmartH08)
	case !c.allows(grant):
		a = reply(http.StatusUnauthorized, hotmartH06)
	default:
		return scope, nil
	}
	return "", &a
}

// invalidScope quotes the scope, which is the caller's text.
func invalidScope(scope string) string {
	return string(object(member{"error", "invalid_scope"}, member{"error_description", "Invalid scope: " + scope}))
}

func springClaims(t *issued) any {
	return struct {
		Scope       []string `json:"scope"`
		Exp         int64    `json:"exp"`
		Authorities []string `json:"authorities"`
		JTI         string   `json:"jti"`
		ClientID    string   `json:"client_id"`
	}{strings.Fields(t.scope), t.expiresAt.Unix(), []string{"ROLE_CLIENT"}, t.jti, t.clientID}
}

// api takes production tokens at the production host and sandbox tokens at the sandbox host. Under another name (a loopback port)
// both are taken.
func (hotmart) api(p *Provider, v *visit, t *issued) answer {
	now := p.now()
	switch {
	case v.bearer == "":
		return reply(http.StatusUnauthorized, hotmartR05)
	case t != nil && !p.ended(t) && !now.Before(t.expiresAt):
		return reply(http.StatusUnauthorized, hotmartR01)
	case t == nil || p.ended(t),
		v.in.host == p.facts.apiHosts[0] && t.env != Production,
		v.in.host == p.facts.apiHosts[1] && t.env != Sandbox:
		return reply(http.StatusUnauthorized, hotmartR02)
	}
	return reply(http.StatusOK, `{"items":[],"page_info":{"total_results":0,"results_per_page":1}}`)
}

func (hotmart) tooMany(l Limit, reset time.Duration) answer {
	n := itoa(l.Calls)
	a := reply(http.StatusTooManyRequests, hotmartH10)
	for name, value := range map[string]string{
		"RateLimit-Limit": n, "RateLimit-Remaining": "0", "RateLimit-Reset": seconds(reset),
		"X-RateLimit-Limit-Minute": n, "X-RateLimit-Remaining-Minute": "0",
	} {
		a.header.Set(name, value)
	}
	return a
}

func (hotmart) failure(status int) answer {
	switch status {
	case http.StatusTooManyRequests:
		return reply(status, hotmartR08)
	case http.StatusForbidden:
		return reply(status, hotmartH11)
	case http.StatusBadGateway:
		return reply(status, hotmartH12)
	}
	return reply(status, hotmartH13)
}
