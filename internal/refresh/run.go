package refresh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// run is one invocation. Only the goroutine that called Run touches its fields, but for the pacer and the event counter.
type run struct {
	cfg    *Config
	call   Call
	start  time.Time
	end    time.Time // no exchange starts unless its write fits before it
	hard   time.Time // a write that has to happen may take until then
	result Result

	items   []*item // every connection that the run is about
	orphans []orphan

	pacer     *pacer
	endpoints map[string]*endpoint
	inflight  int
	workers   int       // goroutines that serve tasks
	tasks     chan task // never blocks: there are as many workers as items in flight
	settled   chan outcome
	failures  []failureWrite
	deletions []Name
	written   int // tokens
	owed      int // failure records of exchanges that are still to be written
	noted     int // failure records
	noting    int // failure records under way
	recorded  chan error
	lost      int   // tokens in a row whose write got no answer
	reserved  int   // writes that the work in flight may need
	refused   error // SSM refuses writes: nothing more is started

	mu      sync.Mutex
	notices int
}

// item is one connection in one run.
type item struct {
	id       string
	secret   Secret
	facts    renew.Facts
	decision renew.Decision

	failureThere bool // a refresh_failure parameter exists, readable or not
	confirmed    bool // facts were read by name, not from a listing

	conn      connection.Connection
	document  Document
	endpoint  *endpoint
	accounts  *accounts // nil where no account is published
	order     int       // place in the run's order
	draw      string    // place among the due ones of an endpoint that has not answered yet
	notBefore time.Time // waits for the end of a token that was handed out again
	repeats   int       // how often the run came back to it
}

const (
	// maxRepeats is how often one run comes back to a connection whose parameter another writer changed meanwhile.
	maxRepeats = 2
	// margin is kept free before the Lambda deadline for the result and the last failure records.
	margin = time.Second
	// putTime is what one write may reasonably take.
	putTime = time.Second
)

func (r *Refresher) newRun(ctx context.Context, call Call) *run {
	now := r.cfg.Now().UTC().Round(0)
	run := &run{
		cfg: &r.cfg, call: call, start: now,
		end:       now.Add(r.cfg.Period * 9 / 10),
		hard:      now.Add(r.cfg.Period),
		pacer:     newPacer(r.cfg.MaxWritesPerSecond, r.cfg.Now),
		endpoints: map[string]*endpoint{},
		tasks:     make(chan task),
		settled:   make(chan outcome),
		recorded:  make(chan error),
	}
	if deadline, ok := ctx.Deadline(); ok {
		if last := deadline.Add(-margin / 2); last.Before(run.hard) {
			run.hard = last
		}
		if last := deadline.Add(-margin); last.Before(run.end) {
			run.end = last
		}
	}
	return run
}

// sweep gathers the facts of all connections from two listings. A listing that fails ends the run: a partial list is never a plan.
func (r *run) sweep(ctx context.Context) error {
	var secrets []Secret
	var parameters []Parameter
	var secretsErr, parametersErr error
	var wg sync.WaitGroup
	wg.Go(func() { secrets, secretsErr = r.cfg.Secrets.List(ctx) })
	wg.Go(func() { parameters, parametersErr = r.cfg.Parameters.List(ctx) })
	wg.Wait()
	if err := errors.Join(wrap("list secrets", secretsErr), wrap("list parameters", parametersErr)); err != nil {
		return fmt.Errorf("nothing was done, a partial list is never a plan: %w", err)
	}
	r.result.Connections = len(secrets)
	r.result.Health.Known = true
	published := index(parameters)
	for _, s := range secrets {
		r.add(s, published[s.Connection], false)
		delete(published, s.Connection)
	}
	r.findOrphans(published)
	return nil
}

// named gathers the facts of the connections that the call names, each by its name, so that a secret created a second ago works.
func (r *run) named(ctx context.Context) error {
	r.result.Connections = len(r.call.Connections)
	var found []Secret
	var unknown []string
	for _, name := range r.call.Connections {
		secret, err := r.describe(ctx, name)
		switch {
		case err == nil:
			found = append(found, secret)
		case errors.Is(err, ErrNotFound):
			unknown = append(unknown, name)
		default:
			r.failEarly(name, faultOf(err))
		}
	}
	r.reportUnknown(ctx, unknown)
	if len(found) == 0 {
		return nil
	}
	names := make([]string, len(found))
	for i, s := range found {
		names[i] = s.Connection
	}
	parameters, err := r.cfg.Parameters.Lookup(ctx, names)
	if err != nil {
		return wrap("read parameters", err)
	}
	published := index(parameters)
	for _, s := range found {
		r.add(s, published[s.Connection], true)
	}
	return nil
}

// describe reads one secret's metadata. A name that can be no connection is not found, without asking.
func (r *run) describe(ctx context.Context, name string) (Secret, error) {
	if connection.ValidID(name) != nil {
		return Secret{}, ErrNotFound
	}
	return r.cfg.Secrets.Describe(ctx, name)
}

// pair is what is published for one connection.
type pair struct{ token, failure *Parameter }

func index(parameters []Parameter) map[string]pair {
	published := make(map[string]pair, len(parameters))
	for i := range parameters {
		p := &parameters[i]
		was := published[p.Connection]
		switch p.Kind {
		case KindToken:
			was.token = p
		case KindFailure:
			was.failure = p
		case KindAccount:
			continue
		}
		published[p.Connection] = was
	}
	return published
}

// add decides about one secret.
func (r *run) add(s Secret, p pair, confirmed bool) {
	it := &item{id: s.Connection, secret: s, confirmed: confirmed}
	it.learn(s, p)
	if err := connection.ValidName(r.cfg.SecretPrefix, s.Connection); err != nil && !s.Paused {
		r.failEarly(s.Connection, faultOf(err))
		return
	}
	r.decide(it)
	r.items = append(r.items, it)
}

// learn takes the facts from what a listing or a read by name tells.
func (it *item) learn(s Secret, p pair) {
	f := renew.Facts{Connection: s.Connection, Current: s.Stages[StageCurrent], Paused: s.Paused, SecretChanged: s.Changed}
	if p.token != nil {
		f.LearnToken(p.token.Type, p.token.Version, p.token.Description, p.token.Modified)
		f.Unlisted = it.confirmed && p.token.Description == ""
	}
	if it.failureThere = p.failure != nil; it.failureThere {
		f.LearnFailure(p.failure.Description)
	}
	it.facts = f
}

func (r *run) decide(it *item) {
	ask := renew.Ask{Force: r.call.Force, RejectedVersion: r.call.RejectedVersion}
	it.decision = renew.Decide(r.start, it.facts, r.cfg.policy(0), ask)
}

// due reports whether the item is to be worked on in this run.
func (it *item) due() bool {
	switch it.decision.Action {
	case renew.Refresh, renew.Canary, renew.Standby:
		return true
	case renew.Keep, renew.Pause, renew.Wait, renew.Refuse:
		return false
	}
	return false
}

// carryOut does what was decided.
func (r *run) carryOut(ctx context.Context) (Result, error) {
	var due []*item
	for _, it := range r.items {
		if v := r.call.RejectedVersion; v != 0 {
			r.observe(rejectedEvent(it, v))
		}
		if it.decision.DropFailure {
			r.deletions = append(r.deletions, Name{it.id, KindFailure})
			it.facts.Failure, it.failureThere = nil, false
		}
		if it.due() {
			due = append(due, it)
		} else {
			r.close(it)
		}
	}
	due = inOrder(due, r.start)
	r.read(ctx, due)
	for i, it := range due {
		it.order = i
		r.admit(it)
	}
	r.groupAccounts()
	r.execute(ctx)
	r.finish(ctx)
	r.result.finish()
	if r.refused != nil {
		what, advice := "refuses", "mend the installation (role, KMS key, limits)"
		if !errors.Is(r.refused, ErrStoreRefuses) {
			what, advice = "does not take", "they are tried again in the next run"
		}
		return r.result, fmt.Errorf("refresh: SSM %s writes, %d tokens written, %d deferred; %s: %w",
			what, r.result.Counts.Refreshed, r.result.Counts.Deferred, advice, r.refused)
	}
	return r.result, nil
}

// inOrder puts living tokens first to expire first; every fourth place goes to the connections without a living token, longest waiting
// first; either takes what the other leaves. So an import does not let living tokens die, and dying tokens do not keep new tenants out.
func inOrder(due []*item, now time.Time) []*item {
	var living, without []*item
	for _, it := range due {
		if it.facts.Left(now) > 0 {
			living = append(living, it)
		} else {
			without = append(without, it)
		}
	}
	slices.SortFunc(living, func(a, b *item) int {
		return cmp.Or(a.facts.Record.ExpiresAt.Compare(b.facts.Record.ExpiresAt), cmp.Compare(a.id, b.id))
	})
	slices.SortFunc(without, func(a, b *item) int {
		return cmp.Or(a.waitingSince().Compare(b.waitingSince()), cmp.Compare(a.id, b.id))
	})
	ordered := make([]*item, 0, len(due))
	for len(living)+len(without) > 0 {
		from := &living
		if len(living) == 0 || len(without) > 0 && len(ordered)%4 == 3 {
			from = &without
		}
		ordered = append(ordered, (*from)[0])
		*from = (*from)[1:]
	}
	return ordered
}

// waitingSince is when a connection began to have no token.
func (it *item) waitingSince() time.Time {
	if it.facts.Record != nil {
		return it.facts.Record.ExpiresAt
	}
	if it.secret.Created.IsZero() {
		return it.secret.Changed
	}
	return it.secret.Created
}

// batch is how many secrets one BatchGetSecretValue reads, readers how many of those run at once.
const (
	batch   = 20
	readers = 4
)

// read fetches the documents of the due connections, 20 a call.
func (r *run) read(ctx context.Context, due []*item) {
	var wg sync.WaitGroup
	queue := make(chan []*item, len(due)/batch+1)
	for chunk := range slices.Chunk(due, batch) {
		queue <- chunk
	}
	close(queue)
	for range min(readers, len(queue)) { // a goroutine for each chunk would have to grow its stack anew under the SDK's deep calls
		wg.Go(func() {
			for chunk := range queue {
				r.readChunk(ctx, chunk)
			}
		})
	}
	wg.Wait()
}

func (r *run) readChunk(ctx context.Context, chunk []*item) {
	names := make([]string, len(chunk))
	for i, it := range chunk {
		names[i] = it.id
	}
	for i, doc := range r.cfg.Secrets.ReadCurrent(ctx, names) {
		chunk[i].document = doc
	}
}

// admit looks at what was read and, if there is something to exchange, queues the item at its endpoint.
func (r *run) admit(it *item) {
	if it.document.Err == nil && it.document.VersionID != it.facts.Current {
		it.facts.Current = it.document.VersionID // the listing was behind: what was read counts
		if r.decide(it); !it.due() {
			r.close(it)
			return
		}
	}
	conn, fault, gone := r.understand(it)
	switch {
	case gone:
		r.result.Orphaned = append(r.result.Orphaned, it.id)
	case fault != nil:
		r.fail(it, fault)
	default:
		it.conn = conn
		r.endpointFor(conn.Host).add(it, r.start)
	}
}

// understand makes a connection of the document that was read.
func (r *run) understand(it *item) (connection.Connection, *fault, bool) {
	doc := it.document
	switch {
	case errors.Is(doc.Err, ErrNotFound) && it.secret.Stages[StageCurrent] != "":
		return connection.Connection{}, nil, true
	case errors.Is(doc.Err, ErrNotFound): // a secret that was created without a value
		doc.Value = oauth.Secret{}
	case doc.Err != nil:
		return connection.Connection{}, faultOf(doc.Err), false
	case doc.Binary:
		return connection.Connection{}, faultOf(connection.BinaryError(it.id)), false
	}
	conn, err := connection.Parse(it.id, doc.Value, r.cfg.Catalogue, r.options())
	if err != nil {
		return connection.Connection{}, faultOf(err), false
	}
	return conn, nil, false
}

func (r *run) options() connection.Options {
	return connection.Options{AllowLoopback: r.cfg.AllowLoopback}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
