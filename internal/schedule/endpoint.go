package schedule

import (
	"container/heap"
	"fmt"
	"slices"
	"time"
)

const (
	// failureThreshold is how many transient failures in a row, of different connections, trip an endpoint.
	failureThreshold = 3
	// fewConnections of an endpoint are each worth several attempts: there is no next connection whose request would be the retry.
	fewConnections = 3
	// patientAttempts is how many requests a connection may make once its endpoint has had a success.
	patientAttempts = 4
)

// SignalKind is what the end of a job means for its endpoint.
type SignalKind int

// Kinds of signals.
const (
	Neutral   SignalKind = iota // says nothing about the endpoint: another service failed, or the run's deadline came first
	Written                     // a token was issued and written
	Reused                      // the endpoint returned the published token again; nothing was written
	Refused                     // the endpoint works and refused this connection
	Transient                   // no response, a 5xx, a response without a usable token, or a request to wait
)

// Signal is what the end of a job means for its endpoint.
type Signal struct {
	Kind       SignalKind
	RetryAfter time.Duration // of Transient: how long the connection has to wait; 0 when the endpoint did not say
}

// Notice is an event of an endpoint that an operator should see.
type Notice struct {
	Endpoint string // host
	Reason   string
}

// endpoint is one host's part of the run.
type endpoint[T any] struct {
	host     string
	lanes    []*lane[T]
	inFlight int
	slow     int // jobs in flight for longer than two request timeouts
	limit    int // jobs in flight at most
	due      int // jobs pushed so far

	tried     bool     // a job was started
	succeeded bool     // it issued or returned a token in this run
	tripped   bool     // the breaker: nothing more starts in this run
	failing   []string // connections of the consecutive transient failures

	limited     []string  // the first two connections that were told to wait
	longest     time.Time // end of the longest of all waits
	pausedUntil time.Time // end of the pause of the whole endpoint

	busy    bool // counted in Queue.busy
	alarmed bool // the end of the pause is in Queue.alarms
}

// kind is what decides whether a job fits the write budget. All jobs of one kind fit, or none does.
type kind struct {
	live   bool // has a live token
	writes int
}

// entry is a job in the queue.
type entry[T any] struct {
	Job[T]
	kind
	shuffleKey uint64
}

// moreUrgentThan compares two entries of the same liveness.
func (a *entry[T]) moreUrgentThan(b *entry[T]) bool {
	order := a.WaitingSince.Compare(b.WaitingSince)
	if a.live {
		order = a.ExpiresAt.Compare(b.ExpiresAt)
	}
	return order < 0 || order == 0 && a.ID < b.ID
}

// lane holds the waiting jobs of one endpoint and one kind, in the order in which they start.
type lane[T any] struct {
	kind
	endpoint *endpoint[T]
	entries  *ordered[*entry[T]]
	position int // in Queue.ready, -1 when it is not there
}

func (l *lane[T]) head() *entry[T] { return l.entries.items[0] }

// put adds a job that may start at once.
func (e *endpoint[T]) put(added *entry[T]) {
	i := slices.IndexFunc(e.lanes, func(l *lane[T]) bool { return l.kind == added.kind })
	if i < 0 {
		i = len(e.lanes)
		e.lanes = append(e.lanes, &lane[T]{kind: added.kind, endpoint: e, entries: &ordered[*entry[T]]{less: e.before}, position: -1})
	}
	heap.Push(e.lanes[i].entries, added)
}

// before is the order of a lane.
func (e *endpoint[T]) before(a, b *entry[T]) bool {
	if e.shuffled() {
		return a.shuffleKey < b.shuffleKey
	}
	return a.moreUrgentThan(b)
}

// shuffled reports whether the jobs start in random order.
func (e *endpoint[T]) shuffled() bool { return e.tried && !e.succeeded }

// reorder sorts the lanes anew, after shuffled has changed.
func (e *endpoint[T]) reorder() {
	for _, l := range e.lanes {
		heap.Init(l.entries)
	}
}

// firstOf is the lane of a shuffled endpoint with the first of the jobs that fit.
func (e *endpoint[T]) firstOf(fits func(kind) bool) *lane[T] {
	var first *lane[T]
	for _, l := range e.lanes {
		if l.entries.Len() > 0 && fits(l.kind) && (first == nil || l.head().shuffleKey < first.head().shuffleKey) {
			first = l
		}
	}
	return first
}

// take removes the first job of a lane and counts it as in flight.
func (e *endpoint[T]) take(l *lane[T]) *entry[T] {
	taken, _ := heap.Pop(l.entries).(*entry[T])
	e.inFlight++
	if !e.tried {
		e.tried = true
		e.reorder()
	}
	return taken
}

// attempts that a connection may make now.
func (e *endpoint[T]) attempts() int {
	if e.succeeded || e.due < fewConnections {
		return patientAttempts
	}
	return 1
}

func (e *endpoint[T]) paused(now time.Time) bool { return now.Before(e.pausedUntil) }

// learn takes in how a job ended.
func (e *endpoint[T]) learn(id string, s Signal, now time.Time, maxConcurrency int) []Notice {
	switch s.Kind {
	case Neutral:
	case Written:
		e.limit = min(e.limit*2, maxConcurrency)
		e.succeed()
	case Reused: // says nothing about the store, so the limit stays
		e.succeed()
	case Refused:
		e.failing = nil
	case Transient:
		return e.fail(id, s.RetryAfter, now)
	}
	return nil
}

func (e *endpoint[T]) succeed() {
	e.failing = nil
	if !e.succeeded {
		e.succeeded = true
		e.reorder()
	}
}

// fail notes a transient failure.
func (e *endpoint[T]) fail(id string, retryAfter time.Duration, now time.Time) []Notice {
	var notices []Notice
	if retryAfter > 0 {
		if len(e.limited) < 2 && !slices.Contains(e.limited, id) {
			e.limited = append(e.limited, id)
		}
		if until := now.Add(retryAfter); until.After(e.longest) {
			e.longest = until
		}
		if len(e.limited) > 1 && e.longest.After(e.pausedUntil) {
			e.pausedUntil = e.longest
			notices = append(notices, Notice{e.host, "more than one connection was told to wait: no requests until " + stamp(e.pausedUntil)})
		}
	}
	if !slices.Contains(e.failing, id) {
		e.failing = append(e.failing, id)
	}
	if len(e.failing) >= failureThreshold && !e.tripped {
		e.tripped = true
		notices = append(notices, Notice{e.host, fmt.Sprintf("%d connections in a row failed: no more requests in this run", failureThreshold)})
	}
	return notices
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
