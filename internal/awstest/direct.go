package awstest

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// DirectSecrets is the part of *secretsmanager.Client that this project's adapters use, straight on the World: the same rules, faults, hooks and
// counters, without the SDK's HTTP, which costs fifty times as much. For tests that make millions of calls. There are no retries in it.
type DirectSecrets struct {
	World *World
	// Around stands around each call, so that a test can have the caller die before it or after it; nil: nothing does.
	Around func(op Op, call func() error) error
}

// DirectParameters is DirectSecrets for *ssm.Client.
type DirectParameters struct {
	World  *World
	Around func(op Op, call func() error) error
}

func (d DirectSecrets) do(ctx context.Context, op Op, in input) (any, error) {
	return d.World.around(ctx, op, in, d.Around)
}

func (d DirectParameters) do(ctx context.Context, op Op, in input) (any, error) {
	return d.World.around(ctx, op, in, d.Around)
}

func (w *World) around(ctx context.Context, op Op, in input, around func(Op, func() error) error) (result any, err error) {
	if around == nil {
		return w.direct(ctx, op, in)
	}
	err = around(op, func() (err error) {
		result, err = w.direct(ctx, op, in)
		return err
	})
	return result, err
}

// direct carries out one call.
func (w *World) direct(ctx context.Context, op Op, in input) (any, error) {
	if err := w.dawdle(ctx, op, in.names()); err != nil {
		return nil, err
	}
	before, after := w.hooks()
	names := in.names()
	announce(before, op, names)
	unlock := w.lock()
	names = w.plainNames(op, names)
	result, failure, effect := w.execute(op, in, names, nil)
	w.record(op, in, names, failure, effect, w.now())
	unlock()
	switch {
	case effect == Hang:
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case failure != nil && failure.code == "ConditionalCheckFailedException":
		return nil, &dynamotypes.ConditionalCheckFailedException{Message: &failure.message, Item: toSDK(failure.item)}
	case failure != nil:
		return nil, &smithy.GenericAPIError{Code: failure.code, Message: failure.message}
	}
	announce(after, op, names)
	if effect == ConnectionReset || effect == LostResponse {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return result, nil
}

// at is a time as AWS answers it: milliseconds, UTC; nil when there is none.
func (e epoch) at() *time.Time {
	if e.IsZero() {
		return nil
	}
	t := time.Time(e).UTC().Truncate(time.Millisecond)
	return &t
}

func seal(s *string) *sealed {
	if s == nil {
		return nil
	}
	return &sealed{oauth.NewSecret(*s)}
}

func (s *sealed) open() *string {
	if s == nil {
		return nil
	}
	return aws.String(s.Reveal())
}

func (s *sealed) openBinary() []byte {
	if s == nil {
		return nil
	}
	return []byte(s.Reveal())
}

// DescribeSecret is the operation of that name.
func (d DirectSecrets) DescribeSecret(ctx context.Context, in *secretsmanager.DescribeSecretInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error) {
	_, err := d.do(ctx, DescribeSecret, &describeSecretInput{SecretID: aws.ToString(in.SecretId)})
	if err != nil {
		return nil, err
	}
	defer d.World.lock()()
	s := d.World.findSecret(aws.ToString(in.SecretId))
	if s == nil {
		return nil, &smithy.GenericAPIError{Code: secretNotFound().code, Message: secretNotFound().message}
	}
	f := s.fields()
	out := &secretsmanager.DescribeSecretOutput{
		ARN: &f.ARN, Name: &f.Name, VersionIdsToStages: s.versionsToStages(), RotationEnabled: f.RotationEnabled,
		CreatedDate: f.CreatedDate.at(), LastChangedDate: f.LastChangedDate.at(), DeletedDate: f.DeletedDate.at(), Tags: sdkTags(f.Tags),
	}
	if f.RotationLambdaARN != "" {
		out.RotationLambdaARN = &f.RotationLambdaARN
	}
	return out, nil
}

func sdkTags(tags []tag) []smtypes.Tag {
	out := make([]smtypes.Tag, len(tags))
	for i, t := range tags {
		out[i] = smtypes.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)}
	}
	return out
}

// GetSecretValue is the operation of that name.
func (d DirectSecrets) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	result, err := d.do(ctx, GetSecretValue, &getSecretValueInput{SecretID: aws.ToString(in.SecretId), VersionID: aws.ToString(in.VersionId), VersionStage: aws.ToString(in.VersionStage)})
	if err != nil {
		return nil, err
	}
	v, _ := result.(secretValue)
	return &secretsmanager.GetSecretValueOutput{
		ARN: &v.ARN, Name: &v.Name, VersionId: &v.VersionID, VersionStages: v.VersionStages, CreatedDate: v.CreatedDate.at(),
		SecretString: v.SecretString.open(), SecretBinary: v.SecretBinary.openBinary(),
	}, nil
}

// BatchGetSecretValue is the operation of that name.
func (d DirectSecrets) BatchGetSecretValue(ctx context.Context, in *secretsmanager.BatchGetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error) {
	result, err := d.do(ctx, BatchGetSecretValue, &batchGetSecretValueInput{SecretIDList: in.SecretIdList})
	if err != nil {
		return nil, err
	}
	all, _ := result.(batchGetSecretValueOutput)
	out := &secretsmanager.BatchGetSecretValueOutput{}
	for _, v := range all.SecretValues {
		out.SecretValues = append(out.SecretValues, smtypes.SecretValueEntry{
			ARN: &v.ARN, Name: &v.Name, VersionId: &v.VersionID, VersionStages: v.VersionStages, CreatedDate: v.CreatedDate.at(),
			SecretString: v.SecretString.open(), SecretBinary: v.SecretBinary.openBinary(),
		})
	}
	for _, e := range all.Errors {
		out.Errors = append(out.Errors, smtypes.APIErrorType{SecretId: &e.SecretID, ErrorCode: &e.ErrorCode, Message: &e.Message})
	}
	return out, nil
}

// PutSecretValue is the operation of that name.
func (d DirectSecrets) PutSecretValue(ctx context.Context, in *secretsmanager.PutSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	result, err := d.do(ctx, PutSecretValue, &putSecretValueInput{
		payload:  payload{ClientRequestToken: aws.ToString(in.ClientRequestToken), SecretString: seal(in.SecretString)},
		SecretID: aws.ToString(in.SecretId), VersionStages: in.VersionStages,
	})
	if err != nil {
		return nil, err
	}
	out, _ := result.(putSecretValueOutput)
	return &secretsmanager.PutSecretValueOutput{ARN: &out.ARN, Name: &out.Name, VersionId: &out.VersionID, VersionStages: out.VersionStages}, nil
}

// UpdateSecretVersionStage is the operation of that name.
func (d DirectSecrets) UpdateSecretVersionStage(ctx context.Context, in *secretsmanager.UpdateSecretVersionStageInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	result, err := d.do(ctx, UpdateSecretVersionStage, &updateStageInput{
		SecretID: aws.ToString(in.SecretId), VersionStage: aws.ToString(in.VersionStage),
		RemoveFromVersionID: aws.ToString(in.RemoveFromVersionId), MoveToVersionID: aws.ToString(in.MoveToVersionId),
	})
	if err != nil {
		return nil, err
	}
	ref, _ := result.(secretRef)
	return &secretsmanager.UpdateSecretVersionStageOutput{ARN: &ref.ARN, Name: &ref.Name}, nil
}

// ListSecrets is the operation of that name.
func (d DirectSecrets) ListSecrets(ctx context.Context, in *secretsmanager.ListSecretsInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error) {
	list := &listSecretsInput{IncludePlannedDeletion: aws.ToBool(in.IncludePlannedDeletion), NextToken: aws.ToString(in.NextToken)}
	if in.MaxResults != nil {
		size := int(*in.MaxResults)
		list.MaxResults = &size
	}
	for _, f := range in.Filters {
		list.Filters = append(list.Filters, secretFilter{Key: string(f.Key), Values: f.Values})
	}
	result, err := d.do(ctx, ListSecrets, list)
	if err != nil {
		return nil, err
	}
	page, _ := result.(jsonList)
	out := &secretsmanager.ListSecretsOutput{}
	if page.next != "" {
		out.NextToken = &page.next
	}
	for _, raw := range page.entries {
		var e struct {
			ARN, Name                    string
			Tags                         []tag
			CreatedDate, LastChangedDate float64
			SecretVersionsToStages       map[string][]string
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		out.SecretList = append(out.SecretList, smtypes.SecretListEntry{
			ARN: &e.ARN, Name: &e.Name, Tags: sdkTags(e.Tags), CreatedDate: instant(e.CreatedDate), LastChangedDate: instant(e.LastChangedDate),
			SecretVersionsToStages: e.SecretVersionsToStages,
		})
	}
	return out, nil
}

// instant is a time of AWS JSON 1.1.
func instant(seconds float64) *time.Time {
	t := time.UnixMilli(int64(seconds*1000 + 0.5)).UTC()
	return &t
}

// PutParameter is the operation of that name.
func (d DirectParameters) PutParameter(ctx context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	result, err := d.do(ctx, PutParameter, &putParameterInput{
		Name: aws.ToString(in.Name), Value: sealed{oauth.NewSecret(aws.ToString(in.Value))}, Type: string(in.Type), Description: in.Description,
		Tier: string(in.Tier), KeyID: aws.ToString(in.KeyId), Overwrite: aws.ToBool(in.Overwrite),
	})
	if err != nil {
		return nil, err
	}
	out, _ := result.(putParameterOutput)
	return &ssm.PutParameterOutput{Version: out.Version, Tier: ssmtypes.ParameterTier(out.Tier)}, nil
}

func sdkParameter(r read) ssmtypes.Parameter {
	return ssmtypes.Parameter{
		Name: &r.Name, Type: ssmtypes.ParameterType(r.Type), Value: &r.Value, Version: r.Version, LastModifiedDate: r.LastModifiedDate.at(),
		ARN: &r.ARN, DataType: &r.DataType,
	}
}

// GetParameter is the operation of that name.
func (d DirectParameters) GetParameter(ctx context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	result, err := d.do(ctx, GetParameter, &getParameterInput{Name: aws.ToString(in.Name), WithDecryption: aws.ToBool(in.WithDecryption)})
	if err != nil {
		return nil, err
	}
	out, _ := result.(getParameterOutput)
	p := sdkParameter(out.Parameter)
	return &ssm.GetParameterOutput{Parameter: &p}, nil
}

// GetParameters is the operation of that name.
func (d DirectParameters) GetParameters(ctx context.Context, in *ssm.GetParametersInput, _ ...func(*ssm.Options)) (*ssm.GetParametersOutput, error) {
	result, err := d.do(ctx, GetParameters, &getParametersInput{Names: slices.Clone(in.Names), WithDecryption: aws.ToBool(in.WithDecryption)})
	if err != nil {
		return nil, err
	}
	found, _ := result.(getParametersOutput)
	out := &ssm.GetParametersOutput{InvalidParameters: found.InvalidParameters}
	for _, r := range found.Parameters {
		out.Parameters = append(out.Parameters, sdkParameter(r))
	}
	return out, nil
}

// DescribeParameters is the operation of that name.
func (d DirectParameters) DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput, _ ...func(*ssm.Options)) (*ssm.DescribeParametersOutput, error) {
	list := &describeParametersInput{MaxResults: int(aws.ToInt32(in.MaxResults)), NextToken: aws.ToString(in.NextToken)}
	for _, f := range in.ParameterFilters {
		list.ParameterFilters = append(list.ParameterFilters, parameterFilter{Key: aws.ToString(f.Key), Option: aws.ToString(f.Option), Values: f.Values})
	}
	result, err := d.do(ctx, DescribeParameters, list)
	if err != nil {
		return nil, err
	}
	page, _ := result.(jsonList)
	out := &ssm.DescribeParametersOutput{}
	if page.next != "" {
		out.NextToken = &page.next
	}
	for _, raw := range page.entries {
		var e struct {
			Name, Type, Description, KeyID, Tier string
			Version                              int64
			LastModifiedDate                     float64
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, ssmtypes.ParameterMetadata{
			Name: &e.Name, Type: ssmtypes.ParameterType(e.Type), Description: &e.Description, Version: e.Version, LastModifiedDate: instant(e.LastModifiedDate),
			Tier: ssmtypes.ParameterTier(e.Tier),
		})
	}
	return out, nil
}

// DeleteParameters is the operation of that name.
func (d DirectParameters) DeleteParameters(ctx context.Context, in *ssm.DeleteParametersInput, _ ...func(*ssm.Options)) (*ssm.DeleteParametersOutput, error) {
	_, err := d.do(ctx, DeleteParameters, &deleteParametersInput{Names: slices.Clone(in.Names)})
	if err != nil {
		return nil, err
	}
	return &ssm.DeleteParametersOutput{}, nil
}
