package refresh

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/renew"
)

// orphan is what is published for a connection whose secret is not listed.
type orphan struct {
	id    string
	until time.Time // a day after its token expired; zero when that is unknown, and it is left alone
}

// orphanGrace is how long the parameters of a deleted connection stay after their token expired.
const orphanGrace = 24 * time.Hour

// A run asks about this many orphans, and takes this long for it at most: nobody waits for them.
const (
	orphansARun = 20
	orphanTime  = 15 * time.Second
)

func (r *run) findOrphans(published map[string]pair) {
	for _, id := range sortedKeys(published) {
		o := orphan{id: id}
		var it item
		it.learn(Secret{Connection: id}, published[id])
		switch {
		case it.facts.Record != nil:
			o.until = it.facts.Record.ExpiresAt.Add(orphanGrace)
		case it.facts.Version == 0 && it.facts.Failure != nil:
			o.until = it.facts.Failure.LastAt.Add(orphanGrace)
		}
		r.orphans = append(r.orphans, o)
		r.result.Orphaned = append(r.result.Orphaned, id)
	}
}

// removeOrphans deletes what is left of connections that are gone for good: the secret is asked for by name first, since a listing may lag.
func (r *run) removeOrphans(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, orphanTime)
	defer cancel()
	asked := 0
	for _, o := range r.orphans {
		if o.until.IsZero() || r.start.Before(o.until) {
			continue
		}
		if asked++; asked > orphansARun || ctx.Err() != nil {
			break
		}
		if _, err := r.cfg.Secrets.Describe(ctx, o.id); !errors.Is(err, ErrNotFound) {
			continue
		}
		if r.remove(ctx, []Name{{o.id, KindToken}, {o.id, KindAccount}, {o.id, KindFailure}}) {
			r.observe(Event{Kind: EventOrphanGone, Connection: o.id, Message: o.id + ": its secret is gone and its token expired over a day ago"})
		}
	}
	if names := r.result.Orphaned; len(names) > 0 {
		r.notice(nil, notice{NoticeOrphaned, names[:min(len(names), 20)]})
	}
}

// explain fills the result of a dry run: what is known already, and the plan with every reason.
func (r *run) explain() {
	var due, rest []*item
	for _, it := range r.items {
		if it.due() {
			due = append(due, it)
			continue
		}
		rest = append(rest, it)
		if it.decision.Action == renew.Refuse { // named as failed, with nothing recorded
			f := conflictFault(it.facts.Conflict)
			r.result.Failed = append(r.result.Failed, Failed{Connection: it.id, Class: string(f.class), Code: f.code, Message: r.sentence(it, f, renew.Failure{})})
			continue
		}
		r.close(it)
	}
	r.result.Plan = []Planned{}
	for _, it := range slices.Concat(inOrder(due, r.start), rest) {
		p := Planned{Connection: it.id, Action: string(it.decision.Action), Reason: it.decision.Text}
		if it.facts.Record != nil {
			p.RenewAt = it.facts.Record.RenewAt
		}
		r.result.Plan = append(r.result.Plan, p)
	}
	r.result.Capacity = r.capacity()
}

// capacityAlarm is the share of the allowed writes from which the need for them is a notice.
const capacityAlarm = 0.8

// capacity sums up the tokens a second that the connections need.
func (r *run) capacity() Capacity {
	var needed float64
	for _, it := range r.items {
		if it.facts.Paused {
			continue
		}
		needed += 1 / it.interval(r.cfg).Seconds()
	}
	return Capacity{Needed: math.Round(needed*1e6) / 1e6, Allowed: r.cfg.MaxWritesPerSecond}
}

// interval between two tokens of the connection; where none was published yet, that of the default lifetime.
func (it *item) interval(cfg *Config) time.Duration {
	if rec := it.facts.Record; rec != nil && rec.RenewAt.After(rec.IssuedAt) {
		return rec.RenewAt.Sub(rec.IssuedAt)
	}
	lifetime := it.lifetime()
	if lifetime <= 0 {
		lifetime = unknownLifetime
	}
	return cfg.policy(it.conn.RefreshAt).Latest(lifetime)
}

// unknownLifetime stands in the capacity for a connection that never had a token.
const unknownLifetime = 24 * time.Hour

// longFailing is the age from which a failure no longer counts in the metrics that wake people; in MinSecondsToExpiry it counts on until the
// token has been expired for as long.
const longFailing = 24 * time.Hour

// measure fills capacity and health from what is known when the run ends.
func (r *run) measure() {
	r.result.Capacity = r.capacity()
	h := &r.result.Health
	if h.Known && r.result.Capacity.Needed > capacityAlarm*r.result.Capacity.Allowed {
		r.notice(nil, notice{NoticeCapacity, []string{fmt.Sprintf("needed %g of %g tokens a second", r.result.Capacity.Needed, r.result.Capacity.Allowed)}})
	}
	now := r.cfg.Now()
	soonest := time.Duration(math.MaxInt64)
	for _, it := range r.items {
		if it.facts.Paused {
			continue
		}
		h.count(it.facts, now, r.cfg.Period)
		if it.facts.Record != nil && !givenUp(it.facts, now) {
			soonest = min(soonest, it.facts.Left(now))
			h.HasTokens = true
		}
	}
	if h.HasTokens {
		h.MinSecondsToExpiry = int64(soonest / time.Second)
	}
	r.mu.Lock()
	h.Notices = r.notices
	r.mu.Unlock()
}

func (h *Health) count(f renew.Facts, now time.Time, period time.Duration) {
	if f.Failure != nil && !f.FailingFor(now, longFailing) {
		h.Failing++
	}
	if f.Record == nil {
		return
	}
	if f.Record.Stage != StageCurrent {
		h.FallbackActive++
	}
	if f.Overdue(now, period) && !f.FailingFor(now, longFailing) {
		h.RenewalOverdue++
	}
}

// givenUp reports whether the connection has failed for over a day and its token expired over a day ago, so that it no longer hides the next
// one in MinSecondsToExpiry. A token that still lives always counts: its renewal may have failed for a day before its end comes near.
func givenUp(f renew.Facts, now time.Time) bool {
	return f.FailingFor(now, longFailing) && f.Left(now) < -longFailing
}

// unknownText explains a connection that does not exist.
func (r *run) unknownText(name string, here []string, listErr error) string {
	prefix := r.cfg.SecretPrefix
	text := fmt.Sprintf("no secret %q in %s", prefix+strings.TrimPrefix(name, prefix), r.cfg.Region)
	if listErr != nil {
		return text
	}
	switch nearest := provider.Closest(strings.TrimPrefix(name, prefix), here); {
	case strings.HasPrefix(name, prefix):
		return fmt.Sprintf("no connection %q: leave out %q, which every secret's name begins with", name, prefix)
	case connection.ValidID(name) != nil:
		return faultOf(connection.ValidName(prefix, name)).text
	case nearest != "":
		return fmt.Sprintf("%s; did you mean %q? %s", text, nearest, countHere(here))
	default:
		return fmt.Sprintf("%s %s. Created in another region, or without %q?", text, countHere(here), prefix)
	}
}

// countHere names up to five of the connections there are.
func countHere(here []string) string {
	if len(here) == 0 {
		return "(no connections here)"
	}
	shown := slices.Clone(here)
	slices.Sort(shown)
	more := ""
	if len(shown) > 5 {
		shown, more = shown[:5], ", …"
	}
	return fmt.Sprintf("(%d connections here: %s%s)", len(here), strings.Join(shown, ", "), more)
}
