package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// file is the shape of a data file. Durations are Go durations as text. docs/providers/README.md explains every field.
type file struct {
	ID                   string              `json:"id"`
	Name                 string              `json:"name"`
	Docs                 string              `json:"docs"`
	TokenEndpoint        string              `json:"token_endpoint"`
	TokenEndpointExample string              `json:"token_endpoint_example"`
	SandboxTokenEndpoint string              `json:"sandbox_token_endpoint"`
	Environments         []string            `json:"environments"`
	WrongHosts           map[string]string   `json:"wrong_hosts"`
	AuthMethods          []AuthMethod        `json:"auth_methods"`
	RawBasic             bool                `json:"raw_basic"`
	JSONBody             bool                `json:"json_body"`
	GrantTypes           []string            `json:"grant_types"`
	OmitGrantType        bool                `json:"omit_grant_type"`
	Params               map[string][]string `json:"params"`
	ParamNames           map[string]string   `json:"param_names"`
	Headers              map[string]string   `json:"headers"`
	Answer               answer              `json:"answer"`
	BasicToken           bool                `json:"basic_token"`
	ScopeRequired        bool                `json:"scope_required"`
	AudienceRequired     bool                `json:"audience_required"`
	ResourceRequired     bool                `json:"resource_required"`
	AccountClaim         string              `json:"account_claim"`
	PublishAccount       bool                `json:"publish_account"`
	MintEffect           MintEffect          `json:"mint_effect"`
	PropagationWindow    duration            `json:"propagation_window"`
	RefreshAt            float64             `json:"refresh_at"`
	DefaultLifetime      duration            `json:"default_lifetime"`
	MaxLifetime          duration            `json:"max_lifetime"`
	Probe                Probe               `json:"probe"`
	VerifyCalls          []verifyCall        `json:"verify_calls"`
	Evidence             []evidence          `json:"evidence"`
}

// answer is oauth.Dialect as data.
type answer struct {
	Fields        map[string]string `json:"fields"`
	ExpiresInUnit duration          `json:"expires_in_unit"`
	RateLimitWait duration          `json:"rate_limit_wait"`
	Errors        []errorRule       `json:"errors"`
}

// errorRule is oauth.ErrorRule as data.
type errorRule struct {
	Status     int         `json:"status"`
	Error      string      `json:"error"`
	Message    string      `json:"message"`
	Field      string      `json:"field"`
	Match      string      `json:"match"`
	Class      oauth.Class `json:"class"`
	Code       string      `json:"code"`
	RetryAfter duration    `json:"retry_after"`
}

type verifyCall struct {
	Method  string            `json:"method"`
	URL     map[string]string `json:"url"`
	Headers map[string]string `json:"headers"`
	Scope   string            `json:"scope"`
}

type evidence struct {
	Facts  []string `json:"facts"`
	Source Source   `json:"source"`
	Note   string   `json:"note"`
}

// duration is a Go duration written as text; negative ones are refused.
type duration time.Duration

// UnmarshalJSON reads "48h" and the like.
func (d *duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("duration %s is not text such as \"48h\"", b)
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("duration %q is not a positive Go duration such as \"48h\"", text)
	}
	*d = duration(v)
	return nil
}

// vendorErrors is an entry of the file of shared rules: how one vendor reports errors, whatever provider the connection names.
type vendorErrors struct {
	Vendor string      `json:"vendor"`
	Docs   string      `json:"docs"`
	Errors []errorRule `json:"errors"`
}

// decode reads one data file into v and refuses fields that it does not know.
func decode(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode: something follows the object")
	}
	return nil
}

// provider turns the data into what the program uses.
func (f file) provider() Provider {
	p := Provider{
		ID: f.ID, Name: f.Name, Docs: f.Docs,
		TokenEndpoint: f.TokenEndpoint, TokenEndpointExample: f.TokenEndpointExample, SandboxTokenEndpoint: f.SandboxTokenEndpoint,
		Environments: f.Environments, WrongHosts: f.WrongHosts,
		AuthMethods: f.AuthMethods, RawBasic: f.RawBasic, JSONBody: f.JSONBody,
		GrantTypes: f.GrantTypes, OmitGrantType: f.OmitGrantType, Params: url.Values(f.Params), ParamNames: f.ParamNames,
		Headers: make(http.Header, len(f.Headers)), Dialect: f.Answer.dialect(),
		BasicToken: f.BasicToken, ScopeRequired: f.ScopeRequired, AudienceRequired: f.AudienceRequired, ResourceRequired: f.ResourceRequired,
		AccountClaim: f.AccountClaim, PublishAccount: f.PublishAccount,
		MintEffect: f.MintEffect, PropagationWindow: time.Duration(f.PropagationWindow), RefreshAt: f.RefreshAt,
		DefaultLifetime: time.Duration(f.DefaultLifetime), MaxLifetime: time.Duration(f.MaxLifetime), Probe: f.Probe,
	}
	for name, value := range f.Headers {
		p.Headers.Set(name, value)
	}
	for _, c := range f.VerifyCalls {
		p.VerifyCalls = append(p.VerifyCalls, VerifyCall(c))
	}
	for _, e := range f.Evidence {
		p.Evidence = append(p.Evidence, Evidence(e))
	}
	return p
}

// dialect turns the data into what pkg/oauth uses.
func (a answer) dialect() oauth.Dialect {
	d := oauth.Dialect{
		Fields:        a.Fields,
		ExpiresInUnit: time.Duration(a.ExpiresInUnit),
		RateLimitWait: time.Duration(a.RateLimitWait),
	}
	d.Errors = errorRules(a.Errors)
	return d
}

func errorRules(data []errorRule) []oauth.ErrorRule {
	var rules []oauth.ErrorRule
	for _, r := range data {
		rules = append(rules, oauth.ErrorRule{
			Status: r.Status, Error: r.Error, Message: r.Message, Field: r.Field, Match: r.Match,
			Class: r.Class, Code: r.Code, RetryAfter: time.Duration(r.RetryAfter),
		})
	}
	return rules
}
