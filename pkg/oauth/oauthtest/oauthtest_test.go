package oauthtest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const (
	shopID     = "0a1b2c3d-shop"
	shopSecret = "canary-s3cret/+=%"
)

// clock is a Now that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a provider with one client, and a way to reach it.
type world struct {
	t     *testing.T
	p     *oauthtest.Provider
	clock *clock
	hc    *http.Client
	token string // URL of the token endpoint
	api   string
}

type maker func(oauthtest.Options) *oauthtest.Provider

func options(c *clock, s oauthtest.Settings) oauthtest.Options {
	return oauthtest.Options{Settings: s, Now: c.Now, Clients: []oauthtest.Client{{
		ID: shopID, Secret: oauth.NewSecret(shopSecret), AccountID: "acc0",
	}}}
}

func inProcess(t *testing.T, m maker, s oauthtest.Settings) *world {
	c := newClock()
	p := m(options(c, s))
	return &world{t: t, p: p, clock: c, hc: noRedirects(p.Transport()), token: p.TokenURL(), api: p.APIURL()}
}

func onPort(t *testing.T, m maker, s oauthtest.Settings) *world {
	c := newClock()
	p := m(options(c, s))
	base, closer, err := p.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); closer() })
	return &world{t: t, p: p, clock: c, hc: noRedirects(tr), token: base + p.TokenPath(), api: base + p.APIPath()}
}

func noRedirects(rt http.RoundTripper) *http.Client {
	return &http.Client{Transport: rt, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// bothWays runs a test in process and on a port.
func bothWays(t *testing.T, m maker, s oauthtest.Settings, f func(t *testing.T, w *world)) {
	t.Run("in process", func(t *testing.T) { f(t, inProcess(t, m, s)) })
	t.Run("on a port", func(t *testing.T) { f(t, onPort(t, m, s)) })
}

// got is an answer that was read to its end.
type got struct {
	status int
	header http.Header
	body   string
	err    error // of the body
}

func (g got) field(t *testing.T, name string) any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(g.body), &m); err != nil {
		t.Fatalf("status %d: the body is no JSON object: %v: %q", g.status, err, g.body)
	}
	return m[name]
}

func (g got) text(t *testing.T, name string) string {
	t.Helper()
	s, ok := g.field(t, name).(string)
	if !ok {
		t.Fatalf("status %d: no text %q in %s", g.status, name, g.body)
	}
	return s
}

// edit changes a request before it is sent.
type edit func(*http.Request)

func basic(id, secret string) edit { return func(r *http.Request) { r.SetBasicAuth(id, secret) } }

func header(name, value string) edit { return func(r *http.Request) { r.Header.Set(name, value) } }

func query(kv ...string) edit {
	return func(r *http.Request) { r.URL.RawQuery = values(kv...).Encode() }
}

func form(kv ...string) edit {
	return body("application/x-www-form-urlencoded", values(kv...).Encode())
}

func jsonBody(s string) edit { return body("application/json", s) }

func body(media, s string) edit {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(s)), int64(len(s))
		r.Header.Set("Content-Type", media)
	}
}

func values(kv ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return v
}

func (w *world) try(ctx context.Context, method, to string, edits ...edit) (got, error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, to, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range edits {
		e(r)
	}
	res, err := w.hc.Do(r)
	if err != nil {
		return got{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return got{status: res.StatusCode, header: res.Header, body: string(b), err: err}, nil
}

func (w *world) do(method, to string, edits ...edit) got {
	w.t.Helper()
	g, err := w.try(w.t.Context(), method, to, edits...)
	if err != nil {
		w.t.Fatalf("%s: %v", method, err)
	}
	return g
}

func (w *world) post(edits ...edit) got {
	w.t.Helper()
	return w.do(http.MethodPost, w.token, edits...)
}

// ask is a right request, in the profile's usual style.
func (w *world) ask() got {
	w.t.Helper()
	return w.post(w.right()...)
}

func (w *world) right() []edit {
	if w.p.Name() == "kiwify" {
		return []edit{form("client_id", shopID, "client_secret", shopSecret)}
	}
	if w.p.Name() == "generic" {
		return []edit{
			basic(url.QueryEscape(shopID), url.QueryEscape(shopSecret)),
			form("grant_type", "client_credentials"),
		}
	}
	return []edit{basic(shopID, shopSecret), form("grant_type", "client_credentials")}
}

// mint gets a token, which must be there.
func (w *world) mint() string {
	w.t.Helper()
	g := w.ask()
	if g.status != http.StatusOK {
		w.t.Fatalf("token call: status %d, %s", g.status, g.body)
	}
	return g.text(w.t, "access_token")
}

func (w *world) call(token string, edits ...edit) got {
	w.t.Helper()
	if token != "" {
		edits = append(edits, header("Authorization", "Bearer "+token))
	}
	return w.do(http.MethodGet, w.api, edits...)
}
