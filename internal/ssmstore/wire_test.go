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
	"github.com/chaveiro/chaveiro/internal/refresh"
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
		roundTrip(t, ssm.NewFromConfig(new(awstest.World).Config()))
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
	mustPut(t, beside, write("c00", refresh.KindToken, canary, "beside"))

	const connections = 35 // moto gives ten a page
	var names []string
	for i := range connections {
		names = append(names, fmt.Sprintf("tenant/c%02d", i))
		mustPut(t, s, write(names[i], refresh.KindToken, fmt.Sprintf("%s-%d", canary, i), names[i]))
		mustPut(t, s, write(names[i], refresh.KindAccount, fmt.Sprintf("acc-%d", i), ""))
	}
	if v := mustPut(t, s, write(names[0], refresh.KindToken, canary+"-new", "again")); v != 2 {
		t.Errorf("version %d of a token that was written twice", v)
	}
	mustPut(t, s, write(names[0], refresh.KindFailure, "sentence", "failure"))

	t.Run("list", func(t *testing.T) {
		got, err := s.List(t.Context())
		if err != nil || len(got) != connections+1 {
			t.Fatalf("List = %d, %v", len(got), err)
		}
		for _, p := range got {
			switch {
			case p.Kind == refresh.KindFailure:
				wantSummary(t, []refresh.Parameter{p}, names[0]+" refresh_failure String v1 failure")
			case p.Connection == names[0]:
				wantSummary(t, []refresh.Parameter{p}, names[0]+" access_token SecureString v2 again")
			default:
				wantSummary(t, []refresh.Parameter{p}, fmt.Sprintf("%s access_token SecureString v1 %s", p.Connection, p.Connection))
			}
		}
	})
	t.Run("lookup", func(t *testing.T) {
		got, err := s.Lookup(t.Context(), []string{names[9], "none", names[0]})
		if err != nil {
			t.Fatal(err)
		}
		wantSummary(t, got, names[9]+" access_token SecureString v1 "+names[9],
			names[0]+" access_token SecureString v2 again", names[0]+" refresh_failure String v1 failure")
	})
	t.Run("read with decryption", func(t *testing.T) {
		out, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{
			Name: aws.String(prefix + "/" + names[0] + "/access_token"), WithDecryption: aws.Bool(true)})
		if err != nil || aws.ToString(out.Parameter.Value) != canary+"-new" {
			t.Errorf("the token is not what was written: %v", err)
		}
	})
	t.Run("account", func(t *testing.T) {
		got, err := s.Accounts(t.Context(), []string{names[3], "none"})
		if len(got) != 1 || got[names[3]].ID != "acc-3" || err != nil {
			t.Errorf("Accounts = %v, %v", got, err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		doomed := []refresh.Name{{Connection: "none", Kind: refresh.KindToken}, {Connection: names[0], Kind: refresh.KindFailure}}
		for _, n := range names[1:] {
			doomed = append(doomed, refresh.Name{Connection: n, Kind: refresh.KindToken}, refresh.Name{Connection: n, Kind: refresh.KindAccount})
		}
		if err := s.Delete(t.Context(), doomed); err != nil {
			t.Fatal(err)
		}
		left, err := s.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantSummary(t, left, names[0]+" access_token SecureString v2 again")
		if got, err := s.Accounts(t.Context(), []string{names[3]}); len(got) != 0 || err != nil {
			t.Errorf("Accounts after deletion = %v, %v", got, err)
		}
		if other, err := beside.List(t.Context()); err != nil || len(other) != 1 {
			t.Errorf("the store beside holds %v, %v", summary(other), err)
		}
	})
}
