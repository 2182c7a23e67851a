package refresh

import (
	"context"
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
	var best *item
	for _, e := range r.endpoints {
		if e.inflight >= share {
			continue
		}
		if it := e.head(now); it != nil && (best == nil || it.order < best.order) && r.fits(it, now) {
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
	go func() {
		out := r.work(ctx, best, attempts, until)
		out.writes = writes
		r.settled <- out
	}()
	return true
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

// fits reports whether an exchange that starts now can take its full time and still be written before the end. A connection without a
// token also leaves room for the failures that are to be recorded: an import of broken tenants must not fetch more than it can write down.
func (r *run) fits(it *item, now time.Time) bool {
	writes := r.reserved + it.writes()
	if isNew(it, now) {
		writes += len(r.failures)
	}
	return !now.Add(r.cfg.TokenTimeout + r.pacer.timeFor(writes) + putTime).After(r.end)
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
			r.postpone(it, it.endpoint.deferral(now))
		}
	}
}

func (r *run) postpone(it *item, reason string) {
	r.result.Deferred = append(r.result.Deferred, Deferred{it.id, reason})
}
