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
		req := oauth.Request{
			TokenEndpoint: hotmart.TokenURL(), AuthMethod: oauth.ClientSecretBasic, RawBasic: true,
			ClientID: shopID, ClientSecret: oauth.NewSecret(shopSecret),
		}
		first, err := c.Exchange(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if tok := first.Token; tok.Lifetime != 172799*time.Second || tok.Scope != "read write" || !hotmart.Validate(tok.AccessToken.Reveal()) {
			t.Errorf("hotmart's token: lifetime %v, scope %q", tok.Lifetime, tok.Scope)
		}
		time.Sleep(time.Hour)
		req.KnownTokenID = first.Token.ID()
		if again, err := c.Exchange(t.Context(), req); err != nil || !again.Token.Reissued || again.Token.Lifetime != 169199*time.Second {
			t.Errorf("again: %+v, %v", again.Token, err)
		}

		req.TokenEndpoint, req.AuthMethod = kiwify.TokenURL(), oauth.ClientSecretPost
		req.Dialect.Errors = []oauth.ErrorRule{{
			Status: 400, Error: "auth_error", Message: "client is invalid", Class: oauth.Credentials, Code: "invalid_client",
		}}
		kiwify.Inject(oauthtest.TooMany(7*time.Second), oauthtest.Reset(), oauthtest.BlockPage(), oauthtest.Hang())
		for _, want := range []string{"rate_limited", "network_ambiguous", "waf_blocked", "network_ambiguous"} {
			var failed *oauth.Error
			if _, err := c.Exchange(t.Context(), req); !errors.As(err, &failed) || failed.Code != want || failed.Class != oauth.Transient {
				t.Errorf("error %v, want %s", err, want)
			}
		}
		ex, err := c.Exchange(t.Context(), req)
		if err != nil || ex.Token.Claims.Text("store_id") != "acc0" || ex.Token.Lifetime != 24*time.Hour {
			t.Fatalf("kiwify: %+v, %v", ex.Token, err)
		}
		kiwify.Remove(shopID)
		var refused *oauth.Error
		if _, err := c.Exchange(t.Context(), req); !errors.As(err, &refused) || refused.Code != "invalid_client" || refused.Status != http.StatusBadRequest {
			t.Errorf("a removed pair: %v", err)
		}
	})
}
