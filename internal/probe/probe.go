// Package probe says how the installation is: the runway of every token, from listings alone, and whether each token endpoint answers, and how
// fast (contract.md section 7). It writes to no store and keeps nothing between runs.
//
// A run is read in this order: Checker.Run lists and judges every connection, (*run).targets picks the endpoints, (*run).measure asks each,
// (*run).attention words what a person should look at, Report.judge sums up.
package probe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Asker speaks to token endpoints. *oauth.Client implements it.
type Asker interface {
	// TokenWithRetry asks for a token; here once.
	TokenWithRetry(ctx context.Context, req oauth.TokenRequest, r oauth.Retry) (oauth.Attempt, error)
	// Probe makes the same request without credentials, and expects to be refused.
	Probe(ctx context.Context, req oauth.TokenRequest) (oauth.ProbeResult, error)
}

// Config of a Checker. Fields without a default are required.
type Config struct {
	Secrets    Secrets
	Parameters Parameters
	Asker      Asker
	Catalogue  provider.Catalogue

	SecretPrefix  string // "oauth/": for messages
	Region        string // for messages
	AllowLoopback bool   // accept http and loopback token endpoints: local runs only

	Period       time.Duration // between two sweeps of the refresher; 0 means 5 min
	ReaderCache  time.Duration // 0 means 5 min
	TokenTimeout time.Duration // of one request to a token endpoint, as the Asker has it; 0 means 10 s
	Threshold    time.Duration // a slower endpoint is degraded; 0 means 1 s

	Now     func() time.Time // nil means time.Now
	Observe func(Event)      // told every request, from several goroutines; nil: nobody
}

// Checker looks at an installation. It is safe for concurrent runs.
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
	need(cfg.Parameters != nil, "Parameters is missing")
	need(cfg.Asker != nil, "Asker is missing")
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
	if cfg.Observe == nil {
		cfg.Observe = func(Event) {}
	}
	return &Checker{cfg: cfg}, nil
}

func orDefault(field *time.Duration, value time.Duration) {
	if *field == 0 {
		*field = value
	}
}

// run is one invocation.
type run struct {
	cfg     *Config
	call    Call
	now     time.Time
	items   []item
	orphans int
}

// Run does what the call asks for. An error means that nothing is known: a listing failed, and a part of one says nothing about the rest.
func (c *Checker) Run(ctx context.Context, call Call) (Report, error) {
	r := &run{cfg: &c.cfg, call: call, now: c.cfg.Now().UTC().Truncate(time.Second)}
	if err := r.list(ctx); err != nil {
		return Report{}, fmt.Errorf("probe: %w", err)
	}
	report := Report{CheckedAt: r.now, Connections: r.count()}
	within, cancel := early(ctx)
	defer cancel()
	if call.Probe != None {
		report.Endpoints = r.measure(within, r.targets())
	}
	report.Attention = r.attention(within)
	report.judge(r.expiredLately())
	return report, nil
}

// margin is kept free before the Lambda deadline for the report.
const margin = time.Second

// early is the context of what the report can do without: it ends before the Lambda deadline.
func early(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-margin))
	}
	return context.WithCancel(ctx)
}

// list gathers the facts of all connections from two listings.
func (r *run) list(ctx context.Context) error {
	var secrets []Secret
	var parameters []Parameter
	var secretsErr, parametersErr error
	var wg sync.WaitGroup
	wg.Go(func() { secrets, secretsErr = r.cfg.Secrets.List(ctx) })
	wg.Go(func() { parameters, parametersErr = r.cfg.Parameters.List(ctx) })
	wg.Wait()
	if err := errors.Join(wrap("list secrets", secretsErr), wrap("list parameters", parametersErr)); err != nil {
		return fmt.Errorf("nothing can be said, a partial list is none: %w", err)
	}
	published := map[string]published{}
	for i := range parameters {
		p := &parameters[i]
		both := published[p.Connection]
		if p.Failure {
			both.failure = p
		} else {
			both.token = p
		}
		published[p.Connection] = both
	}
	wanted := r.call.wanted()
	names := make([]string, 0, len(secrets))
	for _, s := range secrets {
		names = append(names, s.Connection)
		if wanted(s.Connection) {
			r.items = append(r.items, r.item(s, published[s.Connection]))
		}
		delete(published, s.Connection)
	}
	for connection := range published {
		if wanted(connection) {
			r.orphans++
		}
	}
	r.addUnknown(names)
	return nil
}

// published is what is there for one connection.
type published struct{ token, failure *Parameter }

// policy by which the refresher decides whether a token is due. A document's own refresh_at is in the record's renew_at already.
func (c *Config) policy() renew.Policy {
	return renew.Policy{Period: c.Period, ReaderCache: c.ReaderCache, RefreshAt: renew.DefaultRefreshAt}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
