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
	now func() time.Time

	mu   sync.Mutex
	max  float64 // writes a second
	rate float64 // writes a second at present
	next time.Time
}

const (
	throttleFactor = 0.8  // of the rate is left after a throttled write
	recoverFactor  = 0.02 // of the maximum is regained with each write that passes
	minRate        = 0.1  // of the maximum: below it nothing would ever be learnt again
)

func newPacer(perSecond float64, now func() time.Time) *pacer {
	return &pacer{now: now, max: perSecond, rate: perSecond}
}

// wait takes the next free place and sleeps until it comes, or until ctx ends.
func (p *pacer) wait(ctx context.Context) error {
	return sleep(ctx, p.reserve())
}

func (p *pacer) reserve() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	at := now
	if p.next.After(now) {
		at = p.next
	}
	p.next = at.Add(p.gap())
	return at.Sub(now)
}

// gap between two writes, rounded up: rounding down would let one write too many into a second.
func (p *pacer) gap() time.Duration {
	return time.Duration(math.Ceil(float64(time.Second) / p.rate))
}

func (p *pacer) passed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = min(p.max, p.rate+p.max*recoverFactor)
}

func (p *pacer) throttled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = max(p.max*minRate, p.rate*throttleFactor)
}

// timeFor says how long the given number of writes will take from now on, those included that already have their place.
func (p *pacer) timeFor(writes int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	gap := p.gap()
	return max(time.Duration(writes)*gap, p.next.Sub(p.now())+gap)
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
