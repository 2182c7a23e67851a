package refresh

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writesOf lets many workers write as fast as the pacer lets them, and returns when each of them wrote.
func writesOf(t *testing.T, p *pacer, workers, each int) []time.Time {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var at []time.Time
	for range workers {
		wg.Go(func() {
			for range each {
				if _, err := p.wait(t.Context()); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				at = append(at, time.Now())
				mu.Unlock()
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
			at := writesOf(t, newPacer(rate, time.Now), 16, 10)
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
		p, start := newPacer(2, time.Now), time.Now()
		if _, err := p.wait(t.Context()); err != nil || time.Since(start) != 0 {
			t.Fatalf("the first write waited %s, %v", time.Since(start), err)
		}
		time.Sleep(time.Hour)
		if at := writesOf(t, p, 3, 1); at[2].Sub(at[0]) != time.Second {
			t.Errorf("three writes after an idle hour took %s, want a second: no bursts", at[2].Sub(at[0]))
		}
	})
}

func TestAThrottledPacerSlowsDownToATenthAndRecoversToAllOfIt(t *testing.T) {
	p, now := newPacer(10, testStart), testStart()
	p.throttled(now)
	once := p.rate
	if once >= 10 || once < 5 {
		t.Errorf("after one throttled write: %g a second, want a little less than 10", once)
	}
	p.throttled(now)
	if p.rate >= once {
		t.Errorf("after another in a row: %g a second, want less than %g", p.rate, once)
	}
	for range 100 {
		p.throttled(now)
	}
	if p.rate != 1 {
		t.Errorf("after a hundred: %g a second, want a tenth of the maximum, where it can still learn", p.rate)
	}
	p.passed()
	if p.rate <= 1 || p.rate > 1.5 {
		t.Errorf("after one write that passed: %g a second, want a little more than 1", p.rate)
	}
	for range 1000 {
		p.passed()
	}
	if p.rate != 10 {
		t.Errorf("after a thousand: %g a second, want exactly all", p.rate)
	}
}

func TestAWriteFromBeforeTheLastSlowDownSaysNothingNew(t *testing.T) {
	now := testStart()
	p := newPacer(10, func() time.Time { return now })
	p.throttled(now)
	once := p.rate
	p.throttled(now.Add(-1))
	if p.rate != once {
		t.Errorf("a write of one nanosecond before slowed it down again: %g", p.rate)
	}
}

func TestAThrottledPacerWritesAtTheLowerRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(10, time.Now)
		for range 100 {
			p.throttled(time.Now())
		}
		start := time.Now()
		at := writesOf(t, p, 4, 1)
		if first, all := at[0].Sub(start), at[3].Sub(at[0]); first != time.Second || all != 3*time.Second {
			t.Errorf("at one a second the first write waited %s, the next three took %s", first, all)
		}
	})
}

// The quota that others leave is 4 a second; the pacer may use 10. It must find its way below without losing much of what there is.
func TestThePacerSettlesAtWhatOthersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := newPacer(10, time.Now), time.Now()
		tokens, last := 4.0, start
		done, refused := 0, 0
		for done < 200 {
			place, err := p.wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tokens, last = min(4, tokens+4*time.Since(last).Seconds()), time.Now()
			if tokens < 1 {
				refused++
				p.throttled(place)
				continue
			}
			tokens--
			done++
			p.passed()
		}
		if took := time.Since(start); took > 65*time.Second {
			t.Errorf("200 writes at 4 a second took %s", took)
		}
		if refused > 40 {
			t.Errorf("%d of %d writes were refused", refused, done+refused)
		}
	})
}

func TestWaitingForAPlaceEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(0.1, time.Now)
		if _, err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := p.wait(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("wait = %v after %s", err, time.Since(start))
		}
		if _, err := newPacer(1, time.Now).wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a free place was given to a caller that is gone: %v", err)
		}
	})
}

func TestAPlaceThatIsGivenUpIsThereForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(0.1, time.Now)
		start := time.Now()
		if _, err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			wg.Go(func() {
				if _, err := p.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("wait = %v", err)
				}
			})
		}
		wg.Wait()
		if place, err := p.wait(t.Context()); err != nil || place.Sub(start) != 10*time.Second {
			t.Errorf("the next place came after %s, %v, want 10s: those who left have none", place.Sub(start), err)
		}
	})
}

func TestTimeForCountsThePlaceThatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(2, time.Now)
		if got := p.timeFor(4); got != 2*time.Second {
			t.Errorf("four writes: %s, want 2s", got)
		}
		if _, err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := p.timeFor(1), time.Second; got != want {
			t.Errorf("one write right after another: %s, want %s", got, want)
		}
		time.Sleep(time.Minute)
		if got := p.timeFor(1); got != 500*time.Millisecond {
			t.Errorf("one write after a minute: %s, want 500ms", got)
		}
	})
}
