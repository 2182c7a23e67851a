package lifecycle

import (
	"fmt"
	"time"
)

// Observation is what AWS showed of a connection in this run, beside its state. Nil fields were not looked at.
type Observation struct {
	Secret    *Secret
	Parameter *Parameter
}

// Secret is what a listing or a read showed of the secret.
type Secret struct {
	Current string    // version id of AWSCURRENT, "" when there is none
	Changed time.Time // LastChangedDate
	Created time.Time // zero when unknown
	Paused  bool      // the tag
	Gone    bool      // there is no such secret
}

// Parameter is what GetParameters showed of the access_token parameter. The zero Parameter does not exist.
type Parameter struct {
	Version  int64
	Type     string // SecureString, String, StringList
	Modified time.Time
}

// Override is what a caller wants beyond a sweep.
type Override struct {
	Force           bool  // ignores backoff and suspension, never a Retry-After
	RejectedVersion int64 // version of the parameter whose token an API rejected; 0 when none
}

// Action is what to do with a connection.
type Action string

// Actions. Trial and Standby belong to a suspended connection.
const (
	Keep     Action = "keep"     // the published token stays
	Pause    Action = "pause"    // ignored: its tag says so
	Renew    Action = "renew"    // get a token with AWSCURRENT
	Trial    Action = "trial"    // suspended: one attempt with AWSCURRENT, then the standby if that is due
	Standby  Action = "standby"  // suspended: get a token with BACKUP or AWSPREVIOUS, without AWSCURRENT
	Wait     Action = "wait"     // failing, and not yet time for the next attempt
	Conflict Action = "conflict" // a parameter of another type exists under the token's name
	Gone     Action = "gone"     // the secret does not exist any more
	Newer    Action = "newer"    // the item was written by a newer version of this program
)

// Attempts reports whether the action makes a token request.
func (a Action) Attempts() bool { return a == Renew || a == Trial || a == Standby }

// Reason is the stable first word of a decision's text.
type Reason string

// Reasons (contract.md section 4).
const (
	Missing           Reason = "missing"
	Expired           Reason = "expired"
	Due               Reason = "due"
	Retry             Reason = "retry" // the wait after a failure is over
	CredentialChanged Reason = "credential_changed"
	ChangedByOther    Reason = "changed_by_other"
	Interrupted       Reason = "interrupted" // a run ended while it had the lease: its token may be lost, and may have ended the published one
	Forced            Reason = "forced"
	RejectedByReader  Reason = "rejected_by_consumer"
	Fresh             Reason = "fresh"
	IssuedRecently    Reason = "issued_recently"
	Replaced          Reason = "replaced"
	Paused            Reason = "paused"
	BackingOff        Reason = "backing_off"
	Suspended         Reason = "suspended"
	TypeConflict      Reason = "parameter_type_conflict"
	SecretGone        Reason = "secret_gone"
	NewerSchema       Reason = "newer_schema"
)

// Decision is an action with its reason.
type Decision struct {
	Action       Action
	Reason       Reason
	Text         string    // the reason for people: "backing_off until 2026-01-02T03:04:05Z"
	NotBefore    time.Time // when to decide again, for Keep and Wait; zero otherwise
	UseStandby   bool      // when AWSCURRENT is refused, a standby may be used in the same run
	ClearFailure bool      // the failure is about client credentials that are not AWSCURRENT any more
	Displaced    bool      // the parameter was seen not to hold the published token
}

// Decide says what to do with a connection in the run that starts at now.
func Decide(now time.Time, s State, o Observation, p Policy, ov Override) Decision {
	v := view{s, o}
	d := decide(now, v, p, ov)
	d.Displaced = v.displaced()
	if d.Text == "" {
		d.Text = string(d.Reason)
	}
	return d
}

// view is a state together with what was observed of it.
type view struct {
	State
	Observation
}

func decide(now time.Time, v view, p Policy, ov Override) Decision {
	switch {
	case v.Newer:
		return Decision{Action: Newer, Reason: NewerSchema, Text: "newer_schema: update this function"}
	case v.gone():
		return Decision{Action: Gone, Reason: SecretGone}
	case v.paused():
		return Decision{Action: Pause, Reason: Paused}
	case v.Parameter != nil && v.Parameter.Version != 0 && v.Parameter.Type != secureString:
		return Decision{Action: Conflict, Reason: TypeConflict}
	}
	want := wanted(now, v, ov)
	if want.Action == Keep && want.Reason != Fresh {
		return want // the answer to a reader's report does not depend on failures
	}
	if v.Failure == nil {
		return want
	}
	d := restrained(now, v, p, ov, want)
	d.ClearFailure = d.Reason == Fresh && v.failureObsolete(now)
	return d
}

const secureString = "SecureString"

// gone reports whether the secret does not exist, as far as it is known.
func (v view) gone() bool {
	if v.Secret != nil {
		return v.Secret.Gone
	}
	return !v.DeleteAt.IsZero()
}

func (v view) paused() bool {
	if v.Secret != nil {
		return v.Secret.Paused
	}
	return v.Paused
}

// current is the version id of AWSCURRENT as it was seen last.
func (v view) current() string {
	switch {
	case v.Secret != nil:
		return v.Secret.Current
	case v.Failure != nil && (v.Token == nil || v.Failure.LastAt.After(v.Token.IssuedAt)):
		return v.Failure.Current
	}
	return v.Current
}

// exists reports whether a token is published, as far as it is known.
func (v view) exists() bool {
	if v.Parameter != nil {
		return v.Parameter.Version != 0
	}
	return v.Token != nil
}

// displaced reports whether the parameter was seen not to hold the published token: it is gone, or another program wrote it.
func (v view) displaced() bool {
	return v.Parameter != nil && v.Token != nil && v.Parameter.Version != v.Token.Version
}

// wanted says what would be done without failures.
func wanted(now time.Time, v view, ov Override) Decision {
	renew := func(r Reason) Decision { return Decision{Action: Renew, Reason: r} }
	switch t := v.Token; {
	case ov.Force:
		return renew(Forced)
	case !v.exists():
		return renew(Missing)
	case ov.RejectedVersion != 0:
		return rejected(now, v, ov.RejectedVersion)
	case t == nil:
		return Decision{Action: Renew, Reason: ChangedByOther,
			Text: fmt.Sprintf("changed_by_other: version %d exists without a state", v.Parameter.Version)}
	case v.Parameter != nil && v.Parameter.Version != t.Version:
		return Decision{Action: Renew, Reason: ChangedByOther,
			Text: fmt.Sprintf("changed_by_other: the parameter has version %d, this program wrote %d", v.Parameter.Version, t.Version)}
	case v.current() != v.Current:
		return renew(CredentialChanged)
	case !now.Before(t.ExpiresAt):
		return renew(Expired)
	case !now.Before(t.RenewAt), now.Before(t.IssuedAt):
		return renew(Due)
	case v.interrupted(now):
		return renew(Interrupted)
	default:
		return Decision{Action: Keep, Reason: Fresh, Text: "fresh until " + stamp(t.RenewAt), NotBefore: t.RenewAt}
	}
}

// rejected answers a reader whose API rejected the token of the given version.
func rejected(now time.Time, v view, version int64) Decision {
	published := v.publishedVersion()
	switch age := v.age(now); {
	case published == version && v.Token != nil && v.Token.Version != version:
		return Decision{Action: Renew, Reason: ChangedByOther, Text: "changed_by_other: another program wrote this version"}
	case published != version:
		d := Decision{Action: Keep, Reason: Replaced, Text: fmt.Sprintf("replaced: version %d is published, read it", published)}
		if v.Token != nil {
			d.NotBefore = v.Token.RenewAt
		}
		return d
	case age >= 0 && age < JustIssued:
		return Decision{Action: Keep, Reason: IssuedRecently, NotBefore: now.Add(JustIssued - age), Text: fmt.Sprintf(
			"issued_recently: version %d is %d s old; check that your program reads it with decryption and sends it unchanged",
			published, int(age.Seconds()))}
	default:
		return Decision{Action: Renew, Reason: RejectedByReader}
	}
}

func (v view) publishedVersion() int64 {
	if v.Parameter != nil {
		return v.Parameter.Version
	}
	return v.Token.Version
}

// age of the published token; without a state, of its parameter.
func (v view) age(now time.Time) time.Duration {
	if v.Token == nil {
		return now.Sub(v.Parameter.Modified)
	}
	return now.Sub(v.Token.IssuedAt)
}

// restrained applies the waits after failures.
func restrained(now time.Time, v view, p Policy, ov Override, want Decision) Decision {
	f := v.Failure
	if within(now, f.RetryAt, maxWait) { // the provider's Retry-After: nothing overrides it
		return backingOff(f.RetryAt)
	}
	if f.Current != v.current() { // about other client credentials
		return want
	}
	if f.Code == string(TypeConflict) && v.Parameter != nil { // the parameter of another type is gone
		return want
	}
	if want.Action == Keep {
		want = Decision{Action: Renew, Reason: Retry}
	}
	if f.Suspends() {
		return suspended(now, v, p, ov, want)
	}
	if within(now.Add(p.Tolerance()), f.NextAt, maxWait) && !ov.Force && !v.inEmergency(now, p) && !v.interrupted(now) {
		return backingOff(f.NextAt)
	}
	return want
}

// maxWait is the longest wait that this program writes. An instant further away was written by somebody else and is ignored.
const maxWait = time.Hour + ClockSkew

// within reports whether until lies ahead, but no further than most.
func within(now, until time.Time, most time.Duration) bool {
	return now.Before(until) && until.Sub(now) <= most
}

func backingOff(until time.Time) Decision {
	return Decision{Action: Wait, Reason: BackingOff, Text: "backing_off until " + stamp(until), NotBefore: until}
}

// Suspends reports whether the failure stops all attempts with these client credentials but for trials.
func (f *Failure) Suspends() bool {
	return f.Class == Configuration || f.Class == Credentials && f.Attempts >= FailureThreshold
}

// suspended makes a trial now and then, and keeps readers served by a standby meanwhile.
func suspended(now time.Time, v view, p Policy, ov Override, want Decision) Decision {
	interval := p.TrialEvery(v.Lifetime())
	standby := v.Failure.Class == Credentials && v.renewalDue(now)
	next := p.NextTrial(now, v.Failure.FirstAt, interval)
	start, last := now.Add(p.Tolerance()), v.Failure.LastAt.Add(p.Tolerance())
	due := p.TrialDue(start, v.Failure.FirstAt, interval) && !trialMade(start, v.Failure.FirstAt, last, interval)
	switch {
	case ov.Force:
		return Decision{Action: Renew, Reason: Forced, UseStandby: standby}
	case now.Before(v.Failure.FirstAt), due, v.interrupted(now):
		return Decision{Action: Trial, Reason: want.Reason, Text: string(want.Reason) + " (trial of a suspended connection)", UseStandby: standby}
	case standby && v.Token != nil && now.Sub(v.Token.RenewAt) < p.Period+p.Period/2: // the first sweep in which it is due
		return Decision{Action: Standby, Reason: want.Reason, Text: string(want.Reason) + " (with a standby, AWSCURRENT is suspended)", UseStandby: true}
	default:
		return Decision{Action: Wait, Reason: Suspended, NotBefore: next,
			Text: fmt.Sprintf("suspended until AWSCURRENT changes; next trial %s", stamp(next))}
	}
}

// trialMade reports whether the last attempt was made since the interval that holds start began, also by a run that began later. Intervals count
// from first. So readers that report a rejected token make no further trial. A last attempt further ahead than an interval is ignored.
func trialMade(start, first, last time.Time, interval time.Duration) bool {
	began := start.Add(-(start.Sub(first) % interval))
	return !last.Before(began) && last.Before(start.Add(interval))
}

// listingLag is how long a listing of secrets may show an older state, with a reserve: Secrets Manager names five minutes.
const listingLag = 15 * time.Minute

// failureObsolete reports whether the failure is about client credentials that were taken back: AWSCURRENT is again the version that issued
// the published token. A listing may lag, so a young failure may be about a version that the listing does not show yet.
func (v view) failureObsolete(now time.Time) bool {
	return v.Secret != nil && v.Failure != nil && v.Token != nil && v.Token.Stage == "AWSCURRENT" &&
		v.Failure.Current != v.Secret.Current && now.Sub(v.Failure.LastAt) > listingLag
}

// Remaining is the time until the published token expires; zero or less when it has expired or there is none.
func (s State) Remaining(now time.Time) time.Duration {
	if s.Token == nil {
		return 0
	}
	return s.Token.ExpiresAt.Sub(now)
}

// Lifetime of the published token, 0 when unknown.
func (s State) Lifetime() time.Duration {
	if s.Token == nil {
		return 0
	}
	return s.Token.Lifetime()
}

// Lifetime is the time from issue to expiry.
func (t *Token) Lifetime() time.Duration { return t.ExpiresAt.Sub(t.IssuedAt) }

// Overdue reports whether the token should have been renewed more than two sweeps ago.
func (s State) Overdue(now time.Time, period time.Duration) bool {
	return s.Token != nil && now.Sub(s.Token.RenewAt) > 2*period
}

// FailingFor reports whether the connection has failed for longer than d.
func (s State) FailingFor(now time.Time, d time.Duration) bool {
	return s.Failure != nil && now.Sub(s.Failure.FirstAt) > d
}

// renewalDue reports whether the published token is due by time alone, or there is none.
func (s State) renewalDue(now time.Time) bool {
	return s.Token == nil || !now.Before(s.Token.RenewAt)
}

// interrupted reports whether the last run that had the lease ended without giving it back.
func (s State) interrupted(now time.Time) bool { return s.Lease != nil && !s.Leased(now) }

// inEmergency reports whether a live token is so close to its end that a backoff does not help.
func (s State) inEmergency(now time.Time, p Policy) bool {
	remaining := s.Remaining(now)
	return remaining > 0 && remaining < p.EmergencyWindow()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
