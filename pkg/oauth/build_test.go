package oauth

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"testing"
)

// sent is what a token endpoint sees of a request.
type sent struct {
	url, body string
	header    http.Header
}

// capture sends the request to a transport in process and returns what arrived.
func capture(t *testing.T, req Request) sent {
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
	if _, err := c.Exchange(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	escaped := url.QueryEscape(testSecret)
	for name, tc := range map[string]struct {
		change func(*Request)
		url    string // "" means the endpoint as it is
		body   string
		auth   string
		mime   string
	}{
		"basic form-encodes both halves (RFC 6749 section 2.3.1)": {
			change: func(r *Request) { r.ClientID = "a:b c" },
			body:   "grant_type=client_credentials", auth: basic("a%3Ab+c", escaped), mime: typeForm,
		},
		"raw basic sends them as they are": {
			change: func(r *Request) { r.RawBasic = true },
			body:   "grant_type=client_credentials", auth: basic(testID, testSecret), mime: typeForm,
		},
		"basic with a JSON body": {
			change: func(r *Request) { r.JSONBody, r.Scope = true, "a&b" },
			body:   `{"grant_type":"client_credentials","scope":"a&b"}`, auth: basic(testID, escaped), mime: typeJSON,
		},
		"post has the pair in the form": {
			change: func(r *Request) { r.AuthMethod = ClientSecretPost },
			body:   "client_id=" + testID + "&client_secret=" + escaped + "&grant_type=client_credentials", mime: typeForm,
		},
		"query has everything in the URL and an empty JSON body, as Hotmart documents": {
			change: func(r *Request) { r.AuthMethod = ClientSecretQuery },
			url:    testEndpoint + "?client_id=" + testID + "&client_secret=" + escaped + "&grant_type=client_credentials", mime: typeJSON,
		},
		"query keeps the endpoint's own query": {
			change: func(r *Request) {
				r.AuthMethod, r.TokenEndpoint, r.ClientSecret, r.OmitGrantType = ClientSecretQuery, testEndpoint+"?v=1", NewSecret("s"), true
			},
			url: testEndpoint + "?v=1&client_id=" + testID + "&client_secret=s", mime: typeJSON,
		},
		"query after a bare question mark": {
			change: func(r *Request) {
				r.AuthMethod, r.TokenEndpoint, r.ClientSecret, r.OmitGrantType = ClientSecretQuery, testEndpoint+"?", NewSecret("s"), true
			},
			url: testEndpoint + "?client_id=" + testID + "&client_secret=s", mime: typeJSON,
		},
		"json has everything in an object": {
			change: func(r *Request) {
				r.AuthMethod, r.Params = ClientSecretJSON, url.Values{"list": {"1", "2"}}
			},
			body: `{"client_id":"` + testID + `","client_secret":"` + testSecret + `","grant_type":"client_credentials","list":["1","2"]}`, mime: typeJSON,
		},
		"scope, audience, resource and fixed parameters": {
			change: func(r *Request) {
				r.Scope, r.Audience, r.Resource, r.Params = "read write", "aud", "https://api", url.Values{"x": {"1"}}
			},
			body: "audience=aud&grant_type=client_credentials&resource=https%3A%2F%2Fapi&scope=read+write&x=1", auth: basic(testID, escaped), mime: typeForm,
		},
		"a field wins over a fixed parameter of its name": {
			change: func(r *Request) { r.Scope, r.Params = "mine", url.Values{"scope": {"fixed"}, "grant_type": {"odd"}} },
			body:   "grant_type=client_credentials&scope=mine", auth: basic(testID, escaped), mime: typeForm,
		},
		"another grant type": {
			change: func(r *Request) { r.GrantType = "urn:x" },
			body:   "grant_type=urn%3Ax", auth: basic(testID, escaped), mime: typeForm,
		},
		"no grant type at all": {
			change: func(r *Request) { r.OmitGrantType, r.Params = true, url.Values{"grant_type": {"odd"}} },
			body:   "", auth: basic(testID, escaped), mime: typeForm,
		},
		"renamed parameters, as iFood wants them": {
			change: func(r *Request) {
				r.AuthMethod, r.ClientSecret = ClientSecretPost, NewSecret("s")
				r.ParamNames = map[string]string{"grant_type": "grantType", "client_id": "clientId", "client_secret": "clientSecret"}
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
	req.Header = http.Header{"enable-jwt": {"1"}, "User-Agent": {"shop/1"}}
	got := capture(t, req)
	if got.header.Get("Enable-Jwt") != "1" || got.header.Get("User-Agent") != "shop/1" {
		t.Errorf("headers %v", got.header)
	}
}

func TestRequestsThatAreNotSent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Request)
		code   string
	}{
		"no method":                            {func(r *Request) { r.AuthMethod = "" }, CodeInvalidRequestConfig},
		"unknown method":                       {func(r *Request) { r.AuthMethod = "private_key_jwt" }, CodeInvalidRequestConfig},
		"no client id":                         {func(r *Request) { r.ClientID = "" }, CodeInvalidRequestConfig},
		"no secret":                            {func(r *Request) { r.ClientSecret = NewSecret("") }, CodeInvalidRequestConfig},
		"no endpoint":                          {func(r *Request) { r.TokenEndpoint = "" }, CodeInvalidEndpoint},
		"http":                                 {func(r *Request) { r.TokenEndpoint = "http://auth.example.com/" }, CodeEndpointRefused},
		"raw basic with a colon in the id":     {func(r *Request) { r.RawBasic, r.ClientID = true, "a:b" }, CodeInvalidRequestConfig},
		"JSON body and form authentication":    {func(r *Request) { r.AuthMethod, r.JSONBody = ClientSecretPost, true }, CodeInvalidRequestConfig},
		"a secret among the fixed parameters":  {func(r *Request) { r.Params = url.Values{"client_secret": {"x"}} }, CodeInvalidRequestConfig},
		"grant type both named and omitted":    {func(r *Request) { r.OmitGrantType, r.GrantType = true, "x" }, CodeInvalidRequestConfig},
		"negative lifetime":                    {func(r *Request) { r.MaxLifetime = -1 }, CodeInvalidRequestConfig},
		"two parameters under one name":        {func(r *Request) { r.ParamNames = map[string]string{"scope": "client_id"} }, CodeInvalidRequestConfig},
		"a fixed parameter under a taken name": {func(r *Request) { r.ParamNames, r.Params = map[string]string{"scope": "s"}, url.Values{"s": {"1"}} }, CodeInvalidRequestConfig},
		"a header of the connection":           {func(r *Request) { r.Header = http.Header{"content-length": {"1"}} }, CodeInvalidRequestConfig},
		"Authorization beside basic":           {func(r *Request) { r.Header = http.Header{"Authorization": {"x"}} }, CodeInvalidRequestConfig},
		"a header name with a space":           {func(r *Request) { r.Header = http.Header{"a b": {"1"}} }, CodeInvalidRequestConfig},
		"a header value with a line break":     {func(r *Request) { r.Header = http.Header{"A": {"1\r\nB: 2"}} }, CodeInvalidRequestConfig},
		"a dialect with a fault":               {func(r *Request) { r.Dialect.Errors = []ErrorRule{{}} }, CodeInvalidRequestConfig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, Config{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
				t.Error("a request was sent")
				return nil, io.EOF
			})})
			req := testRequest()
			tc.change(&req)
			_, err := c.Exchange(t.Context(), req)
			wantError(t, asError(t, err), Configuration, tc.code)
		})
	}
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
		"class of the caller": rule(func(r *ErrorRule) { r.Class = NotAnOutcome }),
		"code with capitals":  rule(func(r *ErrorRule) { r.Code = "Bad" }),
		"no code":             rule(func(r *ErrorRule) { r.Code = "" }),
		"negative wait":       rule(func(r *ErrorRule) { r.RetryAfter = -1 }),
		"broken pattern":      rule(func(r *ErrorRule) { r.Message = "(" }),
	} {
		if d.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
