package smsecret

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// List returns every secret under the prefix, in the order in which Secrets Manager tells them. It may be five minutes behind. Any
// error means that the list is not complete, and then nothing is returned; it wraps [refresh.ErrAccessDenied] or
// [refresh.ErrUnavailable].
func (s *Store) List(ctx context.Context) ([]refresh.Secret, error) {
	var found []refresh.Secret
	at := map[string]int{} // connection -> index in found: pages are not a snapshot, so a secret that moved may be told twice
	tokens := map[string]bool{}
	in := &secretsmanager.ListSecretsInput{
		MaxResults:             aws.Int32(pageSize),
		IncludePlannedDeletion: aws.Bool(false),
		Filters:                []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{s.prefix}}},
	}
	for {
		out, err := s.listPage(ctx, in)
		if err != nil {
			return nil, callError("ListSecrets", s.prefix, err)
		}
		for i := range out.SecretList {
			e := &out.SecretList[i]
			// The filter is documented as a prefix match with case, but an emulator's may be wider: what is not ours is never told.
			connection, ours := strings.CutPrefix(aws.ToString(e.Name), s.prefix)
			if !ours || e.DeletedDate != nil {
				continue
			}
			secret := listed(connection, e)
			if j, twice := at[connection]; !twice {
				at[connection] = len(found)
				found = append(found, secret)
			} else if secret.Changed.After(found[j].Changed) {
				found[j] = secret
			}
		}
		next := aws.ToString(out.NextToken)
		if next == "" {
			return found, nil
		}
		if tokens[next] {
			return nil, &Error{Op: "ListSecrets", Subject: s.prefix, Message: "the same NextToken came twice; the listing would never end", kind: refresh.ErrUnavailable}
		}
		tokens[next] = true
		in.NextToken = &next
	}
}

func (s *Store) listPage(ctx context.Context, in *secretsmanager.ListSecretsInput) (*secretsmanager.ListSecretsOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.client.ListSecrets(ctx, in)
}

func listed(connection string, e *types.SecretListEntry) refresh.Secret {
	return refresh.Secret{
		Connection: connection,
		Stages:     stages(e.SecretVersionsToStages),
		Paused:     paused(e.Tags),
		Created:    aws.ToTime(e.CreatedDate).UTC(),
		Changed:    aws.ToTime(e.LastChangedDate).UTC(),
	}
}

// Describe returns one secret as it is now. A failure wraps [refresh.ErrNotFound] (also when the secret is scheduled for deletion),
// [refresh.ErrAccessDenied] or [refresh.ErrUnavailable].
func (s *Store) Describe(ctx context.Context, connection string) (refresh.Secret, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	name := s.prefix + connection
	out, err := s.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
	if err != nil {
		return refresh.Secret{}, callError("DescribeSecret", name, err)
	}
	if out.DeletedDate != nil {
		return refresh.Secret{}, &Error{Op: "DescribeSecret", Subject: name, Message: "the secret is scheduled for deletion", kind: refresh.ErrNotFound}
	}
	return refresh.Secret{
		Connection: connection,
		Stages:     stages(out.VersionIdsToStages),
		Paused:     paused(out.Tags),
		Created:    aws.ToTime(out.CreatedDate).UTC(),
		Changed:    aws.ToTime(out.LastChangedDate).UTC(),
	}, nil
}

// stages turns version -> labels into label -> version. AWS keeps a label on one version at a time; where an emulator does not, the
// smaller id is taken, so that two listings agree.
func stages(versions map[string][]string) map[string]string {
	byLabel := make(map[string]string, len(versions))
	for id, labels := range versions {
		for _, label := range labels {
			if other, twice := byLabel[label]; !twice || id < other {
				byLabel[label] = id
			}
		}
	}
	return byLabel
}

func paused(tags []types.Tag) bool {
	for _, t := range tags {
		if aws.ToString(t.Key) == pausedTag {
			return aws.ToString(t.Value) == "true"
		}
	}
	return false
}
