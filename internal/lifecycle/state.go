// Package lifecycle is the state machine of a connection. Every function is pure: a value of the clock, the state and the policy go in, a
// decision or the next state comes out. So a plan can be printed, tested and trusted (contract.md sections 3 to 6).
package lifecycle

import (
	"maps"
	"slices"
	"time"
)

// State is the item of one connection in the state table. The zero State, but for ID, is a connection that has no item.
type State struct {
	ID       string // connection
	Revision int64  // +1 with every write; 0: there is no item
	Newer    bool   // the item's schema is newer than this program: only ID and Revision are set, and it must be left alone

	Current       string    // version id that was AWSCURRENT when the published token was issued; "" when there was none
	ChangedAt     time.Time // LastChangedDate of the secret then
	Paused        bool      // the tag, as the last listing showed it
	Configuration string    // 16 hex digits: configuration of the document that got the published token; "" when unknown
	Notice        string    // class/code for which refresh_failure was written; "" when the parameter does not exist
	DeleteAt      time.Time // set when the secret is gone: DynamoDB removes the item after this instant, if no sweep has
	Token         *Token    // the published token; nil when there is none
	Failure       *Failure  // nil when the last attempt succeeded
	Lease         *Lease    // nil when nobody is renewing
	Told          map[string]string
}

// Token is what is known of a published token, without the token.
type Token struct {
	Provider   string
	Endpoint   string // host of the token endpoint, with the port if it is not 443
	IssuedAt   time.Time
	ExpiresAt  time.Time
	RenewAt    time.Time
	Scope      string
	JTI        string
	Account    string // account claim of the token, "" when the provider has none
	AccountID  string // value of the account_id parameter, "" when there is none
	TokenID    string // 16 hex digits of the token's SHA-256
	Shape      string // 8 hex digits over the field names of the response
	Credential string // version id that issued the token
	Stage      string // its stage then: AWSCURRENT, BACKUP, AWSPREVIOUS, AWSPENDING
	Since      time.Time
	Version    int64 // of the access_token parameter, as PutParameter returned it
}

// Failure says why a connection fails.
type Failure struct {
	Class            Class
	Code             string
	Provider         string // "" when the document could not be read
	Endpoint         string // host, "" when the document could not be read
	HTTPStatus       int
	Attempts         int // consecutive runs that failed in the same class with the same AWSCURRENT
	FirstAt          time.Time
	LastAt           time.Time
	NextAt           time.Time
	RetryAt          time.Time // end of a Retry-After; zero without one
	Current          string    // version id of AWSCURRENT
	Message          string    // sentence for people
	RejectedStandbys []string  // version ids
}

// Lease says that a run is renewing the connection.
type Lease struct {
	Owner string // request id
	Since time.Time
	Until time.Time // whole seconds; the lease is over at this instant
}

// Owner is the run that takes leases.
type Owner struct {
	ID      string    // request id
	HardEnd time.Time // Lambda ends the process then; a lease ends 5 s later
}

// LeaseMargin is the time between the end of a run and the end of its leases.
const LeaseMargin = 5 * time.Second

// Leased reports whether somebody holds the lease at now.
func (s State) Leased(now time.Time) bool { return s.Lease != nil && now.Before(s.Lease.Until) }

// Clone returns a copy that shares nothing with s.
func (s State) Clone() State {
	if s.Token != nil {
		t := *s.Token
		s.Token = &t
	}
	if s.Failure != nil {
		f := *s.Failure
		f.RejectedStandbys = slices.Clone(f.RejectedStandbys)
		s.Failure = &f
	}
	if s.Lease != nil {
		l := *s.Lease
		s.Lease = &l
	}
	s.Told = maps.Clone(s.Told)
	return s
}

// Class decides what follows a failure (contract.md section 3). The values are those of the package oauth.
type Class string

// Classes.
const (
	Transient     Class = "transient"     // try again later, keep the old token
	Credentials   Class = "credentials"   // the provider refuses the client credentials
	Configuration Class = "configuration" // somebody must change something
	Malformed     Class = "malformed"     // a 2xx without a usable token
	Canceled      Class = "canceled"      // the caller's deadline came first: says nothing about the provider
)
