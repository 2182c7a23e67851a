package stack_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// TestThreeChecksOfFiveRing: which checks in a row are bad, x, and which are not. A third bad one of five rings at once, by the alarm that is
// meant for it; two of five never do.
func TestThreeChecksOfFiveRing(t *testing.T) {
	for alarm, fault := range map[string]oauthtest.Fault{
		"AuthSlow":    oauthtest.Latency(slow - usual).Always(),
		"AuthFailing": oauthtest.Status(503).Always(),
	} {
		for pattern, rings := range map[string]int{ // the check after which it rings, 0 for none
			"xxx": 3, "x.x.x": 5, "xx..x": 5, "x..xx": 5, ".xxx": 4,
			"x": 0, "xx": 0, "xx...xx": 0, "x..x..x..x": 0, "x....xx": 0,
		} {
			inBubble(t, alarm+" "+pattern, func(t *testing.T) {
				in := install(t, 5*time.Minute)
				in.connectShop()
				names := []string{"kiwify", "hotmart"}
				in.behave(names)
				in.operate(20 * time.Minute)
				next, checked := 0, make([]time.Time, 0, len(pattern))
				in.beforeCheck = func() {
					if in.behave(names); next < len(pattern) && pattern[next] == 'x' {
						in.behave([]string{"kiwify"}, fault)
					}
				}
				in.afterCheck = func() {
					if next++; next <= len(pattern) {
						checked = append(checked, in.Now())
					}
					in.behave(names)
				}
				in.operate(80 * time.Minute)
				in.each(alarm, func(t *testing.T, changes []change) {
					t.Helper()
					at := rang(changes)
					switch {
					case rings == 0 && len(at) > 0:
						t.Errorf("it rang %v", at)
					case rings > 0 && (len(at) != 1 || at[0].Before(checked[rings-1]) || at[0].After(checked[rings-1].Add(2*time.Minute))):
						t.Errorf("it rang %v, and the checks were at %v", at, checked)
					}
				})
			})
		}
	}
}

// TestDeadPairsAreNoOutage: the canaries of tenants whose pairs are dead are asked for every hour, and are refused as they should be.
func TestDeadPairsAreNoOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("hours of a busy installation: left to make test")
	}
	hours := sizes{short: 4, race: 4, full: 48}.get()
	for _, dead := range []int{1, 20} {
		inBubble(t, fmt.Sprintf("%d of them", dead), func(t *testing.T) {
			in := install(t, 5*time.Minute)
			in.connectHourly(3)
			in.behave([]string{"generic"})
			for i := range dead {
				client := fmt.Sprintf("dead-%d", i+1)
				must(t, in.PutSecret("generic/"+client, "", in.generic("generic", client)))
			}
			in.operate(time.Duration(hours) * time.Hour)
			if refused := in.Provider("generic").Total().TokenCalls; refused < dead*hours {
				t.Fatalf("%d requests in all: the canaries were not asked for", refused)
			}
			in.silent("AuthFailing")
			in.silent("AuthSlow")
		})
	}
}

// TestABusyInstallationIsNotSlow: a day, in which so many real requests are made that some are slow in many periods. A tenth of the connections
// with a tenth of the life are as many requests in a period, for a tenth of the day.
func TestABusyInstallationIsNotSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("hours of a busy installation: left to make test")
	}
	thousand := sizes{short: 10, race: 10, full: 1}.get()
	for name, c := range map[string]struct{ connections, endpoints, part int }{
		"a thousand connections of one provider": {1000, 1, thousand},
		"a thousand of three":                    {1000, 3, 10},
		"a hundred of twelve":                    {100, 12, sizes{short: 8, race: 8, full: 4}.get()},
		"a thousand of twelve":                   {1000, 12, thousand},
	} {
		inBubble(t, name, func(t *testing.T) {
			in := install(t, 5*time.Minute)
			day := 24 * time.Hour / time.Duration(c.part)
			in.twelve(c.endpoints, c.connections/c.part, day)
			in.operate(day + 10*time.Minute)
			if asked := in.Provider("p1").Total().TokenCalls; asked < 2*c.connections/c.part/c.endpoints {
				t.Errorf("the provider was asked %d times: too little for a day", asked)
			}
			in.silent("AuthSlow")
			in.silent("AuthFailing")
		})
	}
}

// TestOneSlowEndpointOfTwelveRings within five checks.
func TestOneSlowEndpointOfTwelveRings(t *testing.T) {
	inBubble(t, "of twelve", func(t *testing.T) {
		in := install(t, 5*time.Minute)
		in.twelve(12, 48, time.Hour)
		in.operate(2 * time.Hour)
		in.silent("AuthSlow")
		begun := in.Now()
		in.behave([]string{"p7"}, oauthtest.Latency(slow-usual).Always())
		in.operate(time.Hour)
		in.each("AuthSlow", func(t *testing.T, changes []change) {
			t.Helper()
			if at := rang(changes); len(at) != 1 || at[0].After(begun.Add(5*checks)) {
				t.Errorf("it rang %v, and the provider was slow from %v", at, begun)
			}
		})
	})
}

// twelve connects tenants of so many providers, each with an endpoint of its own, of which two answers in a hundred are slow.
func (in *installation) twelve(providers, connections int, life time.Duration) {
	in.t.Helper()
	var names []string
	for i := range providers {
		name := fmt.Sprintf("p%d", i+1)
		must(in.t, in.AddProvider(name, "generic", name+".example.com"))
		names = append(names, name)
	}
	for i := range connections {
		name, client := names[i%len(names)], fmt.Sprintf("tenant-%d", i+1)
		must(in.t, in.AddClient(name, client, func(c *oauthtest.Client) { c.Lifetime = life }))
		must(in.t, in.PutSecret(strings.ReplaceAll(name, ".", "-")+"/"+client, "", in.genericAt(name+".example.com", client)))
	}
	in.behave(names, oauthtest.Latency(slow-usual).Chance(seldom))
}
