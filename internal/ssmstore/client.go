package ssmstore

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// NewClient makes a client that keeps a connection for each of so many callers. The SDK's own keeps ten: of sixteen callers six would make
// one anew, with its TLS handshake, for each call. An HTTP client that is not the SDK's is used as it is.
func NewClient(cfg aws.Config, callers int) *ssm.Client {
	return ssm.NewFromConfig(cfg, func(o *ssm.Options) {
		o.EndpointResolverV2 = &lastEndpoint{rules: o.EndpointResolverV2}
		if sdks, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			o.HTTPClient = sdks.WithTransportOptions(func(t *http.Transport) {
				t.MaxIdleConnsPerHost = max(t.MaxIdleConnsPerHost, callers)
			})
		}
	})
}
