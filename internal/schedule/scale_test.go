//go:build unix

package schedule_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// processorTime is what this process has used. Other than the time that passes, it does not depend on what else the machine does.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// wantNearlyLinear runs work of 12,500 and of 50,000 jobs, under -short of fewer. Linear work costs 4 times as much, a heap a little more, a
// scan of all jobs or endpoints at each start 16 times. A busy machine can spoil a measurement, so one good one of five is enough.
func wantNearlyLinear(t *testing.T, work func(n int)) {
	t.Helper()
	n := 12_500
	if testing.Short() {
		n = 5_000
	}
	cost := func(n int) time.Duration {
		began := processorTime(t)
		work(n)
		return processorTime(t) - began
	}
	for range 5 {
		small, large := cost(n), cost(4*n)
		ratio := float64(large) / float64(small)
		t.Logf("%d jobs %s, %d jobs %s: %.1f times", n, small, 4*n, large, ratio)
		if ratio < 9 {
			return
		}
	}
	t.Errorf("%d jobs cost too much more than %d jobs, want about 4 times", 4*n, n)
}

func TestFiftyThousandJobsAreScheduledWithoutQuadraticCost(t *testing.T) {
	for name, host := range map[string]func(i int) string{
		"one endpoint":         func(int) string { return "one.example.com" },
		"ten endpoints":        func(i int) string { return fmt.Sprintf("%d.example.com", i%10) },
		"an endpoint for each": func(i int) string { return fmt.Sprintf("%d.example.com", i) },
	} {
		t.Run(name, func(t *testing.T) {
			wantNearlyLinear(t, func(n int) {
				cfg := config()
				cfg.WritesPerSecond = func() float64 { return 1e6 }
				q := queueOf(cfg)
				for i := range n {
					j := job{ID: fmt.Sprint(i), Endpoint: host(i), Writes: 1 + i%2}
					if i%3 > 0 {
						j.ExpiresAt = start().Add(time.Hour + time.Duration(i*7919%n)*time.Second)
					}
					q.Push(j)
				}
				ended, now := 0, start()
				for ids := startAll(q, now); len(ids) > 0; ids = startAll(q, now) {
					now = now.Add(time.Millisecond)
					for _, id := range ids {
						q.Done(id, written(), now)
						ended++
					}
					q.Wake(now)
				}
				if ended != n {
					t.Errorf("%d of %d jobs were started", ended, n)
				}
			})
		})
	}
}

func TestRefusalsOfOneEndpointAreScheduledWithoutQuadraticCost(t *testing.T) {
	wantNearlyLinear(t, func(n int) {
		q := queueOf(config(), many(n, host)...)
		for ids := startAll(q, start()); len(ids) > 0; ids = startAll(q, start()) {
			q.Done(ids[0], refused(), start())
		}
		if rest := q.Rest(start()); len(rest) != 0 {
			t.Errorf("%d jobs were not started", len(rest))
		}
	})
}

func TestJobsThatDoNotFitAnyMoreAreNotScanned(t *testing.T) {
	wantNearlyLinear(t, func(n int) {
		q := proven(paced(2))
		for i := range n {
			q.Push(job{ID: fmt.Sprint(i), Endpoint: fmt.Sprint(i % 100), Writes: 2})
		}
		now := start().Add(258500 * time.Millisecond) // room for one write
		for range n {
			if ids := startAll(q, now); len(ids) > 0 {
				t.Fatalf("%v starts", ids)
			}
		}
		if rest := q.Rest(now); len(rest) != n {
			t.Errorf("%d deferred, want %d", len(rest), n)
		}
	})
}
