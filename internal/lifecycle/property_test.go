package lifecycle_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// maxWait is the longest wait that this program writes.
const maxWait = time.Hour + lifecycle.ClockSkew

func TestAnyStateHasASoundDecision(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		now, s, o, ov := d.instant("now"), d.state(), d.observation(), d.override()
		before := s.Clone()
		got := lifecycle.Decide(now, s, o, d.policy(), ov)
		if !reflect.DeepEqual(s, before) {
			rt.Fatalf("Decide changed the state: %+v", s)
		}
		if got.Reason == "" || !strings.HasPrefix(got.Text, string(got.Reason)) {
			rt.Fatalf("the text does not begin with the reason: %+v", got)
		}
		want := map[lifecycle.Action]bool{lifecycle.Newer: s.Newer}
		want[lifecycle.Gone] = !s.Newer && (o.Secret != nil && o.Secret.Gone || o.Secret == nil && !s.DeleteAt.IsZero())
		want[lifecycle.Pause] = !s.Newer && !want[lifecycle.Gone] && (o.Secret != nil && o.Secret.Paused || o.Secret == nil && s.Paused)
		want[lifecycle.Conflict] = !s.Newer && !want[lifecycle.Gone] && !want[lifecycle.Pause] && o.Parameter != nil && o.Parameter.Type == "String"
		for action, is := range want {
			if (got.Action == action) != is {
				rt.Fatalf("%s: want %t, decided %+v", action, is, got)
			}
		}
		checkTimes(rt, now, s, ov, got)
	})
}

// checkTimes checks what a decision says of the time, and that it respects the recorded failure.
func checkTimes(rt *rapid.T, now time.Time, s lifecycle.State, ov lifecycle.Override, got lifecycle.Decision) {
	switch got.Action {
	case lifecycle.Renew, lifecycle.Trial, lifecycle.Standby:
		if !got.NotBefore.IsZero() {
			rt.Fatalf("attempted now, and not before a time: %+v", got)
		}
	case lifecycle.Wait:
		if s.Failure == nil || !got.NotBefore.After(now) {
			rt.Fatalf("a wait without a failure or an end: %+v", got)
		}
	case lifecycle.Keep:
		if s.Token != nil && got.Reason != lifecycle.IssuedRecently && !got.NotBefore.Equal(s.Token.RenewAt) {
			rt.Fatalf("kept, and not until it is due: %+v", got)
		}
	default:
	}
	f := s.Failure
	if got.ClearFailure && f == nil {
		rt.Fatalf("there is no failure to clear: %+v", got)
	}
	if f != nil && got.Action.Attempts() && now.Before(f.RetryAt) && f.RetryAt.Sub(now) <= maxWait {
		rt.Fatalf("a Retry-After until %s was ignored: %+v", f.RetryAt, got)
	}
	if (got.Action == lifecycle.Trial || got.Action == lifecycle.Standby) && (ov.Force || f == nil || !f.Suspends()) {
		rt.Fatalf("a trial or a standby of a connection that is not suspended: %+v", got)
	}
	if got.UseStandby && (f == nil || f.Class != lifecycle.Credentials || f.Attempts < lifecycle.FailureThreshold) {
		rt.Fatalf("a standby may be used, although AWSCURRENT was not refused often enough: %+v", got)
	}
}

// Sweeps with jitter and any number of readers' reports make at most one trial in each interval since the first failure.
func TestAnIntervalHasAtMostOneTrialHoweverOftenItIsDecided(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		p := d.policy()
		p.Period = p.Period.Truncate(10 * time.Second) // so that windows begin with whole seconds, as attempts do
		lifetime := d.seconds("eighth of the lifetime", 0, 2*time.Hour) * 8
		s := healthy(failing(lifecycle.Credentials, lifecycle.FailureThreshold)).State
		s.Token.RenewAt, s.Token.ExpiresAt = issuedAt().Add(lifetime/2), issuedAt().Add(lifetime)
		if d.flag("never had a token") {
			s.Token, lifetime = nil, 0
		}
		first, interval := s.Failure.FirstAt, p.TrialEvery(lifetime)
		s.Failure.LastAt = first
		trials := map[int64]int{}
		now := first
		for _, gap := range rapid.SliceOfN(rapid.Int64Range(1, int64(2*p.Period/time.Second)), 50, 200).Draw(rt, "gaps") {
			now = now.Add(time.Duration(gap) * time.Second)
			ov := lifecycle.Override{RejectedVersion: pick[int64](d, "report", 0, 8)}
			if lifecycle.Decide(now, s, lifecycle.Observation{}, p, ov).Action != lifecycle.Trial {
				continue
			}
			trials[int64(now.Add(p.Tolerance()).Sub(first)/interval)]++
			took := d.seconds("took", 0, 10*time.Second)
			s = lifecycle.AfterFailure(now.Add(took), s, lifecycle.Attempted{Start: now, Current: v1}, pick(d, "cause", refusal(), down()), p)
		}
		for k, n := range trials {
			if k < 1 || n > 1 {
				rt.Fatalf("%d trials in interval %d of %s: %v", n, k, interval, trials)
			}
		}
	})
}

func TestAPublishedTokenIsKeptAtOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		p, s, c, decided := d.policy(), d.state(), d.candidate(), because(pick(d, "reason", lifecycle.Due, lifecycle.Missing, lifecycle.Forced,
			lifecycle.ChangedByOther))
		s.Newer, s.Paused = false, false
		a := lifecycle.Admit(morning(), s, decided, c, p)
		enough := !p.For(c.RefreshAt).TooShort(c.Lifetime) && a.Token.ExpiresAt.Sub(morning()) > p.MinRemaining()
		if a.Rejected != nil || !enough {
			return
		}
		next := lifecycle.AfterSuccess(s, a, lifecycle.Issue{Current: v1})
		if c.Stage != "AWSCURRENT" {
			next.Failure = nil // that of AWSCURRENT decides otherwise
		}
		got := lifecycle.Decide(morning(), next, lifecycle.Observation{Secret: &lifecycle.Secret{Current: v1}}, p, lifecycle.Override{})
		if got.Action != lifecycle.Keep || got.Reason != lifecycle.Fresh || !got.NotBefore.After(morning()) {
			rt.Fatalf("right after the success: %+v", got)
		}
	})
}

func TestALiveTokenIsNeverReplacedByOneThatExpiresEarlierAndSoon(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		p, s, c := d.policy(), healthy().State, d.candidate()
		s.Token.TokenID, s.Token.Account = "a", pick(d, "account", "", "x", "y")
		s.Token.ExpiresAt = morning().Add(d.seconds("published one expires in", time.Second, 48*time.Hour))
		reason := pick(d, "reason", lifecycle.Due, lifecycle.Expired, lifecycle.Retry, lifecycle.Forced, lifecycle.CredentialChanged,
			lifecycle.RejectedByReader)
		before := s.Clone()
		a := lifecycle.Admit(morning(), s, because(reason), c, p)
		if !reflect.DeepEqual(s, before) {
			rt.Fatalf("Admit changed the state: %+v", s)
		}
		if a.Rejected != nil {
			return
		}
		earlier, left := !a.Token.ExpiresAt.After(s.Token.ExpiresAt), a.Token.ExpiresAt.Sub(morning())
		if earlier && left <= p.MinRemaining() && !a.Reused {
			rt.Fatalf("a token with %s left replaced one with %s", left, s.Remaining(morning()))
		}
		if a.Reused && (c.TokenID != s.Token.TokenID || a.Token.Version != s.Token.Version || a.Token.IssuedAt.After(s.Token.IssuedAt)) {
			rt.Fatalf("another token is taken for the published one, or gets a new life: %+v", a)
		}
		if a.Token.Account != "" && s.Token.Account != "" && a.Token.Account != s.Token.Account && (reason != lifecycle.Forced || c.Stage != "AWSCURRENT") {
			rt.Fatalf("a token of another account was published: %+v", a)
		}
	})
}

func TestAStandbyNeedsRefusedCredentialsAndADueRenewal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		p, s, start := d.policy(), d.state(), morning()
		decided := lifecycle.Decide(start, s, lifecycle.Observation{Secret: &lifecycle.Secret{Current: v1}}, p, d.override())
		failed := lifecycle.AfterFailure(start.Add(d.seconds("took", 0, time.Minute)), s, attempted(), d.cause(), p)
		refused := func(f *lifecycle.Failure) bool {
			return f != nil && f.Class == lifecycle.Credentials && f.Attempts >= lifecycle.FailureThreshold
		}
		due := s.Token == nil || !start.Before(s.Token.RenewAt)
		allowed := lifecycle.StandbyAllowed(start, decided, failed)
		if allowed && (!due || failed.Failure.Class != lifecycle.Credentials || !refused(failed.Failure) && !refused(s.Failure)) {
			rt.Fatalf("a standby is allowed after %+v, which followed %+v; due: %t", failed.Failure, s.Failure, due)
		}
		if !allowed && due && refused(failed.Failure) {
			rt.Fatalf("no standby after %+v", failed.Failure)
		}
	})
}

// The waits that AfterFailure writes are waits that Decide respects.
func TestAFailureIsNotAttemptedAgainInTheSameRun(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		p, s, start := d.policy(), d.state(), morning()
		s.Newer, s.Paused, s.DeleteAt = false, false, time.Time{}
		failed := lifecycle.AfterFailure(start.Add(d.seconds("took", 0, time.Second)), s, attempted(), d.cause(), p)
		f := failed.Failure
		if f.NextAt.Before(f.RetryAt) || f.NextAt.Sub(start) > maxWait && !f.Suspends() || f.NextAt.Nanosecond() != 0 {
			rt.Fatalf("a wait that this program does not know: %+v", f)
		}
		got := lifecycle.Decide(start, failed, lifecycle.Observation{Secret: &lifecycle.Secret{Current: v1}}, p, lifecycle.Override{})
		left := s.Remaining(start)
		emergency := left > 0 && left < p.EmergencyWindow() && !f.Suspends()
		future := f.FirstAt.After(start) // at most by the difference between two clocks
		if got.Action.Attempts() && got.Action != lifecycle.Standby && !emergency && !future {
			rt.Fatalf("%+v\nright after %+v", got, f)
		}
	})
}

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		p, attempts := d.policy(), rapid.Int().Draw(rt, "attempts")
		remaining := time.Duration(rapid.Int64().Draw(rt, "remaining"))
		got := p.Backoff(attempts, remaining)
		least := min(p.Period, lifecycle.MaxBackoff)
		if remaining > 0 {
			least = min(least, remaining/8)
		}
		if got < least || got > lifecycle.MaxBackoff || remaining > 0 && got > remaining/8 {
			rt.Fatalf("Backoff(%d, %s) = %s, want at least %s", attempts, remaining, got, least)
		}
		if more := p.Backoff(max(attempts, 0)+1, remaining); attempts < 1<<60 && more < got {
			rt.Fatalf("Backoff(%d, %s) = %s, and %s after one more failure", attempts, remaining, got, more)
		}
	})
}

func TestAnyTokenIsRenewedWithinItsWindow(t *testing.T) {
	brazil := time.FixedZone("BRT", -3*60*60)
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		p, lifetime := d.policy(), d.seconds("lifetime", time.Second, 400*24*time.Hour)
		issued := time.Unix(rapid.Int64Range(0, 1<<32).Draw(rt, "issued at"), 0).In(brazil)
		connection := rapid.StringMatching(`[a-z]{1,9}/[a-z0-9]{1,9}`).Draw(rt, "connection")
		got, oldest := p.RenewAt(connection, issued, lifetime), p.MaxAge(lifetime)
		if got.Location() != time.UTC || got.Nanosecond() != 0 {
			rt.Fatalf("%s is not in whole seconds UTC", got)
		}
		if first, last := issued.Add(oldest*2/3-time.Second), issued.Add(oldest); !got.After(first) || got.After(last) {
			rt.Fatalf("%s is outside of (%s, %s]", got, first, last)
		}
		if least := min(lifetime*3/10, lifetime/2); oldest < least-1 || oldest > lifetime*9/10 {
			rt.Fatalf("a lifetime of %s may reach the age %s", lifetime, oldest)
		}
		if exact := formula(connection, issued, lifetime, p); got.Sub(exact).Abs() > time.Second { // a float may fall on the other side of a second
			rt.Fatalf("%s, by the formula %s", got, exact)
		}
	})
}

func TestTheNextTrialIsTheNextWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		p, interval := d.policy(), d.seconds("interval", time.Minute, 2*time.Hour)
		interval = max(interval, p.Period)
		first := morning()
		now := first.Add(d.seconds("after the first failure", 0, 48*time.Hour))
		next := p.NextTrial(now, first, interval)
		if !next.After(now) || next.Sub(now) > interval || next.Sub(first)%interval != 0 || !p.TrialDue(next, first, interval) {
			rt.Fatalf("the next trial after %s is %s, with an interval of %s", now, next, interval)
		}
	})
}
