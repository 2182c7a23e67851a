package smsecret

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// ReadCurrent returns the AWSCURRENT version of each connection, in the order given, each with its own Err, which wraps
// [refresh.ErrNotFound], [refresh.ErrAccessDenied], [refresh.ErrUndecryptable] or [refresh.ErrUnavailable]. One secret that cannot be
// read never keeps another from being read. A secret that was created without a value is a Document without one, and no error.
func (s *Store) ReadCurrent(ctx context.Context, connections []string) []refresh.Document {
	read := make(map[string]refresh.Document, len(connections)) // by secret name
	for part := range slices.Chunk(s.names(connections), secretsPerBatch) {
		s.readBatch(ctx, part, read)
	}
	docs := make([]refresh.Document, len(connections))
	for i, c := range connections {
		docs[i] = read[s.prefix+c]
	}
	return docs
}

// names returns the secrets' names, each once.
func (s *Store) names(connections []string) []string {
	seen := make(map[string]bool, len(connections))
	names := make([]string, 0, len(connections))
	for _, c := range connections {
		if name := s.prefix + c; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// readBatch reads up to 20 secrets into read. Those that the answer leaves out, or answers with another version than AWSCURRENT, are
// read once more by themselves.
func (s *Store) readBatch(ctx context.Context, names []string, read map[string]refresh.Document) {
	out, err := s.batch(ctx, names)
	if err != nil {
		if fault := batchError(s.prefix, err); !refusesRequest(fault) {
			for _, name := range names {
				e := *fault
				e.Subject = name
				read[name] = s.failed(name, &e)
			}
			return
		}
		// One id that the API does not like must not stop the other nineteen.
		out = &secretsmanager.BatchGetSecretValueOutput{}
	}
	for i := range out.SecretValues {
		v := &out.SecretValues[i]
		name := aws.ToString(v.Name)
		if slices.Contains(names, name) && slices.Contains(v.VersionStages, refresh.StageCurrent) {
			read[name] = s.document(name, v)
		}
	}
	for i := range out.Errors {
		e := &out.Errors[i]
		if name := nameOf(aws.ToString(e.SecretId), names); name != "" {
			s.readFailed(name, e, read)
		}
	}
	for _, name := range names {
		if _, done := read[name]; !done {
			read[name] = s.get(ctx, name, &secretsmanager.GetSecretValueInput{SecretId: &name, VersionStage: aws.String(refresh.StageCurrent)})
		}
	}
}

func (s *Store) batch(ctx context.Context, names []string) (*secretsmanager.BatchGetSecretValueOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.client.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: names})
}

// readFailed notes the error that a batch reports for one secret.
func (s *Store) readFailed(name string, e *types.APIErrorType, read map[string]refresh.Document) {
	fault := answerError("BatchGetSecretValue", name, aws.ToString(e.ErrorCode), aws.ToString(e.Message), 0)
	if errors.Is(fault, refresh.ErrUnavailable) {
		return // asked once more by itself
	}
	read[name] = s.settled(name, fault)
}

// nameOf finds the name that an id of an error speaks of: the id is the name as it was asked for, or the ARN, which ends in the name,
// a hyphen and six characters.
func nameOf(id string, names []string) string {
	if slices.Contains(names, id) {
		return id
	}
	_, full, arn := strings.Cut(id, ":secret:")
	if !arn || len(full) < len("-abcdef") {
		return ""
	}
	if name := full[:len(full)-len("-abcdef")]; slices.Contains(names, name) {
		return name
	}
	return ""
}

// ReadVersion returns one version of a secret by its id. A failure wraps one of the four that ReadCurrent names.
func (s *Store) ReadVersion(ctx context.Context, connection, versionID string) (refresh.Document, error) {
	name := s.prefix + connection
	doc := s.get(ctx, name, &secretsmanager.GetSecretValueInput{SecretId: &name, VersionId: &versionID})
	if doc.Err != nil {
		return refresh.Document{}, doc.Err
	}
	return doc, nil
}

func (s *Store) get(ctx context.Context, name string, in *secretsmanager.GetSecretValueInput) refresh.Document {
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, err := s.client.GetSecretValue(ctx, in)
	if err != nil {
		fault := callError("GetSecretValue", name, err)
		if in.VersionStage != nil {
			return s.settled(name, fault)
		}
		return s.failed(name, fault)
	}
	return s.document(name, &types.SecretValueEntry{
		VersionId:    out.VersionId,
		CreatedDate:  out.CreatedDate,
		SecretString: out.SecretString,
		SecretBinary: out.SecretBinary,
	})
}

func (s *Store) document(name string, v *types.SecretValueEntry) refresh.Document {
	return refresh.Document{
		Connection: strings.TrimPrefix(name, s.prefix),
		VersionID:  aws.ToString(v.VersionId),
		Created:    aws.ToTime(v.CreatedDate).UTC(),
		Value:      oauth.NewSecret(aws.ToString(v.SecretString)),
		Binary:     len(v.SecretBinary) > 0,
	}
}

func (s *Store) failed(name string, err error) refresh.Document {
	return refresh.Document{Connection: strings.TrimPrefix(name, s.prefix), Err: err}
}

// settled is failed, but for a secret that exists without a value: that is an empty document, whose message says what to do, and not
// a secret that vanished.
func (s *Store) settled(name string, fault *Error) refresh.Document {
	if fault.withoutValue() {
		return refresh.Document{Connection: strings.TrimPrefix(name, s.prefix)}
	}
	return s.failed(name, fault)
}

// refusesRequest tells whether the API refused the question as a whole, for its form.
func refusesRequest(e *Error) bool {
	return e.Code == (&types.InvalidParameterException{}).ErrorCode() || e.Code == "ValidationException"
}

// batchError is what a failure of the whole batch means for each of its secrets.
func batchError(prefix string, err error) *Error {
	fault := callError("BatchGetSecretValue", prefix, err)
	if errors.Is(fault, refresh.ErrAccessDenied) {
		// A secret that may not be read is an error of that secret in the answer. So here the action itself is missing.
		fault.kind = refresh.ErrUnavailable // the installation's, not one secret's
		fault.Message = "the role lacks the IAM action secretsmanager:BatchGetSecretValue on * (" + fault.Message + ")"
	}
	return fault
}
