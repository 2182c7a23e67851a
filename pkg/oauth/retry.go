package oauth

import (
	"context"
	"errors"
	"time"
)

const (
	defaultAttempts = 4
	defaultBase     = time.Second
)

// Retry says how often and how patiently.
type Retry struct {
	Attempts  int                   // 0 means 4
	Base      time.Duration         // first full-jitter window, doubling; 0 means 1 s
	MaxWait   time.Duration         // give up rather than wait longer than this between two attempts; 0: only the context bounds
	OnAttempt func(Exchange, error) // called after each attempt
}

// ExchangeRetry repeats a transient failure with full jitter and the answer's Retry-After as floor. It gives up at once, with the last
// error, when the next wait would not end before the context's deadline.
func (c *Client) ExchangeRetry(ctx context.Context, req Request, r Retry) (Exchange, error) {
	if r.Attempts <= 0 {
		r.Attempts = defaultAttempts
	}
	if r.Base <= 0 {
		r.Base = defaultBase
	}
	for n := 1; ; n++ {
		ex, err := c.Exchange(ctx, req)
		ex.Number = n
		if r.OnAttempt != nil {
			r.OnAttempt(ex, err)
		}
		var e *Error
		if !errors.As(err, &e) || e.Class != Transient || n >= r.Attempts {
			return ex, err
		}
		wait := max(jitter(r.Base, n, c.cfg.Rand()), e.RetryAfter)
		if r.MaxWait > 0 && wait > r.MaxWait || !sleep(ctx, wait) {
			return ex, err
		}
	}
}

// jitter is a part of the n-th window: "full jitter" spreads those that failed together over all of it.
func jitter(base time.Duration, n int, u float64) time.Duration {
	const longest = time.Hour
	window := base
	for i := 1; i < n && window < longest; i++ {
		window *= 2
	}
	return time.Duration(u * float64(min(window, longest)))
}

// sleep reports whether it slept to the end. It does not begin what the context would cut off.
func sleep(ctx context.Context, d time.Duration) bool {
	// Not Config.Now: a context's deadline is on the clock that its timer runs by.
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
