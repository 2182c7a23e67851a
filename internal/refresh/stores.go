package refresh

import (
	"context"
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// What an adapter makes of an AWS error. It wraps one of these, so that errors.Is tells the use case what to do, with a text that names
// the operation and AWS's error code and never a value.
var (
	ErrNotFound      = errors.New("not found")             // the secret or parameter does not exist (or is scheduled for deletion)
	ErrAccessDenied  = errors.New("access denied")         // AccessDenied for one secret
	ErrUndecryptable = errors.New("cannot be decrypted")   // KMS refuses, for one secret
	ErrUnavailable   = errors.New("unavailable")           // 5xx, time-outs, no connection, beyond the adapter's retries
	ErrThrottled     = errors.New("throttled")             // 429, ThrottlingException, "Rate exceeded", TooManyUpdates: not retried by the adapter on PutParameter
	ErrStoreRefuses  = errors.New("the store refuses")     // writes refused for a reason of the installation: AccessDenied, KMS, ParameterLimitExceeded
	ErrTypeConflict  = errors.New("another type is there") // a parameter of another type is in the way of a write
	ErrRefusesValue  = errors.New("the value is refused")  // this one write was refused for what it holds or where it goes (ValidationException, ParameterMaxVersionLimitExceeded, …)
)

// Stages of a secret version (contract.md section 6).
const (
	StageCurrent   = "AWSCURRENT"
	StagePrevious  = "AWSPREVIOUS"
	StageBackup    = "BACKUP"
	StageRejected  = "REJECTED"
	StageCandidate = "CANDIDATE"
)

// Secret is what a listing tells of one secret under the prefix: metadata only.
type Secret struct {
	Connection string            // the name without the prefix, whether or not that is a valid connection id
	Stages     map[string]string // staging label -> version id
	Paused     bool              // tag chaveiro:paused = true
	Created    time.Time         // of the secret, zero when unknown
	Changed    time.Time         // LastChangedDate
}

// Document is one version of a secret with its value.
type Document struct {
	Connection string
	VersionID  string
	Created    time.Time    // of the version
	Value      oauth.Secret // SecretString; zero when Binary or empty
	Binary     bool         // the version holds SecretBinary
	Err        error        // this one could not be read: wraps ErrNotFound, ErrAccessDenied, ErrUndecryptable or ErrUnavailable
}

// Secrets reads connections. smsecret.Store implements it.
type Secrets interface {
	// List returns every secret under the prefix (ListSecrets, pages of 100; scheduled deletions are not in it). Any error means that the
	// list is not complete and must not be used.
	List(ctx context.Context) ([]Secret, error)
	// Describe returns one secret, or an error that wraps ErrNotFound, also when it is scheduled for deletion.
	Describe(ctx context.Context, connection string) (Secret, error)
	// ReadCurrent returns the AWSCURRENT version of each connection, in the order given, each with its own Err (BatchGetSecretValue, 20 a call).
	ReadCurrent(ctx context.Context, connections []string) []Document
	// ReadVersion returns one version by its id.
	ReadVersion(ctx context.Context, connection, versionID string) (Document, error)
}

// Kind is the last segment of a parameter's name.
type Kind string

// Kinds of parameters that are published for a connection (contract.md section 2).
const (
	KindToken   Kind = "access_token"
	KindAccount Kind = "account_id"
	KindFailure Kind = "refresh_failure"
)

// Parameter is what a listing tells of one parameter under the prefix: never its value.
type Parameter struct {
	Connection  string
	Kind        Kind
	Type        string // SecureString, String, StringList
	Version     int64
	Description string // holds the record; "" when a read by name could not tell it
	Modified    time.Time
}

// Account is a published account id.
type Account struct {
	ID  string
	Err error // the parameter cannot be used: wraps ErrTypeConflict
}

// Write is one PutParameter.
type Write struct {
	Connection  string
	Kind        Kind
	Value       oauth.Secret // KindToken is written as SecureString with the installation's key and Intelligent-Tiering, others as String
	Description string
}

// Parameters publishes. ssmstore.Store implements it.
type Parameters interface {
	// List returns the tokens and failures under the prefix (DescribeParameters, pages of 50). Any error means that the list is not
	// complete and must not be used.
	List(ctx context.Context) ([]Parameter, error)
	// Lookup returns the token and failure parameters of the named connections as they are now: existence, type and version by name
	// (GetParameters without decryption), the Description from DescribeParameters when that already shows the same version.
	Lookup(ctx context.Context, connections []string) ([]Parameter, error)
	// Accounts returns the published account ids of the named connections, by connection, each with its own Err; one that has none is left out
	// (GetParameters, 10 a call). An error means that nothing is known of any.
	Accounts(ctx context.Context, connections []string) (map[string]Account, error)
	// Put writes once, without retries, and returns the version that SSM gave it.
	Put(ctx context.Context, w Write) (version int64, err error)
	// Delete removes parameters (DeleteParameters, 10 a call); one that does not exist is no error.
	Delete(ctx context.Context, names []Name) error
}

// Name is one parameter of a connection.
type Name struct {
	Connection string
	Kind       Kind
}
