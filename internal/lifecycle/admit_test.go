package lifecycle_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// candidate is a token of 24 h that AWSCURRENT v1 has just issued.
func candidate(changes ...func(c *lifecycle.Candidate)) lifecycle.Candidate {
	c := lifecycle.Candidate{
		Provider: "kiwify", Endpoint: "public-api.kiwify.com", TokenID: "fedcba9876543210", Size: 1200, IssuedAt: morning(), Lifetime: 24 * time.Hour,
		Scope: "stats", JTI: "jti-2", AccountClaim: "store_id", Shape: "89abcdef", Credential: v1, Stage: "AWSCURRENT", Since: morning().Add(-time.Hour),
	}
	for _, apply := range changes {
		apply(&c)
	}
	return c
}

// lives sets the lifetime of a candidate that is issued now.
func lives(d time.Duration) func(c *lifecycle.Candidate) {
	return func(c *lifecycle.Candidate) { c.Lifetime = d }
}
func sameToken(c *lifecycle.Candidate) { c.TokenID = "0123456789abcdef" }
func requires(scopes ...string) func(c *lifecycle.Candidate) {
	return func(c *lifecycle.Candidate) { c.Required = scopes }
}
func unscoped(c *lifecycle.Candidate) { c.Scope, c.ScopeUnknown = "", true }
func ofSize(n int) func(c *lifecycle.Candidate) {
	return func(c *lifecycle.Candidate) { c.Size = n }
}
func ofAccount(account string) func(c *lifecycle.Candidate) {
	return func(c *lifecycle.Candidate) { c.Account = account }
}
func ofStage(stage string) func(c *lifecycle.Candidate) {
	return func(c *lifecycle.Candidate) { c.Stage = stage }
}

func because(r lifecycle.Reason) lifecycle.Decision {
	return lifecycle.Decision{Action: lifecycle.Renew, Reason: r}
}

// admitted is an admission in a word: published, reused, or the code of a rejection.
func admitted(a lifecycle.Admission) string {
	switch {
	case a.Rejected != nil && (a.Reused || a.Token != lifecycle.Token{}):
		return "rejected with a token"
	case a.Rejected != nil:
		return a.Rejected.Code
	case a.Reused:
		return "reused"
	default:
		return "published"
	}
}

type admission struct {
	of    situation
	d     lifecycle.Decision
	token lifecycle.Candidate
	want  string
}

func checkAdmissions(t *testing.T, table map[string]admission) {
	t.Helper()
	for name, c := range table {
		t.Run(name, func(t *testing.T) {
			if got := admitted(lifecycle.Admit(morning(), c.of.State, c.d, c.token, standard())); got != c.want {
				t.Errorf("Admit = %s, want %s", got, c.want)
			}
		})
	}
}

// MinRemaining is 21 min. The boundaries lie a second apart and no less, since the state holds whole seconds.
func TestAGoodTokenIsNeverReplacedByAWorseOne(t *testing.T) {
	const least = 21 * time.Minute
	due := because(lifecycle.Due)
	displaced := lifecycle.Decision{Action: lifecycle.Renew, Reason: lifecycle.Forced, Displaced: true}
	early := func(c *lifecycle.Candidate) { c.RefreshAt = 0.3 }
	checkAdmissions(t, map[string]admission{
		"it expires later": {healthy(), due, candidate(), "published"},
		"it expires earlier but has a second more than the least":  {healthy(), due, candidate(lives(least + time.Second)), "published"},
		"it expires earlier and has exactly the least":             {healthy(), due, candidate(lives(least)), "shorter_than_published"},
		"it expires earlier and has a second less":                 {healthy(), due, candidate(lives(least - time.Second)), "shorter_than_published"},
		"the fraction of the connection does not change the least": {healthy(), due, candidate(lives(least), early), "shorter_than_published"},
		"it has less than the least but expires a second later": {healthy(endsIn(10*time.Minute - time.Second)), due, candidate(lives(10 * time.Minute)),
			"published"},
		"it has less than the least and expires at the same time": {healthy(endsIn(10 * time.Minute)), due, candidate(lives(10 * time.Minute)),
			"shorter_than_published"},
		"the published one has expired":               {healthy(endsIn(-time.Hour)), due, candidate(lives(time.Minute)), "published"},
		"nothing is published":                        {healthy(unpublished), because(lifecycle.Missing), candidate(lives(time.Minute)), "published"},
		"the parameter is gone":                       {healthy(deleted), because(lifecycle.Missing), candidate(lives(time.Minute)), "published"},
		"the parameter is gone, forced":               {healthy(deleted), displaced, candidate(lives(time.Minute)), "published"},
		"another program wrote the parameter":         {healthy(byHand), because(lifecycle.ChangedByOther), candidate(lives(time.Minute)), "published"},
		"another program wrote the parameter, forced": {healthy(byHand), displaced, candidate(lives(time.Minute)), "published"},
		"forced, and the parameter is as it was":      {healthy(), because(lifecycle.Forced), candidate(lives(time.Minute)), "shorter_than_published"},
		"a reader's API rejected the published one": {healthy(), because(lifecycle.RejectedByReader), candidate(lives(time.Minute)),
			"shorter_than_published"},
		"it was issued earlier, and has exactly the least left by now": {healthy(), due, candidate(lives(least+time.Minute), issuedBefore(time.Minute)),
			"shorter_than_published"},
	})
}

func issuedBefore(d time.Duration) func(c *lifecycle.Candidate) {
	return func(c *lifecycle.Candidate) { c.IssuedAt = morning().Add(-d) }
}

func TestATokenThatDoesNotFitItsConnection(t *testing.T) {
	due := because(lifecycle.Due)
	checkAdmissions(t, map[string]admission{
		"exactly 8,192 bytes":                    {healthy(), due, candidate(ofSize(8192)), "published"},
		"one byte more":                          {healthy(), due, candidate(ofSize(8193)), "token_too_large"},
		"one byte more, with the parameter gone": {healthy(unpublished), because(lifecycle.Missing), candidate(ofSize(8193)), "token_too_large"},
		"it lacks a scope":                       {healthy(), due, candidate(requires("stats", "products")), "missing_required_scope"},
		"it lacks a scope, forced":               {healthy(), because(lifecycle.Forced), candidate(requires("products")), "missing_required_scope"},
		"it has all scopes":                      {healthy(), due, candidate(requires("stats")), "published"},
		"nothing says which scopes it has":       {healthy(), due, candidate(requires("stats"), unscoped), "published"},
		"the same token once more, without a scope": {healthy(), due, candidate(sameToken, lives(18*time.Hour), requires("products")),
			"missing_required_scope"},
	})
	for name, c := range map[string]struct {
		token lifecycle.Candidate
		text  string
	}{
		"too large":          {candidate(ofSize(9000)), "the token has 9000 bytes, a parameter holds 8192"},
		"without a scope":    {candidate(requires("b", "stats", "a")), "the granted token lacks required scope b a"},
		"a long list is cut": {candidate(requires(strings.Repeat("x", 300))), "the granted token lacks required scope " + strings.Repeat("x", 200)},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.token.Unfit()
			if got == nil || got.Text != c.text || got.Class != lifecycle.Configuration || !got.FromProvider || got.Unrecorded {
				t.Errorf("Unfit = %+v, want %q", got, c.text)
			}
		})
	}
	if got := candidate().Unfit(); got != nil {
		t.Errorf("Unfit of a good token = %+v", got)
	}
}

func TestATokenOfAnotherAccount(t *testing.T) {
	ours := func(s *situation) { s.Token.Account = "a" }
	due, forced := because(lifecycle.Due), because(lifecycle.Forced)
	rejectedBefore := failing(lifecycle.Configuration, 1, code("account_changed"))
	for name, c := range map[string]struct {
		admission
		notices []string
	}{
		"the same account":             {admission{healthy(ours), due, candidate(ofAccount("a")), "published"}, nil},
		"the published one names none": {admission{healthy(), due, candidate(ofAccount("b")), "published"}, nil},
		"the new one names none":       {admission{healthy(ours), due, candidate(), "published"}, nil},
		"another account": {admission{healthy(ours), due, candidate(ofAccount("b")), "account_changed"},
			[]string{"account_changed was a is b"}},
		"another account, once more": {admission{healthy(ours, rejectedBefore), due, candidate(ofAccount("b")), "account_changed"}, nil},
		"another account, after an outage": {admission{healthy(ours, failing(lifecycle.Transient, 1)), due, candidate(ofAccount("b")), "account_changed"},
			[]string{"account_changed was a is b"}},
		"another account, forced": {admission{healthy(ours), forced, candidate(ofAccount("b")), "published"}, []string{"account_changed was a is b"}},
		"another account of a standby": {admission{healthy(ours), due, candidate(ofAccount("b"), ofStage("BACKUP")), "account_changed"},
			[]string{"account_changed was a is b"}},
		"of a standby, forced": {admission{healthy(ours), forced, candidate(ofAccount("b"), ofStage("BACKUP")), "account_changed"},
			[]string{"account_changed was a is b"}},
		"another account, parameter is gone": {admission{healthy(ours, deleted), because(lifecycle.Missing), candidate(ofAccount("b")), "published"}, nil},
		"another account, other program": {admission{healthy(ours, byHand), because(lifecycle.ChangedByOther), candidate(ofAccount("b")),
			"account_changed"}, []string{"account_changed was a is b"}},
		"another account, and it is too large": {admission{healthy(ours), due, candidate(ofAccount("b"), ofSize(9000)), "token_too_large"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := lifecycle.Admit(morning(), c.of.State, c.d, c.token, standard())
			if admitted(got) != c.want || !slices.Equal(words(got.Notices), c.notices) {
				t.Errorf("Admit = %s with %q, want %s with %q", admitted(got), words(got.Notices), c.want, c.notices)
			}
		})
	}
	got := lifecycle.Admit(morning(), healthy(ours).State, due, candidate(ofAccount("b")), standard()).Rejected
	want := `the new token belongs to store_id "b", the published one to "a"`
	if got.Text != want || got.Class != lifecycle.Configuration || !got.FromProvider {
		t.Errorf("cause %+v, want %s", got, want)
	}
}

func TestAWorseTokenIsTheProvidersFault(t *testing.T) {
	got := lifecycle.Admit(morning(), healthy().State, because(lifecycle.Due), candidate(lives(time.Minute)), standard()).Rejected
	want := "the new token would expire at 2026-01-02T06:01:00Z, before the published one"
	if got == nil || got.Class != lifecycle.Malformed || !got.FromProvider || !got.Temporary() || got.Text != want {
		t.Errorf("cause %+v, want %s", got, want)
	}
}

func TestTheAdmittedToken(t *testing.T) {
	brazil := time.FixedZone("BRT", -3*60*60)
	c := candidate(ofStage("BACKUP"), ofAccount("store"), func(c *lifecycle.Candidate) {
		c.Credential, c.AccountID, c.Lifetime, c.Since = "version-b", "account", 24*time.Hour+999*time.Millisecond,
			morning().Add(-time.Hour+time.Millisecond).In(brazil)
	})
	got := lifecycle.Admit(morning(), healthy().State, because(lifecycle.Due), c, standard())
	want := lifecycle.Token{
		Provider: "kiwify", Endpoint: "public-api.kiwify.com", IssuedAt: morning(), ExpiresAt: morning().Add(24 * time.Hour),
		RenewAt: standard().RenewAt("kiwify/main", morning(), c.Lifetime), Scope: "stats", JTI: "jti-2", Account: "store", AccountID: "account",
		TokenID: "fedcba9876543210", Shape: "89abcdef", Credential: "version-b", Stage: "BACKUP", Since: morning().Add(-time.Hour),
	}
	if got.Token != want || got.Reused || got.Rejected != nil {
		t.Errorf("Admit = %+v\nwant %+v", got, want)
	}
	early := candidate(func(c *lifecycle.Candidate) { c.RefreshAt = 0.3 })
	if got, want := lifecycle.Admit(morning(), healthy().State, because(lifecycle.Due), early, standard()).Token.RenewAt,
		standard().For(0.3).RenewAt("kiwify/main", morning(), 24*time.Hour); !got.Equal(want) {
		t.Errorf("with another fraction it is renewed at %s, want %s", got, want)
	}
}

func TestALifetimeOfLessThanASecondIsOneSecond(t *testing.T) {
	for name, c := range map[string]struct{ lifetime, want time.Duration }{
		"one nanosecond":                      {1, time.Second},
		"one nanosecond to the second":        {time.Second - 1, time.Second},
		"exactly a second":                    {time.Second, time.Second},
		"one nanosecond to the second second": {2*time.Second - 1, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			got := lifecycle.Admit(morning(), healthy(unpublished).State, because(lifecycle.Missing), candidate(lives(c.lifetime)), standard())
			if got.Token.Lifetime() != c.want {
				t.Errorf("lifetime %s, want %s", got.Token.Lifetime(), c.want)
			}
		})
	}
}

func TestAdmitChangesNoState(t *testing.T) {
	s := healthy(failing(lifecycle.Credentials, 3), func(s *situation) { s.Told = map[string]string{"scope_unverified": "another"} })
	before := s.Clone()
	lifecycle.Admit(morning(), s.State, because(lifecycle.Due), candidate(requires("x"), unscoped), standard())
	if !reflect.DeepEqual(s.State, before) {
		t.Errorf("the state became %+v, was %+v", s.State, before)
	}
}
