package connection

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func TestWhatIsNoDocument(t *testing.T) {
	valid := with(t, "kiwify", nil)
	for _, tt := range []struct{ name, doc, want string }{
		{"an empty value", "", "the value is empty"},
		{"spaces only", " \n\t", "the value is empty"},
		{"a byte order mark only", "\ufeff", "the value is empty"},
		{"plain text", testSecret, "the value is not JSON"},
		{"an array", "[" + valid + "]", "the value is an array; it must be a JSON object"},
		{"a string that holds the document", `"` + strings.ReplaceAll(valid, `"`, `\"`) + `"`, "the value is a string"},
		{"a number", "42", "the value is a number"},
		{"null", "null", "the value is null"},
		{"a boolean", "true", "the value is a boolean"},
		{"a document that is cut", valid[:len(valid)-1], "it ends before its closing brace"},
		{"quotes eaten by a shell", "{provider:kiwify,client_secret:" + testSecret + "}", "its double quotes are gone, as a shell removes them; store it from a file"},
		{"a missing comma", "{\"provider\":\"kiwify\"\n \"client_secret\":\"" + testSecret + "\"}", "the value is not JSON (line 2, column 2)"},
		{"a trailing comma", `{"client_secret":"` + testSecret + `",}`, "the value is not JSON (line 1, column "},
		{"a line break within a string", "{\"client_secret\":\"" + testSecret + "\n\"}", "the value is not JSON (line 1, column "},
		{"something after the document", valid + "x", "something follows the closing brace"},
		{"two documents", valid + valid, "something follows the closing brace"},
		{"a field twice", `{"provider":"kiwify","client_secret":"` + testSecret + `","client_secret":"b"}`, `field "client_secret" is there twice; remove one`},
		{"a secret as the name of a field, twice", `{"` + testSecret + `":1,"client_secret":"` + testSecret + `","` + testSecret + `":2}`, "field (a name of 20 characters) is there twice"},
		{"bytes that are not UTF-8", "{\"provider\":\"kiwify\xff\"}", "the value is not UTF-8 text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fault := refused(t, tt.doc)
			if fault.Code != CodeInvalidDocument || !strings.Contains(fault.Error(), tt.want) {
				t.Errorf("%s: %q, want %q", fault.Code, fault, tt.want)
			}
		})
	}
}

func TestBinaryIsRefusedByTheReader(t *testing.T) {
	err := BinaryError("kiwify/main")
	if err.Code != CodeInvalidDocument || !strings.HasPrefix(err.Error(), "kiwify/main: the secret holds binary data") {
		t.Errorf("%s: %q", err.Code, err)
	}
}

func TestUnknownFields(t *testing.T) {
	for _, tt := range []struct{ field, near string }{
		{"clientId", "client_id"}, {"clientid", "client_id"}, {"client-id", "client_id"}, {"CLIENT_ID", "client_id"}, {"cilent_id", "client_id"},
		{"clientSecret", "client_secret"}, {"secret", "client_secret"}, {"client_secrt", "client_secret"},
		{"Provider", "provider"}, {"providers", "provider"}, {"basicToken", "basic_token"}, {"basic", "basic_token"},
		{"scopes", "scope"}, {"requiredScopes", "required_scope"}, {"tokenUrl", "token_endpoint"}, {"token_url", "token_endpoint"},
		{"auth_method", "token_endpoint_auth_method"}, {"refreshAt", "refresh_at"}, {"maxLifetime", "max_lifetime"}, {"env", "environment"},
		{"accountId", "account_id"}, {"x-kiwify-account-id", "account_id"}, {"fall_back", "fallback"}, {"X_note", ""}, {"", ""}, {"colour", ""},
	} {
		t.Run(tt.field, func(t *testing.T) {
			fault := refused(t, with(t, "kiwify", map[string]any{tt.field: "v"}))
			want := `kiwify/main: unknown field "` + tt.field + `"`
			if tt.near != "" {
				want += `; did you mean "` + tt.near + `"?`
			}
			if fault.Field != tt.field || fault.Code != CodeInvalidDocument || !strings.HasPrefix(fault.Error(), want) {
				t.Errorf("field %q: %q, want %q", fault.Field, fault, want)
			}
			if tt.near == "" && strings.Contains(fault.Error(), "did you mean") {
				t.Errorf("%q guesses", fault)
			}
		})
	}
}

func TestTheFirstUnknownFieldInTheDocumentIsNamed(t *testing.T) {
	fault := refused(t, `{"zzz":1,"aaa":2,"provider":"kiwify","client_id":"a","client_secret":"b"}`)
	if fault.Field != "zzz" {
		t.Errorf("field %q", fault.Field)
	}
}

func TestRefusedFields(t *testing.T) {
	generic := func(endpoint string) map[string]any { return map[string]any{"token_endpoint": endpoint} }
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	basic := func(token string) map[string]any {
		return map[string]any{"client_id": nil, "client_secret": nil, "basic_token": token}
	}
	field := func(name string, value any) map[string]any { return map[string]any{name: value} }
	for _, tt := range []struct {
		name     string
		provider string
		changes  map[string]any
		field    string
		want     string
	}{
		// provider
		{"no provider", "", field("provider", nil), "provider", `"provider" is missing; the value must be the whole document`},
		{"an empty provider", "", nil, "provider", `"provider" is missing; the value must be the whole document`},
		{"a provider that is a number", "", field("provider", 1), "provider", "provider is a number; it must be a string in double quotes"},

		// client_id and client_secret
		{"no client id", "kiwify", field("client_id", nil), "client_id", "client_id is missing"},
		{"no client secret", "kiwify", field("client_secret", nil), "client_secret", "client_secret is missing"},
		{"no pair where a Basic value would do", "hotmart", map[string]any{"client_id": nil, "client_secret": nil}, "client_id", "client_id is missing; store client_id and client_secret, or basic_token"},
		{"an empty client id", "kiwify", field("client_id", ""), "client_id", "client_id is empty"},
		{"an empty client secret", "kiwify", field("client_secret", ""), "client_secret", "client_secret is empty"},
		{"spaces as client secret", "kiwify", field("client_secret", "  "), "client_secret", "client_secret ends with a space"},
		{"a client id that is a number", "kiwify", field("client_id", 12345678), "client_id", "client_id is a number; it must be a string in double quotes"},
		{"a client secret that is a list", "kiwify", field("client_secret", []string{testSecret}), "client_secret", "client_secret is an array"},
		{"a client secret with a line break at its end", "hotmart", field("client_secret", testSecret+"\n"), "client_secret", "client_secret ends with a line break; store it again without"},
		{"a client secret with a Windows line break at its end", "hotmart", field("client_secret", testSecret+"\r\n"), "client_secret", "client_secret ends with a line break; store it again without"},
		{"a client id with a space at its end", "hotmart", field("client_id", testID+" "), "client_id", "client_id ends with a space; store it again without"},
		{"a client id with a tab in front", "hotmart", field("client_id", "\t"+testID), "client_id", "client_id begins with a space"},
		{"a client id with a line break in front", "hotmart", field("client_id", "\n"+testID), "client_id", "client_id begins with a line break"},
		{"a client id with a no-break space at its end", "hotmart", field("client_id", testID+"\u00a0"), "client_id", "client_id ends with a space"},
		{"a client secret with a line break inside", "hotmart", field("client_secret", "abc\ndef"), "client_secret", "client_secret holds a line break"},
		{"a client secret with a control character", "hotmart", field("client_secret", "abc\x00def"), "client_secret", "client_secret holds a control character at position 4"},
		{"a client secret with an invisible space", "hotmart", field("client_secret", "ab\u200bcdef"), "client_secret", "client_secret holds a character that no client id or secret has at position 3"},
		{"a client id with a long dash", "hotmart", field("client_id", "ab–cd"), "client_id", "client_id holds a character that no client id or secret has at position 3"},

		// basic_token
		{"a Basic value where the provider has none", "kiwify", field("basic_token", testBasic), "basic_token", "basic_token: kiwify has none; store client_id and client_secret"},
		{"a Basic value of another client id", "hotmart", map[string]any{"basic_token": testBasic, "client_id": "another"}, "basic_token", "basic_token belongs to another client_id than the field; remove one of them"},
		{"a Basic value with another secret", "hotmart", map[string]any{"basic_token": testBasic, "client_secret": "another"}, "basic_token", "basic_token holds another client_secret than the field; remove one of them"},
		{"a Basic value that is no base64", "hotmart", basic("Basic !!!"), "basic_token", "basic_token is not base64"},
		{"a Basic value that is only the word", "hotmart", basic("Basic"), "basic_token", "basic_token "},
		{"a Basic value without a colon", "hotmart", basic(b64("abcdef")), "basic_token", "basic_token does not decode to client_id:client_secret"},
		{"a Basic value of bytes", "hotmart", basic(b64("a:\xff\xfe")), "basic_token", "basic_token does not decode to text"},
		{"a Basic value with nothing before the colon", "hotmart", basic(b64(":secret")), "basic_token", "basic_token decodes to an empty client_id"},
		{"a Basic value with nothing after the colon", "hotmart", basic(b64("id:")), "basic_token", "basic_token decodes to an empty client_secret"},
		{"a Basic value whose secret ends with a line break", "hotmart", basic(b64("id:secret\n")), "basic_token", "basic_token decodes to a client_secret that ends with a line break"},
		{"a Basic value with a line break at its end", "hotmart", basic(testBasic + "\n"), "basic_token", "basic_token ends with a line break"},
		{"a Basic value that is a placeholder", "hotmart", basic("<your basic token>"), "basic_token", "basic_token is a placeholder"},
		{"a Basic value that is a number", "hotmart", map[string]any{"basic_token": 7}, "basic_token", "basic_token is a number"},

		// account_id, environment
		{"an account where there is none", "hotmart", field("account_id", "abc"), "account_id", "account_id: hotmart has none; remove it"},
		{"an account with a space inside", "kiwify", field("account_id", "ab cd"), "account_id", "account_id: 1 to 128 letters, digits or signs, without spaces"},
		{"an account with a line break at its end", "kiwify", field("account_id", "abcd\n"), "account_id", "account_id ends with a line break"},
		{"sandbox where there is none", "kiwify", field("environment", "sandbox"), "environment", `environment "sandbox": kiwify has only production`},
		{"an unknown environment", "hotmart", field("environment", "prod"), "environment", `environment "prod": production or sandbox`},

		// scope, required_scope, audience, resource
		{"a scope with quotes", "kiwify", field("scope", `"read" "write"`), "scope", "scope holds a character that no scope has"},
		{"a scope with a control character", "kiwify", field("scope", "read\x00"), "scope", "scope holds a character that no scope has"},
		{"a scope that is an object", "kiwify", field("scope", map[string]any{"a": 1}), "scope", "scope: a string of names separated by spaces, or a list of strings"},
		{"a scope that is a list of numbers", "kiwify", field("scope", []int{1}), "scope", "scope: a string of names separated by spaces, or a list of strings"},
		{"a required scope that is a number", "kiwify", field("required_scope", 1), "required_scope", "required_scope: a string of names separated by spaces, or a list of strings"},
		{"no scope where one is needed", "amazon-lwa", nil, "scope", "scope is missing; amazon-lwa gives no token without"},
		{"no audience where one is needed", "auth0", generic("https://t.auth0.com/oauth/token"), "audience", "audience is missing; auth0 gives no token without"},
		{"an audience with a line break", "hotmart", field("audience", "a\nb"), "audience", "audience holds a line break"},
		{"a resource that ends with a space", "hotmart", field("resource", "a "), "resource", "resource ends with a space"},

		// token_endpoint
		{"generic without endpoint", "generic", nil, "token_endpoint", "token_endpoint is missing; generic needs it, for example https://auth.example.com/oauth/token"},
		{"a tenant's provider without endpoint", "auth0", field("audience", "a"), "token_endpoint", "token_endpoint is missing; auth0 needs it, for example https://your-tenant.eu.auth0.com/oauth/token"},
		{"an endpoint with a tenant left open", "generic", generic("https://{tenant}.auth0.com/oauth/token"), "token_endpoint", "token_endpoint still holds a placeholder"},
		{"an endpoint that is no URL", "generic", generic("auth.example.com"), "token_endpoint", "token_endpoint"},
		{"an endpoint that cannot be parsed", "generic", generic("https://a b.com/%zz"), "token_endpoint", "token_endpoint"},
		{"an endpoint of another scheme", "generic", generic("ftp://auth.example.com/"), "token_endpoint", "token_endpoint"},
		{"an endpoint with a password", "generic", generic("https://u:" + "p4ssw0rd" + "@auth.example.com/"), "token_endpoint", "token_endpoint"},
		{"an endpoint with a line break", "generic", generic("https://auth.example.com/\n"), "token_endpoint", "token_endpoint ends with a line break"},
		{"a wrong host of Hotmart", "hotmart", generic("https://developers.hotmart.com/oauth/token"), "token_endpoint", `token_endpoint: no tokens at "developers.hotmart.com": that is Hotmart's API, which takes tokens and gives none; use https://api-sec-vlc.hotmart.com/security/oauth/token`},
		{"a wrong host of Kiwify, as generic", "generic", generic("https://api.kiwify.com.br/oauth/token"), "token_endpoint", "use https://public-api.kiwify.com/v1/oauth/token"},

		// token_endpoint_auth_method, grant_type
		{"an unknown method", "generic", map[string]any{"token_endpoint": "https://a.example.com/", "token_endpoint_auth_method": "magic"}, "token_endpoint_auth_method", `token_endpoint_auth_method "magic": generic takes client_secret_basic, client_secret_post, client_secret_query, client_secret_json`},
		{"a short name of a method", "generic", map[string]any{"token_endpoint": "https://a.example.com/", "token_endpoint_auth_method": "post"}, "token_endpoint_auth_method", `token_endpoint_auth_method "post"; did you mean "client_secret_post"?`},
		{"a method that the provider does not take", "kiwify", field("token_endpoint_auth_method", "client_secret_json"), "token_endpoint_auth_method", "kiwify takes client_secret_post"},
		{"private_key_jwt", "hotmart", field("token_endpoint_auth_method", "private_key_jwt"), "token_endpoint_auth_method", `token_endpoint_auth_method "private_key_jwt" is not supported yet: hotmart takes `},
		{"tls_client_auth", "hotmart", field("token_endpoint_auth_method", "tls_client_auth"), "token_endpoint_auth_method", "is not supported yet"},
		{"none", "hotmart", field("token_endpoint_auth_method", "none"), "token_endpoint_auth_method", "is not supported yet"},
		{"refresh_token", "hotmart", field("grant_type", "refresh_token"), "grant_type", `grant_type "refresh_token" is not supported yet: client_credentials`},
		{"an unknown grant", "hotmart", field("grant_type", "password"), "grant_type", `grant_type "password": client_credentials`},

		// refresh_at, max_lifetime, verify_call, fallback
		{"refresh_at with a comma", "kiwify", field("refresh_at", "0,8"), "refresh_at", `refresh_at "0,8": use a point, 0.3 to 0.9`},
		{"refresh_at in percent", "kiwify", field("refresh_at", "80%"), "refresh_at", `refresh_at "80%": a fraction of the token's life, 0.3 to 0.9`},
		{"refresh_at too small", "kiwify", field("refresh_at", 0.29), "refresh_at", `refresh_at "0.29": a fraction`},
		{"refresh_at too large", "kiwify", field("refresh_at", "0.91"), "refresh_at", `refresh_at "0.91": a fraction`},
		{"refresh_at that is no number", "kiwify", field("refresh_at", "NaN"), "refresh_at", `refresh_at "NaN": a fraction`},
		{"refresh_at that is a boolean", "kiwify", field("refresh_at", true), "refresh_at", `refresh_at "true": a fraction`},
		{"refresh_at that is a list", "kiwify", field("refresh_at", []int{1}), "refresh_at", "refresh_at is an array"},
		{"max_lifetime without unit", "kiwify", field("max_lifetime", 3600), "max_lifetime", `max_lifetime "3600": a positive duration with its unit`},
		{"max_lifetime of nothing", "kiwify", field("max_lifetime", "0s"), "max_lifetime", `max_lifetime "0s": a positive duration with its unit`},
		{"max_lifetime below nothing", "kiwify", field("max_lifetime", "-1h"), "max_lifetime", `max_lifetime "-1h": a positive duration with its unit`},
		{"verify_call that is no boolean", "kiwify", field("verify_call", "yes"), "verify_call", `verify_call "yes": true or false`},
		{"verify_call where no call is known", "paypal", field("verify_call", true), "verify_call", "verify_call: no call is known for paypal; remove it"},
		{"fallback that is a number", "kiwify", field("fallback", 0), "fallback", `fallback "0": true or false`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fault := refused(t, with(t, tt.provider, tt.changes))
			if fault.Code != CodeInvalidDocument || fault.Field != tt.field || !strings.Contains(fault.Error(), tt.want) {
				t.Errorf("%s of %s: %q, want %s: %q", fault.Code, fault.Field, fault, tt.field, tt.want)
			}
			if strings.Contains(fault.Error(), "p4ssw0rd") {
				t.Error("the error holds the URL's password")
			}
		})
	}
}

func TestRefusedEndpoints(t *testing.T) {
	for _, endpoint := range []string{
		"http://auth.example.com/token", "https://localhost/token", "https://127.0.0.1/token", "https://[::1]/token", "https://0.0.0.0/token",
		"https://169.254.169.254/latest", "https://[fe80::1]/t", "https://[fd00:ec2::254]/t", "https://[::ffff:127.0.0.1]/t", "https://224.0.0.1/t",
	} {
		fault := refused(t, with(t, "generic", map[string]any{"token_endpoint": endpoint}))
		if fault.Code != CodeEndpointRefused || fault.Field != "token_endpoint" || !strings.HasPrefix(fault.Message, "token_endpoint: ") {
			t.Errorf("%s: %s of %q: %q", endpoint, fault.Code, fault.Field, fault)
		}
	}
}

func TestUnknownProviders(t *testing.T) {
	const known = "Known: amazon-lwa, auth0, fiserv, generic, hotmart, "
	for _, tt := range []struct{ in, want string }{
		{"Hotmart", `unknown provider "Hotmart"; did you mean "hotmart"? ` + known},
		{"kiwfy", `unknown provider "kiwfy"; did you mean "kiwify"? ` + known},
		{"hotmart\n", `unknown provider "hotmart\n"; did you mean "hotmart"? ` + known},
		{"monetizze", `unknown provider "monetizze"; use "generic" with token_endpoint for any other OAuth 2.0 server. ` + known},
		{testSecret, "unknown provider (a value of 20 characters); use "},
		{strings.Repeat("f", 64), "unknown provider (a value of 64 characters); use "},
	} {
		fault := refused(t, with(t, tt.in, nil))
		if fault.Code != CodeUnknownProvider || fault.Field != "provider" || !strings.Contains(fault.Error(), tt.want) {
			t.Errorf("%s of %q: %q, want %q", fault.Code, fault.Field, fault, tt.want)
		}
	}
}

// TestASecretInTheWrongFieldIsNotRepeated: people paste into the wrong line of the console's editor.
func TestASecretInTheWrongFieldIsNotRepeated(t *testing.T) {
	for _, name := range []string{
		"provider", "environment", "token_endpoint", "token_endpoint_auth_method", "grant_type", "refresh_at", "max_lifetime", "verify_call",
		"fallback", "account_id", testSecret, testBasic,
	} {
		for _, value := range []string{testSecret, testBasic, testSecret + "\n", "https://a.example.com/?k=" + testSecret + "{"} {
			_, err := Parse("a/b", oauth.NewSecret(with(t, "hotmart", map[string]any{name: value, "x_basic": testBasic})), catalogue(t), Options{})
			if err == nil {
				t.Errorf("%.12s: accepted", name)
				continue
			}
			if strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), testBasic) {
				t.Errorf("%.12s: the error holds the credential", name)
			}
		}
	}
}

func TestPlaceholders(t *testing.T) {
	for _, s := range []string{
		"changeme", "CHANGE_ME", "change-me", "xxx", "XXXXXXXX", "xxxx-xxxx-xxxx", "...", "…", "****", "••••••••", "<client_id>", "<seu client_id>",
		"{{CLIENT_ID}}", "${CLIENT_ID}", "$CLIENT_ID", "%CLIENT_ID%", "[your id]", "your_client_id", "your-client-secret", "YOUR_CLIENT_ID_HERE",
		"yourclientid", "seu_client_id", "sua_client_secret", "insert-your-client-id", "client_id", "client_secret", "replace_me", "placeholder",
		"todo", "TBD", "null", "undefined", "your_hotmart_secret",
	} {
		if !placeholder(s) {
			t.Errorf("%q is not seen as a placeholder", s)
		}
	}
	for _, field := range []string{"client_id", "client_secret"} {
		fault := refused(t, with(t, "kiwify", map[string]any{field: "your_" + field}))
		if fault.Field != field || fault.Message != field+" is a placeholder; store the value that the provider's panel shows" {
			t.Errorf("%s: %q", fault.Field, fault)
		}
	}
}

func TestRealCredentialsAreNoPlaceholders(t *testing.T) {
	for _, s := range []string{
		testID, testSecret, testBasic, "c", "s", "id", "secret", "x", "xx1", "client-1", "my-app", "my-client", "example-service", "1000.O1XXQ91NTGH",
		"amzn1.application-oa2-client.0a1b", "yourvoice", "youridea7", "xxl-shop-7f", "seunegocio", strings.Repeat("a", 64), "0oa1b2c3d4",
	} {
		if placeholder(s) {
			t.Errorf("%q is taken for a placeholder", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	cat := catalogue(f)
	for _, doc := range []string{
		"", "{}", "[]", "null", `{"provider":"hotmart","client_id":"` + testID + `","client_secret":"` + testSecret + `"}`,
		`{"provider":"hotmart","basic_token":"Basic ` + testBasic + `"}`, `{"provider":"kiwify","client_secret":"` + testSecret + `","refresh_at":"` + testSecret + `"}`,
		`{"provider":"generic","client_id":"a","client_secret":"b","token_endpoint":"https://` + testSecret + `/","scope":["a",1]}`,
		`{"client_secret":"` + testSecret + `","` + testSecret + `":{"a":[1,2,{"b":null}]}}`, "{\"client_secret\":\"" + testSecret + "\n\"}", `{"a":1,"a":2}`,
		`{"provider":"hotmart","client_secret":"aaaa","basic_token":"=====","max_lifetime":"1e9h","refresh_at":1e999}`,
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		c, err := Parse("a/b", oauth.NewSecret(doc), cat, Options{})
		if err != nil {
			checkFuzzError(t, doc, err)
			return
		}
		if c.ClientID == "" || c.ClientSecret.IsZero() || c.TokenEndpoint == "" || c.Host == "" || c.Provider.ID == "" {
			t.Error("a valid connection without one of the needed fields")
		}
		if c.RefreshAt < 0.3 || c.RefreshAt > 0.9 || c.MaxLifetime < 0 {
			t.Errorf("refresh at %g, max lifetime %s", c.RefreshAt, c.MaxLifetime)
		}
		if same, err := SameConfiguration(oauth.NewSecret(doc), oauth.NewSecret(doc)); err != nil || !same {
			t.Errorf("a document is not the same as itself: %t, %v", same, err)
		}
	})
}

// checkFuzzError looks for the document's secret in an error. Texts that any message has are no evidence.
func checkFuzzError(t *testing.T, doc string, err error) {
	t.Helper()
	var fields map[string]any
	if json.Unmarshal([]byte(doc), &fields) != nil {
		return
	}
	for _, name := range []string{"client_secret", "basic_token"} {
		secret, _ := fields[name].(string)
		if secret = strings.TrimSpace(secret); len(secret) > 7 && strings.ContainsAny(secret, "0123456789+=") && strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %s", name)
		}
	}
}
