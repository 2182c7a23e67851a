package refresh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// badDocuments stores n connections that fail before any request.
func (in *installation) badDocuments(n int) {
	in.t.Helper()
	for i := range n {
		_, err := in.aws.PutSecret(fmt.Sprintf("oauth/kiwify/broken-%04d", i), `{"provider":"kiwify"}`)
		must(in.t, err)
	}
}

func TestAnImportOfBrokenDocumentsDoesNotHoldLivingTokensBack(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		living := in.connectMany(20, in.kiwify)
		in.sweep()
		time.Sleep(15 * time.Hour)
		in.badDocuments(number(2000, 900))
		for i := range 10 {
			in.connect(fmt.Sprintf("kiwify/new-%02d", i), in.kiwify)
		}
		result := in.sweep()
		for _, id := range living {
			if !slices.ContainsFunc(result.Refreshed, func(r refresh.Refreshed) bool { return r.Connection == id }) {
				t.Errorf("%s was not renewed beside broken newcomers", id)
			}
		}
	})
}

func TestFailureRecordsTakeATenthOfTheWritesWhileTokensWait(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connectMany(200, in.hotmart)
		in.badDocuments(100)
		in.sweep()
		var order []string
		for _, c := range in.aws.Calls() {
			if c.Op == awstest.PutParameter {
				order = append(order, c.Names[0][strings.LastIndex(c.Names[0], "/")+1:])
			}
		}
		last := len(order) - 1 - slices.Index(reversed(order), "access_token")
		failures := 0
		for _, kind := range order[:last] {
			if kind == "refresh_failure" {
				failures++
			}
		}
		if share := float64(failures) / float64(last); share > 0.1 || share < 0.08 {
			t.Errorf("%.3f of the %d writes before the last token were failure records", share, last)
		}
	})
}

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

func TestARecordWithAnAbsurdDateBindsNobody(t *testing.T) {
	for name, change := range map[string]func(*lifecycle.Failure){
		"the year 9999":  func(f *lifecycle.Failure) { f.FirstAt = time.Date(9999, 12, 31, 23, 30, 0, 0, time.UTC) },
		"next year":      func(f *lifecycle.Failure) { f.FirstAt = f.FirstAt.AddDate(1, 0, 0) },
		"waits for ever": func(f *lifecycle.Failure) { f.Class, f.NextAt = "transient", f.NextAt.AddDate(5, 0, 0) },
		"retry for ever": func(f *lifecycle.Failure) { f.Class, f.RetryAt = "transient", f.NextAt.AddDate(5, 0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, in *installation) {
				in.connect("kiwify/main", in.kiwify)
				in.kiwify.Remove("client-of-kiwify/main")
				for range 3 {
					in.sweep()
					time.Sleep(15 * time.Minute)
				}
				state := in.state("kiwify/main")
				change(state.Failure)
				_, err := in.states.Update(t.Context(), state)
				must(t, err)
				result := in.sweep()
				if _, err := json.Marshal(result); err != nil {
					t.Fatalf("the result cannot be written: %v", err)
				}
				time.Sleep(40 * time.Minute)
				result = in.sweep()
				now := in.failure("kiwify/main")
				if result.Counts.Failed != 1 || now.FirstAt.After(time.Now()) || now.NextAt.After(time.Now().Add(2*time.Hour)) || now.RetryAt.After(time.Now()) {
					t.Errorf("%+v; the record now: %+v", result.Failed, now)
				}
			})
		})
	}
}

func TestARetryAfterIsRecordedAlthoughTheBreakerOpenedWithoutASuccess(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		ids := in.connectMany(10, in.kiwify)
		in.kiwify.InjectFor("client-of-"+ids[0], oauthtest.TooMany(time.Hour).Always()) // the most urgent is asked first
		in.kiwify.Inject(oauthtest.Status(503).Always())
		in.sweep()
		if in.kiwify.Total().TokenCalls != 3 {
			t.Fatalf("%d calls, want 3", in.kiwify.Total().TokenCalls)
		}
		recorded := 0
		for _, id := range ids {
			if f := in.failure(id); f != nil {
				recorded++
				if f.RetryAt.IsZero() {
					t.Errorf("%s is on record without a Retry-After", id)
				}
			}
		}
		if recorded != 1 {
			t.Errorf("%d failures on record, want the one that was told to wait", recorded)
		}
	})
}

func TestCleaningUpComesBeforeFailureRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		in.kiwify.Remove("client-of-kiwify/main")
		in.sweep()
		in.connect("kiwify/main", in.kiwify)
		in.badDocuments(3000)
		in.sweep()
		if in.failure("kiwify/main") != nil {
			t.Error("the failure of a connection that works again is still on record")
		}
	})
}

func TestAnOrphanIsRemovedOnlyWhenItsSecretIsReallyGone(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		in.sweep()
		must(t, in.aws.DropSecret("oauth/kiwify/main"))
		time.Sleep(60 * time.Hour)
		for _, effect := range []awstest.Effect{awstest.AccessDenied, awstest.InternalError, awstest.Hang} {
			clear := in.aws.Inject(awstest.Fault{Op: awstest.DescribeSecret, Effect: effect})
			began := time.Now()
			in.sweep()
			clear()
			if state, _ := in.token("kiwify/main"); state.Version == 0 {
				t.Fatalf("removed although nobody could tell whether its secret is gone (effect %d)", effect)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("a sweep took %s over an orphan", took)
			}
		}
		in.sweep()
		if state, _ := in.token("kiwify/main"); state.Version != 0 {
			t.Error("not removed once its secret is known to be gone")
		}
	})
}

func TestARunEndsAtNineTenthsOfThePeriodEvenWhenTheFunctionMayRunLonger(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.change = func(c *refresh.Config) { c.Period = time.Minute }
		in.badDocuments(600)
		began := time.Now()
		in.sweep()
		if took := time.Since(began); took > 55*time.Second {
			t.Errorf("a run of a one minute schedule took %s", took)
		}
	})
}

func TestARunThatMayOnlyTakeSecondsSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
		defer cancel()
		result, err := in.refresher().Run(ctx, refresh.Call{}, in.invocation())
		must(t, err)
		if len(result.Deferred) != 1 || !strings.Contains(result.Deferred[0].Reason, "give the function more time") {
			t.Errorf("deferred: %+v", result.Deferred)
		}
	})
}

func TestSettingsUnderWhichNothingWouldEverBeRenewedAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		config := in.refresherConfig()
		config.Period, config.TokenTimeout = time.Minute, time.Minute
		_, err := refresh.New(config)
		if err == nil || !strings.Contains(err.Error(), "TOKEN_TIMEOUT") || !strings.Contains(err.Error(), "SCHEDULE_PERIOD") {
			t.Errorf("New = %v", err)
		}
	})
}

func TestAPermissionThatTheRoleLacksLatchesNobody(t *testing.T) {
	for _, op := range []awstest.Op{awstest.GetParameters, awstest.BatchGetSecretValue} {
		t.Run(string(op), func(t *testing.T) {
			inBubble(t, func(t *testing.T, in *installation) {
				in.connectMany(3, in.kiwify)
				clear := in.aws.Inject(awstest.Fault{Op: op, Effect: awstest.AccessDenied})
				result := in.sweep()
				if result.Counts.Failed != 3 || result.Failed[0].Code != "aws_unavailable" || !strings.Contains(result.Failed[0].Message, "role") {
					t.Errorf("%+v", result.Failed)
				}
				if in.puts() != 0 || in.kiwify.Total().TokenCalls != 0 {
					t.Errorf("%d writes, %d token requests", in.puts(), in.kiwify.Total().TokenCalls)
				}
				clear()
				if result := in.sweep(); result.Counts.Refreshed != 3 {
					t.Errorf("once the role has the permission: %+v", result.Counts)
				}
			})
		})
	}
}

// withSpare gets a token with spare client credentials, replaces them by dead ones, and keeps the spare ones under a stage.
func (in *installation) withSpare(stage string, document ...string) {
	in.t.Helper()
	in.kiwify.Add(oauthtest.Client{ID: "spare", Secret: oauth.NewSecret("secret-of-spare"), AccountID: "store-of-kiwify/main"})
	in.store("kiwify/main", "kiwify", oauthtest.Client{ID: "spare", Secret: oauth.NewSecret("secret-of-spare")}, document...)
	in.sweep() // only a configuration that has got a token may be used with other client credentials
	time.Sleep(24 * time.Hour)
	in.store("kiwify/main", "kiwify", oauthtest.Client{ID: "dead-pair", Secret: oauth.NewSecret("secret-of-nobody")}, document...)
	if stage == store.StageBackup {
		_, err := in.aws.StageSecret("oauth/kiwify/main", stage, `{"client_id":"spare","client_secret":"secret-of-spare"}`)
		must(in.t, err)
	}
}

func TestFallbackFalseKeepsEveryOtherPairAway(t *testing.T) {
	for _, stage := range []string{store.StageBackup, store.StagePrevious} {
		for _, fallback := range []string{"true", "false"} {
			t.Run(stage+", fallback "+fallback, func(t *testing.T) {
				inBubble(t, func(t *testing.T, in *installation) {
					in.withSpare(stage, "fallback", fallback)
					before := in.kiwify.Stats("spare").TokenCalls
					in.sweepEvery(5*time.Minute, 3*time.Hour, nil)
					asked := in.kiwify.Stats("spare").TokenCalls - before
					if (asked > 0) != (fallback == "true") {
						t.Errorf("the other pair was used %d times", asked)
					}
				})
			})
		}
	}
}

func TestFallbackFalseHoldsWhenAStandbysTokenComesDue(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.withSpare(store.StageBackup)
		in.sweepEvery(5*time.Minute, time.Hour, nil)
		state, rec := in.token("kiwify/main")
		if rec == nil || rec.Stage != store.StageBackup {
			t.Fatalf("published from %+v", rec)
		}
		secret, _ := in.aws.Secret("oauth/kiwify/main")
		in.store("kiwify/main", "kiwify", oauthtest.Client{ID: "dead-pair", Secret: oauth.NewSecret("secret-of-nobody")}, "fallback", "false")
		must(t, in.aws.MoveStage("oauth/kiwify/main", store.StageBackup, secret.Stages[store.StageBackup]))
		in.sweepEvery(5*time.Minute, 30*time.Hour, nil)
		if after, _ := in.token("kiwify/main"); after.Version != state.Version {
			t.Errorf("a pair that may not be used minted version %d", after.Version)
		}
	})
}

func TestAStandbysRetryAfterBindsTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.withSpare(store.StageBackup)
		in.kiwify.InjectFor("spare", oauthtest.TooMany(time.Hour).Always())
		before := in.kiwify.Stats("spare").TokenCalls
		for range 4 {
			in.sweep()
			time.Sleep(5 * time.Minute)
		}
		asked := in.kiwify.Stats("spare").TokenCalls
		f := in.failure("kiwify/main")
		if asked == before || f == nil || f.RetryAt.IsZero() || f.Class != "credentials" {
			t.Fatalf("asked %d times; on record: %+v", asked, f)
		}
		_, err := in.run(`{"connections":["kiwify/main"],"force":true}`)
		must(t, err)
		in.sweepEvery(5*time.Minute, 35*time.Minute, nil)
		if got := in.kiwify.Stats("spare").TokenCalls; got != asked {
			t.Errorf("asked %d times more before the hour was over", got-asked)
		}
	})
}

func TestAFailureParameterOfAnotherTypeIsReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		in.kiwify.Remove("client-of-kiwify/main")
		_, err := in.aws.WriteParameter("/oauth/kiwify/main/refresh_failure", awstest.ParameterWrite{Value: "by hand"})
		must(t, err)
		in.sweepEvery(5*time.Minute, time.Hour, nil)
		if f := in.failure("kiwify/main"); f == nil || f.Attempts != lifecycle.FailureThreshold {
			t.Errorf("on record: %+v", f)
		}
		if p, _ := in.aws.Parameter("/oauth/kiwify/main/refresh_failure"); p.Type != "String" || !strings.Contains(p.Value.Reveal(), "rejects these client credentials") {
			t.Errorf("refresh_failure is a %s", p.Type)
		}
		if got := in.kiwify.Total().TokenCalls; got != 3 {
			t.Errorf("a pair that is refused was asked %d times in an hour, want 3", got)
		}
	})
}

func TestAWriteWhoseAnswersAreLostIsRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("hotmart/loja-a", in.hotmart)
		in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.ConnectionReset, Times: 3})
		in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.LostResponse, Times: 3})
		result := in.sweep()
		state, rec := in.token("hotmart/loja-a")
		if result.Counts.Refreshed != 1 || rec == nil || rec.Version != state.Version || in.hotmart.Total().Minted != 1 {
			t.Errorf("%+v; %d tokens; version %d, record %+v", result.Counts, in.hotmart.Total().Minted, state.Version, rec)
		}
	})
}

func TestASlowProviderDoesNotTakeAllWorkers(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.change = func(c *refresh.Config) { c.MaxConcurrency, c.MaxWritesPerSecond = 4, 1000 }
		in.connectMany(60, in.hotmart)
		ids := in.connectMany(40, in.kiwify)
		in.hotmart.Inject(oauthtest.Latency(8 * time.Second).Always())
		in.kiwify.Inject(oauthtest.Latency(time.Second).Always())
		began := time.Now()
		done := make(chan time.Duration)
		go func() {
			for in.served(ids, in.kiwify) < len(ids) && time.Since(began) < 4*time.Minute {
				time.Sleep(time.Second)
			}
			done <- time.Since(began)
		}()
		in.sweep()
		if took := <-done; took > 30*time.Second { // 40 s of work for two workers, and the slow start
			t.Errorf("the fast provider's 40 tokens took %s beside a slow one", took)
		}
	})
}

func TestTheResultComesBackBeforeTheFunctionIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connectMany(200, in.kiwify)
		in.kiwify.Inject(oauthtest.Latency(9 * time.Second).Always())
		in.aws.Latency = func(op awstest.Op, _ string) time.Duration {
			if op == awstest.PutParameter {
				return 800 * time.Millisecond
			}
			return 0
		}
		for _, limit := range []time.Duration{25 * time.Second, 60 * time.Second} {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			began, minted := time.Now(), in.kiwify.Total().Minted
			result, err := in.refresher().Run(ctx, refresh.Call{}, in.invocation())
			cancel()
			must(t, err)
			if took := time.Since(began); took > limit-400*time.Millisecond {
				t.Errorf("%s of %s", took, limit)
			}
			if got := in.kiwify.Total().Minted - minted; got != result.Counts.Refreshed {
				t.Errorf("%d tokens fetched, %d written", got, result.Counts.Refreshed)
			}
		}
	})
}

// runFor runs a sweep in a function that may take the given time, and checks that it comes back in time.
func (in *installation) runFor(limit time.Duration) refresh.Result {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	result, err := in.refresher().Run(ctx, refresh.Call{}, in.invocation())
	must(in.t, err)
	if took := time.Since(began); took > limit-400*time.Millisecond {
		in.t.Errorf("took %s of %s", took, limit)
	}
	return result
}

func TestALateAttemptDoesNotFetchATokenThatCannotBeWrittenAnyMore(t *testing.T) {
	for limit := 26 * time.Second; limit < 34*time.Second; limit += 500 * time.Millisecond {
		inBubble(t, func(t *testing.T, in *installation) {
			in.connect("hotmart/loja-a", in.hotmart)
			in.hotmart.Inject(oauthtest.Status(503).After(9*time.Second).Times(2), oauthtest.Latency(9*time.Second).Always())
			in.aws.Latency = func(op awstest.Op, _ string) time.Duration {
				return map[awstest.Op]time.Duration{awstest.PutParameter: 900 * time.Millisecond}[op]
			}
			result := in.runFor(limit)
			if minted := in.hotmart.Total().Minted; minted != result.Counts.Refreshed {
				t.Errorf("%s: %d tokens fetched, %d written", limit, minted, result.Counts.Refreshed)
			}
		})
	}
}

func TestAStoreThatThrottlesWithoutEndDoesNotCostTheResult(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connectMany(5, in.kiwify)
		in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.Throttled})
		if result := in.runFor(60 * time.Second); result.Counts.Refreshed != 0 || result.Counts.Failed+result.Counts.Deferred != 5 {
			t.Errorf("%+v", result.Counts)
		}
	})
}

func TestFailuresOfManyNewTenantsAreRecordedInOneRun(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.change = func(c *refresh.Config) { c.MaxWritesPerSecond = 0.3 }
		const tenants = 150
		for i := range tenants { // each has client credentials that work and a scope that is never granted
			client := oauthtest.Client{ID: fmt.Sprintf("client-%03d", i), Secret: oauth.NewSecret(fmt.Sprintf("secret-%03d", i))}
			in.hotmart.Add(client)
			in.store(fmt.Sprintf("hotmart/t-%03d", i), "hotmart", client, "required_scope", "refunds")
		}
		result := in.sweep()
		wantFailed(t, result, result.Failed[0].Connection, "missing_required_scope", "lacks required scope refunds")
		if asked := in.hotmart.Total().TokenCalls; asked != tenants || in.puts() > 82 {
			t.Errorf("%d requests, %d writes; 81 were possible", asked, in.puts())
		}
		for i := range tenants {
			if f := in.failure(fmt.Sprintf("hotmart/t-%03d", i)); f == nil || !f.Suspends() {
				t.Fatalf("t-%03d: %+v", i, f)
			}
		}
		in.sweepEvery(5*time.Minute, 10*time.Minute, nil)
		if asked := in.hotmart.Total().TokenCalls; asked != tenants || in.puts() != tenants {
			t.Errorf("%d requests and %d sentences for %d tenants", asked, in.puts(), tenants)
		}
	})
}

func TestTroubleSaysWhatAPersonMayDo(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/blocked", in.kiwify)
		in.kiwify.Inject(oauthtest.BlockPage().Always())
		in.store("generic/typo", "generic", oauthtest.Client{ID: "client", Secret: oauth.NewSecret("secret-of-typo")},
			"token_endpoint", "https://auth.exmaple.com/token")
		result := in.sweep()
		wantFailed(t, result, "kiwify/blocked", "waf_blocked", "through its firewall")
		wantFailed(t, result, "generic/typo", "dns", "correct token_endpoint")
		in.aws.Inject(awstest.Fault{Op: awstest.BatchGetSecretValue, Effect: awstest.AccessDenied})
		in.connect("kiwify/new", in.kiwify)
		wantFailed(t, in.sweep(), "kiwify/new", "aws_unavailable", "add the permission to the function's role")
	})
}
