package rotate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// What an adapter makes of an answer of Secrets Manager, beside the errors of package refresh (ErrNotFound, ErrAccessDenied, ErrUndecryptable,
// ErrUnavailable).
var (
	ErrStageMismatch = errors.New("the version does not hold that label")           // GetSecretValue with an id and a label that do not belong together
	ErrVersionExists = errors.New("the version has another value")                  // PutSecretValue with the id of a version that holds something else
	ErrLabelMoved    = errors.New("the label is not where it was said to be")       // UpdateSecretVersionStage, the compare-and-swap failed
	ErrLimitExceeded = errors.New("the secret cannot take more versions or labels") // quotas: 20 labels of a secret
)

// Labels of a secret's versions, beside those of package refresh.
const stagePending = refresh.StagePending

// Secret is what DescribeSecret tells: metadata only.
type Secret struct {
	ARN, Name      string
	Versions       map[string][]string // version id -> labels; versions without a label are not in it
	RotationOn     bool                // false also when rotation was never configured
	RotationLambda string              // ARN, "" when none is configured
	Deleted        bool                // scheduled for deletion
	OwningService  string              // "" unless another AWS service manages the secret
	PrimaryRegion  string              // "" unless the secret is replicated
	Paused         bool                // tag chaveiro:paused = true
}

// holder is the version with a label, "" when none has it. Where an emulator lets two versions have one, it is the smaller id.
func (s Secret) holder(label string) string {
	ids := s.holders(label)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

func (s Secret) holders(label string) []string {
	var ids []string
	for id, labels := range s.Versions {
		if slices.Contains(labels, label) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (s Secret) has(version, label string) bool { return slices.Contains(s.Versions[version], label) }

// Put is one PutSecretValue that gives the pending version its value.
type Put struct {
	SecretID      string
	VersionID     string // the event's ClientRequestToken; never left to the SDK, which would make up another
	Value         oauth.Secret
	Stages        []string
	RotationToken oauth.Secret // zero: none is sent
}

// Move is one UpdateSecretVersionStage: the compare-and-swap of Secrets Manager.
type Move struct {
	SecretID string
	Label    string
	From     string // version that has the label now; "" when none has
	To       string // version that gets it; "" takes the label away
}

// Secrets reads and changes versions of secrets by their ids. smsecret.Versions implements it. Every error wraps a sentinel of this package or
// of package refresh.
type Secrets interface {
	// Describe returns a secret by ARN or name, also one that is scheduled for deletion.
	Describe(ctx context.Context, secretID string) (Secret, error)
	// Read returns a version by its id, which must hold the label unless that is "". ErrNotFound means that it has no value,
	// ErrStageMismatch that the label is elsewhere.
	Read(ctx context.Context, secretID, versionID, label string) (refresh.Document, error)
	// Put gives a version its value. The same value once more is no error.
	Put(ctx context.Context, p Put) error
	// MoveLabel moves a label, only if it is where the move says.
	MoveLabel(ctx context.Context, m Move) error
}

// Exchanger asks a token endpoint. *oauth.Client implements it.
type Exchanger interface {
	TokenWithRetry(ctx context.Context, req oauth.TokenRequest, r oauth.Retry) (oauth.Attempt, error)
}

// Publisher is the refresher's seam. *refresh.Refresher implements it.
type Publisher interface {
	Published(ctx context.Context, connection string) (refresh.Published, error)
	Publish(ctx context.Context, m refresh.Mint) (refresh.Publication, error)
	RefreshVersion(ctx context.Context, connection, versionID string) (refresh.Publication, error)
}

// version is one version of the secret, read and understood.
type version struct {
	doc  refresh.Document
	conn connection.Connection
}

// samePair reports whether two versions hold the same credentials.
func (v version) samePair(o version) bool {
	return v.conn.ClientID == o.conn.ClientID && v.conn.ClientSecret.Equal(o.conn.ClientSecret)
}

// age of the version at an instant.
func (v version) age(now time.Time) time.Duration { return now.Sub(v.doc.Created) }
