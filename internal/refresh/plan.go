package refresh

import (
	"cmp"
	"slices"
	"time"
)

// plan is the result of a dry run: what is known, and what a run would do, with every reason.
func (b *board) plan() (Result, error) {
	for !b.listing.ended || b.background > 0 {
		(<-b.mail)()
	}
	if b.listing.err != nil {
		b.sum.result.DiscoveryFailed = "Could not list secrets: " + b.listing.err.Error()
	}
	var due, rest []*entry
	for _, e := range b.order {
		if !b.exists(e) {
			if published(e.state) {
				b.sum.orphaned(e.state.ID)
			}
			continue
		}
		b.consider(e)
		if e.decision.Action.Attempts() {
			due = append(due, e)
			continue
		}
		rest = append(rest, e)
		b.sum.close(e)
	}
	b.byUrgency(due)
	slices.SortFunc(rest, func(x, y *entry) int { return cmp.Compare(x.state.ID, y.state.ID) })
	r := &b.sum.result
	r.Plan = []Planned{}
	for _, e := range slices.Concat(due, rest) {
		p := Planned{Connection: e.state.ID, Action: string(e.decision.Action), Reason: e.decision.Text}
		if e.state.Token != nil {
			p.RenewAt = e.state.Token.RenewAt
		}
		r.Plan = append(r.Plan, p)
	}
	r.Capacity = b.capacity()
	if b.run.call.Connections == nil {
		r.Connections = b.count()
		r.Health.Known = true
	}
	return *r, nil
}

// byUrgency sorts connections with a live token first, soonest to expire first, then those without, longest waiting first.
func (b *board) byUrgency(entries []*entry) {
	key := func(e *entry) (bool, time.Time) {
		j := b.job(b.task(e), time.Time{})
		if j.ExpiresAt.IsZero() {
			return false, j.WaitingSince
		}
		return true, j.ExpiresAt
	}
	slices.SortFunc(entries, func(x, y *entry) int {
		xLive, xAt := key(x)
		yLive, yAt := key(y)
		if xLive != yLive {
			if xLive {
				return -1
			}
			return 1
		}
		return cmp.Or(xAt.Compare(yAt), cmp.Compare(x.state.ID, y.state.ID))
	})
}
