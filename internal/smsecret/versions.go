package smsecret

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// VersionsAPI is the part of *secretsmanager.Client that Versions uses: what the rotator's role may do, and nothing else.
type VersionsAPI interface {
	DescribeSecret(ctx context.Context, in *secretsmanager.DescribeSecretInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	PutSecretValue(ctx context.Context, in *secretsmanager.PutSecretValueInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	UpdateSecretVersionStage(ctx context.Context, in *secretsmanager.UpdateSecretVersionStageInput, opts ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
}

// VersionsConfig is what Versions needs.
type VersionsConfig struct {
	// Client makes the calls, usually a *secretsmanager.Client, with its own retryer. Repeating any of the four calls is harmless.
	Client VersionsAPI
	// CallTimeout bounds each call with all its attempts. Zero means 10 seconds.
	CallTimeout time.Duration
}

// Versions reads and changes versions of secrets for a rotation: the implementation of [rotate.Secrets]. It holds no state.
type Versions struct {
	client  VersionsAPI
	timeout time.Duration
}

var _ rotate.Secrets = (*Versions)(nil)

// NewVersions returns a Versions, or every fault of the configuration at once.
func NewVersions(c VersionsConfig) (*Versions, error) {
	var faults []error
	if c.Client == nil {
		faults = append(faults, errors.New("configure smsecret versions: the client is missing"))
	}
	if c.CallTimeout < 0 {
		faults = append(faults, errors.New("configure smsecret versions: the call time-out is negative"))
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

// Describe returns a secret by ARN or name, as it is now, also when it is scheduled for deletion.
func (v *Versions) Describe(ctx context.Context, secretID string) (rotate.Secret, error) {
	ctx, cancel := v.within(ctx)
	defer cancel()
	out, err := v.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &secretID})
	if err != nil {
		return rotate.Secret{}, callError("DescribeSecret", subject(secretID), err)
	}
	return rotate.Secret{
		ARN: aws.ToString(out.ARN), Name: aws.ToString(out.Name), Versions: out.VersionIdsToStages,
		RotationOn: aws.ToBool(out.RotationEnabled), RotationLambda: aws.ToString(out.RotationLambdaARN),
		Deleted: out.DeletedDate != nil, OwningService: aws.ToString(out.OwningService), PrimaryRegion: aws.ToString(out.PrimaryRegion),
		Paused: paused(out.Tags),
	}, nil
}

// Read returns a version by its id, which must hold the label unless that is "".
func (v *Versions) Read(ctx context.Context, secretID, versionID, label string) (refresh.Document, error) {
	ctx, cancel := v.within(ctx)
	defer cancel()
	in := &secretsmanager.GetSecretValueInput{SecretId: &secretID, VersionId: &versionID}
	if label != "" {
		in.VersionStage = &label
	}
	out, err := v.client.GetSecretValue(ctx, in)
	if err != nil {
		e := callError("GetSecretValue", subject(secretID), err)
		if e.Code == (&types.InvalidRequestException{}).ErrorCode() && strings.Contains(e.Message, "not associated") {
			e.kind = rotate.ErrStageMismatch
		}
		return refresh.Document{}, e
	}
	if got := aws.ToString(out.VersionId); got != versionID {
		return refresh.Document{}, &Error{Op: "GetSecretValue", Subject: subject(secretID), Message: "the answer is about another version", kind: refresh.ErrUnavailable}
	}
	return refresh.Document{
		VersionID: versionID, Created: aws.ToTime(out.CreatedDate).UTC(),
		Value: oauth.NewSecret(aws.ToString(out.SecretString)), Binary: len(out.SecretBinary) > 0,
	}, nil
}

// Put gives a version its value. The id is always sent: the SDK would make up another, and with it another version.
func (v *Versions) Put(ctx context.Context, p rotate.Put) error {
	ctx, cancel := v.within(ctx)
	defer cancel()
	in := &secretsmanager.PutSecretValueInput{
		SecretId: &p.SecretID, ClientRequestToken: &p.VersionID, SecretString: aws.String(p.Value.Reveal()), VersionStages: p.Stages,
	}
	if !p.RotationToken.IsZero() {
		in.RotationToken = aws.String(p.RotationToken.Reveal())
	}
	if _, err := v.client.PutSecretValue(ctx, in); err != nil {
		e := callError("PutSecretValue", subject(p.SecretID), err)
		if e.Code == "ValidationException" || e.Code == "InvalidParameterException" || !p.RotationToken.IsZero() && strings.Contains(e.Message, p.RotationToken.Reveal()) {
			e.Message = "a field of the request is not valid" // AWS quotes what it refuses
		}
		switch e.Code {
		case (&types.ResourceExistsException{}).ErrorCode():
			e.kind = rotate.ErrVersionExists
		case (&types.LimitExceededException{}).ErrorCode():
			e.kind = rotate.ErrLimitExceeded
		}
		return e
	}
	return nil
}

// MoveLabel moves a label, only if it is where the move says.
func (v *Versions) MoveLabel(ctx context.Context, m rotate.Move) error {
	ctx, cancel := v.within(ctx)
	defer cancel()
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &m.SecretID, VersionStage: &m.Label}
	if m.From != "" {
		in.RemoveFromVersionId = &m.From
	}
	if m.To != "" {
		in.MoveToVersionId = &m.To
	}
	if _, err := v.client.UpdateSecretVersionStage(ctx, in); err != nil {
		e := callError("UpdateSecretVersionStage", subject(m.SecretID), err)
		switch e.Code {
		case (&types.InvalidParameterException{}).ErrorCode():
			e.kind = rotate.ErrLabelMoved
		case (&types.LimitExceededException{}).ErrorCode():
			e.kind = rotate.ErrLimitExceeded
		}
		return e
	}
	return nil
}

// subject is the secret's name for a message: an ARN without what stands before it.
func subject(secretID string) string {
	if _, name, arn := strings.Cut(secretID, ":secret:"); arn {
		return name
	}
	return secretID
}
