package longrun_test

import (
	"time"

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// stickyLag bounds how long after its end the token of such a provider may still be published. A run waits for an end that comes before the
// next sweep and asks 2 s later, as long as a request of 10 s still fits into the 0.9 periods that it has. An end that comes later is the
// next sweep's, which may be late itself and first lists.
const stickyLag = period/10 + 10*time.Second + 2*time.Second + jitter + 5*time.Second

// sticky: a provider that hands out the same token until it ends, for five lifetimes of 48 h. A new token cannot exist before the old one has
// ended, so what counts is how soon after that it is published: a reader that reads in between meets a dead token for that much longer than
// its cache.
func sticky(w *world) {
	tenants := amount{short: 4, race: 4, full: 12, soak: 60}.get()
	lifetimes := amount{short: 2, race: 2, full: 5, soak: 15}.get()
	const lifetime = 172799 * time.Second
	total := time.Duration(lifetimes)*(lifetime+time.Minute) + 6*time.Hour
	w.hotmart.Configure(func(s *oauthtest.Settings) { s.SameToken = true })
	all := make([]*connection, tenants)
	for i := range all {
		all[i] = w.tenant("tenant"+thousands(i), w.hotmart)
	}
	for range 3 {
		w.readers.watch(all, 5*time.Second, readerCache, w.start.Add(total))
	}
	w.readers.wg.Go(func() { w.oneByOne(all) })
	w.keepOn(total, nil)
	w.readers.wg.Wait()

	tb := w.title("%d Hotmart connections for %d lifetimes of 48 h, the same token until it ends", tenants, lifetimes)
	w.tellRuns(tb)
	tb.tell("the same token again", "%s", thousands(w.calls().reused))
	var ends, soon int
	var worst time.Duration
	for _, c := range all {
		for _, p := range w.books.of(c) {
			if p.dead == 0 {
				continue // the same token, written again with what is known of it now
			}
			ends++
			worst = max(worst, p.dead)
			if p.dead <= 5*time.Second {
				soon++
			}
		}
	}
	tb.exactly("ends of a token", ends, tenants*lifetimes)
	tb.exactly("tokens that the provider made", w.calls().minted, tenants*(lifetimes+1))
	tb.tell("replaced within 5 s of their end", "%s", thousands(soon))
	tb.within("a dead token was published for at most", worst, stickyLag)
	// A reader that reads a dead token keeps it for its cache's time, and knew it before: nobody can be worse off than that.
	tb.within("longest time without a valid token", w.readers.gap, readerCache+stickyLag)
	beyond := w.readers.gap - readerCache
	tb.must(beyond <= worst+time.Second, "of this beyond the reader's cache of 5m0s", "no more than it was published for", "%s", short(beyond))
	tb.tell("uses of a token by readers", "%s", thousands(w.readers.uses))
	tb.tell("uses that the provider refused", "%s (%.2f%%)", thousands(w.readers.refused), 100*float64(w.readers.refused)/float64(w.readers.uses))
	w.checkWrites(tb, 1)
	tb.exactly("connections with a valid token at the end", w.served(all), tenants)
	tb.print()
}

// oneByOne stores the connections and has each fetched by hand, so that their tokens end anywhere between two sweeps.
func (w *world) oneByOne(all []*connection) {
	function := w.newContainer()
	step := period + period/time.Duration(len(all))
	for i, c := range all {
		sleepUntil(w.start.Add(time.Duration(i) * step))
		w.store(c, 0)
		if _, err := w.invoke(function, timeout, refresh.Call{Connections: []string{c.id}}); err != nil {
			w.t.Errorf("%s: %v", c.id, err)
		}
	}
}
