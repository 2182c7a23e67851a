package publish

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/store"
)

// Pacer spaces PutParameter calls evenly: never faster than the allowed rate, and slower while SSM throttles all the same because other programs use
// the same quota (additive increase, multiplicative decrease). It allows no bursts: a burst that is throttled would cost tokens that were issued
// already.
type Pacer struct {
	now  func() time.Time
	turn chan struct{} // held by the caller that waits for the next slot; the others wait in line

	mu        sync.Mutex
	max       float64 // writes per second
	rate      float64 // writes per second at present
	next      time.Time
	slowed    time.Time // when the rate was last lowered
	throttles int       // in a row
}

const (
	slowerFactor = 0.9   // of the rate is left after a throttled write
	slowFactor   = 0.7   // after another one in a row
	fasterStep   = 0.003 // of the maximum is regained with each write
	minRate      = 0.1   // of the maximum: below it the pacer would not learn again
)

// NewPacer returns a pacer of the given number of writes per second. A nil now means time.Now.
func NewPacer(perSecond float64, now func() time.Time) *Pacer {
	if now == nil {
		now = time.Now
	}
	return &Pacer{now: now, turn: make(chan struct{}, 1), max: perSecond, rate: perSecond}
}

// Do waits for its turn, calls, and learns from the error: store.ErrThrottled slows down, success speeds up. It returns ctx's error when its turn
// does not come before ctx ends, and the error of call otherwise.
func (p *Pacer) Do(ctx context.Context, call func(context.Context) error) error {
	slot, err := p.wait(ctx)
	if err != nil {
		return err
	}
	err = call(ctx)
	switch {
	case err == nil:
		p.passed()
	case errors.Is(err, store.ErrThrottled):
		p.throttled(slot)
	}
	return err
}

// Rate is the present number of writes per second.
func (p *Pacer) Rate() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate
}

// wait sleeps until the next slot, or until ctx ends.
func (p *Pacer) wait(ctx context.Context) (time.Time, error) {
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
	slot := p.now()
	p.next = slot.Add(p.gap())
	return slot, nil
}

// gap between two writes, rounded up: rounding down would allow one write too many per second.
func (p *Pacer) gap() time.Duration {
	return time.Duration(math.Ceil(float64(time.Second) / p.rate))
}

func (p *Pacer) passed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.throttles = 0
	p.rate = min(p.max, p.rate+p.max*fasterStep)
}

// throttled lowers the rate. Writes that were under way when the rate was last lowered say nothing new.
func (p *Pacer) throttled(slot time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slot.Before(p.slowed) {
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
