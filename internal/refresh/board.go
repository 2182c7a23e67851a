package refresh

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/schedule"
	"github.com/chaveiro/chaveiro/internal/store"
)

// phase is how far a run is with one connection.
type phase int

const (
	idle    phase = iota // nothing was started
	reading              // its document is being read
	queued               // in the queue, or in flight
	handled              // it has its outcome
)

// entry is what a run knows of one connection.
type entry struct {
	state    lifecycle.State
	observed lifecycle.Observation
	decision lifecycle.Decision
	previous string // version id of AWSPREVIOUS, for messages
	listed   bool   // the listing of this run showed the secret
	phase    phase
	later    bool            // state has a failure that is not written yet
	before   lifecycle.State // state without that failure

	accountChanged bool // the account_id parameter does not hold what was published
}

// board is what a run knows of all connections. Only the goroutine of drain uses it.
type board struct {
	run     *run
	ctx     context.Context // of background reads
	cancel  context.CancelFunc
	entries map[string]*entry
	order   []*entry // of all, as they were found
	queue   *schedule.Queue[Task]
	mail    chan func() // what background goroutines found, to be executed by drain
	sum     *summary

	background int       // goroutines that will still send mail
	readers    int       // of documents, among them
	toRead     []*entry  // due, without a document
	hold       time.Time // nothing starts before this instant, unless the listing has ended
	listing    listing
	succeeded  map[string]bool // endpoints that issued a token in this run
	written    int             // tokens
	lost       int             // tokens in a row that could not be written
	stopped    error           // SSM accepts no writes: nothing more is started

	failing []*entry // their failure, or its parameter, is not written yet
	noting  int      // failure parameters being written
	noted   int      // failure parameters written
}

// listing says how far the listing of secrets is.
type listing struct {
	ended bool  // complete, or failed
	err   error // why it failed
}

func (r *run) newBoard(ctx context.Context) *board {
	b := &board{run: r, entries: map[string]*entry{}, mail: make(chan func()), sum: &summary{run: r}, succeeded: map[string]bool{}}
	b.ctx, b.cancel = context.WithDeadline(ctx, r.startDeadline)
	b.queue = b.newQueue()
	return b
}

func (b *board) newQueue() *schedule.Queue[Task] {
	r := b.run
	return schedule.New[Task](schedule.Config{
		Start: r.start, StartDeadline: r.startDeadline, RequestTimeout: r.cfg.TokenTimeout, MaxConcurrency: r.cfg.MaxConcurrency,
		WritesPerSecond: r.pacer.Rate,
	})
}

// entry returns the entry of a connection, and makes it when there is none.
func (b *board) entry(id string) *entry {
	e := b.entries[id]
	if e == nil {
		e = &entry{state: lifecycle.State{ID: id}}
		b.entries[id], b.order = e, append(b.order, e)
	}
	return e
}

// addStates takes in a part of the state table.
func (b *board) addStates(states []lifecycle.State) {
	for _, s := range states {
		if s.ID != discoveryID {
			b.entry(s.ID).state = s
			continue
		}
		b.sum.discovery = s
	}
}

// consider decides about a connection, and has its document read when a token is to be requested.
func (b *board) consider(e *entry) {
	if e.phase == handled {
		return
	}
	b.decide(e)
	if e.phase == idle && e.decision.Action.Attempts() && !b.run.call.DryRun {
		e.phase = reading
		b.toRead = append(b.toRead, e)
	}
}

// decide decides as of the start of the run. A token that another run published since then is not one from the future, so the decision about it is
// made as of now.
func (b *board) decide(e *entry) {
	at := b.run.start
	if t := e.state.Token; t != nil && t.IssuedAt.After(at) {
		at = b.run.cfg.Now()
	}
	e.decision = lifecycle.Decide(at, e.state, e.observed, b.run.policy(), b.run.override())
}

// takeSecrets compares a page of the listing with what is known.
func (b *board) takeSecrets(secrets []store.Secret) {
	for i := range secrets {
		s := &secrets[i]
		if err := connection.ValidName(b.run.cfg.SecretPrefix, s.Connection); err != nil {
			b.sum.invalidName(s, err)
			continue
		}
		e := b.entry(s.Connection)
		e.observe(s)
		b.consider(e)
	}
}

// observe takes in what a listing or DescribeSecret showed.
func (e *entry) observe(s *store.Secret) {
	e.listed = true
	e.previous = s.Holder(store.StagePrevious)
	seen := lifecycle.Secret{Current: s.Holder(store.StageCurrent), Changed: s.Changed, Created: s.Created, Paused: s.Paused}
	if e.phase == queued {
		seen.Current = e.observed.Secret.Current // as it was read: a listing may be behind
	}
	e.observed.Secret = &seen
}

// spawn runs work in the background. What it returns is executed by drain.
func (b *board) spawn(work func() func()) {
	b.background++
	go func() {
		then := work()
		b.mail <- func() {
			b.background--
			then()
		}
	}()
}

const (
	batch   = 20 // secrets that one BatchGetSecretValue reads
	readers = 4  // of those calls at once
)

// read starts reading the documents of due connections.
func (b *board) read() {
	for b.readers < readers && len(b.toRead) > 0 {
		chunk := slices.Clone(b.toRead[:min(batch, len(b.toRead))])
		b.toRead = b.toRead[len(chunk):]
		names := make([]string, len(chunk))
		for i, e := range chunk {
			names[i] = e.state.ID
		}
		b.readers++
		b.spawn(func() func() {
			documents := b.run.cfg.Secrets.ReadCurrent(b.ctx, names)
			return func() {
				b.readers--
				for i, e := range chunk {
					b.take(e, documents[i])
				}
			}
		})
	}
}

// take looks at the document of a due connection, and queues it.
func (b *board) take(e *entry, doc store.Document) {
	if errors.Is(doc.Err, store.ErrNotFound) && e.observed.Secret != nil && e.observed.Secret.Current == "" {
		doc.Err = nil // a secret that was created without a value: its document is empty
	}
	if errors.Is(doc.Err, store.ErrNotFound) {
		b.finish(e, Outcome{Kind: KindOrphaned, Task: b.task(e), State: e.state})
		return
	}
	if doc.Err == nil {
		e.listed = true // it exists, whatever a listing shows
		e.read(doc.VersionID)
		b.decide(e)
	}
	if !e.decision.Action.Attempts() {
		b.finish(e, Outcome{Kind: KindKept, Task: b.task(e), State: e.state})
		return
	}
	task := b.task(e)
	source, cause := b.run.acquirer.Understand(e.state.ID, doc, store.StageCurrent)
	task.Source = source
	if cause != nil {
		task.Source.Document.VersionID = doc.VersionID
		b.finish(e, b.run.refuse(task, cause))
		return
	}
	e.phase = queued
	b.queue.Push(b.job(task, time.Time{}))
}

// read takes in the version that was read: it counts, where a listing is behind.
func (e *entry) read(version string) {
	seen := lifecycle.Secret{Paused: e.state.Paused}
	if e.observed.Secret != nil {
		seen = *e.observed.Secret
	}
	seen.Current = version
	e.observed.Secret = &seen
}

func (b *board) task(e *entry) Task {
	return Task{State: e.state, Observed: e.observed, Decision: e.decision, Previous: e.previous}
}

// job describes a task to the queue.
func (b *board) job(t Task, notBefore time.Time) schedule.Job[Task] {
	j := schedule.Job[Task]{Value: t, ID: t.State.ID, Endpoint: t.Source.Connection.Host, Writes: 1, NotBefore: notBefore}
	if t.Source.Connection.Provider.PublishAccount && (t.State.Token == nil || t.State.Token.AccountID == "") {
		j.Writes = 2
	}
	switch s := t.Observed.Secret; {
	case t.State.Remaining(b.run.start) > 0:
		j.ExpiresAt = t.State.Token.ExpiresAt
	case t.State.Token != nil:
		j.WaitingSince = t.State.Token.ExpiresAt
	case s == nil:
	case s.Created.IsZero():
		j.WaitingSince = s.Changed
	default:
		j.WaitingSince = s.Created
	}
	return j
}

// signal says what an outcome means for its endpoint.
func signal(o Outcome) schedule.Signal {
	switch {
	case o.Kind == KindRenewed || o.Kind == KindUncommitted:
		return schedule.Signal{Kind: schedule.Written}
	case o.Kind == KindReused:
		return schedule.Signal{Kind: schedule.Reused}
	case o.Cause == nil || !o.Cause.FromProvider:
		return schedule.Signal{Kind: schedule.Neutral}
	case o.Cause.Temporary():
		return schedule.Signal{Kind: schedule.Transient, RetryAfter: o.Cause.RetryAfter}
	default:
		return schedule.Signal{Kind: schedule.Refused}
	}
}
