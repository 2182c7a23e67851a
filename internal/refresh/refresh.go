// Package refresh keeps the tokens of all connections fresh: it lists secrets and parameters, lets renew decide who is due, exchanges
// credentials for tokens, publishes them, and records what failed. It holds no state between runs (contract.md sections 2 to 5).
//
// A run is read in this order: Refresher.Run, (*run).sweep or (*run).named gather the facts, (*run).plan decides, (*run).execute starts
// what fits, (*run).work does one connection, (*run).settle notes the outcome, (*run).finish writes the failures.
package refresh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Exchanger asks a token endpoint. *oauth.Client implements it.
type Exchanger interface {
	TokenWithRetry(ctx context.Context, req oauth.TokenRequest, r oauth.Retry) (oauth.Attempt, error)
}

// Config of a Refresher. Fields without a default are required.
type Config struct {
	Secrets    Secrets
	Parameters Parameters
	Exchanger  Exchanger
	Catalogue  provider.Catalogue

	SecretPrefix  string // "oauth/": for messages
	Region        string // for messages
	AllowLoopback bool   // accept http and loopback token endpoints: local runs only

	Period       time.Duration // between two sweeps; 0 means 5 min
	ReaderCache  time.Duration // 0 means 5 min
	TokenTimeout time.Duration // of one attempt at a token endpoint, as the Exchanger has it; 0 means 10 s

	MaxConcurrency     int     // connections between the start of an exchange and the end of its write; 0 means 16
	MaxWritesPerSecond float64 // PutParameter calls; 0 means 3

	Now     func() time.Time // nil means time.Now
	Observe func(Event)      // told everything that happened, from several goroutines; nil: nobody
}

// Refresher renews tokens. It is safe for concurrent runs.
type Refresher struct{ cfg Config }

// New validates cfg and fills in its defaults.
func New(cfg Config) (*Refresher, error) {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("refresh: "+what))
		}
	}
	need(cfg.Secrets != nil, "Secrets is missing")
	need(cfg.Parameters != nil, "Parameters is missing")
	need(cfg.Exchanger != nil, "Exchanger is missing")
	need(len(cfg.Catalogue.IDs()) > 0, "Catalogue is empty")
	need(cfg.Period >= 0 && cfg.ReaderCache >= 0 && cfg.TokenTimeout >= 0, "a duration is negative")
	need(cfg.MaxConcurrency >= 0, "MaxConcurrency is negative")
	need(cfg.MaxWritesPerSecond == 0 || cfg.MaxWritesPerSecond >= 1e-4 && cfg.MaxWritesPerSecond <= 1e9, "MaxWritesPerSecond is not between 0.0001 and 1,000,000,000")
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	orDefault(&cfg.Period, 5*time.Minute)
	orDefault(&cfg.ReaderCache, 5*time.Minute)
	orDefault(&cfg.TokenTimeout, 10*time.Second)
	orDefault(&cfg.MaxConcurrency, 16)
	orDefault(&cfg.MaxWritesPerSecond, 3)
	if one := cfg.TokenTimeout + time.Duration(2/cfg.MaxWritesPerSecond*float64(time.Second)) + 2*putTime; one > cfg.Period*9/10 {
		return nil, fmt.Errorf("refresh: one token may take %s (TOKEN_TIMEOUT %s, MAX_WRITES_PER_SECOND %g), a run of SCHEDULE_PERIOD %s has %s: nothing would ever be renewed",
			one, cfg.TokenTimeout, cfg.MaxWritesPerSecond, cfg.Period, cfg.Period*9/10)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Event) {}
	}
	return &Refresher{cfg: cfg}, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// policy for tokens that are renewed at the given fraction of their life; 0 means the default.
func (c *Config) policy(refreshAt float64) renew.Policy {
	if refreshAt == 0 {
		refreshAt = renew.DefaultRefreshAt
	}
	return renew.Policy{Period: c.Period, ReaderCache: c.ReaderCache, RefreshAt: refreshAt}
}

// Run does what the call asks for. An error means that the work could not be done at all: a listing failed, or SSM refuses writes; the
// result then says how far it came. What fails for one connection is in the result.
func (r *Refresher) Run(ctx context.Context, call Call) (Result, error) {
	run := r.newRun(ctx, call)
	var err error
	if call.Connections == nil {
		err = run.sweep(ctx)
	} else {
		err = run.named(ctx)
	}
	if err != nil {
		run.result.finish()
		return run.result, fmt.Errorf("refresh: %w", err)
	}
	if call.DryRun {
		run.explain()
		run.result.finish()
		return run.result, nil
	}
	return run.carryOut(ctx)
}
