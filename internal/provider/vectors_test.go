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

// notRun are the cases that do not run here, and why.
func notRun() map[string]string {
	const (
		api    = "the answer of an API, which no function reads"
		config = "has settings that no provider of the catalogue has; pkg/oauth runs it"
		below  = "a failure below HTTP, which no catalogue changes; pkg/oauth runs it"
		grant  = "a refresh token, which is a grant that is not there yet"
	)
	why := map[string]string{"S19": config, "S38": config}
	for reason, ids := range map[string]string{
		api:   "R01 R02 R03 R04 R05 R06 R07 R08",
		below: "T01 T02 T03 T04 T05 T06 T07 T08 T09 T10",
		grant: "S39 S40 M07 E08 E09",
	} {
		for id := range strings.FieldsSeq(ids) {
			why[id] = reason
		}
	}
	return why
}

// TestVectorsWithTheRealCatalogue runs every case with the data of the provider that it names, so that what the catalogue says is what the cases
// assume; a provider that is not in the catalogue counts as generic. Each case runs, or is skipped by name.
func TestVectorsWithTheRealCatalogue(t *testing.T) {
	catalogue := mustLoad(t)
	skipped := notRun()
	ran, all := 0, readVectors(t)
	for _, v := range all {
		if why, elsewhere := skipped[v.ID]; elsewhere {
			t.Logf("%s does not run here: %s", v.ID, why)
			continue
		}
		p, inCatalogue := catalogue.Get(v.Provider)
		if !inCatalogue {
			p = get(t, "generic")
		}
		t.Run(v.ID, func(t *testing.T) {
			ran++
			v.run(t, p)
		})
	}
	if len(all) != 113 || ran != 113-len(skipped) {
		t.Errorf("%d of %d cases ran, %d are skipped by name; want all of 113", ran, len(all), len(skipped))
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
