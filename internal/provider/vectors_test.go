package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// vector is one case of pkg/oauth/testdata/token-endpoint.json: what a token endpoint answers, and what must be made of it.
type vector struct {
	ID       string
	Context  string
	Provider string
	Status   int // 0: a failure below HTTP, which no catalogue changes
	Headers  map[string]string
	Body     string
	BodyB64  string `json:"body_b64"`
	Expect   struct {
		Class  string
		Code   string
		Retry  *float64 `json:"retry_after_s"`
		Values map[string]any
	}
	ProviderConfig json.RawMessage `json:"provider_config"`
}

// answerWith is a RoundTripper that gives one answer.
type answerWith struct{ v vector }

func (a answerWith) RoundTrip(req *http.Request) (*http.Response, error) {
	body := []byte(a.v.Body)
	if a.v.BodyB64 != "" {
		var err error
		if body, err = base64.StdEncoding.DecodeString(a.v.BodyB64); err != nil {
			return nil, err
		}
	}
	header := http.Header{}
	for name, value := range a.v.Headers {
		header.Set(name, value)
	}
	return &http.Response{
		StatusCode: a.v.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}, nil
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	raw, err := os.ReadFile("../../pkg/oauth/testdata/token-endpoint.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestVectorsWithTheRealCatalogue runs every case that names a shipped provider against that provider's own data, so that what the
// catalogue says is what the cases assume. A generic case with settings of its own belongs to pkg/oauth's test, which applies them.
func TestVectorsWithTheRealCatalogue(t *testing.T) {
	catalogue := mustLoad(t)
	ran := map[string]int{}
	for _, v := range readVectors(t) {
		p, shipped := catalogue.Get(v.Provider)
		if v.Context != "token" || v.Status == 0 || !shipped || v.Provider == "generic" && v.ProviderConfig != nil {
			continue
		}
		ran[v.Provider]++
		t.Run(v.ID, func(t *testing.T) { v.run(t, p) })
	}
	for provider, atLeast := range map[string]int{"hotmart": 16, "kiwify": 7, "generic": 50, "zoho": 1, "ifood": 1} {
		if ran[provider] < atLeast {
			t.Errorf("%d cases of %s ran, want at least %d: has the file changed?", ran[provider], provider, atLeast)
		}
	}
}

func (v vector) run(t *testing.T, p Provider) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	client, err := oauth.New(oauth.Config{Transport: answerWith{v}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Token(t.Context(), request(p, p.DefaultAuthMethod()))
	if v.Expect.Class == "success" {
		if err != nil {
			t.Fatalf("error %v, want a token", err)
		}
		v.checkToken(t, got)
		return
	}
	failure := (*oauth.Error)(nil)
	if !errors.As(err, &failure) {
		t.Fatalf("token %v, error %v; want %s/%s", got, err, v.Expect.Class, v.Expect.Code)
	}
	if string(failure.Class) != v.Expect.Class || failure.Code != v.Expect.Code {
		t.Errorf("%s/%s, want %s/%s", failure.Class, failure.Code, v.Expect.Class, v.Expect.Code)
	}
	if want := v.Expect.Retry; want != nil && failure.RetryAfter.Seconds() != *want {
		t.Errorf("retry after %s, want %g s", failure.RetryAfter, *want)
	}
}

// request is the token request of a connection with only the needed fields.
func request(p Provider, method AuthMethod) oauth.TokenRequest {
	endpoint := p.TokenEndpoint
	if endpoint == "" {
		endpoint = p.TokenEndpointExample
	}
	return oauth.TokenRequest{
		Endpoint: p.Endpoint(endpoint, method), Auth: p.ClientAuth(method, "id", oauth.NewSecret("secret")), Grant: oauth.ClientCredentials{},
	}
}

func (v vector) checkToken(t *testing.T, token *oauth.Token) {
	t.Helper()
	want, ok := v.Expect.Values["access_token"].(string)
	if want == "A*16384" { // how the file writes a long one
		want = strings.Repeat("A", 16384)
	}
	if ok && token.AccessToken.Reveal() != want {
		t.Errorf("access token of %d bytes, want %d", len(token.AccessToken.Reveal()), len(want))
	}
	if want, ok := v.Expect.Values["expires_in"].(float64); ok && token.ExpiresIn.Seconds() != want {
		t.Errorf("expires in %s, want %g s", token.ExpiresIn, want)
	}
	if want, ok := v.Expect.Values["scope"].(string); ok && token.Scope != want {
		t.Errorf("scope %q, want %q", token.Scope, want)
	}
	if v.Expect.Code == "reissued_same_token" && token.ID() != oauth.NewSecret("T").Fingerprint() { // decided by who holds the token before
		t.Error("the same token has another ID")
	}
}

// TestEveryShippedProviderMakesARequestThatTheClientAccepts sends one request with each method of each provider.
func TestEveryShippedProviderMakesARequestThatTheClientAccepts(t *testing.T) {
	catalogue := mustLoad(t)
	for _, id := range catalogue.IDs() {
		p, _ := catalogue.Get(id)
		for _, method := range p.AuthMethods {
			t.Run(id+" "+string(method), func(t *testing.T) {
				v := vector{Status: http.StatusOK, Body: `{"access_token":"T","accessToken":"T","token_type":"Bearer","expires_in":3600000,"expiresIn":3600}`}
				client, err := oauth.New(oauth.Config{Transport: answerWith{v}})
				if err != nil {
					t.Fatal(err)
				}
				req := request(p, method)
				req.Grant = oauth.ClientCredentials{Resource: "R"}
				got, err := client.Token(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				if got.AccessToken.Reveal() != "T" || got.Lifetime <= 0 {
					t.Errorf("token of %d bytes, lifetime %s", len(got.AccessToken.Reveal()), got.Lifetime)
				}
			})
		}
	}
}

// TestIfoodAsksInItsOwnWords pins the request of the one provider that renames the standard parameters.
func TestIfoodAsksInItsOwnWords(t *testing.T) {
	var form string
	seen := roundTrip(func(req *http.Request) (*http.Response, error) {
		raw, err := io.ReadAll(req.Body)
		form = string(raw)
		if err != nil {
			return nil, err
		}
		return answerWith{vector{Status: http.StatusOK, Body: `{"accessToken":"T","type":"bearer","expiresIn":21600}`}}.RoundTrip(req)
	})
	client, err := oauth.New(oauth.Config{Transport: seen})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Token(t.Context(), request(get(t, "ifood"), ClientSecretPost)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"grantType=client_credentials", "clientId=id", "clientSecret=secret"} {
		if !strings.Contains(form, want) {
			t.Errorf("%q is not in the body", want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
