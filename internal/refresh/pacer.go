package refresh

import (
	"context"
	"math"
	"sync"
	"time"
)

// pacer spaces PutParameter calls evenly: never faster than the allowed rate, slower while SSM throttles all the same because
// others use the same quota (additive increase, multiplicative decrease). There are no bursts, since a burst that is refused would cost
// tokens that were already fetched.
type pacer struct {
	now  func() time.Time
	turn chan struct{} // held by the one who waits for the next place; the others wait in line, at whatever rate holds by then

	mu        sync.Mutex
	max       float64 // writes a second
	rate      float64 // writes a second at present
	next      time.Time
	slowed    time.Time // last change for the slower
	throttles int       // in a row
}

const (
	slowerFactor = 0.9   // of the rate is left after a throttled write
	slowFactor   = 0.7   // after another one in a row
	fasterStep   = 0.003 // of the maximum is regained with each write that passes
	minRate      = 0.1   // of the maximum: below it nothing would ever be learnt again
)

func newPacer(perSecond float64, now func() time.Time) *pacer {
	return &pacer{now: now, turn: make(chan struct{}, 1), max: perSecond, rate: perSecond}
}

// wait sleeps until the next place comes, or until ctx ends, and returns the place.
func (p *pacer) wait(ctx context.Context) (time.Time, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	defer func() { <-p.turn }()
	p.mu.Lock()
	ahead := p.next.Sub(p.now())
	p.mu.Unlock()
	if err := sleep(ctx, ahead); err != nil {
		return time.Time{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	place := p.now()
	p.next = place.Add(p.gap())
	return place, nil
}

// gap between two writes, rounded up: rounding down would let one write too many into a second.
func (p *pacer) gap() time.Duration {
	return time.Duration(math.Ceil(float64(time.Second) / p.rate))
}

// passed notes a write that SSM took.
func (p *pacer) passed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.throttles = 0
	p.rate = min(p.max, p.rate+p.max*fasterStep)
}

// throttled notes a write that SSM did not take for its number. Writes that were under way when the rate was last lowered say nothing new.
func (p *pacer) throttled(place time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if place.Before(p.slowed) {
		return
	}
	factor := slowerFactor
	if p.throttles++; p.throttles > 1 {
		factor = slowFactor
	}
	p.rate = max(p.max*minRate, p.rate*factor)
	p.slowed = p.now()
	p.next = p.slowed.Add(p.gap())
}

// timeFor says how long the given number of writes will take from now on, those included that already have their place.
func (p *pacer) timeFor(writes int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	gap := p.gap()
	return max(time.Duration(writes)*gap, p.next.Sub(p.now())+gap)
}

// writesIn says how many writes will be done within d, those included that already have their place; negative when d is over.
func (p *pacer) writesIn(d time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	gap := p.gap()
	if d < 0 || p.next.Sub(p.now())+gap > d {
		return -1
	}
	return int(d / gap)
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
