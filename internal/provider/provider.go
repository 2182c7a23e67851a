// Package provider is the catalogue: what is known of each OAuth 2.0 provider, as data.
//
// One embedded JSON file describes one provider. Nothing here is code of one provider, so that a new one is a file, its tests run by
// themselves, and the three functions see it alike.
package provider

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Environments of a connection (contract.md section 1).
const (
	Production = "production"
	Sandbox    = "sandbox"
)

// MintEffect is what a newly minted token does to the provider's older ones (contract.md section 6).
type MintEffect string

// Mint effects. MintUnknown is treated as carefully as MintEvicts.
const (
	MintCoexists MintEffect = "coexists" // the older ones stay valid, or the same one is handed out again
	MintEvicts   MintEffect = "evicts"   // an older one may be revoked
	MintUnknown  MintEffect = "unknown"  // nobody has said or measured
)

// Probe is how the healthcheck asks whether a token endpoint works (contract.md section 7).
type Probe string

// Probes.
const (
	ProbeReachability Probe = "reachability" // a request without credentials, which the provider has to refuse in its own words
	ProbeToken        Probe = "token"        // a real exchange; only where MintEffect is MintCoexists
)

// Provider is what the catalogue knows of one provider. It is shared by all connections: read it, never write to it.
type Provider struct {
	ID   string // what a connection document names: lower case, the data file's name
	Name string // what people call it
	Docs string // the provider's own page about this flow, "" when there is none to point at

	TokenEndpoint        string // "": the connection must give token_endpoint, which has the form of TokenEndpointExample
	TokenEndpointExample string
	SandboxTokenEndpoint string            // for environment sandbox; the same as TokenEndpoint where only the credentials differ
	Environments         []string          // what environment may say; the first is Production
	WrongHosts           map[string]string // hosts that circulate as token endpoints and are none: host -> why

	AuthMethods   []AuthMethod      // what token_endpoint_auth_method may say; the first is the default
	RawBasic      bool              // see oauth.Endpoint
	JSONBody      bool              // see oauth.Endpoint
	GrantTypes    []string          // what grant_type may say; the first is the default
	OmitGrantType bool              // see oauth.Endpoint
	Params        url.Values        // fixed parameters of every token request
	ParamNames    map[string]string // standard parameter name -> the provider's
	Headers       http.Header       // fixed headers of every token request
	Dialect       oauth.Dialect     // how its answers differ from RFC 6749

	BasicToken       bool   // the panel hands out a ready-made Basic value, so basic_token is accepted
	ScopeRequired    bool   // without scope the provider refuses, so the document must have one
	AudienceRequired bool   // the same for audience
	ResourceRequired bool   // the same for resource
	AccountClaim     string // claim of the token that names the account (kiwify: store_id); "" when it has none
	PublishAccount   bool   // the account is published beside the token (contract.md section 2), so account_id is accepted

	MintEffect        MintEffect
	PropagationWindow time.Duration // how long the provider may refuse a pair that was just made; 0: it knows a new one at once

	RefreshAt       float64       // fraction of the token's life by which it is renewed at the latest; 0: DefaultRefreshAt
	DefaultLifetime time.Duration // when the answer names none; 0: oauth.DefaultLifetime
	MaxLifetime     time.Duration // caps what the answer says; 0: oauth.MaxLifetime
	Probe           Probe
	VerifyCalls     []VerifyCall // cheap authenticated calls; the first whose Scope was granted is made. Empty: there is none known

	Evidence []Evidence // where the facts come from
}

// DefaultRefreshAt is the fraction of a token's life by which it is renewed where neither document nor catalogue says (contract.md section 1).
const DefaultRefreshAt = 0.6

// VerifyCall is an authenticated call that costs little and changes nothing.
type VerifyCall struct {
	Method  string
	URL     map[string]string // environment -> absolute https URL
	Headers map[string]string // beside Authorization; "{account_id}" stands for the connection's account
	Scope   string            // made only when this scope was granted; "": always
}

// Source is the kind of evidence for a fact.
type Source string

// Sources, best first.
const (
	SourceMeasured      Source = "measured"      // seen in an answer, or run
	SourceDocumentation Source = "documentation" // the provider's own pages
	SourceServer        Source = "server source" // the source of the software that it runs
	SourceCode          Source = "public code"   // clients in public repositories
	SourceNango         Source = "nango"         // providers.yaml of the NangoHQ/nango project
	SourceAssumed       Source = "not verified"  // general knowledge: works by all accounts, nobody here has seen it
)

// Evidence says where facts come from.
type Evidence struct {
	Facts  []string // fields of the data file
	Source Source
	Note   string // what exactly, with a date where it may age
}

// DefaultAuthMethod is the method of a connection that names none.
func (p Provider) DefaultAuthMethod() AuthMethod { return p.AuthMethods[0] }

// TokenEndpointFor returns the token endpoint of an environment, "" when the connection has to give it.
func (p Provider) TokenEndpointFor(environment string) string {
	if environment == Sandbox {
		return p.SandboxTokenEndpoint
	}
	return p.TokenEndpoint
}

// HasAccount reports whether a connection may have an account_id.
func (p Provider) HasAccount() bool { return p.AccountClaim != "" || p.PublishAccount }

// EffectiveRefreshAt is RefreshAt, or DefaultRefreshAt when that is 0.
func (p Provider) EffectiveRefreshAt() float64 {
	if p.RefreshAt == 0 {
		return DefaultRefreshAt
	}
	return p.RefreshAt
}

// Unverified lists the fields of the data file that nobody has verified, in alphabetical order.
func (p Provider) Unverified() []string {
	var fields []string
	for _, e := range p.Evidence {
		if e.Source == SourceAssumed {
			fields = append(fields, e.Facts...)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// Allows reports whether a connection may use method.
func (p Provider) Allows(method AuthMethod) bool { return slices.Contains(p.AuthMethods, method) }

// methods is the list of a provider's methods for a message.
func (p Provider) methods() string {
	names := make([]string, len(p.AuthMethods))
	for i, m := range p.AuthMethods {
		names[i] = string(m)
	}
	return strings.Join(names, ", ")
}
