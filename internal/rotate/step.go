package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// step is one invocation.
type step struct {
	*Rotator

	ev      Event
	in      Invocation
	start   time.Time
	workEnd time.Time // requests end by then
	hardEnd time.Time // writes end by then

	id      string       // connection; "" before the preflight
	secret  store.Secret // as it was described last
	current string       // id of AWSCURRENT, as this step knows it

	state  lifecycle.State // of the connection, as it was read, claimed or committed last
	leased bool            // this invocation holds the lease of state
}

func (r *Rotator) newStep(ctx context.Context, ev Event, in Invocation) *step {
	now := r.cfg.Now()
	end, ok := ctx.Deadline()
	if !ok {
		end = now.Add(defaultTime + r.cfg.Margin)
	}
	if in.Observe == nil {
		in.Observe = func(Audit) {}
	}
	return &step{Rotator: r, ev: ev, in: in, start: now, workEnd: end.Add(-r.cfg.Margin), hardEnd: end.Add(-min(endMargin, r.cfg.Margin/2))}
}

// writing is the context of what must be completed once it was begun: the caller cannot cancel it, and it outlasts the time for requests.
func (s *step) writing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(ctx), s.hardEnd)
}

// guarded runs the step and turns a panic into an error without its value, which may hold anything.
func (s *step) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Code: CodeInternal, Text: fmt.Sprintf("internal error (panic of type %T)", p), Transient: true,
				Advice: retriedByAWS + "; if it continues, report it"}
		}
	}()
	return s.run(ctx)
}

func (s *step) run(ctx context.Context) error {
	if s.in.RequestID == "" {
		return &Error{Code: CodeInternal, Text: "the invocation has no request id, so it cannot take the connection's lease", Transient: true}
	}
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

// failed completes an error, removes AWSPENDING if the rotation is over, and reports the failure.
func (s *step) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: CodeInternal, Text: "internal error", Transient: true}
	}
	e.Step, e.Connection = s.ev.Step, s.id
	if e.endsRotation {
		end, cancel := s.writing(ctx)
		defer cancel()
		s.removePending(end)
	}
	s.observe(Audit{Kind: EventFailed, Message: e.Error(), Code: e.Code, Transient: e.Transient, Critical: e.Critical, CurrentOK: e.CurrentOK,
		HTTPStatus: e.HTTPStatus, OAuthCode: e.OAuthCode, Credential: s.ev.Token})
	return e
}

// removePending removes AWSPENDING from the version of the rotation; otherwise Secrets Manager rejects the next RotateSecret. It reports
// whether the version is without AWSPENDING now.
func (s *step) removePending(ctx context.Context) bool {
	if !s.secret.Has(s.ev.Token, store.StagePending) {
		return true
	}
	return s.move(ctx, store.StageMove{Stage: store.StagePending, From: s.ev.Token})
}

// move moves a stage as part of a clean-up and reports whether it is where it belongs. A failure is reported; a later step repeats the move.
func (s *step) move(ctx context.Context, m store.StageMove) bool {
	m.SecretID = s.secret.ARN
	err := s.cfg.Secrets.MoveStage(ctx, m)
	if errors.Is(err, store.ErrStageMoved) && m.To == "" {
		return true // the version did not have the stage any more
	}
	a := Audit{Kind: EventStage, Stage: m.Stage, From: m.From, To: m.To}
	if err != nil {
		a.Kind, a.Message = EventCleanupFailed, "move stage "+m.Stage+": "+err.Error()
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
