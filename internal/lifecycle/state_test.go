package lifecycle_test

import (
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// full is a state in which every field is set.
func full() lifecycle.State {
	s := healthy(failing(lifecycle.Credentials, 3, func(f *lifecycle.Failure) { f.RejectedStandbys = []string{"b"} })).State
	s.Paused, s.ChangedAt, s.Notice, s.DeleteAt = true, issuedAt(), "credentials/code/suspended", expiry()
	s.Lease, s.Told = &lifecycle.Lease{Owner: "run", Since: morning(), Until: morning().Add(time.Minute)}, map[string]string{"scope_unverified": v1}
	return s
}

func TestACloneIsEqualAndSharesNothing(t *testing.T) {
	s, want := full(), full()
	clone := s.Clone()
	if !reflect.DeepEqual(clone, want) {
		t.Fatalf("Clone = %+v, want %+v", clone, want)
	}
	clone.Token.Scope, clone.Failure.Code, clone.Failure.RejectedStandbys[0], clone.Lease.Owner = "changed", "changed", "changed", "changed"
	clone.Told["scope_unverified"] = "changed"
	if !reflect.DeepEqual(s, want) {
		t.Errorf("a change of the clone changed the state: %+v", s)
	}
	if empty := (lifecycle.State{ID: "a"}).Clone(); !reflect.DeepEqual(empty, lifecycle.State{ID: "a"}) {
		t.Errorf("Clone of an empty state = %+v", empty)
	}
}

func TestLeased(t *testing.T) {
	until := morning().Add(time.Minute)
	for name, c := range map[string]struct {
		lease *lifecycle.Lease
		now   time.Time
		want  bool
	}{
		"no lease":                      {nil, morning(), false},
		"one nanosecond before its end": {&lifecycle.Lease{Until: until}, until.Add(-1), true},
		"exactly at its end":            {&lifecycle.Lease{Until: until}, until, false},
		"one nanosecond after its end":  {&lifecycle.Lease{Until: until}, until.Add(1), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (lifecycle.State{Lease: c.lease}).Leased(c.now); got != c.want {
				t.Errorf("Leased = %t, want %t", got, c.want)
			}
		})
	}
}

func TestTheStateAfterASuccess(t *testing.T) {
	token := lifecycle.Token{TokenID: "new", Stage: "AWSCURRENT", Credential: v2, Version: 9, IssuedAt: morning(), ExpiresAt: morning().Add(time.Hour)}
	a := lifecycle.Admission{Token: token, Told: map[string]string{"credential_old": v2 + "/1"}}
	i := lifecycle.Issue{Current: v2, ChangedAt: morning().Add(-time.Minute), Configuration: "fedcba9876543210"}
	before := full()
	got := lifecycle.AfterSuccess(before, a, i)
	want := full()
	want.Token, want.Told, want.Current, want.ChangedAt, want.Configuration = &token, a.Told, v2, i.ChangedAt, i.Configuration
	want.Failure, want.DeleteAt = nil, time.Time{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("AfterSuccess = %+v\nwant %+v", got, want)
	}
	if !reflect.DeepEqual(before, full()) {
		t.Errorf("the state before became %+v", before)
	}
	i.ChangedAt = time.Time{}
	if got := lifecycle.AfterSuccess(full(), a, i); !got.ChangedAt.Equal(issuedAt()) {
		t.Errorf("a secret that was not looked at changed at %s, want %s", got.ChangedAt, issuedAt())
	}
	for _, stage := range []string{"BACKUP", "AWSPREVIOUS", "AWSPENDING"} {
		a.Token.Stage = stage
		if got := lifecycle.AfterSuccess(full(), a, i); !reflect.DeepEqual(got.Failure, full().Failure) || got.Notice != full().Notice {
			t.Errorf("after a token of %s the failure is %+v, notice %q", stage, got.Failure, got.Notice)
		}
	}
}

// Notice says for what the parameter refresh_failure was written. Where the state wants another one, the parameter is written or deleted.
func TestTheNoticeOfAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		of   situation
		want string
	}{
		"no failure":               {healthy(), ""},
		"a passing one":            {healthy(failing(lifecycle.Transient, 9)), "transient/code"},
		"two refusals":             {healthy(failing(lifecycle.Credentials, 2)), "credentials/code"},
		"three refusals":           {healthy(failing(lifecycle.Credentials, 3)), "credentials/code/suspended"},
		"a configuration failure":  {healthy(failing(lifecycle.Configuration, 1)), "configuration/code/suspended"},
		"a failure without a code": {healthy(failing(lifecycle.Malformed, 1, code(""))), "malformed/"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.of.WantedNotice(); got != c.want {
				t.Errorf("WantedNotice = %q, want %q", got, c.want)
			}
		})
	}
}

func TestAfterAFailureItsParameterIsDeleted(t *testing.T) {
	noticed := func(notice string) change { return func(s *situation) { s.Notice = notice } }
	for name, c := range map[string]struct {
		of    situation
		stale bool // the parameter may exist
	}{
		"it was written":                         {healthy(failing(lifecycle.Transient, 1), noticed("transient/code")), true},
		"nothing says that it was written":       {healthy(failing(lifecycle.Transient, 1)), true},
		"no failure, and it does not exist":      {healthy(), false},
		"no failure, and it was not deleted yet": {healthy(noticed("transient/code")), true},
	} {
		t.Run(name, func(t *testing.T) {
			got := lifecycle.WithoutFailure(c.of.State)
			if got.Failure != nil || (got.Notice != got.WantedNotice()) != c.stale {
				t.Errorf("failure %+v, notice %q, wanted %q; want a difference: %t", got.Failure, got.Notice, got.WantedNotice(), c.stale)
			}
			if c.of.Notice != "" && got.Notice != c.of.Notice {
				t.Errorf("notice %q, want %q as before", got.Notice, c.of.Notice)
			}
		})
	}
}

func TestWhatAStateSaysOfItsToken(t *testing.T) {
	for name, c := range map[string]struct{ got, want time.Duration }{
		"remaining":                     {healthy().Remaining(expiry().Add(-time.Hour)), time.Hour},
		"remaining of an expired token": {healthy().Remaining(expiry().Add(time.Hour)), -time.Hour},
		"remaining without a token":     {healthy(unpublished).Remaining(morning()), 0},
		"lifetime":                      {healthy().Lifetime(), 24 * time.Hour},
		"lifetime without a token":      {healthy(unpublished).Lifetime(), 0},
	} {
		t.Run(name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %s, want %s", c.got, c.want)
			}
		})
	}
}

func TestOverdueAndFailingFor(t *testing.T) {
	failed := healthy(failing(lifecycle.Transient, 1, firstAt(morning())))
	const period, day = 5 * time.Minute, 24 * time.Hour
	for name, c := range map[string]struct{ got, want bool }{
		"exactly two periods after renew_at":        {healthy().Overdue(renewAt().Add(2*period), period), false},
		"one nanosecond more":                       {healthy().Overdue(renewAt().Add(2*period+1), period), true},
		"before renew_at":                           {healthy().Overdue(morning(), period), false},
		"overdue without a token":                   {healthy(unpublished).Overdue(expiry(), period), false},
		"failing for exactly a day":                 {failed.FailingFor(morning().Add(day), day), false},
		"failing for a day and a nanosecond":        {failed.FailingFor(morning().Add(day+1), day), true},
		"failing for a day less a nanosecond":       {failed.FailingFor(morning().Add(day-1), day), false},
		"failing for any time, though it never did": {healthy().FailingFor(expiry(), -day), false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %t, want %t", c.got, c.want)
			}
		})
	}
}

func TestACauseIsAnError(t *testing.T) {
	behind := errors.New("behind")
	var err error = &lifecycle.Cause{Class: lifecycle.Transient, Text: "what happened", Err: behind}
	if err.Error() != "what happened" || !errors.Is(err, behind) {
		t.Errorf("error %q, which wraps %v", err, errors.Unwrap(err))
	}
	want := map[lifecycle.Class]bool{lifecycle.Transient: true, lifecycle.Malformed: true, lifecycle.Credentials: false, lifecycle.Configuration: false,
		lifecycle.Canceled: false}
	got := map[lifecycle.Class]bool{}
	for class := range want {
		got[class] = (&lifecycle.Cause{Class: class}).Temporary()
	}
	if !maps.Equal(got, want) {
		t.Errorf("temporary: %v, want %v", got, want)
	}
}

func TestActionsThatRequestAToken(t *testing.T) {
	for action, want := range map[lifecycle.Action]bool{
		lifecycle.Renew: true, lifecycle.Trial: true, lifecycle.Standby: true, lifecycle.Keep: false, lifecycle.Pause: false, lifecycle.Wait: false,
		lifecycle.Conflict: false, lifecycle.Gone: false, lifecycle.Newer: false,
	} {
		if got := action.Attempts(); got != want {
			t.Errorf("%s: Attempts = %t, want %t", action, got, want)
		}
	}
}
