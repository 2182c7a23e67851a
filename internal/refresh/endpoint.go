package refresh

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/internal/renew"
)

const (
	// breakAfter transient failures in a row of different connections, an endpoint is left alone for the rest of the run.
	breakAfter = 3
	// fewDue connections of an endpoint are each worth several attempts at once: there is no next connection that would be the retry.
	fewDue = 3
	// patientAttempts is how often a connection asks within a run once its endpoint has answered.
	patientAttempts = 4
)

// endpoint is one host's share of the run. It starts with one call in flight and doubles with each token written, so that a host that is
// down, refuses everyone or limits us, and a store that refuses writes, cost a handful of calls whatever the number of tenants.
type endpoint struct {
	host     string
	queue    []*item // waiting, in the order in which they are taken
	inflight int
	limit    int // calls in flight at most
	due      int // connections that were due when the run began
	asked    bool
	answered bool // a token was written in this run
	again    bool // something in the queue may have a notBefore

	streak      map[string]bool // connections of the transient failures since the last answer
	open        bool            // the breaker: nothing more is asked in this run
	limited     map[string]bool // connections that were told to wait
	longest     time.Time       // end of the longest of their waits
	pausedUntil time.Time       // the provider limits us, not one tenant
}

func (r *run) endpointFor(host string) *endpoint {
	e := r.endpoints[host]
	if e == nil {
		e = &endpoint{host: host, limit: 1, streak: map[string]bool{}, limited: map[string]bool{}}
		r.endpoints[host] = e
	}
	return e
}

func (e *endpoint) add(it *item, start time.Time) {
	sum := sha256.Sum256([]byte(it.id + "|" + start.UTC().Format(time.RFC3339)))
	it.draw = string(sum[:])
	it.endpoint = e
	e.queue = append(e.queue, it)
	e.due++
}

// head is the first item that may be asked now and fits, nil when there is none. One that does not fit holds nobody up.
func (e *endpoint) head(now time.Time, fits func(*item) bool) *item {
	if e.open || e.inflight >= e.limit || now.Before(e.pausedUntil) {
		return nil
	}
	for _, it := range e.queue {
		if !now.Before(it.notBefore) && fits(it) {
			return it
		}
	}
	return nil
}

// take removes the item from the queue and counts it as in flight.
func (e *endpoint) take(it *item) {
	if e.queue[0] == it { // mostly
		e.queue = e.queue[1:]
	} else {
		i := slices.Index(e.queue, it)
		e.queue = slices.Delete(e.queue, i, i+1)
	}
	e.inflight++
	if !e.asked {
		e.asked = true
		e.sort()
	}
}

// sort puts the queue into the order of the run once the endpoint has answered. Before, after its first call, the order is drawn: the most
// urgent connections are those whose failures brought them to the front, and would open the breaker for all.
func (e *endpoint) sort() {
	slices.SortFunc(e.queue, func(a, b *item) int {
		if e.answered {
			return cmp.Compare(a.order, b.order)
		}
		return cmp.Compare(a.draw, b.draw)
	})
}

// attempts that a connection may make now.
func (e *endpoint) attempts() int {
	if e.answered || e.due < fewDue {
		return patientAttempts
	}
	return 1
}

// tokenWritten notes a success: the endpoint and the store both work.
func (e *endpoint) tokenWritten(most int) {
	e.limit = min(e.limit*2, most)
	clear(e.streak)
	if !e.answered {
		e.answered = true
		e.sort()
	}
}

// failed notes a failure and reports whether it paused the endpoint or opened its breaker, and why.
func (e *endpoint) failed(it *item, f *fault, now time.Time) (why string) {
	if !f.answer {
		return "" // the stores' trouble
	}
	if !f.again() {
		clear(e.streak) // the provider answered, if with a refusal
		return ""
	}
	if f.retryAfter > 0 {
		e.limited[it.id] = true
		if until := now.Add(f.retryAfter); until.After(e.longest) {
			e.longest = until
		}
		if len(e.limited) > 1 && e.longest.After(e.pausedUntil) {
			e.pausedUntil = e.longest
			why = "asks more than one connection to wait, until " + stamp(e.longest)
		}
	}
	e.streak[it.id] = true
	if len(e.streak) >= breakAfter && !e.open {
		e.open = true
		why = "three connections in a row failed: not asked again in this run"
	}
	return why
}

// unproven reports whether the breaker opened before any success: the next run then finds the state anew, without records.
func (e *endpoint) unproven() bool { return e.open && !e.answered }

// busy reports whether the endpoint still wants workers.
func (e *endpoint) busy() bool { return e.inflight > 0 || len(e.queue) > 0 && !e.open }

// deferral says why the rest of an endpoint's queue has to wait, "" when it is not the endpoint's doing.
func (e *endpoint) deferral(now time.Time) string {
	switch {
	case e.open:
		return "provider_unavailable: " + e.host + " failed for three connections in a row"
	case now.Before(e.pausedUntil):
		return "rate_limited: " + e.host + " asks to wait until " + stamp(e.pausedUntil)
	default:
		return ""
	}
}

func isNew(it *item, now time.Time) bool {
	return it.facts.Left(now) <= 0 || it.decision.Reason == renew.Missing
}
