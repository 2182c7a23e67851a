// Package probe measures the health of an installation: the remaining time of every token, from the state table, and whether each token endpoint
// responds, and how fast (contract.md section 7). It writes to no store and keeps nothing between runs.
//
// Read it in this order: Checker.Run; (*run).load reads the facts, and (*run).classify gives each connection its state; (*run).targets chooses the
// endpoints, and (*run).measure probes them; (*run).attention lists the connections that need help; (*Report).judge sums up.
package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Prober makes requests to token endpoints. *oauth.Client implements it.
type Prober interface {
	// TokenWithRetry requests a token.
	TokenWithRetry(ctx context.Context, req oauth.TokenRequest, r oauth.Retry) (oauth.Attempt, error)
	// Probe makes the same request without client credentials, and expects to be refused.
	Probe(ctx context.Context, req oauth.TokenRequest) (oauth.ProbeResult, error)
}

// Config of a Checker. Fields without a default are required.
type Config struct {
	Secrets   Secrets
	States    States
	Prober    Prober
	Catalogue provider.Catalogue

	SecretPrefix  string // "oauth/": for messages
	Region        string // for messages
	AllowLoopback bool   // accept http and loopback token endpoints: local runs only

	Period       time.Duration // between two sweeps of the refresher; 0 means 5 min
	ReaderCache  time.Duration // 0 means 5 min
	TokenTimeout time.Duration // of one request to a token endpoint, as the Prober has it; 0 means 10 s
	Threshold    time.Duration // a slower endpoint is degraded; 0 means 1 s

	Now func() time.Time // nil means time.Now
}

// Checker measures an installation. It keeps nothing between runs and is safe for concurrent use.
type Checker struct{ cfg Config }

// New validates cfg and fills in its defaults.
func New(cfg Config) (*Checker, error) {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("probe: "+what))
		}
	}
	need(cfg.Secrets != nil, "Secrets is missing")
	need(cfg.States != nil, "States is missing")
	need(cfg.Prober != nil, "Prober is missing")
	need(len(cfg.Catalogue.IDs()) > 0, "Catalogue is empty")
	need(cfg.Period >= 0 && cfg.ReaderCache >= 0 && cfg.TokenTimeout >= 0 && cfg.Threshold >= 0, "a duration is negative")
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	orDefault(&cfg.Period, 5*time.Minute)
	orDefault(&cfg.ReaderCache, 5*time.Minute)
	orDefault(&cfg.TokenTimeout, 10*time.Second)
	orDefault(&cfg.Threshold, time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Checker{cfg: cfg}, nil
}

func orDefault(field *time.Duration, value time.Duration) {
	if *field == 0 {
		*field = value
	}
}

// Invocation is what is particular to one run.
type Invocation struct {
	Observe func(Event) // called with every request, from several goroutines; nil: not called
}

// run is one invocation.
type run struct {
	cfg     *Config
	call    Call
	observe func(Event)
	now     time.Time
	items   []item
	orphans int
}

// Run measures what the call names. An error means that nothing is known: the state table or the list of secrets could not be read completely.
func (c *Checker) Run(ctx context.Context, call Call, in Invocation) (Report, error) {
	r := &run{cfg: &c.cfg, call: call, observe: in.Observe, now: c.cfg.Now().UTC().Truncate(time.Second)}
	if r.observe == nil {
		r.observe = func(Event) {}
	}
	within, cancel := early(ctx)
	defer cancel()
	if err := r.load(within); err != nil {
		return Report{}, fmt.Errorf("probe: %w", err)
	}
	report := Report{CheckedAt: r.now, Connections: r.count()}
	if call.Probe != None {
		report.Endpoints = r.measure(within, r.targets())
	}
	report.Attention = r.attention()
	report.judge(r.expiredLately())
	return report, nil
}

// reserve is kept free before the Lambda deadline for the report, or for the error.
const reserve = time.Second

// early is the context of all calls: it ends before the Lambda deadline.
func early(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	return context.WithCancel(ctx)
}

// load reads the state table and lists the secrets, at the same time.
func (r *run) load(ctx context.Context) error {
	var states map[string]lifecycle.State
	var secrets []store.Secret
	var statesErr, secretsErr error
	var wg sync.WaitGroup
	wg.Go(func() { states, statesErr = r.states(ctx) })
	wg.Go(func() {
		secretsErr = r.cfg.Secrets.List(ctx, func(page []store.Secret) { secrets = append(secrets, page...) })
	})
	wg.Wait()
	if err := errors.Join(wrap("read the state table", statesErr), wrap("list secrets", secretsErr)); err != nil {
		return fmt.Errorf("the health is unknown: %w", err)
	}
	r.classify(secrets, states)
	return nil
}

// states are the items that the call is about, by connection: those of the named connections, or all of them.
func (r *run) states(ctx context.Context) (map[string]lifecycle.State, error) {
	if r.call.Connections != nil {
		valid := slices.DeleteFunc(slices.Clone(r.call.Connections), func(name string) bool { return connection.ValidID(name) != nil })
		return r.cfg.States.Get(ctx, valid)
	}
	states := map[string]lifecycle.State{}
	err := r.cfg.States.Scan(ctx, func(page []lifecycle.State) {
		for _, s := range page { // a long table is read by several readers, and an item may come twice
			states[s.ID] = s
		}
	})
	return states, err
}

// classify makes an item of each connection that the call is about. Two pages may hold one secret. Items under another key than a connection id
// are not orphans: the refresher counts its failed listings in one.
func (r *run) classify(secrets []store.Secret, states map[string]lifecycle.State) {
	wanted := r.call.wanted()
	listed := make(map[string]bool, len(secrets))
	for i := range secrets {
		s := &secrets[i]
		if wanted(s.Connection) && !listed[s.Connection] {
			r.items = append(r.items, r.item(s, states[s.Connection]))
		}
		listed[s.Connection] = true
	}
	for id, s := range states {
		if !listed[id] && wanted(id) && connection.ValidID(id) == nil && (s.Token != nil || s.Notice != "") {
			r.orphans++
		}
	}
	r.addUnknown(slices.Sorted(maps.Keys(listed)))
}

// policy by which the refresher decides whether a token is due. The refresh_at of a document is already part of RenewAt.
func (c *Config) policy() lifecycle.Policy {
	return lifecycle.Policy{Period: c.Period, ReaderCache: c.ReaderCache, RefreshAt: lifecycle.DefaultRefreshAt}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
