package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// refresher is what functions/refresher wires, with a clock that can be moved on: so that tokens come due without waiting.
type refresher struct {
	config   refresh.Config
	reporter *report.Reporter
	ahead    time.Duration // of the clock of this machine
}

// wiring is what a refresher is made of.
type wiring struct {
	secrets    smsecret.API
	parameters ssmstore.API
	network    http.RoundTripper // nil: the real one of pkg/oauth
	logs       io.Writer
	change     func(*refresh.Config) // nil: the defaults
}

func newRefresher(w wiring) (*refresher, error) {
	r := new(refresher)
	if err := r.wire(w); err != nil {
		return nil, err
	}
	return r, nil
}

// now is the clock that is moved on.
func (r *refresher) now() time.Time {
	now := time.Now
	return now().Add(r.ahead)
}

func (r *refresher) wire(w wiring) error {
	secrets, err1 := smsecret.New(smsecret.Config{Client: w.secrets, Prefix: secretPrefix})
	parameters, err2 := ssmstore.New(ssmstore.Config{Client: w.parameters, Prefix: parameterPrefix, KMSKeyID: "alias/aws/ssm"})
	catalogue, err3 := provider.Load()
	client, err4 := oauth.New(oauth.Config{AllowLoopback: true, Transport: w.network, Now: r.now})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	r.config = refresh.Config{
		Secrets: secrets, Parameters: parameters, Exchanger: client, Catalogue: catalogue,
		SecretPrefix: secretPrefix, Region: awstest.Region, AllowLoopback: true, Now: r.now,
	}
	if w.change != nil {
		w.change(&r.config)
	}
	r.reporter = report.New(report.Config{Out: w.logs, Stack: "bench", Now: r.now})
	return nil
}

// sweep does what the function does with the event of its schedule, from the bytes of the event to those of the result.
func (r *refresher) sweep(ctx context.Context) (refresh.Result, error) {
	ctx, cancel := context.WithDeadline(ctx, r.config.Now().Add(lambdaTimeout)) // by the clock that the run goes by
	defer cancel()
	call, err := refresh.ParseCall([]byte(`{}`))
	if err != nil {
		return refresh.Result{}, err
	}
	run := r.reporter.Run("bench")
	config := r.config
	config.Observe = run.Observe
	one, err := refresh.New(config)
	if err != nil {
		return refresh.Result{}, err
	}
	result, err := one.Run(ctx, call)
	run.Done(result, err)
	if err != nil {
		return refresh.Result{}, err
	}
	_, err = json.Marshal(result)
	return result, err
}

// lambdaTimeout is the function's Timeout in the template for a period of five minutes.
const lambdaTimeout = 270 * time.Second

// sweepAll is a sweep that must renew the given number of tokens and nothing else.
func (r *refresher) sweepAll(ctx context.Context, tokens int) error {
	result, err := r.sweep(ctx)
	if err != nil {
		return err
	}
	if n := result.Health.Notices; n > 0 {
		return fmt.Errorf("a sweep over %d tokens had %d notices: these are not the renewals that were meant", tokens, n)
	}
	if c := result.Counts; c.Refreshed != tokens || c.Failed+c.Deferred > 0 {
		return fmt.Errorf("a sweep renewed %d of %d tokens (%d failed, %d deferred%s)", c.Refreshed, tokens, c.Failed, c.Deferred, firstTrouble(result))
	}
	return nil
}

// firstTrouble is what became of the first connection that was not renewed.
func firstTrouble(result refresh.Result) string {
	switch {
	case len(result.Failed) > 0:
		return ": " + result.Failed[0].Message
	case len(result.Deferred) > 0:
		return ": " + result.Deferred[0].Reason
	default:
		return ""
	}
}
