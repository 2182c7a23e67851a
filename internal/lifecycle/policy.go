package lifecycle

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Policy holds the settings of an installation. Every field must be positive: no zero value means a default.
type Policy struct {
	Period      time.Duration // time between two sweeps
	ReaderCache time.Duration // how long a reader may use a token after it read it
	RefreshAt   float64       // fraction of the lifetime by which a token is renewed at the latest
}

// For returns the policy of a connection whose tokens are renewed at another fraction of their lifetime; 0 changes nothing.
func (p Policy) For(refreshAt float64) Policy {
	if refreshAt > 0 {
		p.RefreshAt = refreshAt
	}
	return p
}

const (
	// ClockSkew is the difference allowed between the provider's clock and ours.
	ClockSkew = 60 * time.Second
	// DefaultRefreshAt applies when neither the document nor the catalogue names a fraction.
	DefaultRefreshAt = 0.6
	// MaxBackoff is the longest wait after a transient failure.
	MaxBackoff = 30 * time.Minute
	// TrialInterval is the time between two trials of a suspended connection, unless an eighth of the token's lifetime is shorter.
	TrialInterval = time.Hour
	// FailureThreshold is how many consecutive runs must fail in class credentials before the connection is suspended.
	FailureThreshold = 3
	// JustIssued is the age below which a rejected token is not replaced: the problem is somewhere else.
	JustIssued = 2 * time.Minute
)

// MinRemaining is the time that a token must have left to replace a longer one: a reader's cache, the clocks, three sweeps.
func (p Policy) MinRemaining() time.Duration { return p.ReaderCache + ClockSkew + 3*p.Period }

// EmergencyWindow is the remaining time below which a backoff is ignored: the next attempt may be the last one before the token expires.
func (p Policy) EmergencyWindow() time.Duration { return p.ReaderCache + 2*p.Period }

// Tolerance is the jitter of the scheduler: it fires within seconds, not to the second. What falls due within it is due now; otherwise it would
// wait for one more sweep.
func (p Policy) Tolerance() time.Duration { return p.Period / 10 }

// MaxAge is the age by which a token of the given lifetime must have been renewed.
func (p Policy) MaxAge(lifetime time.Duration) time.Duration {
	at := time.Duration(p.RefreshAt * float64(lifetime))
	return min(at, max(lifetime-p.MinRemaining(), lifetime/2))
}

// RenewAt is the instant at which a token is due: between two thirds of MaxAge and MaxAge after issuedAt, whole seconds, UTC. A hash of
// connection and instant picks the slot, so that a thousand tokens issued in one hour do not fall due in one hour.
func (p Policy) RenewAt(connection string, issuedAt time.Time, lifetime time.Duration) time.Time {
	u := fraction(connection + "|" + issuedAt.UTC().Format(time.RFC3339))
	wait := time.Duration(float64(p.MaxAge(lifetime)) * (1 - u/3))
	return issuedAt.Add(wait).UTC().Round(0).Truncate(time.Second)
}

// TooShort reports whether the lifetime is too short for the schedule: notice lifetime_too_short_for_schedule.
func (p Policy) TooShort(lifetime time.Duration) bool { return p.MinRemaining() > lifetime/2 }

// fraction maps text to [0,1] by its SHA-256.
func fraction(text string) float64 {
	sum := sha256.Sum256([]byte(text))
	return float64(binary.BigEndian.Uint64(sum[:8])) / (1 << 64)
}

// Backoff is the wait after the given number of consecutive failed runs. remaining is that of the published token, zero or less when there is
// none; a live token shortens the wait, so that several attempts fit before it expires.
func (p Policy) Backoff(attempts int, remaining time.Duration) time.Duration {
	wait := MaxBackoff
	if shift := max(attempts, 1) - 1; shift < 16 && p.Period <= wait>>shift { // compared this way round, nothing overflows
		wait = p.Period << shift
	}
	if remaining > 0 {
		wait = min(wait, remaining/8)
	}
	return wait
}

// TrialEvery is the time between two trials of a suspended connection whose tokens have the given lifetime (zero: unknown).
func (p Policy) TrialEvery(lifetime time.Duration) time.Duration {
	interval := TrialInterval
	if lifetime > 0 {
		interval = min(interval, lifetime/8)
	}
	return max(interval, p.Period)
}

// TrialDue reports whether the sweep that starts at now falls within one period after first + k x interval, for a k of at least one. So a
// trial needs no record of the one before.
func (p Policy) TrialDue(now, first time.Time, interval time.Duration) bool {
	since := now.Sub(first)
	return since >= interval && since%interval < p.Period
}

// NextTrial is the start of the next window of TrialDue after now. It counts from now, since a sum from first may overflow.
func (p Policy) NextTrial(now, first time.Time, interval time.Duration) time.Time {
	since := now.Sub(first)
	if since < 0 {
		return first.Add(interval)
	}
	return now.Add(interval - since%interval)
}
