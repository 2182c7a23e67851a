package schedule_test

import (
	"fmt"
	"testing"
	"time"
)

// pace is a provider of a simulated run: each of its requests takes the same time.
type pace map[string]time.Duration

// simulate runs the queue with requests of the given durations and instant writes, until the end of the run, and returns when the last job
// of each endpoint was done.
func (p pace) simulate(q *queue) map[string]time.Duration {
	last := map[string]time.Duration{}
	ends := map[time.Duration][]string{}
	hosts := map[string]string{}
	for after := time.Duration(0); after < 270*time.Second; after += 100 * time.Millisecond {
		now := start().Add(after)
		for _, id := range ends[after] {
			q.Done(id, written(), now)
			last[hosts[id]] = after
		}
		delete(ends, after)
		for s, ok := q.Next(now); ok; s, ok = q.Next(now) {
			hosts[s.ID] = s.Endpoint
			ends[after+p[s.Endpoint]] = append(ends[after+p[s.Endpoint]], s.ID)
		}
	}
	return last
}

func TestASlowEndpointDoesNotTakeAllWorkers(t *testing.T) {
	cfg := config()
	cfg.MaxConcurrency = 4
	slow := many(60, "slow")
	for i := range slow {
		slow[i].ExpiresAt = start().Add(time.Minute) // the most urgent
	}
	q := queueOf(cfg, append(slow, many(40, "fast")...)...)
	last := pace{"slow": 8 * time.Second, "fast": time.Second}.simulate(q)
	if last["fast"] > 23*time.Second { // 40 s of work for two workers, and the slow start
		t.Errorf("the fast endpoint's 40 jobs took %s beside a slow one", last["fast"])
	}
}

func TestOneOfTenEndpointsThatHangsCostsTheOthersATenthAtMost(t *testing.T) {
	took := func(hang time.Duration) time.Duration {
		q, p := queueOf(config()), pace{}
		for i := range 10 {
			host := fmt.Sprint(i)
			q.Push(many(100, host)...)
			p[host] = 200 * time.Millisecond
		}
		p["0"] = hang
		var worst time.Duration
		for host, at := range p.simulate(q) {
			if host != "0" {
				worst = max(worst, at)
			}
		}
		return worst
	}
	healthy, hanging := took(200*time.Millisecond), took(10*time.Second)
	if float64(hanging) > 1.1*float64(healthy) {
		t.Errorf("the other nine took %s, without the hanging one %s", hanging, healthy)
	}
}

func TestAnImportAndLiveTokensShareARun(t *testing.T) {
	cfg := config()
	cfg.MaxConcurrency = 1
	q := proven(cfg, many(30, host)...)
	for i := range 1000 {
		q.Push(job{ID: fmt.Sprint("new-", i), Endpoint: host, Writes: 1})
	}
	live, fresh := 0, 0
	for live < 30 {
		s, ok := q.Next(start())
		if !ok {
			t.Fatal("nothing starts")
		}
		if s.ExpiresAt.IsZero() {
			fresh++
		} else {
			live++
		}
		q.Done(s.ID, written(), start())
	}
	if fresh < 9 || fresh > 10 {
		t.Errorf("%d new connections were started before the 30 live tokens were renewed, want a third of them", fresh)
	}
}

func TestAnOutageCostsThreeStartsWhateverTheNumberOfConnections(t *testing.T) {
	q := queueOf(config(), many(300, host)...)
	started := 0
	for ids := startAll(q, start()); len(ids) > 0; ids = startAll(q, start()) {
		for _, id := range ids {
			started++
			q.Done(id, down(), start())
		}
	}
	if rest := q.Rest(start()); started != 3 || len(rest) != 297 {
		t.Errorf("%d started, %d deferred; want 3 and 297", started, len(rest))
	}
}
