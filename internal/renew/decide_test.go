package renew_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/renew"
)

// The world of these tests: a Kiwify token of 24 h, version 8, minted by AWSCURRENT v1; due after 12 h. Now is 6 h into its life.
const (
	v1 = "version-1"
	v2 = "version-2"
)

func issuedAt() time.Time { return time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC) }
func renewAt() time.Time  { return issuedAt().Add(12 * time.Hour) }
func expiry() time.Time   { return issuedAt().Add(24 * time.Hour) }
func noon() time.Time     { return issuedAt().Add(6 * time.Hour) }

// healthy are the facts of a connection with a fresh token, with what the changes make of it.
func healthy(changes ...func(f *renew.Facts)) renew.Facts {
	f := renew.Facts{Connection: "kiwify/main", Current: v1, Version: 8, Modified: issuedAt().Add(time.Second), Record: &renew.Record{
		V: 1, Provider: "kiwify", IssuedAt: issuedAt(), ExpiresAt: expiry(), RenewAt: renewAt(), Credential: v1, Current: v1, Stage: "AWSCURRENT", Seq: 8,
	}}
	for _, change := range changes {
		change(&f)
	}
	return f
}

// failing adds a failure of AWSCURRENT v1 that began half an hour after the token was minted.
func failing(class string, attempts int, changes ...func(r *renew.Failure)) func(f *renew.Facts) {
	return func(f *renew.Facts) {
		first := issuedAt().Add(30 * time.Minute)
		f.Failure = &renew.Failure{V: 1, Class: class, Code: "code", Attempts: attempts, Current: v1,
			FirstAt: first, LastAt: first.Add(15 * time.Minute), NextAt: first.Add(45 * time.Minute)}
		for _, change := range changes {
			change(f.Failure)
		}
	}
}

func nextAt(at time.Time) func(r *renew.Failure)  { return func(r *renew.Failure) { r.NextAt = at } }
func retryAt(at time.Time) func(r *renew.Failure) { return func(r *renew.Failure) { r.RetryAt = at } }
func firstAt(at time.Time) func(r *renew.Failure) { return func(r *renew.Failure) { r.FirstAt = at } }
func lastAt(at time.Time) func(r *renew.Failure)  { return func(r *renew.Failure) { r.LastAt = at } }
func about(version string) func(r *renew.Failure) {
	return func(r *renew.Failure) { r.Current = version }
}

func unpublished(f *renew.Facts) { f.Version, f.Modified, f.Record = 0, time.Time{}, nil }
func unreadable(f *renew.Facts)  { f.Record = nil }
func paused(f *renew.Facts)      { f.Paused = true }
func conflicting(f *renew.Facts) { f.Conflict = "StringList" }
func newPair(f *renew.Facts)     { f.Current = v2 }
func byHand(f *renew.Facts)      { f.Version = 9 }
func fromStandby(f *renew.Facts) { f.Record.Stage, f.Record.Credential = "BACKUP", "version-b" }
func dueNow(f *renew.Facts)      { f.Record.RenewAt = noon() }
func dueLongAgo(f *renew.Facts)  { f.Record.RenewAt = noon().Add(-3 * time.Hour) }
func endsIn(d time.Duration) func(f *renew.Facts) {
	return func(f *renew.Facts) { f.Record.ExpiresAt, f.Record.RenewAt = noon().Add(d), noon().Add(-time.Hour) }
}

func TestDecide(t *testing.T) {
	soon, past := noon().Add(30*time.Second+time.Nanosecond), noon() // soon: just beyond the slack of a scheduler
	window := noon().Add(-2 * time.Hour)                             // first_at of a failure whose second canary window begins now
	between := noon().Add(-90 * time.Minute)
	force, rejected := renew.Ask{Force: true}, renew.Ask{RejectedVersion: 8}
	for name, c := range map[string]struct {
		now    time.Time // zero: noon
		facts  renew.Facts
		ask    renew.Ask
		action renew.Action
		reason renew.Reason
		text   string // "" means the reason itself
		until  time.Time
	}{
		// By time.
		"a fresh token stays": {
			facts: healthy(), action: renew.Keep, reason: renew.Fresh, text: "fresh until 2026-01-02T12:00:00Z", until: renewAt()},
		"one nanosecond before renew_at it stays": {
			now: renewAt().Add(-1), facts: healthy(), action: renew.Keep, reason: renew.Fresh, text: "fresh until 2026-01-02T12:00:00Z", until: renewAt()},
		"exactly at renew_at it is due":           {now: renewAt(), facts: healthy(), action: renew.Refresh, reason: renew.Due},
		"one nanosecond after renew_at too":       {now: renewAt().Add(1), facts: healthy(), action: renew.Refresh, reason: renew.Due},
		"one nanosecond before its end it is due": {now: expiry().Add(-1), facts: healthy(), action: renew.Refresh, reason: renew.Due},
		"exactly at its end it is expired":        {now: expiry(), facts: healthy(), action: renew.Refresh, reason: renew.Expired},
		"and after it":                            {now: expiry().Add(1), facts: healthy(), action: renew.Refresh, reason: renew.Expired},
		"minted in the future by a wrong clock":   {now: issuedAt().Add(-1), facts: healthy(), action: renew.Refresh, reason: renew.Due},
		"minted exactly now": {
			now: issuedAt(), facts: healthy(), action: renew.Keep, reason: renew.Fresh, text: "fresh until 2026-01-02T12:00:00Z", until: renewAt()},

		// By state.
		"no token yet": {facts: healthy(unpublished), action: renew.Refresh, reason: renew.Missing},
		"a record that cannot be read": {facts: healthy(unreadable), action: renew.Refresh, reason: renew.ChangedByOther,
			text: "changed_by_other: the record of the parameter cannot be read"},
		"a version that was not ours": {facts: healthy(byHand), action: renew.Refresh, reason: renew.ChangedByOther,
			text: "changed_by_other: version 9 is there, 8 was written"},
		"a changed secret": {facts: healthy(newPair), action: renew.Refresh, reason: renew.CredentialChanged},
		"another writer comes before a changed secret": {facts: healthy(byHand, newPair), action: renew.Refresh, reason: renew.ChangedByOther,
			text: "changed_by_other: version 9 is there, 8 was written"},
		"a paused connection":             {facts: healthy(paused, unpublished), action: renew.Pause, reason: renew.Paused},
		"a paused connection when forced": {facts: healthy(paused), ask: force, action: renew.Pause, reason: renew.Paused},
		"a paused connection in conflict": {facts: healthy(paused, conflicting), action: renew.Pause, reason: renew.Paused},
		"a parameter of another type":     {facts: healthy(conflicting), action: renew.Refuse, reason: renew.TypeConflict},
		"another type, forced":            {facts: healthy(conflicting), ask: force, action: renew.Refuse, reason: renew.TypeConflict},
		"forced, though it is fresh":      {facts: healthy(), ask: force, action: renew.Refresh, reason: renew.Forced},
		"forced, though a backoff runs":   {facts: healthy(failing("transient", 4, nextAt(soon))), ask: force, action: renew.Refresh, reason: renew.Forced},
		"forced, though it is latched":    {facts: healthy(failing("configuration", 1)), ask: force, action: renew.Refresh, reason: renew.Forced},
		"forced, but told to wait": {facts: healthy(failing("transient", 1, retryAt(soon))), ask: force, action: renew.Wait, reason: renew.BackingOff,
			text: "backing_off until 2026-01-02T06:00:30Z", until: soon},

		// A consumer met a 401.
		"rejected, and still that version":    {facts: healthy(), ask: rejected, action: renew.Refresh, reason: renew.RejectedByReader},
		"rejected, and the parameter is gone": {facts: healthy(unpublished), ask: rejected, action: renew.Refresh, reason: renew.Missing},
		"rejected, and another version is published": {facts: healthy(byHand), ask: rejected, action: renew.Keep, reason: renew.Replaced,
			text: "replaced: version 9 is published, read it", until: renewAt()},
		"rejected at the instant of minting": {now: issuedAt(), facts: healthy(), ask: rejected, action: renew.Keep, reason: renew.MintedRecently,
			text: "minted_recently: version 8 is 0 s old: do you read with decryption? A readable token does not begin with \"AQIC\"", until: issuedAt().Add(2 * time.Minute)},
		"rejected one nanosecond before two minutes": {now: issuedAt().Add(2*time.Minute - 1), facts: healthy(), ask: rejected, action: renew.Keep,
			reason: renew.MintedRecently, until: issuedAt().Add(2 * time.Minute),
			text: "minted_recently: version 8 is 119 s old: do you read with decryption? A readable token does not begin with \"AQIC\""},
		"rejected at exactly two minutes": {now: issuedAt().Add(2 * time.Minute), facts: healthy(), ask: rejected, action: renew.Refresh, reason: renew.RejectedByReader},
		"rejected, minted in the future":  {now: issuedAt().Add(-1), facts: healthy(), ask: rejected, action: renew.Refresh, reason: renew.RejectedByReader},
		"rejected, its record not yet listed": {now: issuedAt().Add(31 * time.Second), facts: healthy(unreadable), ask: rejected, action: renew.Keep,
			reason: renew.MintedRecently, until: issuedAt().Add(time.Second + 2*time.Minute),
			text: "minted_recently: version 8 is 30 s old: do you read with decryption? A readable token does not begin with \"AQIC\""},
		"rejected, an old parameter without a record": {facts: healthy(unreadable), ask: rejected, action: renew.Refresh, reason: renew.RejectedByReader},
		"rejected while a backoff runs": {facts: healthy(failing("transient", 1, nextAt(soon))), ask: rejected, action: renew.Wait, reason: renew.BackingOff,
			text: "backing_off until 2026-01-02T06:00:30Z", until: soon},
		"rejected while it is latched": {facts: healthy(failing("configuration", 1, firstAt(between))), ask: rejected, action: renew.Wait, reason: renew.Latched,
			text: "latched until AWSCURRENT changes; next try 2026-01-02T06:30:00Z", until: between.Add(2 * time.Hour)},
		"a replaced version is told even while it fails": {facts: healthy(byHand, failing("transient", 1, nextAt(soon))), ask: rejected, action: renew.Keep,
			reason: renew.Replaced, text: "replaced: version 9 is published, read it", until: renewAt()},

		// Backoff.
		"one nanosecond before next_at less the slack": {facts: healthy(dueNow, failing("transient", 1, nextAt(soon))), action: renew.Wait, reason: renew.BackingOff,
			text: "backing_off until 2026-01-02T06:00:30Z", until: soon},
		"at next_at less the slack of a scheduler":   {facts: healthy(dueNow, failing("transient", 1, nextAt(soon.Add(-1)))), action: renew.Refresh, reason: renew.Due},
		"an instant that nobody here wrote":          {facts: healthy(dueNow, failing("transient", 1, nextAt(noon().AddDate(1, 0, 0)))), action: renew.Refresh, reason: renew.Due},
		"exactly at next_at":                         {facts: healthy(dueNow, failing("transient", 1, nextAt(past))), action: renew.Refresh, reason: renew.Due},
		"one nanosecond after next_at":               {facts: healthy(dueNow, failing("transient", 1, nextAt(past.Add(-1)))), action: renew.Refresh, reason: renew.Due},
		"a failure with a token that is not due":     {facts: healthy(failing("transient", 1, nextAt(past))), action: renew.Refresh, reason: renew.Retry},
		"malformed answers back off too":             {facts: healthy(dueNow, failing("malformed", 9, nextAt(past))), action: renew.Refresh, reason: renew.Due},
		"two refusals of the pair do not latch":      {facts: healthy(dueNow, failing("credentials", 2, nextAt(past))), action: renew.Refresh, reason: renew.Due},
		"a failure about another credential is past": {facts: healthy(newPair, failing("transient", 1, nextAt(soon))), action: renew.Refresh, reason: renew.CredentialChanged},
		"a latch about another credential too":       {facts: healthy(newPair, failing("configuration", 1)), action: renew.Refresh, reason: renew.CredentialChanged},
		"but not its Retry-After": {facts: healthy(newPair, failing("transient", 1, retryAt(soon))), action: renew.Wait, reason: renew.BackingOff,
			text: "backing_off until 2026-01-02T06:00:30Z", until: soon},
		"a Retry-After that ends exactly now": {facts: healthy(dueNow, failing("transient", 1, retryAt(past), nextAt(past))), action: renew.Refresh, reason: renew.Due},
		"exactly 15 min of life: the wait holds": {facts: healthy(endsIn(15*time.Minute), failing("transient", 1, nextAt(soon))), action: renew.Wait,
			reason: renew.BackingOff, text: "backing_off until 2026-01-02T06:00:30Z", until: soon},
		"one nanosecond less: the wait is ignored": {facts: healthy(endsIn(15*time.Minute-1), failing("transient", 1, nextAt(soon))), action: renew.Refresh, reason: renew.Due},
		"one nanosecond of life":                   {facts: healthy(endsIn(1), failing("transient", 1, nextAt(soon))), action: renew.Refresh, reason: renew.Due},
		"an expired token waits again": {facts: healthy(endsIn(0), failing("transient", 1, nextAt(soon))), action: renew.Wait,
			reason: renew.BackingOff, text: "backing_off until 2026-01-02T06:00:30Z", until: soon},
		"a dying token does not end a Retry-After": {facts: healthy(endsIn(time.Minute), failing("transient", 1, retryAt(soon))), action: renew.Wait,
			reason: renew.BackingOff, text: "backing_off until 2026-01-02T06:00:30Z", until: soon},
		"a dying token does not end a latch": {facts: healthy(endsIn(time.Minute), failing("configuration", 1, firstAt(between.Add(time.Minute)))), action: renew.Wait,
			reason: renew.Latched, text: "latched until AWSCURRENT changes; next try 2026-01-02T06:01:15Z", until: noon().Add(75 * time.Second)},
		"without a token the wait holds": {facts: healthy(unpublished, failing("transient", 1, nextAt(soon))), action: renew.Wait,
			reason: renew.BackingOff, text: "backing_off until 2026-01-02T06:00:30Z", until: soon},

		// Latch, canary, standby.
		"a configuration failure latches at once": {facts: healthy(dueLongAgo, failing("configuration", 1, firstAt(between))), action: renew.Wait,
			reason: renew.Latched, text: "latched until AWSCURRENT changes; next try 2026-01-02T06:30:00Z", until: between.Add(2 * time.Hour)},
		"three refusals latch": {facts: healthy(dueLongAgo, failing("credentials", 3, firstAt(between))), action: renew.Wait,
			reason: renew.Latched, text: "latched until AWSCURRENT changes; next try 2026-01-02T06:30:00Z", until: between.Add(2 * time.Hour)},
		"one nanosecond before the canary's window": {facts: healthy(dueLongAgo, failing("credentials", 3, firstAt(window.Add(30*time.Second+1)))), action: renew.Wait,
			reason: renew.Latched, text: "latched until AWSCURRENT changes; next try 2026-01-02T06:00:30Z", until: noon().Add(30*time.Second + 1)},
		"exactly at the canary's window": {facts: healthy(dueLongAgo, failing("credentials", 3, firstAt(window))), action: renew.Canary, reason: renew.Due,
			text: "due (canary of a latched connection)"},
		"the last nanosecond of the canary's window": {facts: healthy(dueLongAgo, failing("credentials", 3, firstAt(window.Add(-5*time.Minute+30*time.Second+1)))),
			action: renew.Canary, reason: renew.Due, text: "due (canary of a latched connection)"},
		"exactly at the end of the canary's window": {facts: healthy(dueLongAgo, failing("credentials", 3, firstAt(window.Add(-5*time.Minute+30*time.Second)))), action: renew.Wait,
			reason: renew.Latched, text: "latched until AWSCURRENT changes; next try 2026-01-02T06:55:30Z", until: noon().Add(55*time.Minute + 30*time.Second)},
		"a canary while the standby's token is fresh": {facts: healthy(fromStandby, failing("credentials", 3, firstAt(window))), action: renew.Canary,
			reason: renew.Retry, text: "retry (canary of a latched connection)"},
		"between canaries a standby's fresh token is left": {facts: healthy(fromStandby, failing("credentials", 3, firstAt(between))), action: renew.Wait,
			reason: renew.Latched, text: "latched until AWSCURRENT changes; next try 2026-01-02T06:30:00Z", until: between.Add(2 * time.Hour)},
		"the standby in the first sweep in which it is due": {facts: healthy(fromStandby, dueNow, failing("credentials", 3, firstAt(between))), action: renew.Standby,
			reason: renew.Due, text: "due (from the standby, AWSCURRENT is latched)"},
		"no standby for a configuration failure": {facts: healthy(fromStandby, dueNow, failing("configuration", 3, firstAt(between))), action: renew.Wait,
			reason: renew.Latched, text: "latched until AWSCURRENT changes; next try 2026-01-02T06:30:00Z", until: between.Add(2 * time.Hour)},
		"latched without any token waits for the canary": {facts: healthy(unpublished, failing("credentials", 3, firstAt(between))), action: renew.Wait,
			reason: renew.Latched, text: "latched until AWSCURRENT changes; next try 2026-01-02T06:30:00Z", until: between.Add(2 * time.Hour)},
		"latched, told to wait, and the canary is due": {facts: healthy(dueLongAgo, failing("credentials", 3, firstAt(window), retryAt(soon))), action: renew.Wait,
			reason: renew.BackingOff, text: "backing_off until 2026-01-02T06:00:30Z", until: soon},
	} {
		t.Run(name, func(t *testing.T) {
			now := c.now
			if now.IsZero() {
				now = noon()
			}
			if c.text == "" {
				c.text = string(c.reason)
			}
			got := renew.Decide(now, c.facts, standard(), c.ask)
			if got.Action != c.action || got.Reason != c.reason || got.Text != c.text || !got.NotBefore.Equal(c.until) {
				t.Errorf("Decide =\n%s, %s, %q, %s\nwant\n%s, %s, %q, %s", got.Action, got.Reason, got.Text, got.NotBefore, c.action, c.reason, c.text, c.until)
			}
		})
	}
}

func TestTheStandbyMayBeTriedWithTheCanaryOnceTheTokenIsDue(t *testing.T) {
	window := noon().Add(-2 * time.Hour)
	for name, c := range map[string]struct {
		facts renew.Facts
		ask   renew.Ask
		want  bool
	}{
		"refused pair, token due":                     {healthy(dueNow, failing("credentials", 3, firstAt(window))), renew.Ask{}, true},
		"refused pair, token due in 1 ns":             {healthy(dueNow, failing("credentials", 3, firstAt(window)), func(f *renew.Facts) { f.Record.RenewAt = noon().Add(1) }), renew.Ask{}, false},
		"refused pair, no token":                      {healthy(unpublished, failing("credentials", 3, firstAt(window))), renew.Ask{}, true},
		"refused pair, forced, token due":             {healthy(dueNow, failing("credentials", 3)), renew.Ask{Force: true}, true},
		"refused pair, forced, token fresh":           {healthy(failing("credentials", 3)), renew.Ask{Force: true}, false},
		"configuration, token due":                    {healthy(dueNow, failing("configuration", 3, firstAt(window))), renew.Ask{}, false},
		"configuration, forced, token due":            {healthy(dueNow, failing("configuration", 3)), renew.Ask{Force: true}, false},
		"not latched yet: the refresher works it out": {healthy(dueNow, failing("credentials", 2)), renew.Ask{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := renew.Decide(noon(), c.facts, standard(), c.ask); got.UseStandby != c.want {
				t.Errorf("UseStandby = %t, want %t (%+v)", got.UseStandby, c.want, got)
			}
		})
	}
}

func TestTheStandbySlotIsAPeriodAndAHalfLong(t *testing.T) {
	first := noon().Add(-90 * time.Minute)
	for name, c := range map[string]struct {
		after time.Duration // since renew_at
		want  renew.Action
	}{
		"one nanosecond before renew_at":  {-1, renew.Wait},
		"exactly at renew_at":             {0, renew.Standby},
		"the last nanosecond of the slot": {7*time.Minute + 30*time.Second - 1, renew.Standby},
		"after it, only at a canary":      {7*time.Minute + 30*time.Second, renew.Wait},
	} {
		t.Run(name, func(t *testing.T) {
			facts := healthy(failing("credentials", 3, firstAt(first)), func(f *renew.Facts) { f.Record.RenewAt = noon().Add(-c.after) })
			if got := renew.Decide(noon(), facts, standard(), renew.Ask{}); got.Action != c.want {
				t.Errorf("Decide = %+v, want %s", got, c.want)
			}
		})
	}
}

func TestAFailureThatWasLeftByACrashIsDropped(t *testing.T) {
	before, after := issuedAt().Add(-1), issuedAt()
	for name, c := range map[string]struct {
		facts  renew.Facts
		drop   bool
		action renew.Action
	}{
		"no failure at all": {healthy(), false, renew.Keep},
		"it ended one nanosecond before the token was minted": {healthy(failing("configuration", 1, lastAt(before))), true, renew.Keep},
		"it ended exactly when the token was minted":          {healthy(failing("configuration", 1, lastAt(after))), false, renew.Wait},
		"the token came from a standby":                       {healthy(fromStandby, failing("configuration", 1, lastAt(before))), false, renew.Wait},
		"it is about another credential than the token": {
			healthy(failing("configuration", 1, lastAt(before), about(v2)), func(f *renew.Facts) { f.Current = v2 }), false, renew.Wait},
		"its Retry-After is as old":                            {healthy(failing("transient", 1, lastAt(before), retryAt(noon().Add(time.Hour)))), true, renew.Keep},
		"a leftover of a connection that is due again":         {healthy(dueNow, failing("configuration", 1, lastAt(before))), true, renew.Refresh},
		"a leftover, and the secret has changed since":         {healthy(newPair, failing("configuration", 1, lastAt(before))), true, renew.Refresh},
		"it has no token beside it":                            {healthy(unpublished, failing("configuration", 1, lastAt(before))), false, renew.Wait},
		"a person took the refused pair back, long ago":        {healthy(failing("credentials", 3, about(v2), lastAt(noon().Add(-15*time.Minute-1)))), true, renew.Keep},
		"exactly 15 min ago: the listing may still be behind":  {healthy(failing("credentials", 3, about(v2), lastAt(noon().Add(-15*time.Minute)))), false, renew.Keep},
		"taken back, but the token is from a standby":          {healthy(fromStandby, failing("credentials", 3, about(v2))), false, renew.Keep},
		"taken back, and the token is due: success deletes it": {healthy(dueNow, failing("credentials", 3, about(v2))), false, renew.Refresh},
	} {
		t.Run(name, func(t *testing.T) {
			got := renew.Decide(noon(), c.facts, standard(), renew.Ask{})
			if got.DropFailure != c.drop || got.Action != c.action {
				t.Errorf("Decide = %+v, want DropFailure %t and %s", got, c.drop, c.action)
			}
		})
	}
}

func TestLatchedBy(t *testing.T) {
	for name, c := range map[string]struct {
		class    string
		attempts int
		want     bool
	}{
		"configuration at once":            {"configuration", 1, true},
		"credentials after two":            {"credentials", 2, false},
		"credentials after three":          {"credentials", 3, true},
		"transient never":                  {"transient", 1000, false},
		"malformed never":                  {"malformed", 1000, false},
		"a class that nobody knows, never": {"weather", 1000, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := renew.LatchedBy(&renew.Failure{Class: c.class, Attempts: c.attempts}); got != c.want {
				t.Errorf("LatchedBy = %t, want %t", got, c.want)
			}
		})
	}
}

func TestLeft(t *testing.T) {
	if got := healthy().Left(expiry().Add(-time.Hour)); got != time.Hour {
		t.Errorf("Left = %s", got)
	}
	if got := healthy().Left(expiry().Add(time.Hour)); got != -time.Hour {
		t.Errorf("Left of an expired token = %s", got)
	}
	if got := healthy(unpublished).Left(noon()); got != 0 {
		t.Errorf("Left without a token = %s", got)
	}
}

// A latched connection over a month of sweeps: it is asked at canaries alone, about once an hour, and the standby once for each token.
func TestALatchedConnectionOverAMonth(t *testing.T) {
	p := standard()
	facts := healthy(fromStandby, failing("credentials", 3))
	var canaries, standbys int
	last := time.Time{}
	for now := facts.Failure.FirstAt.Add(15 * time.Minute); now.Sub(issuedAt()) < 30*24*time.Hour; now = now.Add(p.Period) {
		switch d := renew.Decide(now, facts, p, renew.Ask{}); d.Action {
		case renew.Canary:
			canaries++
			if gap := now.Sub(last); gap < 55*time.Minute {
				t.Fatalf("%s: a canary %s after the last", now, gap)
			}
			last = now
			if !d.UseStandby {
				continue
			}
			fallthrough
		case renew.Standby:
			standbys++
			facts.Record.IssuedAt, facts.Record.ExpiresAt = now, now.Add(24*time.Hour)
			facts.Record.RenewAt = p.At(facts.Connection, now, 24*time.Hour)
		case renew.Wait:
			if !now.Before(facts.Record.ExpiresAt) {
				t.Fatalf("%s: the readers of a connection with a standby are without a token", now)
			}
		case renew.Keep, renew.Pause, renew.Refresh, renew.Refuse:
			t.Fatalf("%s: %+v", now, d)
		}
	}
	if canaries < 718 || canaries > 720 {
		t.Errorf("%d canaries in 30 days, want about 719", canaries)
	}
	if standbys < 30*24/15 || standbys > 30*24/9 {
		t.Errorf("%d standby tokens in 30 days", standbys)
	}
}

func FuzzDecide(f *testing.F) {
	good, bad := aRecord(), aFailure()
	f.Add(int64(1_767_330_245), good.Encode(), bad.Encode(), "22222222-2222-2222-2222-222222222222", int64(8), int64(0), uint8(0))
	f.Add(int64(1_767_400_000), good.Encode(), bad.Encode(), "x", int64(8), int64(8), uint8(1))
	f.Add(int64(0), "", `{"v":1,"class":"configuration","first_at":"0001-01-01T00:00:01Z","last_at":"0001-01-01T00:00:01Z"}`, "", int64(0), int64(0), uint8(0))
	f.Add(int64(1_767_330_245), good.Encode(), `{"v":1,"class":"transient","first_at":"2026-01-01T00:00:00Z","last_at":"2026-01-01T00:00:00Z","retry_at":"9999-01-01T00:00:00Z"}`, "x", int64(8), int64(0), uint8(1))
	f.Fuzz(func(t *testing.T, unix int64, record, failure, current string, version, rejected int64, flags uint8) {
		now := time.Unix(unix%253_402_300_799, 0).UTC()
		facts := renew.Facts{Connection: "a/b", Current: current, Version: max(version, 0), Modified: now.Add(-time.Hour), Paused: flags&2 != 0}
		if flags&4 != 0 {
			facts.Conflict = "String"
		}
		if r, err := renew.ParseRecord(record); err == nil && facts.Version > 0 {
			facts.Record = r
		}
		if r, err := renew.ParseFailure(failure); err == nil {
			facts.Failure = r
		}
		ask := renew.Ask{Force: flags&1 != 0, RejectedVersion: max(rejected, 0)}
		checkDecision(t, now, facts, ask, renew.Decide(now, facts, standard(), ask))
	})
}

func checkDecision(t *testing.T, now time.Time, facts renew.Facts, ask renew.Ask, d renew.Decision) {
	t.Helper()
	if d.Text == "" || !strings.HasPrefix(d.Text, string(d.Reason)) || d.Reason == "" {
		t.Fatalf("a text that does not begin with the reason: %+v", d)
	}
	if (d.Action == renew.Pause) != facts.Paused {
		t.Fatalf("paused %t: %+v", facts.Paused, d)
	}
	if (d.Action == renew.Refuse) != (facts.Conflict != "" && !facts.Paused) {
		t.Fatalf("conflict %q: %+v", facts.Conflict, d)
	}
	asks := false
	switch d.Action {
	case renew.Refresh, renew.Canary, renew.Standby:
		asks = true
		if !d.NotBefore.IsZero() {
			t.Fatalf("asked now, and told to come back: %+v", d)
		}
	case renew.Wait:
		if facts.Failure == nil || !d.NotBefore.After(now) {
			t.Fatalf("waits for nothing: %+v", d)
		}
	case renew.Keep:
		if d.NotBefore.IsZero() && (d.Reason != renew.Replaced || facts.Record != nil) {
			t.Fatalf("kept without an end: %+v", d)
		}
	case renew.Pause, renew.Refuse:
	default:
		t.Fatalf("unknown action %q", d.Action)
	}
	const longest = time.Hour + renew.ClockSkew // nobody here ever wrote a longer wait down
	if f := facts.Failure; asks && f != nil && now.Before(f.RetryAt) && f.RetryAt.Sub(now) <= longest && !d.DropFailure {
		t.Fatalf("a Retry-After until %s was overridden: %+v", facts.Failure.RetryAt, d)
	}
	if d.DropFailure && facts.Failure == nil {
		t.Fatalf("drops what is not there: %+v", d)
	}
	if (d.Action == renew.Canary || d.Action == renew.Standby) && (ask.Force || !renew.LatchedBy(facts.Failure)) {
		t.Fatalf("a canary or a standby of what is not latched: %+v", d)
	}
}
