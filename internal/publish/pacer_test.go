package publish_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/publish"
	"github.com/chaveiro/chaveiro/internal/store"
)

func ok(context.Context) error { return nil }

func refuse(context.Context) error { return fmt.Errorf("PutParameter: %w", store.ErrThrottled) }

func fails(context.Context) error { return fmt.Errorf("PutParameter: %w", store.ErrUnavailable) }

// writesOf lets many workers write as fast as the pacer lets them, and returns when each write started.
func writesOf(t *testing.T, p *publish.Pacer, workers, each int) []time.Time {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var at []time.Time
	for range workers {
		wg.Go(func() {
			for range each {
				err := p.Do(t.Context(), func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					at = append(at, time.Now())
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	slices.SortFunc(at, time.Time.Compare)
	return at
}

func TestNoOneSecondWindowHoldsMoreWritesThanAllowed(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 2.5, 3, 7, 10, 40} {
		synctest.Test(t, func(t *testing.T) {
			at := writesOf(t, publish.NewPacer(rate, time.Now), 16, 10)
			allowed := int(math.Ceil(rate)) // a window of one second may begin with a write
			for i := range at {
				n := 0
				for j := i; j < len(at) && at[j].Sub(at[i]) < time.Second; j++ {
					n++
				}
				if n > allowed {
					t.Fatalf("rate %g: %d writes within one second of %s", rate, n, at[i])
				}
			}
			took, bound := at[len(at)-1].Sub(at[0]), time.Duration(float64(len(at)-1)/rate*float64(time.Second))
			if took < bound || took > bound+time.Millisecond {
				t.Errorf("rate %g: %d writes took %s, want %s", rate, len(at), took, bound)
			}
		})
	}
}

func TestTheFirstWriteIsNotHeldUpAndIdleTimeIsNotSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := publish.NewPacer(2, time.Now), time.Now()
		if err := p.Do(t.Context(), ok); err != nil || time.Since(start) != 0 {
			t.Fatalf("the first write waited %s, %v", time.Since(start), err)
		}
		time.Sleep(time.Hour)
		if at := writesOf(t, p, 3, 1); at[2].Sub(at[0]) != time.Second {
			t.Errorf("three writes after an idle hour took %s, want a second: no bursts", at[2].Sub(at[0]))
		}
	})
}

func TestASlowWriteHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := publish.NewPacer(2, time.Now), time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _ = p.Do(t.Context(), func(context.Context) error { time.Sleep(time.Minute); return nil }) })
		}
		wg.Wait()
		if took := time.Since(start); took != time.Minute+1500*time.Millisecond {
			t.Errorf("four writes of a minute, two a second, took %s", took)
		}
	})
}

func TestAThrottledPacerSlowsDownToATenthAndRecoversToAllOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish.NewPacer(10, time.Now)
		_ = p.Do(t.Context(), refuse)
		once := p.Rate()
		if once >= 10 || once < 5 {
			t.Errorf("after one throttled write: %g a second, want a little less than 10", once)
		}
		_ = p.Do(t.Context(), refuse)
		if p.Rate() >= once {
			t.Errorf("after another in a row: %g a second, want less than %g", p.Rate(), once)
		}
		for range 100 {
			_ = p.Do(t.Context(), refuse)
		}
		if p.Rate() != 1 {
			t.Errorf("after a hundred: %g a second, want a tenth of the maximum, where it can still learn", p.Rate())
		}
		_ = p.Do(t.Context(), fails)
		if p.Rate() != 1 {
			t.Errorf("a write without a response changed the rate to %g", p.Rate())
		}
		_ = p.Do(t.Context(), ok)
		if p.Rate() <= 1 || p.Rate() > 1.5 {
			t.Errorf("after one success: %g a second, want a little more than 1", p.Rate())
		}
		for range 1000 {
			_ = p.Do(t.Context(), ok)
		}
		if p.Rate() != 10 {
			t.Errorf("after a thousand: %g a second, want exactly all", p.Rate())
		}
	})
}

func TestThrottledWritesWithASuccessBetweenThemAreNotInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish.NewPacer(10, time.Now)
		for _, call := range []func(context.Context) error{refuse, ok, refuse} {
			_ = p.Do(t.Context(), call)
		}
		if got, want := p.Rate(), (9+0.03)*0.9; math.Abs(got-want) > 1e-9 {
			t.Errorf("%g a second, want %g", got, want)
		}
	})
}

func TestAWriteFromBeforeTheLastSlowDownSaysNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish.NewPacer(10, time.Now)
		var wg sync.WaitGroup
		for range 5 { // all start before the first of them is throttled
			wg.Go(func() {
				_ = p.Do(t.Context(), func(ctx context.Context) error { time.Sleep(time.Second); return refuse(ctx) })
			})
		}
		wg.Wait()
		if p.Rate() != 9 {
			t.Errorf("five throttled writes that were under way together: %g a second, want 9", p.Rate())
		}
	})
}

// A caller that already waits when the rate drops must wait for the new gap: the write that is throttled names the instant.
func TestTheGapIsNeverBelowThePresentRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish.NewPacer(1, time.Now)
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = p.Do(t.Context(), func(ctx context.Context) error { time.Sleep(900 * time.Millisecond); return refuse(ctx) })
		})
		synctest.Wait()
		wg.Go(func() { // waits for the end of the first second
			_ = p.Do(t.Context(), func(context.Context) error { return nil })
		})
		time.Sleep(950 * time.Millisecond)
		slowedAt, start := 900*time.Millisecond, time.Now().Add(-950*time.Millisecond)
		gap := time.Duration(math.Ceil(float64(time.Second) / p.Rate()))
		wg.Wait()
		if got := time.Since(start); got != slowedAt+gap {
			t.Errorf("the next write started after %s, want %s after the throttled one", got, gap)
		}
	})
}

func TestAThrottledPacerWritesAtTheLowerRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish.NewPacer(10, time.Now)
		for range 100 {
			_ = p.Do(t.Context(), refuse)
		}
		start := time.Now()
		var at []time.Duration
		for range 4 {
			_ = p.Do(t.Context(), func(ctx context.Context) error { at = append(at, time.Since(start)); return refuse(ctx) })
		}
		if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("at one a second writes started after %s, want %s", at, want)
		}
	})
}

// The quota that others leave is 4 a second; the pacer may use 10. It must find its way below without losing much of what there is.
func TestThePacerSettlesAtWhatOthersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := publish.NewPacer(10, time.Now), time.Now()
		level, last := 4.0, start
		done, refused := 0, 0
		for done < 200 {
			_ = p.Do(t.Context(), func(ctx context.Context) error {
				level, last = min(4, level+4*time.Since(last).Seconds()), time.Now()
				if level < 1 {
					refused++
					return refuse(ctx)
				}
				level--
				done++
				return nil
			})
		}
		if took := time.Since(start); took > 65*time.Second {
			t.Errorf("200 writes at 4 a second took %s", took)
		}
		if refused > 40 {
			t.Errorf("%d of %d writes were refused", refused, done+refused)
		}
	})
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, called := publish.NewPacer(0.1, time.Now), false
		_ = p.Do(t.Context(), ok)
		ctx, start := until(t, 3*time.Second), time.Now()
		call := func(context.Context) error { called = true; return nil }
		err := p.Do(ctx, call)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Do = %v after %s", err, time.Since(start))
		}
		if !strings.Contains(err.Error(), "no turn to write before the deadline, at 0.1 writes a second") {
			t.Errorf("the error is %q", err)
		}
		if err := publish.NewPacer(1, time.Now).Do(ctx, call); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a free turn was given to a caller that is gone: %v", err)
		}
		if called {
			t.Error("a call was made after its deadline")
		}
	})
}

func TestATurnThatIsGivenUpIsThereForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := publish.NewPacer(0.1, time.Now), time.Now()
		_ = p.Do(t.Context(), ok)
		var wg sync.WaitGroup
		for range 5 {
			ctx := until(t, 3*time.Second)
			wg.Go(func() {
				if err := p.Do(ctx, ok); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Do = %v", err)
				}
			})
		}
		wg.Wait()
		if err := p.Do(t.Context(), ok); err != nil || time.Since(start) != 10*time.Second {
			t.Errorf("the next write started after %s, %v, want 10s: those who left have no turn", time.Since(start), err)
		}
	})
}

func TestTurnsComeInTheOrderInWhichCallersCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish.NewPacer(1, time.Now)
		_ = p.Do(t.Context(), ok) // so that all others have to wait
		var wg sync.WaitGroup
		var got, want []int
		for caller := range 20 {
			wg.Go(func() {
				for range 3 {
					_ = p.Do(t.Context(), func(context.Context) error { got = append(got, caller); return nil })
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		for range 3 {
			for caller := range 20 {
				want = append(want, caller)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("turns went to %v", got)
		}
	})
}
