package ssmstore_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/chaveiro/chaveiro/internal/ssmstore"
)

func TestAClientKeepsAConnectionForEachCaller(t *testing.T) {
	kept := func(callers int) int {
		client := ssmstore.NewClient(aws.Config{HTTPClient: awshttp.NewBuildableClient()}, callers)
		return client.Options().HTTPClient.(*awshttp.BuildableClient).GetTransport().MaxIdleConnsPerHost
	}
	few := awshttp.NewBuildableClient().GetTransport().MaxIdleConnsPerHost
	for callers, want := range map[int]int{1: few, 16: 16, 256: 256} {
		if got := kept(callers); got != want {
			t.Errorf("%d connections for %d callers, want %d", got, callers, want)
		}
	}
	own := new(http.Client)
	if got := ssmstore.NewClient(aws.Config{HTTPClient: own}, 16).Options().HTTPClient; got != own {
		t.Error("a client of somebody else's was replaced")
	}
}
