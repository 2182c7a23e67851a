package dynamostate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

type bench struct {
	t     *testing.T
	world *awstest.World
	store *dynamostate.Store
	now   time.Time
}

// eachClient runs a test with the SDK's client and with the direct one: both must behave alike.
func eachClient(t *testing.T, test func(*bench)) {
	t.Helper()
	for name, client := range map[string]func(*awstest.World) dynamostate.API{
		"sdk":    func(w *awstest.World) dynamostate.API { return w.DynamoDB() },
		"direct": func(w *awstest.World) dynamostate.API { return awstest.DirectStates{World: w} },
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t: t, world: new(awstest.World), now: start}
			s, err := dynamostate.New(dynamostate.Config{Client: client(b.world), Table: awstest.StateTable, Now: func() time.Time { return b.now }})
			if err != nil {
				t.Fatal(err)
			}
			b.store = s
			test(b)
		})
	}
}

func (b *bench) owner(id string) lifecycle.Owner {
	return lifecycle.Owner{ID: id, HardEnd: b.now.Add(4 * time.Minute)}
}

func (b *bench) claim(read lifecycle.State, id string) lifecycle.State {
	b.t.Helper()
	s, err := b.store.Claim(b.t.Context(), read, b.owner(id))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) get(id string) lifecycle.State {
	b.t.Helper()
	found, err := b.store.Get(b.t.Context(), []string{id})
	if err != nil {
		b.t.Fatal(err)
	}
	return found[id]
}

func (b *bench) wants(err, want error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Errorf("%v, want %v", err, want)
	}
}

// full is a state in which every field has a value.
func full(id string) lifecycle.State {
	return lifecycle.State{
		ID: id, Current: "v1", ChangedAt: start.Add(-time.Hour), Paused: true, Configuration: "0123456789abcdef", Notice: "credentials/invalid_client",
		DeleteAt: start.Add(24 * time.Hour),
		Token: &lifecycle.Token{Provider: "kiwify", Endpoint: "public-api.kiwify.com", IssuedAt: start, ExpiresAt: start.Add(24 * time.Hour),
			RenewAt: start.Add(12 * time.Hour), Scope: "read write", JTI: "j", Account: "store-1", AccountID: "store-1", TokenID: "feedfeedfeedfeed",
			Shape: "01234567", Credential: "v1", Stage: "AWSCURRENT", Since: start.Add(-time.Hour), Version: 7},
		Failure: &lifecycle.Failure{Class: lifecycle.Credentials, Code: "invalid_client", Provider: "kiwify", Endpoint: "public-api.kiwify.com", HTTPStatus: 401,
			Attempts: 3, FirstAt: start, LastAt: start.Add(time.Minute), NextAt: start.Add(time.Hour), RetryAt: start.Add(2 * time.Minute), Current: "v1",
			Message: "a sentence", RejectedStandbys: []string{"v2", "v3"}},
		Told: map[string]string{"scope_unverified": "v1"},
	}
}

func TestCommitWritesEveryFieldAndEndsTheLease(t *testing.T) {
	eachClient(t, func(b *bench) {
		leased := b.claim(lifecycle.State{ID: "a/b"}, "run-1")
		if leased.Revision != 1 || leased.Lease == nil || leased.Lease.Owner != "run-1" || !leased.Lease.Until.Equal(start.Add(4*time.Minute+5*time.Second)) {
			b.t.Fatalf("claimed %+v, lease %+v", leased, leased.Lease)
		}
		next := full("a/b")
		next.Revision, next.Lease = leased.Revision, leased.Lease
		if err := b.store.Commit(b.t.Context(), next); err != nil {
			b.t.Fatal(err)
		}
		next.Revision, next.Lease = 2, nil
		if got := b.get("a/b"); !reflect.DeepEqual(got, next) {
			b.t.Errorf("read\n%+v, want\n%+v", got, next)
		}
		// What a state does not have goes.
		leased = b.claim(next, "run-2")
		bare := lifecycle.State{ID: "a/b", Revision: leased.Revision, Lease: leased.Lease}
		if err := b.store.Commit(b.t.Context(), bare); err != nil {
			b.t.Fatal(err)
		}
		if got := b.get("a/b"); !reflect.DeepEqual(got, lifecycle.State{ID: "a/b", Revision: 4}) {
			b.t.Errorf("read %+v", got)
		}
	})
}

func TestOnlyOneClaimWins(t *testing.T) {
	eachClient(t, func(b *bench) {
		leased := b.claim(lifecycle.State{ID: "a/b"}, "run-1")
		_, err := b.store.Claim(b.t.Context(), lifecycle.State{ID: "a/b"}, b.owner("run-2"))
		b.wants(err, store.ErrInFlight)
		_, err = b.store.Claim(b.t.Context(), leased, b.owner("run-2"))
		b.wants(err, store.ErrInFlight)

		b.now = leased.Lease.Until
		if _, err = b.store.Claim(b.t.Context(), leased, b.owner("run-2")); !errors.Is(err, store.ErrInFlight) {
			b.t.Error("a lease was taken at the very instant of its end, when its owner may still write")
		}
		b.now = leased.Lease.Until.Add(time.Second)
		taken := b.claim(leased, "run-2")
		b.wants(b.store.Commit(b.t.Context(), leased), store.ErrLeaseLost)
		b.wants(b.store.Release(b.t.Context(), leased), store.ErrLeaseLost)
		if err := b.store.Commit(b.t.Context(), taken); err != nil {
			b.t.Error(err)
		}
	})
}

func TestAClaimOfAnItemThatChangedSinceItWasReadLoses(t *testing.T) {
	eachClient(t, func(b *bench) {
		read := lifecycle.State{ID: "a/b"}
		if _, err := b.store.Update(b.t.Context(), full("a/b")); err != nil {
			b.t.Fatal(err)
		}
		_, err := b.store.Claim(b.t.Context(), read, b.owner("run-1"))
		b.wants(err, store.ErrInFlight)
		_, err = b.store.Update(b.t.Context(), read)
		b.wants(err, store.ErrInFlight)
		b.wants(b.store.Delete(b.t.Context(), lifecycle.State{ID: "a/b", Revision: 9}), store.ErrInFlight)
	})
}

func TestReleaseKeepsTheState(t *testing.T) {
	eachClient(t, func(b *bench) {
		was, err := b.store.Update(b.t.Context(), full("a/b"))
		if err != nil {
			b.t.Fatal(err)
		}
		leased := b.claim(was, "run-1")
		if err := b.store.Release(b.t.Context(), leased); err != nil {
			b.t.Fatal(err)
		}
		was.Revision = leased.Revision + 1
		if got := b.get("a/b"); !reflect.DeepEqual(got, was) {
			b.t.Errorf("read\n%+v, want\n%+v", got, was)
		}
	})
}

func TestWithoutTheLeaseNobodyWritesOrDeletes(t *testing.T) {
	eachClient(t, func(b *bench) {
		leased := b.claim(lifecycle.State{ID: "a/b"}, "run-1")
		_, err := b.store.Update(b.t.Context(), leased)
		b.wants(err, store.ErrInFlight)
		b.wants(b.store.Delete(b.t.Context(), leased), store.ErrInFlight)
		b.now = leased.Lease.Until.Add(time.Second)
		if err := b.store.Delete(b.t.Context(), leased); err != nil {
			b.t.Error(err)
		}
		if err := b.store.Delete(b.t.Context(), leased); err != nil {
			b.t.Errorf("an item that is gone already: %v", err)
		}
		if keys := b.world.ItemKeys(); len(keys) != 0 {
			b.t.Errorf("left: %v", keys)
		}
	})
}

// A response that is lost after its write had its effect: the SDK repeats the call, and the repetition must not look like another run's write.
func TestLostResponses(t *testing.T) {
	ctx := t.Context()
	b := &bench{t: t, world: new(awstest.World), now: start}
	s, err := dynamostate.New(dynamostate.Config{Client: b.world.DynamoDB(), Table: awstest.StateTable, Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	b.store = s
	lose := func() { b.world.Inject(awstest.Fault{Op: awstest.UpdateItem, Effect: awstest.LostResponse, Times: 1}) }

	lose()
	leased := b.claim(lifecycle.State{ID: "a/b"}, "run-1")
	lose()
	next := full("a/b")
	next.Revision, next.Lease = leased.Revision, leased.Lease
	if err := s.Commit(ctx, next); err != nil {
		t.Error(err)
	}
	lose()
	updated, err := s.Update(ctx, b.get("a/b"))
	if err != nil || updated.Revision != 3 {
		t.Errorf("%+v, %v", updated, err)
	}
	leased = b.claim(updated, "run-2")
	lose()
	if err := s.Release(ctx, leased); err != nil {
		t.Error(err)
	}
	if got := b.world.Count(awstest.UpdateItem); got.Lost != 4 {
		t.Errorf("%d responses were lost, want 4", got.Lost)
	}
}

func TestScanAndGetReadEverything(t *testing.T) {
	eachClient(t, func(b *bench) {
		const n = 3000
		want := make([]string, n)
		for i := range n {
			want[i] = fmt.Sprintf("tenant-%04d/main", i)
			item := map[string]json.RawMessage{"revision": json.RawMessage(`{"N":"1"}`), "pad": json.RawMessage(`{"S":"padding"}`)}
			if err := b.world.PutItem(want[i], item); err != nil {
				b.t.Fatal(err)
			}
		}
		seen := map[string]int{}
		if err := b.store.Scan(b.t.Context(), func(page []lifecycle.State) {
			for _, s := range page {
				seen[s.ID]++
			}
		}); err != nil {
			b.t.Fatal(err)
		}
		if len(seen) != n || seen[want[n-1]] != 1 {
			b.t.Errorf("%d of %d items, the last one %d times", len(seen), n, seen[want[n-1]])
		}
		found, err := b.store.Get(b.t.Context(), append(want[:250:250], "nobody/here", want[0]))
		if err != nil || len(found) != 250 {
			b.t.Errorf("%d items, %v; want 250", len(found), err)
		}
	})
}

func TestALongTableIsReadInSegments(t *testing.T) {
	b := &bench{t: t, world: new(awstest.World)}
	big := fmt.Appendf(nil, `{"S":"%0*d"}`, 350<<10, 0)
	for i := range 60 { // 20 MB
		if err := b.world.PutItem(fmt.Sprint("c", i), map[string]json.RawMessage{"pad": big}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: b.world}, Table: awstest.StateTable})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	if err := s.Scan(t.Context(), func(page []lifecycle.State) {
		for _, s := range page {
			seen[s.ID] = true
		}
	}); err != nil || len(seen) != 60 {
		t.Errorf("%d of 60 items, %v", len(seen), err)
	}
	b.world.Inject(awstest.Fault{Op: awstest.Scan, Effect: awstest.InternalError, Skip: 15})
	if err := s.Scan(t.Context(), func([]lifecycle.State) {}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a segment that fails: %v", err)
	}
}

// Items that somebody edited, or that a newer version wrote.
func TestStrangeItems(t *testing.T) {
	good := `{"S":"2026-01-02T03:04:05Z"}`
	later := `{"S":"2026-01-03T03:04:05Z"}`
	token := map[string]string{"revision": `{"N":"4"}`, "issued_at": good, "renew_at": good, "expires_at": later, "parameter_version": `{"N":"7"}`}
	with := func(name, value string) map[string]string {
		item := map[string]string{}
		for k, v := range token {
			item[k] = v
		}
		item[name] = value
		return item
	}
	for name, c := range map[string]struct {
		item    map[string]string
		token   bool
		failure bool
		newer   bool
	}{
		"as it is written":                  {item: token, token: true},
		"a newer schema":                    {item: with("schema", `{"N":"2"}`), newer: true},
		"an instant that is none":           {item: with("expires_at", `{"S":"tomorrow"}`)},
		"an instant as a number":            {item: with("expires_at", `{"N":"1767409445"}`)},
		"an instant of another millennium":  {item: with("expires_at", `{"S":"9026-01-03T03:04:05Z"}`)},
		"an expiry before the issue":        {item: with("expires_at", `{"S":"2026-01-01T03:04:05Z"}`)},
		"no version":                        {item: with("parameter_version", `{"N":"0"}`)},
		"a version that is no whole number": {item: with("parameter_version", `{"N":"7.5"}`)},
		"a failure that is a text":          {item: with("failure", `{"S":"broken"}`), token: true},
		"a failure without instants":        {item: with("failure", `{"M":{"class":{"S":"transient"}}}`), token: true},
		"a failure":                         {item: with("failure", `{"M":{"class":{"S":"transient"},"first_at":`+good+`,"last_at":`+good+`}}`), token: true, failure: true},
		"a lease without an end":            {item: with("lease", `{"M":{"owner":{"S":"x"}}}`), token: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t: t, world: new(awstest.World), now: start}
			s, err := dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: b.world}, Table: awstest.StateTable, Now: func() time.Time { return b.now }})
			if err != nil {
				t.Fatal(err)
			}
			b.store = s
			raw := map[string]json.RawMessage{}
			for k, v := range c.item {
				raw[k] = json.RawMessage(v)
			}
			if err := b.world.PutItem("a/b", raw); err != nil {
				t.Fatal(err)
			}
			got := b.get("a/b")
			if (got.Token != nil) != c.token || (got.Failure != nil) != c.failure || got.Newer != c.newer || got.Revision != 4 {
				t.Errorf("%+v", got)
			}
			_, err = s.Claim(t.Context(), got, b.owner("run"))
			if c.newer {
				b.wants(err, store.ErrNewer)
			} else if err != nil {
				t.Errorf("it cannot be claimed: %v", err)
			}
		})
	}
}

func TestAnItemByHandWithoutARevisionCanBeClaimed(t *testing.T) {
	eachClient(t, func(b *bench) {
		if err := b.world.PutItem("a/b", map[string]json.RawMessage{"note": json.RawMessage(`{"S":"hello"}`)}); err != nil {
			b.t.Fatal(err)
		}
		if got := b.claim(b.get("a/b"), "run"); got.Revision != 1 {
			b.t.Errorf("%+v", got)
		}
	})
}

func TestErrorsSayWhatHappened(t *testing.T) {
	for effect, want := range map[awstest.Effect]error{
		awstest.Throttled: store.ErrThrottled, awstest.InternalError: store.ErrUnavailable, awstest.AccessDenied: store.ErrAccessDenied,
	} {
		b := &bench{t: t, world: new(awstest.World), now: start}
		s, err := dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: b.world}, Table: awstest.StateTable})
		if err != nil {
			t.Fatal(err)
		}
		b.world.Inject(awstest.Fault{Effect: effect})
		_, claim := s.Claim(t.Context(), lifecycle.State{ID: "a/b"}, b.owner("run"))
		_, get := s.Get(t.Context(), []string{"a/b"})
		_, update := s.Update(t.Context(), lifecycle.State{ID: "a/b"})
		leased := lifecycle.State{ID: "a/b", Lease: &lifecycle.Lease{Owner: "run"}}
		for what, err := range map[string]error{
			"claim": claim, "get": get, "update": update, "commit": s.Commit(t.Context(), leased), "release": s.Release(t.Context(), leased),
			"delete": s.Delete(t.Context(), leased), "scan": s.Scan(t.Context(), func([]lifecycle.State) {}),
		} {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
	}
	s, err := dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: new(awstest.World)}, Table: "NoSuchTable"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scan(context.Background(), func([]lifecycle.State) {}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such table: %v", err)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := dynamostate.New(dynamostate.Config{Table: "a b", CallTimeout: -1})
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
}
