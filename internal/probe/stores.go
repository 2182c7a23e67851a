package probe

import (
	"context"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// Secrets lists connections, and reads one where an endpoint cannot be probed without its document. *smsecret.Store implements it.
type Secrets interface {
	// List gives every secret under the prefix to page, part by part. An error means that the list is not complete.
	List(ctx context.Context, page func([]store.Secret)) error
	// Read returns the AWSCURRENT document of one connection (GetSecretValue).
	Read(ctx context.Context, connection string) (store.Document, error)
}

// States reads the state table. *dynamostate.Store implements it.
type States interface {
	// Scan gives all items to page, part by part. An error means that they were not complete.
	Scan(ctx context.Context, page func([]lifecycle.State)) error
}
