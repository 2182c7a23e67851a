package oauth

import (
	"net/url"
	"strings"
)

// Grant is what the client trades for a token (RFC 6749 section 1.3). A value may serve many requests at once, so Apply must not change it.
type Grant interface {
	// Apply sets grant_type and the parameters of the grant, under their standard names. Its error becomes one of class configuration.
	Apply(form url.Values) error
	// Secrets returns what must never appear in an error or a log line, such as a refresh token. A parameter with such a value is not
	// part of a probe.
	Secrets() []Secret
}

// GrantClientCredentials is the grant_type of RFC 6749 section 4.4.
const GrantClientCredentials = "client_credentials"

// ClientCredentials is the grant of RFC 6749 section 4.4. The zero value requests the client's default scope.
type ClientCredentials struct {
	Scope    []string // RFC 6749 section 3.3; empty: no scope parameter
	Audience string   // for servers that issue tokens for several APIs; "": none
	Resource string   // RFC 8707 section 2; "": none
}

// Apply sets the parameters.
func (g ClientCredentials) Apply(form url.Values) error {
	form.Set("grant_type", GrantClientCredentials)
	for name, value := range map[string]string{"scope": strings.Join(g.Scope, " "), "audience": g.Audience, "resource": g.Resource} {
		if value != "" {
			form.Set(name, value)
		}
	}
	return nil
}

// Secrets returns nil: the grant has none.
func (ClientCredentials) Secrets() []Secret { return nil }
