package schedule_test

import (
	"fmt"
	"testing"
	"time"
)

func TestNothingStartsAfterClose(t *testing.T) {
	q := queueOf(config(), waiting("L1", "L2")...)
	startAll(q, start())
	j := waiting("L3")[0]
	j.NotBefore = start().Add(time.Minute)
	q.Push(j)
	q.Close("store_unwritable: SSM rejects writes")
	q.Close("run_ended: a later reason does not count")
	q.Push(waiting("L4")...)
	q.Done("L1", written(), start())
	wantIDs(t, "started", startAll(q, start().Add(2*time.Minute)))
	if at, ok := q.Wake(start()); ok {
		t.Errorf("Wake %s", at)
	}
	wantIDs(t, "deferred", reasons(q.Rest(start())),
		"L2: store_unwritable: SSM rejects writes", "L3: store_unwritable: SSM rejects writes", "L4: store_unwritable: SSM rejects writes")
}

func TestRestNamesTheEndpointsReasonFirst(t *testing.T) {
	q := flying(t, "a", "b", "c")
	for _, id := range []string{"a", "b", "c"} {
		q.Done(id, down(), start())
	}
	late := waiting("L2")[0]
	late.NotBefore = start().Add(time.Minute)
	q.Push(waiting("L1")[0], late, job{ID: "L3", Endpoint: "other.example.com", ExpiresAt: start().Add(3 * time.Hour)})
	q.Close("store_unwritable: SSM rejects writes")
	wantIDs(t, "deferred", reasons(q.Rest(start())),
		"L1: provider_unavailable: "+host+" failed for 3 connections in a row",
		"L2: provider_unavailable: "+host+" failed for 3 connections in a row",
		"L3: store_unwritable: SSM rejects writes")
}

func TestRestEmptiesTheQueueAndLeavesOutWhatIsInFlight(t *testing.T) {
	q := queueOf(config(), waiting("L1", "L2", "N1")...)
	wantIDs(t, "started", startAll(q, start()), "L1")
	q.Push(waiting("L1")...) // once more
	q.Push(waiting("L2")...)
	if got := ids(q.Rest(start())); got != "L1 L2 L2 N1" {
		t.Errorf("Rest %q", got)
	}
	if got := ids(q.Rest(start())); got != "" || q.InFlight() != 1 {
		t.Errorf("a second Rest %q, %d in flight", got, q.InFlight())
	}
	q.Done("L1", written(), start())
	if q.InFlight() != 0 {
		t.Errorf("%d in flight", q.InFlight())
	}
	q.Push(waiting("L2")...)
	wantIDs(t, "started after Rest", startAll(q, start()))
	if got := ids(q.Rest(start())); got != "L2" {
		t.Errorf("a third Rest %q, want what was pushed since", got)
	}
}

func TestDoneOfAConnectionThatIsNotInFlightIsIgnored(t *testing.T) {
	q := queueOf(config(), many(10, host)...)
	for i := range 5 {
		if notices := q.Done(fmt.Sprint(i), down(), start()); notices != nil {
			t.Errorf("notices %v", notices)
		}
	}
	if got := startAll(q, start()); len(got) != 1 {
		t.Errorf("%v start", got)
	}
}

func TestWake(t *testing.T) {
	waitingUntil := func(at time.Duration) job {
		j := waiting("L1")[0]
		j.NotBefore = start().Add(at)
		return j
	}
	for name, c := range map[string]struct {
		q    *queue
		want time.Duration // 0: nothing to wait for
	}{
		"an empty queue":                             {queueOf(config()), 0},
		"jobs that can start now":                    {queueOf(config(), waiting("L1")...), 0},
		"a job that has to wait":                     {queueOf(config(), waitingUntil(time.Minute)), time.Minute},
		"until its request just does not fit":        {queueOf(config(), waitingUntil(260*time.Second)), 0},
		"until its request just fits":                {queueOf(config(), waitingUntil(260*time.Second-1)), 260*time.Second - 1},
		"the end of a pause, with a job waiting":     {paused(t, waiting("L1")...), time.Minute},
		"the end of a pause that nobody waits for":   {paused(t), 0},
		"a job that waits for longer than the pause": {paused(t, waitingUntil(2*time.Minute)), 2 * time.Minute},
		"a job at an endpoint that was tripped":      {tripped(t, waitingUntil(time.Minute)), 0},
		"a pause of an endpoint that was tripped":    {pausedAndTripped(t, waiting("L1")...), 0},
		"a slow job that has ended":                  {finished(), 0},
	} {
		t.Run(name, func(t *testing.T) {
			at, ok := c.q.Wake(start())
			if ok != (c.want != 0) || ok && at.Sub(start()) != c.want {
				t.Errorf("Wake %s, %t, want %s", at.Sub(start()), ok, c.want)
			}
		})
	}
}

// paused is a queue whose endpoint pauses for a minute.
func paused(t *testing.T, jobs ...job) *queue {
	q := flying(t, "a", "b")
	q.Done("a", limited(time.Minute), start())
	q.Done("b", limited(time.Minute), start())
	q.Push(jobs...)
	return q
}

func tripped(t *testing.T, jobs ...job) *queue {
	q := flying(t, "a", "b", "c")
	q.Push(jobs...)
	for _, id := range []string{"a", "b", "c"} {
		q.Done(id, down(), start())
	}
	return q
}

func pausedAndTripped(t *testing.T, jobs ...job) *queue {
	q := flying(t, "a", "b", "c")
	q.Push(jobs...)
	for _, id := range []string{"a", "b", "c"} {
		q.Done(id, limited(time.Minute), start())
	}
	return q
}

func finished() *queue {
	q := queueOf(config(), waiting("L1")...)
	startAll(q, start())
	q.Done("L1", written(), start())
	return q
}

func TestAPauseThatGrowsIsWaitedForInFull(t *testing.T) {
	q := flying(t, "a", "b", "c", "d")
	q.Push(waiting("L1")...)
	q.Done("a", limited(time.Minute), start())
	q.Done("b", limited(time.Minute), start())
	q.Done("c", written(), start())
	q.Done("d", limited(2*time.Minute), start())
	for now, steps := start(), 0; ; steps++ {
		if got := startAll(q, now); len(got) > 0 {
			if now.Sub(start()) != 2*time.Minute || steps > 3 {
				t.Errorf("%v starts after %s and %d steps", got, now.Sub(start()), steps)
			}
			return
		}
		at, ok := q.Wake(now)
		if !ok || !at.After(now) {
			t.Fatalf("Wake %s, %t at %s", at, ok, now)
		}
		now = at
	}
}
