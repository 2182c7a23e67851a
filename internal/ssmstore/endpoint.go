package ssmstore

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// lastEndpoint keeps the endpoint that the SDK's rules found last. They are worked through again for each call, and of one client the region and
// the other parameters are the same each time. The SDK only reads what a resolver returns.
type lastEndpoint struct {
	rules ssm.EndpointResolverV2
	last  atomic.Pointer[resolved]
}

// resolved is an endpoint with the parameters that it was found for.
type resolved struct {
	parameters parameters
	answer     smithyendpoints.Endpoint
}

// parameters are those of ssm.EndpointParameters by their values. To the rules none is the same as an empty one or false, but for the endpoint
// and the region.
type parameters struct {
	region, endpoint                        string
	hasRegion, hasEndpoint, dualStack, fips bool
}

func parametersOf(p ssm.EndpointParameters) parameters {
	return parameters{aws.ToString(p.Region), aws.ToString(p.Endpoint), p.Region != nil, p.Endpoint != nil, aws.ToBool(p.UseDualStack), aws.ToBool(p.UseFIPS)}
}

// ResolveEndpoint implements ssm.EndpointResolverV2.
func (l *lastEndpoint) ResolveEndpoint(ctx context.Context, p ssm.EndpointParameters) (smithyendpoints.Endpoint, error) {
	asked := parametersOf(p)
	if last := l.last.Load(); last != nil && last.parameters == asked {
		return last.answer, nil
	}
	answer, err := l.rules.ResolveEndpoint(ctx, p)
	if err == nil {
		l.last.Store(&resolved{asked, answer})
	}
	return answer, err
}
