package refresh

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/message"
	"github.com/chaveiro/chaveiro/internal/store"
)

// Codes of this package (contract.md section 3).
const (
	codeInternal  = "internal_error"
	codeDiscovery = "discovery_failed"
)

// summary gathers the result of a run.
type summary struct {
	run       *run
	result    Result
	discovery lifecycle.State // item that counts failed listings in a row
	inFlight  []string        // connections that another run is renewing
	invalid   map[string]bool // names under the prefix that are no connection ids
	orphans   map[string]bool // connections whose secret does not exist
	notices   int
}

// add takes in the outcome of a connection.
func (s *summary) add(e *entry, out Outcome) {
	id := out.State.ID
	if out.Cause != nil {
		s.run.observe(failedEvent(out, s.run.start))
	}
	switch out.Kind {
	case KindRenewed, KindUncommitted:
		s.renewed(out)
	case KindReused:
		s.reused(out)
		s.keptReused(out.State)
	case KindFailed, KindLost:
		s.failed(out)
	case KindKept:
		s.close(e)
	case KindDeferred:
		if strings.HasPrefix(out.Reason, reasonInFlight) {
			s.inFlight = append(s.inFlight, id)
			return
		}
		s.deferred(id, out.Reason)
	case KindUnwritable:
		s.deferred(id, "store_unwritable: SSM accepts no writes")
	case KindOrphaned:
		s.orphaned(id)
	}
}

func (s *summary) renewed(out Outcome) {
	t := out.State.Token
	s.result.Refreshed = append(s.result.Refreshed, Refreshed{out.State.ID, t.ExpiresAt, t.Stage, t.Version})
	ev := tokenEvent(EventRefreshed, out)
	s.run.observe(ev)
	if t.Stage != store.StageCurrent {
		ev.Kind = EventFallback
		s.run.observe(ev)
	}
	if out.Kind == KindUncommitted {
		s.notice(out.Task, lifecycle.Notice{Name: NoticeNotCommitted, Details: []string{out.Err.Error()}})
	}
}

func (s *summary) reused(out Outcome) { s.run.observe(tokenEvent(EventReused, out)) }

func (s *summary) keptReused(state lifecycle.State) {
	s.result.Reused = append(s.result.Reused, Kept{state.ID, expiry(state), "reused: the provider issued the same token again"})
}

// failed reports a failure of this run.
func (s *summary) failed(out Outcome) {
	s.result.Health.Attempted++
	f := out.State.Failure
	row := Failed{Connection: out.State.ID, Class: string(out.Cause.Class), Code: out.Cause.Code, TokenExpiresAt: liveExpiry(out.State, s.run.start)}
	if f != nil && !out.Cause.Unrecorded && out.Kind == KindFailed {
		row.Class, row.Code, row.Message, row.NextAt = string(f.Class), f.Code, f.Message, f.NextAt
	} else {
		row.Message = message.Failure(message.Failing{ID: out.State.ID, Now: s.run.start, State: out.State, Cause: out.Cause,
			ProviderName: out.Task.Source.Connection.Provider.Name})
		row.NextAt = s.run.start.Add(s.run.cfg.Period).Truncate(time.Second)
	}
	s.result.Failed = append(s.result.Failed, row)
}

// close reports a connection without an attempt in this run.
func (s *summary) close(e *entry) {
	r, d, state := &s.result, e.decision, e.state
	switch d.Action {
	case lifecycle.Pause:
		r.Counts.Paused++
	case lifecycle.Keep:
		r.Fresh = append(r.Fresh, Kept{state.ID, expiry(state), d.Text})
	case lifecycle.Wait:
		r.Failed = append(r.Failed, Failed{Connection: state.ID, Class: string(state.Failure.Class), Code: state.Failure.Code,
			Message: message.StillFailing(state, d, s.run.start), NextAt: d.NotBefore, TokenExpiresAt: liveExpiry(state, s.run.start)})
	case lifecycle.Conflict:
		cause := message.TypeConflict(e.observed.Parameter.Type)
		r.Failed = append(r.Failed, Failed{Connection: state.ID, Class: string(cause.Class), Code: cause.Code, Message: message.Early(state.ID, cause)})
	case lifecycle.Renew, lifecycle.Trial, lifecycle.Standby:
		s.deferred(state.ID, runEnded)
	case lifecycle.Newer:
		s.deferred(state.ID, d.Text)
	case lifecycle.Gone:
	}
}

func (s *summary) deferred(id, reason string) {
	s.result.Deferred = append(s.result.Deferred, Deferred{id, reason})
}

// early reports a name for which there is no state.
func (s *summary) early(name string, c *lifecycle.Cause) {
	text := message.Early(name, c)
	s.result.Health.Attempted++
	s.result.Failed = append(s.result.Failed, Failed{Connection: name, Class: string(c.Class), Code: c.Code, Message: text})
	s.run.observe(Event{Kind: EventFailed, Connection: name, Message: text, Class: c.Class, Code: c.Code})
}

// invalidName reports a secret under the prefix whose name is no connection id, unless it is paused.
func (s *summary) invalidName(secret *store.Secret, err error) {
	if s.invalid[secret.Connection] {
		return
	}
	if s.invalid == nil {
		s.invalid = map[string]bool{}
	}
	s.invalid[secret.Connection] = true
	if secret.Paused {
		s.result.Counts.Paused++
		return
	}
	s.early(secret.Connection, acquire.CauseOf(err))
}

// orphaned names a connection whose secret does not exist, once.
func (s *summary) orphaned(id string) {
	if s.orphans[id] {
		return
	}
	if s.orphans == nil {
		s.orphans = map[string]bool{}
	}
	s.orphans[id] = true
	s.result.Orphaned = append(s.result.Orphaned, id)
}

func (s *summary) orphanNotice() {
	if names := s.result.Orphaned; len(names) > 0 {
		s.notice(Task{}, lifecycle.Notice{Name: NoticeOrphaned, Details: names[:min(len(names), 20)]})
	}
}

// takeInFlight returns the connections that another run is renewing, and forgets them.
func (s *summary) takeInFlight() []string {
	ids := s.inFlight
	s.inFlight = nil
	return ids
}

func (s *summary) putBackInFlight(ids []string) { s.inFlight = append(s.inFlight, ids...) }

// notice reports what somebody should look at.
func (s *summary) notice(t Task, n lifecycle.Notice) {
	ev := Event{Kind: EventNotice, Notice: n.Name, Details: n.Details, Message: strings.Join(n.Details, ", ")}
	if t.State.ID != "" {
		conn := &t.Source.Connection
		ev.Connection, ev.Provider, ev.Endpoint, ev.Credential = t.State.ID, conn.Provider.ID, conn.Host, t.Source.Document.VersionID
	}
	if ev.Counts() {
		s.notices++
	}
	s.run.observe(ev)
}

// closeRest reports the connections that the run did not attempt.
func (b *board) closeRest() {
	for _, id := range b.sum.takeInFlight() {
		b.sum.deferred(id, inFlightText)
	}
	for _, e := range b.order {
		switch {
		case e.phase == reading:
			b.sum.deferred(e.state.ID, runEnded)
		case e.phase == idle && b.exists(e):
			b.sum.close(e)
			b.note(e, Outcome{Task: b.task(e), State: e.state})
		}
	}
	if b.run.call.Connections == nil {
		b.sum.result.Connections = b.count()
		b.sum.result.Health.Known = true
	}
}

// exists reports whether a connection has a secret, as far as the run knows.
func (b *board) exists(e *entry) bool {
	return e.listed || !b.listing.complete() && e.state.Revision > 0 && e.state.DeleteAt.IsZero()
}

func (b *board) count() int {
	n := len(b.sum.invalid)
	for _, e := range b.order {
		if b.exists(e) {
			n++
		}
	}
	return n
}

// capacityAlarm is the share of the allowed writes from which the need for them is a notice.
const capacityAlarm = 0.8

// unknownLifetime stands in the capacity for a connection that never had a token.
const unknownLifetime = 24 * time.Hour

// capacity sums up the tokens per second that the connections need.
func (b *board) capacity() Capacity {
	var needed float64
	for _, e := range b.order {
		if e.decision.Action != lifecycle.Pause && b.exists(e) {
			needed += 1 / b.interval(e).Seconds()
		}
	}
	return Capacity{Needed: math.Round(needed*1e6) / 1e6, Allowed: b.run.cfg.MaxWritesPerSecond}
}

// interval between two tokens of a connection.
func (b *board) interval(e *entry) time.Duration {
	if t := e.state.Token; t != nil && t.RenewAt.After(t.IssuedAt) {
		return t.RenewAt.Sub(t.IssuedAt)
	}
	lifetime := unknownLifetime
	if e.state.Token != nil {
		lifetime = e.state.Lifetime()
	}
	return b.run.policy().MaxAge(lifetime)
}

// longFailing is the age from which a failure no longer counts in the metrics that wake people; in MinSecondsToExpiry it counts until the token
// has been expired for as long.
const longFailing = 24 * time.Hour

// measure fills in capacity and health from what is known when the run ends.
func (s *summary) measure(b *board) {
	s.result.Capacity = b.capacity()
	h := &s.result.Health
	if h.Known && s.result.Capacity.Needed > capacityAlarm*s.result.Capacity.Allowed {
		s.notice(Task{}, lifecycle.Notice{Name: NoticeCapacity,
			Details: []string{fmt.Sprintf("needed %g of %g tokens per second", s.result.Capacity.Needed, s.result.Capacity.Allowed)}})
	}
	now := s.run.cfg.Now()
	soonest := time.Duration(math.MaxInt64)
	for _, e := range b.order {
		if e.decision.Action == lifecycle.Pause || !b.exists(e) {
			continue
		}
		h.count(e.state, now, s.run.cfg.Period)
		if e.state.Token != nil && !abandoned(e.state, now) {
			soonest = min(soonest, e.state.Remaining(now))
			h.HasTokens = true
		}
	}
	if h.HasTokens {
		h.MinSecondsToExpiry = int64(soonest / time.Second)
	}
	h.Notices = s.notices
}

func (h *Health) count(s lifecycle.State, now time.Time, period time.Duration) {
	if s.Failure != nil && !s.FailingFor(now, longFailing) {
		h.Failing++
	}
	if s.Token == nil {
		return
	}
	if s.Token.Stage != store.StageCurrent {
		h.FallbackActive++
	}
	if s.Overdue(now, period) && !s.FailingFor(now, longFailing) {
		h.RenewalOverdue++
	}
}

// abandoned reports whether a connection has failed for over a day and its token expired over a day ago, so that it no longer hides the next one
// in MinSecondsToExpiry. A live token always counts: its renewal may have failed for a day before its end comes near.
func abandoned(s lifecycle.State, now time.Time) bool {
	return s.FailingFor(now, longFailing) && s.Remaining(now) < -longFailing
}

// expiry of the published token, zero when there is none.
func expiry(s lifecycle.State) time.Time {
	if s.Token == nil {
		return time.Time{}
	}
	return s.Token.ExpiresAt
}

// liveExpiry of the published token, zero when none is live.
func liveExpiry(s lifecycle.State, now time.Time) time.Time {
	if s.Remaining(now) <= 0 {
		return time.Time{}
	}
	return s.Token.ExpiresAt
}
