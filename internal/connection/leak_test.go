package connection

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// TestACredentialInAFieldThatIsPublished: the first fault is the one that says so, whatever else is wrong with the value.
func TestACredentialInAFieldThatIsPublished(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(testID) + ":" + url.QueryEscape(testSecret)))
	for _, name := range []string{
		"account_id", "environment", "scope", "required_scope", "token_endpoint", "token_endpoint_auth_method", "grant_type", "audience",
		"resource", "refresh_at", "max_lifetime", "verify_call", "fallback",
	} {
		for _, value := range []any{
			testSecret, testSecret + "\n", "read " + testSecret, "x" + testSecret + "x", strings.ToLower(testSecret), testBasic, "Basic " + testBasic,
			strings.TrimRight(testBasic, "="), encoded, "https://auth.example.com/token?k=" + url.QueryEscape(testSecret), []string{"read", testSecret},
			`["read","` + strings.ReplaceAll(testSecret, "/", `\/`) + `"]`, map[string]any{"a": testSecret},
		} {
			fault := refused(t, with(t, "kiwify", map[string]any{name: value}))
			if fault.Code != CodeInvalidDocument || fault.Field != name || !strings.HasPrefix(fault.Message, name+" holds the ") {
				t.Errorf("%s: %s of %s: %q", name, fault.Code, fault.Field, fault)
			}
			if strings.Contains(strings.ToLower(fault.Error()), strings.ToLower(testSecret)) || strings.Contains(fault.Error(), encoded) {
				t.Errorf("%s: the error holds the credential", name)
			}
		}
	}
}

func TestTheCredentialThatIsHeldIsNamed(t *testing.T) {
	onlyBasic := map[string]any{"client_id": nil, "client_secret": nil, "basic_token": "Basic " + testBasic}
	for _, tt := range []struct {
		name, required, want string
		changes              map[string]any
	}{
		{"the secret", testSecret, "required_scope holds the client_secret; remove it there: this field is printed and published", nil},
		{"the Basic value of a pair", testBasic, "required_scope holds the Basic value of the client credentials; ", nil},
		{"the secret within a basic_token", testSecret, "required_scope holds the client_secret; ", onlyBasic},
		{"the basic_token", testBasic, "required_scope holds the Basic value of the client credentials; ", onlyBasic},
		{
			"the basic_token of the other alphabet", "a aWQ6Pz8-Pz8_Pz8-", "required_scope holds the basic_token; ",
			map[string]any{"client_id": nil, "client_secret": nil, "basic_token": "aWQ6Pz8-Pz8_Pz8-"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := map[string]any{"required_scope": tt.required}
			for name, value := range tt.changes {
				doc[name] = value
			}
			if fault := refused(t, with(t, "hotmart", doc)); fault.Field != "required_scope" || !strings.HasPrefix(fault.Message, tt.want) {
				t.Errorf("%s: %q", fault.Field, fault)
			}
		})
	}
}

func TestHowMuchOfAValueIsTheCredential(t *testing.T) {
	for _, tt := range []struct {
		name, secret, scope string
		refused             bool
	}{
		{"eight characters within", "s3cr3t-7", "read s3cr3t-7:x", true},
		{"seven characters within", "s3cr3t7", "read s3cr3t7:x", false},
		{"seven characters alone", "s3cr3t7", "s3cr3t7", true},
		{"four characters alone", "s3cr", "s3cr", true},
		{"three characters alone", "s3c", "s3c", false},
		{"a scope that the secret holds", "read-stats-51f0aa97", "read-stats", false},
		{"another text", testSecret, "read write", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := with(t, "kiwify", map[string]any{"client_secret": tt.secret, "scope": tt.scope})
			if !tt.refused {
				must(t, doc)
				return
			}
			if fault := refused(t, doc); fault.Field != "scope" || strings.Contains(fault.Error(), tt.secret) {
				t.Errorf("%s: %q", fault.Field, fault)
			}
		})
	}
}

func TestANoteMayHoldAnything(t *testing.T) {
	must(t, with(t, "kiwify", map[string]any{"x_note": testSecret}))
}

func TestAnIDThatIsTheSecret(t *testing.T) {
	fault := refused(t, with(t, "kiwify", map[string]any{"client_id": testSecret}))
	if fault.Code != CodeInvalidDocument || fault.Field != "client_id" || !strings.HasPrefix(fault.Message, "client_id and client_secret are the same text; ") {
		t.Errorf("%s of %s: %q", fault.Code, fault.Field, fault)
	}
	fault = refused(t, with(t, "kiwify", map[string]any{"client_id": "12345678", "client_secret": "12345678"}))
	if fault.Field != "client_id" {
		t.Errorf("eight characters: %s", fault.Field)
	}
	must(t, with(t, "kiwify", map[string]any{"client_id": "1234567", "client_secret": "1234567"}))
}

// TestAStandbyPairIsHeldAgainstTheConfigurationToo: what was left in a field may be the secret of the pair that is laid over.
func TestAStandbyPairIsHeldAgainstTheConfigurationToo(t *testing.T) {
	merged, err := MergeCredentials(oauth.NewSecret(with(t, "kiwify", map[string]any{"scope": "n3w-s3cret"})), oauth.NewSecret(`{"client_secret":"n3w-s3cret"}`))
	if err != nil {
		t.Fatal(err)
	}
	if fault := refused(t, merged.Reveal()); fault.Field != "scope" {
		t.Errorf("%s: %q", fault.Field, fault)
	}
}

// TestTheWordBeforeABasicValueIsCutOnce: a second one belongs to the value, and makes it none.
func TestTheWordBeforeABasicValueIsCutOnce(t *testing.T) {
	for token, want := range map[string]string{
		"": "", "YTpi": "YTpi", "Basic YTpi": "YTpi", "basic\t \n YTpi": "YTpi", "Authorization: BASIC YTpi": "YTpi", "authorization:Basic YTpi": "YTpi",
		"Basic": "Basic", "BasicYTpi": "BasicYTpi", "YTpi Basic x": "YTpi Basic x", "Basic Basic YTpi": "Basic YTpi", " Basic YTpi": " Basic YTpi", "Bearer YTpi": "Bearer YTpi",
	} {
		if got := withoutBasicWord(token); got != want || got != basicWord.ReplaceAllString(token, "") {
			t.Errorf("%q becomes %q, want %q", token, got, want)
		}
	}
}

// TestASecretIsFoundInAValueOfItsLength.
func TestASecretIsFoundInAValueOfItsLength(t *testing.T) {
	catalogue, err := provider.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"the secret":                        `{"provider":"generic","token_endpoint":"https://a.example/t","client_id":"id-of-the-client","client_secret":"k3y-of-9","audience":"k3y-of-9"}`,
		"the secret in capitals":            `{"provider":"generic","token_endpoint":"https://a.example/t","client_id":"id-of-the-client","client_secret":"k3y-of-9","audience":"K3Y-OF-9"}`,
		"the secret as a URL holds it":      `{"provider":"generic","token_endpoint":"https://a.example/t","client_id":"id-of-the-client","client_secret":"k3y+of/9","audience":"k3y%2Bof%2F9"}`,
		"the provider's name as the secret": `{"provider":"hotmart","client_id":"id-of-the-client","client_secret":"hotmart"}`,
		"a Basic value, not its secret":     `{"provider":"hotmart","client_id":"a","client_secret":"bcdefghij","basic_token":"YTpiY2RlZmdoaWo=","scope":"YTpiY2RlZmdoaWo"}`,
	} {
		if _, err := Parse("a/b", oauth.NewSecret(text), catalogue, Options{}); err == nil {
			t.Errorf("%s stands in another field, and was taken", name)
		}
	}
}
