package rotate_test

import (
	"encoding/json"

	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// kind is a provider as these tests need it: the real catalogue entry, and a fake that behaves as it may.
type kind struct {
	name     string
	id       string // of the catalogue
	make     func(oauthtest.Options) *oauthtest.Provider
	settings oauthtest.Settings
	document map[string]any // configuration fields
}

func kiwify(settings oauthtest.Settings) kind {
	return kind{name: "kiwify", id: "kiwify", make: oauthtest.Kiwify, settings: settings}
}

func hotmart(settings oauthtest.Settings) kind {
	return kind{name: "hotmart", id: "hotmart", make: oauthtest.Hotmart, settings: settings}
}

func generic(settings oauthtest.Settings) kind {
	return kind{name: "generic", id: "generic", make: oauthtest.Generic, settings: settings,
		document: map[string]any{"token_endpoint": "https://auth.example.com/oauth/token"}}
}

// coexisting is a provider of which the catalogue says that a new token ends no other.
func coexisting() kind {
	return kind{name: "coexisting", id: "paypal", make: oauthtest.Generic,
		document: map[string]any{"token_endpoint": "https://auth.example.com/oauth/token"}}
}

// secretOf is the client_secret of a client of these tests.
func secretOf(id string) string { return "secret-of-" + id + "-0123456789" }

func (h *harness) addClient(id string) {
	h.provider.Add(oauthtest.Client{ID: "client-" + id, Secret: oauth.NewSecret(secretOf(id)), AccountID: "store-main"})
}

// document is a whole connection document with the pair of a client.
func (h *harness) document(id string, more map[string]any) string {
	fields := map[string]any{"provider": h.kind.id, "client_id": "client-" + id, "client_secret": secretOf(id)}
	for _, m := range []map[string]any{h.kind.document, more} {
		for k, v := range m {
			fields[k] = v
		}
	}
	return toJSON(fields)
}

func toJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func pairOf(id string) string {
	return toJSON(map[string]string{"client_id": "client-" + id, "client_secret": secretOf(id)})
}
