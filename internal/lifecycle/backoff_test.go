package lifecycle_test

import (
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

func TestDecideWhileItBacksOff(t *testing.T) {
	soon, now := morning().Add(30*time.Second+1), morning() // soon: just beyond the scheduler's tolerance
	transient := func(changes ...func(f *lifecycle.Failure)) change { return failing(lifecycle.Transient, 1, changes...) }
	renewed := func(reason lifecycle.Reason, changes ...change) decision {
		return decision{of: healthy(changes...), action: lifecycle.Renew, reason: reason}
	}
	waits := func(changes ...change) decision {
		return decision{of: healthy(changes...), action: lifecycle.Wait, reason: lifecycle.BackingOff, text: "backing_off until 2026-01-02T06:00:30Z",
			until: soon}
	}
	checkDecisions(t, map[string]decision{
		"one nanosecond before next_at less the tolerance": waits(dueNow, transient(nextAt(soon))),
		"exactly at next_at less the tolerance":            renewed(lifecycle.Due, dueNow, transient(nextAt(soon.Add(-1)))),
		"exactly at next_at":                               renewed(lifecycle.Due, dueNow, transient(nextAt(now))),
		"one nanosecond after next_at":                     renewed(lifecycle.Due, dueNow, transient(nextAt(now.Add(-1)))),
		"a next_at that this program never wrote":          renewed(lifecycle.Due, dueNow, transient(nextAt(now.AddDate(1, 0, 0)))),
		"the furthest next_at": {of: healthy(dueNow, transient(nextAt(now.Add(30*time.Second+61*time.Minute)))), action: lifecycle.Wait,
			reason: lifecycle.BackingOff,
			text:   "backing_off until 2026-01-02T07:01:30Z", until: now.Add(30*time.Second + 61*time.Minute)},
		"one nanosecond further than that":       renewed(lifecycle.Due, dueNow, transient(nextAt(now.Add(30*time.Second+61*time.Minute+1)))),
		"a failure with a token that is not due": renewed(lifecycle.Retry, transient(nextAt(now))),
		"a failure without a token":              renewed(lifecycle.Missing, unpublished, transient(nextAt(now))),
		"malformed responses":                    renewed(lifecycle.Due, dueNow, failing(lifecycle.Malformed, 9, nextAt(now))),
		"malformed responses whose wait runs":    waits(dueNow, failing(lifecycle.Malformed, 9, nextAt(soon))),
		"two refusals do not suspend":            renewed(lifecycle.Due, dueNow, failing(lifecycle.Credentials, 2, nextAt(now))),
		"two refusals back off":                  waits(dueNow, failing(lifecycle.Credentials, 2, nextAt(soon))),
		"a wait about another version":           renewed(lifecycle.CredentialChanged, changed, transient(nextAt(soon))),
		"a suspension about another version":     renewed(lifecycle.CredentialChanged, changed, failing(lifecycle.Configuration, 1)),
		"forced": {of: healthy(transient(nextAt(soon))), ov: lifecycle.Override{Force: true},
			action: lifecycle.Renew, reason: lifecycle.Forced},
		"exactly 15 min left: the wait holds":         waits(endsIn(15*time.Minute), transient(nextAt(soon))),
		"one nanosecond less: the wait is ignored":    renewed(lifecycle.Due, endsIn(15*time.Minute-1), transient(nextAt(soon))),
		"one nanosecond left: the wait is ignored":    renewed(lifecycle.Due, endsIn(1), transient(nextAt(soon))),
		"an expired token: the wait holds again":      waits(endsIn(0), transient(nextAt(soon))),
		"a token that expired a nanosecond ago waits": waits(endsIn(-1), transient(nextAt(soon))),
		"without a token the wait holds":              waits(unpublished, transient(nextAt(soon))),
	})
}

// Nothing overrides a Retry-After, as long as this program may have written it.
func TestDecideWhileARetryAfterRuns(t *testing.T) {
	soon, now := morning().Add(1), morning()
	limited := func(at time.Time) change { return failing(lifecycle.Transient, 1, retryAt(at), nextAt(now)) }
	force := lifecycle.Override{Force: true}
	waits := func(ov lifecycle.Override, changes ...change) decision {
		return decision{of: healthy(changes...), ov: ov, action: lifecycle.Wait, reason: lifecycle.BackingOff,
			text: "backing_off until 2026-01-02T06:00:00Z", until: soon}
	}
	checkDecisions(t, map[string]decision{
		"it ends in a nanosecond":         waits(lifecycle.Override{}, dueNow, limited(soon)),
		"it ends exactly now":             {of: healthy(dueNow, limited(now)), action: lifecycle.Renew, reason: lifecycle.Due},
		"it ended a nanosecond ago":       {of: healthy(dueNow, limited(now.Add(-1))), action: lifecycle.Renew, reason: lifecycle.Due},
		"forced":                          waits(force, limited(soon)),
		"a reader's report":               waits(lifecycle.Override{RejectedVersion: 8}, limited(soon)),
		"AWSCURRENT changed":              waits(lifecycle.Override{}, changed, limited(soon)),
		"AWSCURRENT changed, forced":      waits(force, changed, limited(soon)),
		"the token expires soon":          waits(lifecycle.Override{}, endsIn(time.Minute), limited(soon)),
		"the conflict of types is over":   waits(lifecycle.Override{}, failing(lifecycle.Configuration, 1, code("parameter_type_conflict"), retryAt(soon))),
		"suspended, and the trial is due": waits(lifecycle.Override{}, failing(lifecycle.Credentials, 3, firstAt(now.Add(-2*time.Hour)), retryAt(soon))),
		"it ends in the furthest instant": {of: healthy(limited(now.Add(61 * time.Minute))), action: lifecycle.Wait, reason: lifecycle.BackingOff,
			text: "backing_off until 2026-01-02T07:01:00Z", until: now.Add(61 * time.Minute)},
		"it ends a nanosecond later than that: this program never wrote it": {
			of: healthy(dueNow, limited(now.Add(61*time.Minute+1))), action: lifecycle.Renew, reason: lifecycle.Due},
	})
}

func TestAFailureForTheParametersTypeEndsWithTheConflict(t *testing.T) {
	between := morning().Add(-90 * time.Minute)
	conflict := failing(lifecycle.Configuration, 1, firstAt(between), code("parameter_type_conflict"))
	checkDecisions(t, map[string]decision{
		"the parameter is gone": {of: healthy(deleted, conflict), action: lifecycle.Renew, reason: lifecycle.Missing},
		"it has the right type": {of: healthy(byHand, conflict), action: lifecycle.Renew, reason: lifecycle.ChangedByOther,
			text: "changed_by_other: the parameter has version 9, this program wrote 8"},
		"it still has another one": {of: healthy(ofType("String"), conflict), action: lifecycle.Conflict, reason: lifecycle.TypeConflict},
		"the parameter was not looked at": {of: healthy(noParameterSeen, conflict), action: lifecycle.Wait, reason: lifecycle.Suspended,
			text: "suspended until AWSCURRENT changes; next trial 2026-01-02T06:30:00Z", until: between.Add(2 * time.Hour)},
	})
}

// A person made the version of the published token AWSCURRENT again. A listing may be behind, so a young failure stays.
func TestAFailureAboutAnotherVersionIsCleared(t *testing.T) {
	longAgo := morning().Add(-15*time.Minute - 1)
	refused := func(at time.Time, version string) change {
		return failing(lifecycle.Credentials, 3, about(version), lastAt(at))
	}
	for name, c := range map[string]struct {
		of     situation
		clear  bool
		action lifecycle.Action
	}{
		"no failure at all":                              {healthy(), false, lifecycle.Keep},
		"15 min and a nanosecond ago":                    {healthy(refused(longAgo, v2)), true, lifecycle.Keep},
		"exactly 15 min ago":                             {healthy(refused(longAgo.Add(1), v2)), false, lifecycle.Keep},
		"the failure is about AWSCURRENT":                {healthy(refused(longAgo, v1)), false, lifecycle.Wait},
		"the token is from a standby":                    {healthy(fromStandby, refused(longAgo, v2)), false, lifecycle.Keep},
		"the token is due: its success ends the failure": {healthy(dueNow, refused(longAgo, v2)), false, lifecycle.Renew},
		"the secret was not seen":                        {healthy(noSecretSeen, refused(longAgo, v2)), false, lifecycle.Wait},
		"paused":                                         {healthy(paused, refused(longAgo, v2)), false, lifecycle.Pause},
	} {
		t.Run(name, func(t *testing.T) {
			got := lifecycle.Decide(morning(), c.of.State, c.of.Observation, standard(), lifecycle.Override{})
			if got.ClearFailure != c.clear || got.Action != c.action {
				t.Errorf("Decide = %+v, want ClearFailure %t and %s", got, c.clear, c.action)
			}
		})
	}
}

func TestAParameterThatHoldsAnotherVersionIsDisplaced(t *testing.T) {
	for name, c := range map[string]struct {
		of   situation
		want bool
	}{
		"the version that this program wrote": {healthy(), false},
		"the parameter was not looked at":     {healthy(noParameterSeen), false},
		"another version":                     {healthy(byHand), true},
		"the parameter is gone":               {healthy(deleted), true},
		"nothing was published":               {healthy(unpublished), false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, force := range []bool{false, true} {
				if got := lifecycle.Decide(morning(), c.of.State, c.of.Observation, standard(), lifecycle.Override{Force: force}); got.Displaced != c.want {
					t.Errorf("force %t: Displaced = %t, want %t", force, got.Displaced, c.want)
				}
			}
		})
	}
}
