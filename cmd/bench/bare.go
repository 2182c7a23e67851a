package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// bare is the floor under a renewal: the same calls with the same clients, and nothing around them. It decides nothing, checks nothing,
// records nothing but the token's times, and lists nothing: it gets the names of what is due.
type bare struct {
	secrets    *secretsmanager.Client
	parameters *ssm.Client
	states     *dynamodb.Client // nil: no lease is taken and no state is written
	http       *http.Client
	workers    int
}

// Of the refresher too: how many secrets one call reads, how many such calls run at once, and how many renewals.
const (
	batchSize    = 20
	batchReaders = 4
	workers      = 16
)

// document is as much of a connection as the loop needs.
type document struct {
	name     string
	ID       string `json:"client_id"`
	Secret   string `json:"client_secret"`
	Endpoint string `json:"token_endpoint"`
}

// pass renews every named connection once. It returns the first error of any.
func (b *bare) pass(ctx context.Context, connections []string) error {
	documents, err := b.read(ctx, connections)
	if err != nil {
		return err
	}
	return each(b.workers, documents, func(d document) error { return b.renew(ctx, d) })
}

// renew claims, exchanges, publishes and commits.
func (b *bare) renew(ctx context.Context, d document) error {
	if err := b.claim(ctx, d.name); err != nil {
		return err
	}
	token, expiry, err := b.exchange(ctx, d)
	if err != nil {
		return err
	}
	version, err := b.publish(ctx, d.name, token, expiry)
	if err != nil {
		return err
	}
	return b.commit(ctx, d.name, expiry, version)
}

// claim takes the lease of a connection that nobody renews.
func (b *bare) claim(ctx context.Context, connection string) error {
	if b.states == nil {
		return nil
	}
	_, err := b.states.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(awstest.StateTable), Key: itemOf(connection), ReturnValues: dynamotypes.ReturnValueAllNew,
		ConditionExpression:      aws.String("attribute_not_exists(#lease) OR #lease.#until < :now"),
		UpdateExpression:         aws.String("SET #lease = :lease"),
		ExpressionAttributeNames: map[string]string{"#lease": "lease", "#until": "until"},
		ExpressionAttributeValues: map[string]dynamotypes.AttributeValue{
			":now": epoch(b.time()),
			":lease": &dynamotypes.AttributeValueMemberM{Value: map[string]dynamotypes.AttributeValue{
				"owner": &dynamotypes.AttributeValueMemberS{Value: requestID}, "until": epoch(b.time().Add(lambdaTimeout)),
			}},
		},
	})
	return err
}

// commit writes what was published and ends the lease.
func (b *bare) commit(ctx context.Context, connection string, expiry time.Time, version int64) error {
	if b.states == nil {
		return nil
	}
	_, err := b.states.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(awstest.StateTable), Key: itemOf(connection),
		ConditionExpression:      aws.String("#lease.#owner = :owner"),
		UpdateExpression:         aws.String("SET #expires_at = :expires_at, #version = :version REMOVE #lease"),
		ExpressionAttributeNames: map[string]string{"#lease": "lease", "#owner": "owner", "#expires_at": "expires_at", "#version": "parameter_version"},
		ExpressionAttributeValues: map[string]dynamotypes.AttributeValue{
			":owner":      &dynamotypes.AttributeValueMemberS{Value: requestID},
			":expires_at": &dynamotypes.AttributeValueMemberS{Value: expiry.UTC().Format(time.RFC3339)},
			":version":    &dynamotypes.AttributeValueMemberN{Value: strconv.FormatInt(version, 10)},
		},
	})
	return err
}

// time is the clock of this machine.
func (*bare) time() time.Time {
	now := time.Now
	return now()
}

func itemOf(connection string) map[string]dynamotypes.AttributeValue {
	return map[string]dynamotypes.AttributeValue{awstest.StateKey: &dynamotypes.AttributeValueMemberS{Value: connection}}
}

func epoch(t time.Time) dynamotypes.AttributeValue {
	return &dynamotypes.AttributeValueMemberN{Value: strconv.FormatInt(t.Unix(), 10)}
}

func (b *bare) read(ctx context.Context, connections []string) ([]document, error) {
	var mu sync.Mutex
	var documents []document
	err := each(batchReaders, slices.Collect(slices.Chunk(connections, batchSize)), func(chunk []string) error {
		ids := make([]string, len(chunk))
		for i, c := range chunk {
			ids[i] = secretPrefix + c
		}
		out, err := b.secrets.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: ids})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, value := range out.SecretValues {
			d := document{name: strings.TrimPrefix(aws.ToString(value.Name), secretPrefix)}
			if err := json.Unmarshal([]byte(aws.ToString(value.SecretString)), &d); err != nil {
				return err
			}
			documents = append(documents, d)
		}
		return nil
	})
	return documents, err
}

// exchange asks a token endpoint by HTTP Basic.
func (b *bare) exchange(ctx context.Context, d document) (token string, expiry time.Time, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", time.Time{}, err
	}
	req.SetBasicAuth(d.ID, d.Secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	date, answer, err := b.ask(req)
	if err != nil {
		return "", time.Time{}, err
	}
	return answer.Token, date.Add(time.Duration(answer.ExpiresIn) * time.Second), nil
}

type tokenAnswer struct {
	Token     string `json:"access_token"`
	ExpiresIn int64  `json:"expires_in"`
}

func (b *bare) ask(req *http.Request) (date time.Time, answer tokenAnswer, err error) {
	res, err := b.http.Do(req)
	if err != nil {
		return date, answer, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return date, answer, err
	}
	if res.StatusCode != http.StatusOK {
		return date, answer, fmt.Errorf("token endpoint: status %d", res.StatusCode)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return date, answer, err
	}
	date, err = http.ParseTime(res.Header.Get("Date"))
	return date, answer, err
}

// publish returns the version of the token's parameter.
func (b *bare) publish(ctx context.Context, connection, token string, expiry time.Time) (int64, error) {
	out, err := b.parameters.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(tokenName(connection)), Value: &token, Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true),
		KeyId: aws.String("alias/aws/ssm"), Tier: types.ParameterTierIntelligentTiering,
		Description: aws.String("valid until " + expiry.UTC().Format(time.RFC3339)),
	})
	if err != nil {
		return 0, err
	}
	return out.Version, nil
}

// each calls do for every item, n at once, to the end, and returns the first error.
func each[T any](n int, items []T, do func(T) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	queue := make(chan T)
	for range n {
		wg.Go(func() {
			for item := range queue {
				if err := do(item); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	wg.Wait()
	return first
}

// connections are the ids of the first n tenants of Hotmart.
func connections(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = connectionID("hotmart", i)
	}
	return ids
}

// barePasses is refresherPasses for the floor.
func barePasses(ctx context.Context, t task) (samples, error) {
	config, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: workers} // as many as the refresher keeps
	defer transport.CloseIdleConnections()
	b := &bare{
		secrets: secretsmanager.NewFromConfig(config), parameters: ssm.NewFromConfig(config), states: dynamodb.NewFromConfig(config),
		http: &http.Client{Transport: transport, Timeout: 10 * time.Second}, workers: workers,
	}
	return timed(t, func() error { return b.pass(ctx, connections(t.tokens)) })
}

// bareTapePasses is tapePasses for the floor.
func bareTapePasses(ctx context.Context, t task) (samples, error) {
	provider := oauthtest.Hotmart(oauthtest.Options{})
	s, err := newStage(provider, t.tokens, provider.TokenURL())
	if err != nil {
		return nil, err
	}
	stores, endpoints := newTape(s.aws.Transport()), newTape(network(provider))
	config := s.aws.Config()
	config.HTTPClient = &http.Client{Transport: stores}
	b := &bare{
		secrets: secretsmanager.NewFromConfig(config), parameters: ssm.NewFromConfig(config), states: dynamodb.NewFromConfig(config),
		http: &http.Client{Transport: endpoints, Timeout: 10 * time.Second}, workers: workers,
	}
	if err := b.pass(ctx, connections(t.tokens)); err != nil {
		return nil, err
	}
	if err := s.check(t.tokens); err != nil {
		return nil, err
	}
	stores.playing.Store(true)
	endpoints.playing.Store(true)
	return timed(t, func() error { return b.pass(ctx, connections(t.tokens)) })
}
