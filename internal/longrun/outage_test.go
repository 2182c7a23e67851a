package longrun_test

import (
	"net/http"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// outageTime is how long the provider is down. A token of 24 h that is due at 60% of its life leaves 9.6 h; the rest is for the wave of
// tokens that come due meanwhile, a reader's cache and the period.
const outageTime = 9 * time.Hour

// outage: 1,000 connections of Kiwify for a week. Two calls in a hundred fail at any time, and for nine hours all do: three with errors, three
// without an answer, three with broken connections.
func outage(w *world) {
	tenants := amount{short: 20, race: 24, full: 1000, soak: 1000}.get()
	days := amount{short: 2, race: 2, full: 7, soak: 30}.get()
	total := time.Duration(days) * 24 * time.Hour
	all := w.connectMany(tenants, "tenant", w.kiwify, 0)
	errors := []oauthtest.Fault{
		oauthtest.Latency(150 * time.Millisecond).Always(),
		oauthtest.Status(http.StatusBadGateway).Chance(0.010), oauthtest.Reset().Chance(0.007), oauthtest.CutBody(40).Chance(0.003),
	}
	w.kiwify.ClearFaults()
	w.kiwify.Inject(errors...)
	until := w.start.Add(total)
	w.readers.watch(all, time.Minute, readerCache, until)
	for _, c := range all[:2] {
		w.readers.overTheWire(c, until)
	}
	went := make(chan down)
	go func() { went <- w.goDown(all, total, errors) }()
	if *soak {
		w.troubles(total)
	} else {
		w.keepOn(total, nil)
	}
	hours := <-went
	w.readers.wg.Wait()

	tb := w.title("%s Kiwify connections for %d days, %s of outage, 2%% errors", thousands(tenants), days, outageTime)
	w.tellRuns(tb)
	tb.tell("outage began after", "%s", short(hours.began))
	tb.exactly("tokens published in the outage", hours.tokens, 0)
	// Three a sweep, whatever the number of tenants; while fewer than three are due, four for each.
	enough := 3 * max(1, int(12*time.Hour/period)/tenants) // sweeps until three are due
	tb.atLeast("provider calls in the outage", hours.calls, hours.sweeps/2)
	tb.atMost("provider calls in the outage, three a sweep", hours.calls, 3*hours.sweeps+8*enough)
	tb.tell("due when it ended", "%s", thousands(hours.due))
	if tenants >= 1000 {
		w.callsPerToken(tb, w.calls().asked, 1.15)
	} // with a few tenants the outage would be most of it
	w.callsPerToken(tb, w.calls().asked-hours.calls, 1.15)
	w.checkWrites(tb, 1)
	// Each connection is renewed at least every 14.4 h and a sweep, but for the outage.
	tb.atLeast("tokens published, of one in 15 h each", w.books.tokens(all), tenants*int((total-outageTime)/(15*time.Hour)))
	w.noReaderRefused(tb, tenants*(days*24*60-20))
	tb.exactly("connections with a valid token at the end", w.served(all), tenants)
	tb.print()
}

// down is what happened while the provider was down.
type down struct {
	began              time.Duration
	sweeps             int
	calls, tokens, due int
}

// goDown takes the provider down once, at a time that is left to chance, and mends it again.
func (w *world) goDown(all []*connection, total time.Duration, errors []oauthtest.Fault) down {
	at := 20*time.Hour + time.Duration(w.seed*7919%1000)*(total-outageTime-21*time.Hour)/1000
	at = at.Truncate(period) + period - 20*time.Second // between two sweeps: nothing is under way
	sleepUntil(w.start.Add(at))
	was := down{began: at, calls: w.kiwify.Total().TokenCalls, tokens: w.books.tokens(all)}
	for i, kind := range []oauthtest.Fault{oauthtest.Status(http.StatusServiceUnavailable), oauthtest.Hang(), oauthtest.Reset()} {
		w.kiwify.ClearFaults()
		w.kiwify.Inject(kind.Always())
		sleepUntil(w.start.Add(at + time.Duration(i+1)*outageTime/3))
	}
	now := time.Now()
	for _, c := range all {
		if _, record, ok := w.published(c); ok && !now.Before(record.RenewAt) {
			was.due++
		}
	}
	was.calls = w.kiwify.Total().TokenCalls - was.calls
	was.tokens = w.books.tokens(all) - was.tokens
	was.sweeps = int(outageTime/period) + 1
	w.kiwify.ClearFaults()
	w.kiwify.Inject(errors...)
	return was
}
