package oauthtest_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

func TestTheClientOfThisModuleUnderstandsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clients := options(newClock(), oauthtest.Settings{}).Clients
		hotmart := oauthtest.Hotmart(oauthtest.Options{Clients: clients, Settings: oauthtest.Settings{SameToken: true}})
		kiwify := oauthtest.Kiwify(oauthtest.Options{Clients: clients})
		c, err := oauth.New(oauth.Config{Transport: oauthtest.NewNetwork(hotmart, kiwify)})
		if err != nil {
			t.Fatal(err)
		}
		req := oauth.TokenRequest{
			Endpoint: oauth.Endpoint{URL: hotmart.TokenURL()}, Auth: oauth.ClientSecretBasicRaw(shopID, oauth.NewSecret(shopSecret)),
			Grant: oauth.ClientCredentials{},
		}
		first, err := c.Token(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if tok := first; tok.Lifetime != 172799*time.Second || tok.Scope != "read write" || !hotmart.Validate(tok.AccessToken.Reveal()) {
			t.Errorf("hotmart's token: lifetime %v, scope %q", tok.Lifetime, tok.Scope)
		}
		time.Sleep(time.Hour)
		if again, err := c.Token(t.Context(), req); err != nil || again.ID() != first.ID() || again.Lifetime != 169199*time.Second {
			t.Errorf("again: %+v, %v", again, err)
		}

		req.Endpoint.URL, req.Auth = kiwify.TokenURL(), oauth.ClientSecretPost(shopID, oauth.NewSecret(shopSecret))
		req.Endpoint.Dialect.Errors = []oauth.ErrorRule{{
			Status: 400, Error: "auth_error", Message: "client is invalid", Class: oauth.Credentials, Code: "invalid_client",
		}}
		kiwify.Inject(oauthtest.TooMany(7*time.Second), oauthtest.Reset(), oauthtest.BlockPage(), oauthtest.Hang())
		for _, want := range []string{"rate_limited", "network_ambiguous", "waf_blocked", "network_ambiguous"} {
			var failed *oauth.Error
			if _, err := c.Token(t.Context(), req); !errors.As(err, &failed) || failed.Code != want || failed.Class != oauth.Transient {
				t.Errorf("error %v, want %s", err, want)
			}
		}
		token, err := c.Token(t.Context(), req)
		if err != nil || token.Claims.Text("store_id") != "acc0" || token.Lifetime != 24*time.Hour {
			t.Fatalf("kiwify: %+v, %v", token, err)
		}
		kiwify.Remove(shopID)
		var refused *oauth.Error
		if _, err := c.Token(t.Context(), req); !errors.As(err, &refused) || refused.Code != "invalid_client" || refused.Status != http.StatusBadRequest {
			t.Errorf("a removed pair: %v", err)
		}
	})
}
