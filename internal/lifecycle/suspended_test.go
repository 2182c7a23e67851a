package lifecycle_test

import (
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

func TestSuspends(t *testing.T) {
	for name, c := range map[string]struct {
		class    lifecycle.Class
		attempts int
		want     bool
	}{
		"configuration at once":         {lifecycle.Configuration, 1, true},
		"credentials after two":         {lifecycle.Credentials, 2, false},
		"credentials after three":       {lifecycle.Credentials, 3, true},
		"credentials after four":        {lifecycle.Credentials, 4, true},
		"transient never":               {lifecycle.Transient, 1000, false},
		"malformed never":               {lifecycle.Malformed, 1000, false},
		"a class that is unknown never": {"weather", 1000, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&lifecycle.Failure{Class: c.class, Attempts: c.attempts}).Suspends(); got != c.want {
				t.Errorf("Suspends = %t, want %t", got, c.want)
			}
		})
	}
}

// A trial is due in the first five minutes of each hour after first_at, less the scheduler's tolerance of 30 s.
func TestDecideWhileSuspended(t *testing.T) {
	const tolerance = 30 * time.Second
	window := morning().Add(-2 * time.Hour) // first_at of a failure whose second window begins now
	between := morning().Add(-90 * time.Minute)
	refused := func(first time.Time, changes ...func(f *lifecycle.Failure)) change {
		return failing(lifecycle.Credentials, 3, append(changes, firstAt(first))...)
	}
	waits := func(until time.Time, changes ...change) decision {
		return decision{of: healthy(changes...), action: lifecycle.Wait, reason: lifecycle.Suspended,
			text: "suspended until AWSCURRENT changes; next trial " + until.Format(time.RFC3339), until: until}
	}
	trial := func(reason lifecycle.Reason, changes ...change) decision {
		return decision{of: healthy(changes...), action: lifecycle.Trial, reason: reason, text: string(reason) + " (trial of a suspended connection)"}
	}
	half := between.Add(2 * time.Hour)
	checkDecisions(t, map[string]decision{
		"a configuration failure suspends at once": waits(half, dueLongAgo, failing(lifecycle.Configuration, 1, firstAt(between))),
		"three refusals suspend":                   waits(half, dueLongAgo, refused(between)),
		"next_at does not count":                   waits(half, dueLongAgo, refused(between, nextAt(morning()))),
		"one nanosecond before the window":         waits(morning().Add(tolerance+1), dueLongAgo, refused(window.Add(tolerance+1))),
		"exactly at the window less the tolerance": trial(lifecycle.Due, dueLongAgo, refused(window.Add(tolerance))),
		"exactly at the window":                    trial(lifecycle.Due, dueLongAgo, refused(window)),
		"the last nanosecond of the window":        trial(lifecycle.Due, dueLongAgo, refused(window.Add(tolerance-5*time.Minute+1))),
		"exactly at the end of the window": waits(morning().Add(55*time.Minute+tolerance), dueLongAgo,
			refused(window.Add(tolerance-5*time.Minute))),
		"the first window": trial(lifecycle.Due, dueLongAgo, refused(window.Add(time.Hour), lastAt(window.Add(time.Hour)))),
		"the first minutes of a failure are no window": waits(morning().Add(time.Hour), dueLongAgo, refused(morning())),
		"a failure from the future":                    trial(lifecycle.Due, dueLongAgo, refused(morning().Add(1))),
		"a trial while the standby's token is fresh":   trial(lifecycle.Retry, fromStandby, refused(window)),
		"a trial without any token":                    trial(lifecycle.Missing, unpublished, refused(window)),
		"between trials a standby's fresh token stays": waits(half, fromStandby, refused(between)),
		"without any token it waits for the trial":     waits(half, unpublished, refused(between)),
		"a token that expires soon does not end it": waits(morning().Add(75*time.Second), endsIn(time.Minute), failing(lifecycle.Configuration, 1,
			firstAt(between.Add(time.Minute)))),
		"forced": {of: healthy(refused(between)), ov: lifecycle.Override{Force: true}, action: lifecycle.Renew, reason: lifecycle.Forced},
		"forced for a configuration failure": {of: healthy(failing(lifecycle.Configuration, 1)), ov: lifecycle.Override{Force: true},
			action: lifecycle.Renew, reason: lifecycle.Forced},
		"no standby for a configuration failure": waits(half, fromStandby, dueNow, failing(lifecycle.Configuration, 3, firstAt(between))),
		"the standby in the first sweep in which its token is due": {of: healthy(fromStandby, dueNow, refused(between)), action: lifecycle.Standby,
			reason: lifecycle.Due,
			text:   "due (with a standby, AWSCURRENT is suspended)"},
		"a trial comes before the standby": trial(lifecycle.Due, fromStandby, dueNow, refused(window)),
	})
}

// Reports of readers may fall into one window by the hundred.
func TestAnIntervalHasOneTrial(t *testing.T) {
	window := morning().Add(-2 * time.Hour) // first_at of a failure whose second window begins now
	for name, c := range map[string]struct {
		last time.Time // last_at of the failure
		now  time.Duration
		want lifecycle.Action
	}{
		"the last attempt was in the interval before":            {morning().Add(-30*time.Second - 1), 0, lifecycle.Trial},
		"the trial began within the tolerance before the window": {morning().Add(-30 * time.Second), time.Minute, lifecycle.Wait},
		"the trial was made a minute ago":                        {morning().Add(time.Minute), 2 * time.Minute, lifecycle.Wait},
		"another run made the trial after this run began":        {morning().Add(2 * time.Minute), time.Minute, lifecycle.Wait},
		"the trial of this window, seen from the next":           {morning().Add(time.Minute), time.Hour, lifecycle.Trial},
		"one nanosecond less than an interval ahead":             {morning().Add(time.Hour - 1), 0, lifecycle.Wait},
		"exactly an interval ahead: nothing here wrote it":       {morning().Add(time.Hour), 0, lifecycle.Trial},
		"an attempt in the far future: nothing here wrote it":    {morning().AddDate(100, 0, 0), time.Minute, lifecycle.Trial},
		"one nanosecond before the next window's tolerance":      {morning().Add(time.Hour - 30*time.Second - 1), time.Hour, lifecycle.Trial},
	} {
		t.Run(name, func(t *testing.T) {
			s := healthy(dueLongAgo, failing(lifecycle.Credentials, 3, firstAt(window), lastAt(c.last)))
			for _, version := range []int64{0, 8} {
				got := lifecycle.Decide(morning().Add(c.now), s.State, s.Observation, standard(), lifecycle.Override{RejectedVersion: version})
				if got.Action != c.want {
					t.Errorf("rejected version %d: Decide = %+v, want %s", version, got, c.want)
				}
			}
		})
	}
}

func TestAStandbyMayBeUsedInATrialOnceTheTokenIsDue(t *testing.T) {
	refused := failing(lifecycle.Credentials, 3, firstAt(morning().Add(-2*time.Hour)))
	misconfigured := failing(lifecycle.Configuration, 3, firstAt(morning().Add(-2*time.Hour)))
	dueIn := func(d time.Duration) change { return func(s *situation) { s.Token.RenewAt = morning().Add(d) } }
	force := lifecycle.Override{Force: true}
	for name, c := range map[string]struct {
		of   situation
		ov   lifecycle.Override
		want bool
	}{
		"refused, token due":                     {healthy(dueNow, refused), lifecycle.Override{}, true},
		"refused, token due in a nanosecond":     {healthy(dueIn(1), refused), lifecycle.Override{}, false},
		"refused, token due since a nanosecond":  {healthy(dueIn(-1), refused), lifecycle.Override{}, true},
		"refused, no token":                      {healthy(unpublished, refused), lifecycle.Override{}, true},
		"refused, forced, token due":             {healthy(dueNow, refused), force, true},
		"refused, forced, token fresh":           {healthy(refused), force, false},
		"configuration, token due":               {healthy(dueNow, misconfigured), lifecycle.Override{}, false},
		"configuration, forced, token due":       {healthy(dueNow, misconfigured), force, false},
		"refused twice: AfterFailure decides it": {healthy(dueNow, failing(lifecycle.Credentials, 2)), lifecycle.Override{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lifecycle.Decide(morning(), c.of.State, c.of.Observation, standard(), c.ov); got.UseStandby != c.want {
				t.Errorf("UseStandby = %t, want %t (%+v)", got.UseStandby, c.want, got)
			}
		})
	}
}

func TestAStandbyHasAPeriodAndAHalfFromRenewAt(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // since renew_at
		want  lifecycle.Action
	}{
		"one nanosecond before renew_at":               {-1, lifecycle.Wait},
		"exactly at renew_at":                          {0, lifecycle.Standby},
		"the last nanosecond":                          {7*time.Minute + 30*time.Second - 1, lifecycle.Standby},
		"exactly at its end: only with the next trial": {7*time.Minute + 30*time.Second, lifecycle.Wait},
	} {
		t.Run(name, func(t *testing.T) {
			s := healthy(failing(lifecycle.Credentials, 3, firstAt(morning().Add(-90*time.Minute))),
				func(s *situation) { s.Token.RenewAt = morning().Add(-c.after) })
			got := lifecycle.Decide(morning(), s.State, s.Observation, standard(), lifecycle.Override{})
			if got.Action != c.want || got.UseStandby != (c.want == lifecycle.Standby) {
				t.Errorf("Decide = %+v, want %s", got, c.want)
			}
		})
	}
}

// suspendedMonth counts what happens to a suspended connection with a standby. Its provider refuses AWSCURRENT in every trial.
type suspendedMonth struct {
	state            lifecycle.State
	trials, standbys int
	last             time.Time // trial
}

// TestASuspendedConnectionOverAMonth sweeps for 30 days: about one trial an hour, one standby token for each renewal, and never an expired token.
func TestASuspendedConnectionOverAMonth(t *testing.T) {
	p := standard()
	m := suspendedMonth{state: healthy(fromStandby, failing(lifecycle.Credentials, 3)).State}
	for now := m.state.Failure.FirstAt.Add(15 * time.Minute); now.Sub(issuedAt()) < 30*24*time.Hour; now = now.Add(p.Period) {
		m.sweep(t, now, p)
	}
	if m.trials < 718 || m.trials > 720 {
		t.Errorf("%d trials in 30 days, want about 719", m.trials)
	}
	if m.standbys < 30*24/15 || m.standbys > 30*24/9 {
		t.Errorf("%d standby tokens in 30 days", m.standbys)
	}
	if f := m.state.Failure; f == nil || f.Attempts != 3 || !f.FirstAt.Equal(issuedAt().Add(30*time.Minute)) {
		t.Errorf("the failure of AWSCURRENT became %+v", f)
	}
}

func (m *suspendedMonth) sweep(t *testing.T, now time.Time, p lifecycle.Policy) {
	t.Helper()
	d := lifecycle.Decide(now, m.state, lifecycle.Observation{}, p, lifecycle.Override{})
	if d.Action == lifecycle.Wait {
		if m.state.Remaining(now) <= 0 {
			t.Fatalf("%s: the token expired although there is a standby", now)
		}
		return
	}
	standby := d.Action == lifecycle.Standby
	switch d.Action {
	case lifecycle.Trial:
		m.trials++
		if gap := now.Sub(m.last); gap < 55*time.Minute {
			t.Fatalf("%s: a trial %s after the last", now, gap)
		}
		m.last = now
		m.state = lifecycle.AfterFailure(now, m.state, lifecycle.Attempted{Start: now, Current: v1}, refusal(), p)
		standby = lifecycle.StandbyAllowed(now, d, m.state)
	case lifecycle.Standby:
	default:
		t.Fatalf("%s: %+v", now, d)
	}
	if standby {
		m.standbys++
		a := lifecycle.Admit(now, m.state, d, candidate(func(c *lifecycle.Candidate) {
			c.IssuedAt, c.Stage, c.Credential, c.TokenID = now, "BACKUP", "version-b", now.Format(time.RFC3339)
		}), p)
		m.state = lifecycle.AfterSuccess(m.state, a, lifecycle.Issue{Current: v1})
	}
}
