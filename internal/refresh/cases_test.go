package refresh_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// inBubble runs f on a fresh installation in virtual time.
func inBubble(t *testing.T, f func(t *testing.T, in *installation)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, install(t)) })
}

func failedOf(r refresh.Result, id string) refresh.Failed {
	i := slices.IndexFunc(r.Failed, func(f refresh.Failed) bool { return f.Connection == id })
	if i < 0 {
		return refresh.Failed{}
	}
	return r.Failed[i]
}

// wantFailed checks one entry of failed: its code, and that its message names the connection and says what the test expects.
func wantFailed(t *testing.T, r refresh.Result, id, code, text string) {
	t.Helper()
	f := failedOf(r, id)
	if f.Code != code || !strings.Contains(f.Message, text) || !strings.Contains(f.Message, id) {
		t.Errorf("%s failed as %q with %q; want %s with %q", id, f.Code, f.Message, code, text)
	}
}

func TestDocumentsThatCannotBeReadStopNobodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/good", in.kiwify)
		for id, value := range map[string]string{
			"a/not-json": "client_id=x", "a/array": `["x"]`, "a/no-provider": `{"client_id":"x","client_secret":"y"}`,
			"a/near-miss": `{"provider":"kiwify","clientId":"x"}`, "a/unknown": `{"provider":"Kiwify","client_id":"abc","client_secret":"defghijk"}`,
			"a/http": `{"provider":"generic","token_endpoint":"http://idp.example.com/token","client_id":"abc","client_secret":"defghijk"}`,
		} {
			_, err := in.aws.PutSecret("oauth/"+id, value)
			must(t, err)
		}
		_, err := in.aws.PutSecretBinary("oauth/a/binary", []byte{1, 2, 3})
		must(t, err)
		must(t, in.aws.CreateWithoutValue("oauth/a/empty"))
		_, err = in.aws.PutSecret("oauth/A/Upper", `{}`)
		must(t, err)
		result := in.sweep()
		if result.Counts.Refreshed != 1 || result.Counts.Failed != 9 {
			t.Fatalf("refreshed %d, failed %d: %+v", result.Counts.Refreshed, result.Counts.Failed, result.Failed)
		}
		wantFailed(t, result, "a/not-json", "invalid_document", "JSON")
		wantFailed(t, result, "a/array", "invalid_document", "array")
		wantFailed(t, result, "a/no-provider", "invalid_document", `"provider" is missing`)
		wantFailed(t, result, "a/near-miss", "invalid_document", `did you mean "client_id"?`)
		wantFailed(t, result, "a/unknown", "unknown_provider", `did you mean "kiwify"?`)
		wantFailed(t, result, "a/http", "endpoint_refused", "https")
		wantFailed(t, result, "a/binary", "invalid_document", "binary")
		wantFailed(t, result, "a/empty", "invalid_document", "empty")
		wantFailed(t, result, "A/Upper", "invalid_connection_id", "oauth/a/upper")
		for _, f := range result.Failed {
			if f.Class != string(lifecycle.Configuration) {
				t.Errorf("%s is %s", f.Connection, f.Class)
			}
		}
		in.aws.ResetCalls()
		if again := in.sweep(); again.Counts.Failed != 9 {
			t.Errorf("failed %d in the next sweep", again.Counts.Failed)
		}
		if reads, puts := in.aws.Count(awstest.BatchGetSecretValue).Calls, in.puts(); reads != 0 || puts != 0 {
			t.Errorf("latched documents cost %d reads and %d writes", reads, puts)
		}
	})
}

func TestADocumentThatReplacedAGoodOneIsToldHowToUndoIt(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		in.sweep()
		good, _ := in.aws.Secret("oauth/kiwify/main")
		_, err := in.aws.PutSecret("oauth/kiwify/main", `{"client_id":"abc","client_secret":"defghijk"}`)
		must(t, err)
		f := failedOf(in.sweep(), "kiwify/main")
		want := "Undo: aws secretsmanager update-secret-version-stage --secret-id oauth/kiwify/main --version-stage AWSCURRENT --move-to-version-id " + good.Stages["AWSCURRENT"]
		if !strings.Contains(f.Message, want) || !strings.Contains(f.Message, "Token valid until ") {
			t.Errorf("message %q, want %q in it", f.Message, want)
		}
		must(t, in.aws.MoveStage("oauth/kiwify/main", "AWSCURRENT", good.Stages["AWSCURRENT"]))
		time.Sleep(20 * time.Minute)
		if result := in.sweep(); result.Counts.Fresh != 1 || in.failure("kiwify/main") != nil {
			t.Errorf("after the undo: %+v, failure %+v", result.Counts, in.failure("kiwify/main"))
		}
	})
}

func TestNamesThatDoNotExistAreExplained(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("hotmart/loja-a", in.hotmart)
		result, err := in.run(`{"connections":["hotmart/loja-b","oauth/hotmart/loja-a","Hotmart","zzz"]}`)
		must(t, err)
		if result.Counts.Failed != 4 || result.Connections != 4 {
			t.Fatalf("%+v", result)
		}
		wantFailed(t, result, "hotmart/loja-b", "unknown_connection", `did you mean "hotmart/loja-a"?`)
		wantFailed(t, result, "oauth/hotmart/loja-a", "unknown_connection", `leave out "oauth/"`)
		wantFailed(t, result, "Hotmart", "unknown_connection", "only a-z 0-9")
		wantFailed(t, result, "zzz", "unknown_connection", `in sa-east-1 (1 connections here: hotmart/loja-a). Is it in another region`)
		if n := in.aws.Count(awstest.ListSecrets).Calls; n != 1 {
			t.Errorf("%d listings for four unknown names, want one", n)
		}
	})
}

func TestANamedConnectionIsReadByName(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.aws.ListLag = 5 * time.Minute
		in.connect("kiwify/main", in.kiwify)
		result, err := in.run(`{"connections":["kiwify/main"]}`)
		must(t, err)
		if result.Counts.Refreshed != 1 || in.aws.Count(awstest.ListSecrets).Calls != 0 {
			t.Errorf("%+v with %d listings", result.Counts, in.aws.Count(awstest.ListSecrets).Calls)
		}
		time.Sleep(10 * time.Second) // no listing shows the new record yet
		result, err = in.run(`{"connections":["kiwify/main"]}`)
		must(t, err)
		if result.Counts.Fresh != 1 || in.kiwify.Total().Minted != 1 {
			t.Errorf("asked again at once: %+v, %d tokens", result.Counts, in.kiwify.Total().Minted)
		}
		in.store("kiwify/main", "kiwify", oauthtest.Client{ID: "client-of-kiwify/main", Secret: oauth.NewSecret("secret-of-kiwify/main")})
		result, err = in.run(`{"connections":["kiwify/main"]}`)
		must(t, err)
		if result.Counts.Refreshed != 1 {
			t.Errorf("a secret that changed after the token was written: %+v", result.Counts)
		}
	})
}

func TestSecretsThatCannotBeReadFailAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		ids := in.connectMany(4, in.kiwify)
		in.aws.Inject(awstest.Fault{Op: awstest.GetSecretValue, Name: "oauth/" + ids[0], Effect: awstest.AccessDenied})
		in.aws.Inject(awstest.Fault{Op: awstest.GetSecretValue, Name: "oauth/" + ids[1], Effect: awstest.DecryptionFailure})
		in.aws.OnCall(func(op awstest.Op, name string) {
			if op == awstest.BatchGetSecretValue && name == "oauth/"+ids[2] {
				_ = in.aws.DropSecret(name)
			}
		})
		result := in.sweep()
		wantFailed(t, result, ids[0], "secret_access_denied", "role")
		wantFailed(t, result, ids[1], "secret_undecryptable", "kms:Decrypt")
		if !slices.Equal(result.Orphaned, ids[2:3]) || result.Counts.Refreshed != 1 {
			t.Errorf("orphaned %v, refreshed %d", result.Orphaned, result.Counts.Refreshed)
		}
		if result, err := in.run(`{"connections":["` + ids[0] + `"],"force":true}`); err != nil || result.Counts.Failed != 1 {
			t.Errorf("%+v, %v", result, err)
		}
	})
}

func TestAListingThatFailsStopsNoRenewal(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/known", in.kiwify)
		in.sweep()
		in.connect("kiwify/new", in.kiwify)
		time.Sleep(15 * time.Hour)
		in.aws.Inject(awstest.Fault{Op: awstest.ListSecrets, Effect: awstest.AccessDenied})
		for n := 1; n <= 4; n++ {
			result, err := in.run(`{}`)
			if (err != nil) != (n >= 3) {
				t.Errorf("run %d: %v", n, err)
			}
			if !strings.Contains(result.DiscoveryFailed, "ListSecrets") || result.Connections != 1 {
				t.Errorf("run %d: %q, %d connections", n, result.DiscoveryFailed, result.Connections)
			}
			if n == 1 && (result.Counts.Refreshed != 1 || in.served([]string{"kiwify/known"}, in.kiwify) != 1) {
				t.Errorf("the known connection was not renewed: %+v", result)
			}
			time.Sleep(5 * time.Minute)
		}
		in.aws.ClearFaults()
		for range 2 {
			if result := in.sweep(); result.DiscoveryFailed != "" || in.served([]string{"kiwify/known", "kiwify/new"}, in.kiwify) != 2 {
				t.Errorf("after the listing works again: %+v", result)
			}
		}
		in.aws.Inject(awstest.Fault{Op: awstest.ListSecrets, Effect: awstest.AccessDenied})
		if _, err := in.run(`{}`); err != nil {
			t.Errorf("the count of failures began anew, and yet: %v", err)
		}
	})
}

func TestAStateTableThatCannotBeReadEndsTheRunBeforeAnythingIsDone(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		in.aws.Inject(awstest.Fault{Op: awstest.Scan, Effect: awstest.AccessDenied})
		if _, err := in.run(`{}`); err == nil || !strings.Contains(err.Error(), "state table") || !strings.Contains(err.Error(), "Scan") {
			t.Errorf("the run ends with %v", err)
		}
		if in.kiwify.Total().TokenCalls != 0 || in.puts() != 0 {
			t.Error("something was done")
		}
	})
}

func TestNoTokenIsRequestedWithoutTheLease(t *testing.T) {
	for name, effect := range map[string]awstest.Effect{
		"DynamoDB is away": awstest.InternalError, "throttled": awstest.Throttled, "not allowed": awstest.AccessDenied, "it hangs": awstest.Hang,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, in *installation) {
				in.connect("kiwify/main", in.kiwify)
				in.aws.Inject(awstest.Fault{Op: awstest.UpdateItem, Effect: effect})
				result, _ := in.run(`{}`)
				if in.kiwify.Total().TokenCalls != 0 || result.Counts.Deferred != 1 || !strings.HasPrefix(result.Deferred[0].Reason, "state_unavailable") {
					t.Errorf("%d requests; %+v", in.kiwify.Total().TokenCalls, result)
				}
				in.aws.ClearFaults()
				if result = in.sweep(); result.Counts.Refreshed != 1 {
					t.Errorf("%+v", result)
				}
			})
		})
	}
}

func TestAStateThatCannotBeCommittedCostsOneTokenAndIsReported(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		in.aws.Inject(awstest.Fault{Op: awstest.UpdateItem, Effect: awstest.InternalError, Skip: 1})
		result := in.sweep()
		if result.Counts.Refreshed != 1 || in.served([]string{"kiwify/main"}, in.kiwify) != 1 {
			t.Errorf("%+v", result)
		}
		if !slices.ContainsFunc(in.events, func(ev refresh.Event) bool { return ev.Notice == refresh.NoticeNotCommitted }) {
			t.Error("the lost commit is not reported")
		}
		in.aws.ClearFaults()
		time.Sleep(10 * time.Minute)
		if result = in.sweep(); result.Counts.Refreshed != 1 || in.kiwify.Total().Minted != 2 {
			t.Errorf("%+v with %d tokens", result, in.kiwify.Total().Minted)
		}
	})
}

func TestAParameterOfAnotherTypeIsSeenBeforeAnyRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		_, err := in.aws.WriteParameter("/oauth/kiwify/main/access_token", awstest.ParameterWrite{Type: "String", Value: "by hand"})
		must(t, err)
		wantFailed(t, in.sweep(), "kiwify/main", "parameter_type_conflict", "String")
		plan, err := in.run(`{"dry_run":true}`)
		must(t, err)
		wantFailed(t, plan, "kiwify/main", "parameter_type_conflict", "Delete that parameter")
		if in.kiwify.Total().TokenCalls != 0 {
			t.Error("a token was fetched that could not be written")
		}
		must(t, in.aws.DropParameter("/oauth/kiwify/main/access_token"))
		if result := in.sweep(); result.Counts.Refreshed != 1 {
			t.Errorf("once the parameter is gone: %+v", result.Counts)
		}
	})
}

func TestWhatRemainsOfADeletedConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		in.connect("kiwify/stays", in.kiwify)
		in.sweep()
		must(t, in.aws.DropSecret("oauth/kiwify/main"))
		if result := in.sweep(); !slices.Equal(result.Orphaned, []string{"kiwify/main"}) {
			t.Fatalf("orphaned %v", result.Orphaned)
		}
		time.Sleep(47 * time.Hour) // the token died 23 h ago
		in.sweep()
		if state, _ := in.token("kiwify/main"); state.Version == 0 {
			t.Error("removed before a day had passed since its end")
		}
		time.Sleep(2 * time.Hour)
		in.sweep()
		for _, name := range in.aws.ParameterNames() {
			if strings.HasPrefix(name, "/oauth/kiwify/main/") {
				t.Errorf("%s is still there", name)
			}
		}
		if got := in.served([]string{"kiwify/stays"}, in.kiwify); got != 1 {
			t.Error("the other connection lost its token")
		}
	})
}

func TestAnAnswerOfTheStoreThatIsLostIsLookedUp(t *testing.T) {
	for name, c := range map[string]struct {
		effect  awstest.Effect
		version int64
	}{
		"the write arrived":      {awstest.LostResponse, 1},
		"the write did not":      {awstest.ConnectionReset, 1},
		"the service stumbled":   {awstest.InternalError, 1},
		"too many updates":       {awstest.TooManyUpdates, 1},
		"throttled all the same": {awstest.Throttled, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, in *installation) {
				in.connect("hotmart/loja-a", in.hotmart)
				in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: c.effect, Times: 2})
				result := in.sweep()
				state, rec := in.token("hotmart/loja-a")
				if result.Counts.Refreshed != 1 || state.Version != c.version && c.effect != awstest.LostResponse || rec == nil || rec.Version != state.Version {
					t.Errorf("%+v; version %d, record %+v", result.Counts, state.Version, rec)
				}
				if in.hotmart.Total().Minted != 1 || !in.hotmart.Validate(state.Value.Reveal()) {
					t.Errorf("%d tokens were fetched for one", in.hotmart.Total().Minted)
				}
			})
		})
	}
}

func TestAStoreThatNeverAnswersCostsTwoTokens(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connectMany(30, in.kiwify)
		in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.InternalError})
		result, err := in.run(`{}`)
		if in.kiwify.Total().Minted > 2 {
			t.Errorf("%d tokens, error %v", in.kiwify.Total().Minted, err)
		}
		if result.Counts.Failed+result.Counts.Deferred != 30 {
			t.Errorf("%+v", result.Counts)
		}
		wantFailed(t, result, result.Failed[0].Connection, "aws_unavailable", "PutParameter")
	})
}

func TestAWriteOfAnotherProgramIsRepaired(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("hotmart/loja-a", in.hotmart)
		in.sweep()
		_, err := in.aws.ChangeParameter("/oauth/hotmart/loja-a/access_token", "another program's token")
		must(t, err)
		time.Sleep(5 * time.Minute)
		result := in.sweep() // compares one part of the parameters, here all of them
		state, rec := in.token("hotmart/loja-a")
		if result.Counts.Refreshed != 1 || rec.Version != state.Version || !in.hotmart.Validate(state.Value.Reveal()) || in.hotmart.Total().Minted != 2 {
			t.Errorf("%+v; version %d, state %+v, %d tokens", result, state.Version, rec, in.hotmart.Total().Minted)
		}
	})
}

func TestTheDeadlineOfTheFunctionIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connectMany(50, in.kiwify)
		in.kiwify.Inject(oauthtest.Latency(2 * time.Second).Always())
		for _, limit := range []time.Duration{3 * time.Second, 20 * time.Second} {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			minted, began := in.kiwify.Total().Minted, time.Now()
			result, err := in.refresher().Run(ctx, refresh.Call{}, in.invocation())
			cancel()
			if err != nil || time.Since(began) > limit {
				t.Fatalf("%s: took %s, %v", limit, time.Since(began), err)
			}
			if got := in.kiwify.Total().Minted - minted; got != result.Counts.Refreshed {
				t.Errorf("%s: %d tokens fetched, %d written", limit, got, result.Counts.Refreshed)
			}
			if sum := result.Counts.Refreshed + result.Counts.Deferred + result.Counts.Fresh; sum != 50 || result.Counts.Deferred == 0 {
				t.Errorf("%s: %+v", limit, result.Counts)
			}
			if !strings.HasPrefix(result.Deferred[0].Reason, "run_ended") {
				t.Errorf("%s: deferred because %q", limit, result.Deferred[0].Reason)
			}
		}
	})
}

func TestACancelledRunEndsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connectMany(5, in.kiwify)
		in.kiwify.Inject(oauthtest.Hang().Always())
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		result, err := in.refresher().Run(ctx, refresh.Call{}, in.invocation())
		if err != nil || time.Since(began) > 5*time.Second || result.Counts.Deferred != 5 {
			t.Errorf("took %s: %+v, %v", time.Since(began), result.Counts, err)
		}
	})
}

// broken panics for one connection, with a secret in the panic's value.
type broken struct{ acquire.Requester }

func (b broken) TokenWithRetry(ctx context.Context, req oauth.TokenRequest, r oauth.Retry) (oauth.Attempt, error) {
	call := oauth.Call{Form: url.Values{}, Header: http.Header{}}
	if err := req.Auth.Apply(ctx, &call); err != nil {
		return oauth.Attempt{}, err
	}
	if strings.HasSuffix(call.Form.Get("client_id"), "tenant-0001") {
		panic(call.Form.Get("client_secret"))
	}
	return b.Requester.TokenWithRetry(ctx, req, r)
}

func TestAPanicOverOneConnectionStopsNobodyAndTellsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		ids := in.connectMany(3, in.kiwify)
		in.change = func(c *refresh.Config) { c.Requester = broken{c.Requester} }
		result := in.sweep()
		if result.Counts.Refreshed != 2 {
			t.Errorf("%+v", result.Counts)
		}
		wantFailed(t, result, ids[1], "internal_error", "panic of type string")
		if strings.Contains(failedOf(result, ids[1]).Message, "secret-of") {
			t.Error("the panic's value is told")
		}
	})
}

func TestADryRunChangesNothingAndExplainsEverything(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		for _, id := range []string{"kiwify/due", "kiwify/changed", "kiwify/paused", "kiwify/wrong"} {
			in.connect(id, in.kiwify)
		}
		in.connect("hotmart/fresh", in.hotmart)
		in.kiwify.Remove("client-of-kiwify/wrong")
		in.sweep()
		time.Sleep(15 * time.Hour)
		in.sweepEvery(5*time.Minute, time.Minute, nil)
		in.connect("kiwify/new", in.kiwify)
		in.connect("kiwify/changed", in.kiwify)
		must(t, in.aws.TagSecret("oauth/kiwify/paused", "chaveiro:paused", "true"))
		in.aws.ResetCalls()
		calls, before := in.kiwify.Total().TokenCalls, in.aws.Snapshot(true)
		plan, err := in.run(`{"dry_run":true}`)
		must(t, err)
		got := map[string]string{}
		for _, p := range plan.Plan {
			got[p.Connection] = p.Action + ": " + strings.Fields(p.Reason)[0]
			t.Logf("%-15s %-8s %-60s renew_at %s", p.Connection, p.Action, p.Reason, p.RenewAt.Format(time.RFC3339))
		}
		for id, want := range map[string]string{
			"kiwify/new": "renew: missing", "kiwify/changed": "renew: credential_changed", "kiwify/paused": "pause: paused",
			"kiwify/wrong": "wait: backing_off", "hotmart/fresh": "keep: fresh", "kiwify/due": "keep: fresh",
		} {
			if got[id] != want {
				t.Errorf("%s: planned %q, want %q", id, got[id], want)
			}
		}
		if in.kiwify.Total().TokenCalls != calls || in.aws.Snapshot(true) != before || in.aws.Decrypted() != 0 {
			t.Error("a dry run asked a provider, changed the stores or decrypted")
		}
	})
}

func TestNewReportsEveryFaultOfItsConfig(t *testing.T) {
	_, err := refresh.New(refresh.Config{Period: -1, MaxConcurrency: -1, MaxWritesPerSecond: -1})
	for _, want := range []string{"Secrets", "Parameters", "Requester", "Catalogue", "duration", "MaxConcurrency", "MaxWritesPerSecond"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in: %v", want, err)
		}
	}
}

func TestATokenCloseToItsEndThatIsHandedOutAgainIsLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.hotmart.Configure(func(s *oauthtest.Settings) { s.SameToken = true })
		in.connect("hotmart/loja-a", in.hotmart)
		in.sweep()
		_, rec := in.token("hotmart/loja-a")
		time.Sleep(time.Until(rec.ExpiresAt) - 15*time.Minute)
		puts := in.puts()
		result := in.sweep()
		if result.Counts.Reused != 1 || in.puts() != puts {
			t.Errorf("%+v, %d writes", result.Counts, in.puts()-puts)
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		if !slices.ContainsFunc(in.events, func(ev refresh.Event) bool { return ev.Notice == lifecycle.NoticeReusedTooLong }) {
			t.Error("no notice reused_too_long")
		}
	})
}

func TestTheSentinelsBecomeTheirCodes(t *testing.T) {
	inBubble(t, func(t *testing.T, in *installation) {
		in.connect("kiwify/main", in.kiwify)
		in.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Name: "/oauth/kiwify/main/access_token", Effect: awstest.ParameterVersionLimit})
		wantFailed(t, in.sweep(), "kiwify/main", "parameter_rejected", "ParameterMaxVersionLimitExceeded")
		if f := in.failure("kiwify/main"); f == nil || !f.Suspends() {
			t.Errorf("failure record %+v", f)
		}
	})
}
