package rotate_test

import (
	"testing"
	"testing/synctest"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// TestARotationOverTheSDK: the other tests leave the SDK's HTTP out. Its retries meet what is throttled twice.
func TestARotationOverTheSDK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, kiwify(oauthtest.Settings{Evicts: true}))
		versions, err := smsecret.NewVersions(smsecret.VersionsConfig{Client: h.aws.SecretsManager()})
		h.must(err)
		store, err := smsecret.New(smsecret.Config{Client: h.aws.SecretsManager(), Prefix: "oauth/"})
		h.must(err)
		parameters, err := ssmstore.New(ssmstore.Config{Client: h.aws.SSM(), Prefix: "/oauth", KMSKeyID: "alias/aws/ssm"})
		h.must(err)
		h.refresher, err = refresh.New(refresh.Config{Secrets: store, Parameters: parameters, Exchanger: h.client(), Catalogue: h.catalogue, SecretPrefix: "oauth/", Region: awstest.Region})
		h.must(err)
		h.secrets, h.publisher = versions, h.refresher
		h.sweep()
		h.stageNew("new")
		for _, op := range []awstest.Op{awstest.DescribeSecret, awstest.PutSecretValue, awstest.GetSecretValue, awstest.UpdateSecretVersionStage} {
			h.aws.Inject(awstest.Fault{Op: op, Effect: awstest.Throttled, Times: 2})
		}
		r := h.rotate()
		if r.Err != nil || r.Tried != 1 {
			t.Errorf("%v after %d tries", r.Err, r.Tried)
		}
		if token, rec := h.published(); rec.Credential != r.Token || !h.provider.Validate(token) {
			t.Errorf("%+v", rec)
		}
	})
}
