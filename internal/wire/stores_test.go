package wire

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/environment"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func env() environment.Config {
	return environment.Config{
		SecretPrefix: "prod/oauth/", ParameterPrefix: "/prod/oauth", StateTable: awstest.StateTable, StackName: "chaveiro", Region: awstest.Region,
		KMSKeyID: "alias/mine", MaxConcurrency: 16,
	}
}

// wantWired writes and reads through each store.
func wantWired(t *testing.T, w *awstest.World, s Stores) {
	t.Helper()
	id, err := w.PutSecret("prod/oauth/a", "{}")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	err = s.Secrets.List(t.Context(), func(page []store.Secret) {
		for _, secret := range page {
			listed = append(listed, secret.Connection)
		}
	})
	if err != nil || !slices.Equal(listed, []string{"a"}) {
		t.Errorf("List = %v, %v", listed, err)
	}
	if doc, err := s.Versions.Read(t.Context(), "prod/oauth/a", id, store.StageCurrent); err != nil || doc.Value.Reveal() != "{}" {
		t.Errorf("Read = %v, %v", doc, err)
	}
	name := store.Name{Connection: "a", Kind: store.KindToken}
	if _, err := s.Parameters.Put(t.Context(), store.Write{Name: name, Value: oauth.NewSecret("token")}); err != nil {
		t.Error(err)
	}
	if p, ok := w.Parameter("/prod/oauth/a/access_token"); !ok || p.KeyID != "alias/mine" {
		t.Errorf("parameter %+v, %v", p, ok)
	}
	if _, err := s.States.Update(t.Context(), lifecycle.State{ID: "a", Paused: true}); err != nil {
		t.Error(err)
	}
	if _, ok := w.Item("a"); !ok {
		t.Error("the state is not in the table")
	}
}

func TestTheStoresUseTheEnvironmentsPrefixesAndKey(t *testing.T) {
	w := new(awstest.World)
	s, err := NewStores(w.Config(), env())
	if err != nil {
		t.Fatal(err)
	}
	wantWired(t, w, s)
}

// setAWS sets the variables that the SDK reads, so that nothing of this machine's own configuration counts.
func setAWS(t *testing.T, endpoint string) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-key", "AWS_REGION": "us-east-1",
		"AWS_ENDPOINT_URL_SSM": endpoint, "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint, "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
	} {
		t.Setenv(name, value)
	}
}

func TestTheSDKsOwnConfigurationNamesTheEndpoints(t *testing.T) {
	w := new(awstest.World)
	server, err := w.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	setAWS(t, server.URL)
	s, err := OpenStores(t.Context(), env())
	if err != nil {
		t.Fatal(err)
	}
	wantWired(t, w, s)
}

// TestAnEmptyEndpointIsNone: the template declares the three variables and leaves them empty.
func TestAnEmptyEndpointIsNone(t *testing.T) {
	setAWS(t, "")
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for service, endpoint := range map[string]*string{
		"Secrets Manager": secretsmanager.NewFromConfig(cfg).Options().BaseEndpoint,
		"SSM":             ssm.NewFromConfig(cfg).Options().BaseEndpoint,
		"DynamoDB":        dynamodb.NewFromConfig(cfg).Options().BaseEndpoint,
	} {
		if endpoint != nil {
			t.Errorf("endpoint of %s %q, want none", service, *endpoint)
		}
	}
}

func TestEveryFaultIsListed(t *testing.T) {
	s, err := NewStores(new(awstest.World).Config(), environment.Config{SecretPrefix: "oauth", ParameterPrefix: "oauth"})
	if err == nil || s != (Stores{}) {
		t.Fatalf("NewStores = %+v, %v", s, err)
	}
	for _, part := range []string{"configure smsecret: prefix", "configure ssmstore: prefix", "table"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestAClientKeepsAConnectionForEachCaller(t *testing.T) {
	sdk := awshttp.NewBuildableClient().GetTransport()
	for callers, want := range map[int][2]int{
		1:   {sdk.MaxIdleConnsPerHost, sdk.MaxIdleConns},
		16:  {16, sdk.MaxIdleConns},
		256: {256, 256},
	} {
		cfg := keepConnections(aws.Config{HTTPClient: awshttp.NewBuildableClient()}, callers)
		for service, client := range map[string]any{
			"Secrets Manager": secretsmanager.NewFromConfig(cfg).Options().HTTPClient,
			"SSM":             ssm.NewFromConfig(cfg).Options().HTTPClient,
			"DynamoDB":        dynamodb.NewFromConfig(cfg).Options().HTTPClient,
		} {
			buildable, ok := client.(*awshttp.BuildableClient)
			if !ok {
				t.Fatalf("%s: the client is a %T", service, client)
			}
			transport := buildable.GetTransport()
			if got := [2]int{transport.MaxIdleConnsPerHost, transport.MaxIdleConns}; got != want {
				t.Errorf("%s: %v idle connections for %d callers, want %v", service, got, callers, want)
			}
		}
	}
	own := new(http.Client)
	if got := keepConnections(aws.Config{HTTPClient: own}, 16).HTTPClient; got != own {
		t.Error("a client that is not the SDK's was replaced")
	}
}
