// Package schedule decides which connection is renewed next, and which ones have to wait for another run. It is pure: it makes no request,
// reads no clock and starts no goroutine, so that every rule of a run can be tested as a table.
//
//	q := schedule.New[Task](Config{…})
//	q.Push(jobs...)                       // at any time: more can be found while the run is working
//	start, ok := q.Next(now)              // call it until ok is false
//	notices := q.Done(id, signal, now)    // once for each start
//	at, waiting := q.Wake(now)            // call Next again at that instant, or earlier
//	q.InFlight()                          // starts without their Done
//	q.Close(reason)                       // nothing starts any more
//	deferred := q.Rest(now)               // what was not started, and why
//	q.NeverSucceeded(host)                // the endpoint was tripped before its first success
//
// The rules:
//
//   - Slow start. An endpoint begins with one job in flight; the number doubles with each token that was written. So an endpoint that is
//     down, and a store that refuses writes, cost a handful of requests whatever the number of connections.
//   - Circuit breaker. After transient failures of three different connections in a row an endpoint is left alone for the rest of the run.
//   - Pause. When an endpoint told more than one connection to wait, all of its connections wait, for the longest of these times.
//   - Fair share. The busy endpoints share MaxConcurrency evenly, so that a slow endpoint does not take all workers.
//   - Urgency. Live tokens come first, soonest to expire first. After three of them one start goes to a connection without a live token,
//     longest waiting first. Either kind takes what the other leaves. So an import does not let live tokens expire, and expiring tokens
//     do not keep new connections out.
//   - Shuffle. After its first request and before its first success, an endpoint's connections start in a random order that is stable
//     within a run. Otherwise the same failing connections, which are the most urgent, would trip the breaker in each run.
//   - Write budget. A job starts only if its request and all writes that started jobs may still need fit before StartDeadline. Jobs that
//     do not fit the remaining time are skipped, not waited for.
//   - Slow jobs. One job that takes longer than two request timeouts does not count for slow start, so that one hanging write does not hold
//     up its endpoint. A second one does.
//   - One at a time. A second job of the same connection waits until the first one is done.
//
// A Queue is not safe for concurrent use.
package schedule

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// liveStarts is how many live tokens are renewed in a row while a connection without a live token could start.
const liveStarts = 3

// Job is one connection to be renewed.
type Job[T any] struct {
	Value        T
	ID           string    // connection
	Endpoint     string    // host of the token endpoint
	ExpiresAt    time.Time // of the live token; zero when there is none
	WaitingSince time.Time // since when there is no live token
	Writes       int       // PutParameter calls that the job may need
	NotBefore    time.Time // the job waits until then and holds up no other; zero: at once
}

// Config describes one run.
type Config struct {
	Start          time.Time     // of the run; a token that expires later is live
	StartDeadline  time.Time     // no job starts unless its request and its writes fit before it
	RequestTimeout time.Duration // of one token request
	MaxConcurrency int           // jobs in flight at most, at least 1

	WritesPerSecond func() float64 // the present rate of writes, above 0
	PendingNotices  func() int     // failure notices that wait to be written; nil: none. A new connection leaves room for them
}

// Start is a job that starts now.
type Start[T any] struct {
	Job[T]
	Attempts        int       // requests that the connection may make in this run
	RequestDeadline time.Time // all attempts end by then, so that the writes still fit
}

// Queue holds the jobs of one run.
type Queue[T any] struct {
	cfg       Config
	startRoom int       // writes that fitted into the whole run
	now       time.Time // the latest instant that the caller named

	endpoints map[string]*endpoint[T]
	ready     map[kind]*ordered[*lane[T]] // lanes whose endpoint may start a job; share and write budget are not yet considered
	alarms    *ordered[alarm[T]]          // what changes by time alone
	later     map[string][]Job[T]         // a key for each connection that waits or is in flight, with its further jobs
	inFlight  map[string]*flight[T]

	reserved    int // writes that the jobs in flight may need
	busy        int // endpoints with a job in flight or one that may start
	liveInRow   int // live tokens since the last start of a connection without one
	closed      bool
	closeReason string
}

// flight is a job in flight.
type flight[T any] struct {
	endpoint *endpoint[T]
	writes   int
	slow     bool // it took longer than two request timeouts
	done     bool
}

// alarm is an instant at which an endpoint may start something again: when a job's NotBefore comes, when a job in flight becomes slow, or,
// without either, when the endpoint's pause ends.
type alarm[T any] struct {
	at       time.Time
	endpoint *endpoint[T]
	entry    *entry[T]
	flight   *flight[T]
}

// useless reports whether the alarm can start nothing.
func (a alarm[T]) useless() bool { return a.endpoint.tripped || a.flight != nil && a.flight.done }

// New returns an empty queue.
func New[T any](cfg Config) *Queue[T] {
	q := &Queue[T]{
		cfg: cfg, now: cfg.Start,
		endpoints: map[string]*endpoint[T]{},
		ready:     map[kind]*ordered[*lane[T]]{},
		alarms:    &ordered[alarm[T]]{less: func(a, b alarm[T]) bool { return a.at.Before(b.at) }},
		later:     map[string][]Job[T]{},
		inFlight:  map[string]*flight[T]{},
	}
	q.startRoom = q.room()
	return q
}

// Push adds jobs. A connection may be pushed again, before or after its Done: a reused token, for example, with the end of its life as
// NotBefore.
func (q *Queue[T]) Push(jobs ...Job[T]) {
	for _, job := range jobs {
		if more, taken := q.later[job.ID]; taken {
			q.later[job.ID] = append(more, job)
			continue
		}
		q.later[job.ID] = nil
		q.add(job)
	}
}

// add queues the job of a connection that has no other job waiting or in flight.
func (q *Queue[T]) add(job Job[T]) {
	e := q.endpoints[job.Endpoint]
	if e == nil {
		e = &endpoint[T]{host: job.Endpoint, limit: 1}
		q.endpoints[job.Endpoint] = e
	}
	e.due++
	added := q.newEntry(job)
	if q.now.Before(job.NotBefore) {
		heap.Push(q.alarms, alarm[T]{at: job.NotBefore, endpoint: e, entry: added})
		return
	}
	e.put(added)
	q.update(e)
}

func (q *Queue[T]) newEntry(job Job[T]) *entry[T] {
	sum := sha256.Sum256([]byte(job.ID + "|" + q.cfg.Start.UTC().Format(time.RFC3339)))
	return &entry[T]{
		Job:        job,
		kind:       kind{live: job.ExpiresAt.After(q.cfg.Start), writes: job.Writes},
		shuffleKey: binary.BigEndian.Uint64(sum[:]),
	}
}

// Next starts the most urgent job that may start now; ok is false when there is none. Call it again until then.
func (q *Queue[T]) Next(now time.Time) (start Start[T], ok bool) {
	q.advance(now)
	if q.closed || len(q.inFlight) >= q.cfg.MaxConcurrency {
		return start, false
	}
	room := q.room()
	live, without := q.first(true, room), q.first(false, room)
	next := live
	if live == nil || without != nil && q.liveInRow >= liveStarts {
		next = without
	}
	if next == nil {
		return start, false
	}
	if e := next.endpoint; e.shuffled() {
		next = e.firstOf(func(k kind) bool { return q.needs(k) <= room })
	}
	return q.start(next), true
}

// first is the lane with the most urgent job that fits, nil when there is none.
func (q *Queue[T]) first(live bool, room int) *lane[T] {
	share := q.share()
	var best *lane[T]
	for k, lanes := range q.ready {
		if k.live != live || q.needs(k) > room {
			continue
		}
		l := firstBelow(share, lanes)
		if l != nil && (best == nil || l.head().moreUrgentThan(best.head())) {
			best = l
		}
	}
	return best
}

// firstBelow is the first lane whose endpoint has fewer jobs in flight than its share. At most MaxConcurrency lanes are set aside for it.
func firstBelow[T any](share int, lanes *ordered[*lane[T]]) *lane[T] {
	var full []*lane[T]
	for lanes.Len() > 0 && lanes.items[0].endpoint.inFlight >= share {
		l, _ := heap.Pop(lanes).(*lane[T])
		full = append(full, l)
	}
	var best *lane[T]
	if lanes.Len() > 0 {
		best = lanes.items[0]
	}
	for _, l := range full {
		heap.Push(lanes, l)
	}
	return best
}

// start takes the first job of a lane.
func (q *Queue[T]) start(l *lane[T]) Start[T] {
	e := l.endpoint
	job := e.take(l)
	f := &flight[T]{endpoint: e, writes: job.Writes}
	q.inFlight[job.ID] = f
	heap.Push(q.alarms, alarm[T]{at: q.now.Add(2 * q.cfg.RequestTimeout), endpoint: e, flight: f})
	q.reserved += job.Writes
	q.liveInRow++
	if !l.live {
		q.liveInRow = 0
	}
	q.update(e)
	writing := time.Duration(q.reserved) * q.gap()
	return Start[T]{Job: job.Job, Attempts: e.attempts(), RequestDeadline: q.cfg.StartDeadline.Add(-writeTime - writing)}
}

// Done takes in how a started job ended. Call it once for each start; it ignores a connection that is not in flight. The notices are for
// operators.
func (q *Queue[T]) Done(id string, s Signal, now time.Time) []Notice {
	q.advance(now)
	f, ok := q.inFlight[id]
	if !ok {
		return nil
	}
	delete(q.inFlight, id)
	f.done = true
	q.reserved -= f.writes
	f.endpoint.inFlight--
	if f.slow {
		f.endpoint.slow--
	}
	notices := f.endpoint.learn(id, s, now, q.cfg.MaxConcurrency)
	q.update(f.endpoint)
	if more := q.later[id]; len(more) > 0 {
		q.later[id] = more[1:]
		q.add(more[0])
	} else {
		delete(q.later, id)
	}
	return notices
}

// InFlight is the number of jobs that started and are not done.
func (q *Queue[T]) InFlight() int { return len(q.inFlight) }

// Close ends all starts. The reason is that of every job for which [Queue.Rest] knows no better one; it begins with a code, as in
// "store_unwritable: SSM rejects writes". The first Close counts.
func (q *Queue[T]) Close(reason string) {
	if q.closeReason == "" {
		q.closeReason = reason
	}
	q.closed = true
}

// Wake is the next instant at which Next may start something without a Done before; ok is false when there is none in this run.
func (q *Queue[T]) Wake(now time.Time) (at time.Time, ok bool) {
	q.advance(now)
	for !q.closed && q.alarms.Len() > 0 {
		next := q.alarms.items[0]
		if next.useless() {
			q.fire() // a job stays with its endpoint until Rest
			continue
		}
		if !next.at.Add(q.cfg.RequestTimeout).Before(q.cfg.StartDeadline) {
			break
		}
		return next.at, true
	}
	return time.Time{}, false
}

// advance takes in everything that changes by time alone.
func (q *Queue[T]) advance(now time.Time) {
	if now.After(q.now) {
		q.now = now
	}
	for q.alarms.Len() > 0 && !q.now.Before(q.alarms.items[0].at) {
		q.fire()
	}
}

// fire removes the first alarm and carries it out.
func (q *Queue[T]) fire() {
	a, _ := heap.Pop(q.alarms).(alarm[T])
	switch {
	case a.entry != nil:
		a.endpoint.put(a.entry)
	case a.flight == nil:
		a.endpoint.alarmed = false
	case !a.flight.done:
		a.flight.slow = true
		a.endpoint.slow++
	}
	q.update(a.endpoint)
}

// update brings the indexes into line with an endpoint that has changed.
func (q *Queue[T]) update(e *endpoint[T]) {
	paused := e.paused(q.now)
	mayStart := !e.tripped && !paused && e.inFlight-min(e.slow, 1) < e.limit
	waiting := false
	for _, l := range e.lanes {
		filled := l.entries.Len() > 0
		waiting = waiting || filled
		lanes := q.lanes(l.kind)
		switch {
		case mayStart && filled && l.position < 0:
			heap.Push(lanes, l)
		case mayStart && filled:
			heap.Fix(lanes, l.position)
		case l.position >= 0:
			heap.Remove(lanes, l.position)
		}
	}
	wasBusy := e.busy
	e.busy = e.inFlight > 0 || waiting && !e.tripped && !paused
	switch {
	case e.busy && !wasBusy:
		q.busy++
	case wasBusy && !e.busy:
		q.busy--
	}
	if waiting && paused && !e.tripped && !e.alarmed {
		e.alarmed = true
		heap.Push(q.alarms, alarm[T]{at: e.pausedUntil, endpoint: e})
	}
}

func (q *Queue[T]) lanes(k kind) *ordered[*lane[T]] {
	lanes := q.ready[k]
	if lanes == nil {
		lanes = &ordered[*lane[T]]{
			less: func(a, b *lane[T]) bool { return a.head().moreUrgentThan(b.head()) },
			move: func(l *lane[T], position int) { l.position = position },
		}
		q.ready[k] = lanes
	}
	return lanes
}

// NeverSucceeded reports whether an endpoint was tripped before its first success in this run. Then nothing is known of its connections
// but that the endpoint is down.
func (q *Queue[T]) NeverSucceeded(host string) bool {
	e := q.endpoints[host]
	return e != nil && e.tripped && !e.succeeded
}
