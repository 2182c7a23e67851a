package schedule_test

import (
	"fmt"
	"testing"
	"time"
)

// The bounds are far above what these cost, and far below what a scan of all jobs or endpoints at each start would cost.

func TestFiftyThousandJobsAreScheduledWithoutQuadraticCost(t *testing.T) {
	const n, bound = 50_000, 10 * time.Second
	for name, host := range map[string]func(i int) string{
		"one endpoint":         func(int) string { return "one.example.com" },
		"ten endpoints":        func(i int) string { return fmt.Sprintf("%d.example.com", i%10) },
		"an endpoint for each": func(i int) string { return fmt.Sprintf("%d.example.com", i) },
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
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
			for {
				ids := startAll(q, now)
				if len(ids) == 0 {
					break
				}
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
			if took := time.Since(began); took > bound {
				t.Errorf("took %s, want at most %s", took, bound)
			}
		})
	}
}

func TestJobsThatDoNotFitAnyMoreCostNothing(t *testing.T) {
	const n, bound = 50_000, 10 * time.Second
	began := time.Now()
	q := proven(paced(2))
	for i := range n {
		j := waiting("L1/2")[0]
		j.ID, j.Endpoint = fmt.Sprint(i), fmt.Sprint(i%100)
		q.Push(j)
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
	if took := time.Since(began); took > bound {
		t.Errorf("took %s, want at most %s", took, bound)
	}
}
