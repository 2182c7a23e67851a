package connection

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func overlay(t *testing.T, current, pair string) (Connection, error) {
	t.Helper()
	merged, err := MergeCredentials(oauth.NewSecret(current), oauth.NewSecret(pair))
	if err != nil {
		return Connection{}, err
	}
	return Parse("hotmart/a", merged, catalogue(t), Options{})
}

func TestOverlay(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("new:n3w"))
	const current = `{"provider":"hotmart","client_id":"old","client_secret":"0ld","scope":"read","refresh_at":"0.5","x_note":"n"}`
	currentBasic := `{"provider":"hotmart","basic_token":"` + base64.StdEncoding.EncodeToString([]byte("old:0ld")) + `","scope":"read","refresh_at":0.5}`
	for _, tt := range []struct{ name, current, pair, id, secret string }{
		{"a pair over a pair", current, `{"client_id":"new","client_secret":"n3w"}`, "new", "n3w"},
		{"a secret over a pair", current, `{"client_secret":"n3w"}`, "old", "n3w"},
		{"a Basic value over a pair", current, `{"basic_token":"` + basic + `"}`, "new", "n3w"},
		{"a pair over a Basic value", currentBasic, `{"client_id":"new","client_secret":"n3w"}`, "new", "n3w"},
		{"a Basic value over a Basic value", currentBasic, `{"basic_token":"Basic ` + basic + `"}`, "new", "n3w"},
		{"an empty Basic value counts as none", current, `{"client_id":"new","client_secret":"n3w","basic_token":""}`, "new", "n3w"},
		{"a note of its own", current, `{"client_id":"new","client_secret":"n3w","x_by":"Ana"}`, "new", "n3w"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := overlay(t, tt.current, tt.pair)
			if err != nil {
				t.Fatal(err)
			}
			if c.ClientID != tt.id || c.ClientSecret.Reveal() != tt.secret || c.Scope != "read" || c.RefreshAt != 0.5 {
				t.Errorf("client %q, scope %q, refresh at %g", c.ClientID, c.Scope, c.RefreshAt)
			}
		})
	}
}

func TestOverlayRefuses(t *testing.T) {
	const current = `{"provider":"hotmart","client_id":"old","client_secret":"0ld"}`
	for _, tt := range []struct{ name, current, pair, field, want string }{
		{"configuration in the pair", current, `{"client_id":"n","client_secret":"` + testSecret + `","scope":"all"}`, "scope", `field "scope" is not allowed`},
		{"a whole document as pair", current, current, "provider", `field "provider" is not allowed`},
		{"an unknown field in the pair", current, `{"client_id":"n","clientSecret":"` + testSecret + `"}`, "clientSecret", `field "clientSecret" is not allowed`},
		{"a pair without credentials", current, `{"x_note":"n"}`, "client_id", "holds neither"},
		{"a pair of nothing", current, `{"client_id":"","client_secret":null}`, "client_id", "holds neither"},
		{"an empty pair", current, "", "", "the client credentials: the value is empty"},
		{"a pair that is no JSON", current, testSecret, "", "the client credentials: the value is not JSON"},
		{"a document that is no JSON", testSecret, `{"client_id":"n"}`, "", "the value is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := overlay(t, tt.current, tt.pair)
			fault := (*Error)(nil)
			if !errors.As(err, &fault) {
				t.Fatalf("error %v, want an *Error", err)
			}
			if fault.Code != CodeInvalidDocument || fault.Field != tt.field || !strings.Contains(fault.Message, tt.want) || strings.Contains(err.Error(), testSecret) {
				t.Errorf("%s of %q: want %q of %q", fault.Code, fault.Field, tt.want, tt.field)
			}
			if fault.Error() != fault.Message {
				t.Errorf("%q does not begin with the message although no connection is known", fault)
			}
		})
	}
}

func TestSameConfiguration(t *testing.T) {
	const base = `{"provider":"hotmart","client_id":"a","client_secret":"b","scope":"read write","refresh_at":0.5,"fallback":true}`
	for _, tt := range []struct {
		name, other string
		want        bool
	}{
		{"itself", base, true},
		{"another pair", `{"provider":"hotmart","client_id":"c","client_secret":"d","scope":"read write","refresh_at":0.5,"fallback":true}`, true},
		{"a Basic value instead", `{"provider":"hotmart","basic_token":"x","scope":"read write","refresh_at":0.5,"fallback":true}`, true},
		{"another order, strings instead of numbers, a list, a note", `{"x_n":1,"fallback":"true","scope":["read","write"],"refresh_at":"0.5","provider":"hotmart"}`, true},
		{"null and empty instead of absent", `{"provider":"hotmart","scope":"read write","refresh_at":0.5,"fallback":true,"audience":null,"resource":""}`, true},
		{"another scope", `{"provider":"hotmart","scope":"read","refresh_at":0.5,"fallback":true}`, false},
		{"another provider", `{"provider":"kiwify","scope":"read write","refresh_at":0.5,"fallback":true}`, false},
		{"a field more", `{"provider":"hotmart","scope":"read write","refresh_at":0.5,"fallback":true,"environment":"sandbox"}`, false},
		{"a field less", `{"provider":"hotmart","scope":"read write","refresh_at":0.5}`, false},
		{"a field that is unknown", `{"provider":"hotmart","scope":"read write","refresh_at":0.5,"fallback":true,"colour":{"a":1}}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, pair := range [][2]string{{base, tt.other}, {tt.other, base}} {
				same, err := SameConfiguration(oauth.NewSecret(pair[0]), oauth.NewSecret(pair[1]))
				if err != nil || same != tt.want {
					t.Errorf("same %t, error %v; want %t", same, err, tt.want)
				}
				left, err1 := Configuration(oauth.NewSecret(pair[0]))
				right, err2 := Configuration(oauth.NewSecret(pair[1]))
				if err1 != nil || err2 != nil || (left == right) != tt.want || len(left) != 16 || strings.Trim(left, "0123456789abcdef") != "" {
					t.Errorf("%q and %q, errors %v and %v; want the same: %t", left, right, err1, err2, tt.want)
				}
			}
		})
	}
}

func TestSameConfigurationOfWhatIsNoDocument(t *testing.T) {
	good, bad := oauth.NewSecret(`{"provider":"hotmart"}`), oauth.NewSecret(`{"client_secret":"`+testSecret)
	for _, pair := range [][2]oauth.Secret{{good, bad}, {bad, good}} {
		same, err := SameConfiguration(pair[0], pair[1])
		if id, err := Configuration(bad); err == nil || id != "" || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%q, error %v", id, err)
		}
		if err == nil || same || strings.Contains(err.Error(), testSecret) {
			t.Errorf("same %t, error %v", same, err)
		}
	}
}

// TestTheConfigurationOfADocumentIsTheSameForever: it is stored, so a change of the program must not change it.
func TestTheConfigurationOfADocumentIsTheSameForever(t *testing.T) {
	for doc, want := range map[string]string{
		`{}`: "e3b0c44298fc1c14",
		`{"provider":"hotmart","client_id":"a","client_secret":"b","x_note":1}`:                         "111a1185e3ee9362",
		`{"scope":["read","write"],"provider":"kiwify","fallback":true,"refresh_at":0.5,"audience":""}`: "a4550fd70e19d88b",
	} {
		if got, err := Configuration(oauth.NewSecret(doc)); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", doc, got, err, want)
		}
	}
}
