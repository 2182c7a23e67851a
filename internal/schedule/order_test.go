package schedule_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct{ due, want string }{
		"nothing is due":                              {"", ""},
		"live tokens, soonest to expire first":        {"L3 L1 L2", "L1 L2 L3"},
		"without a live token, longest waiting first": {"N1 N3 N2", "N3 N2 N1"},
		"every fourth start is for those without":     {"N9 N8 N7 L1 L2 L3 L4 L5 L6 L7", "L1 L2 L3 N9 L4 L5 L6 N8 L7 N7"},
		"live tokens take what the others leave":      {"N9 L1 L2 L3 L4 L5 L6 L7 L8", "L1 L2 L3 N9 L4 L5 L6 L7 L8"},
		"the others take what live tokens leave":      {"N9 N8 N7 N6 N5 L1", "L1 N9 N8 N7 N6 N5"},
		"a token that expires now is not live":        {"L0 L1", "L1 L0"},
		"ties are broken by name":                     {"L1 L01 L001", "L001 L01 L1"},
		"the number of writes does not matter":        {"L3/2 L1 L2/2 L4 N1/2 N2", "L1 L2/2 L3/2 N2 L4 N1/2"},
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.Fields(c.want)
			cfg := config()
			cfg.MaxConcurrency = 1
			q := queueOf(cfg, waiting(strings.Fields(c.due)...)...)
			var got []string
			for s, ok := q.Next(start()); ok; s, ok = q.Next(start()) {
				got = append(got, s.ID)
				q.Done(s.ID, written(), start())
			}
			wantIDs(t, "starts", got, want...)
			if rest := ids(queueOf(cfg, waiting(strings.Fields(c.due)...)...).Rest(start())); rest != c.want {
				t.Errorf("Rest %q, want %q", rest, c.want)
			}
		})
	}
}

func TestAJobThatIsFoundLaterStartsByItsUrgency(t *testing.T) {
	cfg := config()
	cfg.MaxConcurrency = 1
	q := proven(cfg, waiting("L2", "L4")...)
	wantIDs(t, "first", startAll(q, start()), "L2")
	q.Push(waiting("L1", "L3", "N5")...)
	for _, step := range []struct{ done, next string }{{"L2", "L1"}, {"L1", "N5"}, {"N5", "L3"}, {"L3", "L4"}} {
		q.Done(step.done, written(), start())
		wantIDs(t, "after "+step.done, startAll(q, start()), step.next)
	}
}

func TestAConnectionWithoutALiveTokenGetsTheTurnThatItMissed(t *testing.T) {
	cfg := config()
	cfg.MaxConcurrency = 1
	q := proven(cfg, waiting("L1", "L2", "L3", "L4", "L5", "L6")...)
	for _, id := range []string{"L1", "L2", "L3", "L4"} {
		wantIDs(t, "live", startAll(q, start()), id)
		q.Done(id, written(), start())
	}
	q.Push(waiting("N1")...)
	wantIDs(t, "after four live tokens", startAll(q, start()), "N1")
}

func TestTheFirstStartIsTheMostUrgentAndTheNextAreShuffledUntilASuccess(t *testing.T) {
	// order refuses the first 20 of 40 connections, lets the next succeed, and returns what was started.
	order := func(offset time.Duration) []string {
		cfg := config()
		now := cfg.Start.Add(offset)
		cfg.Start, cfg.StartDeadline, cfg.MaxConcurrency = now, now.Add(270*time.Second), 1
		q := queueOf(cfg, many(40, host)...)
		var started []string
		for s, ok := q.Next(now); ok; s, ok = q.Next(now) {
			started = append(started, s.ID)
			signal := refused()
			if len(started) == 20 {
				signal = written()
			}
			q.Done(s.ID, signal, now)
		}
		return started
	}
	got := order(0)
	if got[0] != host+"/tenant-00000" {
		t.Errorf("the first start is %s", got[0])
	}
	shuffled, sorted := got[1:20], got[20:]
	if slices.IsSorted(shuffled) || len(got) != 40 {
		t.Errorf("after the first start, before a success, the order of urgency is kept: %v", shuffled)
	}
	if !slices.IsSorted(sorted) {
		t.Errorf("after a success the order of urgency is not restored: %v", sorted)
	}
	if !slices.Equal(got, order(0)) {
		t.Error("the order is not the same for the same run")
	}
	if slices.Equal(got[:20], order(5 * time.Minute)[:20]) {
		t.Error("the next run has the same order: the same connections would trip its breaker")
	}
}

func TestTheShuffleMixesLiveTokensWithThoseWithout(t *testing.T) {
	cfg := config()
	cfg.MaxConcurrency = 1
	jobs := many(40, host)
	for i := range jobs[20:] {
		jobs[20+i].ExpiresAt = time.Time{}
	}
	q := queueOf(cfg, jobs...)
	without := 0
	for range 20 {
		s, ok := q.Next(start())
		if !ok {
			t.Fatal("nothing starts")
		}
		if s.ExpiresAt.IsZero() {
			without++
		}
		q.Done(s.ID, refused(), start())
	}
	if without < 7 || without > 13 {
		t.Errorf("%d of the first 20 starts have no live token, want about half", without)
	}
}

func TestAReusedTokenEndsTheShuffle(t *testing.T) {
	cfg := config()
	cfg.MaxConcurrency = 1
	q := queueOf(cfg, many(40, host)...)
	s, _ := q.Next(start())
	q.Done(s.ID, reused(), start())
	var got []string
	for s, ok := q.Next(start()); ok; s, ok = q.Next(start()) {
		got = append(got, s.ID)
		q.Done(s.ID, reused(), start())
	}
	if len(got) != 39 || !slices.IsSorted(got) {
		t.Errorf("started %v", got)
	}
}

func TestASecondJobOfAConnectionWaitsForTheFirst(t *testing.T) {
	first, second := waiting("L1")[0], waiting("L1")[0]
	first.Value, second.Value, second.Endpoint = "first", "second", "other.example.com"
	for name, push := range map[string]func(*queue){
		"when the first waits":        func(q *queue) { q.Push(first, second) },
		"when the first is in flight": func(q *queue) { q.Push(first); q.Next(start()); q.Push(second) },
	} {
		t.Run(name, func(t *testing.T) {
			q := queueOf(config())
			push(q)
			q.Next(start())
			if s, ok := q.Next(start()); ok {
				t.Fatalf("%+v starts beside the first", s)
			}
			q.Done("L1", written(), start())
			if s, ok := q.Next(start()); !ok || s.Value != "second" {
				t.Errorf("after the first: %+v, %t", s, ok)
			}
		})
	}
}

func TestASecondJobOfAConnectionIsDeferredWithTheFirst(t *testing.T) {
	q := queueOf(config(), waiting("L1", "L1")...)
	if got := ids(q.Rest(start())); got != "L1 L1" {
		t.Errorf("Rest %q", got)
	}
}

func TestAJobThatHasToWaitHoldsUpNoOther(t *testing.T) {
	at := start().Add(time.Minute)
	jobs := waiting("L1", "L2")
	jobs[0].NotBefore = at
	q := proven(config(), jobs...)
	wantIDs(t, "at once", startAll(q, start()), "L2")
	if wake, ok := q.Wake(start()); !ok || !wake.Equal(start().Add(20*time.Second)) { // when L2 becomes slow
		t.Errorf("Wake %s, %t", wake, ok)
	}
	q.Done("L2", written(), start())
	if wake, ok := q.Wake(start()); !ok || !wake.Equal(at) {
		t.Errorf("Wake %s, %t, want %s", wake, ok, at)
	}
	wantIDs(t, "a nanosecond before", startAll(q, at.Add(-1)))
	wantIDs(t, "at its time", startAll(q, at), "L1")
}

func TestAReusedTokenCanBePushedAgain(t *testing.T) {
	again := waiting("L1")[0]
	again.NotBefore = start().Add(time.Minute)
	for name, push := range map[string]func(*queue){
		"before Done": func(q *queue) { q.Push(again); q.Done("L1", reused(), start()) },
		"after Done":  func(q *queue) { q.Done("L1", reused(), start()); q.Push(again) },
	} {
		t.Run(name, func(t *testing.T) {
			q := queueOf(config(), waiting("L1")...)
			wantIDs(t, "first", startAll(q, start()), "L1")
			push(q)
			wantIDs(t, "before its time", startAll(q, start()))
			if wake, ok := q.Wake(start()); !ok || !wake.Equal(again.NotBefore) {
				t.Fatalf("Wake %s, %t", wake, ok)
			}
			wantIDs(t, "at its time", startAll(q, again.NotBefore), "L1")
		})
	}
}
