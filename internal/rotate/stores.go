package rotate

import (
	"context"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Secrets reads and changes versions of secrets by their ids. *smsecret.Versions implements it. Every error wraps one of package store.
type Secrets interface {
	// Describe returns a secret by ARN or name, also one that is scheduled for deletion.
	Describe(ctx context.Context, secretID string) (store.Secret, error)
	// Read returns a version by its id, which must have the stage unless that is "". store.ErrNotFound means that the version has no value,
	// store.ErrStageMismatch that another version has the stage.
	Read(ctx context.Context, secretID, versionID, stage string) (store.Document, error)
	// Put gives a version its value. The same value once more is no error.
	Put(ctx context.Context, w store.VersionWrite) error
	// MoveStage moves a stage, only if it is where the move says; otherwise the error wraps store.ErrStageMoved.
	MoveStage(ctx context.Context, m store.StageMove) error
}

// Leases gives one invocation the right to renew a connection. *dynamostate.Store implements it.
type Leases interface {
	// Claim takes the lease of a connection whose item has not changed since it was read, and returns the item. Otherwise the error wraps
	// store.ErrInFlight.
	Claim(ctx context.Context, read lifecycle.State, o lifecycle.Owner) (lifecycle.State, error)
	// Commit writes the state and ends the lease. Without the lease the error wraps store.ErrLeaseLost.
	Commit(ctx context.Context, next lifecycle.State) error
	// Release ends the lease and changes nothing else.
	Release(ctx context.Context, leased lifecycle.State) error
}

// States reads items of the state table. *dynamostate.Store implements it.
type States interface {
	// Get returns the items that exist, by connection.
	Get(ctx context.Context, connections []string) (map[string]lifecycle.State, error)
}

// Publisher writes parameters. It repeats what SSM throttles or does not answer until ctx ends. *publish.Publisher implements it.
type Publisher interface {
	// Token writes the access token and returns the version of its parameter. The error wraps store.ErrUnwritable, store.ErrTypeConflict or
	// store.ErrInvalidWrite when SSM rejected the write; after any other error the write may still arrive.
	Token(ctx context.Context, connection string, token oauth.Secret, expiresAt time.Time) (version int64, err error)
	// Account writes the account id beside the token.
	Account(ctx context.Context, connection, account, providerName string) error
}
