package longrun_test

import (
	"time"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// bigImport: 10,000 tenants are stored at once beside 500 whose tokens live for an hour, all at one provider, at three writes a second. The
// smaller sizes have a smaller quota: the proportions are the same.
func bigImport(w *world) {
	imported := amount{short: 200, race: 300, full: 10000, soak: 10000}.get()
	living := imported / 20
	w.writesPerSecond = 3 * float64(imported) / 10000
	const before, total = 90 * time.Minute, 200 * time.Minute
	hourly := w.connectMany(living, "hourly", w.hotmart, time.Hour)
	w.readers.watch(hourly, time.Minute, readerCache, w.start.Add(total))
	w.keepOn(before, nil)
	if got := w.served(hourly); got != living {
		w.t.Fatalf("%d of %d connections have a token before the import", got, living)
	}

	began := time.Now()
	newcomers := w.connectMany(imported, "new", w.hotmart, 0)
	w.readers.watch(newcomers, 5*time.Minute, readerCache, w.start.Add(total))
	var took, half time.Duration
	w.keepOn(total, func(refresh.Result) {
		have := 0
		if took == 0 {
			have = w.books.tokens(newcomers)
		}
		if half == 0 && have >= imported/2 {
			half = time.Since(began)
		}
		if have >= imported {
			took = time.Since(began)
		}
	})
	w.readers.wg.Wait()

	tb := w.title("%s connections imported at once beside %s with tokens of 1 h, %.3g writes a second", thousands(imported), thousands(living), w.writesPerSecond)
	w.tellRuns(tb)
	tb.tell("half of the import took", "%s", short(half))
	tb.must(took > 0 && took <= 90*time.Minute, "the import took", "at most 1h30m0s", "%s", short(took))
	tb.exactly("imported connections with a valid token at the end", w.served(newcomers), imported)
	tb.exactly("tokens for the imported", w.books.tokens(newcomers), imported)
	tb.atLeast("tokens for the hourly", w.books.tokens(hourly), living*int(total/(41*time.Minute)))
	w.callsPerToken(tb, w.calls().asked, 1)
	w.checkWrites(tb, 1)
	w.noReaderRefused(tb, living*(int(total/time.Minute)-20))
	tb.print()
}
