// Package rotate makes a change of client credentials safe: a person stages new ones, and they become AWSCURRENT only after the provider has
// issued a token for them (contract.md section 6). Secrets Manager invokes four steps. Each is a function that begins with the list of its
// cases: createSecret in create.go, setSecret in set.go, testSecret in test.go, finishSecret in finish.go. preflight.go comes before each of
// them. reconcile.go completes a rotation that was interrupted; rollback.go reverts one whose client credentials are rejected after all.
//
// These rules hold throughout: versions are read by id; AWSCURRENT moves by compare-and-swap; no token is requested or published without the
// lease of the connection; a permanent failure removes AWSPENDING. The same step again, after a crash at any point, comes to the same end.
package rotate

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
)

// Config of a Rotator. Fields without a default are required.
type Config struct {
	Secrets   Secrets
	Leases    Leases
	States    States
	Publisher Publisher
	Requester acquire.Requester
	Catalogue provider.Catalogue

	SecretPrefix  string // "oauth/": no other secret is touched
	Region        string // of this function: a replica must be rotated in its own region
	AllowLoopback bool   // accept http and loopback token endpoints: local runs only

	VerifyCall http.RoundTripper // makes a provider's authenticated call where a document says verify_call; nil: http.DefaultTransport
	Margin     time.Duration     // kept free before the context's deadline for writes; 0 means 5 s

	Period      time.Duration // between two sweeps of the refresher; 0 means 5 min
	ReaderCache time.Duration // how long a reader may use a token after it read it; 0 means 5 min

	Now func() time.Time // nil means time.Now
}

// Invocation is what is particular to one invocation of the function.
type Invocation struct {
	RequestID   string      // owner of the lease; required, unique among the runs of the last hours
	FunctionARN string      // of this function; "" compares nothing (a local run)
	Observe     func(Audit) // called with every decision; nil: not called
}

// Rotator carries out steps of rotations. It keeps nothing between them and is safe for concurrent use.
type Rotator struct {
	cfg      Config
	policy   lifecycle.Policy
	acquirer *acquire.Acquirer
}

const (
	defaultMargin = 5 * time.Second
	// endMargin is the time before the context's deadline at which even a write ends.
	endMargin = time.Second
	// defaultTime is the work time of a step whose context has no deadline.
	defaultTime   = time.Minute
	defaultPeriod = 5 * time.Minute
)

// New validates cfg and fills in its defaults.
func New(cfg Config) (*Rotator, error) {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("rotate: "+what))
		}
	}
	need(cfg.Secrets != nil, "Secrets is missing")
	need(cfg.Leases != nil, "Leases is missing")
	need(cfg.States != nil, "States is missing")
	need(cfg.Publisher != nil, "Publisher is missing")
	need(cfg.Requester != nil, "Requester is missing")
	need(len(cfg.Catalogue.IDs()) > 0, "Catalogue is empty")
	need(cfg.SecretPrefix != "", "SecretPrefix is missing; only secrets under it may be rotated")
	need(cfg.Region != "", "Region is missing")
	need(cfg.Margin >= 0 && cfg.Period >= 0 && cfg.ReaderCache >= 0, "a duration is negative")
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	orDefault(&cfg.Margin, defaultMargin)
	orDefault(&cfg.Period, defaultPeriod)
	orDefault(&cfg.ReaderCache, defaultPeriod)
	if cfg.VerifyCall == nil {
		cfg.VerifyCall = http.DefaultTransport // one for all invocations, so that its connections are used again
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Rotator{cfg: cfg, policy: lifecycle.Policy{Period: cfg.Period, ReaderCache: cfg.ReaderCache, RefreshAt: lifecycle.DefaultRefreshAt}}
	r.acquirer = &acquire.Acquirer{Requester: cfg.Requester, Catalogue: cfg.Catalogue, AllowLoopback: cfg.AllowLoopback, Policy: r.policy, Now: cfg.Now}
	return r, nil
}

func orDefault(field *time.Duration, value time.Duration) {
	if *field == 0 {
		*field = value
	}
}

// Handle carries out one step. The error is always an *Error.
func (r *Rotator) Handle(ctx context.Context, ev Event, in Invocation) error {
	s := r.newStep(ctx, ev, in)
	if err := ev.check(); err != nil {
		return s.failed(ctx, err)
	}
	work, cancel := context.WithDeadline(ctx, s.workEnd)
	defer cancel()
	err := s.failed(ctx, s.guarded(work))
	s.release(ctx)
	return err
}
