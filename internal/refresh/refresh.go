// Package refresh renews the tokens of all connections (contract.md sections 2 to 5). State is in a table; a run keeps nothing for the next one.
//
// Read it in this order: Refresher.Run; load.go gathers what is known; plan.go decides; drain.go starts what fits and collects the outcomes;
// renew.go takes one connection to a committed token; summary.go and result.go say what happened.
package refresh

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/publish"
	"github.com/chaveiro/chaveiro/internal/store"
)

// Leases gives one run the right to renew a connection. *dynamostate.Store implements it.
type Leases interface {
	// Claim takes the lease of a connection whose item has not changed since it was read, and returns the item. Otherwise the error wraps
	// store.ErrInFlight.
	Claim(ctx context.Context, read lifecycle.State, o lifecycle.Owner) (lifecycle.State, error)
	// Commit writes the state and ends the lease. Without the lease the error wraps store.ErrLeaseLost.
	Commit(ctx context.Context, next lifecycle.State) error
	// Release ends the lease and changes nothing else.
	Release(ctx context.Context, leased lifecycle.State) error
}

// States reads and writes items that nobody renews. *dynamostate.Store implements it.
type States interface {
	// Scan gives all items to page, part by part. An error means that the items were not complete.
	Scan(ctx context.Context, page func([]lifecycle.State)) error
	// Get returns the items that exist, by connection.
	Get(ctx context.Context, connections []string) (map[string]lifecycle.State, error)
	// Update writes a state whose item has not changed and has no lease. Otherwise the error wraps store.ErrInFlight.
	Update(ctx context.Context, next lifecycle.State) (lifecycle.State, error)
	// Delete removes an item under the same condition.
	Delete(ctx context.Context, s lifecycle.State) error
}

// Secrets reads connections. *smsecret.Store implements it.
type Secrets interface {
	// List gives every secret under the prefix to page, part by part. It may be five minutes behind. An error means that the list is not complete.
	List(ctx context.Context, page func([]store.Secret)) error
	// Describe returns one secret as it is now. The error wraps store.ErrNotFound also when it is scheduled for deletion.
	Describe(ctx context.Context, connection string) (store.Secret, error)
	// ReadCurrent returns the AWSCURRENT version of each connection, in the order given, each with its own Err.
	ReadCurrent(ctx context.Context, connections []string) []store.Document
	// ReadVersion returns one version by its id.
	ReadVersion(ctx context.Context, connection, versionID string) (store.Document, error)
}

// Parameters publishes. *ssmstore.Store implements it.
type Parameters interface {
	publish.Parameters
	// Get returns the parameters that exist, without decryption.
	Get(ctx context.Context, names []store.Name) ([]store.Parameter, error)
}

// Config of a Refresher. Fields without a default are required.
type Config struct {
	Leases     Leases
	States     States
	Secrets    Secrets
	Parameters Parameters
	Requester  acquire.Requester
	Catalogue  provider.Catalogue

	SecretPrefix  string // "oauth/": for messages
	Region        string // for messages
	AllowLoopback bool   // accept http and loopback token endpoints: local runs only

	Period       time.Duration // between two sweeps; 0 means 5 min
	ReaderCache  time.Duration // 0 means 5 min
	TokenTimeout time.Duration // of one token request, as the Requester has it; 0 means 10 s

	MaxConcurrency     int     // connections between the start of a request and the end of its write; 0 means 16
	MaxWritesPerSecond float64 // PutParameter calls; 0 means 3

	Now func() time.Time // nil means time.Now
}

// Refresher renews tokens. It keeps nothing between runs and is safe for concurrent use.
type Refresher struct {
	cfg      Config
	acquirer *acquire.Acquirer
}

// New validates cfg and fills in its defaults.
func New(cfg Config) (*Refresher, error) {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("refresh: "+what))
		}
	}
	need(cfg.Leases != nil, "Leases is missing")
	need(cfg.States != nil, "States is missing")
	need(cfg.Secrets != nil, "Secrets is missing")
	need(cfg.Parameters != nil, "Parameters is missing")
	need(cfg.Requester != nil, "Requester is missing")
	need(len(cfg.Catalogue.IDs()) > 0, "Catalogue is empty")
	need(cfg.Period >= 0 && cfg.ReaderCache >= 0 && cfg.TokenTimeout >= 0, "a duration is negative")
	need(cfg.MaxConcurrency >= 0, "MaxConcurrency is negative")
	need(cfg.MaxWritesPerSecond == 0 || cfg.MaxWritesPerSecond >= 1e-4 && cfg.MaxWritesPerSecond <= 1e9,
		"MaxWritesPerSecond must be from 0.0001 to 1,000,000,000")
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	orDefault(&cfg.Period, 5*time.Minute)
	orDefault(&cfg.ReaderCache, 5*time.Minute)
	orDefault(&cfg.TokenTimeout, 10*time.Second)
	orDefault(&cfg.MaxConcurrency, 16)
	orDefault(&cfg.MaxWritesPerSecond, 3)
	if one := cfg.TokenTimeout + time.Duration(2/cfg.MaxWritesPerSecond*float64(time.Second)) + 2*putTime; one > cfg.Period*9/10 {
		return nil, fmt.Errorf("refresh: one token may take %s (TOKEN_TIMEOUT %s, MAX_WRITES_PER_SECOND %g), a run of SCHEDULE_PERIOD %s has %s: no token could be renewed",
			one, cfg.TokenTimeout, cfg.MaxWritesPerSecond, cfg.Period, cfg.Period*9/10)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Refresher{cfg: cfg}
	r.acquirer = &acquire.Acquirer{Requester: cfg.Requester, Secrets: cfg.Secrets, Catalogue: cfg.Catalogue,
		AllowLoopback: cfg.AllowLoopback, Policy: r.policy(), Now: cfg.Now}
	return r, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (r *Refresher) policy() lifecycle.Policy {
	return lifecycle.Policy{Period: r.cfg.Period, ReaderCache: r.cfg.ReaderCache, RefreshAt: lifecycle.DefaultRefreshAt}
}

// Invocation is what is particular to one run.
type Invocation struct {
	RequestID string      // owner of the leases, unique among the runs of the last hours; "": a random one
	Observe   func(Event) // called with everything that happens, from several goroutines; nil: not called
}

const (
	// reserve is kept free before the Lambda deadline for the result and the last failure notices.
	reserve = time.Second
	// putTime is the time that one write may reasonably take.
	putTime = time.Second
)

// run is one invocation. Its fields do not change.
type run struct {
	*Refresher
	call          Call
	owner         lifecycle.Owner
	start         time.Time
	startDeadline time.Time // no token request starts unless its write fits before it
	observe       func(Event)
	pacer         *publish.Pacer
	publisher     *publish.Publisher
}

func (r *Refresher) newRun(ctx context.Context, call Call, in Invocation) *run {
	now := r.cfg.Now().UTC().Round(0)
	startDeadline, hardEnd := now.Add(r.cfg.Period*9/10), now.Add(r.cfg.Period)
	if deadline, ok := ctx.Deadline(); ok {
		hardEnd = earliest(hardEnd, deadline.Add(-reserve/2))
		startDeadline = earliest(startDeadline, deadline.Add(-reserve))
	}
	pacer := publish.NewPacer(r.cfg.MaxWritesPerSecond, r.cfg.Now)
	if in.RequestID == "" {
		in.RequestID = rand.Text()
	}
	observe := in.Observe
	if observe == nil {
		observe = func(Event) {}
	}
	return &run{Refresher: r, call: call, owner: lifecycle.Owner{ID: in.RequestID, HardEnd: hardEnd}, start: now, startDeadline: startDeadline,
		observe: observe, pacer: pacer, publisher: publish.New(r.cfg.Parameters, pacer)}
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// writing is the context of what must be finished once a token was requested: the caller cannot cancel it, the end of the run does.
func (r *run) writing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(ctx), r.owner.HardEnd)
}

// Run does what the call says. An error means that the work could not be done: the state could not be read, the secrets could not be listed for
// the third time in a row, or SSM does not accept writes. The result then says what was done. What fails for one connection is in the result.
func (r *Refresher) Run(ctx context.Context, call Call, in Invocation) (Result, error) {
	run := r.newRun(ctx, call, in)
	work := run.sweep
	if call.Connections != nil {
		work = run.named
	}
	result, err := work(ctx)
	result.finish()
	if err != nil {
		return result, fmt.Errorf("refresh: %w", err)
	}
	return result, nil
}
