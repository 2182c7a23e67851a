package refresh

import (
	"context"
	"fmt"
	"time"
)

// execute works through the queues until they are empty or the run ends. It alone starts workers and hears of their outcomes.
func (r *run) execute(ctx context.Context) {
	for {
		now := r.cfg.Now()
		for r.startOne(ctx, now) {
			now = r.cfg.Now()
		}
		wake, waiting := r.nextWake(now)
		waiting = waiting && ctx.Err() == nil
		if r.inflight+r.noting == 0 && !waiting {
			break
		}
		r.await(ctx, wake, waiting)
	}
	close(r.tasks)
	r.deferRest()
}

// await hears of one outcome, or sleeps until wake.
func (r *run) await(ctx context.Context, wake time.Time, waiting bool) {
	var alarm <-chan time.Time
	if waiting {
		t := time.NewTimer(wake.Sub(r.cfg.Now()))
		defer t.Stop()
		alarm = t.C
	}
	var gone <-chan struct{}
	if r.inflight+r.noting == 0 {
		gone = ctx.Done() // with work in flight its outcome comes in any case, and its token must not be lost
	}
	select {
	case out := <-r.settled:
		r.inflight--
		r.reserved -= out.writes
		out.item.endpoint.inflight--
		r.settle(out)
		r.noteSomeFailures(ctx)
	case err := <-r.recorded:
		r.noting--
		r.heed(err)
	case <-alarm:
	case <-gone:
	}
}

// startOne starts the most urgent item that may be started, and reports whether there was one.
func (r *run) startOne(ctx context.Context, now time.Time) bool {
	if r.refused != nil || ctx.Err() != nil || r.inflight >= r.cfg.MaxConcurrency {
		return false
	}
	share := r.share()
	room := r.room(now)
	fits := func(it *item) bool { return r.needs(it, now) <= room }
	var best *item
	for _, e := range r.endpoints {
		if e.inflight >= share {
			continue
		}
		if it := e.head(now, fits); it != nil && (best == nil || it.order < best.order) {
			best = it
		}
	}
	if best == nil {
		return false
	}
	attempts := best.endpoint.attempts()
	best.endpoint.take(best)
	r.inflight++
	writes := best.writes()
	r.reserved += writes
	until := r.end.Add(-putTime - r.pacer.timeFor(r.reserved))
	r.hand(ctx, task{best, attempts, until, writes})
	return true
}

// task is one item for a worker.
type task struct {
	item     *item
	attempts int
	until    time.Time // bounds the exchange
	writes   int       // reserved for it
}

// hand gives a task to a worker that waits for one, or to a new one: there are as many as were ever in flight at once. They stay until the
// work is done, since a goroutine of its own for each item would have to grow its stack anew under the SDK's deep calls.
func (r *run) hand(ctx context.Context, t task) {
	if r.inflight > r.workers {
		r.workers++
		go r.serve(ctx)
	}
	r.tasks <- t
}

// serve works on tasks until there are no more. All writes of a run end by the same instant, so that those of a worker share their context.
func (r *run) serve(ctx context.Context) {
	writing, cancel := r.forWrites(ctx)
	defer cancel()
	for t := range r.tasks {
		out := r.work(ctx, writing, t.item, t.attempts, t.until)
		out.writes = t.writes
		r.settled <- out
	}
}

// share is how many workers one endpoint may have, so that a slow one does not take them all.
func (r *run) share() int {
	busy := 0
	for _, e := range r.endpoints {
		if e.busy() {
			busy++
		}
	}
	busy = max(busy, 1)
	return (r.cfg.MaxConcurrency + busy - 1) / busy
}

// room is how many writes still fit before the end after an exchange that starts now and takes its full time; negative when not even the
// exchange does.
func (r *run) room(now time.Time) int {
	return r.pacer.writesIn(r.end.Sub(now) - r.cfg.TokenTimeout - putTime)
}

// needs is how many writes have to fit for an item to be started: those of all that is under way, and its own. A connection without a token
// also leaves room for the refusals that are to be recorded: a run must not ask about more new tenants than it can write down.
func (r *run) needs(it *item, now time.Time) int {
	writes := r.reserved + it.writes()
	if isNew(it, now) {
		writes += r.owed
	}
	return writes
}

// nextWake is the next instant at which something that now has to wait may be started; false when there is nothing.
func (r *run) nextWake(now time.Time) (time.Time, bool) {
	var wake time.Time
	if r.refused != nil {
		return wake, false
	}
	consider := func(t time.Time) {
		if t.After(now) && t.Add(r.cfg.TokenTimeout).Before(r.end) && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	for _, e := range r.endpoints {
		if e.open || len(e.queue) == 0 {
			continue
		}
		if now.Before(e.pausedUntil) {
			consider(e.pausedUntil)
			continue
		}
		if !e.again {
			continue // nobody waits for an instant, and a queue may be long
		}
		for _, it := range e.queue {
			consider(it.notBefore)
		}
	}
	return wake, !wake.IsZero()
}

// deferRest names what the run did not come to.
func (r *run) deferRest() {
	var rest []*item
	for _, e := range r.endpoints {
		rest = append(rest, e.queue...)
	}
	now := r.cfg.Now()
	for _, it := range sortedByOrder(rest) {
		switch {
		case !it.notBefore.IsZero(): // was handed out again, and still lives
			r.keepReissued(it)
		case r.refused != nil:
			r.postpone(it, "store_refuses: SSM refuses writes")
		default:
			r.postpone(it, r.deferral(it, now))
		}
	}
}

// deferral says why an item has to wait for another run.
func (r *run) deferral(it *item, now time.Time) string {
	if why := it.endpoint.deferral(now); why != "" {
		return why
	}
	if r.needs(it, r.start) > r.room(r.start) && r.inflight == 0 && r.written == 0 {
		return fmt.Sprintf("run_ended: its %s are too short for one token request of up to %s; give the function more time",
			r.end.Sub(r.start).Round(time.Second), r.cfg.TokenTimeout)
	}
	return "run_ended: the next sweep goes on"
}

func (r *run) postpone(it *item, reason string) {
	r.result.Deferred = append(r.result.Deferred, Deferred{it.id, reason})
}
