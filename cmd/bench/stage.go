package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// Names under which a stage keeps its state.
const (
	secretPrefix    = "oauth/"
	parameterPrefix = "/oauth"
	region          = awstest.Region
)

// stage is an AWS account and a provider, with a connection for each of n tenants.
type stage struct {
	aws      *awstest.World
	provider *oauthtest.Provider
	tenants  int
}

// connectionID is that of the i-th tenant.
func connectionID(provider string, i int) string { return fmt.Sprintf("%s/tenant-%05d", provider, i) }

// newStage makes the account and the connections. tokenEndpoint is written into each document; "" leaves it to the catalogue.
func newStage(provider *oauthtest.Provider, tenants int, tokenEndpoint string) (*stage, error) {
	s := &stage{aws: &awstest.World{HistoryLimit: 2, StandardLimit: 100_000}, provider: provider, tenants: tenants}
	return s, addTenants(s.aws, provider, provider.Name(), tenants, tokenEndpoint)
}

// addTenants registers a client at the provider and stores a secret for each tenant.
func addTenants(aws *awstest.World, provider *oauthtest.Provider, prefix string, tenants int, tokenEndpoint string) error {
	for i := range tenants {
		if err := addTenant(aws, provider, prefix, i, tokenEndpoint); err != nil {
			return err
		}
	}
	return nil
}

// addTenant is addTenants for one tenant, by its number.
func addTenant(aws *awstest.World, provider *oauthtest.Provider, prefix string, i int, tokenEndpoint string) error {
	client := oauthtest.Client{
		ID: fmt.Sprintf("client-%05d", i), Secret: oauth.NewSecret(fmt.Sprintf("secret-%05d", i)), AccountID: fmt.Sprintf("store-%05d", i),
	}
	provider.Add(client)
	document := map[string]string{"provider": provider.Name(), "client_id": client.ID, "client_secret": client.Secret.Reveal()}
	if tokenEndpoint != "" {
		document["token_endpoint"] = tokenEndpoint
	}
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	_, err = aws.PutSecret(secretPrefix+connectionID(prefix, i), string(text))
	return err
}

// check reports whether the work was really done: every tenant's parameter holds a token that the provider takes, and there were as many
// tokens and writes as there should have been.
func (s *stage) check(tokens int) error {
	var faults []error
	if got := s.provider.Total().Minted; got != tokens {
		faults = append(faults, fmt.Errorf("the provider handed out %d tokens, want %d", got, tokens))
	}
	if got := s.served(); got != s.tenants {
		faults = append(faults, fmt.Errorf("%d of %d tenants have a token that the provider takes", got, s.tenants))
	}
	if got := s.tokenWrites(); got != tokens {
		faults = append(faults, fmt.Errorf("%d versions of tokens were written, want %d", got, tokens))
	}
	return errors.Join(faults...)
}

// served counts the tenants whose published token the provider takes.
func (s *stage) served() int {
	served := 0
	for i := range s.tenants {
		if p, ok := s.aws.Parameter(tokenName(connectionID(s.provider.Name(), i))); ok && s.provider.Validate(p.Value.Reveal()) {
			served++
		}
	}
	return served
}

// tokenWrites is the sum of the versions of all token parameters.
func (s *stage) tokenWrites() int {
	written := 0
	for i := range s.tenants {
		if p, ok := s.aws.Parameter(tokenName(connectionID(s.provider.Name(), i))); ok {
			written += int(p.Version)
		}
	}
	return written
}

func tokenName(connection string) string {
	return parameterPrefix + "/" + connection + "/" + string(store.KindToken)
}

// served stage: the account and the provider on loopback ports.
type openStage struct {
	*stage

	awsURL   string
	closeAll func()
}

// openOnLoopback serves a new stage, whose documents name the provider's port.
func openOnLoopback(tenants int) (*openStage, error) {
	provider := oauthtest.Hotmart(oauthtest.Options{LogSize: -1})
	base, closeProvider, err := provider.Listen("")
	if err != nil {
		return nil, err
	}
	s, err := newStage(provider, tenants, base+provider.TokenPath())
	if err != nil {
		closeProvider()
		return nil, err
	}
	server, err := s.aws.Listen("127.0.0.1:0")
	if err != nil {
		closeProvider()
		return nil, err
	}
	return &openStage{stage: s, awsURL: server.URL, closeAll: func() {
		_ = server.Close()
		closeProvider()
	}}, nil
}

// environment of a program that works on the stage.
func (s *openStage) environment() []string {
	return append(functionEnvironment(),
		"AWS_ENDPOINT_URL_SSM="+s.awsURL, "AWS_ENDPOINT_URL_SECRETS_MANAGER="+s.awsURL, "AWS_ENDPOINT_URL_DYNAMODB="+s.awsURL)
}

// network is the provider in process, under its own hosts.
func network(providers ...*oauthtest.Provider) http.RoundTripper {
	return oauthtest.NewNetwork(providers...)
}
