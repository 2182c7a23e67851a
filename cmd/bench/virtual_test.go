package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// The tests TestVirtual… are measurements: bench runs them and prints their rows. Each also fails by itself when a limit is missed, so that
// make test notices it.

// tell hands rows to bench, and fails the test for those that are over.
func tell(t *testing.T, rows ...row) {
	t.Helper()
	for _, r := range rows {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Attr(rowKey, string(text))
		if r.verdict() == verdictOver {
			t.Errorf("over the limit: %s", strings.Join(r.cells(), "  "))
		}
	}
}

// Latencies as they are usual in one region and across the ocean.
const (
	awsLatency      = 20 * time.Millisecond
	providerLatency = 200 * time.Millisecond
)

// slow gives the account and the provider their latencies.
func (s *stage) slow(stores time.Duration) {
	s.aws.Latency = func(awstest.Op, string) time.Duration { return stores }
	s.provider.Inject(oauthtest.Latency(providerLatency).Always())
}

// refresherOn is a refresher on an account and providers in process.
func refresherOn(t *testing.T, account *awstest.World, net http.RoundTripper, change func(*refresh.Config)) *refresher {
	t.Helper()
	r, err := newRefresher(wiring{aws: account.Config(), network: net, logs: io.Discard, change: change})
	must(t, err)
	return r
}

// loopOn is what a user has today: the bare calls without a lease, so many at once, with the SDK's own retries and nothing that paces them.
func loopOn(account *awstest.World, net http.RoundTripper, workers int) *bare {
	client := &http.Client{Transport: net, Timeout: 10 * time.Second}
	return &bare{secrets: account.SecretsManager(), parameters: account.SSM(), http: client, workers: workers}
}

func mustStage(t *testing.T, p *oauthtest.Provider, tenants int) *stage {
	t.Helper()
	s, err := newStage(p, tenants, p.TokenURL())
	must(t, err)
	return s
}

func (s *stage) connections() []string {
	ids := make([]string, s.tenants)
	for i := range ids {
		ids[i] = connectionID(s.provider.Name(), i)
	}
	return ids
}

// deed is what a contestant did with a stage.
type deed struct {
	took      time.Duration
	lost      int // tokens that the provider handed out and that were never written
	throttled int // writes that SSM refused for their number
	served    int // tenants that have their token
}

// after runs a contestant in virtual time.
func after(t *testing.T, prepare func(t *testing.T) *stage, work func(t *testing.T, s *stage)) deed {
	t.Helper()
	var d deed
	synctest.Test(t, func(t *testing.T) {
		s := prepare(t)
		began := time.Now()
		work(t, s)
		d = deed{
			took: time.Since(began), lost: s.provider.Total().Minted - s.tokenWrites(),
			throttled: s.aws.Count(awstest.PutParameter).Throttled, served: s.served(),
		}
	})
	return d
}

func sweepOn(change func(*refresh.Config)) func(t *testing.T, s *stage) {
	return func(t *testing.T, s *stage) {
		t.Helper()
		_, err := refresherOn(t, s.aws, network(s.provider), change).sweep(t.Context())
		must(t, err)
	}
}

// TestVirtualWrites: 300 tokens are due, and SSM takes ten writes a second, of which the account's other programs may use a part that nobody
// tells the refresher. The bound is the time in which SSM lets 300 writes through: its bucket begins full.
func TestVirtualWrites(t *testing.T) {
	const tokens, quota = 300, 10.0
	for _, c := range []struct {
		name   string
		others float64
		most   float64
	}{
		{"300 tokens at 10 writes a second", 0, 1.06},
		{"300 tokens, others use 30% of the writes", 0.3, 1.2},
	} {
		free := quota * (1 - c.others)
		bound := (tokens - free) / free
		prepare := func(t *testing.T) *stage {
			s := mustStage(t, oauthtest.Hotmart(oauthtest.Options{}), tokens)
			s.aws.SetQuota(awstest.ParameterWrites, awstest.Quota{PerSecond: quota, Others: c.others})
			s.slow(awsLatency)
			return s
		}
		ours := after(t, prepare, sweepOn(func(cfg *refresh.Config) { cfg.MaxWritesPerSecond = quota }))
		loop := after(t, prepare, func(t *testing.T, s *stage) {
			// That some writes fail is what is shown: the loop's error is the first of them.
			_ = loopOn(s.aws, network(s.provider), 64).pass(t.Context(), s.connections())
		})
		if ours.served != tokens {
			t.Errorf("%s: %d tenants have their token", c.name, ours.served)
		}
		if loop.lost == 0 || loop.served+loop.lost != tokens {
			t.Errorf("%s: a loop of 64 workers lost %d and served %d", c.name, loop.lost, loop.served)
		}
		under := &floor{bound, "what SSM admits"}
		rows := []row{
			{Measure: c.name, Value: ours.took.Seconds(), Unit: "s", Floor: under, Limit: &limit{Most: c.most, OfRatio: true}},
			{Measure: "  tokens lost", Value: float64(ours.lost), Limit: &limit{Most: 0}},
			{Measure: "  writes throttled", Value: float64(ours.throttled)},
			{Measure: "  beside it: 64 unpaced workers", Value: loop.took.Seconds(), Unit: "s", Floor: under},
			{Measure: "    tokens lost", Value: float64(loop.lost)},
		}
		if c.others == 0 {
			rows[2].Limit = &limit{Most: 0}
		}
		tell(t, rows...)
	}
}

// TestVirtualThroughput: the provider takes 200 ms for each of 1,000 tokens, and the stores take none. The bound is that of the workers.
func TestVirtualThroughput(t *testing.T) {
	const tokens = 1000
	prepare := func(t *testing.T) *stage {
		s := mustStage(t, oauthtest.Hotmart(oauthtest.Options{}), tokens)
		s.slow(0)
		return s
	}
	ours := after(t, prepare, sweepOn(unpaced))
	loop := after(t, prepare, func(t *testing.T, s *stage) {
		must(t, loopOn(s.aws, network(s.provider), 1).pass(t.Context(), s.connections()))
	})
	if ours.served != tokens || loop.served != tokens {
		t.Errorf("%d and %d tenants have their token", ours.served, loop.served)
	}
	bound := &floor{tokens * providerLatency.Seconds() / workers, "N·p / 16 workers"}
	tell(t,
		row{Measure: "1,000 tokens at 200 ms each", Value: ours.took.Seconds(), Unit: "s", Floor: bound, Limit: &limit{Most: 1.10, OfRatio: true}},
		row{Measure: "  beside it: one after another", Value: loop.took.Seconds(), Unit: "s", Floor: bound},
	)
}

// statesOf is the state table of an account, written by hand: its calls are not counted.
func statesOf(t *testing.T, account *awstest.World) *dynamostate.Store {
	t.Helper()
	states, err := dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: account}, Table: awstest.StateTable})
	must(t, err)
	return states
}

// publishAll writes the tokens of a stage and their items by hand, as a sweep would have. That a sweep finds all of them fresh is how a
// test knows that they are right.
func (s *stage) publishAll(t *testing.T) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	states := statesOf(t, s.aws)
	for _, id := range s.connections() {
		secret, _ := s.aws.Secret(secretPrefix + id)
		current := secret.Stages[store.StageCurrent]
		version, err := s.aws.WriteParameter(tokenName(id), awstest.ParameterWrite{Value: "token of " + id, Tier: "Intelligent-Tiering"})
		must(t, err)
		_, err = states.Update(t.Context(), lifecycle.State{
			ID: id, Current: current, ChangedAt: secret.Changed, Configuration: "0123456789abcdef",
			Token: &lifecycle.Token{
				Provider: s.provider.Name(), Endpoint: s.provider.Hosts()[0], IssuedAt: now, ExpiresAt: now.Add(48 * time.Hour), RenewAt: now.Add(24 * time.Hour),
				Scope: "read write", TokenID: "0123456789abcdef", Shape: "01234567", Credential: current, Stage: store.StageCurrent, Since: now, Version: version,
			},
		})
		must(t, err)
	}
	s.aws.ResetCalls()
}

// readPages are the pages of the listing of secrets and of the state table, of which DynamoDB fills each with 1 MB.
func (s *stage) readPages() int { return s.tenants/100 + s.aws.Count(awstest.Scan).Calls }

// TestVirtualIdle: nothing is due. A sweep reads the state table and the listing of secrets, compares some parameters, and reads not one value.
func TestVirtualIdle(t *testing.T) {
	connections, most := 10_000, 130.0
	if testing.Short() {
		connections, most = 1000, 34
	}
	var calls, pages, decrypted, read, loopCalls int
	synctest.Test(t, func(t *testing.T) {
		s := mustStage(t, oauthtest.Hotmart(oauthtest.Options{}), connections)
		s.publishAll(t)
		result, err := refresherOn(t, s.aws, network(s.provider), nil).sweep(t.Context())
		must(t, err)
		if result.Counts.Fresh != connections {
			t.Errorf("%+v", result.Counts)
		}
		calls, pages, decrypted = s.calls(), s.readPages(), s.aws.Decrypted()
		read = s.aws.Count(awstest.GetSecretValue).Calls + s.aws.Count(awstest.BatchGetSecretValue).Calls
		s.aws.ResetCalls()
		must(t, lookAtEach(t.Context(), s))
		loopCalls = s.calls()
	})
	name := fmt.Sprintf("idle sweep of %d connections", connections)
	under := &floor{float64(pages), "pages of secrets and state"}
	tell(t,
		row{Measure: name, Value: float64(calls), Unit: "calls", Floor: under, Limit: &limit{Most: most}},
		row{Measure: "  values decrypted", Value: float64(decrypted), Limit: &limit{Most: 0}},
		row{Measure: "  calls that read secrets", Value: float64(read), Limit: &limit{Most: 0}},
		row{Measure: "  beside it: a look at each token", Value: float64(loopCalls), Unit: "calls", Floor: under},
	)
}

// calls is how many AWS calls there were.
func (s *stage) calls() int {
	n := 0
	for _, c := range s.aws.Counts() {
		n += c.Calls
	}
	return n
}

// lookAtEach is how a loop finds out what is due: it reads every token's parameter, for the expiry beside it.
func lookAtEach(ctx context.Context, s *stage) error {
	store := s.aws.SSM()
	for _, id := range s.connections() {
		if _, err := store.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(tokenName(id)), WithDecryption: aws.Bool(true)}); err != nil {
			return err
		}
	}
	return nil
}

// TestVirtualHang: one of ten providers takes every request and answers none. The floor is the time of the nine others where there
// is no tenth at all. Beside it stands their time on a day on which the tenth answers like them.
func TestVirtualHang(t *testing.T) {
	const tenants = 100 // of each provider: enough that the slow start and the last tokens are little of it
	ours := func(t *testing.T, w *tenProviders) {
		t.Helper()
		_, err := refresherOn(t, w.aws, w.net, unpaced).sweep(t.Context())
		must(t, err)
	}
	loop := func(t *testing.T, w *tenProviders) {
		t.Helper()
		// The requests that hang end in errors: the loop's is the first of them.
		_ = loopOn(w.aws, w.net, workers).pass(t.Context(), w.ids)
	}
	hangs := othersTook(t, 10, tenants, true, ours)
	answers := floor{othersTook(t, 10, tenants, false, ours).Seconds(), "when it answers"}
	nine := floor{othersTook(t, 9, tenants, false, ours).Seconds(), "the nine alone"}
	loops := floor{othersTook(t, 10, tenants, false, loop).Seconds(), "when it answers"}
	tell(t,
		row{
			Measure: "one of ten providers hangs: the others, against nine", Value: hangs.Seconds(), Unit: "s",
			Floor: &nine, Limit: &limit{Most: 1.1, OfRatio: true},
		},
		row{Measure: "  beside it: against ten that answer", Value: hangs.Seconds(), Unit: "s", Floor: &answers},
		row{Measure: "  beside it: 16 workers on one queue", Value: othersTook(t, 10, tenants, true, loop).Seconds(), Unit: "s", Floor: &loops},
	)
}

// tenProviders is an account with up to ten providers, of which the tenth hangs.
type tenProviders struct {
	aws *awstest.World
	net oauthtest.Network
	ids []string // one tenant of each provider, then the next of each, and so on
}

// othersTook is how long it takes until the tenants of the first nine providers have their tokens.
func othersTook(t *testing.T, providers, tenants int, hang bool, work func(t *testing.T, w *tenProviders)) time.Duration {
	t.Helper()
	var took time.Duration
	synctest.Test(t, func(t *testing.T) {
		w := &tenProviders{aws: &awstest.World{HistoryLimit: 2}, net: oauthtest.Network{}}
		for i := range providers {
			p := oauthtest.Generic(oauthtest.Options{Seed: uint64(i)})
			p.Inject(oauthtest.Latency(providerLatency).Always())
			if i == 9 && hang {
				p.Inject(oauthtest.Hang().Always())
			}
			host := fmt.Sprintf("auth-%d.example.com", i)
			w.net[host] = p
		}
		// The tenants of all providers came one after another, so that no provider's are the first of the queue.
		for i := range tenants {
			for n := range providers {
				name, host := fmt.Sprintf("p%d", n), fmt.Sprintf("auth-%d.example.com", n)
				must(t, addTenant(w.aws, w.net[host], name, i, "https://"+host+w.net[host].TokenPath()))
				w.ids = append(w.ids, connectionID(name, i))
			}
			time.Sleep(time.Second)
		}
		var mu sync.Mutex
		written, last := 0, time.Now()
		began := last
		w.aws.AfterCall(func(op awstest.Op, name string) {
			if op == awstest.PutParameter && !strings.HasPrefix(name, parameterPrefix+"/p9/") {
				mu.Lock()
				defer mu.Unlock()
				written, last = written+1, time.Now()
			}
		})
		work(t, w)
		if written != 9*tenants {
			t.Errorf("%d of %d tenants of the other providers have their token", written, 9*tenants)
		}
		took = last.Sub(began)
	})
	return took
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
