package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/environment"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/internal/wire"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// maxAnswer is the most that Lambda takes as the answer of an asynchronous invocation, in bytes.
const maxAnswer = 262_144

// checkerOn is what functions/healthcheck wires, on an account and providers in process.
func checkerOn(t *testing.T, account *awstest.World, net http.RoundTripper) *probe.Checker {
	t.Helper()
	stores, err1 := wire.NewStores(account.Config(), environment.Config{
		SecretPrefix: secretPrefix, ParameterPrefix: parameterPrefix, StateTable: awstest.StateTable, Region: region, MaxConcurrency: workers,
	})
	catalogue, err2 := provider.Load()
	client, err3 := oauth.New(oauth.Config{AllowLoopback: true, Transport: net})
	must(t, errors.Join(err1, err2, err3))
	checker, err := probe.New(probe.Config{
		Secrets: stores.Secrets, States: stores.States, Prober: client, Catalogue: catalogue,
		SecretPrefix: secretPrefix, Region: region, AllowLoopback: true,
	})
	must(t, err)
	return checker
}

// publication is what the state table holds of a connection: a token that ends so long from now, and a failure with these words if there are any.
type publication struct {
	provider, host string
	left           time.Duration // until the token's end; it lives 48 h and is due 24 h before
	noToken        bool
	words          string
}

func (p publication) write(t *testing.T, aws *awstest.World, id string) {
	t.Helper()
	secret, _ := aws.Secret(secretPrefix + id)
	current, now := secret.Stages[store.StageCurrent], time.Now().UTC().Truncate(time.Second)
	state := lifecycle.State{ID: id, Current: current, ChangedAt: secret.Changed, Configuration: "0123456789abcdef"}
	if !p.noToken {
		end := now.Add(p.left)
		state.Token = &lifecycle.Token{
			Provider: p.provider, Endpoint: p.host, IssuedAt: end.Add(-48 * time.Hour), ExpiresAt: end, RenewAt: end.Add(-24 * time.Hour), Scope: "read write",
			TokenID: "0123456789abcdef", Shape: "01234567", Credential: current, Stage: store.StageCurrent, Since: now.Add(-100 * 24 * time.Hour), Version: 1,
		}
	}
	if p.words != "" {
		state.Failure = &lifecycle.Failure{
			Class: lifecycle.Credentials, Code: oauth.CodeInvalidClient, Provider: p.provider, Endpoint: p.host, HTTPStatus: 401, Attempts: 3,
			FirstAt: now.Add(-time.Hour), LastAt: now.Add(-30 * time.Minute), NextAt: now.Add(30 * time.Minute), Current: current, Message: p.words,
		}
	}
	_, err := statesOf(t, aws).Update(t.Context(), state)
	must(t, err)
}

// mixed is an installation in which of forty connections 35 are well.
func (s *stage) mixed(t *testing.T) (want probe.Counts) {
	t.Helper()
	for i, id := range s.connections() {
		p := publication{provider: s.provider.Name(), host: s.provider.Hosts()[0], left: 40 * time.Hour}
		want.Total++
		switch i % 40 {
		case 0:
			want.Missing++
			p.noToken = true
		case 1:
			p.words = id + ": the provider refuses this pair (HTTP 401: invalid_client), attempt 3 of 3. Copy both values again from the provider's panel."
			if i%80 == 1 {
				want.Expired++
				p.left = -time.Hour // also the worst: their words are read
			} else {
				want.Failing++
			}
		case 2:
			want.Overdue++
			p.left = 23 * time.Hour
		case 3:
			want.Expired++
			p.left = -48 * time.Hour
		case 4:
			want.Due++
			p.left = 24*time.Hour - 5*time.Minute
		default:
			want.Fresh++
		}
		p.write(t, s.aws, id)
	}
	return want
}

// TestVirtualHealth: the runway of 10,000 connections, of which some are in trouble, and one provider whose endpoint the catalogue knows.
func TestVirtualHealth(t *testing.T) {
	connections := 10_000
	if testing.Short() {
		connections = 1000 // the limit goes with the number
	}
	var calls, pages, decrypted, read, size, requests, issued int
	var took time.Duration
	synctest.Test(t, func(t *testing.T) {
		s := mustStage(t, oauthtest.Hotmart(oauthtest.Options{}), connections)
		want := s.mixed(t)
		s.slow(awsLatency)
		s.aws.ResetCalls()
		began := time.Now()
		report, err := checkerOn(t, s.aws, network(s.provider)).Run(t.Context(), probe.Call{}, probe.Invocation{})
		must(t, err)
		took = time.Since(began)
		if report.Status != probe.Unhealthy || report.Connections != want || len(report.Attention) != 20 {
			t.Errorf("%s, %d in attention, %+v, want %+v", report.Status, len(report.Attention), report.Connections, want)
		}
		if e := report.Endpoints; len(e) != 1 || e[0].Status != probe.Healthy || e[0].Probe != provider.ProbeReachability {
			t.Errorf("endpoints %+v", e)
		}
		for _, a := range report.Attention[:10] {
			if a.State != probe.Expired || !strings.HasSuffix(a.Reason, "from the provider's panel.") {
				t.Errorf("%+v", a)
			}
		}
		calls, pages, decrypted = s.calls(), s.readPages(), s.aws.Decrypted()
		read = s.aws.Count(awstest.GetSecretValue).Calls + s.aws.Count(awstest.BatchGetSecretValue).Calls
		requests, issued = s.provider.Total().TokenCalls, s.provider.Total().Minted
		size = len(asJSON(t, report))
	})
	if requests != 1 || issued != 0 {
		t.Errorf("the provider got %d requests and issued %d tokens", requests, issued)
	}
	under := &floor{float64(pages), "pages of secrets and state"}
	tell(t,
		row{Measure: fmt.Sprintf("health of %d connections", connections), Value: float64(calls), Unit: "calls", Floor: under, Limit: &limit{Most: float64(pages)}},
		row{Measure: "  values decrypted", Value: float64(decrypted), Limit: &limit{Most: 0}},
		row{Measure: "  calls that read secrets", Value: float64(read), Limit: &limit{Most: 0}},
		row{Measure: "  its answer", Value: float64(size), Unit: "bytes", Limit: &limit{Most: maxAnswer}},
		row{Measure: "  at 20 ms a call", Value: took.Seconds(), Unit: "s"},
	)
}

// TestVirtualLongestHealth: the report names 20 connections and 100 endpoints, all with the longest names that there may be, and repeats the
// words of the failures: the longest that a parameter holds, of the character that JSON makes longest.
func TestVirtualLongestHealth(t *testing.T) {
	const connections, endpoints = 150, 100
	segment := strings.Repeat("a", 63)
	var report probe.Report
	synctest.Test(t, func(t *testing.T) {
		account, generic, net := &awstest.World{HistoryLimit: 2}, oauthtest.Generic(oauthtest.Options{}), oauthtest.Network{}
		generic.Inject(oauthtest.Status(http.StatusServiceUnavailable).Always())
		for i := range connections {
			id := strings.Join([]string{segment, segment, segment, fmt.Sprintf("%063d", i)}, "/")
			host := strings.Join([]string{segment, segment, segment, fmt.Sprintf("%061d", i)}, ".")
			net[host] = generic
			document, err := json.Marshal(map[string]string{
				"provider": "generic", "client_id": "a", "client_secret": "not-a-secret", "token_endpoint": "https://" + host + ":65535" + generic.TokenPath(),
			})
			must(t, err)
			_, err = account.PutSecret(secretPrefix+id, string(document))
			must(t, err)
			publication{provider: "generic", host: host + ":65535", left: -time.Hour, words: strings.Repeat("<", 4096)}.write(t, account, id)
		}
		var err error
		report, err = checkerOn(t, account, net).Run(t.Context(), probe.Call{}, probe.Invocation{})
		must(t, err)
		if decrypted, read := account.Decrypted(), account.Count(awstest.GetSecretValue).Calls; decrypted != endpoints || read != endpoints {
			t.Errorf("%d values decrypted, %d secrets read, want one for each endpoint that is asked", decrypted, read)
		}
	})
	if len(report.Attention) != 20 || len(report.Endpoints) != endpoints {
		t.Fatalf("%d connections and %d endpoints are named", len(report.Attention), len(report.Endpoints))
	}
	a, e := report.Attention[19], report.Endpoints[endpoints-1]
	if len(a.Connection) != 4*63+3 || len(a.Reason) < 1000 || len(e.Host) != 253+6 || e.HTTPStatus != http.StatusServiceUnavailable || e.Code == "" {
		t.Errorf("%d characters of a name, %d bytes of a reason, endpoint %+v", len(a.Connection), len(a.Reason), e)
	}
	plain := asJSON(t, report)
	headers := map[string]string{"content-type": "application/json", "cache-control": "no-store"}
	byHTTP := asJSON(t, map[string]any{"statusCode": 503, "headers": headers, "body": string(plain)})
	tell(t,
		row{Measure: "health with the longest names and words", Value: float64(len(plain)), Unit: "bytes", Limit: &limit{Most: maxAnswer}},
		row{Measure: "  as the answer to an HTTP request", Value: float64(len(byHTTP)), Unit: "bytes", Limit: &limit{Most: maxAnswer}},
	)
}

// TestVirtualHealthHang: one of ten endpoints takes the request and never answers.
func TestVirtualHealthHang(t *testing.T) {
	const endpoints = 10
	var took time.Duration
	synctest.Test(t, func(t *testing.T) {
		account, net := &awstest.World{HistoryLimit: 2}, oauthtest.Network{}
		for i := range endpoints {
			p := oauthtest.Generic(oauthtest.Options{Seed: uint64(i)})
			p.Inject(oauthtest.Latency(providerLatency).Always())
			if i == endpoints-1 {
				p.Inject(oauthtest.Hang().Always())
			}
			host, prefix := fmt.Sprintf("auth-%d.example.com", i), fmt.Sprintf("p%d", i)
			net[host] = p
			must(t, addTenant(account, p, prefix, 0, "https://"+host+p.TokenPath()))
			publication{provider: "generic", host: host, left: 40 * time.Hour}.write(t, account, connectionID(prefix, 0))
		}
		began := time.Now()
		report, err := checkerOn(t, account, net).Run(t.Context(), probe.Call{}, probe.Invocation{})
		must(t, err)
		took = time.Since(began)
		if report.Connections != (probe.Counts{Total: endpoints, Fresh: endpoints}) || len(report.Endpoints) != endpoints {
			t.Fatalf("%+v, %d endpoints", report.Connections, len(report.Endpoints))
		}
		for i, e := range report.Endpoints { // the worst first
			if want := map[bool]probe.Status{true: probe.Unhealthy, false: probe.Healthy}[i == 0]; e.Status != want {
				t.Errorf("%+v", e)
			}
		}
	})
	tell(t, row{
		Measure: "health while one of ten endpoints hangs", Value: took.Seconds(), Unit: "s",
		Floor: &floor{10, "one time-out"}, Limit: &limit{Most: 1.1, OfRatio: true},
	})
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	must(t, err)
	return text
}
