package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// sent is what a token endpoint sees of a request.
type sent struct {
	url, body string
	header    http.Header
}

// capture sends the request to a transport in process and returns what arrived.
func capture(t *testing.T, req TokenRequest) sent {
	t.Helper()
	var s sent
	c := newTestClient(t, Config{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if r.Method != http.MethodPost {
			t.Errorf("method %s", r.Method)
		}
		s = sent{r.URL.String(), string(body), r.Header}
		return answering(200, nil, `{"access_token":"T","expires_in":60}`)(r)
	})})
	if _, err := c.Token(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	return s
}

// customGrant is a grant of another package: a grant type and one parameter of its own.
type customGrant struct {
	kind   string
	params url.Values
	secret Secret
	err    error
}

func (g customGrant) Apply(form url.Values) error {
	form.Set("grant_type", g.kind)
	for name, values := range g.params {
		form[name] = values
	}
	return g.err
}

func (g customGrant) Secrets() []Secret { return []Secret{g.secret} }

// customAuth is a client authentication of another package.
type customAuth struct {
	apply   func(*Call) error
	secrets []Secret
}

func (a customAuth) Apply(_ context.Context, c *Call) error { return a.apply(c) }
func (a customAuth) Secrets() []Secret                      { return a.secrets }

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	escaped := url.QueryEscape(testSecret)
	post := ClientSecretPost(testID, NewSecret(testSecret))
	short := ClientSecretPost(testID, NewSecret("s"))
	for name, tc := range map[string]struct {
		change func(*TokenRequest)
		url    string // "" means the endpoint as it is
		body   string
		auth   string
		mime   string
	}{
		"basic form-encodes both halves (RFC 6749 section 2.3.1)": {
			change: func(r *TokenRequest) { r.Auth = ClientSecretBasic("a:b c", NewSecret(testSecret)) },
			body:   "grant_type=client_credentials", auth: basic("a%3Ab+c", escaped), mime: typeForm,
		},
		"raw basic sends them as they are": {
			change: func(r *TokenRequest) { r.Auth = ClientSecretBasicRaw(testID, NewSecret(testSecret)) },
			body:   "grant_type=client_credentials", auth: basic(testID, testSecret), mime: typeForm,
		},
		"basic with a JSON body": {
			change: func(r *TokenRequest) {
				r.Endpoint.Body, r.Grant = JSONBody, ClientCredentials{Scope: []string{"a&b"}}
			},
			body: `{"grant_type":"client_credentials","scope":"a&b"}`, auth: basic(testID, escaped), mime: typeJSON,
		},
		"basic with everything else in the query": {
			change: func(r *TokenRequest) { r.Endpoint.Body = QueryBody },
			url:    testEndpoint + "?grant_type=client_credentials", auth: basic(testID, escaped), mime: typeJSON,
		},
		"post has the client credentials in the form": {
			change: func(r *TokenRequest) { r.Auth = post },
			body:   "client_id=" + testID + "&client_secret=" + escaped + "&grant_type=client_credentials", mime: typeForm,
		},
		"query has everything in the URL and an empty JSON body": {
			change: func(r *TokenRequest) { r.Auth, r.Endpoint.Body = post, QueryBody },
			url:    testEndpoint + "?client_id=" + testID + "&client_secret=" + escaped + "&grant_type=client_credentials", mime: typeJSON,
		},
		"query keeps the endpoint's own query": {
			change: func(r *TokenRequest) {
				r.Auth, r.Endpoint.Body, r.Endpoint.URL, r.Endpoint.OmitGrantType = short, QueryBody, testEndpoint+"?v=1", true
			},
			url: testEndpoint + "?v=1&client_id=" + testID + "&client_secret=s", mime: typeJSON,
		},
		"query after a bare question mark": {
			change: func(r *TokenRequest) {
				r.Auth, r.Endpoint.Body, r.Endpoint.URL, r.Endpoint.OmitGrantType = short, QueryBody, testEndpoint+"?", true
			},
			url: testEndpoint + "?client_id=" + testID + "&client_secret=s", mime: typeJSON,
		},
		"json has everything in an object": {
			change: func(r *TokenRequest) {
				r.Auth, r.Endpoint.Body, r.Endpoint.Params = post, JSONBody, url.Values{"list": {"1", "2"}}
			},
			body: `{"client_id":"` + testID + `","client_secret":"` + testSecret + `","grant_type":"client_credentials","list":["1","2"]}`, mime: typeJSON,
		},
		"scope, audience, resource and fixed parameters": {
			change: func(r *TokenRequest) {
				r.Grant = ClientCredentials{Scope: []string{"read", "write"}, Audience: "aud", Resource: "https://api"}
				r.Endpoint.Params = url.Values{"x": {"1"}}
			},
			body: "audience=aud&grant_type=client_credentials&resource=https%3A%2F%2Fapi&scope=read+write&x=1", auth: basic(testID, escaped), mime: typeForm,
		},
		"the grant wins over a fixed parameter of the same name": {
			change: func(r *TokenRequest) {
				r.Grant, r.Endpoint.Params = ClientCredentials{Scope: []string{"mine"}}, url.Values{"scope": {"fixed"}, "grant_type": {"odd"}}
			},
			body: "grant_type=client_credentials&scope=mine", auth: basic(testID, escaped), mime: typeForm,
		},
		"another grant": {
			change: func(r *TokenRequest) { r.Grant = customGrant{kind: "urn:x", params: url.Values{"p": {"q"}}} },
			body:   "grant_type=urn%3Ax&p=q", auth: basic(testID, escaped), mime: typeForm,
		},
		"another client authentication": {
			change: func(r *TokenRequest) {
				r.Auth = customAuth{apply: func(c *Call) error {
					c.Form.Set("client_assertion", c.URL+"|"+c.Now.UTC().Format("2006")+"|"+c.Form.Get("grant_type"))
					c.Header.Set("Authorization", "DPoP x")
					return nil
				}}
			},
			body: "client_assertion=" + url.QueryEscape(testEndpoint+"|2026|client_credentials") + "&grant_type=client_credentials", auth: "DPoP x", mime: typeForm,
		},
		"no grant type at all": {
			change: func(r *TokenRequest) {
				r.Endpoint.OmitGrantType, r.Endpoint.Params = true, url.Values{"grant_type": {"odd"}}
			},
			body: "", auth: basic(testID, escaped), mime: typeForm,
		},
		"renamed parameters": {
			change: func(r *TokenRequest) {
				r.Auth = short
				r.Endpoint.ParamNames = map[string]string{"grant_type": "grantType", "client_id": "clientId", "client_secret": "clientSecret"}
			},
			body: "clientId=" + testID + "&clientSecret=s&grantType=client_credentials", mime: typeForm,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := testRequest()
			tc.change(&req)
			got := capture(t, req)
			if want := tc.url; got.url != want && (want != "" || got.url != testEndpoint) {
				t.Errorf("url  %s\nwant %s", got.url, want)
			}
			if got.body != tc.body {
				t.Errorf("body %s\nwant %s", got.body, tc.body)
			}
			if got.header.Get("Authorization") != tc.auth {
				t.Errorf("authorization %q, want %q", got.header.Get("Authorization"), tc.auth)
			}
			if got.header.Get("Content-Type") != tc.mime || got.header.Get("Accept") != typeJSON || got.header.Get("User-Agent") != defaultUserAgent {
				t.Errorf("headers %v", got.header)
			}
		})
	}
}

func TestFixedHeadersAreSent(t *testing.T) {
	t.Parallel()
	req := testRequest()
	req.Endpoint.Header = http.Header{"enable-jwt": {"1"}, "User-Agent": {"shop/1"}}
	got := capture(t, req)
	if got.header.Get("Enable-Jwt") != "1" || got.header.Get("User-Agent") != "shop/1" {
		t.Errorf("headers %v", got.header)
	}
}

// TestARequestIsNotChanged: one TokenRequest serves many attempts, also at the same time.
func TestARequestIsNotChanged(t *testing.T) {
	t.Parallel()
	req := testRequest()
	req.Auth = customAuth{apply: func(c *Call) error {
		c.Form["list"][0] = "changed"
		c.Form.Set("client_id", "x")
		return nil
	}}
	req.Endpoint.Params, req.Endpoint.Header = url.Values{"list": {"1"}}, http.Header{"A": {"1"}}
	if got := capture(t, req); got.body != "client_id=x&grant_type=client_credentials&list=changed" {
		t.Errorf("body %s", got.body)
	}
	if len(req.Endpoint.Params) != 1 || req.Endpoint.Params.Get("list") != "1" || len(req.Endpoint.Header) != 1 {
		t.Errorf("%v %v", req.Endpoint.Params, req.Endpoint.Header)
	}
}

func TestRequestsThatAreNotSent(t *testing.T) {
	t.Parallel()
	fails := func(err error) ClientAuth {
		return customAuth{apply: func(*Call) error { return err }, secrets: []Secret{NewSecret(testSecret)}}
	}
	for name, tc := range map[string]struct {
		change func(*TokenRequest)
		code   string
	}{
		"no grant":                            {func(r *TokenRequest) { r.Grant = nil }, CodeInvalidRequestConfig},
		"no client authentication":            {func(r *TokenRequest) { r.Auth = nil }, CodeInvalidRequestConfig},
		"unknown body format":                 {func(r *TokenRequest) { r.Endpoint.Body = "xml" }, CodeInvalidRequestConfig},
		"no client id":                        {func(r *TokenRequest) { r.Auth = ClientSecretBasic("", NewSecret("s")) }, CodeInvalidRequestConfig},
		"no client id in the form":            {func(r *TokenRequest) { r.Auth = ClientSecretPost("", NewSecret("s")) }, CodeInvalidRequestConfig},
		"no secret":                           {func(r *TokenRequest) { r.Auth = ClientSecretBasic(testID, Secret{}) }, CodeInvalidRequestConfig},
		"no endpoint":                         {func(r *TokenRequest) { r.Endpoint.URL = "" }, CodeInvalidEndpoint},
		"http":                                {func(r *TokenRequest) { r.Endpoint.URL = "http://auth.example.com/" }, CodeEndpointRefused},
		"raw basic with a colon in the id":    {func(r *TokenRequest) { r.Auth = ClientSecretBasicRaw("a:b", NewSecret("s")) }, CodeInvalidRequestConfig},
		"a secret among the fixed parameters": {func(r *TokenRequest) { r.Endpoint.Params = url.Values{"client_secret": {"x"}} }, CodeInvalidRequestConfig},
		"a refresh token among them":          {func(r *TokenRequest) { r.Endpoint.Params = url.Values{"refresh_token": {"x"}} }, CodeInvalidRequestConfig},
		"two parameters under one name":       {func(r *TokenRequest) { r.Endpoint.ParamNames = map[string]string{"scope": "client_id"} }, CodeInvalidRequestConfig},
		"a fixed parameter under a taken name": {func(r *TokenRequest) {
			r.Endpoint.ParamNames, r.Endpoint.Params = map[string]string{"scope": "s"}, url.Values{"s": {"1"}}
		}, CodeInvalidRequestConfig},
		"a header of the connection":       {func(r *TokenRequest) { r.Endpoint.Header = http.Header{"content-length": {"1"}} }, CodeInvalidRequestConfig},
		"Authorization beside basic":       {func(r *TokenRequest) { r.Endpoint.Header = http.Header{"authorization": {"x"}} }, CodeInvalidRequestConfig},
		"a header name with a space":       {func(r *TokenRequest) { r.Endpoint.Header = http.Header{"a b": {"1"}} }, CodeInvalidRequestConfig},
		"a header value with a line break": {func(r *TokenRequest) { r.Endpoint.Header = http.Header{"A": {"1\r\nB: 2"}} }, CodeInvalidRequestConfig},
		"such a header of the authentication": {func(r *TokenRequest) {
			r.Auth = customAuth{apply: func(c *Call) error { c.Header["A"] = []string{"1\n"}; return nil }}
		}, CodeInvalidRequestConfig},
		"a dialect with a fault":           {func(r *TokenRequest) { r.Endpoint.Dialect.Errors = []ErrorRule{{}} }, CodeInvalidRequestConfig},
		"a grant that fails":               {func(r *TokenRequest) { r.Grant = customGrant{err: io.EOF} }, CodeInvalidRequestConfig},
		"an authentication that fails":     {func(r *TokenRequest) { r.Auth = fails(errors.New("sign with " + testSecret)) }, CodeInvalidRequestConfig},
		"one that says of what code it is": {func(r *TokenRequest) { r.Auth = fails(configError("key_missing", "", "no "+testSecret)) }, "key_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, Config{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
				t.Error("a request was sent")
				return nil, io.EOF
			})})
			req := testRequest()
			tc.change(&req)
			_, err := c.Token(t.Context(), req)
			wantError(t, asError(t, err), Configuration, tc.code)
			if strings.Contains(err.Error(), testSecret) {
				t.Error(err)
			}
		})
	}
}

// TestAnAuthenticationThatTheCallerEnds says nothing about the server or the client.
func TestAnAuthenticationThatTheCallerEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	req := testRequest()
	req.Auth = customAuth{apply: func(*Call) error { cancel(); return context.Canceled }}
	_, err := newTestClient(t, Config{Transport: answering(200, nil, goodBody)}).Token(ctx, req)
	wantError(t, asError(t, err), Canceled, CodeCancelled)
}

// TestAnAuthenticationThatTakesTooLong, for example because it signs elsewhere, is tried again.
func TestAnAuthenticationThatTakesTooLong(t *testing.T) {
	t.Parallel()
	req := testRequest()
	req.Auth = customAuth{apply: func(*Call) error { return fmt.Errorf("sign: %w", context.DeadlineExceeded) }}
	_, err := newTestClient(t, Config{Transport: answering(200, nil, goodBody)}).Token(t.Context(), req)
	wantError(t, asError(t, err), Transient, CodeNetwork)
}

func TestDialectValidate(t *testing.T) {
	t.Parallel()
	good := ErrorRule{Error: "x", Class: Credentials, Code: "a_b1"}
	rule := func(change func(*ErrorRule)) Dialect {
		r := good
		change(&r)
		return Dialect{Errors: []ErrorRule{r}}
	}
	if err := rule(func(*ErrorRule) {}).Validate(); err != nil {
		t.Errorf("a good rule: %v", err)
	}
	if err := (Dialect{Fields: map[string]string{"scope": "data.scope"}}).Validate(); err != nil {
		t.Errorf("a good field: %v", err)
	}
	for name, d := range map[string]Dialect{
		"unknown field":       {Fields: map[string]string{"acces_token": "x"}},
		"empty path":          {Fields: map[string]string{"scope": ""}},
		"empty path segment":  {Fields: map[string]string{"scope": "a..b"}},
		"negative unit":       {ExpiresInUnit: -1},
		"negative window":     {RateLimitWait: -1},
		"rule for everything": rule(func(r *ErrorRule) { r.Error = "" }),
		"no class":            rule(func(r *ErrorRule) { r.Class = "" }),
		"class of the caller": rule(func(r *ErrorRule) { r.Class = Canceled }),
		"code with capitals":  rule(func(r *ErrorRule) { r.Code = "Bad" }),
		"no code":             rule(func(r *ErrorRule) { r.Code = "" }),
		"negative wait":       rule(func(r *ErrorRule) { r.RetryAfter = -1 }),
		"broken pattern":      rule(func(r *ErrorRule) { r.Message = "(" }),
		"broken match":        rule(func(r *ErrorRule) { r.Field, r.Match = "a", "(" }),
		"field alone":         rule(func(r *ErrorRule) { r.Field = "a" }),
		"match alone":         rule(func(r *ErrorRule) { r.Match = "a" }),
		"empty segment":       rule(func(r *ErrorRule) { r.Field, r.Match = "a..b", "x" }),
	} {
		if d.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestThenIsCheckedWhenBothAre: a dialect of two parts is validated with the request unless both were checked before.
func TestThenIsCheckedWhenBothAre(t *testing.T) {
	t.Parallel()
	good := Dialect{Errors: []ErrorRule{{Error: "x", Class: Credentials, Code: "first"}}}
	checked, err := good.Checked()
	if err != nil {
		t.Fatal(err)
	}
	bad := Dialect{Errors: []ErrorRule{{Error: "y", Class: Credentials, Code: "Bad"}}}
	if d := checked.Then(checked); !d.checked || len(d.Errors) != 2 || len(checked.Errors) != 1 {
		t.Errorf("two checked ones: %+v", d)
	}
	for name, d := range map[string]Dialect{"the second is not": checked.Then(bad), "the first is not": bad.Then(checked)} {
		if d.checked || d.Validate() == nil {
			t.Errorf("%s: %+v counts as checked", name, d)
		}
	}
}
