package stack_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/scenario"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// periods are the allowed values of SchedulePeriodMinutes.
func periods(t *testing.T) map[string]time.Duration {
	t.Helper()
	all := map[string]time.Duration{}
	for _, minutes := range texts(at(readTemplate(t).parameters()["SchedulePeriodMinutes"], "AllowedValues")) {
		d, err := time.ParseDuration(minutes + "m")
		must(t, err)
		all[minutes] = d
	}
	if len(all) < 4 {
		t.Fatalf("periods: %v", all)
	}
	return all
}

// installation is a running stack: the refresher of the scenarios, writing its metrics as the function does, once a period.
type installation struct {
	*scenario.World
	t      *testing.T
	out    bytes.Buffer
	report *report.Reporter
	period time.Duration
	made   time.Time

	// Of operate, and what it leaves behind.
	sweeps, checks          *schedule
	stopped                 bool   // the schedule of the sweeps stands still
	beforeCheck, afterCheck func() // nil: nothing
	lastSweep               time.Time
	swept                   refresh.Health // what the last sweep knew
	mend                    func()         // ends a fault of AWS
	letters                 letters
}

func install(t *testing.T, period time.Duration) *installation {
	t.Helper()
	w, err := scenario.New(t.Name())
	must(t, err)
	in := &installation{World: w, t: t, period: period, made: w.Now()}
	in.Settings.Period, in.Settings.Lambda = period, period*9/10
	in.report = report.New(report.Config{Out: &in.out, Stack: stackName, Level: slog.LevelError})
	return in
}

// sweep runs the refresher once, a few seconds into the minute as the scheduler does.
func (in *installation) sweep() {
	in.t.Helper()
	run := in.report.Run("request")
	done := in.Run(in.t.Context(), `{}`)
	for _, ev := range done.Events {
		run.Observe(ev)
	}
	run.Done(done.Result, done.Err)
	if in.swept = done.Result.Health; done.Err == nil {
		in.lastSweep = in.Now()
	} else {
		in.letters.add(in.Now())
	}
	if len(done.Broken) > 0 {
		in.t.Fatalf("%v", done.Broken)
	}
}

// live sweeps once a period for a while.
func (in *installation) live(d time.Duration) {
	in.t.Helper()
	for until := in.Now().Add(d); in.Now().Before(until); {
		next := in.Now().Add(in.period)
		in.sweep()
		if rest := next.Sub(in.Now()); rest > 0 {
			in.Advance(rest)
		}
	}
}

// lookBacks are how many data points more than asked for CloudWatch may look at: nobody tells, so that an alarm has to be right for each.
var lookBacks = []int{0, 1, 2, 5}

// each evaluates an alarm of the template over what was written so far, for each look back.
func (in *installation) each(id string, check func(t *testing.T, changes []change)) {
	in.t.Helper()
	s := deploy(in.t, map[string]string{"SchedulePeriodMinutes": fmt.Sprint(in.period.Minutes())})
	all := parseEMF(in.t, in.out.String())
	for _, lookBack := range lookBacks {
		a := s.alarm(id)
		a.lookBack = lookBack
		check(in.t, a.changes(in.t, all, in.made, in.Now()))
	}
}

// silent wants an alarm not to have rung.
func (in *installation) silent(id string) {
	in.t.Helper()
	in.each(id, func(t *testing.T, changes []change) {
		t.Helper()
		if at := rang(changes); len(at) > 0 {
			t.Errorf("%s rang %d times, first %v after the deploy", id, len(at), at[0].Sub(in.made))
		}
	})
}

func inBubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, f)
	})
}

func TestAStackWithoutASecretIsSilent(t *testing.T) {
	for minutes, period := range periods(t) {
		inBubble(t, minutes+" min", func(t *testing.T) {
			in := install(t, period)
			in.live(150 * period)
			for _, id := range []string{"RefresherSilent", "TokenInDanger"} {
				in.silent(id)
			}
		})
	}
}

// TestAHealthyWeekIsSilent has tokens of a day, of two and of an hour, new connections, and a run that takes all its time.
func TestAHealthyWeekIsSilent(t *testing.T) {
	for minutes, period := range periods(t) {
		inBubble(t, minutes+" min", func(t *testing.T) {
			in := install(t, period)
			days, hour := 1, time.Hour
			switch {
			case testing.Short() || minutes == "1":
				hour = 15 * time.Minute
			case minutes == "5":
				days = 7
			}
			in.connectAll()
			for day := range days {
				in.live(20 * hour)
				must(t, in.Connect(fmt.Sprintf("kiwify/new-%d", day), "kiwify", fmt.Sprintf("new-%d", day), ""))
				in.live(4 * hour)
				in.Advance(period * 9 / 10) // the last run of the day ended at once, the first of the next takes 0.9 of its period
			}
			for _, id := range []string{"RefresherSilent", "TokenInDanger"} {
				in.silent(id)
			}
		})
	}
}

// connectAll makes three connections: tokens of one hour, of a day and of two.
func (in *installation) connectAll() {
	in.t.Helper()
	must(in.t, in.AddClient("generic", "hourly", func(c *oauthtest.Client) { c.Lifetime = time.Hour }))
	must(in.t, in.PutSecret("generic/hourly", "", fmt.Sprintf(`{"provider":"generic","token_endpoint":"https://%s/oauth/token","client_id":%q,"client_secret":%q}`,
		in.Provider("generic").Hosts()[0], in.ClientID("hourly"), in.ClientSecret("hourly"))))
	must(in.t, in.Connect("kiwify/main", "kiwify", "main", ""))
	must(in.t, in.Connect("hotmart/loja-a", "hotmart", "shop", ""))
}

func TestRefresherSilentRingsWhenRunsStop(t *testing.T) {
	for minutes, period := range periods(t) {
		inBubble(t, minutes+" min", func(t *testing.T) {
			in := install(t, period)
			in.live(6 * time.Hour)
			stopped := in.Now().Add(-period) // the last run
			in.Advance(6*period + 5*time.Minute)
			back := in.Now()
			in.live(2 * period)
			in.each("RefresherSilent", func(t *testing.T, changes []change) {
				t.Helper()
				at := rang(changes)
				if len(at) != 1 || at[0].Before(stopped.Add(2*period)) || at[0].After(stopped.Add(3*period+6*time.Minute)) {
					t.Errorf("it rang %v, and the last run was at %v", at, stopped)
				}
				if end := changes[len(changes)-1]; end.to != "OK" || end.at.After(back.Add(2*time.Minute)) {
					t.Errorf("the runs came back at %v, and the last change is %v", back, end)
				}
			})
		})
	}
}

// TestRefresherSilentBearsALostRun: a run that was lost is the dead letters' matter.
func TestRefresherSilentBearsALostRun(t *testing.T) {
	for minutes, period := range periods(t) {
		inBubble(t, minutes+" min", func(t *testing.T) {
			in := install(t, period)
			in.live(10 * period)
			in.Advance(period)          // lost
			in.Advance(period * 8 / 10) // and the next one takes its time
			in.live(10 * period)
			in.silent("RefresherSilent")
		})
	}
}

// TestAFreshStackRingsOnceAtMost: the alarm is made after the schedule, which starts its first run as it is made. With a value that is seen
// at once it is silent. Nobody promises that: while none is seen yet, a new alarm rings, and ends with the first one. So what is expected is
// one ALARM and one OK, which the template and docs/runbooks/RefresherSilent.md say, and nothing afterwards.
func TestAFreshStackRingsOnceAtMost(t *testing.T) {
	const firstRun = 50 * time.Second
	for _, late := range []time.Duration{0, time.Minute, 3 * time.Minute, 10 * time.Minute} {
		inBubble(t, "values are seen after "+late.String(), func(t *testing.T) {
			in := install(t, 5*time.Minute)
			in.Advance(firstRun)
			in.live(3 * time.Hour)
			s, all := deploy(t, nil), parseEMF(t, in.out.String())
			for _, lookBack := range lookBacks {
				a := s.alarm("RefresherSilent")
				a.lookBack, a.late = lookBack, late
				changes := a.changes(t, all, in.made, in.Now())
				want := []string{"ALARM", "OK"}
				if late == 0 {
					want = []string{"OK"}
				}
				var got []string
				for _, c := range changes {
					got = append(got, c.to)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("it changed %v, want %v", changes, want)
				}
				if end := changes[len(changes)-1].at; end.After(in.made.Add(firstRun + late + 2*time.Minute)) {
					t.Errorf("it ended %v after the deploy", end.Sub(in.made))
				}
			}
		})
	}
	s := deploy(t, nil)
	var schedules []string // as SAM names them: the function's logical id and the event's
	for _, function := range s.ofType("AWS::Serverless::Function") {
		for event := range mapping(s.properties(function)["Events"]) {
			schedules = append(schedules, function+event)
		}
	}
	if after := text(mapping(s.resources["RefresherSilent"])["DependsOn"]); !slices.Contains(schedules, after) {
		t.Errorf("RefresherSilent is made after %q, and the schedules are %v", after, schedules)
	}
}

// TestAShorterPeriodRingsOnceAtMost: the last run was made under the old period, and is older than three of the new ones.
func TestAShorterPeriodRingsOnceAtMost(t *testing.T) {
	inBubble(t, "from 15 minutes to 1", func(t *testing.T) {
		in := install(t, 15*time.Minute)
		in.live(3 * time.Hour)
		in.period = time.Minute // deployed as the next run would have begun
		in.Settings.Period, in.Settings.Lambda = in.period, in.period*9/10
		changed := in.Now()
		in.Advance(50 * time.Second)
		in.live(time.Hour)
		s, all := deploy(t, map[string]string{"SchedulePeriodMinutes": "1"}), parseEMF(t, in.out.String())
		for _, lookBack := range lookBacks {
			a := s.alarm("RefresherSilent")
			a.lookBack = lookBack
			changes := a.changes(t, all, changed.Add(-time.Minute), in.Now())
			if len(changes) != 2 || changes[0].to != "ALARM" || changes[1].to != "OK" || changes[1].at.After(changed.Add(3*time.Minute)) {
				t.Errorf("changed at %v, and the alarm %v", changed, changes)
			}
		}
	})
}

// TestRefresherSilentRingsWhenEveryRunFails: a role that may no longer list is as silent as a schedule that stands still.
func TestRefresherSilentRingsWhenEveryRunFails(t *testing.T) {
	for minutes, period := range periods(t) {
		inBubble(t, minutes+" min", func(t *testing.T) {
			in := install(t, period)
			in.connectAll()
			in.live(3 * time.Hour)
			last := in.Now().Add(-period)
			clearFault := in.AWS.Inject(awstest.Fault{Op: awstest.DescribeParameters, Effect: awstest.AccessDenied})
			in.live(6*period + 5*time.Minute)
			clearFault()
			back := in.Now()
			in.live(2 * period)
			in.each("RefresherSilent", func(t *testing.T, changes []change) {
				t.Helper()
				at := rang(changes)
				if len(at) != 1 || at[0].Before(last.Add(2*period)) || at[0].After(last.Add(3*period+6*time.Minute)) {
					t.Errorf("it rang %v, and the last run that succeeded was at %v", at, last)
				}
				if end := changes[len(changes)-1]; end.to != "OK" || end.at.After(back.Add(2*time.Minute)) {
					t.Errorf("runs succeed again since %v, and the last change is %v", back, end)
				}
			})
		})
	}
}

func TestAStackThatNeverRunsRings(t *testing.T) {
	inBubble(t, "no run at all", func(t *testing.T) {
		in := install(t, 5*time.Minute)
		in.Advance(time.Hour)
		in.each("RefresherSilent", func(t *testing.T, changes []change) {
			t.Helper()
			if len(rang(changes)) != 1 {
				t.Errorf("it changed %v", changes)
			}
		})
	})
}

// TestTokenInDangerRingsInTime: the provider goes down for good while an hourly token and one of a day are published.
func TestTokenInDangerRingsInTime(t *testing.T) {
	for minutes, period := range periods(t) {
		inBubble(t, minutes+" min", func(t *testing.T) {
			in := install(t, period)
			in.connectAll()
			in.live(3 * time.Hour)
			for _, name := range []string{"generic", "kiwify", "hotmart"} {
				in.Provider(name).Inject(oauthtest.Status(503).Always())
			}
			expires := in.soonest()
			in.live(min(26*time.Hour, 312*period)) // beyond the token of a day, but for the shortest period
			in.each("TokenInDanger", func(t *testing.T, changes []change) {
				t.Helper()
				at := rang(changes)
				if len(at) == 0 {
					t.Fatal("it never rang")
				}
				left := expires.Sub(at[0])
				if atLeast := in.Settings.ReaderCache + 5*time.Minute; left < atLeast || left > 3*period+5*time.Minute {
					t.Errorf("it rang %v before the first token expired, want at least %v", left, atLeast)
				}
				if len(at) > 2 {
					t.Errorf("it rang %d times in one outage: %v", len(at), at)
				}
			})
		})
	}
}

// TestTokenInDangerRingsForEveryTokenOfTwoDays: a pair that is refused for ever. The renewal of a token of 48 h begins 19 to 29 hours before
// its end, by the connection's name, so for some the failure is over a day old when the end comes near. It ends a day after the expiry.
func TestTokenInDangerRingsForEveryTokenOfTwoDays(t *testing.T) {
	names := []string{"loja-a", "loja-b", "loja-c", "loja-d", "loja-e", "loja-f"}
	if testing.Short() {
		names = names[:2]
	}
	for _, name := range names {
		inBubble(t, name, func(t *testing.T) {
			in := install(t, 15*time.Minute)
			must(t, in.Connect("hotmart/"+name, "hotmart", "shop", ""))
			in.sweep()
			expires := in.soonest()
			if left := expires.Sub(in.Now()); left < 47*time.Hour || left > 48*time.Hour {
				t.Fatalf("the token lives for %v", left)
			}
			in.Provider("hotmart").Remove(in.ClientID("shop"))
			in.live(74 * time.Hour)
			in.each("TokenInDanger", func(t *testing.T, changes []change) {
				t.Helper()
				at := rang(changes)
				if len(at) != 1 || at[0].After(expires.Add(-10*time.Minute)) || at[0].Before(expires.Add(-time.Hour)) {
					t.Errorf("it rang %v, and the token expires %v", at, expires)
				}
				if end := changes[len(changes)-1]; end.to != "OK" || end.at.Before(expires.Add(24*time.Hour)) || end.at.After(expires.Add(26*time.Hour)) {
					t.Errorf("the token expired %v, and the last change is %v", expires, end)
				}
			})
		})
	}
}

// soonest is when the first of the published tokens expires.
func (in *installation) soonest() time.Time {
	in.t.Helper()
	done := in.Run(in.t.Context(), `{}`)
	if h := done.Result.Health; h.HasTokens {
		return in.Now().Add(time.Duration(h.MinSecondsToExpiry) * time.Second)
	}
	in.t.Fatal("no token is published")
	return time.Time{}
}

// TestEveryMetricOfAnAlarmIsWritten: namespace, name and dimensions of each alarm on our own metrics, as the function really writes them.
func TestEveryMetricOfAnAlarmIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := install(t, 5*time.Minute)
		in.connectAll()
		in.sweep()
		s := deploy(t, nil)
		r := newRotations(t, s, rotatesKiwify)
		r.refused()
		written := parseEMF(t, in.out.String()+r.out.String())
		ours := 0
		for _, id := range s.ofType("AWS::CloudWatch::Alarm") {
			a := s.alarm(id)
			if !strings.HasPrefix(a.metric, report.Namespace+" ") {
				continue
			}
			ours++
			if len(written[a.metric]) == 0 {
				t.Errorf("%s watches %q, which is not written: %v", id, a.metric, written)
			}
		}
		if ours != 9 { // and one of SQS's
			t.Errorf("%d alarms on our own metrics", ours)
		}
	})
}

// TestDeadLetters: the alarm rings while a message waits, and a queue that sends no values is no trouble.
func TestDeadLetters(t *testing.T) {
	s := deploy(t, nil)
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	a := s.alarm("DeadLetters")
	if want := metricKey("AWS/SQS", "ApproximateNumberOfMessagesVisible", map[string]string{"QueueName": s.attribute("DeadLetterQueue", "QueueName")}); a.metric != want {
		t.Fatalf("it watches %q", a.metric)
	}
	var waiting []datum
	for minute := 60; minute < 180; minute++ { // a message comes after an hour and is taken away an hour later
		n := 0.0
		if minute < 120 {
			n = 1
		}
		waiting = append(waiting, datum{start.Add(time.Duration(minute) * time.Minute), n})
	}
	for _, lookBack := range lookBacks {
		a.lookBack = lookBack
		changes := a.changes(t, metrics{a.metric: waiting}, start, start.Add(4*time.Hour))
		if at := rang(changes); len(at) != 1 || at[0].Sub(start) > 62*time.Minute {
			t.Errorf("it rang %v", at)
		}
		if end := changes[len(changes)-1]; end.to != "OK" || end.at.Sub(start) > 126*time.Minute {
			t.Errorf("it ended %v", end)
		}
	}
}
