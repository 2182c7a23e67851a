package oauthtest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// recorded is an answer of the token endpoint vectors: what the real provider documents or was seen to say.
type recorded struct {
	ID, Title, Provider string
	Status              int
	Headers             map[string]string
	Body                string
}

// provoke says how each recorded answer is drawn out of the provider.
var provoke = map[string]func(w *world) got{
	"S01": func(w *world) got { return w.ask() },
	"S05": func(w *world) got { return w.ask() },

	"H01": func(w *world) got {
		return w.post(query("grant_type", "client_credentials", "client_id", shopID, "client_secret", "wrong"))
	},
	"H02": func(w *world) got { return w.post(basic(shopID, "wrong"), form("grant_type", "client_credentials")) },
	"H04": func(w *world) got {
		return w.post(jsonBody(`{"grant_type":"client_credentials","client_id":"` + shopID + `","client_secret":"` + shopSecret + `"}`))
	},
	"H05": func(w *world) got {
		return w.post(basic(shopID, shopSecret), form("grant_type", "client_credentials", "client_id", "another"))
	},
	"H06": func(w *world) got { return w.post(basic(shopID, shopSecret), form("grant_type", "password")) },
	"H07": func(w *world) got {
		return w.post(basic(shopID, shopSecret), jsonBody(`{"grant_type":"client_credentials"}`))
	},
	"H08": func(w *world) got { return w.post(basic(shopID, shopSecret), form("grant_type", "client-credentials")) },
	"H09": func(w *world) got { return w.do(http.MethodGet, w.token, basic(shopID, shopSecret)) },
	"H10": func(w *world) got {
		w.p.Configure(func(s *oauthtest.Settings) { s.Limit = oauthtest.Limit{Calls: 500} })
		for range 500 {
			w.mint()
		}
		w.clock.advance(18 * time.Second)
		return w.ask()
	},
	"H11": status(http.StatusForbidden),
	"H12": status(http.StatusBadGateway),
	"H13": status(http.StatusServiceUnavailable),

	"K01": func(w *world) got { return w.post(form("client_id", shopID, "client_secret", "wrong")) },
	"K02": func(w *world) got { return w.post(basic(shopID, shopSecret), form("grant_type", "client_credentials")) },
	"K03": func(w *world) got {
		return w.post(jsonBody(`{"client_id":"` + shopID + `","client_secret":"` + shopSecret + `"}`))
	},
	"K05": func(w *world) got {
		w.p.Configure(func(s *oauthtest.Settings) { s.Limit = oauthtest.Limit{Calls: 1} })
		w.mint()
		return w.ask()
	},
	"K06": status(http.StatusInternalServerError),

	"E21": inject(oauthtest.BlockPage()),
	"E28": inject(oauthtest.Redirect("https://evil.example/token")),
	"E30": inject(oauthtest.TooMany(30 * time.Second)),

	"R01": func(w *world) got {
		token := w.mint()
		w.clock.advance(48 * time.Hour)
		return w.call(token)
	},
	"R02": func(w *world) got { return w.call("no-such-token") },
	"R05": func(w *world) got { return w.call("") },
	"R06": func(w *world) got {
		token := w.mint()
		w.clock.advance(24 * time.Hour)
		return w.call(token, header("x-kiwify-account-id", "acc0"))
	},
	"R07": func(w *world) got { return w.call(w.mint(), header("x-kiwify-account-id", "acc1")) },
	"R08": func(w *world) got {
		w.p.Inject(oauthtest.Status(http.StatusTooManyRequests).OnAPI())
		return w.call("any")
	},
}

func status(code int) func(*world) got { return inject(oauthtest.Status(code)) }

func inject(f oauthtest.Fault) func(*world) got {
	return func(w *world) got {
		w.p.Inject(f)
		return w.ask()
	}
}

func TestAnswersAreThoseOfTheVectors(t *testing.T) {
	makers := map[string]maker{"hotmart": oauthtest.Hotmart, "kiwify": oauthtest.Kiwify, "generic": oauthtest.Generic}
	raw, err := os.ReadFile("testdata/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []recorded
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != len(provoke) {
		t.Errorf("%d recorded answers, %d ways to provoke one", len(cases), len(provoke))
	}
	for _, c := range cases {
		t.Run(c.ID+" "+c.Title, func(t *testing.T) {
			f := provoke[c.ID]
			if f == nil {
				t.Fatal("nobody provokes it")
			}
			bothWays(t, makers[c.Provider], oauthtest.Settings{}, func(t *testing.T, w *world) {
				compare(t, c, f(w))
			})
		})
	}
}

func compare(t *testing.T, want recorded, g got) {
	t.Helper()
	if g.status != want.Status {
		t.Errorf("status %d, want %d", g.status, want.Status)
	}
	for k, v := range want.Headers {
		// A charset says nothing about a body in ASCII.
		if have := g.header.Get(k); have != v && (k != "Content-Type" || !strings.HasPrefix(have, v+";")) {
			t.Errorf("header %s = %q, want %q", k, have, v)
		}
	}
	if want.Status != http.StatusOK {
		if g.body != want.Body {
			t.Errorf("body\n%s\nwant\n%s", g.body, want.Body)
		}
		return
	}
	var have, wish map[string]any
	if err := json.Unmarshal([]byte(g.body), &have); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want.Body), &wish); err != nil {
		t.Fatal(err)
	}
	if len(have) != len(wish) {
		t.Errorf("fields %v, want those of %v", have, wish)
	}
	for k, v := range wish {
		switch k {
		case "access_token", "jti": // made anew each time
			if s, _ := have[k].(string); s == "" {
				t.Errorf("%s is missing", k)
			}
		default:
			if have[k] != v {
				t.Errorf("%s = %#v, want %#v", k, have[k], v)
			}
		}
	}
}

func TestHotmartTakesCredentialsWhereSpringDoes(t *testing.T) {
	grant := []string{"grant_type", "client_credentials"}
	both := append([]string{"client_id", shopID, "client_secret", shopSecret}, grant...)
	for name, c := range map[string]struct {
		edits  []edit
		status int
		auth   string
	}{
		"Basic and a form":                         {[]edit{basic(shopID, shopSecret), form(grant...)}, 200, "basic"},
		"Basic and the grant in the query":         {[]edit{basic(shopID, shopSecret), query(grant...)}, 200, "basic"},
		"everything in the query":                  {[]edit{query(both...)}, 200, "query"},
		"everything in the form":                   {[]edit{form(both...)}, 200, "form"},
		"the documented way: query and Basic":      {[]edit{basic(shopID, shopSecret), query(both...)}, 200, "basic+query"},
		"nothing at all":                           {nil, 401, "none"},
		"Basic that is no base64":                  {[]edit{header("Authorization", "Basic :basic"), form(grant...)}, 401, "basic"},
		"right Basic, wrong secret in the query":   {[]edit{basic(shopID, shopSecret), query("client_id", shopID, "client_secret", "x", "grant_type", "client_credentials")}, 401, "basic+query"},
		"a scope that the client has":              {[]edit{basic(shopID, shopSecret), form("scope", "read", "grant_type", "client_credentials")}, 200, "basic"},
		"a scope that the client does not have":    {[]edit{basic(shopID, shopSecret), form("scope", "admin", "grant_type", "client_credentials")}, 400, "basic"},
		"the secret's form encoding is not undone": {[]edit{basic(shopID, "canary-s3cret%2F%2B%3D%25"), form(grant...)}, 401, "basic"},
	} {
		t.Run(name, func(t *testing.T) {
			w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{})
			if g := w.post(c.edits...); g.status != c.status {
				t.Errorf("status %d, want %d: %s", g.status, c.status, g.body)
			}
			if calls := w.p.Calls(); len(calls) != 1 || calls[0].Auth != c.auth || calls[0].Status != c.status {
				t.Errorf("calls %+v, want one with auth %s and status %d", calls, c.auth, c.status)
			}
		})
	}
}

func TestKiwifyReadsOnlyItsForm(t *testing.T) {
	for name, c := range map[string]struct {
		edits  []edit
		status int
		says   string
	}{
		"without grant_type":            {[]edit{form("client_id", shopID, "client_secret", shopSecret)}, 200, "Bearer"},
		"with grant_type":               {[]edit{form("client_id", shopID, "client_secret", shopSecret, "grant_type", "client_credentials")}, 200, "Bearer"},
		"with another grant_type":       {[]edit{form("client_id", shopID, "client_secret", shopSecret, "grant_type", "password")}, 400, "Unsupported grant type"},
		"credentials in the query":      {[]edit{query("client_id", shopID, "client_secret", shopSecret)}, 400, "cannot retrieve client credentials"},
		"a client that does not exist":  {[]edit{form("client_id", "nobody", "client_secret", shopSecret)}, 400, "client is invalid"},
		"a scope that it does not have": {[]edit{form("client_id", shopID, "client_secret", shopSecret, "scope", "admin")}, 400, "Invalid scope"},
	} {
		t.Run(name, func(t *testing.T) {
			w := inProcess(t, oauthtest.Kiwify, oauthtest.Settings{})
			if g := w.post(c.edits...); g.status != c.status || !strings.Contains(g.body, c.says) {
				t.Errorf("status %d, want %d with %q: %s", g.status, c.status, c.says, g.body)
			}
		})
	}
}
