package refresh_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// sweepEvery runs sweeps one period apart until the given time has passed, and hands each result to look.
func (in *installation) sweepEvery(period, total time.Duration, look func(refresh.Result)) {
	in.t.Helper()
	for start := time.Now(); time.Since(start) < total; {
		began := time.Now()
		result := in.sweep()
		if look != nil {
			look(result)
		}
		time.Sleep(period - time.Since(began))
	}
}

func TestAnOutageCostsThreeCallsARunWhateverTheNumberOfTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		n := number(300, 60)
		ids := in.connectMany(n, in.kiwify)
		in.sweepEvery(5*time.Minute, 15*time.Minute, nil)
		if got := in.served(ids, in.kiwify); got != n {
			t.Fatalf("%d of %d connections have a token after three sweeps", got, n)
		}
		time.Sleep(15 * time.Hour) // all are due
		in.kiwify.Inject(oauthtest.Status(503).Always())
		calls, puts := in.kiwify.Total().TokenCalls, in.puts()
		result := in.sweep()
		if got := in.kiwify.Total().TokenCalls - calls; got != 3 {
			t.Errorf("the outage cost %d token requests, want 3", got)
		}
		if got := in.puts() - puts; got != 0 {
			t.Errorf("the outage cost %d writes, want none", got)
		}
		if result.Counts.Failed != 3 || result.Counts.Deferred != n-3 {
			t.Errorf("failed %d, deferred %d; want 3 and %d", result.Counts.Failed, result.Counts.Deferred, n-3)
		}
		if !strings.HasPrefix(result.Deferred[0].Reason, "provider_unavailable") {
			t.Errorf("deferred because %q", result.Deferred[0].Reason)
		}
		in.kiwify.ClearFaults()
		in.sweep()
		if got := in.served(ids, in.kiwify); got != n {
			t.Errorf("%d of %d connections served after the outage", got, n)
		}
	})
}

func TestATenantThatFailsForEverTakesNothingFromTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		n := number(40, 10)
		ids := in.connectMany(n, in.kiwify)
		for _, id := range ids[:3] {
			in.kiwify.InjectFor("client-of-"+id, oauthtest.Status(500).Always())
		}
		in.sweepEvery(5*time.Minute, 30*time.Hour, func(refresh.Result) {
			for _, id := range ids[3:] {
				if _, rec := in.token(id); rec != nil && !time.Now().Before(rec.ExpiresAt) {
					t.Fatalf("%s: the token ran out at %s", id, rec.ExpiresAt)
				}
			}
		})
		if got := in.served(ids[3:], in.kiwify); got != n-3 {
			t.Errorf("%d of %d healthy connections served", got, n-3)
		}
		for _, id := range ids[:3] {
			f := in.failure(id)
			if f == nil || f.Class != lifecycle.Transient || f.Code != "server_error" {
				t.Errorf("%s: failure record %+v", id, f)
			}
		}
	})
}

func TestAProviderThatHangsCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		hanging := in.connectMany(50, in.hotmart)
		ids := in.connectMany(60, in.kiwify)
		in.hotmart.Inject(oauthtest.Hang().Always())
		result := in.sweep()
		if got := in.served(ids, in.kiwify); got != 60 {
			t.Errorf("%d of 60 connections of the healthy provider served", got)
		}
		if got := in.hotmart.Total().TokenCalls; got != 3 {
			t.Errorf("the hanging provider was asked %d times, want 3", got)
		}
		if result.Counts.Failed != 3 || result.Counts.Deferred != len(hanging)-3 {
			t.Errorf("failed %d, deferred %d", result.Counts.Failed, result.Counts.Deferred)
		}
	})
}

func TestAProviderThatRefusesEveryoneIsAskedOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		n := number(40, 10)
		ids := in.connectMany(n, in.kiwify)
		for _, id := range ids {
			in.kiwify.Remove("client-of-" + id)
		}
		for range 4 {
			in.sweep()
			time.Sleep(5 * time.Minute)
		}
		f := in.failure(ids[7])
		if f == nil || f.Attempts != lifecycle.FailureThreshold || f.Code != "invalid_client" {
			t.Fatalf("after three refusals the record says %+v", f)
		}
		calls := in.kiwify.Total().TokenCalls
		if calls != 3*n {
			t.Errorf("%d token requests until all are latched, want %d", calls, 3*n)
		}
		puts := in.puts()
		in.sweepEvery(5*time.Minute, 24*time.Hour, nil)
		if got := in.kiwify.Total().TokenCalls - calls; got > 24*n {
			t.Errorf("%d canaries of %d connections in a day, want at most one an hour each", got, n)
		} else if got < 22*n {
			t.Errorf("%d canaries of %d connections in a day: they are not asked every hour", got, n)
		}
		if got := in.puts() - puts; got != 0 {
			t.Errorf("%d writes for refusals that are on record already", got)
		}
	})
}

func TestOneLimitedTenantWaitsAloneAndTwoPauseTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		ids := in.connectMany(20, in.kiwify)
		in.kiwify.InjectFor("client-of-"+ids[4], oauthtest.TooMany(20*time.Minute).Always())
		result := in.sweep()
		if result.Counts.Refreshed != 19 || result.Counts.Failed != 1 {
			t.Fatalf("refreshed %d, failed %d", result.Counts.Refreshed, result.Counts.Failed)
		}
		asked := in.kiwify.Stats("client-of-" + ids[4]).TokenCalls
		for range 3 { // 5, 10, 15 minutes: the wait of 20 minutes holds across runs, and force does not pass it
			time.Sleep(5 * time.Minute)
			if _, err := in.run(`{"connections":["` + ids[4] + `"],"force":true}`); err != nil {
				t.Fatal(err)
			}
			in.sweep()
		}
		if got := in.kiwify.Stats("client-of-" + ids[4]).TokenCalls; got != asked {
			t.Errorf("asked %d times more before the Retry-After was over", got-asked)
		}
		in.kiwify.ClearFaultsFor("client-of-" + ids[4])
		time.Sleep(6 * time.Minute)
		in.sweep()
		if got := in.served(ids, in.kiwify); got != 20 {
			t.Errorf("%d of 20 served at the end", got)
		}

		time.Sleep(20 * time.Hour)
		in.kiwify.Inject(oauthtest.TooMany(10 * time.Minute).Always())
		before := in.kiwify.Total().TokenCalls
		result = in.sweep()
		if got := in.kiwify.Total().TokenCalls - before; got != 2 {
			t.Errorf("a provider that limits everyone was asked %d times, want 2", got)
		}
		if len(result.Deferred) != 18 || !strings.HasPrefix(result.Deferred[0].Reason, "rate_limited") {
			t.Errorf("deferred %d: %+v", len(result.Deferred), result.Deferred[:1])
		}
	})
}

func TestAStoreThatRefusesWritesCostsOneTokenPerProvider(t *testing.T) {
	for effect, name := range map[awstest.Effect]string{awstest.AccessDenied: "access denied", awstest.ParameterLimit: "limit reached", awstest.DecryptionFailure: "key unusable"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := install(t)
				in.connectMany(30, in.kiwify)
				in.connectMany(30, in.hotmart)
				in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: effect})
				result, err := in.run(`{}`)
				if err == nil || !strings.Contains(err.Error(), "SSM accepts no writes") {
					t.Errorf("the run ends with %v, want an error that says that SSM accepts no writes", err)
				}
				if k, h := in.kiwify.Total().Minted, in.hotmart.Total().Minted; k > 1 || h > 1 || k+h == 0 {
					t.Errorf("minted %d and %d tokens, want at most one of each provider", k, h)
				}
				if result.Counts.Deferred != 60 || result.Counts.Failed != 0 {
					t.Errorf("deferred %d, failed %d; want 60 and 0: nothing is suspended", result.Counts.Deferred, result.Counts.Failed)
				}
				in.aws.ClearFaults()
				in.sweep()
				if result := in.sweep(); result.Counts.Fresh != 60 {
					t.Errorf("%d of 60 fresh once the store accepts writes", result.Counts.Fresh)
				}
			})
		})
	}
}

func TestNoTokenIsLostToAQuota(t *testing.T) {
	for _, others := range []float64{0, 0.3} {
		t.Run(fmt.Sprintf("%.0f%% of the quota used by others", others*100), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := install(t)
				in.aws.SetQuota(awstest.ParameterWrites, awstest.Quota{PerSecond: 10, Others: others, Burst: 1})
				in.change = func(c *refresh.Config) { c.MaxWritesPerSecond = 10 }
				for i := range 300 {
					in.connect(fmt.Sprintf("hotmart/t-%03d", i), in.hotmart)
				}
				began := time.Now()
				result := in.sweep()
				took := time.Since(began)
				if result.Counts.Refreshed != 300 || in.hotmart.Total().Minted != 300 {
					t.Fatalf("refreshed %d of 300 with %d tokens", result.Counts.Refreshed, in.hotmart.Total().Minted)
				}
				bound := 300 / (10 * (1 - others))
				ratio, limit := took.Seconds()/bound, 1.06
				if others > 0 {
					limit = 1.2
				}
				throttled := in.aws.Count(awstest.PutParameter).Throttled
				t.Logf("%.1f s, %.3f times the bound, %d throttled", took.Seconds(), ratio, throttled)
				if ratio > limit {
					t.Errorf("took %.3f times the bound, want at most %.2f", ratio, limit)
				}
				if others == 0 && throttled > 0 {
					t.Errorf("%d writes were throttled although nobody else uses the quota", throttled)
				}
			})
		})
	}
}

func TestWritesNeverExceedTheAllowedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		in.connectMany(120, in.kiwify) // two writes each: token and account
		in.sweep()
		var at []time.Time
		for _, c := range in.aws.Calls() {
			if c.Op == awstest.PutParameter {
				at = append(at, c.At)
			}
		}
		if len(at) != 240 {
			t.Fatalf("%d writes, want 240", len(at))
		}
		for i := range at {
			j := i
			for j < len(at) && at[j].Sub(at[i]) < time.Second {
				j++
			}
			if j-i > 3 {
				t.Fatalf("%d writes in the second from %s on", j-i, at[i])
			}
		}
	})
}

func TestAnImportAndLivingTokensShareARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		in.kiwify.Configure(func(s *oauthtest.Settings) { s.Lifetime = time.Hour })
		living := in.connectMany(100, in.kiwify)
		in.sweepEvery(5*time.Minute, 10*time.Minute, nil)
		imported := make([]string, number(2000, 200))
		for i := range imported {
			imported[i] = fmt.Sprintf("hotmart/new-%04d", i)
			in.connect(imported[i], in.hotmart)
		}
		began := time.Now()
		var done time.Duration
		in.sweepEvery(5*time.Minute, 40*time.Minute, func(refresh.Result) {
			for _, id := range living {
				if _, rec := in.token(id); !time.Now().Before(rec.ExpiresAt) {
					t.Fatalf("%s ran out during the import", id)
				}
			}
			if done == 0 && in.served(imported, in.hotmart) == len(imported) {
				done = time.Since(began)
			}
		})
		if done == 0 {
			t.Errorf("%d of %d imported connections served after 40 minutes", in.served(imported, in.hotmart), len(imported))
		}
		t.Logf("%d imported in %s beside 100 tokens of 1 h", len(imported), done)
	})
}

func TestAnIdleSweepReadsMetadataOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		n := number(1000, 300)
		ids := in.connectMany(n, in.kiwify)
		in.change = func(c *refresh.Config) { c.MaxWritesPerSecond = 100 }
		in.sweepEvery(5*time.Minute, 10*time.Minute, nil)
		in.aws.ResetCalls()
		result := in.sweep()
		if result.Counts.Fresh != n {
			t.Fatalf("%d of %d fresh", result.Counts.Fresh, n)
		}
		calls := 0
		for op, c := range in.aws.Counts() {
			calls += c.Calls
			if op != awstest.ListSecrets && op != awstest.Scan && op != awstest.GetParameters {
				t.Errorf("an idle sweep called %s %d times", op, c.Calls)
			}
		}
		if limit := n/100 + n/1500 + 1 + 20; calls > limit {
			t.Errorf("%d calls for %d connections, want at most %d", calls, len(ids), limit)
		}
		if d := in.aws.Decrypted(); d != 0 {
			t.Errorf("%d values were decrypted", d)
		}
	})
}

func TestStandbyServesWhileAWSCURRENTIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		const id = "kiwify/main"
		in.connect(id, in.kiwify)
		in.kiwify.Add(oauthtest.Client{ID: "spare", Secret: oauth.NewSecret("secret-of-spare"), AccountID: "store-of-" + id})
		_, err := in.aws.StageSecret("oauth/"+id, "BACKUP", `{"client_id":"spare","client_secret":"secret-of-spare"}`)
		must(t, err)
		in.sweep()
		in.kiwify.Remove("client-of-" + id)
		minted := in.kiwify.Stats("spare").Minted
		refused := in.kiwify.Stats("client-of-" + id).TokenCalls
		in.sweepEvery(5*time.Minute, 48*time.Hour, func(refresh.Result) {
			if _, rec := in.token(id); !time.Now().Before(rec.ExpiresAt) {
				t.Fatalf("the token ran out at %s", rec.ExpiresAt)
			}
		})
		state, rec := in.token(id)
		if rec.Stage != "BACKUP" || !in.kiwify.Validate(state.Value.Reveal()) {
			t.Errorf("published from %s", rec.Stage)
		}
		if got := in.kiwify.Stats("spare").Minted - minted; got < 2 || got > 5 {
			t.Errorf("%d standby tokens in two days, want one each time one is due", got)
		}
		if got := in.kiwify.Stats("client-of-"+id).TokenCalls - refused; got > 3+48 {
			t.Errorf("AWSCURRENT was asked %d times in two days, want at most once an hour", got)
		}
		if f := in.failure(id); f == nil || f.Code != "invalid_client" {
			t.Errorf("failure record: %+v", f)
		}
		in.kiwify.Add(oauthtest.Client{ID: "client-of-" + id, Secret: oauth.NewSecret("secret-of-" + id), AccountID: "store-of-" + id})
		in.sweepEvery(5*time.Minute, 65*time.Minute, nil)
		if _, rec := in.token(id); rec.Stage != "AWSCURRENT" || in.failure(id) != nil {
			t.Errorf("an hour after AWSCURRENT works again: published from %s, failure %+v", rec.Stage, in.failure(id))
		}
	})
}

func TestTwoRefreshersAtOnceEndWithATokenOfAWSCURRENT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		ids := in.connectMany(20, in.kiwify)
		for range 3 {
			done := make(chan struct{}, 2)
			for range 2 {
				go func() { in.sweep(); done <- struct{}{} }()
			}
			<-done
			<-done
			time.Sleep(14 * time.Hour)
		}
		in.sweep()
		for _, id := range ids {
			state, rec := in.token(id)
			if rec == nil || rec.Version != state.Version || rec.TokenID != state.Value.Fingerprint() {
				t.Errorf("%s: version %d, record %+v: record and token do not belong together", id, state.Version, rec)
			}
		}
		if got := in.served(ids, in.kiwify); got != 20 {
			t.Errorf("%d of 20 served", got)
		}
	})
}

func TestReadersOfAStickyProviderSeeNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		in.hotmart.Configure(func(s *oauthtest.Settings) { s.SameToken = true })
		const id, step = "hotmart/loja-a", 5 * time.Second
		in.connect(id, in.hotmart)
		in.sweep()
		lifetimes := number(5, 2)
		stop := time.Now().Add(time.Duration(lifetimes) * 48 * time.Hour)
		go in.sweepEvery(5*time.Minute, time.Until(stop), nil)
		var worst time.Duration
		for time.Now().Before(stop) {
			state, rec := in.token(id)
			if left := time.Until(rec.ExpiresAt) - 10*time.Second; left > step {
				time.Sleep(left) // nothing can go wrong until shortly before its end
				continue
			}
			since := time.Now()
			for !in.hotmart.Validate(state.Value.Reveal()) && time.Now().Before(stop) {
				time.Sleep(step)
				state, _ = in.token(id)
				worst = max(worst, time.Since(since))
			}
			time.Sleep(step)
		}
		time.Sleep(10 * time.Minute)
		if worst > 15*time.Second {
			t.Errorf("the parameter held a dead token for %s", worst)
		}
		if s := in.hotmart.Total(); s.Minted < lifetimes || s.Minted > lifetimes+2 {
			t.Errorf("%d tokens in %d lifetimes", s.Minted, lifetimes)
		}
		t.Logf("dead for at most %s; %+v", worst, in.hotmart.Total())
	})
}

func TestAProviderThatShortensItsLifetimesIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t)
		const id = "hotmart/loja-a"
		in.connect(id, in.hotmart)
		in.sweep()
		in.hotmart.Configure(func(s *oauthtest.Settings) { s.Lifetime, s.Evicts = time.Hour, true })
		in.sweepEvery(5*time.Minute, 60*time.Hour, func(refresh.Result) {
			if _, rec := in.token(id); !time.Now().Before(rec.ExpiresAt) {
				t.Fatalf("the token ran out at %s", rec.ExpiresAt)
			}
		})
		in.mu.Lock()
		defer in.mu.Unlock()
		if !slices.ContainsFunc(in.events, func(ev refresh.Event) bool { return ev.Notice == lifecycle.NoticeLifetimeChanged }) {
			t.Error("no notice lifetime_changed")
		}
	})
}
