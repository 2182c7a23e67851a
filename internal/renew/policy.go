// Package renew decides, and does nothing else: whose token is renewed now, why, and when to come back otherwise. Everything in it is a
// pure function of the instant, the facts of one connection and the policy, so that a plan can be printed, tested and trusted
// (contract.md sections 3 to 6).
package renew

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Policy is what the installation and a provider say about renewing. Every field must be positive: the zero value of none is a default.
type Policy struct {
	Period      time.Duration // time between two sweeps
	ReaderCache time.Duration // how long a reader may go on using what it read
	RefreshAt   float64       // fraction of the lifetime by which a token is renewed at the latest
}

const (
	// ClockSkew is allowed between the provider's clock and ours.
	ClockSkew = 60 * time.Second
	// DefaultRefreshAt is the fraction of the lifetime by which a token is renewed when nobody says otherwise.
	DefaultRefreshAt = 0.6
	// MaxBackoff bounds the wait after a failure that another try may mend.
	MaxBackoff = 30 * time.Minute
	// CanaryInterval is the time between two tries of a latched connection, unless an eighth of the token's life is shorter.
	CanaryInterval = time.Hour
	// LatchAfter is how many runs in a row must be refused in class credentials before the connection is latched.
	LatchAfter = 3
	// JustMinted is the age below which a consumer's rejection of a token is answered with minted_recently.
	JustMinted = 2 * time.Minute
)

// Floor is the life that a token must have left to be worth publishing in place of a longer one: a reader's cache, the clocks, three sweeps.
func (p Policy) Floor() time.Duration { return p.ReaderCache + ClockSkew + 3*p.Period }

// Desperate is the remaining life under which a backoff is ignored: the next try may be the last one before a reader meets a dead token.
func (p Policy) Desperate() time.Duration { return p.ReaderCache + 2*p.Period }

// Slack is how far two sweeps may be from one period apart: a scheduler fires within seconds, not to the second. What is due by then is due
// now, or it would wait for one sweep more.
func (p Policy) Slack() time.Duration { return p.Period / 10 }

// Latest is the age at which a token of the given lifetime must have been renewed.
func (p Policy) Latest(lifetime time.Duration) time.Duration {
	at := time.Duration(p.RefreshAt * float64(lifetime))
	return min(at, max(lifetime-p.Floor(), lifetime/2))
}

// At is the instant at which a token issued to the connection at issuedAt is due: between two thirds of Latest and Latest, whole seconds,
// UTC. The slot comes from a hash of connection and instant: a thousand tokens fetched in one hour do not come due in one hour, and
// nothing needs to be remembered.
func (p Policy) At(connection string, issuedAt time.Time, lifetime time.Duration) time.Time {
	u := fraction(connection + "|" + issuedAt.UTC().Format(time.RFC3339))
	wait := time.Duration(float64(p.Latest(lifetime)) * (1 - u/3))
	return issuedAt.Add(wait).UTC().Round(0).Truncate(time.Second)
}

// TooShort reports whether the lifetime leaves no room for the schedule: notice lifetime_too_short_for_schedule.
func (p Policy) TooShort(lifetime time.Duration) bool { return p.Floor() > lifetime/2 }

// fraction maps text to [0,1] by its SHA-256.
func fraction(text string) float64 {
	sum := sha256.Sum256([]byte(text))
	return float64(binary.BigEndian.Uint64(sum[:8])) / (1 << 64)
}

// Backoff is the wait after the given number of consecutive failed runs. left is the remaining life of the published token, zero or less when
// there is none; a token that still lives shortens the wait, so that there are several tries before it dies.
func (p Policy) Backoff(attempts int, left time.Duration) time.Duration {
	wait := MaxBackoff
	if shift := max(attempts, 1) - 1; shift < 16 && p.Period <= wait>>shift { // asked this way round, nothing overflows
		wait = p.Period << shift
	}
	if left > 0 {
		wait = min(wait, left/8)
	}
	return wait
}

// Canary is the time between two tries of a latched connection whose tokens live as given (zero: unknown).
func (p Policy) Canary(lifetime time.Duration) time.Duration {
	interval := CanaryInterval
	if lifetime > 0 {
		interval = min(interval, lifetime/8)
	}
	return max(interval, p.Period)
}

// CanaryDue reports whether the sweep that starts at now falls within one period after first + k x interval, for a k of at least one. So
// the canary needs no memory: a refusal in the same way writes nothing.
func (p Policy) CanaryDue(now, first time.Time, interval time.Duration) bool {
	since := now.Sub(first)
	return since >= interval && since%interval < p.Period
}

// NextCanary is the start of the next canary window after now. It counts from now, since a sum from first may overflow.
func (p Policy) NextCanary(now, first time.Time, interval time.Duration) time.Time {
	since := now.Sub(first)
	if since < 0 {
		return first.Add(interval)
	}
	return now.Add(interval - since%interval)
}
