package stack_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const (
	// checks is the period of the healthcheck, whatever that of the sweeps.
	checks = 5 * time.Minute
	// jitter is how late the scheduler starts a run at most: its precision is a minute, and it is seldom that late.
	jitter = 20 * time.Second
	// usual is how long a provider takes to answer.
	usual = 150 * time.Millisecond
)

// check runs the healthcheck once, and writes its metrics as the function does.
func (in *installation) check(event string) probe.Report {
	run := in.report.Run("request")
	found, events, err := in.Health(in.t.Context(), event)
	for _, ev := range events {
		run.ObserveProbe(ev)
	}
	run.HealthDone(found, err)
	if err != nil {
		in.letters.add(in.Now())
	}
	return found
}

// letters is the queue of runs that failed.
type letters struct {
	mu      sync.Mutex
	waiting []datum // how many are in it, from when on
}

func (l *letters) add(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0.0
	if len(l.waiting) > 0 {
		n = l.waiting[len(l.waiting)-1].value
	}
	l.waiting = append(l.waiting, datum{at, n + 1})
}

// purge empties it.
func (l *letters) purge(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, datum{at, 0})
}

// came reports whether a message ever was in it.
func (l *letters) came() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0
}

// visible is what SQS says of it, minute by minute. A queue that was idle for hours begins to tell up to 15 minutes late (SQS developer guide,
// "Available CloudWatch metrics for Amazon SQS", read 2026-11-22).
func (l *letters) visible(until time.Time) []datum {
	l.mu.Lock()
	defer l.mu.Unlock()
	var values []datum
	for i, was := range l.waiting {
		end := until
		if i+1 < len(l.waiting) {
			end = l.waiting[i+1].at
		}
		for at := was.at; at.Before(end); at = at.Add(time.Minute) {
			if at.After(l.waiting[0].at.Add(15 * time.Minute)) {
				values = append(values, datum{at, was.value})
			}
		}
	}
	return values
}

// operate runs both schedules for a while, and goes on where it ended: the refresher once a period, the healthcheck every five minutes, some
// minutes after it, each a little late by chance. A run that takes longer than its period lets the next ones be lost.
func (in *installation) operate(d time.Duration) {
	in.t.Helper()
	if in.sweeps == nil {
		in.sweeps, in.checks = newSchedule(in.Now(), 1), newSchedule(in.Now().Add(137*time.Second), 2)
	}
	until := in.Now().Add(d)
	var both sync.WaitGroup
	both.Go(func() {
		for in.checks.wait(in, checks, until) {
			if in.beforeCheck != nil {
				in.beforeCheck()
			}
			in.check(`{}`)
			if in.afterCheck != nil {
				in.afterCheck()
			}
		}
	})
	for in.sweeps.wait(in, in.period, until) {
		if !in.stopped {
			in.AWS.ResetCalls() // the log of a month would be copied with each sweep
			in.sweep()
		}
	}
	both.Wait()
	if rest := until.Sub(in.Now()); rest > 0 {
		in.Advance(rest)
	}
}

// schedule starts runs: at is when the next one is planned, and late how much later it begins.
type schedule struct {
	at     time.Time
	late   time.Duration
	chance *rand.Rand
}

func newSchedule(first time.Time, seed uint64) *schedule {
	s := &schedule{at: first, chance: rand.New(rand.NewPCG(seed, uint64(first.Unix())))}
	s.late = s.draw()
	return s
}

func (s *schedule) draw() time.Duration { return time.Duration(s.chance.Int64N(int64(jitter))) }

// wait lets time pass until the next run begins, and reports false when that is not before an instant.
func (s *schedule) wait(in *installation, period time.Duration, until time.Time) bool {
	for in.Now().After(s.at.Add(s.late)) { // lost
		s.at, s.late = s.at.Add(period), s.draw()
	}
	start := s.at.Add(s.late)
	if !start.Before(until) {
		return false
	}
	in.Advance(start.Sub(in.Now()))
	s.at, s.late = s.at.Add(period), s.draw()
	return true
}

// behave makes every provider answer in its usual time, and gives them what else befalls them.
func (in *installation) behave(names []string, more ...oauthtest.Fault) {
	for _, name := range names {
		p := in.Provider(name)
		p.ClearFaults()
		p.Inject(oauthtest.Latency(usual).Always())
		p.Inject(more...)
	}
}

// connectShop makes what a shop of some size has: four accounts of one provider and three of another, whose tokens live for a day and for two.
func (in *installation) connectShop() {
	in.t.Helper()
	must(in.t, in.ConnectMany(4, "kiwify", "kiwify/account-"))
	must(in.t, in.ConnectMany(3, "hotmart", "hotmart/account-"))
}

// connectHourly makes connections of a third provider whose tokens live for an hour.
func (in *installation) connectHourly(n int) {
	in.t.Helper()
	for i := range n {
		client := fmt.Sprintf("hourly-%d", i+1)
		must(in.t, in.AddClient("generic", client, func(c *oauthtest.Client) { c.Lifetime = time.Hour }))
		must(in.t, in.PutSecret("generic/"+client, "", in.generic("generic", client)))
	}
}

// generic is the document of a connection of a provider that the catalogue does not know.
func (in *installation) generic(provider, client string) string {
	return in.genericAt(in.Provider(provider).Hosts()[0], client)
}

func (in *installation) genericAt(host, client string) string {
	return fmt.Sprintf(`{"provider":"generic","token_endpoint":"https://%s/oauth/token","client_id":%q,"client_secret":%q}`,
		host, in.ClientID(client), in.ClientSecret(client))
}
