package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/environment"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/wire"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// refresher is what functions/refresher builds, with a clock that can be moved on: so that tokens come due without waiting.
type refresher struct {
	stores   wire.Stores
	config   refresh.Config
	renews   *refresh.Refresher
	reporter *report.Reporter
	ahead    time.Duration // of the clock of this machine
}

// wiring is what a refresher is made of.
type wiring struct {
	aws     aws.Config
	network http.RoundTripper // nil: the real one of pkg/oauth
	logs    io.Writer
	change  func(*refresh.Config) // nil: the defaults
}

func newRefresher(w wiring) (*refresher, error) {
	r := new(refresher)
	if err := r.open(w); err != nil {
		return nil, err
	}
	return r, nil
}

// now is the clock that is moved on.
func (r *refresher) now() time.Time {
	now := time.Now
	return now().Add(r.ahead)
}

func (r *refresher) open(w wiring) error {
	stores, err1 := wire.NewStores(w.aws, environment.Config{
		SecretPrefix: secretPrefix, ParameterPrefix: parameterPrefix, StateTable: awstest.StateTable, Region: region, KMSKeyID: "alias/aws/ssm",
		MaxConcurrency: workers,
	})
	catalogue, err2 := provider.Load()
	client, err3 := oauth.New(oauth.Config{AllowLoopback: true, Transport: w.network, Now: r.now})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	r.stores = stores
	r.config = refresh.Config{
		Leases: stores.States, States: stores.States, Secrets: stores.Secrets, Parameters: stores.Parameters, Requester: client, Catalogue: catalogue,
		SecretPrefix: secretPrefix, Region: awstest.Region, AllowLoopback: true, Now: r.now,
	}
	if w.change != nil {
		w.change(&r.config)
	}
	r.reporter = report.New(report.Config{Out: w.logs, Stack: "bench", Now: r.now})
	r.renews, err1 = refresh.New(r.config)
	return err1
}

// sweep does what the function does with the event of its schedule, from the bytes of the event to those of the result.
func (r *refresher) sweep(ctx context.Context) (refresh.Result, error) {
	ctx, cancel := context.WithDeadline(ctx, r.now().Add(lambdaTimeout)) // by the clock that the run goes by
	defer cancel()
	call, err := refresh.ParseCall([]byte(`{}`))
	if err != nil {
		return refresh.Result{}, err
	}
	run := r.reporter.Run(requestID)
	result, err := r.renews.Run(ctx, call, refresh.Invocation{RequestID: requestID, Observe: run.Observe})
	run.Done(result, err)
	if err != nil {
		return refresh.Result{}, err
	}
	_, err = json.Marshal(result)
	return result, err
}

// requestID is that of every invocation. They come one after another, so that no lease of one is left when the next begins.
const requestID = "bench"

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
