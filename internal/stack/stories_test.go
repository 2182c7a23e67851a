package stack_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/scenario"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const (
	sweeps = 5 * time.Minute // the default period
	checks = 5 * time.Minute // the period of the healthcheck
	usual  = 150 * time.Millisecond
	slow   = 1500 * time.Millisecond // over the threshold
)

// promise is within which time an alarm is raised and ends, as its runbook states it for the default period.
func promise(t *testing.T, id string) (raised, ends time.Duration) {
	t.Helper()
	within := func(begin string) time.Duration {
		t.Helper()
		found := regexp.MustCompile(begin+` within (\d+) (minutes|hours) after`).FindAllStringSubmatch(read(t, runbooks+"/"+id+".md"), -1)
		if len(found) != 1 {
			t.Fatalf("%s.md must say once: %s within N minutes after …", id, begin)
		}
		d, err := time.ParseDuration(found[0][1] + found[0][2][:1])
		must(t, err)
		return d
	}
	return within("Raised"), within("Ends")
}

// installation is a stack in operation: the functions of the scenarios, whose metrics are written as the functions write them.
type installation struct {
	*scenario.World
	t                    *testing.T
	out                  bytes.Buffer
	report               *report.Reporter
	created, sweep, look time.Time // of the stack, and of the next runs
	lastSweep            time.Time
	stopped              bool // the schedule of the sweeps is disabled
}

// operating runs a test in virtual time with connections whose tokens last for an hour, a day and two.
func operating(t *testing.T, test func(in *installation)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := scenario.New(t.Name())
		must(t, err)
		in := &installation{World: w, t: t, created: w.Now(), sweep: w.Now(), look: w.Now().Add(137 * time.Second)}
		in.report = report.New(report.Config{Out: &in.out, Stack: stackName, Level: slog.LevelError})
		must(t, in.ConnectMany(4, "kiwify", "kiwify/account-"))
		must(t, in.ConnectMany(3, "hotmart", "hotmart/account-"))
		for i := range 2 {
			client := "hourly-" + strconv.Itoa(i+1)
			must(t, in.AddClient("generic", client, func(c *oauthtest.Client) { c.Lifetime = time.Hour }))
			must(t, in.PutSecret("generic/"+client, "", genericDocument(w, client)))
		}
		in.behave()
		test(in)
	})
}

// behave makes every provider respond in its usual time, and adds faults.
func (in *installation) behave(more ...oauthtest.Fault) {
	for _, name := range []string{"kiwify", "hotmart", "generic"} {
		p := in.Provider(name)
		p.ClearFaults()
		p.Inject(oauthtest.Latency(usual).Always())
		p.Inject(more...)
	}
}

// operate runs both schedules for a while.
func (in *installation) operate(d time.Duration) {
	in.t.Helper()
	for until := in.Now().Add(d); ; {
		next := in.sweep
		if in.look.Before(next) {
			next = in.look
		}
		if !next.Before(until) {
			in.Advance(until.Sub(in.Now()))
			return
		}
		if wait := next.Sub(in.Now()); wait > 0 {
			in.Advance(wait)
		}
		run := in.report.Run("request")
		if next.Equal(in.look) {
			in.look = in.look.Add(checks)
			found, events, err := in.Health(in.t.Context(), `{}`)
			for _, ev := range events {
				run.ObserveProbe(ev)
			}
			run.HealthDone(found, err)
			must(in.t, err)
			continue
		}
		if in.sweep = in.sweep.Add(sweeps); in.stopped {
			continue
		}
		in.AWS.ResetCalls() // a month of calls would be copied with each sweep
		in.lastSweep = in.Now()
		done := in.Run(in.t.Context(), `{}`)
		for _, ev := range done.Events {
			run.Observe(ev)
		}
		run.Done(done.Result, done.Err)
		must(in.t, done.Err)
	}
}

// wantOnly wants these alarms to have rung once, in time, and to have ended in time, and all others to be silent.
func (in *installation) wantOnly(id string, began, ended time.Time, also ...string) {
	in.t.Helper()
	s, all := deploy(in.t, nil), parseEMF(in.t, in.out.String())
	for _, other := range s.ofType("AWS::CloudWatch::Alarm") {
		s.each(other, all, in.created, in.Now(), func(changes []change) {
			in.t.Helper()
			rings := rang(changes)
			if other != id {
				if len(rings) > 0 && !slices.Contains(also, other) {
					in.t.Errorf("%s rang, at %v", other, rings)
				}
				return
			}
			raised, ends := promise(in.t, id)
			if len(rings) != 1 || rings[0].Before(began) || rings[0].After(began.Add(raised)) {
				in.t.Errorf("%s rang at %v; it began at %v, and the runbook says within %v", id, rings, began, raised)
			} else if end := changes[len(changes)-1]; end.to != "OK" || end.at.After(ended.Add(ends)) {
				in.t.Errorf("%s: the last change is %v; it ended at %v, and the runbook says within %v", id, end, ended, ends)
			}
		})
	}
}

// TestAHealthyMonthIsSilent, though two responses in a hundred are slow. The functions write the metrics of the contract and no other.
func TestAHealthyMonthIsSilent(t *testing.T) {
	length := 30 * 24 * time.Hour
	if testing.Short() {
		length = 12 * time.Hour
	}
	operating(t, func(in *installation) {
		in.behave(oauthtest.Latency(slow - usual).Chance(0.02))
		in.operate(length)
		in.wantOnly("", in.created, in.created)
		for key := range parseEMF(t, in.out.String()) {
			if name := strings.Fields(key)[1]; !slices.Contains(ten, name) {
				t.Errorf("the metric %s is written", name)
			}
		}
	})
}

// TestAFailingProviderRings, and the alarm ends after the provider responds again.
func TestAFailingProviderRings(t *testing.T) {
	for name, fault := range map[string]oauthtest.Fault{
		"it responds with errors": oauthtest.Status(503).Always(), "it cannot be reached": oauthtest.Fail(oauthtest.Refused()).Always(),
	} {
		t.Run(name, func(t *testing.T) {
			operating(t, func(in *installation) {
				in.operate(2 * time.Hour)
				began := in.Now()
				in.behave(fault)
				in.operate(40 * time.Minute)
				ended := in.Now()
				in.behave()
				in.operate(time.Hour)
				in.wantOnly("AuthFailing", began, ended, "RenewalOverdue", "ConnectionsFailing", "TokenInDanger")
			})
		})
	}
}

// TestMissingDataRings: sweeps that no longer run write nothing, and that is what breaches.
func TestMissingDataRings(t *testing.T) {
	operating(t, func(in *installation) {
		in.operate(2 * time.Hour)
		last := in.lastSweep
		in.stopped = true
		in.operate(time.Hour)
		in.stopped = false
		back := in.sweep
		in.operate(time.Hour)
		in.wantOnly("RefresherSilent", last, back, "TokenInDanger", "RenewalOverdue")
	})
}

// TestEveryAlarmRingsAndEnds over values that are made up: an hour of good ones, an hour of bad ones, and good ones again.
func TestEveryAlarmRingsAndEnds(t *testing.T) {
	values := map[string][2]float64{ // good, bad
		"TokenInDanger": {40_000, 100}, "RenewalOverdue": {0, 1}, "ConnectionsFailing": {0, 1}, "FallbackActive": {0, 1}, "AuthSlow": {100, 1001},
		"AuthFailing": {1, 0}, "DeadLetters": {0, 1}, "RotationFailed": {0, 1}, "Notices": {0, 1}, "RefresherSilent": {0, -1}, // -1: no value
	}
	begin := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	bad, good, end := begin.Add(time.Hour), begin.Add(2*time.Hour), begin.Add(30*time.Hour)
	s := deploy(t, nil)
	for _, id := range s.ofType("AWS::CloudWatch::Alarm") {
		raised, ends := promise(t, id)
		step, v := 5*time.Minute, values[id]
		if id == "DeadLetters" { // SQS writes every minute
			step = time.Minute
		}
		var data []datum
		for at := begin; at.Before(end); at = at.Add(step) {
			value := v[0]
			if !at.Before(bad) && at.Before(good) {
				value = v[1]
			}
			if value >= 0 {
				data = append(data, datum{at, value})
			}
		}
		s.each(id, metrics{s.alarm(id).metric: data}, begin, end, func(changes []change) {
			if at := rang(changes); len(at) != 1 || at[0].Before(bad) || at[0].After(bad.Add(raised)) {
				t.Errorf("%s rang at %v; values are bad from %v on, and the runbook says within %v", id, at, bad, raised)
			}
			if last := changes[len(changes)-1]; last.to != "OK" || last.at.Before(good) || last.at.After(good.Add(ends)) {
				t.Errorf("%s: the last change is %v; values are good from %v on, and the runbook says within %v", id, last, good, ends)
			}
		})
	}
}
