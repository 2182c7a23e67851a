package smsecret

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// VersionsAPI is the part of *secretsmanager.Client that Versions uses: what the rotator's role may do, and nothing else.
type VersionsAPI interface {
	DescribeSecret(ctx context.Context, in *secretsmanager.DescribeSecretInput,
		opts ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput,
		opts ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	PutSecretValue(ctx context.Context, in *secretsmanager.PutSecretValueInput,
		opts ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	UpdateSecretVersionStage(ctx context.Context, in *secretsmanager.UpdateSecretVersionStageInput,
		opts ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
}

// VersionsConfig is what Versions needs.
type VersionsConfig struct {
	// Client makes the calls, usually a *secretsmanager.Client, with its own retryer. Repeating any of the four calls is harmless.
	Client VersionsAPI
	// CallTimeout bounds each call with all its attempts. Zero means 10 seconds.
	CallTimeout time.Duration
}

// Versions reads and changes versions of secrets, by name or ARN, for a rotation. It keeps no state between calls and may be used by many
// goroutines. Every error wraps a sentinel of package store.
type Versions struct {
	client  VersionsAPI
	timeout time.Duration
}

// NewVersions returns a Versions, or every fault of the configuration at once.
func NewVersions(c VersionsConfig) (*Versions, error) {
	var faults []error
	if c.Client == nil {
		faults = append(faults, errors.New("configure smsecret versions: the client is missing"))
	}
	if c.CallTimeout < 0 {
		faults = append(faults, errors.New("configure smsecret versions: the call time-out must not be negative"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = defaultCallTimeout
	}
	return &Versions{client: c.Client, timeout: c.CallTimeout}, nil
}

func (v *Versions) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, v.timeout)
}

// Describe returns a secret as it is now, also when it is scheduled for deletion. Its Connection is "", because Versions has no prefix.
func (v *Versions) Describe(ctx context.Context, secretID string) (store.Secret, error) {
	ctx, cancel := v.within(ctx)
	defer cancel()
	out, err := v.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &secretID})
	if err != nil {
		return store.Secret{}, awserr.New("DescribeSecret", subject(secretID), err, table)
	}
	return described(out), nil
}

// Read returns a version by its id, which must have the stage unless that is "". [store.ErrNotFound] means that the version does not exist
// or has no value, [store.ErrStageMismatch] that another version has the stage.
func (v *Versions) Read(ctx context.Context, secretID, versionID, stage string) (store.Document, error) {
	ctx, cancel := v.within(ctx)
	defer cancel()
	in := &secretsmanager.GetSecretValueInput{SecretId: &secretID, VersionId: &versionID}
	if stage != "" {
		in.VersionStage = &stage
	}
	out, err := v.client.GetSecretValue(ctx, in)
	if err != nil {
		return store.Document{}, awserr.New("GetSecretValue", subject(secretID), err, readVersionTable)
	}
	if got := aws.ToString(out.VersionId); got != versionID {
		return store.Document{}, awserr.Local("GetSecretValue", subject(secretID), store.ErrUnavailable, "the response is about another version")
	}
	return store.Document{
		VersionID: versionID, Created: aws.ToTime(out.CreatedDate).UTC(),
		Value: oauth.NewSecret(aws.ToString(out.SecretString)), Binary: len(out.SecretBinary) > 0,
	}, nil
}

// Put gives a version its value. The same value once more is no error, another value is [store.ErrVersionExists].
func (v *Versions) Put(ctx context.Context, w store.VersionWrite) error {
	if w.VersionID == "" { // the SDK would make up an id, and with it another version
		return awserr.Local("PutSecretValue", subject(w.SecretID), store.ErrInvalidWrite, "the version id is missing")
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	in := &secretsmanager.PutSecretValueInput{
		SecretId: &w.SecretID, ClientRequestToken: &w.VersionID, SecretString: aws.String(w.Value.Reveal()), VersionStages: w.Stages,
	}
	if !w.RotationToken.IsZero() {
		in.RotationToken = aws.String(w.RotationToken.Reveal())
	}
	if _, err := v.client.PutSecretValue(ctx, in); err != nil {
		fault := awserr.New("PutSecretValue", subject(w.SecretID), err, putTable, w.Value, w.RotationToken)
		if refusesRequest(fault) { // AWS quotes what it refuses, and a short client secret inside the document could be quoted alone
			return fault.WithMessage("a field of the request is invalid")
		}
		return fault
	}
	return nil
}

// MoveStage moves a stage, only if it is where the move says; otherwise the error is [store.ErrStageMoved].
func (v *Versions) MoveStage(ctx context.Context, m store.StageMove) error {
	ctx, cancel := v.within(ctx)
	defer cancel()
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &m.SecretID, VersionStage: &m.Stage}
	if m.From != "" {
		in.RemoveFromVersionId = &m.From
	}
	if m.To != "" {
		in.MoveToVersionId = &m.To
	}
	if _, err := v.client.UpdateSecretVersionStage(ctx, in); err != nil {
		return awserr.New("UpdateSecretVersionStage", subject(m.SecretID), err, moveTable)
	}
	return nil
}

// subject is the secret's name for a message: an ARN without what stands before the name.
func subject(secretID string) string {
	if _, name, arn := strings.Cut(secretID, ":secret:"); arn {
		return name
	}
	return secretID
}
