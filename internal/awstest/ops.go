package awstest

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Op is the name of an operation as AWS writes it.
type Op string

// The operations that a World knows. Any other is answered with UnknownOperationException.
const (
	PutParameter        Op = "PutParameter"
	GetParameter        Op = "GetParameter"
	GetParameters       Op = "GetParameters"
	GetParameterHistory Op = "GetParameterHistory"
	DescribeParameters  Op = "DescribeParameters"
	DeleteParameter     Op = "DeleteParameter"
	DeleteParameters    Op = "DeleteParameters"

	CreateSecret             Op = "CreateSecret"
	PutSecretValue           Op = "PutSecretValue"
	GetSecretValue           Op = "GetSecretValue"
	BatchGetSecretValue      Op = "BatchGetSecretValue"
	DescribeSecret           Op = "DescribeSecret"
	ListSecrets              Op = "ListSecrets"
	UpdateSecretVersionStage Op = "UpdateSecretVersionStage"
	DeleteSecret             Op = "DeleteSecret"
	RestoreSecret            Op = "RestoreSecret"
	TagResource              Op = "TagResource"
	UntagResource            Op = "UntagResource"
	RotateSecret             Op = "RotateSecret"
)

// Two of the three services, as the prefix of X-Amz-Target.
const (
	targetSSM     = "AmazonSSM."
	targetSecrets = "secretsmanager."
)

// ofSecrets reports whether the operation is one of Secrets Manager.
func (op Op) ofSecrets() bool {
	in, _ := newSecretInput(op)
	return in != nil
}

// decode finds the operation of an X-Amz-Target and decodes its body. Its error never quotes the body.
func decode(target string, body []byte) (Op, input, *apiError) {
	var in input
	var op Op
	read := json.Unmarshal
	if name, ok := strings.CutPrefix(target, targetSSM); ok {
		op = Op(name)
		in, _ = newParameterInput(op)
	} else if name, ok := strings.CutPrefix(target, targetSecrets); ok {
		op = Op(name)
		in, _ = newSecretInput(op)
	} else if name, ok := strings.CutPrefix(target, targetTable); ok {
		op = Op(name)
		in, _ = newTableInput(op)
		read = decodeStrictly
	}
	if in == nil {
		return op, nil, refuse("UnknownOperationException", "")
	}
	if len(body) == 0 {
		return op, in, nil
	}
	if err := read(body, in); err != nil {
		return op, nil, refuse("SerializationException", "the body is not what the operation takes")
	}
	return op, in, nil
}

// decodeStrictly refuses fields that it does not know: a DynamoDB request means something else without one of its parts.
func decodeStrictly(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// newParameterInput is the empty input of an operation of Systems Manager and the group that it is throttled in; nil if unknown.
func newParameterInput(op Op) (input, Group) {
	switch op {
	case PutParameter:
		return new(putParameterInput), ParameterWrites
	case GetParameter:
		return new(getParameterInput), ParameterReads
	case GetParameters:
		return new(getParametersInput), ParameterReads
	case GetParameterHistory:
		return new(getParameterHistoryInput), ParameterReads
	case DescribeParameters:
		return new(describeParametersInput), ParameterListings
	case DeleteParameter:
		return new(deleteParameterInput), ParameterDeletes
	case DeleteParameters:
		return new(deleteParametersInput), ParameterDeletes
	default:
		return nil, ""
	}
}

// newSecretInput is newParameterInput for Secrets Manager.
func newSecretInput(op Op) (input, Group) {
	switch op {
	case CreateSecret:
		return new(createSecretInput), SecretWrites
	case PutSecretValue:
		return new(putSecretValueInput), SecretWrites
	case GetSecretValue:
		return new(getSecretValueInput), SecretReads
	case BatchGetSecretValue:
		return new(batchGetSecretValueInput), SecretBatches
	case DescribeSecret:
		return new(describeSecretInput), SecretReads
	case ListSecrets:
		return new(listSecretsInput), SecretListings
	case UpdateSecretVersionStage:
		return new(updateStageInput), SecretWrites
	case DeleteSecret:
		return new(deleteSecretInput), SecretWrites
	case RestoreSecret:
		return new(restoreSecretInput), SecretWrites
	case TagResource:
		return new(tagInput), SecretWrites
	case UntagResource:
		return new(untagInput), SecretWrites
	case RotateSecret:
		return new(rotateSecretInput), SecretWrites
	default:
		return nil, ""
	}
}

// groupOf is the group whose quota an operation spends.
func groupOf(op Op) Group {
	if in, g := newParameterInput(op); in != nil {
		return g
	}
	if in, g := newTableInput(op); in != nil {
		return g
	}
	_, g := newSecretInput(op)
	return g
}
