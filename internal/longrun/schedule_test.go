package longrun_test

import (
	"context"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// sweeps counts what the runs of a simulation came to.
type sweeps struct {
	mu      sync.Mutex
	total   int
	broken  int // ended with an error of the whole run
	crashed int // died on the way, see troubles
	longest time.Duration
}

// keepOn fires the schedule until the world has lasted for the given time. look, if there is one, sees each result.
func (w *world) keepOn(total time.Duration, look func(refresh.Result)) {
	w.t.Helper()
	function := w.newContainer()
	w.everyPeriod(total, func() {
		result, err := w.sweep(function, timeout)
		if err != nil {
			w.t.Fatalf("%s after the start: %v", time.Since(w.start), err)
		}
		if look != nil {
			look(result)
		}
	})
}

// everyPeriod calls fire once a period, as late as chance has it, until the world has lasted for the given time.
func (w *world) everyPeriod(total time.Duration, fire func()) {
	first := time.Since(w.start)
	if over := first % period; over > 0 {
		first += period - over
	}
	for at := first; at < total; at += period {
		late := time.Duration(w.chance.Int64N(int64(jitter)))
		sleepUntil(w.start.Add(at + late))
		fire()
	}
	sleepUntil(w.start.Add(total))
}

// sweep runs the schedule's event in a container with the deadline of its function.
func (w *world) sweep(c *container, deadline time.Duration) (refresh.Result, error) {
	return w.invoke(c, deadline, refresh.Call{})
}

func (w *world) invoke(c *container, deadline time.Duration, what refresh.Call) (refresh.Result, error) {
	refresher, err := refresh.New(c.config)
	w.must(err)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	began := time.Now()
	result, err := refresher.Run(ctx, what, refresh.Invocation{})
	if c.ended.Load() {
		return result, nil // nobody hears of it
	}
	s := &w.sweeps
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	if err != nil {
		s.broken++
	}
	s.longest = max(s.longest, time.Since(began))
	return result, err
}

func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }
