package longrun_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

var scale = flag.Bool("scale", false, "TestScale with 10,000, 50,000 and 100,000 connections: some minutes")

// installation is a large one: the refresher over the real adapters, straight on the fakes, with AWS's default quotas.
type installation struct {
	t         *testing.T
	aws       *awstest.World
	kiwify    *oauthtest.Provider
	states    *dynamostate.Store
	refresher *refresh.Refresher
	start     time.Time

	renewals, expired int
	least             time.Duration // remaining time of a token when it was replaced
	heap, base        uint64        // bytes: the most in a sweep, and of the fakes alone
	longest           time.Duration // sweep
}

// newInstallation has so many connections with tokens of 24 h, whose ages are spread as they are after days of renewals.
func newInstallation(t *testing.T, connections int, writesPerSecond float64) *installation {
	in := &installation{t: t, aws: &awstest.World{HistoryLimit: 1, StandardLimit: 1 << 30}, least: 24 * time.Hour}
	in.kiwify = oauthtest.Kiwify(oauthtest.Options{LogSize: 1})
	in.kiwify.Inject(oauthtest.Latency(150 * time.Millisecond).Always())
	client, err := oauth.New(oauth.Config{Timeout: 10 * time.Second, Transport: oauthtest.NewNetwork(in.kiwify)})
	in.must(err)
	secrets, err := smsecret.New(smsecret.Config{Client: awstest.DirectSecrets{World: in.aws}, Prefix: "oauth/"})
	in.must(err)
	parameters, err := ssmstore.New(ssmstore.Config{Client: awstest.DirectParameters{World: in.aws}, Prefix: "/oauth"})
	in.must(err)
	in.states, err = dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: in.aws}, Table: awstest.StateTable})
	in.must(err)
	catalogue, err := provider.Load()
	in.must(err)
	in.refresher, err = refresh.New(refresh.Config{
		Leases: in.states, States: in.states, Secrets: secrets, Parameters: parameters, Requester: client, Catalogue: catalogue,
		SecretPrefix: "oauth/", Region: awstest.Region, MaxConcurrency: 16, MaxWritesPerSecond: writesPerSecond,
	})
	in.must(err)
	in.connect(connections)
	in.aws.ResetCalls()
	quotas := awstest.AWSQuotas()
	quotas[awstest.ParameterWrites] = awstest.Quota{PerSecond: writesPerSecond}
	in.aws.SetQuotas(quotas)
	in.aws.Latency = func(op awstest.Op, _ string) time.Duration {
		if op == awstest.PutParameter {
			return writeTime
		}
		return 20 * time.Millisecond
	}
	in.aws.OnCall(in.called)
	in.start = time.Now()
	return in
}

func (in *installation) must(err error) {
	in.t.Helper()
	if err != nil {
		in.t.Fatal(err)
	}
}

func (in *installation) connect(connections int) {
	policy := lifecycle.Policy{Period: period, ReaderCache: readerCache, RefreshAt: lifecycle.DefaultRefreshAt}
	now := time.Now().UTC().Truncate(time.Second)
	for i := range connections {
		id := fmt.Sprintf("kiwify/t%06d", i)
		client := oauthtest.Client{ID: "client-" + id, Secret: oauth.NewSecret("secret-of-" + id), AccountID: "store"}
		in.kiwify.Add(client)
		document, err := json.Marshal(map[string]string{"provider": "kiwify", "client_id": client.ID, "client_secret": client.Secret.Reveal()})
		in.must(err)
		version, err := in.aws.PutSecret("oauth/"+id, string(document))
		in.must(err)
		for _, name := range []string{"access_token", "account_id"} {
			kind := map[string]string{"access_token": "SecureString", "account_id": "String"}[name]
			_, err = in.aws.WriteParameter("/oauth/"+id+"/"+name, awstest.ParameterWrite{Type: kind, Value: "store"})
			in.must(err)
		}
		issued := now.Add(-12 * time.Hour * time.Duration(i) / time.Duration(connections)).Truncate(time.Second) // a renewal each 12 h
		_, err = in.states.Update(context.Background(), lifecycle.State{ID: id, Current: version, Token: &lifecycle.Token{
			Provider: "kiwify", Endpoint: "public-api.kiwify.com", IssuedAt: issued, ExpiresAt: issued.Add(24 * time.Hour),
			RenewAt: policy.RenewAt(id, issued, 24*time.Hour), Account: "store", AccountID: "store", TokenID: "0123456789abcdef",
			Credential: version, Stage: "AWSCURRENT", Version: 1,
		}})
		in.must(err)
	}
}

// called looks at the token that a write replaces, and now and then at the memory.
func (in *installation) called(op awstest.Op, name string) {
	if op == awstest.ListSecrets || op == awstest.Scan {
		in.sample()
	}
	id, token := strings.CutSuffix(strings.TrimPrefix(name, "/oauth/"), "/access_token")
	if op != awstest.PutParameter || !token {
		return
	}
	remaining := time.Until(dynamostate.Decode(in.aws.SDKItem(id)).Token.ExpiresAt)
	in.renewals++
	in.least = min(in.least, remaining)
	if remaining < readerCache { // a reader may have read it a moment ago
		in.expired++
	}
}

func (in *installation) sample() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	in.heap = max(in.heap, m.HeapAlloc)
}

// sweep runs the schedule's event.
func (in *installation) sweep(call refresh.Call) refresh.Result {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	began := time.Now()
	result, err := in.refresher.Run(ctx, call, refresh.Invocation{})
	in.must(err)
	in.longest = max(in.longest, time.Since(began))
	return result
}

// last runs sweeps for a time, with an outage of the provider of nine hours in the middle of it.
func (in *installation) last(total time.Duration) (backlog time.Duration) {
	runtime.GC()
	in.sample()
	in.base, in.heap = in.heap, 0
	const outage = 9 * time.Hour
	from := total/2 - outage/2
	down := false
	for at := time.Duration(0); at < total; at += period {
		sleepUntil(in.start.Add(at))
		switch {
		case !down && at >= from && at < from+outage:
			down = true
			in.kiwify.Inject(oauthtest.Status(503).Always())
		case down && at >= from+outage:
			down = false
			in.kiwify.ClearFaults()
			in.kiwify.Inject(oauthtest.Latency(150 * time.Millisecond).Always())
		}
		result := in.sweep(refresh.Call{})
		if at >= from+outage && result.Counts.Deferred > 0 {
			backlog = at + period - from - outage
		}
	}
	return backlog
}

// report prints what an installation cost.
func (in *installation) report(tb *table, sweeps int) {
	counts := in.aws.Counts()
	per := func(op awstest.Op) string { return fmt.Sprintf("%.1f", float64(counts[op].Calls)/float64(sweeps)) }
	tb.tell("sweeps", "%s", thousands(sweeps))
	tb.tell("longest sweep", "%s", short(in.longest))
	for _, op := range []awstest.Op{awstest.ListSecrets, awstest.Scan, awstest.GetParameters, awstest.BatchGetSecretValue, awstest.PutParameter, awstest.UpdateItem} {
		tb.tell("calls of "+string(op)+" in a sweep", "%s", per(op))
	}
	tb.exactly("calls of DescribeParameters", counts[awstest.DescribeParameters].Calls, 0)
	tb.exactly("calls that AWS throttled", counts[awstest.ListSecrets].Throttled+counts[awstest.GetParameters].Throttled+counts[awstest.PutParameter].Throttled, 0)
	if in.heap > in.base {
		tb.tell("heap beside the fakes, the most", "%d MB", (in.heap-in.base)>>20)
	}
}

// TestScale shows what one stack carries (contract.md section 4). Without -scale it is small: the proportions are the same.
func TestScale(t *testing.T) {
	for _, c := range []struct {
		connections, small int
		writes             float64
		total              time.Duration
	}{
		{10_000, 200, 3, 72 * time.Hour},
		{50_000, 400, 10, 24 * time.Hour},
	} {
		n, writes, total := c.connections, c.writes, c.total
		if !*scale {
			n, writes, total = c.small, c.writes*float64(c.small)/float64(c.connections), 24*time.Hour
			writes = max(writes, 0.1)
		}
		t.Run(thousands(c.connections), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInstallation(t, n, writes)
				backlog := in.last(total)
				tb := &table{t: t, title: fmt.Sprintf("%s connections with tokens of 24 h for %s, %g writes a second, 9 h of outage", thousands(n), short(total), writes)}
				in.report(tb, int(total/period))
				tb.tell("renewals", "%s", thousands(in.renewals))
				tb.atLeast("renewals, of one in 15 h each", in.renewals, n*int(total/time.Hour)/24)
				tb.exactly("tokens that a reader could meet expired", in.expired, 0)
				tb.tell("least remaining time of a token when it was replaced", "%s", short(in.least))
				tb.tell("after the outage the last renewal was deferred for", "%s", short(backlog))
				tb.print()
			})
		})
	}
}

// TestScaleOfTheListing: a plan for 100,000 connections reads the whole state and lists all secrets within one sweep.
func TestScaleOfTheListing(t *testing.T) {
	n := 3_000
	if *scale {
		n = 100_000
	}
	synctest.Test(t, func(t *testing.T) {
		in := newInstallation(t, n, 10)
		runtime.GC()
		in.sample()
		in.base, in.heap = in.heap, 0
		began := time.Now()
		result := in.sweep(refresh.Call{DryRun: true})
		tb := &table{t: t, title: fmt.Sprintf("a plan for %s connections", thousands(n))}
		tb.tell("it took, with 20 ms a call", "%s", short(time.Since(began)))
		in.report(tb, 1)
		tb.exactly("connections in the plan", result.Connections, n)
		tb.within("time", time.Since(began), timeout)
		tb.print()
	})
}

// TestForeignParametersAndAThrottledListing: 20,000 parameters of other programs in the account, and for an hour no listing of secrets gets through.
// No token is late, and nothing lists parameters.
func TestForeignParametersAndAThrottledListing(t *testing.T) {
	foreign := 20_000
	if testing.Short() {
		foreign = 500
	}
	synctest.Test(t, func(t *testing.T) {
		in := newInstallation(t, 300, 3)
		in.aws.OnCall(nil)
		in.aws.SetQuotas(map[awstest.Group]awstest.Quota{awstest.ParameterWrites: {}})
		for i := range foreign {
			_, err := in.aws.WriteParameter(fmt.Sprintf("/other/program/%05d", i), awstest.ParameterWrite{Value: "x"})
			in.must(err)
		}
		in.aws.SetQuotas(awstest.AWSQuotas())
		in.aws.OnCall(in.called)
		in.aws.ResetCalls()
		late, errs := 0, 0
		var clearFault func()
		for at := time.Duration(0); at < 3*time.Hour; at += period {
			sleepUntil(in.start.Add(at))
			switch at {
			case time.Hour:
				clearFault = in.aws.Inject(awstest.Fault{Op: awstest.ListSecrets, Effect: awstest.Throttled})
			case 2 * time.Hour:
				clearFault()
			}
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			if _, err := in.refresher.Run(ctx, refresh.Call{}, refresh.Invocation{}); err != nil {
				errs++
			}
			cancel()
			for i := range 300 {
				s := dynamostate.Decode(in.aws.SDKItem(fmt.Sprintf("kiwify/t%06d", i)))
				if time.Since(s.Token.RenewAt) > 2*period {
					late++
				}
			}
		}
		tb := &table{t: t, title: fmt.Sprintf("300 connections beside %s parameters of other programs, no listing of secrets for an hour", thousands(foreign))}
		tb.exactly("tokens that were late, looked at after each sweep", late, 0)
		tb.atLeast("tokens renewed", in.renewals, 60)
		tb.tell("runs that ended with an error, so that an alarm rings", "%d", errs)
		tb.must(errs >= 9 && errs <= 11, "of twelve without a listing", "all but the first two", "%d", errs)
		tb.exactly("calls of DescribeParameters", in.aws.Count(awstest.DescribeParameters).Calls, 0)
		tb.print()
	})
}
