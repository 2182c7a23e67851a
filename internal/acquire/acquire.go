// Package acquire gets a token for one connection: with AWSCURRENT, then with a standby. It ends with a token that may be published, or with the
// cause why there is none. It writes nothing.
package acquire

import (
	"context"
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Requester makes token requests. *oauth.Client implements it.
type Requester interface {
	TokenWithRetry(ctx context.Context, req oauth.TokenRequest, r oauth.Retry) (oauth.Attempt, error)
}

// Secrets reads what a standby needs. *smsecret.Store implements it.
type Secrets interface {
	Describe(ctx context.Context, connection string) (store.Secret, error)
	ReadVersion(ctx context.Context, connection, versionID string) (store.Document, error)
}

// Acquirer gets tokens. It keeps no state and is safe for concurrent use.
type Acquirer struct {
	Requester     Requester
	Secrets       Secrets
	Catalogue     provider.Catalogue
	AllowLoopback bool // accept http and loopback token endpoints: local runs only
	Policy        lifecycle.Policy
	Now           func() time.Time
}

// Source is one version of a secret whose client credentials can get a token.
type Source struct {
	Connection connection.Connection
	Document   store.Document
	Stage      string // of the version

	Configuration string // of the document, see connection.Configuration
}

// Request is one token request that was made.
type Request struct {
	Source
	Attempt oauth.Attempt
	Err     error // nil when a token was issued
}

// Order says for which connection a token is to be got.
type Order struct {
	State    lifecycle.State
	Decision lifecycle.Decision
	Current  Source                                                             // AWSCURRENT
	Start    time.Time                                                          // of the run
	Attempts int                                                                // requests to one endpoint, with waits between them
	Requests func(Request)                                                      // called after each request; required
	Standby  func(stage, versionID string, src *Source, cause *lifecycle.Cause) // called for each standby that gave no token; required
}

// Issued is a token that was issued, and what it may be published as.
type Issued struct {
	Source
	Attempt   oauth.Attempt
	Admission lifecycle.Admission
}

// Result of an acquisition. Both Issued and Cause are set when a standby got the token.
type Result struct {
	Issued   *Issued
	Cause    *lifecycle.Cause   // why AWSCURRENT got no token; nil when it did, or was not used
	Notices  []lifecycle.Notice // of a token that was not admitted
	Standbys []string           // version ids of the standbys that the provider refused
	Wait     time.Duration      // the longest Retry-After that a standby met
	Canceled bool               // ctx ended first
}

// maxWait is the longest wait between two requests of one run. A longer Retry-After is left to a later run.
const maxWait = 30 * time.Second

// Acquire gets a token. ctx bounds all requests.
func (a *Acquirer) Acquire(ctx context.Context, o Order) Result {
	var r Result
	if o.Decision.Action != lifecycle.Standby {
		attempts := o.Attempts
		if o.Decision.Action == lifecycle.Trial {
			attempts = 1
		}
		a.try(ctx, o, o.Current, attempts, &r)
		if r.Cause == nil || !a.standbyAllowed(o, r.Cause) {
			return r
		}
	}
	a.standbys(ctx, o, &r)
	return r
}

// standbyAllowed reports whether the failure of AWSCURRENT, with those before it, lets a standby take over.
func (a *Acquirer) standbyAllowed(o Order, c *lifecycle.Cause) bool {
	if c.Class != lifecycle.Credentials {
		return false
	}
	failed := lifecycle.AfterFailure(a.Now(), o.State, o.Attempted(nil), c, a.policy(o.Current))
	return lifecycle.StandbyAllowed(o.Start, o.Decision, failed)
}

// Attempted describes the attempt with AWSCURRENT for lifecycle.AfterFailure.
func (o Order) Attempted(standbys []string) lifecycle.Attempted {
	conn := &o.Current.Connection
	return lifecycle.Attempted{Start: o.Start, Current: o.Current.Document.VersionID, Provider: conn.Provider.ID, Endpoint: conn.Host,
		Lifetime: conn.Provider.DefaultLifetime, Standbys: standbys}
}

func (a *Acquirer) policy(src Source) lifecycle.Policy { return a.Policy.For(src.Connection.RefreshAt) }

// try makes the request with one source and has the token admitted.
func (a *Acquirer) try(ctx context.Context, o Order, src Source, attempts int, r *Result) {
	attempt, err := a.Requester.TokenWithRetry(ctx, src.Connection.TokenRequest(), oauth.Retry{
		Attempts: attempts, MaxWait: maxWait,
		OnAttempt: func(attempt oauth.Attempt, err error) { o.Requests(Request{src, attempt, err}) },
	})
	if err != nil {
		if errors.Is(err, oauth.ErrCanceled) {
			r.Canceled = true
			return
		}
		r.Cause = CauseOf(err)
		return
	}
	admission := lifecycle.Admit(a.Now(), o.State, o.Decision, src.Candidate(attempt.Token), a.Policy)
	if admission.Rejected != nil {
		r.Cause, r.Notices = admission.Rejected, append(r.Notices, admission.Notices...)
		return
	}
	r.Issued = &Issued{Source: src, Attempt: attempt, Admission: admission}
}

// Candidate describes an issued token for lifecycle.Admit.
func (src Source) Candidate(t *oauth.Token) lifecycle.Candidate {
	conn := &src.Connection
	c := lifecycle.Candidate{
		Provider: conn.Provider.ID, Endpoint: conn.Host, TokenID: t.ID(), Size: len(t.AccessToken.Reveal()),
		IssuedAt: t.IssuedAt, Lifetime: conn.Lifetime(t.Lifetime),
		Scope: t.Scope, ScopeUnknown: t.ScopeSource == oauth.ScopeUnknown, Required: conn.RequiredScope,
		JTI: t.JTI, AccountClaim: conn.Provider.AccountClaim, Account: t.Claims.Text(conn.Provider.AccountClaim),
		Shape: t.Shape, Fields: t.Fields,
		Credential: src.Document.VersionID, Stage: src.Stage, Since: src.Document.Created, RefreshAt: conn.RefreshAt,
	}
	if conn.Provider.PublishAccount {
		c.AccountID = conn.AccountID
		if c.AccountID == "" {
			c.AccountID = c.Account
		}
	}
	return c
}

// Understand makes a source of a document that was read. A secret without a value is an invalid document.
func (a *Acquirer) Understand(id string, doc store.Document, stage string) (Source, *lifecycle.Cause) {
	if doc.Err != nil {
		return Source{}, CauseOf(doc.Err)
	}
	if doc.Binary {
		return Source{}, CauseOf(connection.BinaryError(id))
	}
	conn, err := connection.Parse(id, doc.Value, a.Catalogue, connection.Options{AllowLoopback: a.AllowLoopback})
	if err != nil {
		return Source{}, CauseOf(err)
	}
	configuration, err := connection.Configuration(doc.Value)
	if err != nil {
		return Source{}, CauseOf(err)
	}
	return Source{Connection: conn, Document: doc, Stage: stage, Configuration: configuration}, nil
}
