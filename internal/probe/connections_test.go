package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/store"
)

const noProbes = `{"probe":"none"}`

// TestTheStateOfAConnectionIsTheFirstThatFits has every state, and what could be taken for another one, at its bounds.
func TestTheStateOfAConnectionIsTheFirstThatFits(t *testing.T) {
	const sentence = "kiwify/x: Kiwify rejects these client credentials. Copy both values again."
	for name, c := range map[string]struct {
		world  func(w *world)
		want   probe.State // "": neither attention nor counted as anything but fresh, due or paused
		counts probe.Counts
		status probe.Status
		words  string
		left   int64
	}{
		"fresh": {world: func(w *world) { w.kiwi("kiwify/x", 20*time.Hour) }, counts: probe.Counts{Fresh: 1}, status: probe.Healthy},
		"due to the second": {
			world: func(w *world) { w.kiwi("kiwify/x", 12*time.Hour) }, counts: probe.Counts{Due: 1}, status: probe.Healthy},
		"a second before it is due": {
			world: func(w *world) { w.kiwi("kiwify/x", 12*time.Hour+time.Second) }, counts: probe.Counts{Fresh: 1}, status: probe.Healthy},
		"two periods late to the second: not yet overdue": {
			world: func(w *world) { w.kiwi("kiwify/x", 12*time.Hour-10*time.Minute) }, counts: probe.Counts{Due: 1}, status: probe.Healthy},
		"a second more": {
			world: func(w *world) { w.kiwi("kiwify/x", 12*time.Hour-10*time.Minute-time.Second) },
			want:  probe.Overdue, counts: probe.Counts{Overdue: 1}, status: probe.Degraded, left: 42599,
			words: "due since 2000-01-30T23:49:59Z, and no failure is recorded: does the refresher run?"},
		"a second before it expires": {
			world: func(w *world) { w.kiwi("kiwify/x", time.Second) },
			want:  probe.Overdue, counts: probe.Counts{Overdue: 1}, status: probe.Degraded, words: "due since", left: 1},
		"expired to the second": {
			world: func(w *world) { w.kiwi("kiwify/x", 0) },
			want:  probe.Expired, counts: probe.Counts{Expired: 1}, status: probe.Unhealthy, left: 0,
			words: "expired 2000-01-31T00:00:00Z, and no failure is recorded"},
		"expired for almost a day": {
			world: func(w *world) { w.kiwi("kiwify/x", -24*time.Hour+time.Second) },
			want:  probe.Expired, counts: probe.Counts{Expired: 1}, status: probe.Unhealthy, left: -86399},
		"expired for a day: no longer unhealthy": {
			world: func(w *world) { w.kiwi("kiwify/x", -24*time.Hour) },
			want:  probe.Expired, counts: probe.Counts{Expired: 1}, status: probe.Degraded, left: -86400},
		"expired and failing": {
			world: func(w *world) { w.kiwi("kiwify/x", -time.Hour); w.failure("kiwify/x", sentence, 13*time.Hour) },
			want:  probe.Expired, counts: probe.Counts{Expired: 1}, status: probe.Unhealthy, words: "expired 2000-01-30T23:00:00Z. " + sentence, left: -3600},
		"failing, with a valid token": {
			world: func(w *world) { w.kiwi("kiwify/x", 5*time.Hour); w.failure("kiwify/x", sentence, time.Hour) },
			want:  probe.Failing, counts: probe.Counts{Failing: 1}, status: probe.Degraded, words: sentence, left: 18000},
		"a failure of client credentials that were taken back": {
			world: func(w *world) {
				w.kiwi("kiwify/x", 20*time.Hour)
				w.failure("kiwify/x", sentence, time.Hour)
				w.update("kiwify/x", func(s *lifecycle.State) {
					s.Failure.Current, s.Failure.LastAt = "another", s.Failure.LastAt.Add(-time.Hour)
				})
			}, counts: probe.Counts{Fresh: 1}, status: probe.Healthy},
		"a failure without a sentence": {
			world: func(w *world) { w.kiwi("kiwify/x", time.Hour); w.failure("kiwify/x", "", time.Hour) },
			want:  probe.Failing, counts: probe.Counts{Failing: 1}, status: probe.Degraded,
			words: "invalid_client (credentials) since 2000-01-30T23:00:00Z, 3 attempts, next attempt 2000-01-31T01:00:00Z", left: 3600},
		"an item of a newer version": {
			world: func(w *world) {
				w.secret("kiwify/x", `"provider":"kiwify"`)
				w.must(w.aws.PutItem("kiwify/x", map[string]json.RawMessage{"schema": json.RawMessage(`{"N":"2"}`), "revision": json.RawMessage(`{"N":"5"}`)}))
			},
			want: probe.Missing, counts: probe.Counts{Missing: 1}, status: probe.Degraded, words: "newer_schema"},
		"paused, and an item of a newer version": {
			world: func(w *world) {
				w.secret("kiwify/x", `"provider":"kiwify"`)
				w.must(w.aws.TagSecret("oauth/kiwify/x", "chaveiro:paused", "true"))
				w.must(w.aws.PutItem("kiwify/x", map[string]json.RawMessage{"schema": json.RawMessage(`{"N":"2"}`), "revision": json.RawMessage(`{"N":"5"}`)}))
			}, counts: probe.Counts{Paused: 1}, status: probe.Healthy},
		"an item that was edited and cannot be read": {
			world: func(w *world) {
				w.kiwi("kiwify/x", 20*time.Hour)
				item, _ := w.aws.Item("kiwify/x")
				item["expires_at"] = json.RawMessage(`{"S":"tomorrow"}`)
				delete(item, awstest.StateKey)
				w.must(w.aws.PutItem("kiwify/x", item))
			},
			want: probe.Missing, counts: probe.Counts{Missing: 1}, status: probe.Degraded, words: "no token yet"},
		"another run is renewing it": {
			world: func(w *world) {
				w.kiwi("kiwify/x", 12*time.Hour)
				w.update("kiwify/x", func(s *lifecycle.State) {
					s.Lease = &lifecycle.Lease{Owner: "request-1", Since: time.Now(), Until: time.Now().Add(time.Minute)}
				})
			}, counts: probe.Counts{Due: 1}, status: probe.Healthy},
		"a failure of new client credentials that may not be listed yet": {
			world: func(w *world) {
				w.kiwi("kiwify/x", 20*time.Hour)
				w.failure("kiwify/x", sentence, time.Hour)
				w.update("kiwify/x", func(s *lifecycle.State) { s.Failure.Current = "another" })
			},
			want: probe.Failing, counts: probe.Counts{Failing: 1}, status: probe.Degraded, words: sentence, left: 72000},
		"without a token since a minute": {
			world: func(w *world) { w.secret("kiwify/x", `"provider":"kiwify"`) },
			want:  probe.Missing, counts: probe.Counts{Missing: 1}, status: probe.Degraded, words: "the next sweeps get one"},
		"without a token for a day": {
			world: func(w *world) {
				w.secret("kiwify/x", `"provider":"kiwify"`)
				w.must(w.aws.BackdateSecret("oauth/kiwify/x", time.Now().Add(-24*time.Hour)))
			},
			want: probe.Missing, counts: probe.Counts{Missing: 1}, status: probe.Degraded, words: "does the refresher run?"},
		"without a token, for a reason": {
			world: func(w *world) {
				w.secret("kiwify/x", `"provider":"kiwify"`)
				w.failure("kiwify/x", sentence, time.Hour)
			},
			want: probe.Missing, counts: probe.Counts{Missing: 1}, status: probe.Degraded, words: sentence},
		"a name that is no connection": {
			world: func(w *world) { w.secret("kiwify/X", `"provider":"kiwify"`) },
			want:  probe.Missing, counts: probe.Counts{Missing: 1}, status: probe.Degraded, words: "Create it again as oauth/kiwify/x"},
		"paused, whatever else": {
			world: func(w *world) {
				w.kiwi("kiwify/x", -time.Hour)
				w.failure("kiwify/x", sentence, time.Hour)
				w.must(w.aws.TagSecret("oauth/kiwify/x", "chaveiro:paused", "true"))
			}, counts: probe.Counts{Paused: 1}, status: probe.Healthy},
		"orphaned": {
			world:  func(w *world) { w.token("kiwify/x", w.record("kiwify/x", time.Hour)) },
			counts: probe.Counts{Orphaned: 1}, status: probe.Healthy},
		"orphaned, with a refresh_failure parameter and no token": {
			world: func(w *world) {
				w.update("kiwify/x", func(s *lifecycle.State) { s.Notice = "credentials/invalid_client" })
			},
			counts: probe.Counts{Orphaned: 1}, status: probe.Healthy},
		"another credential than the token's": {
			world: func(w *world) {
				w.kiwi("kiwify/x", 20*time.Hour)
				w.secret("kiwify/x", `"provider":"kiwify","scope":"a"`)
			}, counts: probe.Counts{Due: 1}, status: probe.Healthy},
		"a parameter of another type has the token's name": {
			world: func(w *world) {
				w.secret("kiwify/x", `"provider":"kiwify"`)
				w.failure("kiwify/x", "its access_token parameter is a String", time.Hour)
				w.update("kiwify/x", func(s *lifecycle.State) {
					s.Failure.Class, s.Failure.Code = lifecycle.Configuration, string(lifecycle.TypeConflict)
				})
			},
			want: probe.Failing, counts: probe.Counts{Failing: 1}, status: probe.Degraded, words: "is a String"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				c.world(w)
				r := w.run(noProbes)
				c.counts.Total = 1 - c.counts.Orphaned
				if r.Connections != c.counts || r.Status != c.status {
					t.Errorf("%s, %+v, want %s, %+v", r.Status, r.Connections, c.status, c.counts)
				}
				if (len(r.Attention) == 1) != (c.want != "") {
					t.Fatalf("attention %+v", r.Attention)
				}
				if c.want == "" {
					return
				}
				a := r.Attention[0]
				if a.State != c.want || a.SecondsToExpiry != c.left || !strings.Contains(a.Reason, c.words) || a.Reason == "" {
					t.Errorf("%+v, want %s, %d s, %q", a, c.want, c.left, c.words)
				}
			})
		})
	}
}

// TestItemsThatAreNoConnections: the item in which the refresher counts failed listings, whatever is in it, and one of a deleted secret that has
// nothing published.
func TestItemsThatAreNoConnections(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/x", 20*time.Hour)
		w.failure("*", "Could not list secrets", time.Hour)
		w.update("*", func(s *lifecycle.State) { s.Notice = "transient/discovery_failed" })
		w.failure("kiwify/gone", "kiwify/gone: it never had a token", time.Hour)
		if r := w.run(noProbes); r.Connections != (probe.Counts{Total: 1, Fresh: 1}) || r.Status != probe.Healthy || len(r.Attention) != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestOneDeadTenantDoesNotHideTheNext: the report names the worst twenty. A token that expires soon comes first, one that expired days ago last.
func TestOneDeadTenantDoesNotHideTheNext(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range 30 {
			w.kiwi(fmt.Sprintf("kiwify/dead-%02d", i), -72*time.Hour)
			w.failure(fmt.Sprintf("kiwify/dead-%02d", i), "dead", 80*time.Hour)
		}
		w.secret("kiwify/never", `"provider":"kiwify"`)
		w.failure("kiwify/never", "never had one", 90*time.Hour)
		w.kiwi("kiwify/dying", 10*time.Minute)
		w.kiwi("kiwify/failing", 3*time.Hour)
		w.failure("kiwify/failing", "fails", time.Hour)
		w.secret("kiwify/new", `"provider":"kiwify"`)
		r := w.run(noProbes)
		if r.Status != probe.Degraded || r.Connections.Expired != 30 || len(r.Attention) != 20 {
			t.Fatalf("%s %+v, %d named", r.Status, r.Connections, len(r.Attention))
		}
		for i, want := range []string{"kiwify/new", "kiwify/dying", "kiwify/failing", "kiwify/dead-00"} {
			if r.Attention[i].Connection != want {
				t.Errorf("place %d is %s, want %s", i+1, r.Attention[i].Connection, want)
			}
		}
		w.kiwi("kiwify/just-expired", -time.Second)
		if r := w.run(noProbes); r.Status != probe.Unhealthy || r.Attention[0].Connection != "kiwify/just-expired" {
			t.Errorf("%s, first %+v", r.Status, r.Attention[0])
		}
	})
}

// TestTheHealthcheckIsReadOnly: one listing, one scan, and nothing else.
func TestTheHealthcheckIsReadOnly(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range 25 {
			w.kiwi(fmt.Sprintf("kiwify/t%02d", i), time.Hour)
			w.failure(fmt.Sprintf("kiwify/t%02d", i), "fails", time.Hour)
		}
		w.aws.ResetCalls()
		before := w.aws.Snapshot(true)
		if r := w.run(`{}`); r.Attention[19].Reason != "fails" {
			t.Errorf("%+v", r.Attention[19])
		}
		got := map[awstest.Op]int{}
		for op, c := range w.aws.Counts() {
			got[op] = c.Calls
		}
		want := map[awstest.Op]int{awstest.ListSecrets: 1, awstest.Scan: 1}
		if fmt.Sprint(got) != fmt.Sprint(want) || w.aws.Decrypted() != 0 {
			t.Errorf("calls %v, want %v; %d values decrypted", got, want, w.aws.Decrypted())
		}
		if w.aws.Snapshot(true) != before {
			t.Error("something was written")
		}
	})
}

func TestAPartialListIsAnError(t *testing.T) {
	named := `{"connections":["kiwify/x"]}`
	for name, c := range map[string]struct {
		op     awstest.Op
		event  string
		effect awstest.Effect
		want   error
	}{
		"the secrets cannot be listed":          {awstest.ListSecrets, `{}`, awstest.AccessDenied, store.ErrAccessDenied},
		"the table cannot be scanned":           {awstest.Scan, `{}`, awstest.AccessDenied, store.ErrAccessDenied},
		"the items of names cannot be read":     {awstest.BatchGetItem, named, awstest.AccessDenied, store.ErrAccessDenied},
		"the listing hangs":                     {awstest.ListSecrets, `{}`, awstest.Hang, context.DeadlineExceeded},
		"the scan hangs":                        {awstest.Scan, `{}`, awstest.Hang, context.DeadlineExceeded},
		"the listing is throttled for too long": {awstest.ListSecrets, named, awstest.Throttled, store.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.kiwi("kiwify/x", time.Hour)
				w.aws.Inject(awstest.Fault{Op: c.op, Effect: c.effect})
				const limit = 4 * time.Second // shorter than a time-out of the adapters
				ctx, cancel := context.WithTimeout(w.t.Context(), limit)
				defer cancel()
				began := time.Now()
				_, err := w.runWithin(ctx, c.event)
				if err == nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), string(c.op)) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if took := time.Since(began); took > limit-time.Second {
					t.Errorf("the error came after %v, too late to be logged", took)
				}
				if n := w.kiwify.Total().TokenCalls; n != 0 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// TestOneCheckerServesManyInvocations: each gets the events of its own requests.
func TestOneCheckerServesManyInvocations(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/x", 20*time.Hour)
		checker := w.checker()
		counts := make([]atomic.Int64, 3)
		var wg sync.WaitGroup
		for i := range counts {
			wg.Go(func() {
				in := probe.Invocation{Observe: func(probe.Event) { counts[i].Add(1) }}
				if i == 2 {
					in.Observe = nil
				}
				if r, err := checker.Run(w.t.Context(), probe.Call{}, in); err != nil || len(r.Endpoints) != 1 {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		wg.Wait()
		if counts[0].Load() != 1 || counts[1].Load() != 1 || w.kiwify.Total().TokenCalls != 3 {
			t.Errorf("%d and %d events of %d requests", counts[0].Load(), counts[1].Load(), w.kiwify.Total().TokenCalls)
		}
	})
}

func TestNamedConnections(t *testing.T) {
	bubble(t, func(w *world) {
		w.kiwi("kiwify/a", -time.Hour)
		w.kiwi("kiwify/b", 20*time.Hour)
		w.token("kiwify/gone", w.record("kiwify/gone", time.Hour))
		w.aws.ResetCalls()
		r := w.run(`{"connections":["kiwify/b","kiwify/gone","kiwify/aa","colour","oauth/kiwify/a"],"probe":"none"}`)
		if scans, reads := w.aws.Count(awstest.Scan).Calls, w.aws.Count(awstest.BatchGetItem).Calls; scans != 0 || reads != 1 {
			t.Errorf("%d scans and %d batch reads, want the items of the names in one batch read", scans, reads)
		}
		if want := (probe.Counts{Total: 5, Fresh: 1, Missing: 4, Orphaned: 1}); r.Connections != want || r.Status != probe.Degraded {
			t.Errorf("%s %+v", r.Status, r.Connections)
		}
		for name, words := range map[string]string{
			"kiwify/aa":      `unknown_connection: no secret "oauth/kiwify/aa" is listed in ` + awstest.Region + `; did you mean "kiwify/a"?`,
			"colour":         `. Is it in another region, or was it created without "oauth/"?`,
			"oauth/kiwify/a": `unknown_connection: leave out "oauth/"`,
		} {
			if got := attention(r, name); got.State != probe.Missing || !strings.Contains(got.Reason, words) {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if got := attention(r, "kiwify/a"); got.State != "" {
			t.Errorf("%+v, and the call does not name it", got)
		}
		long := strings.Repeat("x", 3000) // longer than a key of DynamoDB may be
		if r := w.run(`{"connections":["` + long + `"],"probe":"none"}`); r.Connections != (probe.Counts{Total: 1, Missing: 1}) {
			t.Errorf("%+v", r.Connections)
		}
	})
}

// TestAStoredTextBecomesOneShortLine, also one that was edited by hand.
func TestAStoredTextBecomesOneShortLine(t *testing.T) {
	bubble(t, func(w *world) {
		name := "kiwify/" + strings.Repeat("x", 63)
		w.kiwi(name, time.Hour)
		w.failure(name, strings.Repeat("<\u202e\n\x1b[31m"+"ü", 300), time.Hour)
		a := w.run(noProbes).Attention[0]
		if n := len([]rune(a.Reason)); n > 1000 || strings.ContainsAny(a.Reason, "\n\x1b\u202e") {
			t.Errorf("%d characters: %.80q", n, a.Reason)
		}
	})
}

func TestTheReportOfNothing(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.run(`{}`)
		text, err := json.Marshal(r)
		w.must(err)
		want := `{"status":"healthy","checked_at":"2000-01-31T00:00:00Z","endpoints":[],"connections":{"total":0,"fresh":0,"due":0,"overdue":0,` +
			`"expired":0,"failing":0,"missing":0,"orphaned":0,"paused":0},"attention":[]}`
		if string(text) != want {
			t.Errorf("%s", text)
		}
	})
}
