package stack_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/internal/scenario"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// The two sentences of a runbook that are held to. What they count from stands behind them.
var (
	raisedWithin = regexp.MustCompile(`Raised within (\d+) (minutes|hours) after`)
	endsWithin   = regexp.MustCompile(`Ends within (\d+) (minutes|hours) after`)
)

// promise is within which time an alarm is raised and ends, as its runbook states it with the default period.
func promise(t *testing.T, id string) (raised, ends time.Duration) {
	t.Helper()
	page := read(t, runbooks+"/"+id+".md")
	_, means, _ := strings.Cut(page, "\n## What it means\n")
	means, _, _ = strings.Cut(means, "\n## ")
	_, end, _ := strings.Cut(page, "\n## When it ends\n")
	within := func(sentence *regexp.Regexp, part string) time.Duration {
		t.Helper()
		found := sentence.FindAllStringSubmatch(part, -1)
		if len(found) != 1 || len(sentence.FindAllString(page, -1)) != 1 {
			t.Fatalf("%s.md has %d sentences %q in their part: it wants one", id, len(found), sentence)
		}
		n, err := strconv.Atoi(found[0][1])
		must(t, err)
		if found[0][2] == "hours" {
			return time.Duration(n) * time.Hour
		}
		return time.Duration(n) * time.Minute
	}
	return within(raisedWithin, means), within(endsWithin, end)
}

// trouble is a failure that is an alarm's own.
type trouble struct {
	alarm  string
	before func(in *installation)           // what is there when it begins; hours pass then
	begins func(in *installation) time.Time // makes it happen, and returns the instant from which the runbook counts
	lasts  time.Duration                    // then
	mended func(in *installation) time.Time // and the instant from which the runbook counts to the end
	rests  time.Duration                    // then
	also   []string                         // alarms that may ring as well
}

// hourly are connections whose tokens are renewed after 24 to 36 minutes, so that what happens when one is due is soon there.
func hourly(in *installation) {
	in.connectHourly(3)
	in.behave([]string{"generic"})
}

func providerFails(fault oauthtest.Fault, also ...string) trouble {
	return trouble{
		alarm: "AuthFailing", before: hourly,
		begins: func(in *installation) time.Time { in.behave([]string{"generic"}, fault); return in.Now() },
		lasts:  40 * time.Minute, // RenewalOverdue and ConnectionsFailing follow later
		mended: func(in *installation) time.Time { in.behave([]string{"generic"}); return in.Now() },
		also:   append(also, "RenewalOverdue", "ConnectionsFailing", "TokenInDanger"),
	}
}

func troubles() map[string]trouble {
	return map[string]trouble{
		"the schedule of the refresher stands still": {
			alarm: "RefresherSilent", before: hourly,
			begins: func(in *installation) time.Time { in.stopped = true; return in.lastSweep },
			lasts:  time.Hour,
			mended: func(in *installation) time.Time {
				in.stopped = false
				return in.until(func() bool { return in.lastSweep.After(in.Now().Add(-time.Minute)) })
			},
			also: []string{"TokenInDanger", "RenewalOverdue"}, // what is overdue is told by the first run that comes back
		},
		"a provider is down until its tokens end": {
			alarm: "TokenInDanger", before: hourly,
			begins: func(in *installation) time.Time {
				in.behave([]string{"generic"}, oauthtest.Status(503).Always())
				danger := in.record("generic/hourly-1").ExpiresAt
				for _, name := range []string{"generic/hourly-2", "generic/hourly-3"} {
					if at := in.record(name).ExpiresAt; at.Before(danger) {
						danger = at
					}
				}
				danger = danger.Add(-15 * time.Minute)
				in.operate(danger.Sub(in.Now()))
				return danger
			},
			lasts: 30 * time.Minute,
			mended: func(in *installation) time.Time {
				in.behave([]string{"generic"})
				return in.until(func() bool {
					return in.left("generic/hourly-1") > 0 && in.left("generic/hourly-2") > 0 && in.left("generic/hourly-3") > 0
				})
			},
			also: []string{"RenewalOverdue", "ConnectionsFailing", "AuthFailing"},
		},
		"a provider is down for hours, and nothing is recorded": {
			alarm: "RenewalOverdue",
			before: func(in *installation) {
				must(in.t, in.ConnectMany(6, "kiwify", "kiwify/account-"))
				in.behave([]string{"kiwify"})
			},
			begins: func(in *installation) time.Time {
				in.behave([]string{"kiwify"}, oauthtest.Status(503).Always())
				due := in.record("kiwify/account-1").RenewAt
				for i := 2; i <= 6; i++ {
					if at := in.record(fmt.Sprintf("kiwify/account-%d", i)).RenewAt; at.Before(due) {
						due = at
					}
				}
				in.operate(due.Sub(in.Now()))
				return due
			},
			lasts: time.Hour,
			mended: func(in *installation) time.Time {
				in.behave([]string{"kiwify"})
				return in.until(func() bool { return !in.swept.Known || in.swept.RenewalOverdue == 0 })
			},
			also: []string{"ConnectionsFailing", "AuthFailing"},
		},
		"a pair is refused": {
			alarm: "ConnectionsFailing", before: hourly,
			begins: func(in *installation) time.Time {
				in.Provider("generic").Remove(in.ClientID("hourly-1"))
				return in.until(func() bool { return in.failing("generic/hourly-1") })
			},
			lasts: time.Hour,
			mended: func(in *installation) time.Time {
				must(in.t, in.AddClient("generic", "hourly-1", func(c *oauthtest.Client) { c.Lifetime = time.Hour }))
				must(in.t, in.PutSecret("generic/hourly-1", "", in.generic("generic", "hourly-1")+"\n"))
				return in.until(func() bool { return !in.failing("generic/hourly-1") })
			},
			also: []string{"RenewalOverdue", "TokenInDanger"},
		},
		"a standby pair serves": {
			alarm: "FallbackActive",
			before: func(in *installation) {
				hourly(in)
				must(in.t, in.PutSecret("generic/hourly-1", "BACKUP", fmt.Sprintf(`{"client_id":%q,"client_secret":%q}`, in.ClientID("hourly-2"), in.ClientSecret("hourly-2"))))
			},
			begins: func(in *installation) time.Time {
				in.Provider("generic").Remove(in.ClientID("hourly-1"))
				return in.until(func() bool { return in.swept.FallbackActive > 0 })
			},
			lasts: time.Hour,
			mended: func(in *installation) time.Time {
				must(in.t, in.AddClient("generic", "hourly-1", func(c *oauthtest.Client) { c.Lifetime = time.Hour }))
				must(in.t, in.PutSecret("generic/hourly-1", "", in.generic("generic", "hourly-1")+"\n"))
				return in.until(func() bool { return in.swept.FallbackActive == 0 })
			},
			also: []string{"ConnectionsFailing", "RenewalOverdue", "Notices", "TokenInDanger"},
		},
		"a provider is slow": {
			alarm: "AuthSlow", before: hourly,
			begins: func(in *installation) time.Time {
				in.behave([]string{"generic"}, oauthtest.Latency(slow-usual).Always())
				return in.Now()
			},
			lasts:  time.Hour,
			mended: func(in *installation) time.Time { in.behave([]string{"generic"}); return in.Now() },
		},
		"a provider cannot be reached":   providerFails(oauthtest.Fail(oauthtest.Refused()).Always()),
		"a provider answers with errors": providerFails(oauthtest.Status(503).Always()),
		"a provider hangs":               providerFails(oauthtest.Hang().Always(), "AuthSlow"),
		"a firewall stands in the way":   providerFails(oauthtest.BlockPage().Always()),
		"a provider limits everybody":    providerFails(oauthtest.TooMany(time.Minute).Always()),
		"a scope is taken away": {
			alarm: "Notices",
			before: func(in *installation) {
				must(in.t, in.AddClient("generic", "drifts", func(c *oauthtest.Client) { c.Lifetime, c.Scopes = time.Hour, []string{"sales", "products"} }))
				must(in.t, in.PutSecret("generic/drifts", "", in.generic("generic", "drifts")))
				in.behave([]string{"generic"})
			},
			begins: func(in *installation) time.Time {
				must(in.t, in.AddClient("generic", "drifts", func(c *oauthtest.Client) { c.Lifetime, c.Scopes = time.Hour, []string{"products"} }))
				return in.until(func() bool { return in.swept.Notices > 0 })
			},
			lasts:  10 * time.Minute,
			mended: func(in *installation) time.Time { return in.Now().Add(-10 * time.Minute) }, // the only notice
			rests:  26 * time.Hour,
		},
		"a listing is refused": {
			alarm: "DeadLetters", before: hourly,
			begins: func(in *installation) time.Time {
				in.mend = in.AWS.Inject(awstest.Fault{Op: awstest.ListSecrets, Effect: awstest.AccessDenied})
				return in.until(in.letters.came)
			},
			lasts: 30 * time.Minute,
			mended: func(in *installation) time.Time {
				in.mend()
				in.letters.purge(in.Now())
				return in.Now()
			},
			also: []string{"RefresherSilent"},
		},
	}
}

// TestEachAlarmHasATroubleOfItsOwn: each failure is told by the alarm that is meant for it, within the time that its runbook states, and the
// alarm ends as the runbook says. Before it all are silent, and only those ring beside it that say something true too.
func TestEachAlarmHasATroubleOfItsOwn(t *testing.T) {
	has := map[string]bool{"RotationFailed": true} // in TestRotationFailedRings
	for name, tr := range troubles() {
		has[tr.alarm] = true
		for _, phase := range phases() {
			inBubble(t, fmt.Sprintf("%s: %s, at %v", tr.alarm, name, phase), func(t *testing.T) { tr.play(t, phase) })
		}
	}
	if all := deploy(t, nil).ofType("AWS::CloudWatch::Alarm"); !slices.Equal(all, slices.Sorted(maps.Keys(has))) {
		t.Errorf("alarms %v, and troubles of %v", all, slices.Sorted(maps.Keys(has)))
	}
}

// phases are when a trouble begins, counted from a sweep. The healthcheck runs 137 seconds after each, and up to jitter later.
func phases() []time.Duration {
	justAfterACheck := 137*time.Second + jitter
	if testing.Short() || raceDetector {
		return []time.Duration{justAfterACheck}
	}
	return []time.Duration{justAfterACheck, 0, time.Minute, 4*time.Minute + 50*time.Second}
}

func (tr trouble) play(t *testing.T, phase time.Duration) {
	in := install(t, 5*time.Minute)
	tr.before(in)
	in.operate(2*time.Hour + phase)
	healthy := in.Now()
	begun := tr.begins(in)
	in.operate(tr.lasts)
	mended := tr.mended(in)
	in.operate(max(tr.rests, time.Hour))

	raised, ends := promise(t, tr.alarm)
	s, all := deploy(t, nil), in.values()
	for _, id := range s.ofType("AWS::CloudWatch::Alarm") {
		for _, lookBack := range lookBacks {
			a := s.alarm(id)
			a.lookBack = lookBack
			changes := a.changes(t, all, in.made, in.Now())
			rings := rang(changes)
			if id != tr.alarm {
				if len(rings) > 0 && !slices.Contains(tr.also, id) {
					t.Errorf("%s rang too, at %v", id, rings)
				}
				continue
			}
			if len(rings) != 1 || rings[0].Before(healthy) || rings[0].After(begun.Add(raised)) {
				t.Errorf("%d points more: it rang %v, the trouble began %v, and the page says within %v", lookBack, rings, begun, raised)
				continue
			}
			if end := changes[len(changes)-1]; end.to != "OK" || end.at.After(mended.Add(ends)) {
				t.Errorf("%d points more: it was mended %v, the last change is %v, and the page says within %v", lookBack, mended, end, ends)
			} else if lookBack == 0 {
				t.Logf("raised %v after it began (the page says %v), ended %v after it was mended (%v)", rings[0].Sub(begun).Round(time.Second), raised, end.at.Sub(mended).Round(time.Second), ends)
			}
		}
	}
}

// values are all that the functions have written, and what SQS counts of the runs that failed.
func (in *installation) values() metrics {
	all := parseEMF(in.t, in.out.String())
	all[deploy(in.t, nil).alarm("DeadLetters").metric] = in.letters.visible(in.Now())
	return all
}

// until operates, a minute at a time, until something is so, and returns that minute's beginning: what the test counts from.
func (in *installation) until(so func() bool) time.Time {
	in.t.Helper()
	for range 48 * 60 {
		was := in.Now()
		if in.operate(time.Minute); so() {
			return was
		}
	}
	in.t.Fatal("it never came to that")
	return time.Time{}
}

// record is what a token's parameter says of it.
func (in *installation) record(connection string) renew.Record {
	in.t.Helper()
	p, _ := in.AWS.Parameter(scenario.ParameterName(connection, refresh.KindToken))
	rec, err := renew.ParseRecord(p.Description)
	must(in.t, err)
	return *rec
}

// left is the life that a published token has left.
func (in *installation) left(connection string) time.Duration {
	return in.record(connection).ExpiresAt.Sub(in.Now())
}

// failing reports whether a connection has a failure record.
func (in *installation) failing(connection string) bool {
	_, ok := in.AWS.Parameter(scenario.ParameterName(connection, refresh.KindFailure))
	return ok
}
