package probe

import (
	"context"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// Secrets lists connections, and reads one document where an endpoint cannot be probed without it. *smsecret.Store implements it.
type Secrets interface {
	// List gives every secret under the prefix to page, part by part. An error means that the list is not complete.
	List(ctx context.Context, page func([]store.Secret)) error
	// Read returns the AWSCURRENT document of one connection (GetSecretValue).
	Read(ctx context.Context, connection string) (store.Document, error)
}

// States reads the state table. *dynamostate.Store implements it.
type States interface {
	// Scan gives all items to page, part by part. An error means that the items were not complete.
	Scan(ctx context.Context, page func([]lifecycle.State)) error
	// Get returns the items that exist, by connection.
	Get(ctx context.Context, connections []string) (map[string]lifecycle.State, error)
}
