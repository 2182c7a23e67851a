package lifecycle_test

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return instant
}

// formula is contract.md section 5 in exact fractions: a second implementation to compare with.
func formula(connection string, issued time.Time, lifetime time.Duration, p lifecycle.Policy) time.Time {
	seconds := func(d time.Duration) *big.Rat { return big.NewRat(int64(d), int64(time.Second)) }
	life := seconds(lifetime)
	ratio, _ := new(big.Rat).SetString(fmt.Sprint(p.RefreshAt))
	latest := new(big.Rat).Mul(ratio, life)
	bound := new(big.Rat).Sub(life, seconds(p.ReaderCache+time.Minute+3*p.Period))
	if half := new(big.Rat).Quo(life, big.NewRat(2, 1)); bound.Cmp(half) < 0 {
		bound = half
	}
	if bound.Cmp(latest) < 0 {
		latest = bound
	}
	sum := sha256.Sum256([]byte(connection + "|" + issued.UTC().Format("2006-01-02T15:04:05Z")))
	third := new(big.Rat).SetFrac(new(big.Int).SetBytes(sum[:8]), new(big.Int).Mul(big.NewInt(3), new(big.Int).Lsh(big.NewInt(1), 64)))
	wait := new(big.Rat).Mul(latest, new(big.Rat).Sub(big.NewRat(1, 1), third))
	whole := new(big.Int).Quo(wait.Num(), wait.Denom())
	return issued.UTC().Add(time.Duration(whole.Int64()) * time.Second)
}

func TestRenewAtEqualsTheFormulaOfTheContract(t *testing.T) {
	with := func(refreshAt float64, period, cache time.Duration) lifecycle.Policy {
		return lifecycle.Policy{Period: period, ReaderCache: cache, RefreshAt: refreshAt}
	}
	for name, c := range map[string]struct {
		connection, issued string
		lifetime           time.Duration
		policy             lifecycle.Policy
		want               string
	}{
		"Kiwify's 24 h":                      {"kiwify/main", "2026-01-02T03:04:05Z", 24 * time.Hour, standard(), "2026-01-02T13:00:02Z"},
		"Hotmart's 48 h":                     {"hotmart/loja-a", "2026-01-02T03:04:05Z", 48 * time.Hour, standard(), "2026-01-02T22:33:25Z"},
		"an hour, over New Year":             {"hotmart/loja-a", "2026-12-31T23:59:59Z", time.Hour, standard(), "2027-01-01T00:33:53Z"},
		"half an hour: half of the lifetime": {"tenant-42/kiwify/main", "2026-06-30T12:00:00Z", 30 * time.Minute, standard(), "2026-06-30T12:14:46Z"},
		"the largest fraction, 0.9": {"kiwify/main", "2026-01-02T03:04:05Z", 24 * time.Hour, with(0.9, 5*time.Minute, 5*time.Minute),
			"2026-01-02T17:58:01Z"},
		"the smallest fraction, 0.3": {"kiwify/main", "2026-01-02T03:04:05Z", 24 * time.Hour, with(0.3, 5*time.Minute, 5*time.Minute),
			"2026-01-02T08:02:03Z"},
		"min_remaining decides, on a leap day": {"x", "2028-02-29T00:00:00Z", 55 * time.Minute, with(0.9, 5*time.Minute, 5*time.Minute),
			"2028-02-29T00:27:08Z"},
		"the longest lifetime":       {"x", "2028-02-29T00:00:00Z", 400 * 24 * time.Hour, standard(), "2028-09-07T15:09:59Z"},
		"another schedule, no cache": {"a/b", "2026-01-02T03:04:05Z", 2 * time.Hour, with(0.9, time.Minute, 0), "2026-01-02T04:43:03Z"},
	} {
		t.Run(name, func(t *testing.T) {
			issued, want := at(t, c.issued), at(t, c.want)
			if got := c.policy.RenewAt(c.connection, issued, c.lifetime); !got.Equal(want) {
				t.Errorf("RenewAt = %s, want %s", got, want)
			}
			if got := formula(c.connection, issued, c.lifetime, c.policy); !got.Equal(want) {
				t.Errorf("the second implementation gives %s, want %s", got, want)
			}
		})
	}
}

func TestAReaderGetsFourTenthsOfALifetimeThatIsLongEnough(t *testing.T) {
	p := standard()
	for _, lifetime := range []time.Duration{2 * p.MinRemaining(), time.Hour, 24 * time.Hour, 48 * time.Hour, 30 * 24 * time.Hour,
		400 * 24 * time.Hour} {
		for i := range 200 {
			issued := time.Unix(1_800_000_000+int64(i), 0)
			if left := lifetime - p.RenewAt("hotmart/loja-a", issued, lifetime).Sub(issued); left < lifetime*4/10 {
				t.Fatalf("a token of %s is renewed with only %s left", lifetime, left)
			}
		}
	}
}

func TestAThousandTenantsOfOneInstantAreSpreadEvenly(t *testing.T) {
	p, issued, lifetime := standard(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 24*time.Hour
	window := p.MaxAge(lifetime) / 3
	start := issued.Add(p.MaxAge(lifetime) * 2 / 3)
	var slots [20]int
	for i := range 1000 {
		into := p.RenewAt(fmt.Sprintf("tenant-%d/kiwify/main", i), issued, lifetime).Sub(start)
		slots[min(19, max(0, int(20*into/window)))]++
	}
	for i, n := range slots {
		if n < 25 || n > 80 { // 50 expected, deviation 7
			t.Errorf("slot %d of 20 has %d of 1,000 connections: %v", i, n, slots)
		}
	}
}

func TestRenewAtDependsOnConnectionAndInstantOnly(t *testing.T) {
	p, issued := standard(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := p.RenewAt("kiwify/main", issued, 24*time.Hour)
	if b := p.RenewAt("kiwify/main", issued.In(time.FixedZone("BRT", -3*60*60)), 24*time.Hour); !a.Equal(b) {
		t.Errorf("in another zone it is %s instead of %s", b, a)
	}
	if b := p.RenewAt("kiwify/other", issued, 24*time.Hour); a.Equal(b) {
		t.Errorf("two connections share the slot %s", a)
	}
	if b := p.RenewAt("kiwify/main", issued.Add(time.Second), 24*time.Hour); b.Sub(a).Abs() < 2*time.Second {
		t.Errorf("the next token has the same slot: %s, %s", a, b)
	}
}

func TestTheFractionOfAConnectionReplacesThatOfTheInstallation(t *testing.T) {
	for name, c := range map[string]struct{ fraction, want float64 }{
		"another one":          {0.3, 0.3},
		"none":                 {0, 0.6},
		"a negative one: none": {-0.3, 0.6},
	} {
		t.Run(name, func(t *testing.T) {
			want := standard()
			want.RefreshAt = c.want
			if got := standard().For(c.fraction); got != want {
				t.Errorf("For(%g) = %+v, want %+v", c.fraction, got, want)
			}
		})
	}
}

func TestMaxAgeAndWhatBoundsIt(t *testing.T) {
	p := standard()
	if got, want := p.MinRemaining(), 21*time.Minute; got != want {
		t.Errorf("MinRemaining = %s, want %s", got, want)
	}
	if got, want := p.EmergencyWindow(), 15*time.Minute; got != want {
		t.Errorf("EmergencyWindow = %s, want %s", got, want)
	}
	ninety := p
	ninety.RefreshAt = 0.9
	for name, c := range map[string]struct {
		policy         lifecycle.Policy
		lifetime, want time.Duration
	}{
		"a long lifetime: refresh_at decides":                           {p, 24 * time.Hour, 14*time.Hour + 24*time.Minute},
		"a short lifetime: half of it, since min_remaining leaves less": {p, 30 * time.Minute, 15 * time.Minute},
		"exactly twice min_remaining: both say the same":                {ninety, 42 * time.Minute, 21 * time.Minute},
		"a nanosecond more than twice: min_remaining":                   {ninety, 42*time.Minute + 1, 21*time.Minute + 1},
		"min_remaining and refresh_at meet at ten times":                {ninety, 210 * time.Minute, 189 * time.Minute},
		"a lifetime below min_remaining is halved, not negative":        {p, time.Minute, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.policy.MaxAge(c.lifetime); got != c.want {
				t.Errorf("MaxAge(%s) = %s, want %s", c.lifetime, got, c.want)
			}
		})
	}
}

func TestALifetimeIsTooShortForTheScheduleBelowTwiceMinRemaining(t *testing.T) {
	p := standard()
	for name, c := range map[string]struct {
		lifetime time.Duration
		want     bool
	}{
		"one nanosecond less": {2*p.MinRemaining() - 1, true},
		"exactly":             {2 * p.MinRemaining(), false},
		"one nanosecond more": {2*p.MinRemaining() + 1, false},
		"a day":               {24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := p.TooShort(c.lifetime); got != c.want {
				t.Errorf("TooShort(%s) = %t, want %t", c.lifetime, got, c.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	slow := standard()
	slow.Period = time.Hour
	days := standard()
	days.Period = 40 * 24 * time.Hour
	for name, c := range map[string]struct {
		policy   lifecycle.Policy
		attempts int
		left     time.Duration
		want     time.Duration
	}{
		"after the first failure one period":                   {standard(), 1, 0, 5 * time.Minute},
		"after the second two":                                 {standard(), 2, 0, 10 * time.Minute},
		"after the third four":                                 {standard(), 3, 0, 20 * time.Minute},
		"after the fourth the bound":                           {standard(), 4, 0, 30 * time.Minute},
		"after the hundredth the bound":                        {standard(), 100, 0, 30 * time.Minute},
		"a negative count is taken for one":                    {standard(), -7, 0, 5 * time.Minute},
		"no count is taken for one":                            {standard(), 0, 0, 5 * time.Minute},
		"an eighth of the remaining time, if shorter":          {standard(), 4, 80 * time.Minute, 10 * time.Minute},
		"an eighth of exactly the wait":                        {standard(), 1, 40 * time.Minute, 5 * time.Minute},
		"an eighth one nanosecond shorter than the wait":       {standard(), 1, 40*time.Minute - 1, 5*time.Minute - 1},
		"a long lifetime does not lengthen the wait":           {standard(), 1, 48 * time.Hour, 5 * time.Minute},
		"an expired token counts as none":                      {standard(), 3, -time.Hour, 20 * time.Minute},
		"a token that expires now counts as none":              {standard(), 3, 0, 20 * time.Minute},
		"a period above the bound is bounded":                  {slow, 1, 0, 30 * time.Minute},
		"a period so long that its double would overflow":      {days, 16, 0, 30 * time.Minute},
		"the largest count there can be":                       {standard(), int(^uint(0) >> 1), 0, 30 * time.Minute},
		"fifteen doublings of a nanosecond":                    {lifecycle.Policy{Period: 1}, 16, 0, 1 << 15},
		"sixteen doublings are the bound, whatever the period": {lifecycle.Policy{Period: 1}, 17, 0, 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.policy.Backoff(c.attempts, c.left); got != c.want {
				t.Errorf("Backoff(%d, %s) = %s, want %s", c.attempts, c.left, got, c.want)
			}
		})
	}
}

func TestTrialEvery(t *testing.T) {
	for name, c := range map[string]struct{ lifetime, want time.Duration }{
		"an unknown lifetime: an hour":                  {0, time.Hour},
		"a day: an hour":                                {24 * time.Hour, time.Hour},
		"exactly eight hours: an hour":                  {8 * time.Hour, time.Hour},
		"a little under eight hours: an eighth":         {8*time.Hour - 8, time.Hour - 1},
		"an hour: an eighth":                            {time.Hour, 7*time.Minute + 30*time.Second},
		"forty minutes: an eighth, which is the period": {40 * time.Minute, 5 * time.Minute},
		"less than that: the period, never more often":  {39 * time.Minute, 5 * time.Minute},
		"a negative lifetime: an hour":                  {-time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if got := standard().TrialEvery(c.lifetime); got != c.want {
				t.Errorf("TrialEvery(%s) = %s, want %s", c.lifetime, got, c.want)
			}
		})
	}
}

func TestTrialDueAndNextTrial(t *testing.T) {
	p, first := standard(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		after time.Duration
		due   bool
		next  time.Duration // after first
	}{
		"before the first failure, by a clock that is behind": {-time.Minute, false, time.Hour},
		"right after the first failure":                       {0, false, time.Hour},
		"within a period of the first failure":                {p.Period - 1, false, time.Hour},
		"one nanosecond before the first window":              {time.Hour - 1, false, time.Hour},
		"exactly at the first window":                         {time.Hour, true, 2 * time.Hour},
		"one nanosecond into the first window":                {time.Hour + 1, true, 2 * time.Hour},
		"the last nanosecond of the first window":             {time.Hour + p.Period - 1, true, 2 * time.Hour},
		"exactly at its end":                                  {time.Hour + p.Period, false, 2 * time.Hour},
		"one nanosecond before the hundredth window":          {100*time.Hour - 1, false, 100 * time.Hour},
		"exactly at the hundredth window":                     {100 * time.Hour, true, 101 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			now := first.Add(c.after)
			if got := p.TrialDue(now, first, time.Hour); got != c.due {
				t.Errorf("TrialDue = %t, want %t", got, c.due)
			}
			if got, want := p.NextTrial(now, first, time.Hour), first.Add(c.next); !got.Equal(want) {
				t.Errorf("NextTrial = %s, want %s", got, want)
			}
		})
	}
}

// A sweep every period meets every window once, whatever its phase: no trial comes sooner than the interval and the period allow.
func TestAScheduleWithoutJitterMeetsEveryWindowOnce(t *testing.T) {
	p, first := standard(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, lifetime := range []time.Duration{0, 24 * time.Hour, 48 * time.Hour, time.Hour, 97 * time.Minute, 20 * time.Minute} {
		interval := p.TrialEvery(lifetime)
		for _, phase := range []time.Duration{0, 1, time.Second, p.Period / 2, p.Period - time.Second, p.Period - 1} {
			var trials []time.Time
			for sweep := first.Add(phase); sweep.Sub(first) < 24*time.Hour; sweep = sweep.Add(p.Period) {
				if p.TrialDue(sweep, first, interval) {
					trials = append(trials, sweep)
				}
			}
			if want := int(24*time.Hour/interval) - 1; len(trials) < want || len(trials) > want+1 {
				t.Errorf("lifetime %s, phase %s: %d trials in a day, want about %d", lifetime, phase, len(trials), want)
			}
			for i := 1; i < len(trials); i++ {
				if gap := trials[i].Sub(trials[i-1]); gap < p.Period || gap <= interval-p.Period {
					t.Errorf("lifetime %s, phase %s: two trials only %s apart", lifetime, phase, gap)
				}
			}
		}
	}
}

func TestTheNextTrialIsAheadWhateverTheDateOfTheFailure(t *testing.T) {
	p, now := standard(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, year := range []int{1, 1700, 9999} {
		first := time.Date(year, 1, 1, 0, 0, 1, 0, time.UTC)
		if next := p.NextTrial(now, first, time.Hour); !next.After(now) {
			t.Errorf("first_at %s: next trial %s is over", first, next)
		}
	}
}
