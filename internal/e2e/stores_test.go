package e2e_test

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"strings"
	"testing"

	dbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/awstest/conformance"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

const region = "sa-east-1"

// stores are SSM, Secrets Manager and DynamoDB as a person with the AWS SDK meets them, whoever plays them. The prefixes are of this run alone, since
// a moto_server is shared.
type stores struct {
	url                           string
	secretPrefix, parameterPrefix string
	ssm                           *ssm.Client
	secrets                       *secretsmanager.Client
	table                         string
	dynamo                        *dynamodb.Client
}

func newStores(url string) *stores {
	config := storesConfig(url)
	unique := "e2e-" + strings.ToLower(rand.Text()[:8])
	return &stores{
		url: url, secretPrefix: unique + "/", parameterPrefix: "/" + unique, table: awstest.StateTable,
		ssm: ssm.NewFromConfig(config), secrets: secretsmanager.NewFromConfig(config), dynamo: dynamodb.NewFromConfig(config),
	}
}

// newMotoStores are the stores of a moto_server, with a table of its own.
func newMotoStores(t *testing.T, url string) *stores {
	t.Helper()
	s := newStores(url)
	table, err := conformance.CreateTable(t.Context(), storesConfig(url))
	if err != nil {
		t.Fatal(err)
	}
	s.table = table
	return s
}

func storesConfig(url string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(url), HTTPClient: httpClient(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "e2e", SecretAccessKey: "e2e"}, nil
		}),
	}
}

// putSecret creates a connection's secret, or gives it a new current version.
func (s *stores) putSecret(t *testing.T, connection, document string) {
	t.Helper()
	name := aws.String(s.secretPrefix + connection)
	_, err := s.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: name, SecretString: aws.String(document)})
	if exists := (*smtypes.ResourceExistsException)(nil); errors.As(err, &exists) {
		_, err = s.secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: name, SecretString: aws.String(document)})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// published is a parameter.
type published struct {
	kind, value string
	version     int64
}

func (s *stores) name(connection string, kind store.Kind) *string {
	return aws.String(s.parameterPrefix + "/" + connection + "/" + string(kind))
}

func (s *stores) has(t *testing.T, connection string, kind store.Kind) bool {
	t.Helper()
	_, err := s.ssm.GetParameter(t.Context(), &ssm.GetParameterInput{Name: s.name(connection, kind)})
	if missing := (*ssmtypes.ParameterNotFound)(nil); errors.As(err, &missing) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

func (s *stores) parameter(t *testing.T, connection string, kind store.Kind) published {
	t.Helper()
	name := s.name(connection, kind)
	got, err := s.ssm.GetParameter(t.Context(), &ssm.GetParameterInput{Name: name, WithDecryption: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return published{kind: string(got.Parameter.Type), value: aws.ToString(got.Parameter.Value), version: got.Parameter.Version}
}

// item is the item of a connection in the state table, as DynamoDB returns it.
func (s *stores) item(t *testing.T, connection string) map[string]dbtypes.AttributeValue {
	t.Helper()
	got, err := s.dynamo.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &s.table, ConsistentRead: aws.Bool(true), Key: key(connection),
	})
	if err != nil || len(got.Item) == 0 {
		t.Fatalf("the item of %s: %v, %v", connection, got, err)
	}
	return got.Item
}

func key(connection string) map[string]dbtypes.AttributeValue {
	return map[string]dbtypes.AttributeValue{"connection": &dbtypes.AttributeValueMemberS{Value: connection}}
}

// state is the item of a connection as the functions read it.
func (s *stores) state(t *testing.T, connection string) lifecycle.State {
	t.Helper()
	return dynamostate.Decode(s.item(t, connection))
}

// parameters are the names of all that is published.
func (s *stores) parameters(t *testing.T) []string {
	t.Helper()
	var names []string
	pages := ssm.NewDescribeParametersPaginator(s.ssm, &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{
		{Key: aws.String("Path"), Option: aws.String("Recursive"), Values: []string{s.parameterPrefix}},
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Parameters {
			names = append(names, aws.ToString(p.Name))
		}
	}
	return names
}

// rotatorARN is the rotation function, as make local has it.
const rotatorARN = "arn:aws:lambda:" + region + ":123456789012:function:chaveiro-rotator"

// stage puts a pair as the next one: put-secret-value with --version-stages CANDIDATE.
func (s *stores) stage(t *testing.T, connection, pair string) {
	t.Helper()
	if _, err := s.secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(s.secretPrefix + connection), SecretString: aws.String(pair), VersionStages: []string{"CANDIDATE"},
	}); err != nil {
		t.Fatal(err)
	}
}

// rotate starts a rotation with the version id that the events name: rotate-secret.
func (s *stores) rotate(t *testing.T, connection, token string) {
	t.Helper()
	if _, err := s.secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(s.secretPrefix + connection), ClientRequestToken: aws.String(token), RotationLambdaARN: aws.String(rotatorARN),
	}); err != nil {
		t.Fatal(err)
	}
}

// labels are the staging labels of a connection's secret, with the version that each is on.
func (s *stores) labels(t *testing.T, connection string) map[string]string {
	t.Helper()
	out, err := s.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(s.secretPrefix + connection)})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for id, labels := range out.VersionIdsToStages {
		for _, label := range labels {
			found[label] = id
		}
	}
	return found
}

// wantLabels wants these labels and no others.
func wantLabels(t *testing.T, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("labels %v, want %v", got, want)
	}
}
