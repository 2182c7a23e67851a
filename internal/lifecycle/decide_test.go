package lifecycle_test

import (
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

func TestDecideByTime(t *testing.T) {
	fresh := func(now time.Time, s situation) decision {
		return decision{now: now, of: s, action: lifecycle.Keep, reason: lifecycle.Fresh, text: "fresh until 2026-01-02T12:00:00Z", until: renewAt()}
	}
	renewed := func(now time.Time, reason lifecycle.Reason) decision {
		return decision{now: now, of: healthy(), action: lifecycle.Renew, reason: reason}
	}
	checkDecisions(t, map[string]decision{
		"a fresh token stays":                              fresh(morning(), healthy()),
		"a fresh token stays when only its state is known": fresh(morning(), healthy(noSecretSeen, noParameterSeen)),
		"one nanosecond before renew_at it stays":          fresh(renewAt().Add(-1), healthy()),
		"exactly at renew_at it is due":                    renewed(renewAt(), lifecycle.Due),
		"one nanosecond after renew_at it is due":          renewed(renewAt().Add(1), lifecycle.Due),
		"one nanosecond before its expiry it is due":       renewed(expiry().Add(-1), lifecycle.Due),
		"exactly at its expiry it is expired":              renewed(expiry(), lifecycle.Expired),
		"one nanosecond after its expiry it is expired":    renewed(expiry().Add(1), lifecycle.Expired),
		"issued in the future by a wrong clock":            renewed(issuedAt().Add(-1), lifecycle.Due),
		"issued exactly now":                               fresh(issuedAt(), healthy()),
	})
}

func TestDecideByState(t *testing.T) {
	force := lifecycle.Override{Force: true}
	renew := func(s situation, reason lifecycle.Reason, text string) decision {
		return decision{of: s, action: lifecycle.Renew, reason: reason, text: text}
	}
	fresh := func(s situation) decision {
		return decision{of: s, action: lifecycle.Keep, reason: lifecycle.Fresh, text: "fresh until 2026-01-02T12:00:00Z", until: renewAt()}
	}
	pausedBefore := func(s *situation) { s.Paused = true }
	newer := func(s *situation) { s.Newer = true }
	const otherVersion = "changed_by_other: the parameter has version 9, this program wrote 8"
	checkDecisions(t, map[string]decision{
		"no token yet":                                         renew(healthy(unpublished), lifecycle.Missing, ""),
		"no token yet, and nothing was observed":               renew(situation{}, lifecycle.Missing, ""),
		"the parameter was deleted":                            renew(healthy(deleted), lifecycle.Missing, ""),
		"the parameter was deleted, and the token has expired": {now: expiry(), of: healthy(deleted), action: lifecycle.Renew, reason: lifecycle.Missing},
		"a parameter without a state": renew(healthy(withoutState), lifecycle.ChangedByOther,
			"changed_by_other: version 8 exists without a state"),
		"a version that another program wrote": renew(healthy(byHand), lifecycle.ChangedByOther, otherVersion),
		"a changed secret":                     renew(healthy(changed), lifecycle.CredentialChanged, ""),
		"a changed secret comes before the expiry": {now: expiry(), of: healthy(changed), action: lifecycle.Renew,
			reason: lifecycle.CredentialChanged},
		"a secret that lost its AWSCURRENT": renew(healthy(func(s *situation) { s.Secret.Current = "" }),
			lifecycle.CredentialChanged, ""),
		"another program's version comes before a changed secret": renew(healthy(byHand, changed), lifecycle.ChangedByOther, otherVersion),
		"forced, though it is fresh":                              {of: healthy(), ov: force, action: lifecycle.Renew, reason: lifecycle.Forced},
		"forced, and the parameter is gone":                       {of: healthy(deleted), ov: force, action: lifecycle.Renew, reason: lifecycle.Forced},
		"a paused connection":                                     {of: healthy(paused, unpublished), action: lifecycle.Pause, reason: lifecycle.Paused},
		"a paused connection when forced":                         {of: healthy(paused), ov: force, action: lifecycle.Pause, reason: lifecycle.Paused},
		"a paused connection in conflict": {of: healthy(paused, ofType("String")), action: lifecycle.Pause,
			reason: lifecycle.Paused},
		"paused when the secrets were listed last": {of: healthy(noSecretSeen, pausedBefore), action: lifecycle.Pause,
			reason: lifecycle.Paused},
		"restored since the secrets were listed last": fresh(healthy(pausedBefore)),
		"a parameter of another type": {of: healthy(ofType("StringList")), action: lifecycle.Conflict,
			reason: lifecycle.TypeConflict},
		"a parameter of another type, forced": {of: healthy(ofType("String")), ov: force, action: lifecycle.Conflict,
			reason: lifecycle.TypeConflict},
		"the secret is gone":                    {of: healthy(gone), action: lifecycle.Gone, reason: lifecycle.SecretGone},
		"the secret is gone, and it was paused": {of: healthy(gone, paused), action: lifecycle.Gone, reason: lifecycle.SecretGone},
		"the secret is gone, forced":            {of: healthy(gone), ov: force, action: lifecycle.Gone, reason: lifecycle.SecretGone},
		"the secret was gone when the secrets were listed last": {of: healthy(noSecretSeen, goneBefore), action: lifecycle.Gone,
			reason: lifecycle.SecretGone},
		"the secret exists again": fresh(healthy(goneBefore)),
		"an item of a newer program": {of: healthy(newer), action: lifecycle.Newer, reason: lifecycle.NewerSchema,
			text: "newer_schema: update this function"},
		"an item of a newer program, whose secret is gone": {of: healthy(newer, gone), ov: force, action: lifecycle.Newer, reason: lifecycle.NewerSchema,
			text: "newer_schema: update this function"},
	})
}

func gone(s *situation)       { s.Secret.Gone = true }
func goneBefore(s *situation) { s.DeleteAt = expiry().Add(24 * time.Hour) }

// Before the secrets are listed, the state says which version was AWSCURRENT last: that of a later failure, else that of the token.
func TestDecideBeforeTheSecretIsSeen(t *testing.T) {
	soon := morning().Add(10 * time.Minute)
	failedAt := func(at time.Time, version string) change {
		return failing(lifecycle.Transient, 1, about(version), lastAt(at), nextAt(soon))
	}
	waits := func(s situation) decision {
		return decision{of: s, action: lifecycle.Wait, reason: lifecycle.BackingOff, text: "backing_off until 2026-01-02T06:10:00Z", until: soon}
	}
	fresh := func(s situation) decision {
		return decision{of: s, action: lifecycle.Keep, reason: lifecycle.Fresh, text: "fresh until 2026-01-02T12:00:00Z", until: renewAt()}
	}
	checkDecisions(t, map[string]decision{
		"a failure with the version of the token":                       waits(healthy(noSecretSeen, failedAt(issuedAt().Add(time.Second), v1))),
		"a failure with another version, a nanosecond after the issue":  waits(healthy(noSecretSeen, failedAt(issuedAt().Add(1), v2))),
		"a failure with another version, exactly at the issue":          fresh(healthy(noSecretSeen, failedAt(issuedAt(), v2))),
		"a failure with another version, a nanosecond before the issue": fresh(healthy(noSecretSeen, failedAt(issuedAt().Add(-1), v2))),
		"a failure with any version, without a token":                   waits(healthy(unpublished, noSecretSeen, failedAt(issuedAt(), v2))),
		"another version's wait is over: the secret has changed": {
			of:     healthy(noSecretSeen, failing(lifecycle.Transient, 1, about(v2), lastAt(morning().Add(-time.Hour)))),
			action: lifecycle.Renew, reason: lifecycle.CredentialChanged},
	})
}

// A run that ends while it has the lease may have received a token that ended the published one. A lapsed lease is a reason to renew.
func TestDecideAfterAnInterruptedRun(t *testing.T) {
	leasedUntil := func(at time.Time) change {
		return func(s *situation) { s.Lease = &lifecycle.Lease{Owner: "request-1", Until: at} }
	}
	lapsed := leasedUntil(morning().Add(-time.Minute))
	later := nextAt(morning().Add(time.Hour))
	checkDecisions(t, map[string]decision{
		"a fresh token and a lapsed lease": {of: healthy(lapsed), action: lifecycle.Renew, reason: lifecycle.Interrupted},
		"in spite of a backoff": {of: healthy(lapsed, failing(lifecycle.Transient, 1, later)), action: lifecycle.Renew,
			reason: lifecycle.Interrupted},
		"a lease exactly at its end": {of: healthy(leasedUntil(morning())), action: lifecycle.Renew, reason: lifecycle.Interrupted},
		"not while the lease runs": {of: healthy(leasedUntil(morning().Add(time.Minute))), action: lifecycle.Keep, reason: lifecycle.Fresh,
			text: "fresh until 2026-01-02T12:00:00Z", until: renewAt()},
		"a due token is due first": {now: renewAt(), of: healthy(lapsed), action: lifecycle.Renew, reason: lifecycle.Due},
		"never against a Retry-After": {of: healthy(lapsed, failing(lifecycle.Transient, 1, retryAt(morning().Add(time.Hour)))),
			action: lifecycle.Wait, reason: lifecycle.BackingOff, text: "backing_off until 2026-01-02T07:00:00Z", until: morning().Add(time.Hour)},
		"a suspended connection has a trial": {of: healthy(lapsed, failing(lifecycle.Credentials, 3, firstAt(morning().Add(-90*time.Minute)))),
			action: lifecycle.Trial, reason: lifecycle.Interrupted, text: "interrupted (trial of a suspended connection)"},
	})
}

// A reader's API rejected the token of version 8.
func TestDecideAboutARejectedVersion(t *testing.T) {
	soon, between := morning().Add(time.Minute), morning().Add(-90*time.Minute)
	row := func(now time.Time, s situation, action lifecycle.Action, reason lifecycle.Reason, text string, until time.Time) decision {
		return decision{now, s, lifecycle.Override{RejectedVersion: 8}, action, reason, text, until}
	}
	young := func(now time.Time, s situation, seconds string, until time.Time) decision {
		return row(now, s, lifecycle.Keep, lifecycle.IssuedRecently, "issued_recently: version 8 is "+seconds+
			" s old; check that your program reads it with decryption and sends it unchanged", until)
	}
	renewed := func(now time.Time, s situation) decision {
		return row(now, s, lifecycle.Renew, lifecycle.RejectedByReader, "", time.Time{})
	}
	replaced := func(s situation, until time.Time) decision {
		return row(morning(), s, lifecycle.Keep, lifecycle.Replaced, "replaced: version 9 is published, read it", until)
	}
	checkDecisions(t, map[string]decision{
		"that version is still published":                         renewed(morning(), healthy()),
		"that version is still published, as far as it is known":  renewed(morning(), healthy(noParameterSeen)),
		"that version is still published, and AWSCURRENT changed": renewed(morning(), healthy(changed)),
		"the parameter is gone": row(morning(), healthy(unpublished), lifecycle.Renew, lifecycle.Missing, "",
			time.Time{}),
		"another version is published":                           replaced(healthy(byHand), renewAt()),
		"another version is published, without a state":          replaced(healthy(byHand, withoutState), time.Time{}),
		"another version is published, and the connection fails": replaced(healthy(byHand, failing(lifecycle.Transient, 1, nextAt(soon))), renewAt()),
		"another version is published, and its Retry-After runs": replaced(healthy(byHand, failing(lifecycle.Transient, 1, retryAt(soon))), renewAt()),
		"another program wrote that version": row(morning(), healthy(func(s *situation) { s.Token.Version = 7 }), lifecycle.Renew, lifecycle.ChangedByOther,
			"changed_by_other: another program wrote this version", time.Time{}),
		"at the instant of issue":                           young(issuedAt(), healthy(), "0", issuedAt().Add(2*time.Minute)),
		"one nanosecond before two minutes after the issue": young(issuedAt().Add(2*time.Minute-1), healthy(), "119", issuedAt().Add(2*time.Minute)),
		"exactly two minutes after the issue":               renewed(issuedAt().Add(2*time.Minute), healthy()),
		"one nanosecond more":                               renewed(issuedAt().Add(2*time.Minute+1), healthy()),
		"issued in the future":                              renewed(issuedAt().Add(-1), healthy()),
		"a young parameter without a state": young(issuedAt().Add(31*time.Second), healthy(withoutState), "30",
			issuedAt().Add(2*time.Minute+time.Second)),
		"an old parameter without a state": renewed(morning(), healthy(withoutState)),
		"while it backs off": row(morning(), healthy(failing(lifecycle.Transient, 1, nextAt(soon))), lifecycle.Wait, lifecycle.BackingOff,
			"backing_off until 2026-01-02T06:01:00Z", soon),
		"while it is suspended": row(morning(), healthy(failing(lifecycle.Configuration, 1, firstAt(between))), lifecycle.Wait, lifecycle.Suspended,
			"suspended until AWSCURRENT changes; next trial 2026-01-02T06:30:00Z", between.Add(2*time.Hour)),
	})
}
