package oauth

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestClassifier has the rules that the vectors do not reach.
func TestClassifier(t *testing.T) {
	t.Parallel()
	const html = "<!DOCTYPE html><html><body>hello</body></html>"
	for name, tc := range map[string]struct {
		status int
		header string // "Name: value"
		body   string
		want   verdict
		words  string        // part of the description
		wait   time.Duration // RetryAfter
	}{
		"a word nobody knows takes the code of the status": {400, "", `{"error":"kaputt","error_description":"warum"}`, verdict{Configuration, CodeBadRequest}, "kaputt: warum", 0},
		"the same with 401":                   {401, "", `{"error":"kaputt"}`, verdict{Credentials, CodeUnauthorized}, "kaputt", 0},
		"the same with 500":                   {500, "", `{"error":"kaputt"}`, verdict{Transient, CodeServerError}, "kaputt", 0},
		"the same with 200 and no token":      {200, "", `{"error":"kaputt"}`, verdict{Malformed, CodeUnrecognizedError}, "kaputt", 0},
		"the same with 200 and a token":       {200, "", `{"access_token":"T","error":"kaputt"}`, verdict{Malformed, CodeUnrecognizedError}, "kaputt", 0},
		"ok false and nothing else":           {200, "", `{"ok":false}`, verdict{Malformed, CodeUnrecognizedError}, "", 0},
		"ok false with a token":               {200, "", `{"ok":false,"access_token":"T"}`, verdict{Malformed, CodeUnrecognizedError}, "", 0},
		"error true":                          {200, "", `{"error":true,"message":"no","access_token":"T"}`, verdict{Malformed, CodeUnrecognizedError}, "no", 0},
		"error a number":                      {400, "", `{"error":17,"message":"no"}`, verdict{Configuration, CodeBadRequest}, "17: no", 0},
		"upper case and blanks":               {400, "", `{"error":"Invalid Client"}`, verdict{Credentials, CodeInvalidClient}, "", 0},
		"invalid_grant":                       {400, "", `{"error":"invalid_grant"}`, verdict{Credentials, CodeInvalidGrant}, "", 0},
		"invalid_target":                      {400, "", `{"error":"invalid_target"}`, verdict{Configuration, CodeInvalidTarget}, "", 0},
		"unauthorized_client":                 {400, "", `{"error":"unauthorized_client"}`, verdict{Configuration, CodeUnauthorizedClient}, "", 0},
		"access_denied with 403":              {403, "", `{"error":"access_denied"}`, verdict{Configuration, CodeAccessDenied}, "", 0},
		"temporarily_unavailable with 400":    {400, "", `{"error":"temporarily_unavailable"}`, verdict{Transient, CodeTemporarilyUnavailable}, "", 0},
		"slow_down with 400":                  {400, "Retry-After: 9", `{"error":"slow_down"}`, verdict{Transient, CodeRateLimited}, "", 9 * time.Second},
		"a form":                              {400, "", `error=invalid_client&error_description=no+such`, verdict{Credentials, CodeInvalidClient}, "no such", 0},
		"a form that is none":                 {400, "", `a=b`, verdict{Configuration, CodeBadRequest}, "", 0},
		"a form with a broken escape":         {200, "", `access_token=%zz`, verdict{Malformed, CodeNotJSON}, "", 0},
		"a list of errors":                    {400, "", `{"errors":[{"code":"invalid_scope","detail":"no such scope"}]}`, verdict{Configuration, CodeInvalidScope}, "no such scope", 0},
		"a list of sentences":                 {400, "", `{"errors":["no such scope"]}`, verdict{Configuration, CodeBadRequest}, "no such scope", 0},
		"an empty list is no error":           {200, "", `{"errors":[]}`, verdict{Malformed, CodeMissingAccessToken}, "", 0},
		"errors as a word":                    {400, "", `{"errors":"invalid_scope"}`, verdict{Configuration, CodeInvalidScope}, "", 0},
		"an empty error object is no error":   {200, "", `{"error":{}}`, verdict{Malformed, CodeMissingAccessToken}, "", 0},
		"an error object with a code":         {400, "", `{"error":{"code":"invalid_scope","message":"no such scope"}}`, verdict{Configuration, CodeInvalidScope}, "no such scope", 0},
		"a code alone is not said twice":      {400, "", `{"error":"invalid_scope"}`, verdict{Configuration, CodeInvalidScope}, "", 0},
		"a word of a vendor":                  {401, "", `{"error":"bad_client_secret"}`, verdict{Credentials, CodeUnauthorized}, "bad_client_secret", 0},
		"server_error with 400":               {400, "", `{"error":"server_error"}`, verdict{Transient, CodeServerError}, "", 0},
		"access_denied with 401, as by RFC":   {401, "", `{"error":"access_denied"}`, verdict{Configuration, CodeAccessDenied}, "", 0},
		"an error object nobody knows":        {400, "", `{"error":{"reason":"x"}}`, verdict{Configuration, CodeBadRequest}, "", 0},
		"cf-mitigated with any status":        {503, "Cf-Mitigated: challenge", html, verdict{Transient, CodeWAFBlocked}, "firewall", 5 * time.Minute},
		"cf-mitigated before a token":         {200, "Cf-Mitigated: challenge", goodBody, verdict{Transient, CodeWAFBlocked}, "", 5 * time.Minute},
		"a challenge with 200":                {200, "", "<html><title>Just a moment...</title>", verdict{Transient, CodeWAFBlocked}, "", 5 * time.Minute},
		"a challenge with 429":                {429, "", "<html><title>Just a moment...</title>", verdict{Transient, CodeWAFBlocked}, "", 5 * time.Minute},
		"error code 1015":                     {429, "Retry-After: 20", "error code: 1015", verdict{Transient, CodeWAFBlocked}, "", 20 * time.Second},
		"error code 10150 is another thing":   {400, "", "error code: 10150", verdict{Configuration, CodeBadRequest}, "", 0},
		"CloudFront":                          {400, "", "<HTML><H1>400</H1>Request blocked.", verdict{Transient, CodeWAFBlocked}, "", 5 * time.Minute},
		"AWS WAF":                             {405, "X-Amzn-Waf-Action: captcha", "", verdict{Transient, CodeWAFBlocked}, "", 5 * time.Minute},
		"JSON that speaks of a block is none": {403, "", `{"message":"Request blocked"}`, verdict{Configuration, CodeForbidden}, "Request blocked", 0},
		"HTML with 400":                       {400, "", html, verdict{Transient, CodeNotTheProvider}, "", 0},
		"HTML with 401":                       {401, "", html, verdict{Transient, CodeNotTheProvider}, "", 0},
		"HTML with 402":                       {402, "", html, verdict{Transient, CodeNotTheProvider}, "", 0},
		"HTML with 404":                       {404, "", html, verdict{Configuration, CodeWrongEndpoint}, "", 0},
		"HTML with 405":                       {405, "", html, verdict{Configuration, CodeMethodNotAllowed}, "", 0},
		"HTML with 407":                       {407, "", html, verdict{Configuration, CodeEgressProxyAuth}, "", 0},
		"HTML with 408":                       {408, "", html, verdict{Transient, CodeTimeout}, "", 0},
		"HTML with 410":                       {410, "", html, verdict{Configuration, CodeWrongEndpoint}, "", 0},
		"HTML with 415":                       {415, "", html, verdict{Configuration, CodeBadContentType}, "", 0},
		"HTML with 200":                       {200, "", html, verdict{Malformed, CodeNotJSON}, "HTML", 0},
		"nginx wants a client certificate":    {400, "", "<html><head><title>400 No required SSL certificate was sent</title>", verdict{Configuration, CodeMTLSRequired}, "", 0},
		"plain 401":                           {401, "", "Unauthorized", verdict{Credentials, CodeUnauthorized}, "", 0},
		"402":                                 {402, "", "{}", verdict{Configuration, CodePaymentRequired}, "", 0},
		"404 in JSON":                         {404, "", `{"message":"no route"}`, verdict{Configuration, CodeWrongEndpoint}, "no route", 0},
		"406":                                 {406, "", "", verdict{Configuration, CodeNotAcceptable}, "", 0},
		"422":                                 {422, "", "{}", verdict{Configuration, CodeBadRequest}, "", 0},
		"425":                                 {425, "Retry-After: 3", "", verdict{Transient, CodeTooEarly}, "", 3 * time.Second},
		"451":                                 {451, "", "", verdict{Configuration, CodeForbidden}, "", 0},
		"599":                                 {599, "", "", verdict{Transient, CodeServerError}, "", 0},
		"600":                                 {600, "", "", verdict{Malformed, CodeUnexpectedStatus}, "", 0},
		"101":                                 {101, "", "", verdict{Malformed, CodeUnexpectedStatus}, "", 0},
		"Retry-After on a 401 binds nobody":   {401, "Retry-After: 5", "", verdict{Credentials, CodeUnauthorized}, "", 0},
		"a JSON string":                       {200, "", `"T"`, verdict{Malformed, CodeNotAnObject}, "", 0},
		"null":                                {200, "", `null`, verdict{Malformed, CodeNotAnObject}, "", 0},
		"a broken list":                       {200, "", `[1`, verdict{Malformed, CodeBadJSON}, "", 0},
		"two objects":                         {200, "", goodBody + goodBody, verdict{Malformed, CodeBadJSON}, "", 0},
		"a token with 204":                    {204, "", goodBody, verdict{Malformed, CodeEmptyBody}, "", 0},
		"an empty token":                      {200, "", `{"access_token":""}`, verdict{Malformed, CodeMissingAccessToken}, "", 0},
		"a null token":                        {200, "", `{"access_token":null}`, verdict{Malformed, CodeMissingAccessToken}, "", 0},
		"a token with a space":                {200, "", `{"access_token":"a b"}`, verdict{Malformed, CodeIllegalTokenChars}, "", 0},
		"a token with DEL":                    {200, "", `{"access_token":"a\u007f"}`, verdict{Malformed, CodeIllegalTokenChars}, "", 0},
		"a token with ã":                      {200, "", `{"access_token":"ã"}`, verdict{Malformed, CodeIllegalTokenChars}, "", 0},
		"token_type is a number":              {200, "", `{"access_token":"T","token_type":1}`, verdict{Configuration, CodeUnsupportedTokenType}, "", 0},
		"token_type mac":                      {200, "", `{"access_token":"T","token_type":"mac"}`, verdict{Configuration, CodeUnsupportedTokenType}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if name, value, ok := strings.Cut(tc.header, ": "); ok {
				h.Set(name, value)
			}
			_, e := exchange(t, testRequest(), tc.status, h, tc.body)
			wantError(t, e, tc.want.class, tc.want.code)
			if !strings.Contains(e.Description, tc.words) {
				t.Errorf("description %q, want %q in it", e.Description, tc.words)
			}
			if e.RetryAfter != tc.wait || e.Status != tc.status || e.Host != "auth.example.com" {
				t.Errorf("%#v, want retry after %v", e, tc.wait)
			}
		})
	}
}

func TestSuccesses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body   string
		change func(*TokenRequest)
		scope  string
		source ScopeSource
		jti    string
	}{
		"a form":             {body: "access_token=T&scope=a%20b&token_type=bearer&expires_in=60", scope: "a b", source: ScopeFromAnswer},
		"any case of bearer": {body: `{"access_token":"T","token_type":"BEARER","expires_in":60}`},
		"BearerToken":        {body: `{"access_token":"T","token_type":"BearerToken","expires_in":"60"}`},
		"token_type null":    {body: `{"access_token":"T","token_type":null,"expires_in":60}`},
		"a message is no error": {body: `{"access_token":"T","message":"Invalid client?","expires_in":60}`, change: func(r *TokenRequest) {
			r.Endpoint.Dialect.Errors = []ErrorRule{{Message: "^Invalid client", Class: Credentials, Code: CodeInvalidClient}}
		}},
		"ok true":                          {body: `{"access_token":"T","ok":true,"error":false,"expires_in":60}`},
		"the scope of the claims":          {body: `{"access_token":"` + jwtOf(`{"scp":["a","b"],"jti":"j-1"}`) + `","expires_in":60}`, scope: "a b", source: ScopeFromClaim, jti: "j-1"},
		"the answer's scope first":         {body: `{"access_token":"` + jwtOf(`{"scope":"c"}`) + `","scope":"a  b","expires_in":60}`, scope: "a b", source: ScopeFromAnswer},
		"the scope that was asked for":     {body: `{"access_token":"T","scope":"","expires_in":60}`, change: func(r *TokenRequest) { r.Grant = ClientCredentials{Scope: []string{"x", "y"}} }, scope: "x y", source: ScopeFromRequest},
		"a scope that is no text":          {body: `{"access_token":"T","scope":{"a":1},"expires_in":60}`},
		"the answer's jti first, a number": {body: `{"access_token":"` + jwtOf(`{"jti":"j-1"}`) + `","jti":7,"expires_in":60}`, jti: "7"},
		"a mapped name with a dot in it":   {body: `{"a.b":"T","expires_in":60}`, change: func(r *TokenRequest) { r.Endpoint.Dialect.Fields = map[string]string{"access_token": "a.b"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := testRequest()
			if tc.change != nil {
				tc.change(&req)
			}
			token, e := exchange(t, req, 200, nil, tc.body)
			if e != nil {
				t.Fatal(e)
			}
			if token.TokenType != "Bearer" || token.Scope != tc.scope || token.ScopeSource != tc.source || token.JTI != tc.jti || token.Lifetime != time.Minute {
				t.Errorf("%+v", token)
			}
		})
	}
}

func TestMappedFieldsAreLookedForInOnePlace(t *testing.T) {
	t.Parallel()
	req := testRequest()
	req.Endpoint.Dialect.Fields = map[string]string{"access_token": "data.token.value"}
	for _, body := range []string{`{"access_token":"T"}`, `{"data":"T"}`, `{"data":{"token":"T"}}`} {
		_, e := exchange(t, req, 200, nil, body)
		wantError(t, e, Malformed, CodeMissingAccessToken)
	}
}

func TestRefreshTokenAndTheSameTokenAgain(t *testing.T) {
	t.Parallel()
	req := testRequest()
	token, e := exchange(t, req, 200, nil, `{"access_token":"T","refresh_token":"R","expires_in":60}`)
	if e != nil || token.RefreshToken.Reveal() != "R" {
		t.Fatalf("%+v, %v", token, e)
	}
	first, id := token.Shape, token.ID()
	token, e = exchange(t, req, 200, nil, `{"access_token":"T","refresh_token":"R\n","expires_in":60,"more":1}`)
	if e != nil || !token.RefreshToken.IsZero() || token.ID() != id || id != NewSecret("T").Fingerprint() {
		t.Fatalf("%+v, %v", token, e)
	}
	if token.Shape == first || len(token.Shape) != 8 {
		t.Errorf("shape %s, before %s", token.Shape, first)
	}
}

func TestDialectRules(t *testing.T) {
	t.Parallel()
	req := testRequest()
	req.Endpoint.Dialect = Dialect{RateLimitWait: 50 * time.Second, Errors: []ErrorRule{
		{Status: 418, Class: Transient, Code: "teapot", RetryAfter: 2 * time.Hour},
		{Status: 400, Error: "E1", Message: "^slow", Class: Transient, Code: CodeRateLimited},
		{Error: "E1", Class: Malformed, Code: "odd"},
		{Message: "(?i)go away", Class: Credentials, Code: CodeInvalidClient, RetryAfter: time.Minute},
		{Error: "odd-type", Field: "error.code", Match: "^(4|true)$", Class: Transient, Code: CodeRateLimited},
		{Field: "detail.reasons", Match: "quota", Class: Transient, Code: "quota"},
	}}
	for name, tc := range map[string]struct {
		status int
		body   string
		want   verdict
		wait   time.Duration
	}{
		"by status, the wait capped":           {418, "", verdict{Transient, "teapot"}, time.Hour},
		"by all three, the dialect's wait":     {400, `{"error":"e1","message":"slow down"}`, verdict{Transient, CodeRateLimited}, 50 * time.Second},
		"by error with any status":             {200, `{"error":"e1","message":"slow down"}`, verdict{Malformed, "odd"}, 0},
		"by message, no wait but of transient": {500, `{"error_description":"please GO AWAY"}`, verdict{Credentials, CodeInvalidClient}, 0},
		"by a further field, a number":         {400, `{"error":{"type":"odd_type","code":4}}`, verdict{Transient, CodeRateLimited}, 50 * time.Second},
		"by a further field, a string":         {400, `{"error":{"type":"Odd Type","code":"4"}}`, verdict{Transient, CodeRateLimited}, 50 * time.Second},
		"by a further field, a boolean":        {400, `{"error":{"type":"odd_type","code":true}}`, verdict{Transient, CodeRateLimited}, 50 * time.Second},
		"a further field of another value":     {400, `{"error":{"type":"odd_type","code":44}}`, verdict{Configuration, CodeBadRequest}, 0},
		"a further field with another error":   {400, `{"error":{"type":"other","code":4}}`, verdict{Configuration, CodeBadRequest}, 0},
		"a further field that is a list":       {400, `{"detail":{"reasons":["quota"]}}`, verdict{Configuration, CodeBadRequest}, 0},
		"a further field alone, with a path":   {400, `{"detail":{"reasons":"over quota"}}`, verdict{Transient, "quota"}, 0},
		"none fits":                            {400, `{"error":"invalid_scope"}`, verdict{Configuration, CodeInvalidScope}, 0},
		"a 429 without hints":                  {429, ``, verdict{Transient, CodeRateLimited}, 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, e := exchange(t, req, tc.status, nil, tc.body)
			wantError(t, e, tc.want.class, tc.want.code)
			if e.RetryAfter != tc.wait {
				t.Errorf("retry after %v, want %v", e.RetryAfter, tc.wait)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*Error{
		"invalid_client: Bad credentials (HTTP 401 from a.example)": {Code: CodeInvalidClient, Description: "Bad credentials", Status: 401, Host: "a.example"},
		"server_error (HTTP 503)":                                   {Code: CodeServerError, Status: 503},
		"network: refused (a.example:8443)":                         {Code: CodeNetwork, Description: "refused", Host: "a.example:8443"},
		"cancelled":                                                 {Code: CodeCancelled},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
	_, e := exchange(t, testRequest(), 400, nil, `{"error":"invalid_scope","error_description":"a\u0000b\r\nc\u202ed `+strings.Repeat("é ", 300)+`"}`)
	if !strings.HasPrefix(e.Description, "a b c d é é") || len([]rune(e.Description)) != 200 || !strings.HasSuffix(e.Description, "…") {
		t.Errorf("%d characters: %q", len([]rune(e.Description)), e.Description)
	}
}

// TestTheFieldsOfAnAnswer are named, by what can be a name and is no secret.
func TestTheFieldsOfAnAnswer(t *testing.T) {
	const body = `{"access_token":"T0123456789abcdef","expires_in":60,"canary-s3cret-of-the-client":1,"a b":2,"` + "ü" + `":3,"` +
		`this_name_is_longer_than_any_that_a_person_wrote":4,"token_type":"bearer"}`
	req := requestWith(ClientSecretBasic(testID, NewSecret("canary-s3cret-of-the-client")))
	token, e := exchange(t, req, 200, nil, body)
	if e != nil || token.Fields != "access_token expires_in token_type" {
		t.Fatalf("%+v, %v", token, e)
	}
	var many strings.Builder
	for i := range 50 {
		many.WriteString(`,"f` + string(rune('a'+i%26)) + string(rune('a'+i/26)) + `":1`)
	}
	if changed, _ := exchange(t, req, 200, nil, `{"access_token":"T0123456789abcdef"`+many.String()+`}`); len(strings.Fields(changed.Fields)) != 30 {
		t.Errorf("%d fields are named", len(strings.Fields(changed.Fields)))
	}
}
