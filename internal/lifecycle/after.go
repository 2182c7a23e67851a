package lifecycle

import (
	"slices"
	"time"
)

// Issue is what a renewal is based on beside the token: the document of AWSCURRENT that was read for it.
type Issue struct {
	Current       string    // version id of AWSCURRENT
	ChangedAt     time.Time // LastChangedDate of the secret, zero when not looked at
	Configuration string    // of the AWSCURRENT document
}

// AfterSuccess is the state after a token was published, or found to be published already. A token of AWSCURRENT ends a failure; one of a standby
// does not.
func AfterSuccess(s State, a Admission, i Issue) State {
	next := s.Clone()
	t := a.Token
	next.Token, next.Told = &t, a.Told
	next.Current, next.Configuration = i.Current, i.Configuration
	if !i.ChangedAt.IsZero() {
		next.ChangedAt = i.ChangedAt
	}
	next.DeleteAt = time.Time{}
	if t.Stage == "AWSCURRENT" {
		next = WithoutFailure(next)
	}
	return next
}

// WithoutFailure is the state after a failure ended. The parameter refresh_failure may still exist: Notice keeps that until it is deleted.
func WithoutFailure(s State) State {
	if s.Failure != nil && s.Notice == "" {
		s.Notice = staleNotice
	}
	s.Failure = nil
	return s
}

// staleNotice is the Notice of a state whose refresh_failure parameter may exist for a reason that is not known.
const staleNotice = "stale"

// WantedNotice is the Notice that the state should have: class, code and whether attempts are suspended, "" when the connection does not fail.
// Where it differs from Notice, the parameter refresh_failure must be written or deleted.
func (s State) WantedNotice() string {
	if s.Failure == nil {
		return ""
	}
	key := string(s.Failure.Class) + "/" + s.Failure.Code
	if s.Failure.Suspends() {
		key += "/suspended"
	}
	return key
}

// Attempted is what is known of an attempt that failed.
type Attempted struct {
	Start    time.Time // of the run: what is counted in periods begins with a sweep, or it would miss one by a second
	Current  string    // version id of AWSCURRENT
	Provider string
	Endpoint string
	Lifetime time.Duration // of the provider's tokens, for a connection that never had one; 0 when unknown
	Standbys []string      // version ids that the provider refused in this attempt
}

// AfterFailure is the state after a failed attempt, with the message still to be written. A trial that met a passing fault says nothing about the
// client credentials: the failure that suspends the connection stays.
func AfterFailure(now time.Time, s State, at Attempted, c *Cause, p Policy) State {
	start := at.Start.UTC().Truncate(time.Second)
	f := Failure{Class: c.Class, Code: c.Code, Provider: at.Provider, Endpoint: at.Endpoint, HTTPStatus: c.HTTPStatus,
		Attempts: 1, FirstAt: start, LastAt: now.UTC().Truncate(time.Second), Current: at.Current}
	was := s.Failure
	if was != nil && (was.Current != f.Current || was.FirstAt.After(now.Add(ClockSkew))) {
		was = nil // about other client credentials, or from the future
	}
	wasSuspended := was != nil && was.Suspends()
	switch {
	case wasSuspended && c.Temporary():
		f = *was
		f.LastAt = now.UTC().Truncate(time.Second) // the trial of this interval was made
	case was != nil && was.Class == f.Class:
		f.FirstAt, f.Attempts = was.FirstAt, was.Attempts+1
		if wasSuspended {
			f.Attempts = was.Attempts
		}
	}
	if was != nil {
		f.RejectedStandbys = slices.Clone(was.RejectedStandbys)
	}
	for _, id := range at.Standbys {
		if !slices.Contains(f.RejectedStandbys, id) {
			f.RejectedStandbys = append(f.RejectedStandbys, id)
		}
	}
	f.schedule(now, start, s, at.Lifetime, c, p)
	next := s.Clone()
	next.Failure = &f
	return next
}

// schedule sets NextAt and RetryAt.
func (f *Failure) schedule(now, start time.Time, s State, lifetime time.Duration, c *Cause, p Policy) {
	if s.Token != nil {
		lifetime = s.Lifetime()
	}
	if f.Suspends() {
		f.NextAt = p.NextTrial(now, f.FirstAt, p.TrialEvery(lifetime))
	} else {
		f.NextAt = start.Add(p.Backoff(f.Attempts, s.Remaining(now)))
	}
	f.RetryAt = time.Time{}
	if c.RetryAfter > 0 {
		f.RetryAt = EndOf(c.RetryAfter, now)
		if f.RetryAt.After(f.NextAt) {
			f.NextAt = f.RetryAt
		}
	}
	f.NextAt = f.NextAt.UTC().Truncate(time.Second)
}

// EndOf a wait, in whole seconds, never too early.
func EndOf(wait time.Duration, now time.Time) time.Time {
	return now.Add(wait + time.Second - 1).UTC().Truncate(time.Second)
}

// StandbyAllowed reports whether the failure of AWSCURRENT lets a standby take over: its client credentials are refused, attempts with them are
// suspended, and the token is due by time. failed is the state after that failure.
func StandbyAllowed(start time.Time, d Decision, failed State) bool {
	if failed.Failure.Class != Credentials {
		return false
	}
	return d.UseStandby || failed.Failure.Suspends() && failed.renewalDue(start)
}
