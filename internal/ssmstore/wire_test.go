package ssmstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/store"
)

// motoURL is where a moto_server listens, "" when there is none.
func motoURL() string { return os.Getenv("CHAVEIRO_MOTO_URL") }

func motoClient(url string) *ssm.Client {
	return ssm.NewFromConfig(aws.Config{
		Region: "sa-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-key"}, nil
		}),
		BaseEndpoint: &url,
	})
}

// TestSameOverAnyServer is what the store does over awstest and over moto alike. What moto does not do (sizes, type conflicts,
// throttling) is tested over awstest alone.
func TestSameOverAnyServer(t *testing.T) {
	t.Run("awstest", func(t *testing.T) {
		roundTrip(t, new(awstest.World).SSM())
	})
	t.Run("moto", func(t *testing.T) {
		url := motoURL()
		if url == "" {
			t.Skip("CHAVEIRO_MOTO_URL is not set: there is no moto_server to run against")
		}
		roundTrip(t, motoClient(url))
	})
}

func roundTrip(t *testing.T, client *ssm.Client) {
	t.Helper()
	prefix := "/t-" + strings.ToLower(rand.Text()) // a moto_server outlives a run
	s := open(t, client, prefix)
	beside := open(t, client, prefix+"x")
	mustPut(t, beside, write(token("tenant/c00"), canary, "beside"))

	const connections = 35
	var names []store.Name
	for i := range connections {
		id := fmt.Sprintf("tenant/c%02d", i)
		names = append(names, token(id), account(id))
		mustPut(t, s, write(token(id), fmt.Sprintf("%s-%d", canary, i), id))
		mustPut(t, s, write(account(id), fmt.Sprintf("acc-%d", i), ""))
	}
	first := names[0].Connection
	if v := mustPut(t, s, write(token(first), canary+"-new", "again")); v != 2 {
		t.Errorf("version %d of a token that was written twice", v)
	}
	mustPut(t, s, write(failure(first), "{{sentence}}", ""))

	t.Run("get", func(t *testing.T) {
		got, err := s.Get(t.Context(), append([]store.Name{failure(first), token("none")}, names...))
		if err != nil || len(got) != 2*connections+1 {
			t.Fatalf("Get = %d, %v", len(got), err)
		}
		wantSummary(t, got[:3],
			first+` refresh_failure String v1 "{ {sentence} }"`, first+` access_token SecureString v2 ""`, first+` account_id String v1 "acc-0"`)
		wantSummary(t, got[69:], `tenant/c34 access_token SecureString v1 ""`, `tenant/c34 account_id String v1 "acc-34"`)
	})
	t.Run("read with decryption", func(t *testing.T) {
		out, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{
			Name: aws.String(prefix + "/" + first + "/access_token"), WithDecryption: aws.Bool(true)})
		if err != nil || aws.ToString(out.Parameter.Value) != canary+"-new" {
			t.Errorf("the token is not what was written: %v", err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		doomed := append([]store.Name{token("none"), failure(first)}, names[1:]...)
		if err := s.Delete(t.Context(), doomed); err != nil {
			t.Fatal(err)
		}
		left, err := s.Get(t.Context(), append(names, failure(first)))
		if err != nil {
			t.Fatal(err)
		}
		wantSummary(t, left, first+` access_token SecureString v2 ""`)
		other, err := beside.Get(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		wantSummary(t, other, first+` access_token SecureString v1 ""`)
	})
}
