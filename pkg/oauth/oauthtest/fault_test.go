package oauthtest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

func TestFaultsBreakTheAnswer(t *testing.T) {
	bothWays(t, oauthtest.Hotmart, oauthtest.Settings{}, func(t *testing.T, w *world) {
		fault := func(f oauthtest.Fault) (got, error) {
			w.p.Inject(f)
			return w.try(t.Context(), http.MethodPost, w.token, w.right()...)
		}
		if _, err := fault(oauthtest.Reset()); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset: %v", err)
		}
		if g, err := fault(oauthtest.CutBody(20)); err != nil || g.status != 200 || len(g.body) != 20 || !errors.Is(g.err, io.ErrUnexpectedEOF) {
			t.Errorf("cut: %v, %d bytes, then %v", err, len(g.body), g.err)
		}
		if n := w.p.LiveTokens(shopID); n != 1 {
			t.Errorf("%d live tokens: a reset mints none, a cut body loses one", n)
		}
		if g, err := fault(oauthtest.HugeBody(3 << 20)); err != nil || len(g.body) != 3<<20 || !strings.HasPrefix(g.body, `{"access_token"`) {
			t.Errorf("huge: %v, %d bytes", err, len(g.body))
		}
		if g, err := fault(oauthtest.Gzip()); err != nil || g.text(t, "token_type") != "bearer" || g.header.Get("Content-Encoding") != "" {
			t.Errorf("gzip, undone by the transport: %v, %+v", err, g.header)
		}
		if g, err := fault(oauthtest.GzipBomb(1 << 20)); err != nil || len(g.body) != 1<<20 {
			t.Errorf("bomb: %v, %d bytes", err, len(g.body))
		}
		odd := oauthtest.Respond(http.StatusTeapot, http.Header{"x-odd": {"1"}}, "short and stout")
		if g, err := fault(odd); err != nil || g.status != 418 || g.body != "short and stout" || g.header.Get("X-Odd") != "1" || g.header.Get("Content-Type") != "" {
			t.Errorf("respond: %v, %+v", err, g)
		}
		if g, err := fault(oauthtest.Status(http.StatusInternalServerError).After(time.Millisecond)); err != nil || g.status != 500 {
			t.Errorf("status: %v, %d", err, g.status)
		}
		if g := w.ask(); g.status != 200 {
			t.Errorf("after the script: %d", g.status)
		}
		if s := w.p.Total(); s.Faulted != 7 || s.TokenCalls != 8 || s.Minted != 3 || s.Refused != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestGzipIsLeftToWhoAskedForIt(t *testing.T) {
	bothWays(t, oauthtest.Hotmart, oauthtest.Settings{}, func(t *testing.T, w *world) {
		w.p.Inject(oauthtest.GzipBomb(2 << 20))
		g := w.post(append(w.right(), header("Accept-Encoding", "gzip"))...)
		if g.header.Get("Content-Encoding") != "gzip" || len(g.body) > 20<<10 {
			t.Fatalf("encoding %q, %d bytes", g.header.Get("Content-Encoding"), len(g.body))
		}
		z, err := gzip.NewReader(bytes.NewReader([]byte(g.body)))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, io.LimitReader(z, 4<<20)); n != 2<<20 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

func TestAHangEndsWithItsCaller(t *testing.T) {
	bothWays(t, oauthtest.Kiwify, oauthtest.Settings{}, func(t *testing.T, w *world) {
		w.p.Inject(oauthtest.Hang(), oauthtest.Latency(time.Hour))
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_, err := w.try(ctx, http.MethodPost, w.token, w.right()...)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}
		if g := w.ask(); g.status != 200 {
			t.Errorf("status %d", g.status)
		}
	})
}

func TestClosingTheServerEndsAHang(t *testing.T) {
	p := oauthtest.Kiwify(oauthtest.Options{})
	p.Inject(oauthtest.Hang())
	base, closer, err := p.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, p: p, hc: noRedirects(&http.Transport{DisableKeepAlives: true}), token: base + p.TokenPath()}
	ended := make(chan error, 1)
	go func() {
		_, err := w.try(t.Context(), http.MethodPost, w.token)
		ended <- err
	}()
	time.AfterFunc(30*time.Millisecond, closer)
	if err := <-ended; err == nil {
		t.Error("the call succeeded")
	}
}

func TestListenStaysOnLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "example.com:80", "nonsense"} {
		if _, closer, err := oauthtest.Kiwify(oauthtest.Options{}).Listen(addr); err == nil {
			closer()
			t.Errorf("listens on %q", addr)
		}
	}
}

func TestScriptsRunInOrder(t *testing.T) {
	w := inProcess(t, oauthtest.Generic, oauthtest.Settings{})
	w.p.Add(oauthtest.Client{ID: "b", Secret: oauth.NewSecret("b")})
	b := func() int { return w.post(basic("b", "b"), form("grant_type", "client_credentials")).status }
	w.p.Inject(oauthtest.Status(503).Always(), oauthtest.Status(500))
	w.p.InjectFor(shopID, oauthtest.Status(501).Times(2), oauthtest.Status(502))
	w.p.Inject(oauthtest.Status(504).OnAPI())
	var have []int
	for range 5 {
		have = append(have, w.ask().status)
	}
	have = append(have, b())
	want := []int{501, 501, 502, 500, 503, 503}
	for i := range want {
		if have[i] != want[i] {
			t.Fatalf("statuses %v, want %v", have, want)
		}
	}
	if g := w.call("x"); g.status != 504 {
		t.Errorf("API: %d", g.status)
	}
	w.p.InjectFor("b", oauthtest.Status(599).Always())
	if b() != 599 {
		t.Error("a client's own permanent fault does not go first")
	}
	w.p.ClearFaultsFor("b")
	if b() != 503 {
		t.Error("ClearFaultsFor took more than it should, or nothing")
	}
	w.p.ClearFaults()
	if w.ask().status != 200 || b() != 200 {
		t.Error("faults survive ClearFaults")
	}
	if c := w.p.Calls()[0]; c.Fault != "status 501" || c.Status != 501 || c.ClientID != shopID {
		t.Errorf("first call %+v", c)
	}
}

func TestChanceIsSeeded(t *testing.T) {
	run := func(seed uint64, p float64) (failed int, pattern string) {
		o := options(newClock(), oauthtest.Settings{})
		o.Seed = seed
		prov := oauthtest.Hotmart(o)
		w := &world{t: t, p: prov, hc: noRedirects(prov.Transport()), token: prov.TokenURL()}
		prov.Inject(oauthtest.Status(500).Chance(p))
		for range 400 {
			if w.ask().status == 500 {
				failed++
				pattern += "x"
			} else {
				pattern += "."
			}
		}
		return failed, pattern
	}
	n, first := run(1, 0.3)
	if n < 90 || n > 150 {
		t.Errorf("%d of 400 failed, want about 120", n)
	}
	if _, again := run(1, 0.3); again != first {
		t.Error("one seed, two patterns")
	}
	if _, other := run(2, 0.3); other == first {
		t.Error("two seeds, one pattern")
	}
	if n, _ := run(1, 0); n != 0 {
		t.Errorf("chance 0 struck %d times", n)
	}
	if n, _ := run(1, 1); n != 400 {
		t.Errorf("chance 1 struck %d times", n)
	}
}

func TestVirtualTimeDrivesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := oauthtest.Kiwify(oauthtest.Options{Clients: options(newClock(), oauthtest.Settings{}).Clients})
		w := &world{t: t, p: p, hc: &http.Client{Transport: p.Transport()}, token: p.TokenURL(), api: p.APIURL()}
		start := time.Now()
		p.Inject(oauthtest.Latency(40 * time.Minute))
		token := w.mint()
		if d := time.Since(start); d != 40*time.Minute {
			t.Errorf("latency took %v", d)
		}
		p.Inject(oauthtest.Latency(time.Second).Always(), oauthtest.Status(503).After(2*time.Second).Always())
		start = time.Now()
		if g := w.ask(); g.status != 503 || time.Since(start) != 3*time.Second {
			t.Errorf("status %d after %v: delays add up", g.status, time.Since(start))
		}
		p.ClearFaults()
		w.hc.Timeout = 10 * time.Second
		p.Inject(oauthtest.Hang())
		start = time.Now()
		var timeout net.Error
		if _, err := w.try(t.Context(), http.MethodPost, w.token, w.right()...); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("hang: %v", err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("the hang took %v", d)
		}
		time.Sleep(24 * time.Hour)
		if p.Validate(token) {
			t.Error("the token outlives its day")
		}
		calls := p.Calls()
		if last := calls[len(calls)-1]; last.Status != 0 || last.Fault != "hang" {
			t.Errorf("last call %+v", last)
		}
	})
}

func TestTraceHooksTellHowFarItGot(t *testing.T) {
	for name, c := range map[string]struct {
		faults []oauthtest.Fault
		want   string
	}{
		"an answer":                   {nil, "conn wrote first "},
		"a reset after the request":   {[]oauthtest.Fault{oauthtest.Reset()}, "conn wrote "},
		"a failure before it is sent": {[]oauthtest.Fault{oauthtest.Fail(oauthtest.Refused())}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{})
			w.p.Inject(c.faults...)
			var hooks strings.Builder
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn:              func(httptrace.GotConnInfo) { hooks.WriteString("conn ") },
				WroteRequest:         func(httptrace.WroteRequestInfo) { hooks.WriteString("wrote ") },
				GotFirstResponseByte: func() { hooks.WriteString("first ") },
			})
			_, err := w.try(ctx, http.MethodPost, w.token, w.right()...)
			if (err != nil) != (c.faults != nil) || hooks.String() != c.want {
				t.Errorf("hooks %q, want %q; error %v", hooks.String(), c.want, err)
			}
		})
	}
}

func TestFailGivesItsError(t *testing.T) {
	w := inProcess(t, oauthtest.Hotmart, oauthtest.Settings{})
	w.p.Inject(oauthtest.Fail(oauthtest.Refused()))
	if _, err := w.try(t.Context(), http.MethodPost, w.token); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v", err)
	}
	p := onPort(t, oauthtest.Hotmart, oauthtest.Settings{})
	p.p.Inject(oauthtest.Fail(oauthtest.Refused()))
	if _, err := p.try(t.Context(), http.MethodPost, p.token); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("on a port: %v", err)
	}
}

func TestNetwork(t *testing.T) {
	hotmart, kiwify := oauthtest.Hotmart(oauthtest.Options{}), oauthtest.Kiwify(oauthtest.Options{})
	n := oauthtest.NewNetwork(hotmart, kiwify)
	n["own.example:8443"] = oauthtest.Generic(oauthtest.Options{})
	w := &world{t: t, hc: noRedirects(n)}
	for to, want := range map[string]int{
		hotmart.TokenURL(): 401, kiwify.TokenURL(): 400, "https://public-api.kiwify.com:443/v1/oauth/token": 400,
		"https://sandbox.hotmart.com" + hotmart.APIPath(): 401, "https://own.example:8443/oauth/token": 401,
	} {
		method := http.MethodPost
		if g := w.do(method, to); g.status != want {
			t.Errorf("%s: status %d, want %d", to, g.status, want)
		}
	}
	var dns *net.DNSError
	_, err := w.try(t.Context(), http.MethodPost, "https://api.kiwify.example/v1/oauth/token", form("client_id", "x"))
	if !errors.As(err, &dns) || !dns.IsNotFound || dns.Name != "api.kiwify.example" {
		t.Errorf("an unknown host: %v", err)
	}
}
