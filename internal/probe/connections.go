package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/store"
)

// State of a connection: the first that fits.
type State string

// States in the order in which they are tested (contract.md section 7).
const (
	Paused  State = "paused"
	Missing State = "missing" // no token
	Expired State = "expired"
	Failing State = "failing" // a recorded failure
	Overdue State = "overdue" // more than 2 periods past renew_at
	Due     State = "due"
	Fresh   State = "fresh"
)

// item is one connection.
type item struct {
	id      string
	created time.Time // of its secret
	paused  bool      // the tag
	known   lifecycle.State
	failed  bool   // a failure is recorded, and it is not obsolete
	fault   string // what is wrong with the name or with the item; "" when nothing is
	state   State
}

// lately is how long an expired token makes the report unhealthy, and how long a failure counts as new.
const lately = 24 * time.Hour

// item gives one connection its state.
func (r *run) item(s *store.Secret, known lifecycle.State) item {
	known.ID = s.Connection
	it := item{id: s.Connection, created: s.Created, paused: s.Paused, known: known}
	secret := lifecycle.Secret{Current: s.Holder(store.StageCurrent), Changed: s.Changed, Created: s.Created, Paused: s.Paused}
	decision := lifecycle.Decide(r.now, known, lifecycle.Observation{Secret: &secret}, r.cfg.policy(), lifecycle.Override{})
	it.failed = known.Failure != nil && !decision.ClearFailure
	if err := connection.ValidName(r.cfg.SecretPrefix, s.Connection); err != nil {
		it.fault = connection.CodeInvalidConnectionID + ": " + err.Error()
	}
	if known.Newer {
		it.fault = "newer_schema: a newer version of this program wrote its item in the state table; update the functions"
	}
	it.state = it.stateAt(r.now, r.cfg.Period, decision)
	return it
}

func (it *item) stateAt(now time.Time, period time.Duration, d lifecycle.Decision) State {
	s := it.known
	switch {
	case it.paused:
		return Paused
	case s.Token == nil && s.Failure != nil && s.Failure.Code == string(lifecycle.TypeConflict):
		return Failing
	case s.Token == nil:
		return Missing
	case s.Remaining(now) <= 0:
		return Expired
	case it.failed:
		return Failing
	case s.Overdue(now, period):
		return Overdue
	case d.Action == lifecycle.Keep:
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
	return text + fmt.Sprintf(". Is it in another region, or was it created without %q? A new secret may take 5 minutes to be listed", prefix)
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

// expiredLately reports whether a token expired within the last day: a program may be without a token that it had yesterday.
func (r *run) expiredLately() bool {
	return slices.ContainsFunc(r.items, func(it item) bool { return it.state == Expired && it.known.Remaining(r.now) > -lately })
}

// maxAttention is how many connections the report names.
const maxAttention = 20

// attention names the worst connections, each with its reason.
func (r *run) attention() []Attention {
	var worst []item
	for _, it := range r.items {
		switch it.state {
		case Missing, Expired, Failing, Overdue:
			worst = append(worst, it)
		case Paused, Due, Fresh:
		}
	}
	slices.SortFunc(worst, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.urgency(r.now), b.urgency(r.now)), cmp.Compare(a.known.Remaining(r.now), b.known.Remaining(r.now)),
			cmp.Compare(a.id, b.id))
	})
	worst = worst[:min(len(worst), maxAttention)]
	list := make([]Attention, len(worst))
	for i, it := range worst {
		left := int64(it.known.Remaining(r.now) / time.Second)
		list[i] = Attention{Connection: clean(it.id), State: it.state, SecondsToExpiry: left, Reason: it.reason(r)}
	}
	return list
}

// abandoned reports whether the connection has failed for over a day and has had no token for as long. It must not hide the next one.
func (it *item) abandoned(now time.Time) bool {
	return it.known.FailingFor(now, lately) && (it.state == Missing || it.state == Expired && it.known.Remaining(now) <= -lately)
}

// urgency is the place of a connection in the report, 0 first: tokens that expired within a day; then no token; then tokens that are still valid;
// last, connections that have been without a token for over a day.
func (it *item) urgency(now time.Time) int {
	switch it.state {
	case Expired:
		if it.known.Remaining(now) > -lately {
			return 0
		}
		return 3
	case Missing:
		if it.known.FailingFor(now, lately) {
			return 3
		}
		return 1
	case Paused, Failing, Overdue, Due, Fresh:
	}
	return 2
}

// reason is why a connection needs attention.
func (it *item) reason(r *run) string {
	switch s := it.known; {
	case it.fault != "":
		return clean(it.fault)
	case it.failed && s.Failure.Message == "":
		return clean(fmt.Sprintf("%s (%s) since %s, %d attempts, next attempt %s",
			s.Failure.Code, s.Failure.Class, stamp(s.Failure.FirstAt), s.Failure.Attempts, stamp(s.Failure.NextAt)))
	case it.failed && it.state == Expired: // the token may still have been valid when the sentence was written
		return clean("expired " + stamp(s.Token.ExpiresAt) + ". " + s.Failure.Message)
	case it.failed:
		return clean(s.Failure.Message)
	case it.state == Missing:
		return it.missingReason(r)
	case it.state == Expired:
		return fmt.Sprintf("expired %s, and no failure is recorded: does the refresher run?", stamp(s.Token.ExpiresAt))
	default:
		return fmt.Sprintf("due since %s, and no failure is recorded: does the refresher run?", stamp(s.Token.RenewAt))
	}
}

func (it *item) missingReason(r *run) string {
	if age := r.now.Sub(it.created); it.created.IsZero() || age < 2*r.cfg.Period+listingLag {
		return "no token yet: the next sweeps get one"
	}
	return fmt.Sprintf("no token, though its secret was created %s, and no failure is recorded: does the refresher run?", stamp(it.created))
}

// listingLag is the time after which ListSecrets shows a new secret.
const listingLag = 5 * time.Minute

// maxReason is how many characters of a stored text the report repeats.
const maxReason = 1000

// clean makes one printable line of a text that came from a store.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }), " ")
	if runes := []rune(text); len(runes) > maxReason {
		return string(runes[:maxReason-1]) + "…"
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
