package refresh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/message"
	"github.com/chaveiro/chaveiro/internal/store"
)

// sweep renews what is due among all connections. It starts from the state table; the listing of secrets runs beside it and may fail.
func (r *run) sweep(ctx context.Context) (Result, error) {
	b := r.newBoard(ctx)
	defer b.discard()
	b.list()
	if err := r.cfg.States.Scan(ctx, b.addStates); err != nil {
		return Result{}, fmt.Errorf("could not read the state table, nothing was renewed: %w", err)
	}
	b.verify()
	if r.call.DryRun {
		return b.plan()
	}
	for _, e := range b.order {
		b.consider(e)
	}
	b.hold = r.cfg.Now().Add(listingHead)
	b.drain(ctx)
	b.settle(ctx)
	return b.sum.result, b.err()
}

// listingHead is how long a sweep waits for the listing before it starts: in a small account a secret that was paused or changed counts at once.
const listingHead = time.Second

// list reads the listing of secrets in the background. Each page is compared with the states as soon as those are there.
func (b *board) list() {
	b.spawn(func() func() {
		err := b.run.cfg.Secrets.List(b.ctx, func(page []store.Secret) {
			b.mail <- func() { b.takeSecrets(page) }
		})
		return func() { b.listing = listing{ended: true, err: err} }
	})
}

const (
	namesPerCall = 10 // GetParameters
	callsPerRun  = 20 // of those in one sweep
)

// verify compares a part of the published parameters with the states, in the background. The clock picks the part, so that every connection has
// its turn once an hour up to 2,400 parameters, and once a day up to 57,600. Connections with a parameter of another type come first: they are
// renewed as soon as it is gone.
func (b *board) verify() {
	names := b.toVerify()
	if len(names) == 0 {
		return
	}
	b.spawn(func() func() {
		for chunk := range slices.Chunk(names, namesPerCall) {
			found, err := b.run.cfg.Parameters.Get(b.ctx, chunk)
			if err != nil {
				b.run.observe(unverifiedEvent(err))
				break // the others have their turn in another sweep
			}
			b.mail <- func() { b.takeParameters(chunk, found) }
		}
		return func() {}
	})
}

// toVerify are the parameters that this sweep compares.
func (b *board) toVerify() []store.Name {
	var conflicts, all []store.Name
	for _, e := range b.order {
		id := e.state.ID
		if f := e.state.Failure; f != nil && f.Code == acquire.CodeTypeConflict {
			conflicts = append(conflicts, store.Name{Connection: id, Kind: store.KindToken})
			continue
		}
		if e.state.Token == nil {
			continue
		}
		all = append(all, store.Name{Connection: id, Kind: store.KindToken})
		if e.state.Token.AccountID != "" {
			all = append(all, store.Name{Connection: id, Kind: store.KindAccount})
		}
	}
	const most = namesPerCall * callsPerRun
	parts := (len(all) + most - 1) / most
	if parts > 1 {
		turn := int(b.run.start.Unix() / int64(b.run.cfg.Period/time.Second) % int64(parts))
		all = slices.DeleteFunc(all, func(n store.Name) bool { return slot(n.Connection, parts) != turn })
	}
	for _, list := range [][]store.Name{conflicts, all} {
		slices.SortFunc(list, func(x, y store.Name) int {
			return cmp.Or(cmp.Compare(x.Connection, y.Connection), cmp.Compare(x.Kind, y.Kind))
		})
	}
	all = slices.Concat(conflicts, all)
	return all[:min(len(all), most)]
}

// slot spreads connections evenly over the parts.
func slot(id string, parts int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(int64(h.Sum32()) % int64(parts))
}

// takeParameters takes in what GetParameters showed. A token that this run has already touched is not compared.
func (b *board) takeParameters(names []store.Name, found []store.Parameter) {
	for _, name := range names {
		e := b.entries[name.Connection]
		if name.Kind == store.KindAccount {
			e.accountChanged = e.state.Token != nil && accountOf(found, name.Connection) != e.state.Token.AccountID
			continue
		}
		if e.phase != idle {
			continue
		}
		e.observed.Parameter = parameterOf(found, name.Connection)
		b.consider(e)
	}
}

// accountOf is the published account id of a connection, "" when there is none.
func accountOf(found []store.Parameter, id string) string {
	for _, p := range found {
		if p.Connection == id && p.Kind == store.KindAccount {
			return p.Text
		}
	}
	return ""
}

// named renews the connections that the call names. Each is read by its name, so that a secret created a second ago works.
func (r *run) named(ctx context.Context) (Result, error) {
	b := r.newBoard(ctx)
	defer b.discard()
	b.listing.ended = true
	ids, err := b.describe(ctx)
	if err != nil {
		return b.sum.result, err
	}
	if r.call.DryRun {
		return b.plan()
	}
	for _, id := range ids {
		if v := r.call.RejectedVersion; v != 0 {
			r.observe(rejectedEvent(b.entries[id], v))
		}
	}
	b.drain(ctx)
	b.waitForOthers(ctx)
	b.settle(ctx)
	return b.sum.result, b.err()
}

// describe gathers what is known of the named connections.
func (b *board) describe(ctx context.Context) ([]string, error) {
	r := b.run
	b.sum.result.Connections = len(r.call.Connections)
	var ids, unknown []string
	for _, name := range r.call.Connections {
		secret, err := r.describeSecret(ctx, name)
		switch {
		case err == nil:
			b.entry(name).observe(&secret)
			ids = append(ids, name)
		case errors.Is(err, store.ErrNotFound):
			unknown = append(unknown, name)
		default:
			b.sum.early(name, acquire.CauseOf(err))
		}
	}
	b.unknown(ctx, unknown)
	return ids, b.lookUp(ctx, ids)
}

// describeSecret reads one secret's metadata. For an invalid name no call is made.
func (r *run) describeSecret(ctx context.Context, name string) (store.Secret, error) {
	if connection.ValidID(name) != nil {
		return store.Secret{}, store.ErrNotFound
	}
	return r.cfg.Secrets.Describe(ctx, name)
}

// lookUp reads states and parameters of connections as they are now, and decides about them. A connection whose lease another run has is left in
// flight, without any further call: hundreds of callers may be waiting for that run.
func (b *board) lookUp(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	states, err := b.run.cfg.States.Get(ctx, ids)
	if err != nil {
		return fmt.Errorf("could not read the state table, nothing was renewed: %w", err)
	}
	var free []string
	for _, id := range ids {
		e := b.entries[id]
		if s, ok := states[id]; ok {
			e.state = s
		}
		if e.phase = idle; e.state.Leased(b.run.cfg.Now()) && !b.run.call.DryRun {
			e.phase, e.decision = handled, lifecycle.Decision{Text: inFlightText}
			b.sum.inFlight = append(b.sum.inFlight, id)
			continue
		}
		free = append(free, id)
	}
	if err := b.lookUpParameters(ctx, free); err != nil {
		return err
	}
	for _, id := range free {
		b.consider(b.entries[id])
	}
	return nil
}

// lookUpParameters reads the token parameters of connections. SSM allows 40 reads a second, less than many readers that report the same token
// make. Where it does not answer, the state counts, unless the report is about a version that only the parameter can explain.
func (b *board) lookUpParameters(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	names := make([]store.Name, len(ids))
	for i, id := range ids {
		names[i] = store.Name{Connection: id, Kind: store.KindToken}
	}
	found, err := b.run.cfg.Parameters.Get(ctx, names)
	for _, id := range ids {
		e := b.entries[id]
		e.observed.Parameter = nil
		switch t := e.state.Token; {
		case err == nil:
			e.observed.Parameter = parameterOf(found, id)
		case b.run.call.RejectedVersion != 0 && (t == nil || b.run.call.RejectedVersion > t.Version):
			return fmt.Errorf("read parameters: %w", err)
		}
	}
	if err != nil {
		b.run.observe(unverifiedEvent(err))
	}
	return nil
}

// unknown explains names that do not exist, with one listing for the nearest name.
func (b *board) unknown(ctx context.Context, names []string) {
	if len(names) == 0 {
		return
	}
	var here []string
	err := b.run.cfg.Secrets.List(ctx, func(page []store.Secret) {
		for _, s := range page {
			here = append(here, s.Connection)
		}
	})
	for _, name := range names {
		b.sum.early(name, &lifecycle.Cause{Class: lifecycle.Configuration, Code: message.CodeUnknown,
			Text: message.Unknown(name, b.run.cfg.SecretPrefix, b.run.cfg.Region, here, err == nil)})
	}
}

const (
	firstWait = 200 * time.Millisecond
	longWait  = time.Second
	maxWaits  = 15 * time.Second
)

// waitForOthers waits while another run renews a named connection, and then decides again: a hundred equal reports cost one token.
func (b *board) waitForOthers(ctx context.Context) {
	now := b.run.cfg.Now()
	limit := earliest(now.Add(maxWaits), now.Add(b.run.startDeadline.Sub(now)/2))
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		ids := b.sum.takeInFlight()
		if len(ids) == 0 {
			return
		}
		if b.run.cfg.Now().Add(wait).After(limit) || sleep(ctx, wait) != nil {
			b.sum.putBackInFlight(ids)
			return
		}
		if err := b.lookUp(ctx, ids); err != nil {
			b.sum.putBackInFlight(ids)
			return
		}
		b.queue = b.newQueue()
		b.drain(ctx)
	}
}
