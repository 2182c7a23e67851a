package lifecycle_test

import (
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// The situation of these tests: a token of 24 h in version 8 of its parameter, issued by AWSCURRENT v1 and due after 12 h. It is 6 h old.
const (
	v1 = "version-1"
	v2 = "version-2"
)

func issuedAt() time.Time { return time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC) }
func renewAt() time.Time  { return issuedAt().Add(12 * time.Hour) }
func expiry() time.Time   { return issuedAt().Add(24 * time.Hour) }
func morning() time.Time  { return issuedAt().Add(6 * time.Hour) }

// standard is the policy of an installation that changed nothing.
func standard() lifecycle.Policy {
	return lifecycle.Policy{Period: 5 * time.Minute, ReaderCache: 5 * time.Minute, RefreshAt: lifecycle.DefaultRefreshAt}
}

// situation is a state with what was observed of it.
type situation struct {
	lifecycle.State
	lifecycle.Observation
}

type change func(s *situation)

// healthy is a connection with a fresh token, seen completely.
func healthy(changes ...change) situation {
	s := situation{
		lifecycle.State{ID: "kiwify/main", Revision: 3, Current: v1, Configuration: "0123456789abcdef", Token: &lifecycle.Token{
			Provider: "kiwify", Endpoint: "public-api.kiwify.com", IssuedAt: issuedAt(), ExpiresAt: expiry(), RenewAt: renewAt(),
			TokenID: "0123456789abcdef", Credential: v1, Stage: "AWSCURRENT", Version: 8,
		}},
		lifecycle.Observation{
			Secret:    &lifecycle.Secret{Current: v1},
			Parameter: &lifecycle.Parameter{Version: 8, Type: "SecureString", Modified: issuedAt().Add(time.Second)},
		},
	}
	for _, apply := range changes {
		apply(&s)
	}
	return s
}

// failing adds a failure of AWSCURRENT v1 that began half an hour after the token was issued.
func failing(class lifecycle.Class, attempts int, changes ...func(f *lifecycle.Failure)) change {
	return func(s *situation) {
		first := issuedAt().Add(30 * time.Minute)
		s.Failure = &lifecycle.Failure{Class: class, Code: "code", Attempts: attempts, Current: v1,
			FirstAt: first, LastAt: first.Add(15 * time.Minute), NextAt: first.Add(45 * time.Minute)}
		for _, apply := range changes {
			apply(s.Failure)
		}
	}
}

func nextAt(at time.Time) func(f *lifecycle.Failure) {
	return func(f *lifecycle.Failure) { f.NextAt = at }
}
func retryAt(at time.Time) func(f *lifecycle.Failure) {
	return func(f *lifecycle.Failure) { f.RetryAt = at }
}
func firstAt(at time.Time) func(f *lifecycle.Failure) {
	return func(f *lifecycle.Failure) { f.FirstAt = at }
}
func lastAt(at time.Time) func(f *lifecycle.Failure) {
	return func(f *lifecycle.Failure) { f.LastAt = at }
}
func code(code string) func(f *lifecycle.Failure) {
	return func(f *lifecycle.Failure) { f.Code = code }
}
func about(version string) func(f *lifecycle.Failure) {
	return func(f *lifecycle.Failure) { f.Current = version }
}

func unpublished(s *situation) {
	s.Token, s.Current, s.Parameter = nil, "", &lifecycle.Parameter{}
}
func deleted(s *situation)      { s.Parameter = &lifecycle.Parameter{} }
func withoutState(s *situation) { s.Token, s.Current = nil, "" }
func byHand(s *situation)       { s.Parameter.Version = 9 }
func ofType(kind string) change { return func(s *situation) { s.Parameter.Type = kind } }
func noSecretSeen(s *situation) { s.Secret = nil }
func noParameterSeen(s *situation) {
	s.Parameter = nil
}
func paused(s *situation)      { s.Secret.Paused = true }
func changed(s *situation)     { s.Secret.Current = v2 }
func fromStandby(s *situation) { s.Token.Stage, s.Token.Credential = "BACKUP", "version-b" }
func dueNow(s *situation)      { s.Token.RenewAt = morning() }
func dueLongAgo(s *situation)  { s.Token.RenewAt = morning().Add(-3 * time.Hour) }
func endsIn(d time.Duration) change {
	return func(s *situation) { s.Token.ExpiresAt, s.Token.RenewAt = morning().Add(d), morning().Add(-time.Hour) }
}

// decision is one row of a table of decisions.
type decision struct {
	now    time.Time // zero: morning
	of     situation
	ov     lifecycle.Override
	action lifecycle.Action
	reason lifecycle.Reason
	text   string // "": the reason itself
	until  time.Time
}

func checkDecisions(t *testing.T, table map[string]decision) {
	t.Helper()
	for name, c := range table {
		t.Run(name, func(t *testing.T) {
			if c.now.IsZero() {
				c.now = morning()
			}
			if c.text == "" {
				c.text = string(c.reason)
			}
			got := lifecycle.Decide(c.now, c.of.State, c.of.Observation, standard(), c.ov)
			if got.Action != c.action || got.Reason != c.reason || got.Text != c.text || !got.NotBefore.Equal(c.until) {
				t.Errorf("Decide =\n%s, %s, %q, %s\nwant\n%s, %s, %q, %s",
					got.Action, got.Reason, got.Text, got.NotBefore, c.action, c.reason, c.text, c.until)
			}
		})
	}
}
