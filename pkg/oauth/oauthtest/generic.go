package oauthtest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// generic is RFC 6749 (sections 2.3.1, 4.4 and 5) and RFC 6750.
type generic struct{}

func (generic) facts() facts {
	return facts{
		name:      "generic",
		host:      "auth.example.com",
		path:      "/oauth/token",
		apiHosts:  []string{"api.example.com"},
		apiPaths:  []string{"/v1/me"},
		lifetime:  time.Hour,
		kind:      "Bearer",
		format:    FormatOpaque,
		expiresIn: ExpiresInNumber,
	}
}

func (generic) present(s *Settings, in *wire) credentials { return in.present(!s.RawBasic) }

const (
	genericBadClient  = `{"error": "invalid_client", "error_description": "Client authentication failed"}`
	genericTwoMethods = `{"error": "invalid_request", "error_description": "more than one client authentication method"}`
	genericBadMethod  = `{"error": "invalid_request", "error_description": "the method must be POST"}`
	genericNoGrant    = `{"error": "invalid_request", "error_description": "grant_type is missing"}`
	genericBadGrant   = `{"error": "unsupported_grant_type"}`
	genericNotAllowed = `{"error": "unauthorized_client"}`
	genericMediaType  = `{"error": "unsupported_media_type"}`
	genericTooMany    = `{"error": "too_many_requests"}`
	genericFailure    = `{"error": "server_error"}`
)

func (g generic) token(p *Provider, v *visit) (answer, outcome) {
	in := v.in
	if in.method != http.MethodPost {
		return reply(http.StatusMethodNotAllowed, genericBadMethod).with("Allow", http.MethodPost), outcome{}
	}
	params, e, c, refusal := g.authenticate(p, v)
	if refusal != nil {
		return *refusal, outcome{}
	}
	scope, ok := c.scope(params("scope"), nil)
	var a answer
	switch grant := params("grant_type"); {
	case grant == "":
		a = reply(http.StatusBadRequest, genericNoGrant)
	case grant != oauth.GrantClientCredentials:
		a = reply(http.StatusBadRequest, genericBadGrant)
	case !c.allows(grant):
		a = reply(http.StatusBadRequest, genericNotAllowed)
	case !ok:
		a = reply(http.StatusBadRequest, invalidScope(params("scope")))
	default:
		g, o := p.grant(e, c, scope, genericClaims)
		return p.success(g, "application/json;charset=UTF-8"), o
	}
	return a, outcome{}
}

// authenticate checks the one method that was used against those that are allowed, and returns where further parameters are.
func (generic) authenticate(p *Provider, v *visit) (func(string) string, *entry, *Client, *answer) {
	methods := p.settings.AuthMethods
	if methods == nil {
		methods = []AuthMethod{ClientSecretBasic, ClientSecretPost}
	}
	allowed := func(m AuthMethod) bool { return slices.Contains(methods, m) }
	c, in := v.creds, v.in
	if in.json != nil && !allowed(ClientSecretJSON) {
		a := reply(http.StatusUnsupportedMediaType, genericMediaType)
		return nil, nil, nil, &a
	}
	if strings.Contains(c.style, "+") {
		a := reply(http.StatusBadRequest, genericTwoMethods)
		return nil, nil, nil, &a
	}
	id, secret, params, ok := c.paramID, c.paramSecret, in.param, false
	switch {
	case c.hasBasic:
		id, secret, ok = c.basicID, c.basicSecret, c.basicOK && allowed(ClientSecretBasic)
		if in.json != nil {
			params = in.json.Get
		}
	case c.inForm:
		ok = allowed(ClientSecretPost)
	case c.inQuery:
		ok = allowed(ClientSecretQuery)
	case c.json:
		ok, params = true, in.json.Get
	}
	if ok {
		if e, client := p.authenticate(id, secret, p.now()); client != nil {
			return params, e, client, nil
		}
	}
	a := reply(http.StatusUnauthorized, genericBadClient)
	if c.hasBasic {
		a.header.Set("WWW-Authenticate", `Basic realm="oauth"`)
	}
	return nil, nil, nil, &a
}

func genericClaims(t *issued) any {
	return struct {
		Sub   string `json:"sub"`
		Scope string `json:"scope,omitempty"`
		JTI   string `json:"jti"`
		Iat   int64  `json:"iat"`
		Exp   int64  `json:"exp"`
	}{t.clientID, t.scope, t.jti, t.issuedAt.Unix(), t.expiresAt.Unix()}
}

func (generic) api(p *Provider, v *visit, t *issued) answer {
	switch {
	case v.bearer == "":
		return reply(http.StatusUnauthorized, `{"error": "invalid_request"}`).with("WWW-Authenticate", "Bearer")
	case t == nil || !p.live(t, p.now()):
		return reply(http.StatusUnauthorized, `{"error": "invalid_token"}`).with("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	return reply(http.StatusOK, `{"ok":true}`)
}

func (generic) tooMany(_ Limit, reset time.Duration) answer {
	return reply(http.StatusTooManyRequests, genericTooMany).with("Retry-After", seconds(reset))
}

func (generic) failure(status int) answer {
	if status == http.StatusTooManyRequests {
		return reply(status, genericTooMany)
	}
	return reply(status, genericFailure)
}
