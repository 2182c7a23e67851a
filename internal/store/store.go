// Package store is the vocabulary of what AWS keeps for a connection: secrets and their versions, parameters, and the errors of both
// services. It does no I/O.
package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Errors that an adapter makes of an AWS error. The text names the operation and AWS's error code and never a value.
var (
	ErrNotFound      = errors.New("not found")                               // no such secret, version or parameter
	ErrDeleted       = fmt.Errorf("scheduled for deletion: %w", ErrNotFound) // the secret exists and cannot be read; also matches ErrNotFound
	ErrAccessDenied  = errors.New("access denied")                           // for one secret, parameter or table
	ErrUndecryptable = errors.New("cannot be decrypted")                     // KMS refuses, for one secret
	ErrUnavailable   = errors.New("unavailable")                             // 5xx, time-outs, no connection, after the adapter's retries
	ErrThrottled     = errors.New("throttled")                               // 429, ThrottlingException, TooManyUpdates
	ErrUnwritable    = errors.New("the store does not accept writes")        // AccessDenied, KMS, ParameterLimitExceeded: the whole installation
	ErrTypeConflict  = errors.New("a parameter of another type exists")
	ErrInvalidWrite  = errors.New("the write is invalid") // this one only: ValidationException, ParameterMaxVersionLimitExceeded, …

	ErrStageMismatch = errors.New("the version does not have that stage") // GetSecretValue with an id and a stage that do not match
	ErrVersionExists = errors.New("the version has another value")        // PutSecretValue with the id of an existing version
	ErrStageMoved    = errors.New("the stage is on another version")      // UpdateSecretVersionStage: the compare-and-swap failed
	ErrLimitExceeded = errors.New("too many versions or stages")          // 20 stages of a secret

	ErrInFlight  = errors.New("another run is renewing the connection") // a claim lost: the item has a lease, or changed since it was read
	ErrLeaseLost = errors.New("the lease belongs to another run")       // a commit or release without the lease
	ErrNewer     = errors.New("written by a newer version of this program")
)

// Staging labels of a secret's versions (contract.md section 6).
const (
	StageCurrent   = "AWSCURRENT"
	StagePrevious  = "AWSPREVIOUS"
	StagePending   = "AWSPENDING"
	StageCandidate = "CANDIDATE"
	StageBackup    = "BACKUP"
	StageRejected  = "REJECTED"
)

// Secret is the metadata of one secret. A listing fills in the first block only; DescribeSecret fills in all of it.
type Secret struct {
	Connection string              // the name without the prefix, whether or not that is a valid connection id
	Versions   map[string][]string // version id -> stages; versions without a stage are not in it
	Paused     bool                // tag chaveiro:paused = true, in any letter case
	PausedTag  string              // value of that tag when it is neither true nor false, so that somebody sees it; "" otherwise
	Created    time.Time           // zero when unknown
	Changed    time.Time           // LastChangedDate

	ARN, Name      string
	RotationOn     bool   // false also when rotation was never configured
	RotationLambda string // ARN, "" when none is configured
	Deleted        bool   // scheduled for deletion
	OwningService  string // "" unless another AWS service manages the secret
	PrimaryRegion  string // "" unless the secret is replicated
}

// Holder is the id of the version with a stage, "" when none has it. Where an emulator lets two versions have one, it is the smaller id.
func (s Secret) Holder(stage string) string {
	holder := ""
	for id, stages := range s.Versions {
		if slices.Contains(stages, stage) && (holder == "" || id < holder) {
			holder = id
		}
	}
	return holder
}

// Holders are the ids of the versions with a stage, sorted.
func (s Secret) Holders(stage string) []string {
	var ids []string
	for id, stages := range s.Versions {
		if slices.Contains(stages, stage) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Has reports whether a version has a stage.
func (s Secret) Has(version, stage string) bool { return slices.Contains(s.Versions[version], stage) }

// Document is one version of a secret with its value.
type Document struct {
	Connection string
	VersionID  string
	Created    time.Time    // of the version
	Value      oauth.Secret // SecretString; zero when Binary or empty
	Binary     bool         // the version holds SecretBinary
	Err        error        // why this one could not be read, in a batch; wraps an error of this package
}

// VersionWrite is one PutSecretValue.
type VersionWrite struct {
	SecretID      string       // name or ARN
	VersionID     string       // the rotation's ClientRequestToken; never "", because the SDK would then make up an id
	Value         oauth.Secret // SecretString
	Stages        []string
	RotationToken oauth.Secret // zero: none is sent
}

// StageMove is one UpdateSecretVersionStage, the compare-and-swap of Secrets Manager.
type StageMove struct {
	SecretID string // name or ARN
	Stage    string
	From     string // id of the version that has the stage now; "" when none has it
	To       string // id of the version that gets the stage; "" removes the stage
}

// Kind is the last segment of a parameter's name.
type Kind string

// Kinds of parameters of a connection (contract.md section 2).
const (
	KindToken   Kind = "access_token"
	KindAccount Kind = "account_id"
	KindFailure Kind = "refresh_failure"
)

// Name is one parameter of a connection.
type Name struct {
	Connection string
	Kind       Kind
}

// Parameter is a parameter as GetParameters without decryption returns it.
type Parameter struct {
	Name
	Type     string // SecureString, String, StringList
	Version  int64
	Modified time.Time
	Text     string // the value of a String; "" for any other type and for every KindToken, whose value would be a secret
}

// Write is one PutParameter.
type Write struct {
	Name
	Value       oauth.Secret // KindToken is written as SecureString with the installation's key, the others as String
	Description string       // for people who look in the console; nothing reads it
}
