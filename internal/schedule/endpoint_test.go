package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/schedule"
)

func TestSlowStartDoublesWithTokensWrittenAlone(t *testing.T) {
	for name, c := range map[string]struct {
		signal schedule.Signal
		want   []int // jobs in flight, each time that all of them ended
	}{
		"tokens written":                 {written(), []int{1, 2, 8, 10, 10}},
		"the same tokens again":          {reused(), []int{1, 1, 1, 1}},
		"refusals":                       {refused(), []int{1, 1, 1, 1}},
		"nothing said of the endpoint":   {schedule.Signal{}, []int{1, 1, 1, 1}},
		"transient failures trip it":     {down(), []int{1, 1, 1, 0}},
		"it limits the first, then more": {limited(time.Hour), []int{1, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.MaxConcurrency = 10
			q := queueOf(cfg, many(200, host)...)
			for round, want := range c.want {
				ids := startAll(q, start())
				if len(ids) != want || q.InFlight() != want {
					t.Fatalf("round %d: %d jobs in flight, want %d", round, len(ids), want)
				}
				for _, id := range ids {
					q.Done(id, c.signal, start())
				}
			}
		})
	}
}

func TestEveryTokenWrittenDoublesTheLimit(t *testing.T) {
	q := queueOf(config(), many(200, host)...)
	flying := startAll(q, start())
	for _, want := range []int{2, 4, 8, 16, 16} {
		q.Done(flying[0], written(), start())
		flying = append(flying[1:], startAll(q, start())...)
		if len(flying) != want {
			t.Fatalf("%d jobs in flight, want %d", len(flying), want)
		}
	}
}

func TestAFailureDoesNotLowerTheLimit(t *testing.T) {
	q := proven(config(), many(20, host)...)
	for range 5 {
		ids := startAll(q, start())
		if len(ids) != 2 {
			t.Fatalf("%d jobs in flight, want 2", len(ids))
		}
		q.Done(ids[0], refused(), start())
		q.Done(ids[1], down(), start())
	}
}

func TestTheBreaker(t *testing.T) {
	// Each step is "<connection> <what happened>".
	for name, c := range map[string]struct {
		steps   []string
		tripped bool
	}{
		"two connections in a row do not trip it":      {[]string{"a down", "b down"}, false},
		"three different connections trip it":          {[]string{"a down", "b down", "c down"}, true},
		"one connection three times does not":          {[]string{"a down", "a down", "a down"}, false},
		"the third different one does":                 {[]string{"a down", "a down", "b down", "a down", "c down"}, true},
		"a refusal is a response and starts anew":      {[]string{"a down", "b down", "c refused", "d down", "e down"}, false},
		"a token starts anew":                          {[]string{"a down", "b down", "c token", "d down", "e down"}, false},
		"the same token again starts anew":             {[]string{"a down", "b down", "c reused", "d down", "e down"}, false},
		"three after a token trip it":                  {[]string{"a token", "b down", "c down", "d down"}, true},
		"a request to wait counts too":                 {[]string{"a limited", "b down", "c down"}, true},
		"what says nothing of the endpoint is ignored": {[]string{"a down", "b down", "c neutral", "d down"}, true},
		"nothing said three times does not trip it":    {[]string{"a neutral", "b neutral", "c neutral"}, false},
		"once tripped it stays so":                     {[]string{"a down", "b down", "c down", "d token"}, true},
		"a fourth failure is not noticed again":        {[]string{"a down", "b down", "c down", "d down"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			signals := map[string]schedule.Signal{"down": down(), "refused": refused(), "token": written(), "reused": reused(),
				"limited": limited(time.Minute), "neutral": {}}
			q := flying(t, "a", "b", "c", "d", "e")
			var notices []schedule.Notice
			for _, step := range c.steps {
				id, what, _ := strings.Cut(step, " ")
				notices = append(notices, q.Done(id, signals[what], start())...)
				q.Push(job{ID: id, Endpoint: host})
				startAll(q, start())
			}
			q.Push(job{ID: "next", Endpoint: host})
			if got := len(startAll(q, start())) == 0; got != c.tripped {
				t.Errorf("tripped %t, want %t", got, c.tripped)
			}
			rest := strings.Join(reasons(q.Rest(start())), "\n")
			if got := strings.Contains(rest, "next: provider_unavailable: "+host+" failed for 3 connections in a row"); got != c.tripped {
				t.Errorf("deferred: %s", rest)
			}
			if want := map[bool]int{true: 1}[c.tripped]; len(notices) != want {
				t.Errorf("notices %v, want %d", notices, want)
			} else if want == 1 && notices[0] != (schedule.Notice{Endpoint: host, Reason: "3 connections in a row failed: no more requests in this run"}) {
				t.Errorf("notice %v", notices[0])
			}
		})
	}
}

func TestNeverSucceededIsAnEndpointThatTrippedBeforeAnySuccess(t *testing.T) {
	for name, c := range map[string]struct {
		signals []schedule.Signal
		want    bool
	}{
		"three failures":                       {[]schedule.Signal{down(), down(), down()}, true},
		"two failures":                         {[]schedule.Signal{down(), down()}, false},
		"refusals, then three failures":        {[]schedule.Signal{refused(), refused(), down(), down(), down()}, true},
		"a token, then three failures":         {[]schedule.Signal{written(), down(), down(), down()}, false},
		"a reused token, then three failures":  {[]schedule.Signal{reused(), down(), down(), down()}, false},
		"three failures, then a late response": {[]schedule.Signal{down(), down(), down(), written()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			q := queueOf(config(), many(20, host)...)
			var slow string
			if len(c.signals) == 4 && c.signals[3].Kind == schedule.Written {
				slow = startAll(q, start())[0] // stays in flight; as a slow job it does not hold up the next
			}
			now := start().Add(30 * time.Second)
			for _, signal := range c.signals {
				s, ok := q.Next(now)
				if !ok {
					s.ID = slow
				}
				q.Done(s.ID, signal, now)
			}
			if got := q.NeverSucceeded(host); got != c.want {
				t.Errorf("NeverSucceeded %t, want %t", got, c.want)
			}
		})
	}
	if queueOf(config()).NeverSucceeded("unknown.example.com") {
		t.Error("an endpoint without jobs never succeeded")
	}
}

func TestOneConnectionThatHasToWaitDoesNotPauseItsEndpoint(t *testing.T) {
	q := flying(t, "a")
	for range 2 {
		if notices := q.Done("a", limited(time.Minute), start()); notices != nil {
			t.Errorf("notices %v", notices)
		}
		q.Push(job{ID: "a", Endpoint: host})
		wantIDs(t, "after it", startAll(q, start()), "a")
	}
}

func TestTwoConnectionsThatHaveToWaitPauseTheirEndpointForTheLongestTime(t *testing.T) {
	q, end := flying(t, "a", "b", "c", "d"), start().Add(90*time.Second)
	q.Push(waiting("L1")...)
	q.Done("c", limited(30*time.Second), start())
	q.Done("a", limited(90*time.Second), start())
	q.Done("d", written(), start())
	if notices := q.Done("b", limited(time.Minute), start()); notices != nil {
		t.Errorf("a shorter wait during the pause: notices %v", notices)
	}
	wantIDs(t, "in the pause", startAll(q, start()))
	wantIDs(t, "a nanosecond before its end", startAll(q, end.Add(-1)))
	if at, ok := q.Wake(end.Add(-1)); !ok || !at.Equal(end) {
		t.Errorf("Wake %s, %t, want %s", at, ok, end)
	}
	wantIDs(t, "at its end", startAll(q, end), "L1")
}

func TestAPauseIsNoticedEachTimeThatItGrows(t *testing.T) {
	q := flying(t, "a", "b", "c", "d")
	for _, step := range []struct {
		id    string
		after time.Duration
		want  string
	}{
		{"a", time.Minute, ""},
		{"b", 30 * time.Second, "more than one connection was told to wait: no requests until 2026-01-02T03:05:05Z"},
	} {
		notices := q.Done(step.id, limited(step.after), start())
		got := ""
		for _, n := range notices {
			got += n.Reason
		}
		if got != step.want {
			t.Errorf("%s: notices %v, want %q", step.id, notices, step.want)
		}
	}
	q.Done("c", written(), start())
	notices := q.Done("d", limited(2*time.Minute), start())
	if len(notices) != 1 || !strings.HasSuffix(notices[0].Reason, "until 2026-01-02T03:06:05Z") {
		t.Errorf("notices %v", notices)
	}
	q.Push(waiting("L1")...)
	want := "L1: rate_limited: " + host + " limits requests until 2026-01-02T03:06:05Z"
	wantIDs(t, "deferred", reasons(q.Rest(start())), want)
}

func TestAfterAPauseTheRunEndedForTheRest(t *testing.T) {
	q := flying(t, "a", "b")
	q.Push(waiting("L1")...)
	q.Done("a", limited(time.Minute), start())
	q.Done("b", limited(time.Minute), start())
	wantIDs(t, "deferred", reasons(q.Rest(start().Add(time.Minute))), "L1: run_ended: the next run continues")
}

func TestAttemptsWithinARun(t *testing.T) {
	for name, c := range map[string]struct {
		due       int
		succeeded bool
		want      int
	}{
		"one connection is tried again": {1, false, 4},
		"two too":                       {2, false, 4},
		"of three the next connection is the retry":        {3, false, 1},
		"three, after a success of the endpoint":           {3, true, 4},
		"a thousand, after a success of the endpoint":      {1000, true, 4},
		"a thousand at an endpoint without success so far": {1000, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			q := queueOf(config(), many(c.due, host)...)
			if c.succeeded {
				q = proven(config(), many(c.due, host)...)
			}
			if s, ok := q.Next(start()); !ok || s.Attempts != c.want {
				t.Errorf("attempts = %d, want %d", s.Attempts, c.want)
			}
		})
	}
}

func TestWorkersAreSharedBetweenBusyEndpoints(t *testing.T) {
	// perEndpoint warms up the endpoints and returns how many jobs of each start at once.
	warm := func(endpoints int) *queue {
		q := queueOf(config())
		for i := range endpoints {
			for range 4 {
				q.Push(job{ID: "warm-up", Endpoint: fmt.Sprint(i)})
				startAll(q, start())
				q.Done("warm-up", written(), start())
			}
		}
		return q
	}
	perEndpoint := func(q *queue) map[string]int {
		count := map[string]int{}
		for s, ok := q.Next(start()); ok; s, ok = q.Next(start()) {
			count[s.Endpoint]++
		}
		return count
	}
	for i, want := range []string{"map[0:16]", "map[0:8 1:8]", "map[0:6 1:6 2:4]", "map[0:4 1:4 2:4 3:4]"} {
		q := warm(i + 1)
		for e := range i + 1 {
			jobs := many(50, fmt.Sprint(e))
			for j := range jobs {
				jobs[j].ExpiresAt = jobs[j].ExpiresAt.Add(time.Duration(e) * time.Hour) // endpoint 0 is the most urgent
			}
			q.Push(jobs...)
		}
		if got := fmt.Sprint(perEndpoint(q)); got != want {
			t.Errorf("%d endpoints: %s, want %s", i+1, got, want)
		}
	}
	for name, signals := range map[string][]schedule.Signal{
		"tripped": {down(), down(), down()},
		"paused":  {limited(time.Minute), limited(time.Minute), written()},
	} {
		q := warm(2)
		q.Push(many(3, "0")...)
		q.Push(many(100, "1")...)
		startAll(q, start())
		for i, j := range many(3, "0") {
			q.Done(j.ID, signals[i], start())
		}
		q.Push(many(5, "0")[3:]...)
		if got := perEndpoint(q); len(got) != 1 || q.InFlight() != 16 {
			t.Errorf("beside an endpoint that is %s: %v more start, %d in flight, want all 16 workers at work", name, got, q.InFlight())
		}
	}
}

func TestOneSlowJobDoesNotHoldUpItsEndpoint(t *testing.T) {
	q, slow := queueOf(config(), many(5, host)...), start().Add(20*time.Second)
	startAll(q, start())
	wantIDs(t, "a nanosecond before two time-outs", startAll(q, slow.Add(-1)))
	if at, ok := q.Wake(start()); !ok || !at.Equal(slow) {
		t.Errorf("Wake %s, %t, want %s", at, ok, slow)
	}
	if got := startAll(q, slow); len(got) != 1 {
		t.Fatalf("after two time-outs %v starts, want one job", got)
	}
	if got := startAll(q, slow.Add(time.Minute)); len(got) != 0 {
		t.Errorf("beside two slow jobs %v starts: a store that hangs costs a token each time", got)
	}
	q.Done(host+"/tenant-00000", written(), slow.Add(time.Minute))
	if got := startAll(q, slow.Add(time.Minute)); len(got) != 2 {
		t.Errorf("after its end %v start, want two: one is slow, two are allowed", got)
	}
}

func TestAJobThatEndedIsNotSlow(t *testing.T) {
	q := queueOf(config(), many(5, host)...)
	q.Done(startAll(q, start())[0], refused(), start().Add(15*time.Second))
	if got := startAll(q, start().Add(15*time.Second)); len(got) != 1 {
		t.Fatalf("%v starts", got)
	}
	if got := startAll(q, start().Add(25*time.Second)); len(got) != 0 {
		t.Errorf("%v starts beside a job of 10 s", got)
	}
}

func TestASlowJobThatEndedCountsNoMore(t *testing.T) {
	q, slow := queueOf(config(), many(5, host)...), start().Add(20*time.Second)
	first := startAll(q, start())
	second := startAll(q, slow)
	q.Done(first[0], refused(), slow)
	if got := startAll(q, slow); len(got) != 0 {
		t.Fatalf("%v starts beside %v, which is not slow", got, second)
	}
	q.Done(second[0], refused(), slow)
	if got := startAll(q, slow); len(got) != 1 {
		t.Errorf("%v start, want one", got)
	}
}
