package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/schedule"
)

// paced is a run in which the given number of writes a second is possible.
func paced(perSecond float64) schedule.Config {
	cfg := config()
	cfg.WritesPerSecond = func() float64 { return perSecond }
	return cfg
}

// A request of 10 s, a write of 1 s and, at two writes a second, half a second for each write have to fit before the end at 270 s.
func TestAJobStartsOnlyIfItsRequestAndAllWritesFit(t *testing.T) {
	at := func(seconds float64) time.Time { return start().Add(time.Duration(seconds * float64(time.Second))) }
	for name, c := range map[string]struct {
		flying, next string
		now          time.Time
		fits         bool
	}{
		"one write at the last instant":                        {"", "L1", at(258.5), true},
		"one write a nanosecond later":                         {"", "L1", at(258.5).Add(1), false},
		"two writes at the last instant":                       {"", "L1/2", at(258), true},
		"two writes a nanosecond later":                        {"", "L1/2", at(258).Add(1), false},
		"no write at the last instant":                         {"", "L1/0", at(259), true},
		"no write a nanosecond later: the request has no time": {"", "L1/0", at(259).Add(1), false},
		"the writes of the jobs in flight come first":          {"L1/2", "L2", at(257.5), true},
		"a nanosecond later they leave no room":                {"L1/2", "L2", at(257.5).Add(1), false},
		"a connection without a token needs as much":           {"", "N1", at(258.5), true},
		"after the end":                                        {"", "L1/0", at(1000), false},
	} {
		t.Run(name, func(t *testing.T) {
			q := proven(paced(2), waiting(strings.Fields(c.flying)...)...)
			startAll(q, start())
			q.Push(waiting(c.next)...)
			if got := len(startAll(q, c.now)) == 1; got != c.fits {
				t.Errorf("starts %t, want %t", got, c.fits)
			}
		})
	}
}

func TestAJobThatDoesNotFitHoldsUpNoOther(t *testing.T) {
	now := start().Add(258500 * time.Millisecond) // room for one write
	wantIDs(t, "with the order of urgency", startAll(proven(paced(2), waiting("L1/2", "L2/2", "L3", "N9/2")...), now), "L3")

	q := queueOf(paced(2), waiting("L1", "L2/2", "L3/2", "L4/2", "L5/2", "L6", "N1/2", "N2/2")...)
	q.Done(startAll(q, start())[0], refused(), start())
	wantIDs(t, "shuffled", startAll(q, now), "L6")
}

func TestAClockThatGoesBackMakesNoRoom(t *testing.T) {
	q := proven(paced(2), waiting("L1")...)
	for _, now := range []time.Time{start().Add(269 * time.Second), start()} {
		wantIDs(t, "too late", startAll(q, now))
	}
}

func TestAWriteThatIsDoneMakesRoom(t *testing.T) {
	q, now := proven(paced(2), waiting("L1", "L2")...), start().Add(258500*time.Millisecond)
	wantIDs(t, "first", startAll(q, now), "L1")
	q.Done("L1", written(), now)
	wantIDs(t, "after its write", startAll(q, now), "L2")
}

func TestTheRequestDeadlineLeavesTimeForEveryReservedWrite(t *testing.T) {
	q := proven(paced(2), waiting("L1/2", "L2", "L3/0")...)
	for _, want := range []time.Duration{268 * time.Second, 267500 * time.Millisecond} {
		s, ok := q.Next(start())
		if got := s.RequestDeadline.Sub(start()); !ok || got != want {
			t.Errorf("%s: request deadline after %s, want %s", s.ID, got, want)
		}
	}
	q.Done("L1/2", written(), start())
	if s, ok := q.Next(start()); !ok || s.RequestDeadline.Sub(start()) != 268500*time.Millisecond {
		t.Errorf("after the first two writes: %s, %t", s.RequestDeadline.Sub(start()), ok)
	}
}

func TestTheRequestDeadlineIsNeverBeforeTheEndOfAFullRequest(t *testing.T) {
	for _, rate := range []float64{0.3, 1, 3, 7, 10} {
		q := proven(paced(rate), many(2000, host)...)
		now := start()
		for now.Before(start().Add(270 * time.Second)) {
			for s, ok := q.Next(now); ok; s, ok = q.Next(now) {
				if s.RequestDeadline.Before(now.Add(10 * time.Second)) {
					t.Fatalf("%g writes a second: started at %s, its request ends by %s", rate, now, s.RequestDeadline)
				}
				if q.InFlight()%2 == 0 {
					q.Done(s.ID, written(), now)
				}
			}
			now = now.Add(100 * time.Millisecond)
		}
	}
}

func TestPendingNoticesBindConnectionsWithoutALiveTokenOnly(t *testing.T) {
	cfg, pending := paced(2), 3
	cfg.PendingNotices = func() int { return pending }
	now := start().Add(257 * time.Second) // room for four writes
	q := proven(cfg, waiting("N1", "N2")...)
	wantIDs(t, "three notices are pending", startAll(q, now), "N2")
	q.Push(waiting("L1")...)
	wantIDs(t, "a live token", startAll(q, now), "L1")
	q.Done("L1", written(), now)
	q.Done("N2", refused(), now)
	pending = 4
	wantIDs(t, "four notices are pending", startAll(q, now))
	pending = 3
	wantIDs(t, "three again", startAll(q, now), "N1")
}

// Each of 150 new connections is refused, and each refusal has to be written as a notice, at 0.3 writes a second for 270 s.
func TestNoMoreNewConnectionsStartThanCanBeRecorded(t *testing.T) {
	const rate = 0.3
	cfg, pending := paced(rate), 0
	cfg.PendingNotices = func() int { return pending }
	q := queueOf(cfg)
	for i := range 150 {
		q.Push(job{ID: fmt.Sprint(i), Endpoint: host, Writes: 1})
	}
	started, recorded := 0, 0
	for now := start(); now.Before(cfg.StartDeadline); now = now.Add(time.Second) {
		for _, id := range startAll(q, now) {
			started++
			pending++
			q.Done(id, refused(), now)
		}
		if due := int(rate * now.Sub(start()).Seconds()); pending > 0 && recorded < due {
			recorded++
			pending--
		}
	}
	if pending > 1 || started < 70 {
		t.Errorf("%d connections were started, %d notices written, %d writes were possible", started, recorded, int(rate*270))
	}
}

func TestTheTextOfARunThatIsTooShort(t *testing.T) {
	cfg := paced(0.01)
	cfg.StartDeadline = cfg.Start.Add(54 * time.Second)
	wantIDs(t, "deferred", reasons(queueOf(cfg, waiting("L1")...).Rest(start())),
		"L1: run_ended: its 54s are too short for one token request of up to 10s; give the function more time")
}

func TestWhatCannotFitAnyRunSaysSo(t *testing.T) {
	tooShort := func(run, request string) string {
		return "L1: run_ended: its " + run + " are too short for one token request of up to " + request + "; give the function more time"
	}
	const next, refuses = "L1: run_ended: the next run continues", "store_refuses: SSM refuses writes"
	for name, c := range map[string]struct {
		length, request time.Duration
		rate            float64
		writes          int
		close           string
		want            string
	}{
		"time for the writes too":             {54 * time.Second, 10 * time.Second, 3, 2, "", next},
		"a slow rate":                         {54 * time.Second, 10 * time.Second, 0.01, 1, "", tooShort("54s", "10s")},
		"exactly enough":                      {54 * time.Second, 10 * time.Second, 1, 43, "", next},
		"one write too many":                  {54 * time.Second, 10 * time.Second, 1, 44, "", tooShort("54s", "10s")},
		"whatever closed the run":             {54 * time.Second, 10 * time.Second, 1, 44, refuses, tooShort("54s", "10s")},
		"a request that is as long":           {5 * time.Minute, 5 * time.Minute, 3, 1, "", tooShort("5m", "5m")},
		"hours":                               {time.Hour, 2 * time.Hour, 3, 1, "", tooShort("1h", "2h")},
		"minutes and seconds":                 {90 * time.Second, 2 * time.Hour, 3, 1, "", tooShort("1m30s", "2h")},
		"a function that may take no time":    {-time.Second, 10 * time.Second, 3, 1, "", tooShort("-1s", "10s")},
		"the reason of Close, when it fits":   {54 * time.Second, 10 * time.Second, 3, 1, refuses, "L1: " + refuses},
		"a run that ended by its own context": {54 * time.Second, 10 * time.Second, 3, 1, "run_ended: canceled", "L1: run_ended: canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := paced(c.rate)
			cfg.StartDeadline, cfg.RequestTimeout = cfg.Start.Add(c.length), c.request
			j := waiting("L1")[0]
			j.Writes = c.writes
			q := queueOf(cfg, j)
			if c.close != "" {
				q.Close(c.close)
			}
			wantIDs(t, "deferred", reasons(q.Rest(start().Add(c.length))), c.want)
		})
	}
}
