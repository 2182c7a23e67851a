package longrun_test

import (
	"fmt"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// standby: the pair under AWSCURRENT is refused for two days. Two tenants of three have a BACKUP; the others had their pair replaced by one
// that does not work, so that AWSPREVIOUS does.
func standby(w *world) {
	tenants := amount{short: 9, race: 9, full: 50, soak: 300}.get()
	hours := amount{short: 48, race: 48, full: 48, soak: 240}.get()
	const before = 6 * time.Hour
	total := before + time.Duration(hours)*time.Hour
	all := w.connectMany(tenants, "tenant", w.kiwify, 0)
	w.readers.watch(all, time.Minute, readerCache, w.start.Add(total))
	w.keepOn(before, nil)
	pairs := make([]refusedPair, len(all))
	for i, c := range all {
		pairs[i] = w.refuse(c, i%3 != 0)
	}
	w.keepOn(total, nil)
	w.readers.wg.Wait()

	tb := w.title("%s Kiwify connections, AWSCURRENT refused for %d hours, two of three with a BACKUP, the others with AWSPREVIOUS", thousands(tenants), hours)
	w.tellRuns(tb)
	var sum standbyCount
	for i, c := range all {
		w.countStandby(c, pairs[i], &sum)
	}
	tb.tell("calls with refused pairs", "%s", thousands(sum.refusals))
	// Three refusals latch a pair, then comes one canary an hour, counted from the first refusal.
	tb.exactly("connections with more than one canary an hour", sum.tooMany, 0)
	tb.exactly("connections with a canary missing", sum.tooFew, 0)
	tb.exactly("calls that were no canary and brought no token", w.calls().asked-sum.refusals-w.books.tokens(all), 0)
	// A token of a standby is due after 9.6 h to 14.4 h; the first when the token of before comes due.
	tb.must(sum.tokens >= tenants*(hours-15)/15 && sum.tokens <= tenants*(hours/9+1), "tokens from a standby", "one each time one is due", "%s", thousands(sum.tokens))
	tb.exactly("of these fetched before one was due", sum.notDue, 0)
	tb.exactly("fetched and not published", sum.lost, 0)
	// The first comes when the pair is latched: refused in the sweep in which the token is due, and 5 and 15 min later.
	tb.within("after it was due, the first", sum.first, 4*period+jitter+30*time.Second)
	tb.within("after it was due, each other", sum.later, period+jitter+30*time.Second)
	w.checkWrites(tb, 1)
	w.noReaderRefused(tb, tenants*(hours*60))
	tb.exactly("connections with a valid token at the end", w.served(all), tenants)
	tb.print()
}

// refusedPair names the pairs of one connection, and what they had done before one was refused.
type refusedPair struct {
	refused, standby, stage string
	before, minted          int
}

// refuse makes the pair under AWSCURRENT one that the provider does not take.
func (w *world) refuse(c *connection, backup bool) refusedPair {
	w.t.Helper()
	if !backup {
		bad := "wrong-" + c.client
		w.kiwify.InjectFor(bad) // known by name, so that its calls are counted
		_, err := w.aws.PutSecret("oauth/"+c.id, c.document(bad, "secret-of-"+bad))
		w.must(err)
		return refusedPair{refused: bad, standby: c.client, stage: "AWSPREVIOUS", minted: w.kiwify.Stats(c.client).Minted}
	}
	spare := "spare-of-" + c.id
	account := "store-" + c.client // the same store: its account id does not change
	w.kiwify.Add(oauthtest.Client{ID: spare, Secret: oauth.NewSecret("secret-of-" + spare), AccountID: account})
	_, err := w.aws.StageSecret("oauth/"+c.id, "BACKUP", fmt.Sprintf(`{"client_id":%q,"client_secret":%q}`, spare, "secret-of-"+spare))
	w.must(err)
	w.kiwify.Remove(c.client)
	return refusedPair{refused: c.client, standby: spare, stage: "BACKUP", before: w.kiwify.Stats(c.client).TokenCalls}
}

// standbyCount is what became of all connections.
type standbyCount struct {
	refusals        int // calls with the refused pairs
	tooMany, tooFew int // connections whose refused pair was tried more or less often than it should have been
	tokens          int // published from a standby
	notDue, lost    int // of these not needed, and tokens that a standby fetched for nothing
	first, later    time.Duration
}

func (w *world) countStandby(c *connection, pair refusedPair, sum *standbyCount) {
	w.t.Helper()
	f := w.failing(c) // stays on record, with the refusals that latched it
	if f == nil || f.Code != "invalid_client" || f.Attempts != lifecycle.FailureThreshold {
		w.t.Errorf("%s: failure record %+v", c.id, f)
		return
	}
	refusals := w.kiwify.Stats(pair.refused).TokenCalls - pair.before
	sum.refusals += refusals
	hours := int(time.Since(f.FirstAt) / time.Hour)
	if refusals > lifecycle.FailureThreshold+hours {
		sum.tooMany++
	}
	if refusals < lifecycle.FailureThreshold+hours-1 {
		sum.tooFew++
	}
	taken := 0
	for _, p := range w.books.of(c) {
		if p.record.Stage != pair.stage {
			continue
		}
		if taken++; taken == 1 {
			sum.first = max(sum.first, p.late)
		} else {
			sum.later = max(sum.later, p.late)
		}
		if p.early {
			sum.notDue++
		}
	}
	sum.tokens += taken
	sum.lost += w.kiwify.Stats(pair.standby).Minted - pair.minted - taken
}
