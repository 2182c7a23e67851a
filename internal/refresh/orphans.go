package refresh

import (
	"context"
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

const (
	// orphanGrace is how long the parameters of a deleted connection stay after its token expired.
	orphanGrace = 24 * time.Hour
	// itemGrace is how much longer DynamoDB keeps the item, in case no sweep removes it.
	itemGrace = 7 * 24 * time.Hour
	// newItem is the age below which a connection may be missing from a listing, which is up to five minutes behind.
	newItem = 15 * time.Minute
	// A run removes this many orphans, and takes this long for it at most.
	orphansPerRun = 20
	orphanTime    = 15 * time.Second
)

// removeOrphans deals with connections whose secret the listing does not show: they are named, and removed a day after their token expired.
func (b *board) removeOrphans(ctx context.Context) {
	if !b.listing.complete() || b.run.call.Connections != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, orphanTime)
	defer cancel()
	removed := 0
	for _, e := range b.order {
		id := e.state.ID
		if e.listed || e.state.Revision == 0 || e.state.Newer || e.state.Leased(b.run.start) {
			continue
		}
		until := orphanedUntil(e.state)
		if published(e.state) {
			b.sum.orphaned(id)
		}
		switch {
		case ctx.Err() != nil || !b.inTime():
			return
		case !b.run.start.Before(until) && removed < orphansPerRun:
			removed++
			b.removeOrphan(ctx, e.state)
		case e.state.DeleteAt.IsZero() && !recent(e.state, b.run.start):
			next := e.state
			next.DeleteAt = until.Add(itemGrace)
			b.update(ctx, e, next, id)
		}
	}
	b.sum.orphanNotice()
}

func (l listing) complete() bool { return l.ended && l.err == nil }

// orphanedUntil is when what remains of a deleted connection may be removed.
func orphanedUntil(s lifecycle.State) time.Time {
	switch {
	case s.Token != nil:
		return s.Token.ExpiresAt.Add(orphanGrace)
	case s.Failure != nil:
		return s.Failure.LastAt.Add(orphanGrace)
	}
	return time.Time{}
}

// removeOrphan deletes parameters and item. The secret is read by its name first, since a listing may be behind.
func (b *board) removeOrphan(ctx context.Context, s lifecycle.State) {
	r := b.run
	if _, err := r.cfg.Secrets.Describe(ctx, s.ID); !errors.Is(err, store.ErrNotFound) {
		return
	}
	err := r.publisher.Remove(ctx, s.ID)
	if err == nil {
		err = r.cfg.States.Delete(ctx, s)
	}
	switch {
	case err == nil && !published(s): // nothing to report
	case err == nil:
		r.observe(Event{Kind: EventOrphanGone, Connection: s.ID, Message: s.ID + ": its secret is gone and its token expired over a day ago"})
	case !errors.Is(err, store.ErrInFlight):
		r.observe(Event{Kind: EventUnrecorded, Connection: s.ID, Message: "clean-up: " + err.Error()})
	}
}

// published reports whether there is something that readers or people can see of a connection.
func published(s lifecycle.State) bool { return s.Token != nil || s.Notice != "" }

// recent reports whether a connection was renewed or failed so recently that a listing may not show its secret yet.
func recent(s lifecycle.State, now time.Time) bool {
	return s.Token != nil && now.Sub(s.Token.IssuedAt) < newItem || s.Failure != nil && now.Sub(s.Failure.FirstAt) < newItem
}
