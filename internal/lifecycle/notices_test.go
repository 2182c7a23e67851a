package lifecycle_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// words are notices, each in a line.
func words(notices []lifecycle.Notice) []string {
	var list []string
	for _, n := range notices {
		list = append(list, strings.Join(append([]string{n.Name}, n.Details...), " "))
	}
	return list
}

// known is a published token that says the same of itself as the candidate.
func known(s *situation) { s.Token.Scope, s.Token.Shape = "stats", "89abcdef" }

func TestNoticesCompareATokenWithTheOneBefore(t *testing.T) {
	scope := func(scope string) func(c *lifecycle.Candidate) {
		return func(c *lifecycle.Candidate) { c.Scope = scope }
	}
	shape := func(shape, fields string) func(c *lifecycle.Candidate) {
		return func(c *lifecycle.Candidate) { c.Shape, c.Fields = shape, fields }
	}
	unknown := func(s *situation) { s.Token.Scope, s.Token.Shape = "", "" }
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		of    situation
		token lifecycle.Candidate
		want  []string
	}{
		"nothing changed":             {healthy(known), candidate(), nil},
		"other scopes":                {healthy(known), candidate(scope("stats sales")), []string{"scope_changed +sales"}},
		"scopes in another order":     {healthy(known, func(s *situation) { s.Token.Scope = "a b" }), candidate(scope("b a")), nil},
		"a scope was lost":            {healthy(known), candidate(scope("sales")), []string{"scope_changed +sales -stats"}},
		"the scope before is unknown": {healthy(unknown), candidate(), nil},
		"another shape":               {healthy(known), candidate(shape("00000000", "")), []string{"shape_changed"}},
		"another shape, with its fields": {healthy(known), candidate(shape("00000000", "access_token expires_in")),
			[]string{"shape_changed fields now: access_token expires_in"}},
		"a minute less of lifetime": {healthy(known), candidate(lives(day - time.Minute)), nil},
		"a minute more of lifetime": {healthy(known), candidate(lives(day + time.Minute)), nil},
		"more than a minute less": {healthy(known), candidate(lives(day - time.Minute - time.Second)),
			[]string{"lifetime_changed was 24h0m0s is 23h58m59s"}},
		"more than a minute more": {healthy(known), candidate(lives(day + time.Minute + time.Second)), []string{"lifetime_changed was 24h0m0s is 24h1m1s"}},
		"nothing was published":   {healthy(unpublished), candidate(scope("x"), shape("0", "f")), nil},
		"the parameter was gone":  {healthy(known, deleted), candidate(scope("x")), nil},
		"everything at once, in this order": {healthy(known), candidate(scope("x"), shape("0", ""), lives(day-time.Hour)),
			[]string{"scope_changed +x -stats", "shape_changed", "lifetime_changed was 24h0m0s is 23h0m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			reason := lifecycle.Due
			if c.of.Parameter.Version == 0 {
				reason = lifecycle.Missing
			}
			got := lifecycle.Admit(morning(), c.of.State, because(reason), c.token, standard())
			if !slices.Equal(words(got.Notices), c.want) {
				t.Errorf("notices %q, want %q", words(got.Notices), c.want)
			}
		})
	}
}

// What lasts is told once for each version of the client credentials: State.Told says what was told, and of which version.
func TestNoticesThatAreToldOnce(t *testing.T) {
	const day = 24 * time.Hour
	told := func(name, key string) change { return func(s *situation) { s.Told = map[string]string{name: key} } }
	unverified := candidate(requires("x"), unscoped)
	short := candidate(lives(42*time.Minute - time.Second))
	aged := func(d time.Duration) lifecycle.Candidate {
		return candidate(func(c *lifecycle.Candidate) { c.Since = morning().Add(-d) })
	}
	shortBefore := func(s *situation) { s.Token.ExpiresAt = issuedAt().Add(42 * time.Minute) }
	for name, c := range map[string]struct {
		of    situation
		token lifecycle.Candidate
		want  []string
		told  map[string]string
	}{
		"required scopes that nothing confirms": {healthy(), unverified, []string{"scope_unverified"}, map[string]string{"scope_unverified": v1}},
		"told of this version":                  {healthy(told("scope_unverified", v1)), unverified, nil, map[string]string{"scope_unverified": v1}},
		"told of another version": {healthy(told("scope_unverified", v2)), unverified, []string{"scope_unverified"},
			map[string]string{"scope_unverified": v1}},
		"no scope is required": {healthy(), candidate(unscoped), nil, nil},
		"the scope is known":   {healthy(), candidate(requires("stats")), nil, nil},
		"the lifetime is too short": {healthy(shortBefore), short, []string{"lifetime_too_short_for_schedule lifetime 41m59s"},
			map[string]string{"lifetime_too_short_for_schedule": v1}},
		"a short lifetime was told": {healthy(shortBefore, told("lifetime_too_short_for_schedule", v1)), short, nil,
			map[string]string{"lifetime_too_short_for_schedule": v1}},
		"exactly twice the least is enough": {healthy(shortBefore), candidate(lives(42 * time.Minute)), nil, nil},
		"exactly 150 days old":              {healthy(), aged(150 * day), nil, nil},
		"a second more": {healthy(), aged(150*day + time.Second), []string{"credential_old since 2025-08-05T05:59:59Z"},
			map[string]string{"credential_old": v1 + "/1"}},
		"old, and told this month": {healthy(told("credential_old", v1+"/1")), aged(180*day - 1), nil, map[string]string{"credential_old": v1 + "/1"}},
		"old for another month": {healthy(told("credential_old", v1+"/1")), aged(180 * day), []string{"credential_old since 2025-07-06T06:00:00Z"},
			map[string]string{"credential_old": v1 + "/2"}},
		"old, and told of another version": {healthy(told("credential_old", v2+"/1")), aged(151 * day),
			[]string{"credential_old since 2025-08-04T06:00:00Z"}, map[string]string{"credential_old": v1 + "/1"}},
		"of unknown age": {healthy(), candidate(func(c *lifecycle.Candidate) { c.Since = time.Time{} }), nil, nil},
		"what was told of other things is kept": {healthy(told("credential_old", v1+"/1")), unverified, []string{"scope_unverified"},
			map[string]string{"credential_old": v1 + "/1", "scope_unverified": v1}},
		"told, and nothing is wrong any more": {healthy(told("scope_unverified", v1)), candidate(), nil, map[string]string{"scope_unverified": v1}},
	} {
		t.Run(name, func(t *testing.T) {
			known(&c.of)
			got := lifecycle.Admit(morning(), c.of.State, because(lifecycle.Due), c.token, standard())
			notices := slices.DeleteFunc(words(got.Notices), func(n string) bool { return !once(n) })
			if !slices.Equal(notices, c.want) || !maps.Equal(got.Told, c.told) {
				t.Errorf("notices %q, told %v; want %q, %v", notices, got.Told, c.want, c.told)
			}
		})
	}
}

// once reports whether a notice is one of those that are told once.
func once(notice string) bool {
	name, _, _ := strings.Cut(notice, " ")
	return name == lifecycle.NoticeScopeUnverified || name == lifecycle.NoticeLifetimeTooShort || name == lifecycle.NoticeCredentialOld
}
