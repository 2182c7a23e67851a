package oauth

import (
	"context"
	"time"
)

const (
	defaultAttempts = 4
	defaultBase     = time.Second
)

// Attempt is the outcome of one attempt.
type Attempt struct {
	Token   *Token // nil when it failed
	Latency Latency
	Number  int // 1 for the first
}

// Retry says how often a transient failure is repeated, and how long to wait.
type Retry struct {
	Attempts  int                  // 0 means 4
	Base      time.Duration        // first full-jitter window, doubling; 0 means 1 s
	MaxWait   time.Duration        // give up rather than wait longer than this between two attempts; 0: only the context bounds
	OnAttempt func(Attempt, error) // called after each attempt; nil: not called
}

// TokenWithRetry repeats a transient failure with full jitter and the response's Retry-After as floor. It gives up at once, with the last
// error, when the next wait would not end before the context's deadline. The error is always an *Error.
func (c *Client) TokenWithRetry(ctx context.Context, req TokenRequest, r Retry) (Attempt, error) {
	if r.Attempts <= 0 {
		r.Attempts = defaultAttempts
	}
	if r.Base <= 0 {
		r.Base = defaultBase
	}
	for n := 1; ; n++ {
		attempt, e := c.try(ctx, req, n)
		var err error // a typed nil must not become an error
		if e != nil {
			err = e
		}
		if r.OnAttempt != nil {
			r.OnAttempt(attempt, err)
		}
		if e == nil || e.Class != Transient || n >= r.Attempts {
			return attempt, err
		}
		wait := max(jitter(r.Base, n, c.cfg.Rand()), e.RetryAfter)
		if r.MaxWait > 0 && wait > r.MaxWait || !sleep(ctx, wait) {
			return attempt, err
		}
	}
}

func (c *Client) try(ctx context.Context, req TokenRequest, number int) (Attempt, *Error) {
	watch := newStopwatch(c.cfg.Now)
	token, e := c.attempt(ctx, req, false, watch)
	return Attempt{Token: token, Latency: watch.stop(), Number: number}, e
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
