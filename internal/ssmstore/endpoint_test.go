package ssmstore

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// countedRules are the SDK's, and count how often they are worked through.
type countedRules struct {
	rules ssm.EndpointResolverV2
	asked int
	fails bool
}

func (c *countedRules) ResolveEndpoint(ctx context.Context, p ssm.EndpointParameters) (smithyendpoints.Endpoint, error) {
	c.asked++
	if c.fails {
		return smithyendpoints.Endpoint{}, errors.New("no endpoint")
	}
	return c.rules.ResolveEndpoint(ctx, p)
}

func TestAnEndpointIsFoundOnceForTheSameParameters(t *testing.T) {
	rules := &countedRules{rules: ssm.NewDefaultEndpointResolverV2()}
	resolver := &lastEndpoint{rules: rules}
	asked := 0
	for name, c := range map[string]ssm.EndpointParameters{
		"a region":                {Region: aws.String("sa-east-1"), UseDualStack: aws.Bool(false), UseFIPS: aws.Bool(false)},
		"another":                 {Region: aws.String("eu-west-1"), UseDualStack: aws.Bool(false), UseFIPS: aws.Bool(false)},
		"FIPS":                    {Region: aws.String("us-east-1"), UseDualStack: aws.Bool(false), UseFIPS: aws.Bool(true)},
		"dual stack":              {Region: aws.String("us-east-1"), UseDualStack: aws.Bool(true), UseFIPS: aws.Bool(false)},
		"both":                    {Region: aws.String("us-east-1"), UseDualStack: aws.Bool(true), UseFIPS: aws.Bool(true)},
		"an endpoint of our own":  {Region: aws.String("us-east-1"), Endpoint: aws.String("http://127.0.0.1:4566")},
		"one without a region":    {Endpoint: aws.String("http://127.0.0.1:4566")},
		"an empty endpoint":       {Region: aws.String("us-east-1"), Endpoint: aws.String("")},
		"no parameters":           {},
		"nothing but the region":  {Region: aws.String("us-east-1")},
		"a region that is empty":  {Region: aws.String("")},
		"a region of another one": {Region: aws.String("cn-north-1")},
	} {
		want, wantErr := ssm.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), c)
		for range 3 {
			got, err := resolver.ResolveEndpoint(t.Context(), c)
			if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
				t.Errorf("%s: %v, %v, want %v, %v", name, got.URI, err, want.URI, wantErr)
			}
		}
		if asked++; wantErr != nil {
			asked += 2 // an error is not kept
		}
		if rules.asked != asked {
			t.Errorf("%s: the rules were worked through %d times, want %d", name, rules.asked, asked)
		}
	}
	rules.fails = true
	if _, err := resolver.ResolveEndpoint(t.Context(), ssm.EndpointParameters{Region: aws.String("ap-south-1")}); err == nil {
		t.Error("the error is gone")
	}
}

// TestTheParametersOfAnEndpointAreAllCompared: one that a later SDK adds has to be.
func TestTheParametersOfAnEndpointAreAllCompared(t *testing.T) {
	if n := reflect.TypeFor[ssm.EndpointParameters]().NumField(); n != 4 {
		t.Errorf("EndpointParameters has %d fields, parametersOf reads 4", n)
	}
}

func TestTheClientKeepsItsEndpoint(t *testing.T) {
	client := NewClient(aws.Config{Region: "sa-east-1"}, 1)
	kept, ok := client.Options().EndpointResolverV2.(*lastEndpoint)
	if !ok || kept.rules == nil {
		t.Fatalf("the resolver is %T", client.Options().EndpointResolverV2)
	}
	got, err := kept.ResolveEndpoint(t.Context(), ssm.EndpointParameters{Region: aws.String("sa-east-1")})
	if err != nil || got.URI.Host != "ssm.sa-east-1.amazonaws.com" {
		t.Errorf("endpoint %v, %v", got.URI, err)
	}
}
