package provider

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// mustLoad is the embedded catalogue.
func mustLoad(t *testing.T) Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, id string) Provider {
	t.Helper()
	p, ok := mustLoad(t).Get(id)
	if !ok {
		t.Fatalf("no provider %q", id)
	}
	return p
}

func TestLoadShipsTheProvidersOfTheDocumentation(t *testing.T) {
	want := []string{
		"amazon-lwa", "auth0", "fiserv", "generic", "hotmart", "ifood", "kajabi", "kiwify", "mercadopago", "microsoft", "paypal", "salesforce",
		"spotify", "twitch", "xero", "zoho",
	}
	c := mustLoad(t)
	if got := c.IDs(); !slices.Equal(got, want) {
		t.Errorf("IDs() = %v, want %v", got, want)
	}
	c.IDs()[0] = "changed"
	if got := c.IDs()[0]; got != want[0] {
		t.Errorf("a caller changed the catalogue: IDs()[0] = %q", got)
	}
}

func TestHotmart(t *testing.T) {
	p := get(t, "hotmart")
	const endpoint = "https://api-sec-vlc.hotmart.com/security/oauth/token"
	if p.TokenEndpointFor(Production) != endpoint || p.TokenEndpointFor(Sandbox) != endpoint {
		t.Errorf("endpoints %q and %q, want the same for both environments", p.TokenEndpointFor(Production), p.TokenEndpointFor(Sandbox))
	}
	if p.DefaultAuthMethod() != ClientSecretBasic || !p.RawBasic || !p.BasicToken {
		t.Errorf("method %q, raw %t, basic token %t", p.DefaultAuthMethod(), p.RawBasic, p.BasicToken)
	}
	for method, want := range map[AuthMethod]bool{
		ClientSecretBasic: true, ClientSecretQuery: true, ClientSecretPost: true, ClientSecretJSON: false,
	} {
		if got := p.Allows(method); got != want {
			t.Errorf("Allows(%s) = %t, want %t", method, got, want)
		}
	}
	if p.MintEffect != MintUnknown || p.Probe != ProbeReachability || p.HasAccount() || p.EffectiveRefreshAt() != 0.6 {
		t.Errorf("mint effect %q, probe %q, account %t, refresh at %g", p.MintEffect, p.Probe, p.HasAccount(), p.EffectiveRefreshAt())
	}
}

func TestKiwify(t *testing.T) {
	p := get(t, "kiwify")
	if p.TokenEndpoint != "https://public-api.kiwify.com/v1/oauth/token" || p.TokenEndpointFor(Sandbox) != "" {
		t.Errorf("endpoints %q and %q", p.TokenEndpoint, p.TokenEndpointFor(Sandbox))
	}
	if !slices.Equal(p.AuthMethods, []AuthMethod{ClientSecretPost}) {
		t.Errorf("methods %v", p.AuthMethods)
	}
	if p.AccountClaim != "store_id" || !p.PublishAccount || !p.HasAccount() {
		t.Errorf("account claim %q, published %t", p.AccountClaim, p.PublishAccount)
	}
	if p.Dialect.RateLimitWait != time.Minute || p.MintEffect != MintUnknown || p.OmitGrantType {
		t.Errorf("rate limit wait %s, mint effect %q, omit grant type %t", p.Dialect.RateLimitWait, p.MintEffect, p.OmitGrantType)
	}
}

func TestEveryProviderWithATenantInItsURLShowsTheForm(t *testing.T) {
	c := mustLoad(t)
	for _, id := range []string{"auth0", "generic", "microsoft", "salesforce", "zoho"} {
		p, _ := c.Get(id)
		if p.TokenEndpoint != "" || p.TokenEndpointExample == "" {
			t.Errorf("%s: endpoint %q, example %q", id, p.TokenEndpoint, p.TokenEndpointExample)
		}
	}
}

func TestUnverified(t *testing.T) {
	p := Provider{Evidence: []Evidence{
		{Facts: []string{"b", "a"}, Source: SourceAssumed}, {Facts: []string{"c"}, Source: SourceDocumentation}, {Facts: []string{"a"}, Source: SourceAssumed},
	}}
	if got := p.Unverified(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Unverified() = %v", got)
	}
}

func TestWrongHostNamesTheRightEndpoint(t *testing.T) {
	c := mustLoad(t)
	for _, host := range []string{"api.hotmart.com", "developers.hotmart.com", "api-hot-connect.hotmart.com", "API.Hotmart.com"} {
		use, why, wrong := c.WrongHost(host)
		if !wrong || why == "" || use != "https://api-sec-vlc.hotmart.com/security/oauth/token" {
			t.Errorf("WrongHost(%s) = %q, %q, %t", host, use, why, wrong)
		}
	}
	if _, _, wrong := c.WrongHost("api-sec-vlc.hotmart.com"); wrong {
		t.Error("the right host is called wrong")
	}
}

func TestNearest(t *testing.T) {
	c := mustLoad(t)
	for _, tt := range []struct{ in, want string }{
		{"Hotmart", "hotmart"},
		{"KIWIFY", "kiwify"},
		{"hot-mart", "hotmart"},
		{"hotmrat", "hotmart"},
		{"kiwfy", "kiwify"},
		{"hotmart ", "hotmart"},
		{"amazon", "amazon-lwa"},
		{"microsoft365", "microsoft"},
		{"xyzzy", ""},
		{"", ""},
		{strings.Repeat("hotmart", 100), ""},
	} {
		if got := c.Nearest(tt.in); got != tt.want {
			t.Errorf("Nearest(%.20q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"scope", "scopes", 1}, {"scope", "scope", 0},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// valid is a data file without fault, for tests that break one field of it.
func valid() map[string]any {
	return map[string]any{
		"id": "acme", "name": "Acme", "token_endpoint": "https://auth.acme.test/token", "environments": []string{"production"},
		"auth_methods": []string{"client_secret_basic"}, "grant_types": []string{"client_credentials"}, "mint_effect": "unknown",
		"probe":    "reachability",
		"evidence": []any{map[string]any{"facts": []string{"token_endpoint"}, "source": "documentation", "note": "n"}},
	}
}

func loadOne(t *testing.T, content string) (Catalogue, error) {
	t.Helper()
	return load(withShared(fstest.MapFS{"data/acme.json": {Data: []byte(content)}}, `[]`), "data")
}

// withShared adds a file of shared rules.
func withShared(files fstest.MapFS, rules string) fstest.MapFS {
	files[sharedErrors] = &fstest.MapFile{Data: []byte(rules)}
	return files
}

func TestAValidFileLoads(t *testing.T) {
	raw, err := json.Marshal(valid())
	if err != nil {
		t.Fatal(err)
	}
	c, err := loadOne(t, string(raw))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := c.Get("acme"); !ok || p.Name != "Acme" {
		t.Errorf("Get = %+v, %t", p, ok)
	}
}

func TestABrokenFileIsRefusedByFileAndField(t *testing.T) {
	rule := func(field string, value any) any {
		r := map[string]any{"error": "e", "class": "credentials", "code": "c"}
		r[field] = value
		return map[string]any{"errors": []any{r}}
	}
	for _, tt := range []struct {
		name  string
		field string
		value any // nil removes the field
		want  string
	}{
		{"an unknown field", "colour", "red", `unknown field "colour"`},
		{"an id that is not the file's name", "id", "other", `id: "other" is not the file's name`},
		{"an id with capitals", "id", "Acme", "id: "},
		{"no name", "name", nil, "name: missing"},
		{"a page over http", "docs", "http://acme.test", "docs: "},
		{"no endpoint and no example", "token_endpoint", nil, "token_endpoint: "},
		{"an endpoint over http", "token_endpoint", "http://auth.acme.test/token", "token_endpoint: "},
		{"an endpoint on loopback", "token_endpoint", "https://127.0.0.1/token", "token_endpoint: "},
		{"an example beside an endpoint", "token_endpoint_example", "https://x.test", "token_endpoint: "},
		{"no environments", "environments", nil, "environments: "},
		{"sandbox first", "environments", []string{"sandbox"}, "environments: "},
		{"an unknown environment", "environments", []string{"production", "staging"}, `environments: "staging"`},
		{"sandbox without its endpoint", "environments", []string{"production", "sandbox"}, "sandbox_token_endpoint: "},
		{"a sandbox endpoint without sandbox", "sandbox_token_endpoint", "https://s.acme.test/t", "sandbox_token_endpoint: "},
		{"a wrong host with a path", "wrong_hosts", map[string]string{"a.test/x": "y"}, "wrong_hosts: "},
		{"no auth method", "auth_methods", nil, "auth_methods: missing"},
		{"an unknown auth method", "auth_methods", []string{"basic"}, `auth_methods: "basic"`},
		{"raw_basic without basic", "auth_methods", []string{"client_secret_post"}, ""},
		{"basic_token without raw_basic", "basic_token", true, "basic_token: needs raw_basic"},
		{"a grant that is not supported", "grant_types", []string{"refresh_token"}, "grant_types: "},
		{"a fixed grant_type", "params", map[string][]string{"grant_type": {"x"}}, "params: "},
		{"another name for a parameter that does not exist", "param_names", map[string]string{"user": "u"}, "param_names: "},
		{"a fixed Authorization", "headers", map[string]string{"authorization": "x"}, "headers: "},
		{"a field of the answer that does not exist", "answer", map[string]any{"fields": map[string]string{"token": "t"}}, `answer: dialect: unknown field "token"`},
		{"a pattern that does not compile", "answer", rule("message", "("), "answer: dialect: error rule 1: message: "},
		{"a field without a pattern", "answer", rule("field", "error.type"), "answer: dialect: error rule 1: field and match"},
		{"a pattern without a field", "answer", rule("match", "x"), "answer: dialect: error rule 1: field and match"},
		{"a rule for every answer", "answer", rule("error", ""), "answer: dialect: error rule 1: states no condition"},
		{"a class that does not exist", "answer", rule("class", "fatal"), "answer: dialect: error rule 1: class "},
		{"a code with capitals", "answer", rule("code", "Bad"), "answer: dialect: error rule 1: code "},
		{"a status that does not exist", "answer", rule("status", 1000), "answer.errors[0].status: "},
		{"a wait after what is not transient", "answer", rule("retry_after", "1m"), "answer.errors[0].retry_after: "},
		{"a duration as a number", "max_lifetime", 3600, "duration 3600 is not text"},
		{"a duration without unit", "max_lifetime", "3600", `duration "3600"`},
		{"a negative duration", "default_lifetime", "-1h", `duration "-1h"`},
		{"refresh_at over 0.9", "refresh_at", 0.95, "refresh_at: "},
		{"an unknown mint effect", "mint_effect", "none", "mint_effect: "},
		{"an unknown probe", "probe", "ping", "probe: "},
		{"a probe that mints where that may evict", "probe", "token", "probe: token only where"},
		{"an account to publish from nowhere", "publish_account", true, "publish_account: needs account_claim"},
		{"a verify call without its URL", "verify_calls", []any{map[string]any{"method": "GET"}}, "verify_calls[0].url.production: "},
		{"a verify call that deletes", "verify_calls", []any{map[string]any{"method": "DELETE", "url": map[string]string{"production": "https://a.test/"}}}, "verify_calls[0].method: "},
		{"evidence of unknown source", "evidence", []any{map[string]any{"facts": []string{"token_endpoint"}, "source": "hearsay", "note": "n"}}, "evidence[0]: "},
		{"no evidence for the endpoint", "evidence", nil, "evidence: says nothing of token_endpoint"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := valid()
			f[tt.field] = tt.value
			if tt.value == nil {
				delete(f, tt.field)
			}
			if tt.want == "" { // the fault is in another field that this one makes wrong
				f["raw_basic"], tt.want = true, "raw_basic: "
			}
			raw, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			_, err = loadOne(t, string(raw))
			if err == nil {
				t.Fatal("loaded")
			}
			if !strings.Contains(err.Error(), "acme.json: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want acme.json and %q", err, tt.want)
			}
		})
	}
}

func TestWhatIsNoObjectIsRefused(t *testing.T) {
	for _, content := range []string{"", "[]", "{", `{} {}`} {
		if _, err := loadOne(t, content); err == nil || !strings.Contains(err.Error(), "acme.json: decode: ") {
			t.Errorf("%q: error %v", content, err)
		}
	}
}

func TestAllFaultsAreReportedTogether(t *testing.T) {
	_, err := load(fstest.MapFS{"data/a.json": {Data: []byte(`{}`)}, "data/b.json": {Data: []byte(`nonsense`)}}, "data")
	for _, want := range []string{"errors.json: file does not exist", "a.json: name: ", "a.json: auth_methods: ", "b.json: decode: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

func TestACatalogueWithoutFilesIsRefused(t *testing.T) {
	if _, err := load(fstest.MapFS{}, "data"); err == nil {
		t.Error("an empty catalogue loaded")
	}
}
