// Package rotate makes a change of credentials safe: a person stages a new pair, and it goes live only after it has proved itself (contract.md
// section 6). It is the four steps that Secrets Manager invokes, each a function that opens with its cases: createSecret in create.go,
// setSecret in set.go, testSecret in trial.go, finishSecret in finish.go. Before each stands preflight; what was done by halves, whoever did it,
// is brought to an end in reconcile.go.
//
// What holds throughout: versions are read by id, AWSCURRENT moves by compare-and-swap, a permanent failure takes AWSPENDING off, and the same
// step again, after a crash at any point, comes to the same end.
package rotate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chaveiro/chaveiro/internal/provider"
)

// Config of a Rotator. Fields without a default are required.
type Config struct {
	Secrets   Secrets
	Publisher Publisher
	Exchanger Exchanger
	Catalogue provider.Catalogue

	SecretPrefix string // "oauth/": no secret without it is touched
	Region       string // of this function: a replica is rotated elsewhere
	FunctionARN  string // of this invocation; "" compares nothing (a local run)

	AllowLoopback bool              // accept http and loopback token endpoints: local runs only
	VerifyCall    http.RoundTripper // makes a provider's cheap authenticated call where a document says verify_call; nil: http.DefaultTransport
	Margin        time.Duration     // kept free before the context's deadline; 0 means 5 s

	Now     func() time.Time // nil means time.Now
	Observe func(Audit)      // told every decision; nil: nobody
}

// Rotator carries out steps of rotations. It keeps nothing between them and is safe for concurrent use.
type Rotator struct{ cfg Config }

const (
	defaultMargin = 5 * time.Second
	// endMargin is what even the last clean-up leaves of the context's time.
	endMargin = time.Second
	// defaultTime is what a step has whose context has no deadline.
	defaultTime = time.Minute
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
	need(cfg.Publisher != nil, "Publisher is missing")
	need(cfg.Exchanger != nil, "Exchanger is missing")
	need(len(cfg.Catalogue.IDs()) > 0, "Catalogue is empty")
	need(cfg.SecretPrefix != "", "SecretPrefix is missing: it is the list of the secrets that may be rotated")
	need(cfg.Region != "", "Region is missing")
	need(cfg.Margin >= 0, "Margin is negative")
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Margin == 0 {
		cfg.Margin = defaultMargin
	}
	if cfg.VerifyCall == nil {
		cfg.VerifyCall = http.DefaultTransport // one for all invocations, so that its connections are used again
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Audit) {}
	}
	return &Rotator{cfg: cfg}, nil
}

// step is one invocation.
type step struct {
	cfg  *Config
	ev   Event
	last time.Time // even a clean-up ends by then

	id      string // connection; "" until the preflight knows it
	secret  Secret // as it was described last
	current string // id of AWSCURRENT then
}

// Handle carries out one step. The error is always an *Error.
func (r *Rotator) Handle(ctx context.Context, ev Event) error {
	s := &step{cfg: &r.cfg, ev: ev}
	if err := ev.check(); err != nil {
		return s.failed(ctx, err)
	}
	work, cancel := s.limit(ctx)
	defer cancel()
	return s.failed(ctx, s.guarded(work))
}

// limit gives the work its time: up to Margin before the invocation ends.
func (s *step) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		end = s.cfg.Now().Add(defaultTime + s.cfg.Margin)
	}
	s.last = end.Add(-min(endMargin, s.cfg.Margin/2))
	return context.WithDeadline(ctx, end.Add(-s.cfg.Margin))
}

// closing is a context for what must be brought to its end once it was begun.
func (s *step) closing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(ctx), s.last)
}

// guarded runs the step and turns a panic into an error without its value, which may hold anything.
func (s *step) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Code: CodeInternal, Text: fmt.Sprintf("internal error (panic of type %T)", p), Transient: true,
				Advice: "Secrets Manager tries the rotation again by itself; if it goes on, report it"}
		}
	}()
	return s.run(ctx)
}

func (s *step) run(ctx context.Context) error {
	if ctx.Err() != nil {
		return deadlineError("before anything was done")
	}
	live, err := s.preflight(ctx)
	if err != nil {
		return err
	}
	switch s.ev.Step {
	case CreateSecret:
		return s.create(ctx, live)
	case SetSecret:
		return s.set(ctx, live)
	case TestSecret:
		return s.test(ctx, live)
	case FinishSecret:
		return s.finish(ctx, live)
	}
	return nil // check lets no other step through
}

// failed completes an error, takes AWSPENDING off if the rotation is over, and tells the event.
func (s *step) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: CodeInternal, Text: "internal error", Transient: true}
	}
	e.Step, e.Connection = s.ev.Step, s.id
	if e.detach {
		end, cancel := s.closing(ctx)
		defer cancel()
		s.detach(end)
	}
	s.observe(Audit{Kind: EventFailed, Message: e.Error(), Code: e.Code, Transient: e.Transient, Critical: e.Critical, CurrentOK: e.CurrentOK,
		HTTPStatus: e.HTTPStatus, OAuthCode: e.OAuthCode, Credential: s.ev.Token})
	return e
}

// detach takes AWSPENDING off the version of the rotation, or the next RotateSecret would be refused. It reports whether it is off.
func (s *step) detach(ctx context.Context) bool {
	if !s.secret.has(s.ev.Token, stagePending) {
		return true
	}
	return s.move(ctx, Move{Label: stagePending, From: s.ev.Token})
}

// move moves a label as part of a clean-up and reports whether it is where it belongs. What fails is told, and made up for later.
func (s *step) move(ctx context.Context, m Move) bool {
	m.SecretID = s.secret.ARN
	err := s.cfg.Secrets.MoveLabel(ctx, m)
	if errors.Is(err, ErrLabelMoved) && m.To == "" {
		return true // it was off already
	}
	a := Audit{Kind: EventLabel, Label: m.Label, From: m.From, To: m.To}
	if err != nil {
		a.Kind, a.Message = EventCleanupFailed, "move label "+m.Label+": "+err.Error()
	}
	s.observe(a)
	return err == nil
}

// sleep waits for d or until ctx ends, and reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
