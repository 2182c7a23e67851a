package longrun_test

import (
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// calls is what the token endpoints saw, and what became of it at the store.
type calls struct{ asked, minted, reused int }

func (w *world) calls() calls {
	var c calls
	for _, p := range []*oauthtest.Provider{w.kiwify, w.hotmart} {
		s := p.Total()
		c.asked += s.TokenCalls
		c.minted += s.Minted
		c.reused += s.Reissued
	}
	return c
}

// tellRuns writes down what the refresher did.
func (w *world) tellRuns(tb *table) {
	tb.t.Helper()
	s, c := &w.sweeps, w.calls()
	published := w.books.tokens(w.connections)
	tb.tell("sweeps", "%s", thousands(s.total))
	if s.crashed+s.broken > 0 {
		tb.tell("runs that died, runs that failed as a whole", "%d, %d", s.crashed, s.broken)
	}
	tb.tell("longest run", "%s", short(s.longest))
	tb.tell("tokens published", "%s", thousands(published))
	tb.tell("provider calls", "%s", thousands(c.asked))
	tb.tell("tokens that the provider made", "%s", thousands(c.minted))
	if published == 0 {
		tb.t.Error("nothing was published")
	}
}

// callsPerToken holds provider calls against the tokens that were published.
func (w *world) callsPerToken(tb *table, asked int, most float64) {
	tb.t.Helper()
	name := "provider calls per published token"
	if asked != w.calls().asked {
		name += ", the outage aside"
	}
	ratio := float64(asked) / float64(max(1, w.books.tokens(w.connections)))
	tb.must(ratio <= most, name, "at most "+decimals(most), "%.3f", ratio)
}

// checkWrites holds every PutParameter against the pace that is allowed, and against the bucket that the store itself keeps.
func (w *world) checkWrites(tb *table, refreshers int) {
	tb.t.Helper()
	b, count := &w.books, w.aws.Count(awstest.PutParameter)
	tb.tell("writes (PutParameter)", "%s", thousands(len(b.puts)))
	tb.tell("of these account ids, failure records", "%s, %s", thousands(b.accounts), thousands(b.failures))
	if len(b.puts) != count.Calls {
		tb.t.Errorf("%d writes were seen on their way, %d were counted by the store", len(b.puts), count.Calls)
	}
	const burst = 3
	window := time.Duration(burst / w.writesPerSecond * float64(time.Second))
	name := "most writes in one second"
	if window != time.Second {
		name = "most writes in " + window.String()
	}
	tb.atMost(name, most(b.puts, window), burst*refreshers)
	if refreshers == 1 && !*soak {
		tb.exactly("writes that SSM throttled", count.Throttled, 0)
	} else {
		tb.tell("writes that SSM throttled", "%s", thousands(count.Throttled))
	}
}

// noReaderRefused: every use of every reader was accepted by the provider, and there were at least so many.
func (w *world) noReaderRefused(tb *table, uses int) {
	tb.t.Helper()
	r := &w.readers
	tb.atLeast("uses of a token by readers", r.uses, uses)
	tb.exactly("uses that the provider refused", r.refused, 0)
	if r.refused > 0 {
		tb.t.Logf("refused: %s", strings.Join(r.examples, "; "))
	}
	tb.tell("least life that a reader saw", "%s", short(r.least))
	tb.within("longest time without a valid token", r.gap, 0)
}
