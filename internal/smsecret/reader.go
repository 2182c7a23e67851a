package smsecret

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/refresh"
)

// Reader is a Store as the healthcheck sees it: [probe.Secrets].
type Reader struct{ store *Store }

var _ probe.Secrets = Reader{}

// Reader returns the Store as the healthcheck sees it.
func (s *Store) Reader() Reader { return Reader{s} }

// List is [Store.List].
func (r Reader) List(ctx context.Context) ([]probe.Secret, error) {
	listed, err := r.store.List(ctx)
	if err != nil {
		return nil, err
	}
	secrets := make([]probe.Secret, len(listed))
	for i, s := range listed {
		secrets[i] = probe.Secret{Connection: s.Connection, Current: s.Stages[refresh.StageCurrent], Paused: s.Paused, Created: s.Created}
	}
	return secrets, nil
}

// Read returns the AWSCURRENT version of one connection by GetSecretValue, so that no right to BatchGetSecretValue is needed. A failure wraps
// one of the four sentinels that [Store.ReadCurrent] names.
func (r Reader) Read(ctx context.Context, connection string) (probe.Document, error) {
	name := r.store.prefix + connection
	doc := r.store.get(ctx, name, &secretsmanager.GetSecretValueInput{SecretId: &name, VersionStage: aws.String(refresh.StageCurrent)})
	if doc.Err != nil {
		return probe.Document{}, doc.Err
	}
	return probe.Document{VersionID: doc.VersionID, Value: doc.Value}, nil
}
