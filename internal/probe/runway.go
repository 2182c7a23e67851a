package probe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/renew"
)

// State of a connection: the first that fits.
type State string

// States in the order in which they are asked for (contract.md section 7).
const (
	Paused  State = "paused"
	Missing State = "missing" // no token
	Expired State = "expired"
	Failing State = "failing" // a failure record
	Overdue State = "overdue" // more than 2 periods past renew_at
	Due     State = "due"
	Fresh   State = "fresh"
)

// item is one connection.
type item struct {
	id      string
	created time.Time // of its secret
	facts   renew.Facts
	failed  bool   // a refresh_failure exists that is no leftover
	fault   string // what is wrong with its name, or with the name in the event
	state   State
}

// lately is how long an expired token makes the report unhealthy, and a failure counts as news.
const lately = 24 * time.Hour

// item judges one connection by what the listings tell.
func (r *run) item(s Secret, p published) item {
	it := item{id: s.Connection, created: s.Created, facts: renew.Facts{Connection: s.Connection, Current: s.Current, Paused: s.Paused}}
	if p.token != nil {
		it.facts.LearnToken(p.token.Type, p.token.Version, p.token.Description, p.token.Modified)
	}
	if p.failure != nil {
		it.facts.LearnFailure(p.failure.Description)
	}
	decision := renew.Decide(r.now, it.facts, r.cfg.policy(), renew.Ask{})
	it.failed = p.failure != nil && !decision.DropFailure
	if err := connection.ValidName(r.cfg.SecretPrefix, s.Connection); err != nil {
		it.fault = connection.CodeInvalidConnectionID + ": " + err.Error()
	}
	it.state = it.stateAt(r.now, r.cfg.Period, decision)
	return it
}

func (it *item) stateAt(now time.Time, period time.Duration, d renew.Decision) State {
	f := it.facts
	switch {
	case f.Paused:
		return Paused
	case f.Version == 0:
		return Missing
	case f.Record != nil && f.Left(now) <= 0:
		return Expired
	case it.failed || f.Conflict != "":
		return Failing
	case f.Overdue(now, period):
		return Overdue
	case d.Action == renew.Keep:
		return Fresh
	default:
		return Due
	}
}

// addUnknown adds the names in the event for which there is no secret among those listed.
func (r *run) addUnknown(listed []string) {
	for _, name := range r.call.Connections {
		if !slices.Contains(listed, name) {
			r.items = append(r.items, item{id: name, state: Missing, fault: r.unknownText(name, listed)})
		}
	}
}

func (r *run) unknownText(name string, listed []string) string {
	prefix := r.cfg.SecretPrefix
	if strings.HasPrefix(name, prefix) {
		return fmt.Sprintf("unknown_connection: leave out %q, which every secret's name begins with", prefix)
	}
	text := fmt.Sprintf("unknown_connection: no secret %q is listed in %s", prefix+name, r.cfg.Region)
	if nearest := provider.Closest(name, listed); nearest != "" {
		return text + fmt.Sprintf("; did you mean %q?", nearest)
	}
	return text + fmt.Sprintf(". Created in another region, or without %q? A new one may take 5 minutes to be listed", prefix)
}

func (r *run) count() Counts {
	c := Counts{Total: len(r.items), Orphaned: r.orphans}
	for _, it := range r.items {
		switch it.state {
		case Paused:
			c.Paused++
		case Missing:
			c.Missing++
		case Expired:
			c.Expired++
		case Failing:
			c.Failing++
		case Overdue:
			c.Overdue++
		case Due:
			c.Due++
		case Fresh:
			c.Fresh++
		}
	}
	return c
}

// expiredLately reports whether a token expired within the last day, so that somebody may be without one who had one yesterday.
func (r *run) expiredLately() bool {
	return slices.ContainsFunc(r.items, func(it item) bool { return it.state == Expired && it.facts.Left(r.now) > -lately })
}

// maxAttention is how many connections the report names.
const maxAttention = 20

// attention names the worst connections, with the words of their failures.
func (r *run) attention(ctx context.Context) []Attention {
	var worst []item
	for _, it := range r.items {
		switch it.state {
		case Missing, Expired, Failing, Overdue:
			worst = append(worst, it)
		case Paused, Due, Fresh:
		}
	}
	slices.SortFunc(worst, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.urgency(r.now), b.urgency(r.now)), cmp.Compare(a.facts.Left(r.now), b.facts.Left(r.now)), cmp.Compare(a.id, b.id))
	})
	worst = worst[:min(len(worst), maxAttention)]
	words := r.words(ctx, worst)
	list := make([]Attention, len(worst))
	for i, it := range worst {
		list[i] = Attention{Connection: clean(it.id), State: it.state, SecondsToExpiry: int64(it.facts.Left(r.now) / time.Second), Reason: it.reason(r, words[it.id])}
	}
	return list
}

// givenUp reports whether the connection has failed for over a day and has had no token for as long: somebody knows of it, and it must not hide the
// next one.
func (it *item) givenUp(now time.Time) bool {
	return it.facts.FailingFor(now, lately) && (it.state == Missing || it.state == Expired && it.facts.Left(now) <= -lately)
}

// urgency puts first whom somebody can still help: a token that has just expired, then who has none, then whose life runs out; and last those
// that have been dead for over a day, which somebody knows of.
func (it *item) urgency(now time.Time) int {
	switch it.state {
	case Expired:
		if it.facts.Left(now) > -lately {
			return 0
		}
		return 3
	case Missing:
		if it.facts.FailingFor(now, lately) {
			return 3
		}
		return 1
	case Paused, Failing, Overdue, Due, Fresh:
	}
	return 2
}

// words reads what the failures say. Without them the records say less, and that the report tells.
func (r *run) words(ctx context.Context, of []item) map[string]string {
	var names []string
	for _, it := range of {
		if it.failed {
			names = append(names, it.id)
		}
	}
	if len(names) == 0 {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, r.cfg.TokenTimeout)
	defer cancel()
	words, err := r.cfg.Parameters.Failures(within, names)
	if err != nil {
		r.cfg.Observe(Event{Kind: EventUnread, Message: err.Error()})
	}
	return words
}

// reason is why a connection needs attention.
func (it *item) reason(r *run, words string) string {
	f := it.facts
	switch words = clean(words); {
	case it.fault != "":
		return clean(it.fault)
	case it.failed && words != "" && it.state == Expired: // the words are of a time when the token may still have lived
		return clean("expired " + stamp(f.Record.ExpiresAt) + ". " + words)
	case it.failed && words != "":
		return words
	case it.failed && f.Failure == nil:
		return "failing: its refresh_failure record cannot be read"
	case it.failed:
		return clean(fmt.Sprintf("%s (%s) since %s, %d attempts, next try %s", f.Failure.Code, f.Failure.Class, stamp(f.Failure.FirstAt), f.Failure.Attempts, stamp(f.Failure.NextAt)))
	case f.Conflict != "":
		return "parameter_type_conflict: the token's parameter is a " + clean(f.Conflict) + ", not a SecureString; delete it"
	case it.state == Missing:
		return it.missingReason(r)
	case it.state == Expired:
		return fmt.Sprintf("expired %s, and no failure is recorded: does the refresher run?", stamp(f.Record.ExpiresAt))
	default:
		return fmt.Sprintf("due since %s, and no failure is recorded: does the refresher run?", stamp(f.Record.RenewAt))
	}
}

func (it *item) missingReason(r *run) string {
	if age := r.now.Sub(it.created); it.created.IsZero() || age < 2*r.cfg.Period+listingLag {
		return "no token yet: the next sweeps fetch one"
	}
	return fmt.Sprintf("no token, though its secret was created %s, and no failure is recorded: does the refresher run?", stamp(it.created))
}

// listingLag is how long ListSecrets may not show a new secret to the refresher.
const listingLag = 5 * time.Minute

// maxReason is how many characters of somebody else's words the report repeats.
const maxReason = 1000

// clean makes one line of a text that came from a store.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }), " ")
	if runes := []rune(text); len(runes) > maxReason {
		return string(runes[:maxReason-1]) + "…"
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
