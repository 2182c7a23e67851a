package publish

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/store"
)

// Pacer spaces PutParameter calls evenly: never faster than the allowed rate, and slower while SSM throttles all the same because other
// programs use the same quota (additive increase, multiplicative decrease). It makes no bursts: a burst that is throttled delays tokens
// that were already issued. It is safe for concurrent use, and callers get their turns in the order in which they came.
type Pacer struct {
	now  func() time.Time
	turn chan struct{} // held by the caller that waits for the next place; the others wait in line, whatever the rate is by then

	mu        sync.Mutex
	max       float64   // writes a second
	rate      float64   // present writes a second
	next      time.Time // the earliest start of the next write
	slowedAt  time.Time // last decrease of the rate
	throttles int       // in a row
}

const (
	slowerFactor = 0.9   // of the rate is left after a throttled write
	slowFactor   = 0.7   // of the rate is left after each further one in a row
	fasterStep   = 0.003 // of the maximum is regained with each write that succeeds
	minRate      = 0.1   // of the maximum: below it, too few writes would show that the quota is free again
)

// errNoTurn is the error of a write that was not made.
var errNoTurn = errors.New("no turn to write before the deadline")

// NewPacer returns a pacer for at most the given number of writes a second, which must be above 0.
func NewPacer(perSecond float64, now func() time.Time) *Pacer {
	if now == nil {
		now = time.Now
	}
	return &Pacer{now: now, turn: make(chan struct{}, 1), max: perSecond, rate: perSecond}
}

// Do waits for its turn, makes the call, and adapts the rate: [store.ErrThrottled] slows all later calls down, success speeds them up.
// It returns the error of the call. When ctx ends before the call is made, the error wraps that of ctx.
func (p *Pacer) Do(ctx context.Context, call func(context.Context) error) error {
	started, err := p.wait(ctx)
	if err != nil {
		return fmt.Errorf("%w, at %.3g writes a second: %w", errNoTurn, p.Rate(), err)
	}
	err = call(ctx)
	switch {
	case err == nil:
		p.succeeded()
	case errors.Is(err, store.ErrThrottled):
		p.throttled(started)
	}
	return err
}

// Rate is the present number of writes a second.
func (p *Pacer) Rate() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate
}

// wait sleeps until the next write may start, or until ctx ends, and returns the start.
func (p *Pacer) wait(ctx context.Context) (time.Time, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	defer func() { <-p.turn }()
	for {
		started, ahead := p.place()
		if err := sleep(ctx, ahead); err != nil || !started.IsZero() {
			return started, err
		}
	}
}

// place takes the next place if its time has come. Otherwise it returns the time until then, which a throttled write may have moved by the
// time that the caller has slept.
func (p *Pacer) place() (started time.Time, ahead time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Before(p.next) {
		return time.Time{}, p.next.Sub(now)
	}
	p.next = now.Add(p.gap())
	return now, 0
}

// gap between two writes, rounded up: rounding down would let one write too many into a second.
func (p *Pacer) gap() time.Duration {
	return time.Duration(math.Ceil(float64(time.Second) / p.rate))
}

func (p *Pacer) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.throttles = 0
	p.rate = min(p.max, p.rate+p.max*fasterStep)
}

// throttled slows down. Writes that started before the last decrease of the rate say nothing new.
func (p *Pacer) throttled(started time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if started.Before(p.slowedAt) {
		return
	}
	factor := slowerFactor
	if p.throttles++; p.throttles > 1 {
		factor = slowFactor
	}
	p.rate = max(p.max*minRate, p.rate*factor)
	p.slowedAt = p.now()
	p.next = p.slowedAt.Add(p.gap())
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
