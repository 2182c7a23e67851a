package oauth

import (
	"context"
	"errors"
)

type (
	TokenRequest = Request
	Attempt      = Exchange
)

var ErrCanceled = errors.New("canceled")

func (e *Error) Is(target error) bool { return target == ErrCanceled && e.Class == NotAnOutcome }

func (c *Client) TokenWithRetry(ctx context.Context, req TokenRequest, r Retry) (Attempt, error) {
	return c.ExchangeRetry(ctx, req, r)
}

type ProbeResult = Refusal

func (c *Client) Probe(ctx context.Context, req TokenRequest) (ProbeResult, error) { return c.Reach(ctx, req) }
