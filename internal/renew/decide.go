package renew

import (
	"fmt"
	"time"
)

// listingLag is how long a listing may show an older state, with room to spare.
const listingLag = 15 * time.Minute

// Facts are what is known of one connection before anything is done. They come from listings, which may lag.
type Facts struct {
	Connection string
	Current    string // version id labelled AWSCURRENT
	Paused     bool
	Conflict   string    // type of a parameter that is in the way of the token; "" when none is
	Version    int64     // of the token's parameter; 0 when there is none
	Modified   time.Time // when the token's parameter was last written
	Unlisted   bool      // the parameter was read by name, and no listing shows its record yet

	SecretChanged time.Time // when the secret was last changed
	Record        *Record   // nil when there is no parameter, or one whose record cannot be read
	Failure       *Failure  // nil when there is none, or one that cannot be read
}

// LearnToken takes in what a listing tells of the token's parameter.
func (f *Facts) LearnToken(parameterType string, version int64, description string, modified time.Time) {
	f.Version, f.Modified = version, modified
	if parameterType != "SecureString" {
		f.Conflict = parameterType
	}
	if record, err := ParseRecord(description); err == nil {
		f.Record = record
	}
}

// LearnFailure takes in what a listing tells of the refresh_failure parameter.
func (f *Facts) LearnFailure(description string) {
	if failure, err := ParseFailure(description); err == nil {
		f.Failure = failure
	}
}

// Overdue reports whether the token should have been renewed more than two sweeps ago.
func (f Facts) Overdue(now time.Time, period time.Duration) bool {
	return f.Record != nil && now.Sub(f.Record.RenewAt) > 2*period
}

// FailingFor reports whether the connection has failed for longer than d.
func (f Facts) FailingFor(now time.Time, d time.Duration) bool {
	return f.Failure != nil && now.Sub(f.Failure.FirstAt) > d
}

// live reports whether a token is published that has not expired at now.
func (f Facts) live(now time.Time) bool { return f.Record != nil && now.Before(f.Record.ExpiresAt) }

// Left is the remaining life of the published token; zero or less when it has none.
func (f Facts) Left(now time.Time) time.Duration {
	if f.Record == nil {
		return 0
	}
	return f.Record.ExpiresAt.Sub(now)
}

// renewPassed reports whether the published token is due by time alone, or there is none.
func (f Facts) renewPassed(now time.Time) bool {
	return f.Record == nil || !now.Before(f.Record.RenewAt)
}

// lifetime of the published token, 0 when unknown.
func (f Facts) lifetime() time.Duration {
	if f.Record == nil {
		return 0
	}
	return f.Record.Lifetime()
}

// Ask is what the caller wants beyond a sweep.
type Ask struct {
	Force           bool  // passes backoff and latch, never a Retry-After
	RejectedVersion int64 // a consumer's version that a provider's API refused; 0 when none
}

// Action is what is to be done for a connection.
type Action string

// Actions. Canary and Standby belong to a latched connection.
const (
	Keep    Action = "keep"    // the published token stays
	Pause   Action = "pause"   // left alone, as its tag says
	Refresh Action = "refresh" // fetch with AWSCURRENT
	Canary  Action = "canary"  // latched: one try with AWSCURRENT, then the standby if that is due
	Standby Action = "standby" // latched: fetch with BACKUP or AWSPREVIOUS, without asking AWSCURRENT
	Wait    Action = "wait"    // failing, and not yet time to try again
	Refuse  Action = "refuse"  // cannot be published: a parameter of another type is in the way
)

// Reason is a reason's stable first word. Decision.Text adds what a person wants to know with it.
type Reason string

// Reasons.
const (
	Missing           Reason = "missing"
	Expired           Reason = "expired"
	Due               Reason = "due"
	Retry             Reason = "retry" // a failure is on record and its wait is over
	CredentialChanged Reason = "credential_changed"
	ChangedByOther    Reason = "changed_by_other"
	Forced            Reason = "forced"
	RejectedByReader  Reason = "rejected_by_consumer"
	Fresh             Reason = "fresh"
	MintedRecently    Reason = "minted_recently"
	Replaced          Reason = "replaced"
	Paused            Reason = "paused"
	BackingOff        Reason = "backing_off"
	Latched           Reason = "latched"
	TypeConflict      Reason = "parameter_type_conflict"
)

// Decision is what Decide finds, with its reason.
type Decision struct {
	Action      Action
	Reason      Reason
	Text        string    // the reason as a person reads it: "backing_off until 2026-01-02T03:04:05Z"
	NotBefore   time.Time // when to come back, for Keep and Wait; zero otherwise, and for Replaced when the record cannot be read
	UseStandby  bool      // when AWSCURRENT is refused, a standby may be tried in the same run
	DropFailure bool      // the failure record is a leftover of a crash
}

// Decide says what to do for one connection in the run that starts at now.
func Decide(now time.Time, f Facts, p Policy, ask Ask) Decision {
	leftover := f.failureIsLeftover()
	d := decide(now, f, p, ask, leftover)
	d.DropFailure = d.Action != Pause && (leftover || d.Reason == Fresh && f.failureIsForeign(now))
	if d.Text == "" {
		d.Text = string(d.Reason)
	}
	return d
}

func decide(now time.Time, f Facts, p Policy, ask Ask, leftover bool) Decision {
	switch {
	case f.Paused:
		return Decision{Action: Pause, Reason: Paused}
	case f.Conflict != "":
		return Decision{Action: Refuse, Reason: TypeConflict}
	}
	want := wanted(now, f, ask)
	if want.Action == Keep && want.Reason != Fresh {
		return want // a consumer's question has its answer, whatever else is wrong
	}
	if f.Failure == nil || leftover {
		return want
	}
	return restrained(now, f, p, ask, want)
}

// failureIsLeftover reports whether the failure was followed by a token of AWSCURRENT: the run that published it ended before it deleted the
// record.
func (f Facts) failureIsLeftover() bool {
	return f.Failure != nil && f.Record != nil && f.Record.Stage == "AWSCURRENT" &&
		f.Failure.Current == f.Record.Current && f.Failure.LastAt.Before(f.Record.IssuedAt)
}

// failureIsForeign reports whether the failure is about a credential that a person took back since: AWSCURRENT minted the published token. A
// listing of secrets may lag by five minutes, so a young failure may be about a credential that the listing does not show yet.
func (f Facts) failureIsForeign(now time.Time) bool {
	return f.Failure != nil && f.Record != nil && f.Record.Stage == "AWSCURRENT" &&
		f.Failure.Current != f.Current && now.Sub(f.Failure.LastAt) > listingLag
}

// wanted says what would be done if nothing had failed before.
func wanted(now time.Time, f Facts, ask Ask) Decision {
	if ask.Force {
		return Decision{Action: Refresh, Reason: Forced}
	}
	if ask.RejectedVersion != 0 && f.Version != 0 {
		return rejected(now, f, ask.RejectedVersion)
	}
	refresh := func(r Reason) Decision { return Decision{Action: Refresh, Reason: r} }
	switch r := f.Record; {
	case f.Version == 0:
		return refresh(Missing)
	case r == nil && f.justWritten(now):
		return Decision{Action: Keep, Reason: Fresh, NotBefore: f.Modified.Add(listingLag),
			Text: fmt.Sprintf("fresh: version %d was written %d s ago, its record is not listed yet", f.Version, int(now.Sub(f.Modified).Seconds()))}
	case r == nil:
		return Decision{Action: Refresh, Reason: ChangedByOther, Text: "changed_by_other: the record of the parameter cannot be read"}
	case r.Seq != f.Version:
		return Decision{Action: Refresh, Reason: ChangedByOther,
			Text: fmt.Sprintf("changed_by_other: version %d is there, %d was written", f.Version, r.Seq)}
	case r.Current != f.Current:
		return refresh(CredentialChanged)
	case !now.Before(r.ExpiresAt):
		return refresh(Expired)
	case !now.Before(r.RenewAt), now.Before(r.IssuedAt):
		return refresh(Due)
	default:
		return Decision{Action: Keep, Reason: Fresh, Text: "fresh until " + stamp(r.RenewAt), NotBefore: r.RenewAt}
	}
}

// justWritten reports whether the token was written so recently that a listing may not show its record yet, and after the last change of the
// secret: then there is nothing to renew.
func (f Facts) justWritten(now time.Time) bool {
	return f.Unlisted && now.Sub(f.Modified) < listingLag && !f.SecretChanged.After(f.Modified)
}

// rejected answers a consumer that met a 401 with the given version.
func rejected(now time.Time, f Facts, version int64) Decision {
	switch age := f.age(now); {
	case f.Version == version && f.Record != nil && f.Record.Seq != version:
		return Decision{Action: Refresh, Reason: ChangedByOther, Text: "changed_by_other: another writer put it there"}
	case f.Version != version:
		d := Decision{Action: Keep, Reason: Replaced, Text: fmt.Sprintf("replaced: version %d is published, read it", f.Version)}
		if f.Record != nil {
			d.NotBefore = f.Record.RenewAt
		}
		return d
	case age >= 0 && age < JustMinted:
		return Decision{Action: Keep, Reason: MintedRecently, NotBefore: now.Add(JustMinted - age), Text: fmt.Sprintf(
			"minted_recently: version %d is %d s old: do you read with decryption? A readable token does not begin with \"AQIC\"",
			f.Version, int(age.Seconds()))}
	default:
		return Decision{Action: Refresh, Reason: RejectedByReader}
	}
}

// age of the published token; where its record cannot be read yet, of its parameter.
func (f Facts) age(now time.Time) time.Duration {
	if f.Record == nil {
		return now.Sub(f.Modified)
	}
	return now.Sub(f.Record.IssuedAt)
}

// restrained holds back what is wanted when the last runs failed.
func restrained(now time.Time, f Facts, p Policy, ask Ask, want Decision) Decision {
	failure := f.Failure
	if within(now, failure.RetryAt, maxWait) { // the provider's own word: nothing overrides it
		return backingOff(failure.RetryAt)
	}
	if failure.Current != f.Current { // about another credential
		return want
	}
	if failure.Code == string(TypeConflict) { // the parameter that was in the way is gone
		return want
	}
	if want.Action == Keep {
		want = Decision{Action: Refresh, Reason: Retry}
	}
	if LatchedBy(failure) {
		return latched(now, f, p, ask, want)
	}
	if within(now.Add(p.Slack()), failure.NextAt, maxWait) && !ask.Force && !f.desperate(now, p) {
		return backingOff(failure.NextAt)
	}
	return want
}

// maxWait is the longest wait that this program writes down. An instant further away was written by somebody else, and binds nobody.
const maxWait = time.Hour + ClockSkew

// within reports whether until still lies ahead, but not further than most.
func within(now, until time.Time, most time.Duration) bool {
	return now.Before(until) && until.Sub(now) <= most
}

// desperate reports whether a living token is so close to its end that a backoff no longer pays.
func (f Facts) desperate(now time.Time, p Policy) bool {
	return f.live(now) && f.Left(now) < p.Desperate()
}

func backingOff(until time.Time) Decision {
	return Decision{Action: Wait, Reason: BackingOff, Text: "backing_off until " + stamp(until), NotBefore: until}
}

// LatchedBy reports whether a failure stops the tries with this credential but for a canary.
func LatchedBy(f *Failure) bool {
	return f.Class == "configuration" || f.Class == "credentials" && f.Attempts >= LatchAfter
}

// latched: ask only now and then, and keep the readers served by a standby meanwhile.
func latched(now time.Time, f Facts, p Policy, ask Ask, want Decision) Decision {
	interval := p.Canary(f.lifetime())
	standby := f.Failure.Class == "credentials" && f.renewPassed(now)
	next := p.NextCanary(now, f.Failure.FirstAt, interval)
	switch {
	case ask.Force:
		return Decision{Action: Refresh, Reason: Forced, UseStandby: standby}
	case now.Before(f.Failure.FirstAt), p.CanaryDue(now.Add(p.Slack()), f.Failure.FirstAt, interval):
		return Decision{Action: Canary, Reason: want.Reason, Text: string(want.Reason) + " (canary of a latched connection)", UseStandby: standby}
	case standby && f.Record != nil && now.Sub(f.Record.RenewAt) < p.Period+p.Period/2: // the first sweep in which it is due
		return Decision{Action: Standby, Reason: want.Reason, Text: string(want.Reason) + " (from the standby, AWSCURRENT is latched)", UseStandby: true}
	default:
		return Decision{Action: Wait, Reason: Latched, NotBefore: next,
			Text: fmt.Sprintf("latched until AWSCURRENT changes; next try %s", stamp(next))}
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
