package refresh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/message"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Task is one connection that is to get a token.
type Task struct {
	State    lifecycle.State
	Observed lifecycle.Observation
	Decision lifecycle.Decision
	Source   acquire.Source // AWSCURRENT, as it was read
	Previous string         // version id of AWSPREVIOUS, for messages
	Attempts int            // token requests, with waits between them
	Deadline time.Time      // of the token requests
}

// Kind says what became of a task.
type Kind string

// Kinds of outcomes.
const (
	KindRenewed     Kind = "renewed"     // a new token is published and committed
	KindUncommitted Kind = "uncommitted" // a new token is published; the next run issues one token too many
	KindReused      Kind = "reused"      // the provider issued the published token again
	KindKept        Kind = "kept"        // the second look says that no attempt is to be made
	KindFailed      Kind = "failed"
	KindDeferred    Kind = "deferred"   // no token was requested, or the deadline came first
	KindOrphaned    Kind = "orphaned"   // the secret does not exist
	KindLost        Kind = "lost"       // a token was issued and could not be written: SSM gave no answer
	KindUnwritable  Kind = "unwritable" // a token was issued, and SSM accepts no writes of this installation
)

// Outcome is what became of one task. A renewed token of a standby has a Cause as well: why AWSCURRENT got none.
type Outcome struct {
	Kind    Kind
	Task    Task
	State   lifecycle.State // of the connection afterwards
	Reason  string          // of Kept and Deferred
	Cause   *lifecycle.Cause
	Later   bool // State has a failure that is not written yet: it is recorded after the drain
	Notices []lifecycle.Notice
	Err     error // of Lost, Unwritable and Uncommitted

	Stage   string // of the version that issued the token
	Attempt oauth.Attempt
}

// Renew takes one connection from a decision to a committed token: claim, request, admit, publish, commit. It keeps no state.
func (r *run) Renew(ctx context.Context, t Task) Outcome {
	if t.State.Token == nil {
		if out, done := r.checkFirst(ctx, &t); done {
			return out
		}
	}
	leased, err := r.cfg.Leases.Claim(ctx, t.State, r.owner)
	if err != nil {
		return deferredBy(t, err) // no token was requested
	}
	t.State = leased
	// Until the hard end the caller cancels no write: a token may already be issued. The lease ends 5 s later.
	writing, cancel := r.writing(ctx)
	defer cancel()
	requests, stop := context.WithDeadline(ctx, t.Deadline)
	defer stop()
	order := r.order(t)
	got := r.acquirer.Acquire(requests, order)
	out := Outcome{Task: t, State: t.State, Cause: got.Cause, Notices: got.Notices}
	switch {
	case got.Issued != nil:
		return r.publish(writing, out, order, got)
	case got.Canceled:
		return r.release(writing, out, KindDeferred, "run_ended: the deadline came before a response")
	case got.Cause == nil: // only standbys were tried, and none helped: the failure of AWSCURRENT stays
		return r.standbysFailed(writing, out, got)
	}
	if wait := got.Wait; wait > got.Cause.RetryAfter {
		got.Cause.RetryAfter = wait
	}
	return r.failed(writing, out, order.Attempted(got.Standbys))
}

func (r *run) order(t Task) acquire.Order {
	return acquire.Order{State: t.State, Decision: t.Decision, Current: t.Source, Start: r.start, Attempts: t.Attempts,
		Requests: func(req acquire.Request) { r.observe(requestEvent(t, req)) },
		Standby: func(stage, version string, src *acquire.Source, cause *lifecycle.Cause) {
			r.observe(standbyEvent(t, stage, version, src, cause))
		}}
}

// checkFirst looks at the token's parameter before the first token of a connection: another program may have written it.
func (r *run) checkFirst(ctx context.Context, t *Task) (Outcome, bool) {
	id := t.State.ID
	if t.Observed.Parameter == nil {
		found, err := r.cfg.Parameters.Get(ctx, []store.Name{{Connection: id, Kind: store.KindToken}})
		if err != nil {
			return Outcome{Kind: KindFailed, Task: *t, State: t.State, Cause: acquire.Unavailable(fmt.Errorf("read parameters: %w", err))}, true
		}
		t.Observed.Parameter = parameterOf(found, id)
		t.Decision = lifecycle.Decide(r.start, t.State, t.Observed, r.policy(), r.override())
	}
	switch {
	case t.Decision.Action == lifecycle.Conflict:
		return r.refuse(*t, message.TypeConflict(t.Observed.Parameter.Type)), true
	case !t.Decision.Action.Attempts():
		return Outcome{Kind: KindKept, Task: *t, State: t.State, Reason: t.Decision.Text}, true
	}
	return Outcome{}, false
}

// refuse is the outcome of a connection for which no token may be requested.
func (r *run) refuse(t Task, cause *lifecycle.Cause) Outcome {
	out := Outcome{Kind: KindFailed, Task: t, State: t.State, Cause: cause}
	if cause.Unrecorded {
		return out
	}
	current := t.Source.Document.VersionID
	if current == "" && t.Observed.Secret != nil {
		current = t.Observed.Secret.Current
	}
	conn := &t.Source.Connection
	at := lifecycle.Attempted{Start: r.start, Current: current, Provider: conn.Provider.ID, Endpoint: conn.Host}
	out.State, out.Later = r.withFailure(t, t.State, at, cause), true
	return out
}

// publish writes an issued token, and commits what follows from it.
func (r *run) publish(ctx context.Context, out Outcome, order acquire.Order, got acquire.Result) Outcome {
	issued := got.Issued
	admission := issued.Admission
	out.Notices = append(out.Notices, admission.Notices...)
	out.Stage, out.Attempt = issued.Stage, issued.Attempt
	out.Kind = KindReused
	if !admission.Reused {
		out.Kind = KindRenewed
		version, err := r.put(ctx, out.Task.State, issued)
		if err != nil {
			return r.notWritten(ctx, out, order, err)
		}
		admission.Token.Version = version
	}
	next := lifecycle.AfterSuccess(out.Task.State, admission, r.issue(out.Task))
	if got.Cause != nil {
		next = r.withFailure(out.Task, next, order.Attempted(got.Standbys), got.Cause)
	}
	out.State = next
	if err := r.commit(ctx, next); err != nil {
		out.Kind, out.Err = KindUncommitted, err // readers are served; the next run issues one token too many
		return out
	}
	out.State = unleased(next)
	return out
}

// issue says which document of AWSCURRENT the renewal was based on.
func (r *run) issue(t Task) lifecycle.Issue {
	i := lifecycle.Issue{Current: t.Source.Document.VersionID, Configuration: t.Source.Configuration}
	if s := t.Observed.Secret; s != nil {
		i.ChangedAt = s.Changed
	}
	return i
}

// accountTime bounds the write of an account id: the token must not wait for it. A sweep that finds it missing writes it again.
const accountTime = 10 * time.Second

// put writes the account id where it changed, then the token, so that a reader of both never combines a new token with an old account.
func (r *run) put(ctx context.Context, was lifecycle.State, issued *acquire.Issued) (int64, error) {
	token := &issued.Admission.Token
	if token.AccountID != "" && (was.Token == nil || was.Token.AccountID != token.AccountID) {
		account, cancel := context.WithTimeout(ctx, accountTime)
		defer cancel()
		if err := r.publisher.Account(account, was.ID, token.AccountID, issued.Connection.Provider.Name); err != nil {
			r.observe(Event{Kind: EventUnrecorded, Connection: was.ID, Provider: token.Provider, Message: "account_id was not published: " + err.Error()})
		}
	}
	return r.publisher.Token(ctx, was.ID, issued.Attempt.Token.AccessToken, token.ExpiresAt)
}

// notWritten is the outcome of a token that was issued and is not published.
func (r *run) notWritten(ctx context.Context, out Outcome, order acquire.Order, err error) Outcome {
	out.Err = err
	switch {
	case errors.Is(err, store.ErrUnwritable):
		return r.release(ctx, out, KindUnwritable, "")
	case errors.Is(err, store.ErrTypeConflict), errors.Is(err, store.ErrInvalidWrite):
		out.Cause = acquire.CauseOf(err)
		return r.failed(ctx, out, order.Attempted(nil))
	}
	out.Kind = KindLost // the last write may still arrive: the lease runs out by itself
	out.Cause = acquire.Unavailable(err)
	return out
}

// failed records a failure of AWSCURRENT. A passing one is recorded after the drain, and only if its endpoint did not fail for everybody.
func (r *run) failed(ctx context.Context, out Outcome, at lifecycle.Attempted) Outcome {
	if out.Cause.Unrecorded {
		return r.release(ctx, out, KindFailed, "")
	}
	next := r.withFailure(out.Task, out.Task.State, at, out.Cause)
	if out.Cause.Temporary() {
		out = r.release(ctx, out, KindFailed, "")
		next.Revision, next.Lease = out.State.Revision, nil
		out.State, out.Later = next, true
		return out
	}
	out.Kind, out.State = KindFailed, next
	if err := r.commit(ctx, next); err != nil {
		r.observe(Event{Kind: EventUnrecorded, Connection: next.ID, Message: "the failure was not recorded: " + err.Error()})
		return out
	}
	out.State = unleased(next)
	return out
}

// standbysFailed keeps the recorded failure of AWSCURRENT, and adds what the standbys met.
func (r *run) standbysFailed(ctx context.Context, out Outcome, got acquire.Result) Outcome {
	next := out.Task.State.Clone()
	f := next.Failure
	f.RejectedStandbys = append(f.RejectedStandbys, got.Standbys...)
	if got.Wait > 0 {
		f.RetryAt = lifecycle.EndOf(got.Wait, r.cfg.Now())
	}
	policy := r.policyOf(out.Task)
	out.Kind, out.State = KindKept, next
	out.Task.Decision.Action = lifecycle.Wait
	out.Task.Decision.NotBefore = policy.NextTrial(r.cfg.Now(), f.FirstAt, policy.TrialEvery(next.Lifetime()))
	if err := r.commit(ctx, next); err != nil {
		r.observe(Event{Kind: EventUnrecorded, Connection: next.ID, Message: "the failure was not recorded: " + err.Error()})
		return out
	}
	out.State = unleased(next)
	return out
}

// withFailure is the state after a failure, with its message.
func (r *run) withFailure(t Task, s lifecycle.State, at lifecycle.Attempted, cause *lifecycle.Cause) lifecycle.State {
	next := lifecycle.AfterFailure(r.cfg.Now().UTC().Round(0), s, at, cause, r.policyOf(t))
	next.Failure.Message = message.Failure(message.Failing{ID: s.ID, Now: r.start, State: next, Cause: cause,
		ProviderName: t.Source.Connection.Provider.Name, Secret: r.cfg.SecretPrefix + s.ID, Previous: t.Previous, Current: at.Current})
	return next
}

func (r *run) policyOf(t Task) lifecycle.Policy { return r.policy().For(t.Source.Connection.RefreshAt) }

// commitPause is the wait between two attempts to commit.
const commitPause = 500 * time.Millisecond

// commit repeats until the lease is lost or ctx ends: a published token whose state is not committed costs another one.
func (r *run) commit(ctx context.Context, next lifecycle.State) error {
	for {
		err := r.cfg.Leases.Commit(ctx, next)
		if err == nil || errors.Is(err, store.ErrLeaseLost) || sleep(ctx, commitPause) != nil {
			return err
		}
	}
}

// release ends the lease without a change. When that fails the lease runs out.
func (r *run) release(ctx context.Context, out Outcome, kind Kind, reason string) Outcome {
	out.Kind, out.Reason, out.State = kind, reason, unleased(out.Task.State)
	if err := r.cfg.Leases.Release(ctx, out.Task.State); err != nil {
		r.observe(Event{Kind: EventUnrecorded, Connection: out.State.ID, Message: "the lease was not released, it runs out: " + err.Error()})
	}
	return out
}

// unleased is a state after its commit or release.
func unleased(s lifecycle.State) lifecycle.State {
	s.Lease = nil
	s.Revision++
	return s
}

// deferredBy is the outcome of a lost claim.
func deferredBy(t Task, err error) Outcome {
	out := Outcome{Kind: KindDeferred, Task: t, State: t.State, Err: err, Reason: "state_unavailable: " + err.Error()}
	if errors.Is(err, store.ErrInFlight) {
		out.Reason = inFlightText
	}
	return out
}

const (
	reasonInFlight = "in_flight"
	inFlightText   = reasonInFlight + ": another run is renewing it"
)

// isolate is Renew, with a panic as a failure: one broken connection must not stop the others. The panic's value may hold anything.
func (r *run) isolate(ctx context.Context, t Task) (out Outcome) {
	defer func() {
		if p := recover(); p != nil {
			out = Outcome{Kind: KindFailed, Task: t, State: t.State, Cause: &lifecycle.Cause{Class: lifecycle.Transient, Code: codeInternal,
				Text: fmt.Sprintf("internal error (panic of type %T)", p), Unrecorded: true}}
		}
	}()
	return r.Renew(ctx, t)
}

func (r *run) override() lifecycle.Override {
	return lifecycle.Override{Force: r.call.Force, RejectedVersion: r.call.RejectedVersion}
}

// parameterOf is what GetParameters showed of a connection's token: the zero Parameter when it does not exist.
func parameterOf(found []store.Parameter, id string) *lifecycle.Parameter {
	for _, p := range found {
		if p.Connection == id && p.Kind == store.KindToken {
			return &lifecycle.Parameter{Version: p.Version, Type: p.Type, Modified: p.Modified}
		}
	}
	return &lifecycle.Parameter{}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
