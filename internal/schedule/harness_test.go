package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/schedule"
)

const host = "idp.example.com"

type (
	job      = schedule.Job[string]
	queue    = schedule.Queue[string]
	deferred = schedule.Deferred[string]
)

func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// config of a run of 270 s with 16 workers and plenty of writes.
func config() schedule.Config {
	return schedule.Config{
		Start: start(), StartDeadline: start().Add(270 * time.Second), RequestTimeout: 10 * time.Second, MaxConcurrency: 16,
		WritesPerSecond: func() float64 { return 1000 },
	}
}

// waiting makes jobs of one endpoint. "L3" has a live token that expires in 3 h, "N3" has had none for 3 h. A second number is the number of
// writes: "L3/2".
func waiting(names ...string) []job {
	var jobs []job
	for _, name := range names {
		hours, writes := 0, 1
		if n, err := fmt.Sscanf(name[1:], "%d/%d", &hours, &writes); n == 0 {
			panic(err)
		}
		j := job{ID: name, Endpoint: host, Writes: writes}
		if name[0] == 'L' {
			j.ExpiresAt = start().Add(time.Duration(hours) * time.Hour)
		} else {
			j.WaitingSince = start().Add(-time.Duration(hours) * time.Hour)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// many makes n jobs of an endpoint with live tokens, the most urgent first.
func many(n int, endpoint string) []job {
	jobs := make([]job, n)
	for i := range jobs {
		expiresAt := start().Add(time.Hour + time.Duration(i)*time.Second)
		jobs[i] = job{ID: fmt.Sprintf("%s/tenant-%05d", endpoint, i), Endpoint: endpoint, Writes: 1, ExpiresAt: expiresAt}
	}
	return jobs
}

func queueOf(cfg schedule.Config, jobs ...job) *queue {
	q := schedule.New[string](cfg)
	q.Push(jobs...)
	return q
}

// startAll starts what may start, and returns the ids.
func startAll(q *queue, now time.Time) []string {
	var ids []string
	for s, ok := q.Next(now); ok; s, ok = q.Next(now) {
		ids = append(ids, s.ID)
	}
	return ids
}

// proven returns a queue whose endpoint has had one success, which allows two jobs in flight.
func proven(cfg schedule.Config, jobs ...job) *queue {
	first := job{ID: "first", Endpoint: host, ExpiresAt: start().Add(time.Nanosecond)}
	q := queueOf(cfg, append([]job{first}, jobs...)...)
	if s, ok := q.Next(start()); !ok || s.ID != "first" {
		panic("the first job does not start")
	}
	q.Done("first", written(), start())
	return q
}

// flying returns a queue whose endpoint allows 16 jobs in flight, with the named connections in flight.
func flying(t *testing.T, ids ...string) *queue {
	t.Helper()
	q := proven(config())
	for range 3 {
		q.Push(job{ID: "warm-up", Endpoint: host})
		startAll(q, start())
		q.Done("warm-up", written(), start())
	}
	for _, id := range ids {
		q.Push(job{ID: id, Endpoint: host})
	}
	if got := len(startAll(q, start())); got != len(ids) {
		t.Fatalf("%d jobs in flight, want %d", got, len(ids))
	}
	return q
}

func written() schedule.Signal { return schedule.Signal{Kind: schedule.Written} }
func reused() schedule.Signal  { return schedule.Signal{Kind: schedule.Reused} }
func refused() schedule.Signal { return schedule.Signal{Kind: schedule.Refused} }
func down() schedule.Signal    { return schedule.Signal{Kind: schedule.Transient} }
func limited(d time.Duration) schedule.Signal {
	return schedule.Signal{Kind: schedule.Transient, RetryAfter: d}
}

func wantIDs(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func reasons(rest []deferred) []string {
	var list []string
	for _, d := range rest {
		list = append(list, d.Job.ID+": "+d.Reason)
	}
	return list
}

func ids(rest []deferred) string {
	var list []string
	for _, d := range rest {
		list = append(list, d.Job.ID)
	}
	return strings.Join(list, " ")
}
