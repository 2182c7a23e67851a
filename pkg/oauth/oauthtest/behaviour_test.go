package oauthtest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

func TestGenericFollowsItsAuthMethods(t *testing.T) {
	id, secret := url.QueryEscape(shopID), url.QueryEscape(shopSecret)
	post := form("grant_type", "client_credentials", "client_id", shopID, "client_secret", shopSecret)
	inQuery := query("grant_type", "client_credentials", "client_id", shopID, "client_secret", shopSecret)
	inJSON := jsonBody(fmt.Sprintf(`{"grant_type":"client_credentials","client_id":%q,"client_secret":%q}`, shopID, shopSecret))
	grant := form("grant_type", "client_credentials")
	all := []oauthtest.AuthMethod{oauthtest.ClientSecretBasic, oauthtest.ClientSecretPost, oauthtest.ClientSecretQuery, oauthtest.ClientSecretJSON}
	for name, c := range map[string]struct {
		settings oauthtest.Settings
		edits    []edit
		status   int
		code     string
	}{
		"basic, form-encoded":                 {oauthtest.Settings{}, []edit{basic(id, secret), grant}, 200, ""},
		"basic, raw, where raw is wanted":     {oauthtest.Settings{RawBasic: true}, []edit{basic(shopID, shopSecret), grant}, 200, ""},
		"basic, raw, where it is not":         {oauthtest.Settings{}, []edit{basic(shopID, shopSecret), grant}, 401, "invalid_client"},
		"post":                                {oauthtest.Settings{}, []edit{post}, 200, ""},
		"post where only basic is allowed":    {oauthtest.Settings{AuthMethods: all[:1]}, []edit{post}, 401, "invalid_client"},
		"query is not allowed by itself":      {oauthtest.Settings{}, []edit{inQuery}, 401, "invalid_client"},
		"query where allowed":                 {oauthtest.Settings{AuthMethods: all}, []edit{inQuery}, 200, ""},
		"json is not allowed by itself":       {oauthtest.Settings{}, []edit{inJSON}, 415, "unsupported_media_type"},
		"json where allowed":                  {oauthtest.Settings{AuthMethods: all}, []edit{inJSON}, 200, ""},
		"basic with a json body":              {oauthtest.Settings{AuthMethods: all}, []edit{basic(id, secret), jsonBody(`{"grant_type":"client_credentials"}`)}, 200, ""},
		"two methods at once (section 2.3)":   {oauthtest.Settings{}, []edit{basic(id, secret), post}, 400, "invalid_request"},
		"no grant_type":                       {oauthtest.Settings{}, []edit{basic(id, secret)}, 400, "invalid_request"},
		"another grant_type":                  {oauthtest.Settings{}, []edit{basic(id, secret), form("grant_type", "password")}, 400, "unsupported_grant_type"},
		"a wrong secret":                      {oauthtest.Settings{}, []edit{basic(id, "no"), grant}, 401, "invalid_client"},
		"an empty secret":                     {oauthtest.Settings{}, []edit{basic(id, ""), grant}, 401, "invalid_client"},
		"any scope, where none is configured": {oauthtest.Settings{}, []edit{basic(id, secret), form("grant_type", "client_credentials", "scope", "a b")}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := inProcess(t, oauthtest.Generic, c.settings)
			g := w.post(c.edits...)
			if code, _ := g.field(t, "error").(string); g.status != c.status || code != c.code {
				t.Errorf("status %d %q, want %d %q", g.status, code, c.status, c.code)
			}
		})
	}
}

func TestKiwifyTokenIsASignedJWT(t *testing.T) {
	w := inProcess(t, oauthtest.Kiwify, oauthtest.Settings{})
	first, second := w.mint(), w.mint()
	if first == second {
		t.Error("two mints gave one token")
	}
	parts := strings.Split(first, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Integration string `json:"store_api_integration_id"`
		StoreID     string `json:"store_id"`
		Scope, JTI  string
		Iat, Exp    int64
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	if c.Integration != shopID || c.StoreID != "acc0" || !strings.HasPrefix(c.Scope, "stats products") || len(c.JTI) != 36 ||
		c.Exp-c.Iat != 86400 || c.Iat != w.clock.Now().Unix() {
		t.Errorf("claims %+v", c)
	}
	m := hmac.New(sha256.New, oauthtest.SigningKey(w.p))
	m.Write([]byte(parts[0] + "." + parts[1]))
	if base64.RawURLEncoding.EncodeToString(m.Sum(nil)) != parts[2] {
		t.Error("the signature is not HS256 of header and claims")
	}
	if h, _ := base64.RawURLEncoding.DecodeString(parts[0]); string(h) != `{"alg":"HS256","typ":"JWT"}` {
		t.Errorf("header %s", h)
	}
}

func TestTokenShapes(t *testing.T) {
	opaque := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{}).mint()
	if !strings.HasPrefix(opaque, "H4sI") || !strings.Contains(opaque, "%") {
		t.Errorf("hotmart's opaque token is %q", opaque)
	}
	if again := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{}).mint(); again != opaque {
		t.Error("the same seed gives another token")
	}
	other := oauthtest.Hotmart(oauthtest.Options{Seed: 7, Clients: options(newClock(), oauthtest.Settings{}).Clients})
	w := &world{t: t, p: other, hc: noRedirects(other.Transport()), token: other.TokenURL()}
	if w.mint() == opaque {
		t.Error("another seed gives the same token")
	}
	if jwt := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{Format: oauthtest.FormatJWT}).mint(); strings.Count(jwt, ".") != 2 {
		t.Errorf("hotmart's JWT is %q", jwt)
	}
}

func TestExpiresInIsSpelledAsConfigured(t *testing.T) {
	for _, c := range []struct {
		m     maker
		style oauthtest.ExpiresInStyle
		want  any
	}{
		{oauthtest.Kiwify, oauthtest.ExpiresInDefault, "86400"},
		{oauthtest.Kiwify, oauthtest.ExpiresInNumber, 86400.0},
		{oauthtest.Hotmart, oauthtest.ExpiresInDefault, 172799.0},
		{oauthtest.Hotmart, oauthtest.ExpiresInString, "172799"},
		{oauthtest.Generic, oauthtest.ExpiresInDefault, 3600.0},
		{oauthtest.Generic, oauthtest.ExpiresInOmitted, nil},
	} {
		w := inProcess(t, c.m, oauthtest.Settings{ExpiresIn: c.style})
		if have := w.ask().field(t, "expires_in"); have != c.want {
			t.Errorf("%s, style %d: expires_in %#v, want %#v", w.p.Name(), c.style, have, c.want)
		}
	}
}

func TestTheSameTokenComesBackUntilItDies(t *testing.T) {
	w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{SameToken: true})
	first := w.ask()
	const life = 172799 * time.Second
	for _, step := range []struct {
		at   time.Duration
		left float64
	}{{time.Hour, 169199}, {life - time.Second, 1}, {life - time.Second + time.Nanosecond, 0}, {life - time.Nanosecond, 0}} {
		w.clock.advance(newClock().t.Add(step.at).Sub(w.clock.Now()))
		g := w.ask()
		if g.text(t, "access_token") != first.text(t, "access_token") || g.text(t, "jti") != first.text(t, "jti") {
			t.Errorf("after %v: another token", step.at)
		}
		if have := g.field(t, "expires_in"); have != step.left {
			t.Errorf("after %v: expires_in %v, want %v", step.at, have, step.left)
		}
	}
	narrow := w.post(basic(shopID, shopSecret), form("grant_type", "client_credentials", "scope", "read"))
	if narrow.text(t, "access_token") == first.text(t, "access_token") {
		t.Error("another scope got the same token: Spring keys by scope")
	}
	w.clock.advance(time.Nanosecond)
	if w.mint() == first.text(t, "access_token") {
		t.Error("a dead token came back")
	}
	if s := w.p.Stats(shopID); s.Minted != 3 || s.Reissued != 4 || s.TokenCalls != 7 {
		t.Errorf("stats %+v", s)
	}
}

func TestLifeOfAToken(t *testing.T) {
	t.Run("it ends at its expiry and not before", func(t *testing.T) {
		w := inProcess(t, oauthtest.Kiwify, oauthtest.Settings{})
		token := w.mint()
		w.clock.advance(24*time.Hour - time.Nanosecond)
		if !w.p.Validate(token) {
			t.Error("dead one nanosecond early")
		}
		w.clock.advance(time.Nanosecond)
		if w.p.Validate(token) {
			t.Error("alive at its expiry")
		}
		if i, ok := w.p.Inspect(token); !ok || i.Live || i.ClientID != shopID || i.ExpiresAt.Sub(i.IssuedAt) != 24*time.Hour {
			t.Errorf("inspected %+v, %v", i, ok)
		}
	})
	t.Run("a new one ends the older ones where the provider evicts", func(t *testing.T) {
		w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{Evicts: true})
		first, second := w.mint(), w.mint()
		if w.p.Validate(first) || !w.p.Validate(second) || w.p.LiveTokens(shopID) != 1 {
			t.Errorf("live: %v, %v, together %d", w.p.Validate(first), w.p.Validate(second), w.p.LiveTokens(shopID))
		}
		if g := w.call(first); g.status != http.StatusUnauthorized || g.field(t, "error") != "invalid_token" {
			t.Errorf("the API says %d %s to an evicted token", g.status, g.body)
		}
	})
	t.Run("elsewhere they coexist", func(t *testing.T) {
		w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{})
		if first := w.mint(); w.mint() == first || !w.p.Validate(first) || w.p.LiveTokens(shopID) != 2 {
			t.Error("the older token ended")
		}
	})
	t.Run("revocation ends all", func(t *testing.T) {
		w := inProcess(t, oauthtest.Generic, oauthtest.Settings{SameToken: true})
		first := w.mint()
		w.p.Revoke(shopID)
		if w.p.Validate(first) {
			t.Error("alive after Revoke")
		}
		if next := w.mint(); next == first || !w.p.Validate(next) {
			t.Error("no fresh token after Revoke")
		}
	})
	t.Run("the client's own lifetime goes before the provider's", func(t *testing.T) {
		w := inProcess(t, oauthtest.Generic, oauthtest.Settings{Lifetime: 2 * time.Hour})
		if v := w.ask().field(t, "expires_in"); v != 7200.0 {
			t.Errorf("expires_in %v, want 7200", v)
		}
		w.p.Update(shopID, func(c *oauthtest.Client) { c.Lifetime = 10 * time.Minute })
		if v := w.ask().field(t, "expires_in"); v != 600.0 {
			t.Errorf("expires_in %v, want 600", v)
		}
	})
	t.Run("dead ones are forgotten in the long run, live ones are not", func(t *testing.T) {
		w := inProcess(t, oauthtest.Generic, oauthtest.Settings{})
		old := w.mint()
		w.clock.advance(time.Hour)
		young := w.mint()
		for range 1100 {
			w.mint()
		}
		if _, ok := w.p.Inspect(old); ok || !w.p.Validate(young) {
			t.Errorf("old known: %v, young alive: %v", ok, w.p.Validate(young))
		}
	})
}

func TestThePanel(t *testing.T) {
	t.Run("a removed pair is refused and its tokens live on", func(t *testing.T) {
		w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{})
		token := w.mint()
		if !w.p.Remove(shopID) || w.p.Remove(shopID) {
			t.Error("Remove does not report whether there was one")
		}
		if g := w.ask(); g.status != http.StatusUnauthorized || !w.p.Validate(token) {
			t.Errorf("status %d, token alive %v", g.status, w.p.Validate(token))
		}
	})
	t.Run("removal ends tokens where the provider says so", func(t *testing.T) {
		w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{RevokeOnRemove: true})
		token := w.mint()
		w.p.Remove(shopID)
		if w.p.Validate(token) {
			t.Error("alive")
		}
	})
	t.Run("changes arrive after the propagation delay", func(t *testing.T) {
		w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{PropagationDelay: time.Minute})
		w.p.Update(shopID, func(c *oauthtest.Client) { c.Secret = oauth.NewSecret("new") })
		w.p.Add(oauthtest.Client{ID: "second", Secret: oauth.NewSecret("s2")})
		try := func() [3]int {
			grant := form("grant_type", "client_credentials")
			return [3]int{w.ask().status, w.post(basic(shopID, "new"), grant).status, w.post(basic("second", "s2"), grant).status}
		}
		w.clock.advance(time.Minute - time.Nanosecond)
		if have := try(); have != [3]int{200, 401, 401} {
			t.Errorf("before: %v", have)
		}
		w.clock.advance(time.Nanosecond)
		if have := try(); have != [3]int{401, 200, 200} {
			t.Errorf("after: %v", have)
		}
	})
	t.Run("another store_id shows in the next token", func(t *testing.T) {
		w := inProcess(t, oauthtest.Kiwify, oauthtest.Settings{})
		old := w.mint()
		w.p.Update(shopID, func(c *oauthtest.Client) { c.AccountID = "acc1" })
		if g := w.call(w.mint(), header("x-kiwify-account-id", "acc1")); g.status != http.StatusOK {
			t.Errorf("new token, new account: %d %s", g.status, g.body)
		}
		if g := w.call(old, header("x-kiwify-account-id", "acc0")); g.status != http.StatusOK {
			t.Errorf("old token, old account: %d %s", g.status, g.body)
		}
		if g := w.call(old); g.status != http.StatusUnauthorized {
			t.Errorf("without the header: %d", g.status)
		}
	})
	t.Run("sandbox and production share the token endpoint, not the API", func(t *testing.T) {
		w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{})
		w.p.Add(oauthtest.Client{ID: "sand", Secret: oauth.NewSecret("box"), Environment: oauthtest.Sandbox})
		live := w.mint()
		sand := w.post(basic("sand", "box"), form("grant_type", "client_credentials")).text(t, "access_token")
		for host, want := range map[string][2]int{"developers.hotmart.com": {200, 401}, "sandbox.hotmart.com": {401, 200}, "127.0.0.1:1": {200, 200}} {
			w.api = "https://" + host + w.p.APIPath()
			if have := [2]int{w.call(live).status, w.call(sand).status}; have != want {
				t.Errorf("%s: production and sandbox get %v, want %v", host, have, want)
			}
		}
	})
	t.Run("a path that is not there", func(t *testing.T) {
		w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{})
		if g := w.do(http.MethodPost, "https://api-sec-vlc.hotmart.com/oauth/token", w.right()...); g.status != http.StatusNotFound {
			t.Errorf("status %d", g.status)
		}
	})
}

func TestLimits(t *testing.T) {
	t.Run("a window opens with its first call and each client has its own", func(t *testing.T) {
		w := inProcess(t, oauthtest.Generic, oauthtest.Settings{Limit: oauthtest.Limit{Calls: 2, Window: 10 * time.Second}})
		w.p.Add(oauthtest.Client{ID: "b", Secret: oauth.NewSecret("b")})
		w.mint()
		w.clock.advance(9 * time.Second)
		w.mint()
		if g := w.ask(); g.status != http.StatusTooManyRequests || g.header.Get("Retry-After") != "1" {
			t.Errorf("third call: %d, Retry-After %q", g.status, g.header.Get("Retry-After"))
		}
		if g := w.post(basic("b", "b"), form("grant_type", "client_credentials")); g.status != http.StatusOK {
			t.Errorf("the other client: %d", g.status)
		}
		w.clock.advance(time.Second)
		w.mint()
		if s := w.p.Stats(shopID); s.Limited != 1 || s.Minted != 3 || s.Refused != 0 {
			t.Errorf("stats %+v", s)
		}
	})
	t.Run("shared by all", func(t *testing.T) {
		w := inProcess(t, oauthtest.Generic, oauthtest.Settings{Limit: oauthtest.Limit{Calls: 1, Shared: true}})
		w.p.Add(oauthtest.Client{ID: "b", Secret: oauth.NewSecret("b")})
		w.mint()
		if g := w.post(basic("b", "b"), form("grant_type", "client_credentials")); g.status != http.StatusTooManyRequests {
			t.Errorf("status %d", g.status)
		}
	})
	t.Run("one tenant only, its API calls counted", func(t *testing.T) {
		w := inProcess(t, oauthtest.Kiwify, oauthtest.Settings{})
		w.p.Update(shopID, func(c *oauthtest.Client) { c.Limit = oauthtest.Limit{Calls: 2, CountAPI: true} })
		token := w.mint()
		account := header("x-kiwify-account-id", "acc0")
		if a, b := w.call(token, account), w.call(token, account); a.status != 200 || b.status != 429 || b.header.Get("Retry-After") != "" {
			t.Errorf("statuses %d, %d", a.status, b.status)
		}
	})
}

func TestNothingSecretIsObservable(t *testing.T) {
	w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{})
	token := w.mint()
	w.call(token)
	w.post(basic(shopSecret, shopID), form("grant_type", "client_credentials")) // pasted the wrong way round
	w.post(query("client_id", shopSecret, "client_secret", token))
	c, _ := w.p.Lookup(shopID)
	text := fmt.Sprintf("%v %+v %#v | %v %+v %#v | %+v %#v | %+v %#v", w.p, w.p, w.p, w.p.Calls(), w.p.Calls(), w.p.Calls(),
		w.p.Stats(shopID), w.p.Total(), c, w.p.Transport())
	for _, canary := range []string{shopSecret, url.QueryEscape(shopSecret), base64.StdEncoding.EncodeToString([]byte(shopSecret)), token} {
		if strings.Contains(text, canary) {
			t.Errorf("a secret shows in %s", text)
		}
	}
	calls := w.p.Calls()
	if len(calls) != 4 || calls[0].ClientID != shopID || calls[0].TokenID != oauth.NewSecret(token).Fingerprint() ||
		calls[1].ClientID != shopID || calls[1].Endpoint != oauthtest.APIEndpoint || calls[2].ClientID != "" || calls[3].ClientID != "" {
		t.Errorf("calls %+v", calls)
	}
	if s := w.p.Total(); s != (oauthtest.Stats{TokenCalls: 3, Minted: 1, Refused: 2, APICalls: 1}) {
		t.Errorf("total %+v", s)
	}
}

func TestTheLogKeepsTheLatest(t *testing.T) {
	for size, want := range map[int]int{-1: 0, 3: 3, 0: 5} {
		c := newClock()
		o := options(c, oauthtest.Settings{})
		o.LogSize = size
		p := oauthtest.Generic(o)
		w := &world{t: t, p: p, hc: noRedirects(p.Transport()), token: p.TokenURL()}
		for range 5 {
			c.advance(time.Second)
			w.mint()
		}
		calls := p.Calls()
		if len(calls) != want {
			t.Errorf("size %d: %d calls, want %d", size, len(calls), want)
		}
		for i, call := range calls {
			if wantAt := c.Now().Add(time.Duration(i+1-want) * time.Second); !call.Time.Equal(wantAt) {
				t.Errorf("size %d: call %d at %v, want %v", size, i, call.Time, wantAt)
			}
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	w := inProcess(t, oauthtest.Kiwify, oauthtest.Settings{})
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				token := w.mint()
				mu.Lock()
				seen[token] = true
				mu.Unlock()
				w.p.Validate(token)
				w.p.Calls()
				w.p.Update(shopID, func(c *oauthtest.Client) { c.Lifetime = time.Hour })
				w.p.Configure(func(s *oauthtest.Settings) { s.Evicts = !s.Evicts })
			}
		})
	}
	wg.Wait()
	if len(seen) != 400 || w.p.Total().Minted != 400 {
		t.Errorf("%d different tokens, %d minted, want 400", len(seen), w.p.Total().Minted)
	}
}

func BenchmarkTokenCall(b *testing.B) {
	p := oauthtest.Kiwify(options(newClock(), oauthtest.Settings{}))
	rt := p.Transport()
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, p.TokenURL(), http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		form("client_id", shopID, "client_secret", shopSecret)(r)
		res, err := rt.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			b.Fatal(res.Status)
		}
	}
}
