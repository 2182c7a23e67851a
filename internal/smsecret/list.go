package smsecret

import (
	"cmp"
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
)

// List calls page with the secrets of each page of the listing, one page after the other. Secrets that are scheduled for deletion are left
// out. The listing may be five minutes old. Pages are not a snapshot: a secret that changes meanwhile may come twice, so the caller keeps
// the entry that changed last.
//
// An error means that the listing is not complete. It wraps [store.ErrAccessDenied] or [store.ErrUnavailable].
func (s *Store) List(ctx context.Context, page func([]store.Secret)) error {
	seen := map[string]bool{} // NextTokens
	in := &secretsmanager.ListSecretsInput{
		MaxResults:             aws.Int32(pageSize),
		IncludePlannedDeletion: aws.Bool(false),
		Filters:                []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{s.prefix}}},
	}
	for {
		out, err := s.listPage(ctx, in)
		if err != nil {
			return awserr.New("ListSecrets", s.prefix, err, table)
		}
		if secrets := s.ours(out.SecretList); len(secrets) > 0 {
			page(secrets)
		}
		next := aws.ToString(out.NextToken)
		if next == "" {
			return nil
		}
		if seen[next] {
			return awserr.Local("ListSecrets", s.prefix, store.ErrUnavailable, "the same NextToken came twice, so the listing would never end")
		}
		seen[next] = true
		in.NextToken = &next
	}
}

func (s *Store) listPage(ctx context.Context, in *secretsmanager.ListSecretsInput) (*secretsmanager.ListSecretsOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.client.ListSecrets(ctx, in)
}

// ours returns the secrets under the prefix. The filter is documented as a prefix match with case, but an emulator's may match more.
func (s *Store) ours(entries []types.SecretListEntry) []store.Secret {
	secrets := make([]store.Secret, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		connection, ours := strings.CutPrefix(aws.ToString(e.Name), s.prefix)
		if !ours || e.DeletedDate != nil {
			continue
		}
		isPaused, unknown := paused(e.Tags)
		secrets = append(secrets, store.Secret{
			Connection: connection,
			Versions:   staged(e.SecretVersionsToStages),
			Paused:     isPaused,
			PausedTag:  unknown,
			Created:    aws.ToTime(e.CreatedDate).UTC(),
			Changed:    aws.ToTime(e.LastChangedDate).UTC(),
		})
	}
	return secrets
}

// Describe returns one secret as it is now. A failure wraps [store.ErrNotFound], [store.ErrAccessDenied] or [store.ErrUnavailable]. For a
// secret that is scheduled for deletion it wraps [store.ErrDeleted], which matches ErrNotFound too.
func (s *Store) Describe(ctx context.Context, connection string) (store.Secret, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	name := s.prefix + connection
	out, err := s.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
	if err != nil {
		return store.Secret{}, awserr.New("DescribeSecret", name, err, table)
	}
	if out.DeletedDate != nil {
		return store.Secret{}, awserr.Local("DescribeSecret", name, store.ErrDeleted, "the secret is scheduled for deletion")
	}
	secret := described(out)
	secret.Connection = connection
	return secret, nil
}

// described is everything but the connection, which follows from the prefix.
func described(out *secretsmanager.DescribeSecretOutput) store.Secret {
	isPaused, unknown := paused(out.Tags)
	return store.Secret{
		Versions:       staged(out.VersionIdsToStages),
		Paused:         isPaused,
		PausedTag:      unknown,
		Created:        aws.ToTime(out.CreatedDate).UTC(),
		Changed:        aws.ToTime(out.LastChangedDate).UTC(),
		ARN:            aws.ToString(out.ARN),
		Name:           aws.ToString(out.Name),
		RotationOn:     aws.ToBool(out.RotationEnabled),
		RotationLambda: aws.ToString(out.RotationLambdaARN),
		Deleted:        out.DeletedDate != nil,
		OwningService:  aws.ToString(out.OwningService),
		PrimaryRegion:  aws.ToString(out.PrimaryRegion),
	}
}

// staged returns the versions that have a stage.
func staged(versions map[string][]string) map[string][]string {
	out := make(map[string][]string, len(versions))
	for id, stages := range versions {
		if len(stages) > 0 {
			out[id] = stages
		}
	}
	return out
}

// pausedTag is the tag that pauses a connection (contract.md section 1).
const pausedTag = "chaveiro:paused"

// paused reports whether the tag pauses the connection: its value is true, in any letter case. unknown is a value that is neither true nor
// false, "(empty)" for an empty one. Such a value does not pause, and somebody must see it.
func paused(tags []types.Tag) (isPaused bool, unknown string) {
	for _, t := range tags {
		if aws.ToString(t.Key) != pausedTag {
			continue
		}
		switch value := aws.ToString(t.Value); strings.ToLower(value) {
		case "true":
			return true, ""
		case "false":
			return false, ""
		default:
			return false, cmp.Or(value, "(empty)")
		}
	}
	return false, ""
}
