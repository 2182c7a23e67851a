package longrun_test

import (
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// twoRefreshers: two installations of the refresher on the same connections for a day, which start each sweep in the same second or some
// seconds apart. Lambda's reserved concurrency prevents it in one installation; nothing prevents two.
func twoRefreshers(w *world) {
	all, hours := w.runTwo()
	tb := w.title("two refreshers at once on %s Kiwify connections with tokens of 2 h for %d h", thousands(len(all)), hours)
	w.tellWaste(tb, all, hours)
	w.checkWrites(tb, 2)
	w.noReaderRefused(tb, len(all)*(hours*60-20))
	w.checkEnd(tb, all)
	tb.print()
}

// twoEvicting is the same at a provider whose new token ends the one before. Each renewal then costs readers with a cache up to that time,
// with one refresher too. With two, a token that the other one has just ended may be published last; whoever sees that fetches again at once.
func twoEvicting(w *world) {
	w.kiwify.Configure(func(s *oauthtest.Settings) { s.Evicts = true })
	all, hours := w.runTwo()
	tb := w.title("the same where a token evicts the one before")
	w.tellWaste(tb, all, hours)
	w.checkWrites(tb, 2)
	tb.tell("uses of a token by readers", "%s", thousands(w.readers.uses))
	tb.tell("uses that the provider refused", "%s (%.1f%%)", thousands(w.readers.refused), 100*float64(w.readers.refused)/float64(w.readers.uses))
	tb.within("an ended token was published for at most", w.readers.direct, period+jitter)
	tb.within("longest time without a valid token", w.readers.gap, readerCache+period+jitter)
	w.checkEnd(tb, all)
	tb.print()
}

func (w *world) runTwo() (all []*connection, hours int) {
	tenants := amount{short: 10, race: 10, full: 60, soak: 300}.get()
	hours = amount{short: 6, race: 8, full: 24, soak: 96}.get()
	total := time.Duration(hours) * time.Hour
	all = w.connectMany(tenants, "tenant", w.kiwify, 2*time.Hour)
	w.readers.watch(all, time.Minute, readerCache, w.start.Add(total))
	w.readers.watch(all, 5*time.Second, 0, w.start.Add(total))
	one, other := w.newContainer(), w.newContainer()
	n := 0
	w.everyPeriod(total, func() {
		apart := []time.Duration{0, 0, 200 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second, time.Minute}[n%7]
		n++
		var both sync.WaitGroup
		for i, c := range []*container{one, other} {
			both.Go(func() {
				time.Sleep(time.Duration(i) * apart)
				if _, err := w.sweep(c, timeout-apart); err != nil {
					w.t.Errorf("%s after the start: %v", time.Since(w.start), err)
				}
			})
		}
		both.Wait()
	})
	// What counts is the state that the next run leaves, by itself.
	if _, err := w.sweep(one, timeout); err != nil {
		w.t.Error(err)
	}
	w.readers.wg.Wait()
	return all, hours
}

// tellWaste holds the tokens that were made against those that one refresher would have made.
func (w *world) tellWaste(tb *table, all []*connection, hours int) {
	tb.t.Helper()
	w.tellRuns(tb)
	renewals := 0
	for _, c := range all {
		var last time.Time
		for _, p := range w.books.of(c) {
			if p.at.Sub(last) > period {
				renewals++
			}
			last = p.at
		}
	}
	minted := w.calls().minted
	tb.atLeast("renewals", renewals, len(all)*int(time.Duration(hours)*time.Hour/(78*time.Minute)))
	tb.tell("tokens that replaced one of the same minutes", "%s", thousands(minted-renewals))
	tb.exactly("tokens beyond one for each renewal", minted-renewals, 0)
}

// checkEnd: what is published is a token of AWSCURRENT with its own record, and nothing is on record as failed.
func (w *world) checkEnd(tb *table, all []*connection) {
	tb.t.Helper()
	right := 0
	for _, c := range all {
		state, record, ok := w.published(c)
		if ok && record != nil && record.Version == state.Version && record.TokenID == state.Value.Fingerprint() && record.Stage == store.StageCurrent &&
			c.provider.Validate(state.Value.Reveal()) && w.failing(c) == nil {
			right++
		}
	}
	tb.exactly("connections in the right state at the end", right, len(all))
}
