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
	region, endpoint string
	hasRegion        bool
	hasEndpoint      bool
	dualStack, fips  bool
	answer           smithyendpoints.Endpoint
}

// ResolveEndpoint implements ssm.EndpointResolverV2.
func (l *lastEndpoint) ResolveEndpoint(ctx context.Context, p ssm.EndpointParameters) (smithyendpoints.Endpoint, error) {
	if last := l.last.Load(); last != nil && last.isFor(p) {
		return last.answer, nil
	}
	answer, err := l.rules.ResolveEndpoint(ctx, p)
	if err == nil {
		l.last.Store(&resolved{
			region: aws.ToString(p.Region), hasRegion: p.Region != nil, endpoint: aws.ToString(p.Endpoint), hasEndpoint: p.Endpoint != nil,
			dualStack: aws.ToBool(p.UseDualStack), fips: aws.ToBool(p.UseFIPS), answer: answer,
		})
	}
	return answer, err
}

func (r *resolved) isFor(p ssm.EndpointParameters) bool {
	return r.hasRegion == (p.Region != nil) && r.region == aws.ToString(p.Region) && r.hasEndpoint == (p.Endpoint != nil) && r.endpoint == aws.ToString(p.Endpoint) &&
		r.dualStack == aws.ToBool(p.UseDualStack) && r.fips == aws.ToBool(p.UseFIPS)
}
