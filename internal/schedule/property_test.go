package schedule_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chaveiro/chaveiro/internal/schedule"
)

// checks sets how many runs a property is tried with.
func checks(t *testing.T) {
	t.Helper()
	n := 2000
	if testing.Short() {
		n = 20 * 5 // package rapid makes a fifth of it
	}
	was := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", fmt.Sprint(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set("rapid.checks", was) })
}

// story is one run of a queue, as package rapid draws it.
type story struct {
	t      *rapid.T
	cfg    schedule.Config
	q      *queue
	now    time.Time
	pushed []string          // value of every job
	ended  []string          // value of every job that ended, by Done or Rest
	flying map[string]string // connection to value
}

func (s *story) push(id string) {
	j := job{
		Value:    fmt.Sprint(len(s.pushed)),
		ID:       id,
		Endpoint: fmt.Sprint("host-", rapid.IntRange(0, 4).Draw(s.t, "host")),
		Writes:   rapid.IntRange(0, 3).Draw(s.t, "writes"),
	}
	if rapid.Bool().Draw(s.t, "live") {
		j.ExpiresAt = s.cfg.Start.Add(time.Duration(rapid.IntRange(0, 100).Draw(s.t, "expires in")) * time.Minute)
	} else {
		j.WaitingSince = s.cfg.Start.Add(-time.Duration(rapid.IntRange(0, 100).Draw(s.t, "waited")) * time.Minute)
	}
	if rapid.IntRange(0, 3).Draw(s.t, "waits") == 0 {
		j.NotBefore = s.now.Add(time.Duration(rapid.IntRange(-10, 300).Draw(s.t, "not before")) * time.Second)
	}
	s.pushed = append(s.pushed, j.Value)
	s.q.Push(j)
}

func (s *story) next() {
	started, ok := s.q.Next(s.now)
	if !ok {
		return
	}
	if value, twice := s.flying[started.ID]; twice {
		s.t.Fatalf("%s is in flight twice, with jobs %s and %s", started.ID, value, started.Value)
	}
	if s.now.Before(started.NotBefore) || s.now.Add(s.cfg.RequestTimeout).After(s.cfg.StartDeadline) {
		s.t.Fatalf("job %s started at %s", started.Value, s.now)
	}
	s.flying[started.ID] = started.Value
	if len(s.flying) > s.cfg.MaxConcurrency {
		s.t.Fatalf("%d jobs in flight", len(s.flying))
	}
}

func (s *story) done() {
	if len(s.flying) == 0 {
		return
	}
	var list []string
	for id := range s.flying {
		list = append(list, id)
	}
	slices.Sort(list)
	id := rapid.SampledFrom(list).Draw(s.t, "ends")
	kinds := []schedule.SignalKind{schedule.Neutral, schedule.Written, schedule.Written, schedule.Reused, schedule.Refused, schedule.Transient}
	signal := schedule.Signal{Kind: rapid.SampledFrom(kinds).Draw(s.t, "signal")}
	if signal.Kind == schedule.Transient {
		signal.RetryAfter = time.Duration(rapid.IntRange(0, 60).Draw(s.t, "retry after")) * time.Second
	}
	s.q.Done(id, signal, s.now)
	s.ended = append(s.ended, s.flying[id])
	delete(s.flying, id)
}

// wake checks that Wake never names an instant that has passed.
func (s *story) wake() {
	if at, ok := s.q.Wake(s.now); ok && !at.After(s.now) {
		s.t.Fatalf("Wake %s at %s: the caller would never sleep", at, s.now)
	}
}

func (s *story) act() {
	switch rapid.SampledFrom([]string{"push", "push", "start", "start", "done", "done", "wait", "close"}).Draw(s.t, "act") {
	case "push":
		s.push(fmt.Sprint("tenant-", rapid.IntRange(0, 30).Draw(s.t, "tenant")))
	case "start":
		s.next()
	case "done":
		s.done()
	case "wait":
		s.now = s.now.Add(time.Duration(rapid.IntRange(0, 20000).Draw(s.t, "ms")) * time.Millisecond)
	case "close":
		if rapid.IntRange(0, 20).Draw(s.t, "really") == 0 {
			s.q.Close("run_ended: drawn")
		}
	}
	s.wake()
	if s.q.InFlight() != len(s.flying) {
		s.t.Fatalf("InFlight %d, want %d", s.q.InFlight(), len(s.flying))
	}
}

func TestEveryJobEndsOnceAndNoLimitIsExceeded(t *testing.T) {
	checks(t)
	rapid.Check(t, func(rt *rapid.T) {
		cfg := config()
		cfg.MaxConcurrency = rapid.IntRange(1, 6).Draw(rt, "workers")
		rate := rapid.Float64Range(0.1, 20).Draw(rt, "writes a second")
		cfg.WritesPerSecond = func() float64 { return rate }
		s := &story{t: rt, cfg: cfg, q: queueOf(cfg), now: cfg.Start, flying: map[string]string{}}
		for range rapid.IntRange(0, 150).Draw(rt, "acts") {
			s.act()
		}
		if rapid.Bool().Draw(rt, "ends before Rest") {
			for len(s.flying) > 0 {
				s.done()
			}
		}
		for _, d := range s.q.Rest(s.now) {
			if d.Reason == "" {
				rt.Fatalf("job %s is deferred without a reason", d.Job.Value)
			}
			s.ended = append(s.ended, d.Job.Value)
		}
		for len(s.flying) > 0 {
			s.done()
		}
		slices.Sort(s.pushed)
		slices.Sort(s.ended)
		if !slices.Equal(s.pushed, s.ended) {
			rt.Fatalf("pushed %v, ended %v", s.pushed, s.ended)
		}
	})
}

// A run that starts what may start, and sleeps until Wake, comes to an end, and starts everything that a working endpoint leaves time for.
func TestARunEndsAndStartsEverythingThatFits(t *testing.T) {
	checks(t)
	rapid.Check(t, func(rt *rapid.T) {
		cfg := config()
		cfg.MaxConcurrency = rapid.IntRange(1, 6).Draw(rt, "workers")
		s := &story{t: rt, cfg: cfg, q: queueOf(cfg), now: cfg.Start, flying: map[string]string{}}
		for i := range rapid.IntRange(0, 50).Draw(rt, "jobs") {
			s.push(fmt.Sprint("tenant-", i))
		}
		for steps := 0; ; steps++ {
			for started, ok := s.q.Next(s.now); ok; started, ok = s.q.Next(s.now) {
				s.flying[started.ID] = started.Value
			}
			if len(s.flying) == 0 {
				at, ok := s.q.Wake(s.now)
				if !ok {
					break
				}
				s.now = at
			}
			for id := range s.flying {
				s.q.Done(id, written(), s.now)
				delete(s.flying, id)
			}
			s.wake()
			if steps > 1000 {
				rt.Fatal("the run does not end")
			}
		}
		for _, d := range s.q.Rest(s.now) {
			if d.Job.NotBefore.Before(cfg.StartDeadline.Add(-cfg.RequestTimeout - 2*time.Second)) {
				rt.Fatalf("job %s, not before %s, was not started: %s", d.Job.Value, d.Job.NotBefore, d.Reason)
			}
		}
	})
}
