package connection

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// environment reads environment.
func (p *parser) environment() {
	env := p.plainText(fieldEnvironment)
	if env == "" {
		env = provider.Production
	}
	p.conn.Environment = env
	if p.fault != nil || slices.Contains(p.conn.Provider.Environments, env) {
		return
	}
	if env == provider.Sandbox {
		p.fail(fieldEnvironment, `environment "sandbox": `+p.conn.Provider.ID+" has only production")
		return
	}
	p.fail(fieldEnvironment, "environment "+quote(env, p.doc)+": "+strings.Join(p.conn.Provider.Environments, " or "))
}

// scopeToken is RFC 6749 section 3.3.
var scopeToken = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+$`)

// scopes reads scope and required_scope.
func (p *parser) scopes() {
	scope := p.scopeList(fieldScope)
	p.conn.Scope = strings.Join(scope, " ")
	p.conn.RequiredScope = p.scopeList(fieldRequiredScope)
	if p.conn.Provider.ScopeRequired && len(scope) == 0 {
		p.fail(fieldScope, "scope is missing; "+p.conn.Provider.ID+" gives no token without")
	}
}

func (p *parser) scopeList(field string) []string {
	words := p.list(field)
	for _, w := range words {
		if !scopeToken.MatchString(w) {
			p.fail(field, field+` holds a character that no scope has (RFC 6749 section 3.3); separate scopes with spaces`)
		}
	}
	return words
}

// endpoint reads token_endpoint, or takes the catalogue's.
func (p *parser) endpoint() {
	raw := p.plainText(fieldTokenEndpoint)
	if p.fault != nil {
		return
	}
	if raw == "" {
		raw = p.conn.Provider.TokenEndpointFor(p.conn.Environment)
	} else if p.checkURL(raw); p.fault != nil {
		return
	}
	if raw == "" {
		p.fail(fieldTokenEndpoint, "token_endpoint is missing; "+p.conn.Provider.ID+" needs it, for example "+p.conn.Provider.TokenEndpointExample)
		return
	}
	p.conn.TokenEndpoint, p.conn.Host = raw, oauth.EndpointHost(raw)
}

// checkURL refuses what is no token endpoint. The URL is not repeated: people paste keys into the wrong field.
func (p *parser) checkURL(raw string) {
	if strings.ContainsAny(raw, "{}<>") {
		p.fail(fieldTokenEndpoint, "token_endpoint still holds a placeholder; put your own value in its place")
		return
	}
	if u, err := url.Parse(raw); err == nil {
		if use, why, wrong := p.cat.WrongHost(u.Hostname()); wrong {
			p.fail(fieldTokenEndpoint, `token_endpoint: no tokens at "`+u.Hostname()+`": `+why+"; use "+use)
			return
		}
	}
	refused := (*oauth.Error)(nil)
	switch err := oauth.CheckEndpoint(raw, p.opts.AllowLoopback); {
	case err == nil:
	case errors.As(err, &refused) && refused.Code == oauth.CodeEndpointRefused:
		p.failCode(CodeEndpointRefused, fieldTokenEndpoint, "token_endpoint: "+refused.Description)
	case refused != nil:
		p.fail(fieldTokenEndpoint, "token_endpoint: "+refused.Description)
	default:
		p.fail(fieldTokenEndpoint, "token_endpoint is not an absolute https URL")
	}
}

// laterMethods are known and not yet supported.
func laterMethods() []string { return []string{"private_key_jwt", "tls_client_auth", "none"} }

// authMethod reads token_endpoint_auth_method.
func (p *parser) authMethod() {
	name := p.plainText(fieldAuthMethod)
	p.conn.AuthMethod = provider.AuthMethod(name)
	if name == "" {
		p.conn.AuthMethod = p.conn.Provider.DefaultAuthMethod()
	}
	if p.fault != nil || p.conn.Provider.Allows(p.conn.AuthMethod) {
		return
	}
	offered := make([]string, len(p.conn.Provider.AuthMethods))
	for i, m := range p.conn.Provider.AuthMethods {
		offered[i] = string(m)
	}
	why := ": "
	if slices.Contains(laterMethods(), name) {
		why = " is not supported yet: "
	} else if near := provider.Closest(name, offered); near != "" {
		why = `; did you mean "` + near + `"? `
	}
	p.fail(fieldAuthMethod, "token_endpoint_auth_method "+quote(name, p.doc)+why+p.conn.Provider.ID+" takes "+strings.Join(offered, ", "))
}

// grantType reads grant_type.
func (p *parser) grantType() {
	name := p.plainText(fieldGrantType)
	p.conn.GrantType = name
	if name == "" {
		p.conn.GrantType = p.conn.Provider.GrantTypes[0]
	}
	if p.fault != nil || slices.Contains(p.conn.Provider.GrantTypes, p.conn.GrantType) {
		return
	}
	msg := "grant_type " + quote(name, p.doc)
	if name == "refresh_token" || name == "authorization_code" {
		msg += " is not supported yet"
	}
	p.fail(fieldGrantType, msg+": "+strings.Join(p.conn.Provider.GrantTypes, " or "))
}

// lifetime reads refresh_at and max_lifetime.
func (p *parser) lifetime() {
	p.conn.RefreshAt = p.refreshAt()
	p.conn.MaxLifetime = p.conn.Provider.MaxLifetime
	if own := p.maxLifetime(); own > 0 && (p.conn.MaxLifetime == 0 || own < p.conn.MaxLifetime) {
		p.conn.MaxLifetime = own
	}
}

func (p *parser) refreshAt() float64 {
	s := p.scalar(fieldRefreshAt)
	if s == "" {
		return p.conn.Provider.EffectiveRefreshAt()
	}
	if strings.Contains(s, ",") {
		p.fail(fieldRefreshAt, "refresh_at "+quote(s, p.doc)+": use a point, 0.3 to 0.9")
		return 0
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0.3 && v <= 0.9) { // also refuses NaN
		p.fail(fieldRefreshAt, "refresh_at "+quote(s, p.doc)+": a fraction of the token's life, 0.3 to 0.9")
	}
	return v
}

func (p *parser) maxLifetime() time.Duration {
	s := p.scalar(fieldMaxLifetime)
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second { // times are kept in whole seconds
		p.fail(fieldMaxLifetime, "max_lifetime "+quote(s, p.doc)+`: a positive duration with its unit, such as "12h" or "45m"`)
	}
	return d
}
