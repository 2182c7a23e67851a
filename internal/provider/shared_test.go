package provider

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// sharedCase is the error of a server that a connection names as generic, and what must be made of it.
type sharedCase struct {
	status int
	body   string
	class  oauth.Class
	code   string
	words  string // part of the description
}

func sharedCases() map[string]sharedCase {
	meta := func(inner string) string { return `{"error":{"type":"OAuthException",` + inner + `}}` }
	google := func(status string) string { return `{"error":{"code":400,"message":"no","status":"` + status + `"}}` }
	cases := map[string]sharedCase{
		"Microsoft: the secret has expired":   {401, `{"error":"invalid_client","error_description":"AADSTS7000222: expired"}`, oauth.Credentials, oauth.CodeSecretExpired, "AADSTS7000222"},
		"Microsoft: another wrong secret":     {401, `{"error":"invalid_client","error_description":"AADSTS7000215: invalid"}`, oauth.Credentials, oauth.CodeInvalidClient, "AADSTS7000215"},
		"API Gateway: no such route":          {403, `{"message":"Missing Authentication Token"}`, oauth.Configuration, oauth.CodeWrongEndpoint, "Missing"},
		"API Gateway: Basic":                  {403, `{"message":"'x' not a valid key=value pair (missing equal-sign) in Authorization header: y"}`, oauth.Configuration, oauth.CodeWrongEndpoint, ""},
		"API Gateway: a signature":            {403, `{"message":"Authorization header requires 'Credential' parameter."}`, oauth.Configuration, oauth.CodeWrongEndpoint, ""},
		"API Gateway: forbidden":              {403, `{"message":"Forbidden"}`, oauth.Configuration, oauth.CodeForbidden, "Forbidden"},
		"Meta: application unknown":           {400, meta(`"code":101,"message":"Error validating application."`), oauth.Credentials, oauth.CodeInvalidClient, "validating"},
		"Meta: the code of that alone":        {400, meta(`"code":101`), oauth.Credentials, oauth.CodeInvalidClient, "OAuthException"},
		"Meta: wrong secret":                  {400, meta(`"code":1,"message":"Error validating client secret."`), oauth.Credentials, oauth.CodeInvalidClient, "validating"},
		"Meta: limit":                         {400, meta(`"code":4,"message":"limit"`), oauth.Transient, oauth.CodeRateLimited, "limit"},
		"Meta: limit, as a string":            {400, meta(`"code":"613"`), oauth.Transient, oauth.CodeRateLimited, ""},
		"Meta: transient":                     {500, meta(`"code":1,"is_transient":true`), oauth.Transient, oauth.CodeServerError, ""},
		"Meta: transient with 400":            {400, meta(`"code":1,"is_transient":true`), oauth.Transient, oauth.CodeServerError, ""},
		"Meta: not transient":                 {400, meta(`"code":1,"is_transient":false`), oauth.Configuration, oauth.CodeBadRequest, ""},
		"Meta: the service is down":           {400, meta(`"code":2`), oauth.Transient, oauth.CodeServerError, ""},
		"Meta: something else":                {400, meta(`"code":100,"message":"Invalid parameter"`), oauth.Configuration, oauth.CodeBadRequest, "Invalid parameter"},
		"the same codes of somebody else":     {400, `{"error":{"type":"Other","code":101}}`, oauth.Configuration, oauth.CodeBadRequest, ""},
		"Google: in small letters is no code": {400, google("unauthenticated"), oauth.Configuration, oauth.CodeBadRequest, "no"},
		"access_denied with 401":              {401, `{"error":"access_denied","error_description":"Unauthorized"}`, oauth.Credentials, oauth.CodeInvalidClient, "Unauthorized"},
		"access_denied with 403":              {403, `{"error":"access_denied"}`, oauth.Configuration, oauth.CodeAccessDenied, ""},
		"RD Station":                          {401, `{"errors":{"error_type":"ACCESS_DENIED","error_message":"Wrong"}}`, oauth.Credentials, oauth.CodeInvalidClient, "Wrong"},
		"a code alone is shown":               {400, `{"error":"bad_client_secret"}`, oauth.Credentials, oauth.CodeInvalidClient, "bad_client_secret"},
		"in capitals and with dashes":         {429, `{"error":"RATE-LIMIT_REACHED"}`, oauth.Transient, oauth.CodeRateLimited, ""},
		"in an object":                        {400, `{"error":{"code":"Unknown Client","message":"who?"}}`, oauth.Credentials, oauth.CodeInvalidClient, "who?"},
		"with 200":                            {200, `{"ok":false,"error":"bad_client_secret"}`, oauth.Credentials, oauth.CodeInvalidClient, ""},
	}
	for status, want := range map[string]sharedCase{
		"INVALID_ARGUMENT": {class: oauth.Configuration, code: oauth.CodeInvalidRequest}, "FAILED_PRECONDITION": {class: oauth.Configuration, code: oauth.CodeInvalidRequest},
		"OUT_OF_RANGE": {class: oauth.Configuration, code: oauth.CodeInvalidRequest}, "UNAUTHENTICATED": {class: oauth.Credentials, code: oauth.CodeUnauthorized},
		"PERMISSION_DENIED": {class: oauth.Configuration, code: oauth.CodeForbidden}, "NOT_FOUND": {class: oauth.Configuration, code: oauth.CodeWrongEndpoint},
		"UNIMPLEMENTED": {class: oauth.Configuration, code: oauth.CodeWrongEndpoint}, "RESOURCE_EXHAUSTED": {class: oauth.Transient, code: oauth.CodeRateLimited},
		"UNAVAILABLE": {class: oauth.Transient, code: oauth.CodeServerError}, "INTERNAL": {class: oauth.Transient, code: oauth.CodeServerError},
		"DEADLINE_EXCEEDED": {class: oauth.Transient, code: oauth.CodeServerError}, "ABORTED": {class: oauth.Transient, code: oauth.CodeServerError},
		"UNKNOWN": {class: oauth.Transient, code: oauth.CodeServerError},
	} {
		cases["Google: "+status] = sharedCase{400, google(status), want.class, want.code, "no"}
	}
	for code, words := range map[string]string{
		oauth.CodeInvalidClient: "invalid_client_id invalid_client_secret invalid_client_credentials incorrect_client_credentials bad_client_id bad_client_secret " +
			"bad_client_credentials bad_credentials client_authentication_failed unknown_client client_not_found",
		oauth.CodeSecretExpired:          "secret_expired client_secret_expired expired_client_secret",
		oauth.CodeInvalidTarget:          "invalid_resource",
		oauth.CodeServerError:            "internal_server_error internal_error",
		oauth.CodeTemporarilyUnavailable: "service_unavailable",
		oauth.CodeRateLimited:            "too_many_requests rate_limit_reached rate_limit_exceeded rate_limited ratelimited rate_limit",
	} {
		class := map[string]oauth.Class{oauth.CodeInvalidClient: oauth.Credentials, oauth.CodeSecretExpired: oauth.Credentials, oauth.CodeInvalidTarget: oauth.Configuration}[code]
		if class == "" {
			class = oauth.Transient
		}
		for word := range strings.FieldsSeq(words) {
			cases["the word "+word] = sharedCase{400, `{"error":"` + word + `","message":"m"}`, class, code, "m"}
		}
	}
	return cases
}

// TestSharedRules: whatever provider a connection names, an error in the words of these vendors is understood. Each rule decides a case.
func TestSharedRules(t *testing.T) {
	shared, err := loadShared(data)
	if err != nil {
		t.Fatal(err)
	}
	rules := shared.Errors
	generic := get(t, "generic")
	unused := map[int]bool{}
	for i := range rules {
		unused[i] = true
	}
	for name, tc := range sharedCases() {
		t.Run(name, func(t *testing.T) {
			e := outcome(t, generic.Dialect, tc)
			if e.Class != tc.class || e.Code != tc.code || !strings.Contains(e.Description, tc.words) {
				t.Errorf("%s/%s %q, want %s/%s with %q", e.Class, e.Code, e.Description, tc.class, tc.code, tc.words)
			}
			for i := range rules { // the first rule of which the outcome is not another one decides
				if unused[i] && outcome(t, oauth.Dialect{Errors: rules[i : i+1]}, tc).Code == tc.code && outcome(t, oauth.Dialect{}, tc).Code != tc.code {
					delete(unused, i)
				}
			}
		})
	}
	for i := range unused {
		t.Errorf("no case needs the rule %+v", rules[i])
	}
}

// TestEveryDialectEndsWithTheSharedRules, after its own.
func TestEveryDialectEndsWithTheSharedRules(t *testing.T) {
	shared, err := loadShared(data)
	if err != nil {
		t.Fatal(err)
	}
	rules := shared.Errors
	catalogue := mustLoad(t)
	for _, id := range catalogue.IDs() {
		p, _ := catalogue.Get(id)
		own := len(p.Dialect.Errors) - len(rules)
		if own < 0 {
			t.Errorf("%s has %d rules", id, len(p.Dialect.Errors))
			continue
		}
		for i, rule := range rules {
			if p.Dialect.Errors[own+i] != rule {
				t.Errorf("%s has the rule %+v in place %d", id, p.Dialect.Errors[own+i], i)
			}
		}
	}
}

func TestABrokenFileOfSharedRulesIsRefused(t *testing.T) {
	for content, want := range map[string]string{
		`{}`: "errors.json: decode: ",
		`[{"vendor":"x","errors":[{"class":"transient","code":"x"}]}]`:             "errors.json: dialect: error rule 1: states no condition",
		`[{"vendor":"x","colour":"red"}]`:                                          "errors.json: decode: ",
		`[{"vendor":"x","errors":[{"field":"a","class":"transient","code":"x"}]}]`: "errors.json: dialect: error rule 1: field and match",
	} {
		_, err := load(withShared(fstest.MapFS{"data/acme.json": {Data: []byte(`{}`)}}, content), "data")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", content, err, want)
		}
	}
}

// outcome is the error that a client with a dialect makes of a case.
func outcome(t *testing.T, d oauth.Dialect, tc sharedCase) *oauth.Error {
	t.Helper()
	client, err := oauth.New(oauth.Config{Transport: answerWith{vector{Status: tc.status, Body: tc.body}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Token(t.Context(), oauth.TokenRequest{
		Endpoint: oauth.Endpoint{URL: "https://auth.example.com/token", Header: http.Header{}, Dialect: d},
		Auth:     oauth.ClientSecretBasic("id", oauth.NewSecret("s3cr3t-0123")), Grant: oauth.ClientCredentials{},
	})
	var e *oauth.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	return e
}
