package scenario

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

func newWorld(t *testing.T) *World {
	t.Helper()
	w, err := New(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// mustRun runs a sweep that keeps every promise and ends without an error.
func mustRun(t *testing.T, w *World) Invocation {
	t.Helper()
	in := w.Run(t.Context(), "")
	if in.Err != nil {
		t.Fatal(in.Err)
	}
	for _, broken := range in.Broken {
		t.Error(broken)
	}
	return in
}

// TestThousandTenants: an import of 1,000 connections, and then an outage of their provider. Three writes a second let 800 through in one run
// of 4.5 minutes; no token is fetched that is not written, and none twice. The lists of a result hold 100, its counts are complete.
func TestThousandTenants(t *testing.T) {
	whole(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const tenants = 1000
		w := newWorld(t)
		if err := w.ConnectMany(tenants, "hotmart", "t/"); err != nil {
			t.Fatal(err)
		}
		first := mustRun(t, w)
		c := first.Result.Counts
		if c.Refreshed+c.Deferred != tenants || c.Refreshed < 750 || c.Refreshed > 810 {
			t.Errorf("first run: %+v", c)
		}
		if first.Calls["hotmart"] != c.Refreshed || first.Writes() != c.Refreshed {
			t.Errorf("first run: %d tokens, %d calls, %d writes", c.Refreshed, first.Calls["hotmart"], first.Writes())
		}
		if len(first.Result.Refreshed) != 100 || len(first.Result.Deferred) != 100 {
			t.Errorf("lists of %d and %d entries", len(first.Result.Refreshed), len(first.Result.Deferred))
		}
		if limit := 270 * time.Second; first.Took > limit {
			t.Errorf("first run took %v of %v", first.Took, limit)
		}

		w.Advance(5*time.Minute - first.Took)
		second := mustRun(t, w)
		if got := second.Result.Counts; got.Refreshed != tenants-c.Refreshed || got.Fresh != c.Refreshed {
			t.Errorf("second run: %+v", got)
		}
		if total := w.Provider("hotmart").Total(); total.Minted != tenants || total.TokenCalls != tenants {
			t.Errorf("%d tokens for %d tenants in %d calls", total.Minted, tenants, total.TokenCalls)
		}

		w.Advance(5 * time.Minute)
		idle := mustRun(t, w)
		calls := idle.total()
		if most := tenants/100 + tenants/50 + 2; idle.Result.Counts.Fresh != tenants || calls > most || idle.Read != 0 {
			t.Errorf("idle sweep: %+v with %d calls (at most %d), %d secrets read", idle.Result.Counts, calls, most, idle.Read)
		}

		w.Advance(30 * time.Hour)
		w.down("hotmart")
		in := mustRun(t, w)
		if got := in.Result.Counts; in.Calls["hotmart"] != 3 || in.Writes() != 0 || got.Failed != 3 || got.Deferred != tenants-3 {
			t.Errorf("outage: %d calls, %d writes, %+v", in.Calls["hotmart"], in.Writes(), got)
		}
	})
}

// TestManyTenantsAllRefused: 300 new tenants whose client credentials are all refused, with one write in two seconds. Their failures are in the state
// table after the first run; the parameters refresh_failure follow at the pace of the writes.
func TestManyTenantsAllRefused(t *testing.T) {
	whole(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const tenants = 300
		w := newWorld(t)
		w.Settings.MaxWritesPerSecond = 0.5
		if err := w.ConnectMany(tenants, "kiwify", "t/"); err != nil {
			t.Fatal(err)
		}
		for i := range tenants {
			w.Provider("kiwify").Remove(w.ClientID("t-" + itoa(i+1)))
		}
		for n := range 4 {
			in := mustRun(t, w)
			c := in.Result.Counts
			if c.Failed != tenants || n == 0 && in.Calls["kiwify"] != tenants {
				t.Errorf("run %d: %d calls, %+v", n, in.Calls["kiwify"], c)
			}
			if most := int(0.5 * in.Took.Seconds()); in.Writes() > most+1 {
				t.Errorf("run %d: %d writes in %s", n, in.Writes(), in.Took)
			}
			if f := w.State("t/300").Failure; f == nil || f.Code != "invalid_client" {
				t.Errorf("run %d: the failure is not in the state table: %+v", n, f)
			}
			w.Advance(5*time.Minute - in.Took)
		}
		for i := range tenants {
			if _, ok := w.AWS.Parameter(ParameterName("t/"+itoa(i+1), store.KindFailure)); !ok {
				t.Fatalf("t/%d has no refresh_failure", i+1)
			}
		}
	})
}

// TestNewTenantsAndDyingTokens: while 120 tokens come due together and 120 new tenants are imported, no token dies, and the new tenants are
// served in every fourth place from the first run on.
func TestNewTenantsAndDyingTokens(t *testing.T) {
	whole(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Settings.MaxWritesPerSecond = 100
		w.lifetime("hotmart", time.Hour)
		if err := w.ConnectMany(120, "hotmart", "old/"); err != nil {
			t.Fatal(err)
		}
		mustRun(t, w)
		w.Settings.MaxWritesPerSecond = 0.4
		w.Advance(35 * time.Minute)
		if err := w.ConnectMany(120, "hotmart", "new/"); err != nil {
			t.Fatal(err)
		}
		in := mustRun(t, w)
		newOnes, total := 0, in.Result.Counts.Refreshed
		for i := range 120 {
			if name, _ := w.Token("new/" + itoa(i+1)); name != "" {
				newOnes++
			}
		}
		if newOnes < total/4-1 || newOnes > total/4+1 {
			t.Errorf("%d of %d new tokens are of new tenants, want every fourth", newOnes, total)
		}
		for range 4 {
			w.Advance(5*time.Minute - in.Took)
			in = mustRun(t, w)
			if in.Result.Health.MinSecondsToExpiry < 0 {
				t.Errorf("a token died %d s ago", -in.Result.Health.MinSecondsToExpiry)
			}
		}
		noLeaks(t, w)
	})
}

// noLeaks: nothing secret came out of all the runs.
func noLeaks(t *testing.T, w *World) {
	t.Helper()
	if leaks := Leaks(w.Canaries(), w.Emitted()); len(leaks) > 0 {
		t.Errorf("secrets came out: %q", leaks)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func (w *World) down(provider string) {
	w.Provider(provider).Inject(oauthtest.Status(http.StatusServiceUnavailable).Always())
}

func (w *World) lifetime(provider string, d time.Duration) {
	w.Provider(provider).Configure(func(s *oauthtest.Settings) { s.Lifetime = d })
}
