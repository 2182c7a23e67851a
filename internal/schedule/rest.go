package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Deferred is a job that was not started.
type Deferred[T any] struct {
	Job    Job[T]
	Reason string // begins with a code: provider_unavailable, rate_limited, run_ended, or that of Close
}

// Rest closes the queue, empties it, and returns the jobs that were not started, most urgent first, each with the reason.
func (q *Queue[T]) Rest(now time.Time) []Deferred[T] {
	q.advance(now)
	q.closed = true
	var live, without []*entry[T]
	for _, waiting := range q.drain() {
		if waiting.live {
			live = append(live, waiting)
		} else {
			without = append(without, waiting)
		}
	}
	rest := make([]Deferred[T], 0, len(live)+len(without))
	for _, waiting := range byUrgency(live, without) {
		rest = append(rest, Deferred[T]{waiting.Job, q.reason(waiting)})
	}
	return rest
}

// drain removes all waiting jobs.
func (q *Queue[T]) drain() []*entry[T] {
	var waiting []*entry[T]
	for _, e := range q.endpoints {
		for _, l := range e.lanes {
			waiting = append(waiting, l.entries.items...)
			l.entries.items = nil
		}
		q.update(e)
	}
	for _, a := range q.alarms.items {
		if a.entry != nil {
			waiting = append(waiting, a.entry)
		}
	}
	q.alarms.items = nil
	for id, more := range q.later {
		for _, job := range more {
			waiting = append(waiting, q.newEntry(job))
		}
		if _, inFlight := q.inFlight[id]; inFlight {
			q.later[id] = nil
		} else {
			delete(q.later, id)
		}
	}
	return waiting
}

// byUrgency is the order in which a free endpoint would have started the jobs.
func byUrgency[T any](live, without []*entry[T]) []*entry[T] {
	for _, list := range [][]*entry[T]{live, without} {
		slices.SortFunc(list, func(a, b *entry[T]) int {
			switch {
			case a.moreUrgentThan(b):
				return -1
			case b.moreUrgentThan(a):
				return 1
			default:
				return 0
			}
		})
	}
	ordered := make([]*entry[T], 0, len(live)+len(without))
	for len(live) > 0 && len(without) > 0 {
		n := min(liveStarts, len(live))
		ordered = append(ordered, live[:n]...)
		ordered = append(ordered, without[0])
		live, without = live[n:], without[1:]
	}
	return append(append(ordered, live...), without...)
}

// reason says why a job was not started.
func (q *Queue[T]) reason(waiting *entry[T]) string {
	e := q.endpoints[waiting.Endpoint]
	switch {
	case e != nil && e.tripped:
		return fmt.Sprintf("provider_unavailable: %s failed for %d connections in a row", e.host, failureThreshold)
	case e != nil && e.paused(q.now):
		return "rate_limited: " + e.host + " limits requests until " + stamp(e.pausedUntil)
	case waiting.writes > q.startRoom:
		return fmt.Sprintf("run_ended: its %s are too short for one token request of up to %s; give the function more time",
			short(q.cfg.StartDeadline.Sub(q.cfg.Start)), short(q.cfg.RequestTimeout))
	case q.closeReason != "":
		return q.closeReason
	default:
		return "run_ended: the next run continues"
	}
}

// short writes a duration in whole seconds without parts that are zero: 5m, not 5m0s.
func short(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
