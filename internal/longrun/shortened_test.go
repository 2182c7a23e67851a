package longrun_test

import (
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// shortened: tokens live for 48 h, and from the tenth hour on each new one for an hour.
func shortened(w *world) {
	tenants := amount{short: 8, race: 8, full: 60, soak: 300}.get()
	hours := amount{short: 48, race: 48, full: 60, soak: 240}.get()
	const before = 10 * time.Hour
	total := time.Duration(hours) * time.Hour
	all := w.connectMany(tenants, "tenant", w.hotmart, 0)
	w.readers.watch(all, time.Minute, readerCache, w.start.Add(total))
	w.keepOn(before, nil)
	w.hotmart.Configure(func(s *oauthtest.Settings) { s.Lifetime = time.Hour })
	w.keepOn(total, nil)
	w.readers.wg.Wait()

	tb := w.title("%s Hotmart connections for %d h, from hour 10 on new tokens live 1 h in place of 48 h", thousands(tenants), hours)
	w.tellRuns(tb)
	long, brief := 0, 0
	for _, c := range all {
		for _, p := range w.books.of(c) {
			if p.record.Lifetime() > time.Hour {
				long++
			} else {
				brief++
			}
		}
	}
	tb.exactly("tokens of 48 h", long, tenants)
	// The 48 h tokens come due by hour 28.8 and a sweep; from then on each is renewed at 36 min and a sweep at the latest.
	tb.atLeast("tokens of 1 h", brief, tenants*int((total-29*time.Hour)/(42*time.Minute)))
	w.callsPerToken(tb, w.calls().asked, 1)
	w.checkWrites(tb, 1)
	w.noReaderRefused(tb, tenants*(hours*60-20))
	tb.exactly("connections with a valid token at the end", w.served(all), tenants)
	tb.print()
}
