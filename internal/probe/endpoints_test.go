package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// TestEachEndpointIsProbedOnceWhateverTheNumberOfTenants, without credentials, and no secret is read for it.
func TestEachEndpointIsProbedOnceWhateverTheNumberOfTenants(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range 50 {
			w.kiwi(fmt.Sprintf("kiwify/t%d", i), 20*time.Hour)
		}
		w.secret("hotmart/a", `"provider":"hotmart"`)
		r := w.record("hotmart/a", 20*time.Hour)
		r.Provider, r.Endpoint = "hotmart", "api-sec-vlc.hotmart.com"
		w.token("hotmart/a", r)
		w.aws.ResetCalls()
		report := w.run(`{}`)
		if report.Status != probe.Healthy || len(report.Endpoints) != 2 || report.Endpoints[0].Host != "api-sec-vlc.hotmart.com" {
			t.Fatalf("%+v", report)
		}
		for i, want := range []probe.Endpoint{
			{Provider: "hotmart", Host: "api-sec-vlc.hotmart.com", Status: probe.Healthy, Probe: provider.ProbeReachability,
				Latency: probe.Latency{Reused: true}, ThresholdMS: 1000, HTTPStatus: 401, Code: "client_auth_not_seen"},
			{Provider: "kiwify", Host: "public-api.kiwify.com", Status: probe.Healthy, Probe: provider.ProbeReachability,
				Latency: probe.Latency{Reused: true}, ThresholdMS: 1000, HTTPStatus: 400, Code: "client_auth_not_seen"},
		} {
			got, _ := json.Marshal(report.Endpoints[i])
			if text, _ := json.Marshal(want); string(got) != string(text) {
				t.Errorf("%s, want %s", got, text)
			}
		}
		for _, p := range []*oauthtest.Provider{w.hotmart, w.kiwify} {
			calls := p.Calls()
			if len(calls) != 1 || calls[0].Auth != "none" || p.Total().Minted != 0 {
				t.Errorf("%s: %+v", p.Name(), calls)
			}
		}
		if n := w.aws.Count(awstest.GetSecretValue).Calls; n != 0 {
			t.Errorf("%d secrets were read", n)
		}
	})
}

func TestTheResponseOfAnEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		fault  oauthtest.Fault
		status probe.Status
		code   string
		http   int
		total  int64
		calls  int
	}{
		"quick":                            {oauthtest.Latency(40 * time.Millisecond).Always(), probe.Healthy, "client_auth_not_seen", 400, 40, 1},
		"as slow as is allowed":            {oauthtest.Latency(time.Second).Always(), probe.Healthy, "client_auth_not_seen", 400, 1000, 1},
		"slow twice":                       {oauthtest.Latency(1001 * time.Millisecond).Always(), probe.Degraded, "client_auth_not_seen", 400, 1001, 2},
		"slow once: the repetition counts": {oauthtest.Latency(3 * time.Second), probe.Healthy, "client_auth_not_seen", 400, 0, 2},
		"an outage":                        {oauthtest.Status(503).Always(), probe.Unhealthy, "server_error", 503, 0, 1},
		"too many requests":                {oauthtest.TooMany(time.Minute).Always(), probe.Unhealthy, "rate_limited", 429, 0, 1},
		"a firewall":                       {oauthtest.BlockPage().Always(), probe.Unhealthy, "waf_blocked", 403, 0, 1},
		"a redirect":                       {oauthtest.Redirect("https://elsewhere.example/").Always(), probe.Unhealthy, "redirect_refused", 307, 0, 1},
		"a connection that breaks":         {oauthtest.Reset().Always(), probe.Unhealthy, "network_ambiguous", 0, 0, 1},
		"nobody there":                     {oauthtest.Fail(oauthtest.Refused()).Always(), probe.Unhealthy, "network", 0, 0, 1},
		"a token for nobody":               {oauthtest.Respond(200, nil, `{"access_token":"T-1"}`).Always(), probe.Unhealthy, "no_refusal", 0, 0, 1},
		"no answer: it costs one time-out, not two": {oauthtest.Hang().Always(), probe.Unhealthy, "network_ambiguous", 0, 10000, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.kiwi("kiwify/x", 20*time.Hour)
				w.kiwify.Inject(c.fault)
				began := time.Now()
				e := w.only(w.run(`{}`))
				if e.Status != c.status || e.Code != c.code || e.HTTPStatus != c.http || e.Latency.Total != c.total {
					t.Errorf("%+v", e)
				}
				if n := w.kiwify.Total().TokenCalls; n != c.calls || len(w.events) != c.calls {
					t.Errorf("%d requests, events %+v", n, w.events)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestARepetitionEndsWithTheTimeOut: an endpoint that is slow first and hangs then has answered once.
func TestARepetitionEndsWithTheTimeOut(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/x", 20*time.Hour)
		w.kiwify.Inject(oauthtest.Latency(7*time.Second), oauthtest.Hang())
		began := time.Now()
		e := w.only(w.run(`{}`))
		if took := time.Since(began); e.Status != probe.Degraded || e.Latency.Total != 7000 || took != 10*time.Second {
			t.Errorf("%+v after %v", e, took)
		}
	})
}

// TestHungEndpointsCostOneTimeOutTogether, and not the report.
func TestHungEndpointsCostOneTimeOutTogether(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range 40 {
			host := fmt.Sprintf("auth%02d.example.com", i)
			w.generic(fmt.Sprintf("generic/c%d", i), host)
			if i%2 == 0 {
				w.network[host].Inject(oauthtest.Hang().Always())
			}
		}
		began := time.Now()
		r := w.run(`{}`)
		unhealthy := slices.IndexFunc(r.Endpoints, func(e probe.Endpoint) bool { return e.Status == probe.Healthy })
		if took := time.Since(began); len(r.Endpoints) != 40 || unhealthy != 20 || took > 13*time.Second || r.Status != probe.Unhealthy {
			t.Errorf("%d endpoints, the first healthy one in place %d, %v", len(r.Endpoints), unhealthy, took)
		}
	})
}

// generic is a connection at an endpoint that only its document names.
func (w *world) generic(connection, host string) {
	w.t.Helper()
	if w.network[host] == nil {
		w.network[host] = oauthtest.Generic(oauthtest.Options{})
	}
	w.secret(connection, fmt.Sprintf(`"provider":"generic","token_endpoint":"https://%s/oauth/token"`, host))
	r := w.record(connection, 20*time.Hour)
	r.Provider, r.Endpoint = "generic", host
	w.token(connection, r)
}

// TestOneDocumentIsReadWhereOnlyItNamesTheEndpoint, another one in each turn, and the client credentials in it are not sent.
func TestOneDocumentIsReadWhereOnlyItNamesTheEndpoint(t *testing.T) {
	bubble(t, func(w *world) {
		for _, c := range []string{"generic/a", "generic/b", "generic/c"} {
			w.generic(c, "auth.example.com")
		}
		w.aws.ResetCalls()
		var readers []string
		for range 6 {
			e := w.only(w.run(`{}`))
			if e.Status != probe.Healthy || e.HTTPStatus != 401 || e.Code != "invalid_client" || e.Provider != "generic" {
				t.Fatalf("%+v", e)
			}
			readers = append(readers, w.events[0].Connection)
			<-time.After(5 * time.Minute)
		}
		if first := readers[:3]; !slices.Equal(first, readers[3:]) || len(slices.Compact(slices.Sorted(slices.Values(first)))) != 3 {
			t.Errorf("read %v", readers)
		}
		if n := w.aws.Count(awstest.GetSecretValue).Calls; n != 6 {
			t.Errorf("%d secrets were read in 6 runs", n)
		}
		for _, call := range w.network["auth.example.com"].Calls() {
			if call.Auth != "none" {
				t.Errorf("%+v", call)
			}
		}
	})
}

func TestADocumentThatCannotBeUsedSaysNothingOfTheEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *world)
		code  string
	}{
		"it may not be read": {func(w *world) {
			w.aws.Inject(awstest.Fault{Op: awstest.GetSecretValue, Effect: awstest.AccessDenied})
		}, "secret_unreadable"},
		"it is none": {func(w *world) {
			_, err := w.aws.PutSecret("oauth/generic/a", `{"provider":"generic","clientid":"x"}`)
			w.must(err)
		}, "invalid_document"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.generic("generic/a", "auth.example.com")
				c.spoil(w)
				r := w.run(`{}`)
				e := w.only(r)
				if e.Status != probe.Degraded || e.Probe != probe.None || e.Code != c.code || r.Status != probe.Degraded {
					t.Errorf("%+v", r)
				}
				if _, _, measured := e.Measured(); measured {
					t.Error("it counts as measured")
				}
				if len(w.events) != 1 || w.events[0].Kind != probe.EventNotProbed || w.events[0].Message == "" || w.events[0].Connection != "generic/a" {
					t.Errorf("%+v", w.events)
				}
			})
		})
	}
	bubble(t, func(w *world) { // it has moved since the token was issued
		w.generic("generic/a", "auth.example.com")
		w.secret("generic/a", `"provider":"generic","token_endpoint":"https://new.example.com/oauth/token"`)
		if r := w.run(`{}`); len(r.Endpoints) != 0 || r.Status != probe.Healthy {
			t.Errorf("%+v", r)
		}
	})
}

// TestTokenProbes: only where a new token does not end another; with a connection that does not fail, another one in each turn.
func TestTokenProbes(t *testing.T) {
	bubble(t, func(w *world) {
		paypal := oauthtest.Generic(oauthtest.Options{})
		w.network["api-m.paypal.com"] = paypal
		for _, name := range []string{"a", "b", "wrong"} {
			c := "paypal/" + name
			w.secret(c, `"provider":"paypal","token_endpoint":"https://api-m.paypal.com/oauth/token"`)
			r := w.record(c, 20*time.Hour)
			r.Provider, r.Endpoint = "paypal", "api-m.paypal.com"
			w.token(c, r)
			if name != "wrong" {
				paypal.Add(oauthtest.Client{ID: "id-of-paypal-" + name, Secret: w.clientSecret(c)})
			}
		}
		w.failure("paypal/wrong", "it is refused", time.Hour)
		w.kiwi("kiwify/x", 20*time.Hour)
		before := w.aws.Snapshot(true)
		used := map[string]int{}
		for range 4 {
			r := w.run(`{"probe":"token"}`)
			for _, e := range r.Endpoints {
				kinds := map[string]probe.Probe{"paypal": provider.ProbeToken, "kiwify": provider.ProbeReachability}
				if e.Probe != kinds[e.Provider] || e.Status != probe.Healthy {
					t.Errorf("%+v", e)
				}
			}
			for _, ev := range w.events {
				used[ev.Connection]++
				if issued := ev.Probe == provider.ProbeToken; issued != (len(ev.TokenID) == 16 && ev.Credential != "" && ev.ExpiresAt.After(time.Now())) {
					t.Errorf("an issued token is logged: %+v", ev)
				}
			}
			<-time.After(5 * time.Minute)
		}
		if used["paypal/a"] != 2 || used["paypal/b"] != 2 || used["paypal/wrong"] != 0 || used[""] != 4 {
			t.Errorf("used %v", used)
		}
		if paypal.Total().Minted != 4 || w.kiwify.Total().Minted != 0 || w.aws.Snapshot(true) != before {
			t.Errorf("PayPal issued %d, Kiwify %d", paypal.Total().Minted, w.kiwify.Total().Minted)
		}
		// Client credentials that are rejected now are an early warning: their token is still valid.
		paypal.Remove("id-of-paypal-a")
		paypal.Remove("id-of-paypal-b")
		r := w.run(`{"connections":["paypal/a"],"probe":"token"}`)
		e := w.only(r)
		if _, answered, _ := e.Measured(); e.Status != probe.Unhealthy || e.Code != "invalid_client" || e.HTTPStatus != 401 || !answered {
			t.Errorf("%+v: the endpoint did its work", e)
		}
		if r := w.run(`{"connections":["paypal/wrong"],"probe":"token"}`); w.only(r).Probe != provider.ProbeReachability {
			t.Errorf("client credentials that are known to be rejected were used: %+v", r.Endpoints)
		}
	})
}

// TestWithManyEndpointsTheyTakeTurns: a hundred a run, and in a few runs all of them.
func TestWithManyEndpointsTheyTakeTurns(t *testing.T) {
	bubble(t, func(w *world) {
		const n = 230
		for i := range n {
			w.generic(fmt.Sprintf("generic/c%d", i), fmt.Sprintf("auth%03d.example.com", i))
		}
		seen := map[string]bool{}
		for range 5 {
			r := w.run(`{}`)
			if len(r.Endpoints) != 100 || r.Status != probe.Healthy {
				t.Fatalf("%s, %d endpoints", r.Status, len(r.Endpoints))
			}
			for _, e := range r.Endpoints {
				seen[e.Host] = true
			}
			<-time.After(5 * time.Minute)
		}
		if len(seen) != n {
			t.Errorf("%d of %d were probed", len(seen), n)
		}
	})
}

// TestTheReportComesBeforeTheDeadline: an endpoint for which the time no longer suffices is left to the next run.
func TestTheReportComesBeforeTheDeadline(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/x", 20*time.Hour)
		ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
		defer cancel()
		r, err := w.runWithin(ctx, `{}`)
		w.must(err)
		if len(r.Endpoints) != 0 || r.Connections.Fresh != 1 || len(w.events) != 1 || w.events[0].Kind != probe.EventLeftOut {
			t.Errorf("%+v, events %+v", r, w.events)
		}
		ctx, cancel = context.WithTimeout(w.t.Context(), 12*time.Second)
		defer cancel()
		if r, err = w.runWithin(ctx, `{}`); err != nil || len(r.Endpoints) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestWhichEndpointsAreNotProbed: what only paused connections use, what is orphaned, a provider that this program does not know, and a host that is none.
func TestWhichEndpointsAreNotProbed(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/x", 20*time.Hour)
		w.must(w.aws.TagSecret("oauth/kiwify/x", "chaveiro:paused", "true"))
		w.token("kiwify/orphan", w.record("kiwify/orphan", time.Hour))
		w.secret("other/x", `"provider":"kiwify"`)
		r := w.record("other/x", 20*time.Hour)
		r.Provider, r.Endpoint = "of-a-newer-version", "auth.example.com"
		w.token("other/x", r)
		_, err := w.aws.PutSecret("oauth/kiwify/y", `{}`) // its document names no host, and would be reported with this one
		w.must(err)
		r = w.record("kiwify/y", 20*time.Hour)
		for i, host := range []string{strings.Repeat("x", 260), "<script>", "a b", "HOST", "https://x", "a\nb", "x@y"} {
			r.Endpoint = host
			r.Version = int64(i + 1)
			w.token("kiwify/y", r)
			if r := w.run(`{}`); len(r.Endpoints) != 0 || r.Status != probe.Healthy {
				t.Errorf("%q: %+v", host, r)
			}
		}
		if r := w.run(`{}`); len(r.Endpoints) != 0 || r.Status != probe.Healthy {
			t.Errorf("%+v", r)
		}
	})
}

// TestAConnectionWithoutATokenHasAnEndpointToo: its failure names the endpoint.
func TestAConnectionWithoutATokenHasAnEndpointToo(t *testing.T) {
	bubble(t, func(w *world) {
		w.secret("kiwify/x", `"provider":"kiwify"`)
		w.failure("kiwify/x", "it is down", time.Hour)
		w.kiwify.Inject(oauthtest.Status(503).Always())
		if r := w.run(`{}`); w.only(r).Status != probe.Unhealthy || r.Status != probe.Unhealthy {
			t.Errorf("%+v", r)
		}
	})
}

// TestTwoProvidersOnOneHostAreOneEndpoint: the one whose endpoint the catalogue knows.
func TestTwoProvidersOnOneHostAreOneEndpoint(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/x", 20*time.Hour)
		w.secret("a/x", `"provider":"generic","token_endpoint":"https://public-api.kiwify.com/v1/oauth/token",`+
			`"token_endpoint_auth_method":"client_secret_post"`)
		r := w.record("a/x", 20*time.Hour)
		r.Provider = "generic"
		w.token("a/x", r)
		if e := w.only(w.run(`{}`)); e.Provider != "kiwify" || w.aws.Count(awstest.GetSecretValue).Calls != 0 {
			t.Errorf("%+v", e)
		}
	})
}

func TestEachFaultOfAnEventNamesItsField(t *testing.T) {
	for event, want := range map[string]string{
		`{"connection":["a"]}`:        `field "connection": is unknown; did you mean "connections"?`,
		`{"connections":[]}`:          `field "connections": must not be empty: leave the field out to look at all of them`,
		`{"connections":"a"}`:         `field "connections": must be a list`,
		`{"probe":"ping"}`:            `field "probe": must be token, reachability or none`,
		`{"probe":null}`:              `field "probe": must be token, reachability or none`,
		`{"probe":7}`:                 `field "probe": must be token, reachability or none`,
		`{"force":true}`:              `field "force": is unknown; known are connections, probe`,
		`[]`:                          "must be a JSON object",
		`{"probe":"none","probe ":1}`: `field "probe ": is unknown`,
	} {
		if _, err := probe.ParseCall([]byte(event)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", event, err, want)
		}
	}
	for _, event := range []string{"", "null", "{}", `{"source":"aws.scheduler","detail-type":"Scheduled Event"}`} {
		if call, err := probe.ParseCall([]byte(event)); err != nil || call.Connections != nil || call.Probe != "" {
			t.Errorf("%s: %+v, %v", event, call, err)
		}
	}
}

func TestEveryFaultOfAConfiguration(t *testing.T) {
	_, err := probe.New(probe.Config{Threshold: -1})
	for _, want := range []string{"Secrets is missing", "States is missing", "Prober is missing", "Catalogue is empty", "a duration is negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not among\n%v", want, err)
		}
	}
}

// FuzzParseCall: whatever comes in, there is a call or an error that is one short line.
func FuzzParseCall(f *testing.F) {
	seeds := []string{`{}`, `{"connections":["a/b"],"probe":"token"}`, `{"probe":"none"}`, `[1]`, `{"source":"a","detail-type":"b"}`, "{\"\\u0000\":1}"}
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		call, err := probe.ParseCall(raw)
		if err != nil {
			if text := err.Error(); len(text) > 400 || !strings.HasPrefix(text, "event: ") {
				t.Errorf("%q", text)
			}
			return
		}
		if call.Connections != nil && len(call.Connections) == 0 {
			t.Error("an empty list of connections")
		}
	})
}

// TestAnInvocationThatEndsSaysNothingOfAnEndpoint.
func TestAnInvocationThatEndsSaysNothingOfAnEndpoint(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/x", 20*time.Hour)
		w.kiwify.Inject(oauthtest.Hang().Always())
		ctx, cancel := context.WithCancel(w.t.Context())
		time.AfterFunc(time.Second, cancel)
		r, err := w.runWithin(ctx, `{}`)
		if err != nil || len(r.Endpoints) != 0 || r.Status != probe.Healthy {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// unreliable returns an error of another type than Prober promises.
type unreliable struct{ probe.Prober }

func (unreliable) Probe(context.Context, oauth.TokenRequest) (oauth.ProbeResult, error) {
	return oauth.ProbeResult{}, errors.New("no *oauth.Error")
}

func TestAnErrorOfAnotherKindIsNoHealth(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/x", 20*time.Hour)
		w.change = func(cfg *probe.Config) { cfg.Prober = unreliable{} }
		if e := w.only(w.run(`{}`)); e.Status != probe.Unhealthy {
			t.Errorf("%+v", e)
		}
	})
}

// TestATenantThatWasGivenUpHasNoEndpoint of its own: its host, which is gone too, must not ring for ever.
func TestATenantThatWasGivenUpHasNoEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		failing, expired time.Duration
		probed           bool
	}{
		"a day of both":                            {25 * time.Hour, 25 * time.Hour, false},
		"it fails for less":                        {23 * time.Hour, 25 * time.Hour, true},
		"its token died less than a day ago":       {50 * time.Hour, 23 * time.Hour, true},
		"nobody has recorded a failure: is it we?": {0, 50 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.kiwi("kiwify/x", 20*time.Hour)
				w.generic("generic/dead", "dead.example.com")
				r := w.record("generic/dead", -c.expired)
				r.Provider, r.Endpoint = "generic", "dead.example.com"
				w.token("generic/dead", r)
				if c.failing > 0 {
					w.failure("generic/dead", "its host is gone", c.failing)
				}
				delete(w.network, "dead.example.com")
				report := w.run(`{}`)
				probed := slices.ContainsFunc(report.Endpoints, func(e probe.Endpoint) bool { return e.Host == "dead.example.com" })
				if probed != c.probed || !probed && report.Status != probe.Degraded {
					t.Errorf("%s, endpoints %+v", report.Status, report.Endpoints)
				}
			})
		})
	}
	bubble(t, func(w *world) { // one that never had a token
		w.secret("generic/never", `"provider":"generic","token_endpoint":"https://dead.example.com/oauth/token"`)
		w.failure("generic/never", "no such host", 30*time.Hour)
		if r := w.run(`{}`); len(r.Endpoints) != 0 || r.Status != probe.Degraded {
			t.Errorf("%+v", r)
		}
	})
}

// TestAGatewayOfAnUnknownEndpointRefusesInItsWay: what no catalogue knows may answer with a bare 403, or a web server's page beside a 401.
func TestAGatewayOfAnUnknownEndpointRefusesInItsWay(t *testing.T) {
	page := http.Header{"Content-Type": {"text/html"}}
	for name, c := range map[string]struct {
		fault  oauthtest.Fault
		status probe.Status
	}{
		"a gateway":      {oauthtest.Respond(403, nil, `{"message":"Forbidden"}`), probe.Healthy},
		"a web server":   {oauthtest.Respond(401, page, `<html>401</html>`), probe.Healthy},
		"a firewall":     {oauthtest.BlockPage(), probe.Unhealthy},
		"no such page":   {oauthtest.Respond(404, nil, `{}`), probe.Unhealthy},
		"another server": {oauthtest.Respond(400, page, `<html></html>`), probe.Unhealthy},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.generic("generic/a", "auth.example.com")
				w.network["auth.example.com"].Inject(c.fault.Always())
				e := w.only(w.run(`{}`))
				if _, answered, _ := e.Measured(); e.Status != c.status || answered != (c.status == probe.Healthy) || e.Code == "" {
					t.Errorf("%+v", e)
				}
			})
		})
	}
	bubble(t, func(w *world) { // of a known one it is known that it does not
		w.kiwi("kiwify/x", 20*time.Hour)
		w.kiwify.Inject(oauthtest.Respond(403, nil, `{"message":"Forbidden"}`).Always())
		if e := w.only(w.run(`{}`)); e.Status != probe.Unhealthy {
			t.Errorf("%+v", e)
		}
	})
}

// slowSecrets read a document only after a while.
type slowSecrets struct {
	probe.Secrets
	patience time.Duration
}

func (s slowSecrets) Read(ctx context.Context, connection string) (store.Document, error) {
	select {
	case <-ctx.Done():
		return store.Document{}, ctx.Err()
	case <-time.After(s.patience):
		return s.Secrets.Read(ctx, connection)
	}
}

// TestAStoreThatHangsCostsNotTheReport: the document of an endpoint that hangs too comes late or never.
func TestAStoreThatHangsCostsNotTheReport(t *testing.T) {
	for name, c := range map[string]struct {
		patience, limit, within time.Duration
		endpoints               int
	}{
		"it never comes, and little time is left": {time.Hour, 12 * time.Second, 11 * time.Second, 2},
		"it never comes": {time.Hour, 2 * time.Minute, 21 * time.Second, 2},
		"it comes after nine of ten seconds, and then the endpoint hangs": {9 * time.Second, 12 * time.Second, 11 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.generic("generic/a", "auth.example.com")
				w.network["auth.example.com"].Inject(oauthtest.Hang().Always())
				w.kiwi("kiwify/x", time.Hour)
				w.failure("kiwify/x", "a sentence", time.Hour)
				w.change = func(cfg *probe.Config) {
					cfg.Secrets = slowSecrets{cfg.Secrets, c.patience}
				}
				ctx, cancel := context.WithTimeout(w.t.Context(), c.limit)
				defer cancel()
				began := time.Now()
				r, err := w.runWithin(ctx, `{}`)
				w.must(err)
				if took := time.Since(began); took > c.within || attention(r, "kiwify/x").Reason == "" || len(r.Endpoints) != c.endpoints {
					t.Errorf("after %v: %+v", took, r)
				}
			})
		})
	}
}
