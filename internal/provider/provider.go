// Package provider is the catalogue: what is known of each OAuth 2.0 provider, as data.
//
// Providers are data: adding one means adding a JSON file. Its tests run automatically.
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

// IssueEffect is what a newly issued token does to the older tokens of the client (contract.md section 6).
type IssueEffect string

// Effects. IssueUnknown is treated like IssueEvicts.
const (
	IssueCoexists IssueEffect = "coexists" // the older ones stay valid, or the same one is issued again
	IssueEvicts   IssueEffect = "evicts"   // an older one may be revoked
	IssueUnknown  IssueEffect = "unknown"  // neither documented nor measured
)

// Probe is how the healthcheck tests a token endpoint (contract.md section 7).
type Probe string

// Probes.
const (
	ProbeReachability Probe = "reachability" // a request without credentials, which the provider must reject
	ProbeToken        Probe = "token"        // a real token request; only where IssueEffect is IssueCoexists
)

// Provider is an entry of the catalogue. All connections share it, so it must not be changed.
type Provider struct {
	ID   string // what a connection document names: lower case, the data file's name
	Name string // what people call it
	Docs string // the provider's page about this flow, "" for none

	TokenEndpoint        string // "": the connection must give token_endpoint, which has the form of TokenEndpointExample
	TokenEndpointExample string
	SandboxTokenEndpoint string            // for environment sandbox; the same as TokenEndpoint where only the credentials differ
	Environments         []string          // what environment may say; the first is Production
	WrongHosts           map[string]string // hosts that people mistake for token endpoints: host -> why not

	AuthMethods   []AuthMethod      // what token_endpoint_auth_method may say; the first is the default
	RawBasic      bool              // see oauth.Endpoint
	JSONBody      bool              // see oauth.Endpoint
	GrantTypes    []string          // what grant_type may say; the first is the default
	OmitGrantType bool              // see oauth.Endpoint
	Params        url.Values        // fixed parameters of every token request
	ParamNames    map[string]string // standard parameter name -> the provider's
	Headers       http.Header       // fixed headers of every token request
	Dialect       oauth.Dialect     // how the responses differ from RFC 6749; ends with the shared error rules

	BasicToken       bool   // the panel shows a ready-made Basic value, so basic_token is accepted
	ScopeRequired    bool   // the provider requires a scope, so the document must have one
	AudienceRequired bool   // the same for audience
	ResourceRequired bool   // the same for resource
	AccountClaim     string // claim of the token that names the account (kiwify: store_id); "" when it has none
	PublishAccount   bool   // the account is published beside the token (contract.md section 2), so account_id is accepted

	IssueEffect       IssueEffect
	PropagationWindow time.Duration // how long the provider may reject new client credentials; 0: it knows them at once

	RefreshAt       float64       // fraction of the token's lifetime at which it is renewed at the latest; 0: DefaultRefreshAt
	DefaultLifetime time.Duration // when the response states none; 0: not known
	MaxLifetime     time.Duration // caps the lifetime that the response states; 0: no cap
	Probe           Probe
	VerifyCalls     []VerifyCall // cheap authenticated calls; the first whose Scope was granted is made

	Evidence []Evidence // where the facts come from
}

// DefaultRefreshAt is the fraction of a token's lifetime at which it is renewed when neither document nor catalogue states one (contract.md
// section 1).
const DefaultRefreshAt = 0.6

// VerifyCall is an authenticated call that costs little and changes nothing.
type VerifyCall struct {
	Method  string
	URL     map[string]string // environment -> absolute https URL
	Headers map[string]string // beside Authorization; "{account_id}" is replaced by the connection's account
	Scope   string            // made only when this scope was granted; "": always
}

// Source is the kind of evidence for a fact.
type Source string

// Sources, best first.
const (
	SourceMeasured      Source = "measured"      // seen in a response, or run
	SourceDocumentation Source = "documentation" // the provider's own pages
	SourceServer        Source = "server source" // the source of the software that it runs
	SourceCode          Source = "public code"   // clients in public repositories
	SourceNango         Source = "nango"         // providers.yaml of the NangoHQ/nango project
	SourceAssumed       Source = "not verified"  // general knowledge; nobody has verified it
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
