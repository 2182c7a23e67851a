package smsecret_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/store"
)

// TestSameOverAnyServer is what the store does over awstest and over moto alike.
func TestSameOverAnyServer(t *testing.T) {
	t.Run("awstest", func(t *testing.T) {
		roundTrip(t, secretsmanager.NewFromConfig(new(awstest.World).Config()))
	})
	t.Run("moto", func(t *testing.T) {
		url := os.Getenv("CHAVEIRO_MOTO_URL")
		if url == "" {
			t.Skip("CHAVEIRO_MOTO_URL is not set: there is no moto_server to run against")
		}
		roundTrip(t, secretsmanager.NewFromConfig(aws.Config{
			Region: "sa-east-1",
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-key"}, nil
			}),
			BaseEndpoint: &url,
		}))
	})
}

func roundTrip(t *testing.T, client *secretsmanager.Client) {
	t.Helper()
	prefix := "t-" + strings.ToLower(rand.Text()) + "/" // a moto_server outlives a run
	s := open(t, client, prefix)
	create(t, client, strings.TrimSuffix(prefix, "/")+"x/beside", canary)
	const n = 25
	var ask []string
	for i := range n {
		ask = append(ask, fmt.Sprintf("tenant/c%02d", i))
		create(t, client, prefix+ask[i], fmt.Sprintf("%s-%d", canary, i))
	}
	create(t, client, prefix+"gone", canary)
	create(t, client, prefix+"paused", canary, "chaveiro:paused", "true")

	t.Run("list", func(t *testing.T) {
		got, err := list(t, s)
		if err != nil || len(got) != n+2 {
			t.Fatalf("List = %d, %v", len(got), err)
		}
		for c, secret := range got {
			if len(secret.Versions) != 1 || secret.Holder(store.StageCurrent) == "" || secret.Created.IsZero() || secret.Paused != (c == "paused") {
				t.Errorf("%s: %+v", c, secret)
			}
		}
	})
	t.Run("a secret scheduled for deletion is gone", func(t *testing.T) {
		remove(t, client, prefix+"gone")
		if got, err := list(t, s); err != nil || len(got) != n+1 {
			t.Errorf("List = %d, %v", len(got), err)
		}
		_, err := s.Describe(t.Context(), "gone")
		wantError(t, err, store.ErrNotFound, "DescribeSecret "+prefix+"gone: ")
	})
	t.Run("batch read", func(t *testing.T) {
		docs := s.ReadCurrent(t.Context(), append([]string{"gone", "never-was"}, ask...))
		if len(docs) != n+2 {
			t.Fatalf("%d documents", len(docs))
		}
		for _, d := range docs[:2] {
			wantError(t, d.Err, store.ErrNotFound, "BatchGetSecretValue "+prefix)
		}
		for i, d := range docs[2:] {
			if d.Err != nil || d.Connection != ask[i] || d.Value.Reveal() != fmt.Sprintf("%s-%d", canary, i) || d.VersionID == "" || d.Created.IsZero() {
				t.Errorf("place %d: %+v", i, d)
			}
		}
	})
	t.Run("stages", func(t *testing.T) { promote(t, client, s, prefix) })
}

// promote moves AWSCURRENT to another version, after which moto's plain reads still return the version before: the store's do not.
func promote(t *testing.T, client *secretsmanager.Client, s *smsecret.Store, prefix string) {
	t.Helper()
	name := prefix + "staged"
	first := create(t, client, name, canary+"-old")
	second := put(t, client, name, canary+"-new", store.StageCandidate)
	got, err := s.Describe(t.Context(), "staged")
	if err != nil || got.Holder(store.StageCurrent) != first || got.Holder(store.StageCandidate) != second {
		t.Fatalf("Describe = %+v, %v", got, err)
	}
	_, err = client.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &name, VersionStage: aws.String(store.StageCurrent), MoveToVersionId: &second, RemoveFromVersionId: &first,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err = s.Describe(t.Context(), "staged"); err != nil || got.Holder(store.StageCurrent) != second {
		t.Errorf("Describe = %+v, %v", got, err)
	}
	if d := s.ReadCurrent(t.Context(), []string{"staged"})[0]; d.Err != nil || d.VersionID != second || d.Value.Reveal() != canary+"-new" {
		t.Errorf("ReadCurrent = version %s, %v; want %s", d.VersionID, d.Err, second)
	}
	if d, err := s.ReadVersion(t.Context(), "staged", first); err != nil || d.VersionID != first || d.Value.Reveal() != canary+"-old" {
		t.Errorf("ReadVersion = version %s, %v", d.VersionID, err)
	}
}
