package connection

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// What the documents of these tests hold as credentials. No error may repeat the last two.
const (
	testID     = "3f1c7d52-0a4b-4c7e-9d2f-8b6a5e4d3c2b"
	testSecret = "q8Zr+Lw2/vN5tYx7=Kp3"
)

var testBasic = base64.StdEncoding.EncodeToString([]byte(testID + ":" + testSecret))

func catalogue(t testing.TB) provider.Catalogue {
	t.Helper()
	c, err := provider.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with is a valid document of a provider with some fields changed; nil removes a field.
func with(t testing.TB, providerID string, changes map[string]any) string {
	t.Helper()
	doc := map[string]any{"provider": providerID, "client_id": testID, "client_secret": testSecret}
	for name, value := range changes {
		doc[name] = value
		if value == nil {
			delete(doc, name)
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func parse(t testing.TB, id, doc string) (Connection, error) {
	t.Helper()
	return Parse(id, oauth.NewSecret(doc), catalogue(t), Options{})
}

// must parses a document that has to be valid.
func must(t testing.TB, doc string) Connection {
	t.Helper()
	c, err := parse(t, "a/b", doc)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused parses a document that has to be refused and returns why.
func refused(t testing.TB, doc string) *Error {
	t.Helper()
	_, err := parse(t, "kiwify/main", doc)
	fault := (*Error)(nil)
	if !errors.As(err, &fault) {
		t.Fatalf("error %v, want an *Error", err)
	}
	if !strings.HasPrefix(fault.Error(), "kiwify/main: ") || fault.Class() != oauth.Configuration {
		t.Errorf("error %q of class %q does not name the connection", fault, fault.Class())
	}
	for _, secret := range []string{testSecret, testBasic} {
		if strings.Contains(fault.Error(), secret) || strings.Contains(fault.Field, secret) {
			t.Error("the error holds a credential")
		}
	}
	return fault
}

func TestADocumentWithOnlyTheNeededFields(t *testing.T) {
	c := must(t, with(t, "hotmart", nil))
	if c.ID != "a/b" || c.Provider.ID != "hotmart" || c.ClientID != testID || c.ClientSecret.Reveal() != testSecret {
		t.Errorf("id %q, provider %q, client id %q", c.ID, c.Provider.ID, c.ClientID)
	}
	if c.TokenEndpoint != "https://api-sec-vlc.hotmart.com/security/oauth/token" || c.Host != "api-sec-vlc.hotmart.com" {
		t.Errorf("endpoint %q, host %q", c.TokenEndpoint, c.Host)
	}
	if c.AuthMethod != provider.ClientSecretBasic || c.GrantType != oauth.GrantClientCredentials || c.Environment != provider.Production {
		t.Errorf("method %q, grant %q, environment %q", c.AuthMethod, c.GrantType, c.Environment)
	}
	if c.RefreshAt != 0.6 || c.MaxLifetime != 0 || c.VerifyCall || !c.Fallback || c.Scope != "" || c.RequiredScope != nil {
		t.Errorf("refresh at %g, max lifetime %s, verify %t, fallback %t, scope %q %q", c.RefreshAt, c.MaxLifetime, c.VerifyCall, c.Fallback, c.Scope, c.RequiredScope)
	}
}

// TestTheConsolesEditorStoresEverythingAsAString: all fields as the key/value editor of the AWS console writes them.
func TestTheConsolesEditorStoresEverythingAsAString(t *testing.T) {
	c := must(t, with(t, "hotmart", map[string]any{
		"environment": "sandbox", "scope": "read  write", "required_scope": `["read","write"]`, "token_endpoint": "", "audience": "aud",
		"resource": "res", "token_endpoint_auth_method": "client_secret_post", "grant_type": "client_credentials", "refresh_at": "0.8",
		"max_lifetime": "12h", "verify_call": "true", "fallback": "False", "x_note": "of Maria",
	}))
	if c.Environment != provider.Sandbox || c.Scope != "read write" || !slices.Equal(c.RequiredScope, []string{"read", "write"}) {
		t.Errorf("environment %q, scope %q, required %q", c.Environment, c.Scope, c.RequiredScope)
	}
	if c.RefreshAt != 0.8 || c.MaxLifetime != 12*time.Hour || !c.VerifyCall || c.Fallback {
		t.Errorf("refresh at %g, max lifetime %s, verify %t, fallback %t", c.RefreshAt, c.MaxLifetime, c.VerifyCall, c.Fallback)
	}
	if c.AuthMethod != provider.ClientSecretPost || c.Audience != "aud" || c.Resource != "res" {
		t.Errorf("method %q, audience %q, resource %q", c.AuthMethod, c.Audience, c.Resource)
	}
}

func TestJSONNumbersBooleansAndLists(t *testing.T) {
	c := must(t, with(t, "kiwify", map[string]any{
		"refresh_at": 0.3, "verify_call": true, "fallback": false, "scope": []string{"stats", "sales"}, "required_scope": "stats sales",
		"account_id": "8f2Kd91LmQ", "audience": nil, "x_anything": map[string]any{"a": 1},
	}))
	if c.RefreshAt != 0.3 || !c.VerifyCall || c.Fallback || c.Scope != "stats sales" || !slices.Equal(c.RequiredScope, []string{"stats", "sales"}) {
		t.Errorf("refresh at %g, verify %t, fallback %t, scope %q %q", c.RefreshAt, c.VerifyCall, c.Fallback, c.Scope, c.RequiredScope)
	}
	if c.AccountID != "8f2Kd91LmQ" {
		t.Errorf("account %q", c.AccountID)
	}
}

func TestNullIsAbsent(t *testing.T) {
	c := must(t, `{"provider":"kiwify","client_id":"c-1","client_secret":"s-1","scope":null,"refresh_at":null,"fallback":null,"basic_token":null}`)
	if c.Scope != "" || c.RefreshAt != 0.6 || !c.Fallback {
		t.Errorf("scope %q, refresh at %g, fallback %t", c.Scope, c.RefreshAt, c.Fallback)
	}
}

func TestAByteOrderMarkIsSkipped(t *testing.T) { must(t, "\ufeff"+with(t, "kiwify", nil)) }

func TestTheSmallerMaxLifetimeCounts(t *testing.T) {
	for _, tt := range []struct {
		catalogue time.Duration
		document  string
		want      time.Duration
	}{
		{0, "", 0}, {time.Hour, "", time.Hour}, {0, "2h", 2 * time.Hour}, {time.Hour, "2h", time.Hour}, {time.Hour, "30m", 30 * time.Minute},
	} {
		doc, err := readDocument(oauth.NewSecret(`{"max_lifetime":"` + tt.document + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		p := &parser{doc: doc, conn: Connection{Provider: provider.Provider{MaxLifetime: tt.catalogue}}}
		if p.lifetime(); p.conn.MaxLifetime != tt.want || p.fault != nil {
			t.Errorf("catalogue %s, document %q: %s (%v), want %s", tt.catalogue, tt.document, p.conn.MaxLifetime, p.fault, tt.want)
		}
	}
}

func TestGenericTakesItsEndpointFromTheDocument(t *testing.T) {
	c := must(t, with(t, "generic", map[string]any{"token_endpoint": "https://login.example.com:8443/t", "environment": "sandbox"}))
	if c.TokenEndpoint != "https://login.example.com:8443/t" || c.Host != "login.example.com:8443" {
		t.Errorf("endpoint %q, host %q", c.TokenEndpoint, c.Host)
	}
}

func TestLoopbackOnlyWhereItIsAllowed(t *testing.T) {
	doc := oauth.NewSecret(with(t, "kiwify", map[string]any{"token_endpoint": "http://127.0.0.1:8080/token"}))
	if _, err := Parse("a", doc, catalogue(t), Options{}); err == nil {
		t.Error("loopback accepted")
	}
	c, err := Parse("a", doc, catalogue(t), Options{AllowLoopback: true})
	if err != nil || c.Host != "127.0.0.1:8080" {
		t.Errorf("host %q, error %v", c.Host, err)
	}
}

func TestRequest(t *testing.T) {
	c := must(t, with(t, "hotmart", map[string]any{"scope": "read  write", "audience": "A", "resource": "R", "max_lifetime": "3h"}))
	r := c.TokenRequest()
	call := oauth.Call{Form: url.Values{}, Header: http.Header{}}
	if err := errors.Join(r.Grant.Apply(call.Form), r.Auth.Apply(t.Context(), &call)); err != nil {
		t.Fatal(err)
	}
	if r.Endpoint.URL != c.TokenEndpoint || r.Endpoint.Body != oauth.FormBody || call.Header.Get("Authorization") != "Basic "+testBasic {
		t.Errorf("endpoint %q, body %q, authorization %t", r.Endpoint.URL, r.Endpoint.Body, len(call.Header["Authorization"]) > 0)
	}
	if want := "audience=A&grant_type=client_credentials&resource=R&scope=read+write"; call.Form.Encode() != want {
		t.Errorf("parameters %q, want %q", call.Form.Encode(), want)
	}
	if len(r.Endpoint.Dialect.Errors) != len(c.Provider.Dialect.Errors) || len(r.Endpoint.Dialect.Errors) == 0 {
		t.Errorf("%d rules", len(r.Endpoint.Dialect.Errors))
	}
}

func TestEachAuthMethodIsSentInItsWay(t *testing.T) {
	for method, want := range map[provider.AuthMethod]oauth.Endpoint{
		provider.ClientSecretBasic: {Body: oauth.FormBody}, provider.ClientSecretPost: {Body: oauth.FormBody},
		provider.ClientSecretQuery: {Body: oauth.QueryBody}, provider.ClientSecretJSON: {Body: oauth.JSONBody},
	} {
		c := must(t, with(t, "generic", map[string]any{"token_endpoint": "https://auth.example.com/token", "token_endpoint_auth_method": string(method)}))
		r := c.TokenRequest()
		call := oauth.Call{Form: url.Values{}, Header: http.Header{}}
		if err := r.Auth.Apply(t.Context(), &call); err != nil {
			t.Fatal(err)
		}
		basic := len(call.Header["Authorization"]) > 0
		if r.Endpoint.Body != want.Body || basic != (method == provider.ClientSecretBasic) || call.Form.Has("client_secret") == basic {
			t.Errorf("%s: body %q, basic %t", method, r.Endpoint.Body, basic)
		}
	}
}

func TestARequestDoesNotShareWhatTheCatalogueOwns(t *testing.T) {
	c := must(t, with(t, "zoho", map[string]any{"token_endpoint": "https://accounts.zoho.eu/oauth/v2/token", "scope": "ZohoCRM.settings.READ", "resource": "ZohoCRM.1"}))
	r := c.TokenRequest()
	r.Endpoint.ParamNames["resource"] = "changed"
	if got := c.TokenRequest().Endpoint.ParamNames["resource"]; got != "soid" {
		t.Errorf("resource is sent as %q after a caller's change", got)
	}
}

func TestBasicTokenInAllItsForms(t *testing.T) {
	unpadded := strings.TrimRight(testBasic, "=")
	for name, token := range map[string]string{
		"as it is":            testBasic,
		"with the word":       "Basic " + testBasic,
		"with the word small": "basic " + testBasic,
		"with the word large": "BASIC  " + testBasic,
		"with the header":     "Authorization: Basic " + testBasic,
		"without padding":     unpadded,
		"with more padding":   unpadded + "===",
		"of the URL alphabet": strings.NewReplacer("+", "-", "/", "_").Replace(testBasic),
	} {
		t.Run(name, func(t *testing.T) {
			for _, fields := range []map[string]any{
				{"client_id": nil, "client_secret": nil}, {"client_secret": nil}, {"client_id": nil}, {}, {"client_id": "", "client_secret": ""},
			} {
				fields["basic_token"] = token
				if c := must(t, with(t, "hotmart", fields)); c.ClientID != testID || c.ClientSecret.Reveal() != testSecret {
					t.Errorf("fields %d: client id %q", len(fields), c.ClientID)
				}
			}
		})
	}
}

func TestASecretMayHoldColons(t *testing.T) {
	token := base64.StdEncoding.EncodeToString([]byte("abc:d:e"))
	if c := must(t, with(t, "hotmart", map[string]any{"client_id": nil, "client_secret": nil, "basic_token": token})); c.ClientSecret.Reveal() != "d:e" {
		t.Error("the secret was cut at the wrong colon")
	}
}

func TestTheFirstFaultIsAlwaysTheSame(t *testing.T) {
	doc := with(t, "kiwify", map[string]any{"client_secret": "changeme", "refresh_at": "0,8", "scope": "a\\b", "environment": "prod"})
	for range 50 {
		if fault := refused(t, doc); fault.Field != "client_secret" {
			t.Fatalf("field %q", fault.Field)
		}
	}
}
