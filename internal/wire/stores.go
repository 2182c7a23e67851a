// Package wire builds the AWS clients and the adapters of an installation from its environment, once per start, for functions and commands.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/environment"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
)

// Stores are the adapters of one installation. They keep no state between invocations.
type Stores struct {
	Secrets    *smsecret.Store    // connections
	Versions   *smsecret.Versions // versions of secrets, for the rotator
	Parameters *ssmstore.Store    // what readers read
	States     *dynamostate.Store // state of the connections
}

// OpenStores builds the stores with the SDK's own configuration: credentials, and the endpoints of AWS_ENDPOINT_URL_SSM,
// AWS_ENDPOINT_URL_SECRETS_MANAGER and AWS_ENDPOINT_URL_DYNAMODB. It makes no call to AWS. The error lists every fault.
func OpenStores(ctx context.Context, env environment.Config) (Stores, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(env.Region))
	if err != nil {
		return Stores{}, fmt.Errorf("load the AWS configuration: %w", err)
	}
	return NewStores(cfg, env)
}

// NewStores builds the stores over an SDK configuration. The error lists every fault.
func NewStores(cfg aws.Config, env environment.Config) (Stores, error) {
	cfg = keepConnections(cfg, env.MaxConcurrency)
	sm := secretsmanager.NewFromConfig(cfg)
	secrets, secretsErr := smsecret.New(smsecret.Config{Client: sm, Prefix: env.SecretPrefix})
	versions, versionsErr := smsecret.NewVersions(smsecret.VersionsConfig{Client: sm})
	parameters, parametersErr := ssmstore.New(ssmstore.Config{
		Client: ssm.NewFromConfig(cfg), Prefix: env.ParameterPrefix, KMSKeyID: env.KMSKeyID,
	})
	states, statesErr := dynamostate.New(dynamostate.Config{Client: dynamodb.NewFromConfig(cfg), Table: env.StateTable})
	if err := errors.Join(secretsErr, versionsErr, parametersErr, statesErr); err != nil {
		return Stores{}, err
	}
	return Stores{Secrets: secrets, Versions: versions, Parameters: parameters, States: states}, nil
}

// keepConnections lets each client keep an idle connection for each of callers. The SDK keeps ten: of sixteen callers six would open a new
// connection for each call, with its TLS handshake. An HTTP client that is not the SDK's own is left unchanged.
func keepConnections(cfg aws.Config, callers int) aws.Config {
	client, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return cfg
	}
	cfg.HTTPClient = client.WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = max(t.MaxIdleConnsPerHost, callers)
		t.MaxIdleConns = max(t.MaxIdleConns, callers) // each client has a transport of its own, for one host
	})
	return cfg
}
