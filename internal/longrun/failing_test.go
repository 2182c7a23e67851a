package longrun_test

import (
	"net/http"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// sickFrom is when the three begin to fail: by then each of them has its first token, and its readers use it.
const sickFrom = 6 * time.Hour

// failing: three of a thousand tenants have a token like all, and from the sixth hour on they are answered 5xx for ever. Their tokens end; the
// others must not notice.
func failing(w *world) {
	tenants := amount{short: 30, race: 30, full: 1000, soak: 1000}.get()
	hours := amount{short: 24, race: 24, full: 24, soak: 14 * 24}.get()
	total := time.Duration(hours) * time.Hour
	all := w.connectMany(tenants, "tenant", w.kiwify, 0)
	const sick = 3
	healthy := all[sick:]
	w.readers.leave(all[:sick])
	w.readers.watch(healthy, time.Minute, readerCache, w.start.Add(total))
	w.keepOn(sickFrom, nil)
	served := w.served(all)
	asked := 0
	for i, c := range all[:sick] {
		asked += w.kiwify.Stats(c.client).TokenCalls
		w.kiwify.InjectFor(c.client, oauthtest.Status([]int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable}[i]).Always())
	}
	w.keepOn(total, nil)
	w.readers.wg.Wait()

	tb := w.title("%s Kiwify connections for %d h, three of them are answered 5xx from hour 6 on", thousands(tenants), hours)
	w.tellRuns(tb)
	tb.exactly("connections with a valid token when it began", served, tenants)
	spent := 0
	for _, c := range all[:sick] {
		spent += w.kiwify.Stats(c.client).TokenCalls
		if f := w.failing(c); f == nil || f.Code != "server_error" || f.Attempts < 3 {
			tb.t.Errorf("%s: failure record %+v", c.id, f)
		}
	}
	spent -= asked
	w.checkLateness(tb, healthy)
	// No more than an outage: a run in which the three open the breaker asks three times and leaves no record; in any other each is recorded
	// and backs off, soon for 30 min, with at most four requests and one record each time.
	tb.atMost("provider calls for the three, of three a sweep", spent, sick*w.sweeps.total)
	w.checkWrites(tb, 1)
	tb.atMost("failure records written, of two an hour each", w.books.failures, sick*(int(total/(30*time.Minute))+4))
	tb.exactly("provider calls for the others, but for their tokens", w.calls().asked-asked-spent-w.books.tokens(healthy), 0)
	w.noReaderRefused(tb, len(healthy)*(hours*60-20))
	tb.exactly("connections with a valid token at the end", w.served(all), len(healthy))
	tb.print()
}

// checkLateness: a token that comes due is renewed in the next sweep. Where the three come first in a sweep they open the breaker, and
// the others wait for the next one: it happens in few sweeps and never for long.
func (w *world) checkLateness(tb *table, list []*connection) {
	tb.t.Helper()
	var late []time.Duration
	for _, c := range list {
		for _, p := range w.books.of(c)[1:] {
			late = append(late, p.late)
		}
	}
	if len(late) == 0 {
		tb.t.Error("nothing was renewed")
		return
	}
	slices.Sort(late)
	next := period + jitter + 10*time.Second // the sweep itself: listing, slow start, its writes
	behind := 0
	for _, d := range late {
		if d > next {
			behind++
		}
	}
	tb.tell("renewals of the others", "%s", thousands(len(late)))
	tb.tell("after they were due, median", "%s", short(late[len(late)/2]))
	few := max(len(late)/50, 2) // of a few dozen one or two say nothing
	tb.atMost("not in the next sweep, of 2% or two", behind, few)
	tb.within("after they were due, longest", late[len(late)-1], 4*period)
}
