package stack_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const (
	slow    = 1500 * time.Millisecond // an answer over the threshold
	seldom  = 0.02                    // how many answers are
	allowed = 0.2                     // false alarms a day, over all alarms
)

// falseAlarms evaluates every alarm of the template over what was written since an instant, for each look back, prints how often each rang,
// and returns the greatest number a day over all of them.
func (in *installation) falseAlarms(since time.Time) float64 {
	in.t.Helper()
	s := deploy(in.t, map[string]string{"SchedulePeriodMinutes": fmt.Sprint(in.period.Minutes())})
	all, days, worst := in.values(), in.Now().Sub(since).Hours()/24, 0
	ids := s.ofType("AWS::CloudWatch::Alarm")
	var table strings.Builder
	for _, lookBack := range lookBacks {
		total := 0
		fmt.Fprintf(&table, "\n  CloudWatch looks at %d points more:", lookBack)
		for _, id := range ids {
			a := s.alarm(id)
			a.lookBack = lookBack
			n := len(rang(a.changes(in.t, all, since, in.Now())))
			total += n
			fmt.Fprintf(&table, " %s %d", id, n)
		}
		fmt.Fprintf(&table, ": %d", total)
		worst = max(worst, total)
	}
	values := 0
	for _, data := range all {
		values += len(data)
	}
	in.t.Logf("%.1f days, %d values, %d alarms; how often each rang:%s\n  at most %.3f false alarms a day", days, values, len(ids), table.String(), float64(worst)/days)
	return float64(worst) / days
}

// TestAHealthyMonthIsSilent: nothing is wrong but that two answers in a hundred take longer than the threshold, by themselves, in a repetition
// too. Over all ten alarms there is at most one false alarm in five days.
func TestAHealthyMonthIsSilent(t *testing.T) {
	length := time.Duration(sizes{short: 12, race: 12, full: 30 * 24}.get()) * time.Hour
	inBubble(t, "two requests in a hundred are slow", func(t *testing.T) {
		in := install(t, 5*time.Minute)
		in.connectShop()
		in.connectHourly(2)
		in.behave([]string{"kiwify", "hotmart", "generic"}, oauthtest.Latency(slow-usual).Chance(seldom))
		in.operate(length)
		if rate := in.falseAlarms(in.made); rate > allowed {
			t.Errorf("%.2f false alarms a day, want at most %g", rate, allowed)
		}
	})
	// As slow as the issue that asked for the alarms counts: of a hundred probes two are slow, whatever the repetition says.
	inBubble(t, "two measurements in a hundred are slow, of each of two providers", func(t *testing.T) {
		in := install(t, 5*time.Minute)
		in.connectShop()
		in.slowChecks("kiwify", "hotmart")
		in.operate(length)
		if rate := in.falseAlarms(in.made); rate > allowed {
			t.Errorf("%.2f false alarms a day, want at most %g", rate, allowed)
		}
	})
}

// slowChecks makes each provider slow for the whole of two checks in a hundred, and of two real requests in a hundred.
func (in *installation) slowChecks(names ...string) {
	chance := rand.New(rand.NewPCG(7, 7))
	real := oauthtest.Latency(slow - usual).Chance(seldom)
	in.behave(names, real)
	in.beforeCheck = func() {
		for _, name := range names {
			if chance.Float64() < seldom {
				in.behave([]string{name}, oauthtest.Latency(slow-usual).Always())
			}
		}
	}
	in.afterCheck = func() { in.behave(names, real) }
}
