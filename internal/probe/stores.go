package probe

import (
	"context"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Secret is what a listing tells of one secret under the prefix: metadata only.
type Secret struct {
	Connection string // the name without the prefix, whether or not that is a valid connection id
	Current    string // version id of AWSCURRENT, "" when there is none
	Paused     bool
	Created    time.Time // zero when unknown
}

// Document is the value of a secret's AWSCURRENT version.
type Document struct {
	VersionID string
	Value     oauth.Secret // zero when the secret has none, or a binary one
}

// Secrets lists connections, and reads one where an endpoint cannot be asked without.
type Secrets interface {
	// List returns every secret under the prefix (ListSecrets). Any error means that the list is not complete.
	List(ctx context.Context) ([]Secret, error)
	// Read returns the document of one connection (GetSecretValue).
	Read(ctx context.Context, connection string) (Document, error)
}

// Parameter is what a listing tells of a token or of a failure: never its value.
type Parameter struct {
	Connection  string
	Failure     bool   // it is the refresh_failure; else the access_token
	Type        string // SecureString, String, StringList
	Version     int64
	Description string // holds the record
	Modified    time.Time
}

// Parameters lists what is published.
type Parameters interface {
	// List returns the tokens and failures under the prefix (DescribeParameters). Any error means that the list is not complete.
	List(ctx context.Context) ([]Parameter, error)
	// Failures returns what the refresh_failure of the named connections says to a person, by connection (GetParameters, 10 a call). One that
	// has none is left out.
	Failures(ctx context.Context, connections []string) (map[string]string, error)
}
