package refresh

import (
	"cmp"
	"slices"
	"time"
)

// maxListed is how many entries each list of a result holds; the counts are complete.
const maxListed = 100

// Result is what a run returns (contract.md section 4). Lists hold the most urgent first.
type Result struct {
	Connections int         `json:"connections"` // secrets under the prefix, or names in the event
	Counts      Counts      `json:"counts"`
	Refreshed   []Refreshed `json:"refreshed"`
	Fresh       []Kept      `json:"fresh"`
	Reused      []Kept      `json:"reused"`
	Failed      []Failed    `json:"failed"`
	Deferred    []Deferred  `json:"deferred"`
	Orphaned    []string    `json:"orphaned"`
	Capacity    Capacity    `json:"capacity"`
	Plan        []Planned   `json:"plan,omitzero"` // only of a dry run

	DiscoveryFailed string `json:"discovery_failed,omitzero"` // why the secrets could not be listed; known connections were still renewed

	Health Health `json:"-"` // of all connections, for the metrics; only of a sweep
}

// Counts are the complete numbers behind the lists.
type Counts struct {
	Refreshed int `json:"refreshed"`
	Fresh     int `json:"fresh"`
	Reused    int `json:"reused"`
	Failed    int `json:"failed"`
	Deferred  int `json:"deferred"`
	Orphaned  int `json:"orphaned"`
	Paused    int `json:"paused"`
}

// Refreshed is a connection with a new token.
type Refreshed struct {
	Connection string    `json:"connection"`
	ExpiresAt  time.Time `json:"expires_at"`
	Stage      string    `json:"stage"`   // of the client credentials that issued it
	Version    int64     `json:"version"` // of the parameter
}

// Kept is a connection whose published token stays.
type Kept struct {
	Connection string    `json:"connection"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	Reason     string    `json:"reason"`
}

// Failed is a connection that fails, in this run or, backing off or suspended, as its state says.
type Failed struct {
	Connection     string    `json:"connection"`
	Class          string    `json:"class"`
	Code           string    `json:"code"`
	Message        string    `json:"message"` // for a person: what happened and what to do
	NextAt         time.Time `json:"next_at,omitzero"`
	TokenExpiresAt time.Time `json:"token_expires_at,omitzero"` // absent when no token lives
}

// Deferred is a connection that is due and that the run did not come to.
type Deferred struct {
	Connection string `json:"connection"`
	Reason     string `json:"reason"`
}

// Capacity compares the tokens a second that the connections need with the writes a second that are allowed.
type Capacity struct {
	Needed  float64 `json:"needed"`
	Allowed float64 `json:"allowed"`
}

// Planned is one line of a dry run.
type Planned struct {
	Connection string    `json:"connection"`
	Action     string    `json:"action"`
	Reason     string    `json:"reason"`
	RenewAt    time.Time `json:"renew_at,omitzero"` // of the published token
}

// Health is what a sweep knows of all connections when it ends (contract.md section 8).
type Health struct {
	Known              bool  // false for a run over named connections
	Failing            int   // failure records younger than 24 h
	MinSecondsToExpiry int64 // of living and dead tokens, without those that have failed, and been expired, for over 24 h
	HasTokens          bool  // MinSecondsToExpiry means something
	RenewalOverdue     int   // more than two periods past renew_at, without those that have failed for over 24 h
	FallbackActive     int   // published from a standby
	Attempted          int   // connections that were tried and failed in this run
	Notices            int
}

// finish sorts and cuts the lists; never nil, so that they are [] in JSON.
func (r *Result) finish() {
	r.Counts.Refreshed, r.Counts.Fresh, r.Counts.Reused = len(r.Refreshed), len(r.Fresh), len(r.Reused)
	r.Counts.Failed, r.Counts.Deferred, r.Counts.Orphaned = len(r.Failed), len(r.Deferred), len(r.Orphaned)
	slices.SortFunc(r.Refreshed, func(a, b Refreshed) int { return soonest(a.ExpiresAt, b.ExpiresAt, a.Connection, b.Connection) })
	slices.SortFunc(r.Fresh, func(a, b Kept) int { return soonest(a.ExpiresAt, b.ExpiresAt, a.Connection, b.Connection) })
	slices.SortFunc(r.Reused, func(a, b Kept) int { return soonest(a.ExpiresAt, b.ExpiresAt, a.Connection, b.Connection) })
	slices.SortFunc(r.Failed, func(a, b Failed) int { return soonest(a.TokenExpiresAt, b.TokenExpiresAt, a.Connection, b.Connection) })
	slices.Sort(r.Orphaned)
	r.Refreshed, r.Fresh, r.Reused = cut(r.Refreshed), cut(r.Fresh), cut(r.Reused)
	r.Failed, r.Deferred, r.Orphaned = cut(r.Failed), cut(r.Deferred), cut(r.Orphaned)
	if r.Plan != nil {
		r.Plan = cut(r.Plan)
	}
}

func soonest(a, b time.Time, aName, bName string) int {
	return cmp.Or(a.Compare(b), cmp.Compare(aName, bName))
}

func cut[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list[:min(len(list), maxListed)]
}
