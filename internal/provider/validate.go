package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// faults returns everything that is wrong with p, each naming its field.
func (p Provider) faults() []error {
	var v faultList
	p.checkNames(&v)
	p.checkEndpoints(&v)
	p.checkRequest(&v)
	p.checkDialect(&v)
	p.checkRefresh(&v)
	p.checkVerifyCalls(&v)
	p.checkEvidence(&v)
	return v.faults
}

// faultList collects faults in the order of the checks.
type faultList struct{ faults []error }

// add records a fault of a field.
func (v *faultList) add(field, format string, args ...any) {
	v.faults = append(v.faults, fmt.Errorf("%s: %w", field, fmt.Errorf(format, args...)))
}

// url records a fault unless raw is an absolute https URL.
func (v *faultList) url(field, raw string) {
	if u, err := url.Parse(raw); err != nil || u.Scheme != "https" || u.Host == "" {
		v.add(field, "%q is not an absolute https URL", raw)
	}
}

// endpoint records a fault unless raw is an https URL that may be called.
func (v *faultList) endpoint(field, raw string) {
	if err := oauth.CheckEndpoint(raw, false); err != nil {
		v.add(field, "%q: %w", raw, err)
	}
}

// maxID is the longest id of a provider, in characters.
const maxID = 32

// validID reports whether an id is made of lower case letters, digits and dashes, and does not begin with a dash. It is no regular
// expression, since compiling one for each file was most of what loading the catalogue cost a cold start.
func validID(id string) bool {
	for i, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (c != '-' || i == 0) {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

func (p Provider) checkNames(v *faultList) {
	if !validID(p.ID) {
		v.add("id", "%q: lower case letters, digits and dashes only", p.ID)
	}
	if p.Name == "" {
		v.add("name", "missing")
	}
	if p.Docs != "" {
		v.url("docs", p.Docs)
	}
}

func (p Provider) checkEndpoints(v *faultList) {
	if (p.TokenEndpoint == "") == (p.TokenEndpointExample == "") {
		v.add("token_endpoint", "give this or token_endpoint_example, one of the two")
	}
	if p.TokenEndpoint != "" {
		v.endpoint("token_endpoint", p.TokenEndpoint)
	}
	if p.TokenEndpointExample != "" && !strings.HasPrefix(p.TokenEndpointExample, "https://") {
		v.add("token_endpoint_example", "%q does not begin with https://", p.TokenEndpointExample)
	}
	p.checkEnvironments(v)
	for host, why := range p.WrongHosts {
		if host != strings.ToLower(host) || strings.ContainsAny(host, "/: ") || why == "" {
			v.add("wrong_hosts", "%q: a lower case host name, and why it is wrong", host)
		}
	}
}

func (p Provider) checkEnvironments(v *faultList) {
	if len(p.Environments) == 0 || p.Environments[0] != Production {
		v.add("environments", "the first is %q", Production)
	}
	for _, e := range p.Environments {
		if e != Production && e != Sandbox {
			v.add("environments", "%q is neither %q nor %q", e, Production, Sandbox)
		}
	}
	sandbox := slices.Contains(p.Environments, Sandbox)
	if p.SandboxTokenEndpoint != "" {
		v.endpoint("sandbox_token_endpoint", p.SandboxTokenEndpoint)
	}
	if sandbox != (p.SandboxTokenEndpoint != "") && p.TokenEndpoint != "" {
		v.add("sandbox_token_endpoint", "given exactly when environments has %q", Sandbox)
	}
}

func (p Provider) checkRequest(v *faultList) {
	known := []AuthMethod{ClientSecretBasic, ClientSecretPost, ClientSecretQuery, ClientSecretJSON}
	if len(p.AuthMethods) == 0 {
		v.add("auth_methods", "missing")
	}
	for _, m := range p.AuthMethods {
		if !slices.Contains(known, m) {
			v.add("auth_methods", "%q is unknown", m)
		}
	}
	basic := slices.Contains(p.AuthMethods, ClientSecretBasic)
	if p.RawBasic && !basic {
		v.add("raw_basic", "without client_secret_basic in auth_methods (%s)", p.methods())
	}
	if p.JSONBody && !basic {
		v.add("json_body", "only for client_secret_basic; client_secret_json says it already")
	}
	if p.BasicToken && !p.RawBasic { // the panel's value is the raw pair: encoding its halves would send another value
		v.add("basic_token", "needs raw_basic")
	}
	if !slices.Equal(p.GrantTypes, []string{oauth.GrantClientCredentials}) {
		v.add("grant_types", "only %q is supported", oauth.GrantClientCredentials)
	}
	p.checkParams(v)
}

func (p Provider) checkParams(v *faultList) {
	standard := []string{"grant_type", "client_id", "client_secret", "scope", "audience", "resource"}
	for name := range p.Params {
		if slices.Contains(standard, name) {
			v.add("params", "%q is not a fixed parameter", name)
		}
	}
	for name, theirs := range p.ParamNames {
		if !slices.Contains(standard, name) || theirs == "" {
			v.add("param_names", "%q: one of %s, and what it is called", name, strings.Join(standard, ", "))
		}
	}
	for name := range p.Headers {
		if slices.Contains([]string{"Authorization", "Content-Type", "Content-Length", "Host", "User-Agent"}, name) {
			v.add("headers", "%q is not a fixed header", name)
		}
	}
}

func (p Provider) checkDialect(v *faultList) {
	if err := p.Dialect.Validate(); err != nil {
		v.add("answer", "%w", err)
	}
	for i, r := range p.Dialect.Errors {
		if r.RetryAfter > 0 && r.Class != oauth.Transient {
			v.add(fmt.Sprintf("answer.errors[%d].retry_after", i), "only for class transient")
		}
		if r.Status != 0 && http.StatusText(r.Status) == "" {
			v.add(fmt.Sprintf("answer.errors[%d].status", i), "%d", r.Status)
		}
	}
}

func (p Provider) checkRefresh(v *faultList) {
	if p.RefreshAt != 0 && (p.RefreshAt < 0.3 || p.RefreshAt > 0.9) {
		v.add("refresh_at", "%g: 0.3 to 0.9", p.RefreshAt)
	}
	if p.MaxLifetime > 0 && p.DefaultLifetime > p.MaxLifetime {
		v.add("default_lifetime", "%s is more than max_lifetime", p.DefaultLifetime)
	}
	if !slices.Contains([]MintEffect{MintCoexists, MintEvicts, MintUnknown}, p.MintEffect) {
		v.add("mint_effect", "%q: coexists, evicts or unknown", p.MintEffect)
	}
	if !slices.Contains([]Probe{ProbeReachability, ProbeToken}, p.Probe) {
		v.add("probe", "%q: reachability or token", p.Probe)
	}
	if p.Probe == ProbeToken && p.MintEffect != MintCoexists {
		v.add("probe", "token only where mint_effect is coexists")
	}
	if p.PublishAccount && p.AccountClaim == "" {
		v.add("publish_account", "needs account_claim")
	}
}

func (p Provider) checkVerifyCalls(v *faultList) {
	for i, c := range p.VerifyCalls {
		field := fmt.Sprintf("verify_calls[%d]", i)
		if c.Method != http.MethodGet && c.Method != http.MethodPost {
			v.add(field+".method", "%q", c.Method)
		}
		for _, e := range p.Environments {
			v.endpoint(field+".url."+e, c.URL[e])
		}
		for name := range c.Headers {
			if http.CanonicalHeaderKey(name) == "Authorization" {
				v.add(field+".headers", "Authorization is the token's")
			}
		}
	}
}

func (p Provider) checkEvidence(v *faultList) {
	sources := []Source{SourceMeasured, SourceDocumentation, SourceServer, SourceCode, SourceNango, SourceAssumed}
	named := map[string]bool{}
	for i, e := range p.Evidence {
		if !slices.Contains(sources, e.Source) || len(e.Facts) == 0 || e.Note == "" {
			v.add(fmt.Sprintf("evidence[%d]", i), "needs facts, a note and a source of %q", sources)
		}
		for _, f := range e.Facts {
			named[f] = true
		}
	}
	if p.TokenEndpoint != "" && !named["token_endpoint"] {
		v.add("evidence", "says nothing of token_endpoint")
	}
}
