package smsecret

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// ReadCurrent returns the AWSCURRENT version of each connection, in the order given, each with its own Err, which wraps
// [store.ErrNotFound], [store.ErrAccessDenied], [store.ErrUndecryptable] or [store.ErrUnavailable]. A secret that cannot be read never
// keeps another from being read. A secret that was created without a value is a Document without a value, and no error.
func (s *Store) ReadCurrent(ctx context.Context, connections []string) []store.Document {
	read := make(map[string]store.Document, len(connections)) // by secret name
	for part := range slices.Chunk(s.names(connections), secretsPerBatch) {
		s.readBatch(ctx, part, read)
	}
	docs := make([]store.Document, len(connections))
	for i, c := range connections {
		docs[i] = read[s.prefix+c]
	}
	return docs
}

// Read returns the AWSCURRENT version of one connection by GetSecretValue, so that the role needs no right to BatchGetSecretValue. A
// failure wraps one of the errors that ReadCurrent names.
func (s *Store) Read(ctx context.Context, connection string) (store.Document, error) {
	doc := s.readAlone(ctx, s.prefix+connection)
	if doc.Err != nil {
		return store.Document{}, doc.Err
	}
	return doc, nil
}

// ReadVersion returns one version of a secret by its id. A failure wraps one of the errors that ReadCurrent names. A version without a
// value is ErrNotFound.
func (s *Store) ReadVersion(ctx context.Context, connection, versionID string) (store.Document, error) {
	name := s.prefix + connection
	doc, fault := s.get(ctx, name, &secretsmanager.GetSecretValueInput{SecretId: &name, VersionId: &versionID})
	if fault != nil {
		return store.Document{}, fault
	}
	return doc, nil
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

// readBatch reads up to 20 secrets into read. A secret that is missing in the response, or is there with another version than AWSCURRENT,
// is read once more by itself.
func (s *Store) readBatch(ctx context.Context, names []string, read map[string]store.Document) {
	out, err := s.getBatch(ctx, names)
	if err != nil {
		if fault := batchError(s.prefix, err); !refusesRequest(fault) {
			for _, name := range names {
				read[name] = s.unread(name, fault.For(name))
			}
			return
		}
		// One id that the API does not accept must not stop the other nineteen.
		out = &secretsmanager.BatchGetSecretValueOutput{}
	}
	for i := range out.SecretValues {
		v := &out.SecretValues[i]
		name := aws.ToString(v.Name)
		if slices.Contains(names, name) && slices.Contains(v.VersionStages, store.StageCurrent) {
			read[name] = s.document(name, v)
		}
	}
	for i := range out.Errors {
		e := &out.Errors[i]
		name := nameOf(aws.ToString(e.SecretId), names)
		r := awserr.Response{Code: aws.ToString(e.ErrorCode), Message: aws.ToString(e.Message)}
		// What may pass by itself is read once more alone.
		if fault := awserr.FromResponse("BatchGetSecretValue", name, r, table); name != "" && !errors.Is(fault, store.ErrUnavailable) {
			read[name] = s.unread(name, fault)
		}
	}
	for _, name := range names {
		if _, done := read[name]; !done {
			read[name] = s.readAlone(ctx, name)
		}
	}
}

func (s *Store) getBatch(ctx context.Context, names []string) (*secretsmanager.BatchGetSecretValueOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.client.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: names})
}

// nameOf finds the name that the id of an error belongs to: the id is the name as it was requested, or the ARN, which ends in the name,
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

func (s *Store) readAlone(ctx context.Context, name string) store.Document {
	doc, fault := s.get(ctx, name, &secretsmanager.GetSecretValueInput{SecretId: &name, VersionStage: aws.String(store.StageCurrent)})
	if fault != nil {
		return s.unread(name, fault)
	}
	return doc
}

func (s *Store) get(ctx context.Context, name string, in *secretsmanager.GetSecretValueInput) (store.Document, *awserr.Error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	out, err := s.client.GetSecretValue(ctx, in)
	if err != nil {
		return store.Document{}, awserr.New("GetSecretValue", name, err, table)
	}
	return s.document(name, &types.SecretValueEntry{
		VersionId:    out.VersionId,
		CreatedDate:  out.CreatedDate,
		SecretString: out.SecretString,
		SecretBinary: out.SecretBinary,
	}), nil
}

func (s *Store) document(name string, v *types.SecretValueEntry) store.Document {
	return store.Document{
		Connection: strings.TrimPrefix(name, s.prefix),
		VersionID:  aws.ToString(v.VersionId),
		Created:    aws.ToTime(v.CreatedDate).UTC(),
		Value:      oauth.NewSecret(aws.ToString(v.SecretString)),
		Binary:     len(v.SecretBinary) > 0,
	}
}

// unread is the Document of a secret whose AWSCURRENT could not be read. A secret that exists without a value has an empty Document and no
// error: it has not vanished, and the fault of an empty document says what to do.
func (s *Store) unread(name string, fault *awserr.Error) store.Document {
	doc := store.Document{Connection: strings.TrimPrefix(name, s.prefix)}
	if !withoutValue(fault) {
		doc.Err = fault
	}
	return doc
}
