package rotate_test

import (
	"testing"
	"testing/synctest"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// TestARotationOverTheSDK: the other tests leave the SDK's HTTP out. Its retries meet what is throttled twice, and a response that is lost.
func TestARotationOverTheSDK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, kiwify(oauthtest.Settings{Evicts: true}))
		h.sweep()
		var err error
		h.secrets, err = smsecret.NewVersions(smsecret.VersionsConfig{Client: h.aws.SecretsManager()})
		h.must(err)
		h.parameters, err = ssmstore.New(ssmstore.Config{Client: h.aws.SSM(), Prefix: "/oauth"})
		h.must(err)
		states, err := dynamostate.New(dynamostate.Config{Client: h.aws.DynamoDB(), Table: awstest.StateTable})
		h.must(err)
		h.leases = states
		h.change = func(c *rotate.Config) { c.States = states }
		h.stageNew("new")
		for _, op := range []awstest.Op{awstest.DescribeSecret, awstest.PutSecretValue, awstest.GetSecretValue, awstest.UpdateSecretVersionStage,
			awstest.BatchGetItem} {
			h.aws.Inject(awstest.Fault{Op: op, Effect: awstest.Throttled, Times: 2})
		}
		h.aws.Inject(awstest.Fault{Op: awstest.UpdateItem, Effect: awstest.LostResponse, Times: 1})
		r := h.rotate()
		if r.Err != nil || r.Tried != 1 {
			t.Errorf("%v after %d tries", r.Err, r.Tried)
		}
		if token, rec := h.published(); rec.Credential != r.Token || !h.provider.Validate(token) {
			t.Errorf("%+v", rec)
		}
		h.wantConsistent()
	})
}
