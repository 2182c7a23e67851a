package lifecycle_test

import (
	"slices"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// The published token expires in 18 h.
func TestTheSameTokenOnceMore(t *testing.T) {
	const left = 18 * time.Hour
	due := because(lifecycle.Due)
	again := func(d time.Duration) lifecycle.Candidate { return candidate(sameToken, lives(d)) }
	displaced := lifecycle.Decision{Action: lifecycle.Renew, Reason: lifecycle.Forced, Displaced: true}
	checkAdmissions(t, map[string]admission{
		"it expires as before":          {healthy(), due, again(left), "reused"},
		"it expires five seconds later": {healthy(), due, again(left + 5*time.Second), "reused"},
		"it expires six seconds later":  {healthy(), due, again(left + 6*time.Second), "published"},
		"it expires an hour earlier":    {healthy(), due, again(left - time.Hour), "reused"},
		"it has expired": {healthy(endsIn(-time.Hour)), due, candidate(sameToken, issuedBefore(2*time.Hour),
			lives(time.Hour)), "reused"},
		"forced":                                      {healthy(), because(lifecycle.Forced), again(left), "reused"},
		"for a reader whose API rejected it":          {healthy(), because(lifecycle.RejectedByReader), again(left), "reused"},
		"the parameter is gone":                       {healthy(deleted), because(lifecycle.Missing), again(left), "published"},
		"the parameter is gone, forced":               {healthy(deleted), displaced, again(left), "published"},
		"another program wrote the parameter":         {healthy(byHand), because(lifecycle.ChangedByOther), again(left), "published"},
		"another program wrote the parameter, forced": {healthy(byHand), displaced, again(left), "published"},
	})
}

func TestAReusedTokenGetsNoNewLifetime(t *testing.T) {
	const left = 18 * time.Hour
	due := because(lifecycle.Due)
	told := func(s *situation) { s.Told = map[string]string{"scope_unverified": v1} }
	future := func(s *situation) { s.Token.IssuedAt = morning().Add(time.Minute) }
	for name, c := range map[string]struct {
		of                       situation
		d                        lifecycle.Decision
		states                   time.Duration // remaining time, as the response states it
		issued, expires, renewAt time.Time
		notices                  []string
	}{
		"stated as before":   {healthy(), due, left, issuedAt(), expiry(), morning().Add(9 * time.Hour), nil},
		"stated 5 s shorter": {healthy(), due, left - 5*time.Second, issuedAt(), expiry(), morning().Add(9 * time.Hour), nil},
		"stated 5 s longer":  {healthy(), due, left + 5*time.Second, issuedAt(), expiry(), morning().Add(9 * time.Hour), nil},
		"stated 6 s shorter": {healthy(), due, left - 6*time.Second, issuedAt(), expiry().Add(-6 * time.Second),
			morning().Add(9*time.Hour - 3*time.Second), nil},
		"an odd number of seconds": {healthy(endsIn(left - time.Second)), due, left - time.Second, issuedAt(), expiry().Add(-time.Second),
			morning().Add(9*time.Hour - time.Second), nil},
		"for a reader's report": {healthy(), because(lifecycle.RejectedByReader), left, issuedAt(), expiry(), renewAt(), nil},
		"a second more than the least": {healthy(endsIn(21*time.Minute + time.Second)), due, 21*time.Minute + time.Second, issuedAt(),
			morning().Add(21*time.Minute + time.Second), morning().Add(10*time.Minute + 30*time.Second), nil},
		"exactly the least": {healthy(endsIn(21 * time.Minute)), due, 21 * time.Minute, issuedAt(), morning().Add(21 * time.Minute),
			morning().Add(-time.Hour), []string{"reused_too_long issued again with 21m0s left"}},
		"close to its end, for a report": {healthy(endsIn(time.Minute)), because(lifecycle.RejectedByReader), time.Minute, issuedAt(),
			morning().Add(time.Minute), morning().Add(-time.Hour), []string{"reused_too_long issued again with 1m0s left"}},
		"what lasts was told, and stays told": {healthy(told), due, left, issuedAt(), expiry(), morning().Add(9 * time.Hour), nil},
		"its date was in the future":          {healthy(future), due, left, morning(), expiry(), morning().Add(9 * time.Hour), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := lifecycle.Admit(morning(), c.of.State, c.d, candidate(sameToken, lives(c.states)), standard())
			token := got.Token
			if !got.Reused || !token.IssuedAt.Equal(c.issued) || !token.ExpiresAt.Equal(c.expires) || !token.RenewAt.Equal(c.renewAt) {
				t.Errorf("reused %t: issued %s, expires %s, renewed at %s; want %s, %s, %s",
					got.Reused, token.IssuedAt, token.ExpiresAt, token.RenewAt, c.issued, c.expires, c.renewAt)
			}
			if token.Version != 8 || token.TokenID != c.of.Token.TokenID {
				t.Errorf("version %d of token %s, want the published one", token.Version, token.TokenID)
			}
			if !slices.Equal(words(got.Notices), c.notices) || len(got.Told) != len(c.of.Told) {
				t.Errorf("notices %q, told %v; want %q, %v", words(got.Notices), got.Told, c.notices, c.of.Told)
			}
		})
	}
}

func TestTheRemainingTimeOfAReusedTokenIsThatOfNow(t *testing.T) {
	now := morning().Add(1500 * time.Millisecond) // the response took that long
	got := lifecycle.Admit(now, healthy().State, because(lifecycle.Due), candidate(sameToken, lives(18*time.Hour)), standard())
	if want := morning().Add(9 * time.Hour); !got.Token.RenewAt.Equal(want) {
		t.Errorf("renewed at %s, want %s", got.Token.RenewAt, want)
	}
	got = lifecycle.Admit(now, healthy(endsIn(time.Minute)).State, because(lifecycle.Due), candidate(sameToken, lives(time.Minute)), standard())
	if want := []string{"reused_too_long issued again with 58s left"}; !slices.Equal(words(got.Notices), want) {
		t.Errorf("notices %q, want %q", words(got.Notices), want)
	}
}
