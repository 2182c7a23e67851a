package lifecycle_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

func down() *lifecycle.Cause {
	return &lifecycle.Cause{Class: lifecycle.Transient, Code: "server_error", HTTPStatus: 503, FromProvider: true}
}
func refusal() *lifecycle.Cause {
	return &lifecycle.Cause{Class: lifecycle.Credentials, Code: "invalid_client", HTTPStatus: 401, FromProvider: true}
}
func invalidScope() *lifecycle.Cause {
	return &lifecycle.Cause{Class: lifecycle.Configuration, Code: "invalid_scope", HTTPStatus: 400, FromProvider: true}
}
func malformed() *lifecycle.Cause {
	return &lifecycle.Cause{Class: lifecycle.Malformed, Code: "missing_access_token", HTTPStatus: 200, FromProvider: true}
}
func wanting(wait time.Duration, c *lifecycle.Cause) *lifecycle.Cause {
	c.RetryAfter = wait
	return c
}

// attempted is an attempt of the run that starts in the morning.
func attempted(standbys ...string) lifecycle.Attempted {
	return lifecycle.Attempted{Start: morning(), Current: v1, Provider: "kiwify", Endpoint: "public-api.kiwify.com", Standbys: standbys}
}

// since70 is when the failures of began begin: 70 min before the morning.
func since70() time.Time { return morning().Add(-70 * time.Minute) }

// began is a failure that began 70 min before the morning.
func began(class lifecycle.Class, attempts int, changes ...func(f *lifecycle.Failure)) situation {
	changes = append([]func(f *lifecycle.Failure){code("before"), firstAt(since70()), lastAt(since70())}, changes...)
	return healthy(failing(class, attempts, changes...))
}

// follows is one row of a table of failures.
type follows struct {
	of       situation
	cause    *lifecycle.Cause
	class    lifecycle.Class
	code     string
	attempts int
	first    time.Time
	next     time.Duration // after the morning
	retry    time.Duration // after the morning; 0: none
}

func checkFailures(t *testing.T, table map[string]follows) {
	t.Helper()
	now := morning()
	for name, c := range table {
		t.Run(name, func(t *testing.T) {
			before := c.of.Clone()
			next := lifecycle.AfterFailure(now, c.of.State, attempted(), c.cause, standard())
			var retry time.Time
			if c.retry != 0 {
				retry = now.Add(c.retry)
			}
			f := next.Failure
			if f.Class != c.class || f.Code != c.code || f.Attempts != c.attempts || !f.FirstAt.Equal(c.first) || f.Current != v1 {
				t.Errorf("%+v\nwant %s/%s, attempt %d since %s", f, c.class, c.code, c.attempts, c.first)
			}
			if !f.NextAt.Equal(now.Add(c.next)) || !f.RetryAt.Equal(retry) || !f.LastAt.Equal(now) {
				t.Errorf("next %s, retry %s, last %s; want %s, %s, %s", f.NextAt, f.RetryAt, f.LastAt, now.Add(c.next), retry, now)
			}
			if !reflect.DeepEqual(c.of.State, before) {
				t.Errorf("the state before was changed")
			}
			next.Failure, before.Failure = nil, nil
			if !reflect.DeepEqual(next, before) {
				t.Errorf("more than the failure was changed: %+v, was %+v", next, before)
			}
		})
	}
}

func TestTheFailureThatFollows(t *testing.T) {
	const minute = time.Minute
	now, first := morning(), since70()
	ahead := func(d time.Duration) func(f *lifecycle.Failure) { return firstAt(now.Add(d)) }
	tr, cr, ma := lifecycle.Transient, lifecycle.Credentials, lifecycle.Malformed
	checkFailures(t, map[string]follows{
		"the first":                       {healthy(), down(), tr, "server_error", 1, now, 5 * minute, 0},
		"the second of its class":         {began(tr, 1), down(), tr, "server_error", 2, first, 10 * minute, 0},
		"the third":                       {began(tr, 2), down(), tr, "server_error", 3, first, 20 * minute, 0},
		"the tenth":                       {began(tr, 9), down(), tr, "server_error", 10, first, 30 * minute, 0},
		"a malformed response again":      {began(ma, 1), malformed(), ma, "missing_access_token", 2, first, 10 * minute, 0},
		"another class begins anew":       {began(tr, 9), refusal(), cr, "invalid_client", 1, now, 5 * minute, 0},
		"another version begins anew":     {began(cr, 3, about(v2)), refusal(), cr, "invalid_client", 1, now, 5 * minute, 0},
		"a suspension of another version": {began(cr, 3, about(v2)), down(), tr, "server_error", 1, now, 5 * minute, 0},
		"a minute from the future counts": {began(cr, 1, ahead(minute)), refusal(), cr, "invalid_client", 2, now.Add(minute), 10 * minute, 0},
		"one nanosecond more begins anew": {began(cr, 3, ahead(minute+1)), refusal(), cr, "invalid_client", 1, now, 5 * minute, 0},
		"the second refusal":              {began(cr, 1), refusal(), cr, "invalid_client", 2, first, 10 * minute, 0},
		"two refusals, then an outage":    {began(cr, 2), down(), tr, "server_error", 1, now, 5 * minute, 0},
		"a short Retry-After":             {healthy(), wanting(minute, down()), tr, "server_error", 1, now, 5 * minute, minute},
		"a long Retry-After":              {healthy(), wanting(60*minute, down()), tr, "server_error", 1, now, 60 * minute, 60 * minute},
		"a Retry-After rounds up": {healthy(), wanting(6*minute+1, down()), tr, "server_error", 1, now, 6*minute + time.Second,
			6*minute + time.Second},
		"16 min left":              {healthy(endsIn(16 * minute)), down(), tr, "server_error", 1, now, 2 * minute, 0},
		"16 min and a second left": {healthy(endsIn(16*minute + time.Second)), down(), tr, "server_error", 1, now, 2 * minute, 0},
		"the token has expired":    {healthy(endsIn(-minute)), down(), tr, "server_error", 1, now, 5 * minute, 0},
		"without a token":          {healthy(unpublished), down(), tr, "server_error", 1, now, 5 * minute, 0},
	})
}

// A suspended connection has its next trial at first_at + 2 h, 50 min after the morning.
func TestTheFailureThatSuspends(t *testing.T) {
	const minute = time.Minute
	now, first := morning(), since70()
	cr, co := lifecycle.Credentials, lifecycle.Configuration
	checkFailures(t, map[string]follows{
		"configuration suspends at once":            {healthy(), invalidScope(), co, "invalid_scope", 1, now, 60 * minute, 0},
		"the third refusal suspends":                {began(cr, 2), refusal(), cr, "invalid_client", 3, first, 50 * minute, 0},
		"a further refusal is not counted":          {began(cr, 3), refusal(), cr, "invalid_client", 3, first, 50 * minute, 0},
		"a further configuration failure":           {began(co, 1), invalidScope(), co, "invalid_scope", 1, first, 50 * minute, 0},
		"a further refusal with a Retry-After":      {began(cr, 3), wanting(minute, refusal()), cr, "invalid_client", 3, first, 50 * minute, minute},
		"an outage keeps the suspension":            {began(cr, 3), down(), cr, "before", 3, first, 50 * minute, 0},
		"a malformed response keeps the suspension": {began(co, 1), malformed(), co, "before", 1, first, 50 * minute, 0},
		"a Retry-After keeps the suspension":        {began(co, 1), wanting(55*minute, down()), co, "before", 1, first, 55 * minute, 55 * minute},
		"a Retry-After that is over goes":           {began(cr, 3, retryAt(now)), down(), cr, "before", 3, first, 50 * minute, 0},
		"suspended for another class":               {began(cr, 3), invalidScope(), co, "invalid_scope", 1, now, 60 * minute, 0},
		"refused after a configuration failure":     {began(co, 1), refusal(), cr, "invalid_client", 1, now, 5 * minute, 0},
	})
}

func TestWhatAFailureRecords(t *testing.T) {
	brazil := time.FixedZone("BRT", -3*60*60)
	at := attempted()
	at.Start = morning().Add(999 * time.Millisecond).In(brazil)
	got := lifecycle.AfterFailure(morning().Add(2500*time.Millisecond).In(brazil), healthy().State, at, refusal(), standard()).Failure
	want := &lifecycle.Failure{Class: lifecycle.Credentials, Code: "invalid_client", Provider: "kiwify", Endpoint: "public-api.kiwify.com",
		HTTPStatus: 401,
		Attempts:   1, FirstAt: morning(), LastAt: morning().Add(2 * time.Second), NextAt: morning().Add(5 * time.Minute), Current: v1}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("failure %+v\nwant    %+v", got, want)
	}
	kept := lifecycle.AfterFailure(morning().Add(2500*time.Millisecond), began(lifecycle.Credentials, 3).State, attempted(), down(), standard()).Failure
	if kept.HTTPStatus != 0 || kept.Provider != "" || !kept.LastAt.Equal(morning().Add(2*time.Second)) {
		t.Errorf("an outage changed the failure that suspends: %+v", kept)
	}
}

func TestTheNextTrialDependsOnTheLifetime(t *testing.T) {
	for name, c := range map[string]struct {
		of    situation
		known time.Duration // lifetime of the provider's tokens
		want  time.Duration
	}{
		"of the published token, 24 h": {healthy(), time.Hour, time.Hour},
		"of the published token, 4 h": {healthy(func(s *situation) { s.Token.ExpiresAt = issuedAt().Add(4 * time.Hour) }), 24 * time.Hour,
			30 * time.Minute},
		"of the provider, without a token": {healthy(unpublished), 2 * time.Hour, 15 * time.Minute},
		"unknown, without a token":         {healthy(unpublished), 0, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			at := attempted()
			at.Lifetime = c.known
			got := lifecycle.AfterFailure(morning(), c.of.State, at, invalidScope(), standard()).Failure.NextAt
			if want := morning().Add(c.want); !got.Equal(want) {
				t.Errorf("next trial %s, want %s", got, want)
			}
		})
	}
}

func TestRejectedStandbysAreRememberedDuringOneFailure(t *testing.T) {
	had := func(ids ...string) func(f *lifecycle.Failure) {
		return func(f *lifecycle.Failure) { f.RejectedStandbys = ids }
	}
	for name, c := range map[string]struct {
		of   situation
		new  []string
		with *lifecycle.Cause
		want []string
	}{
		"none":                           {began(lifecycle.Credentials, 3), nil, refusal(), nil},
		"the first":                      {began(lifecycle.Credentials, 3), []string{"b"}, refusal(), []string{"b"}},
		"of the first failure":           {healthy(), []string{"b", "p"}, refusal(), []string{"b", "p"}},
		"one more":                       {began(lifecycle.Credentials, 3, had("b")), []string{"p"}, refusal(), []string{"b", "p"}},
		"the same again":                 {began(lifecycle.Credentials, 3, had("b")), []string{"b"}, refusal(), []string{"b"}},
		"kept by a trial without one":    {began(lifecycle.Credentials, 3, had("b")), nil, refusal(), []string{"b"}},
		"kept by an outage":              {began(lifecycle.Credentials, 3, had("b")), nil, down(), []string{"b"}},
		"kept by another class":          {began(lifecycle.Credentials, 3, had("b")), nil, invalidScope(), []string{"b"}},
		"forgotten with another version": {began(lifecycle.Credentials, 3, had("b"), about(v2)), []string{"p"}, refusal(), []string{"p"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.of.Clone()
			got := lifecycle.AfterFailure(morning(), c.of.State, attempted(c.new...), c.with, standard()).Failure.RejectedStandbys
			if !slices.Equal(got, c.want) {
				t.Errorf("rejected standbys %q, want %q", got, c.want)
			}
			if len(got) > 0 {
				got[0] = "changed"
			}
			if !reflect.DeepEqual(c.of.State, before) {
				t.Error("the states share the list")
			}
		})
	}
}

func TestAWaitEndsInWholeSecondsAndNeverTooEarly(t *testing.T) {
	brazil := time.FixedZone("BRT", -3*60*60)
	for name, c := range map[string]struct{ after, wait, want time.Duration }{
		"whole seconds":                         {0, time.Minute, time.Minute},
		"one nanosecond over a second":          {0, time.Minute + 1, time.Minute + time.Second},
		"now is one nanosecond over a second":   {1, time.Minute, time.Minute + time.Second},
		"together they are a whole second":      {1, time.Minute - 1, time.Minute},
		"now is one nanosecond before a second": {-1, time.Minute, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			got := lifecycle.EndOf(c.wait, morning().Add(c.after).In(brazil))
			if want := morning().Add(c.want); !got.Equal(want) || got.Location() != time.UTC {
				t.Errorf("EndOf = %s, want %s", got, want)
			}
		})
	}
}

func TestStandbyAllowed(t *testing.T) {
	use := lifecycle.Decision{Action: lifecycle.Trial, UseStandby: true}
	dueIn := func(s situation, d time.Duration) situation { s.Token.RenewAt = morning().Add(d); return s }
	for name, c := range map[string]struct {
		of    situation
		d     lifecycle.Decision
		cause *lifecycle.Cause
		want  bool
	}{
		"the third refusal, token due":                    {dueIn(began(lifecycle.Credentials, 2), 0), lifecycle.Decision{}, refusal(), true},
		"the third refusal, token due in a nanosecond":    {dueIn(began(lifecycle.Credentials, 2), 1), lifecycle.Decision{}, refusal(), false},
		"the third refusal, token due since a nanosecond": {dueIn(began(lifecycle.Credentials, 2), -1), lifecycle.Decision{}, refusal(), true},
		"the second refusal, token due":                   {dueIn(began(lifecycle.Credentials, 1), 0), lifecycle.Decision{}, refusal(), false},
		"refused in a trial that allows it":               {dueIn(began(lifecycle.Credentials, 3), 0), use, refusal(), true},
		"an outage, token due":                            {dueIn(began(lifecycle.Transient, 9), 0), lifecycle.Decision{}, down(), false},
		"configuration, token due":                        {dueIn(healthy(), 0), lifecycle.Decision{}, invalidScope(), false},
		"configuration in a trial that allows it":         {dueIn(began(lifecycle.Credentials, 3), 0), use, invalidScope(), false},
	} {
		t.Run(name, func(t *testing.T) {
			failed := lifecycle.AfterFailure(morning(), c.of.State, attempted(), c.cause, standard())
			if got := lifecycle.StandbyAllowed(morning(), c.d, failed); got != c.want {
				t.Errorf("StandbyAllowed = %t, want %t", got, c.want)
			}
		})
	}
	failed := lifecycle.AfterFailure(morning(), healthy(unpublished, failing(lifecycle.Credentials, 2)).State, attempted(), refusal(), standard())
	if !lifecycle.StandbyAllowed(morning(), lifecycle.Decision{}, failed) {
		t.Error("no standby for a connection without a token")
	}
}
