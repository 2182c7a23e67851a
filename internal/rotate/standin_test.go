package rotate_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// afterReset is a rotation to a new secret of the same client, which may end the published token with its first test.
func afterReset(t *testing.T, k kind, more map[string]any) (*harness, *awstest.Rotation) {
	t.Helper()
	h := newHarness(t, k)
	h.putDocument(h.document("old", more))
	h.sweep()
	h.resetSecret()
	r := h.start()
	h.steps(r, rotate.CreateSecret, rotate.SetSecret)
	return h, r
}

// wantStandIn: readers have a living token of the pending version, as a stand-in.
func (h *harness) wantStandIn(r *awstest.Rotation) {
	h.t.Helper()
	value, rec := h.published()
	if rec.Credential != r.Token || rec.Stage != store.StagePending || !h.provider.Validate(value) {
		h.t.Errorf("published %+v; alive: %v", rec, h.provider.Validate(value))
	}
	h.wantConsistent()
}

// TestStandIns: where the token of a test may have ended the published one, readers get another that works, whatever becomes of the step.
func TestStandIns(t *testing.T) {
	evicting := generic(oauthtest.Settings{Evicts: true})
	for says, run := range map[string]func(t *testing.T){
		"the API does not respond to the authenticated call": func(t *testing.T) {
			h, r := afterReset(t, kiwify(oauthtest.Settings{Evicts: true}), map[string]any{"verify_call": true})
			h.provider.Inject(oauthtest.Status(503).OnAPI().Times(2))
			h.fails(r, rotate.TestSecret, rotate.CodeProviderUnavailable)
			h.wantStandIn(r)
		},
		"the promotion fails": func(t *testing.T) {
			h, r := afterReset(t, evicting, nil)
			h.aws.Inject(awstest.Fault{Op: awstest.UpdateSecretVersionStage, Effect: awstest.InternalError})
			h.fails(r, rotate.FinishSecret, rotate.CodeAWSUnavailable)
			h.wantStandIn(r)
		},
		"the token has fewer scopes: one of AWSCURRENT takes its place": func(t *testing.T) {
			h, r := afterReset(t, kiwify(oauthtest.Settings{Evicts: true}), nil)
			old, inner := h.holder(store.StageCurrent), h.network
			h.provider.Update("client-old", func(c *oauthtest.Client) { c.Scopes = []string{"stats"} })
			h.network = tripper(func(req *http.Request) (*http.Response, error) {
				res, err := inner.RoundTrip(req)
				h.provider.Update("client-old", func(c *oauthtest.Client) { // both secrets work, and the old one has its scopes
					c.Secret, c.Scopes = oauth.NewSecret(secretOf("old")), nil
				})
				return res, err
			})
			h.fails(r, rotate.TestSecret, rotate.CodeScopeLost)
			if value, rec := h.published(); rec.Credential != old || rec.Stage != store.StageCurrent || !h.provider.Validate(value) {
				t.Errorf("published %+v", rec)
			}
			h.wantConsistent()
		},
		"a write that is rejected for this connection ends the rotation": func(t *testing.T) {
			h, r := afterReset(t, evicting, nil)
			h.must(h.aws.DropParameter(tokenName))
			_, err := h.aws.WriteParameter(tokenName, awstest.ParameterWrite{Type: "String", Value: "x"})
			h.must(err)
			e := h.fails(r, rotate.TestSecret, rotate.CodeNotPublished)
			if e.Transient || e.OAuthCode != acquire.CodeTypeConflict {
				t.Errorf("%v", e)
			}
			h.wantStages(map[string]string{store.StagePending: ""})
		},
		"where tokens coexist nothing is written": func(t *testing.T) {
			h, r := afterReset(t, coexisting(), nil)
			h.aws.ResetCalls()
			h.steps(r, rotate.TestSecret)
			if n := h.aws.Count(awstest.PutParameter).Calls; n != 0 {
				t.Errorf("%d writes", n)
			}
			h.stage(pairOf("unknown"))
			h.must(h.aws.MoveStage(secretID, store.StagePending, ""))
			h.provider.Update("client-old", func(c *oauthtest.Client) { c.Secret = oauth.NewSecret(secretOf("old")) })
			r = h.start()
			h.steps(r, rotate.CreateSecret)
			if e := h.fails(r, rotate.TestSecret, rotate.CodeRejected); e.CurrentOK != rotate.Yes {
				t.Errorf("%v", e)
			}
			if n := h.aws.Count(awstest.PutParameter).Calls; n != 0 {
				t.Errorf("%d writes", n)
			}
		},
		"a response that names no scope loses none": func(t *testing.T) {
			h, r := pending(t, kiwify(oauthtest.Settings{}), nil)
			if _, rec := h.published(); rec.Scope == "" {
				t.Fatal("the published token has no scope")
			}
			h.provider.InjectFor("client-new", answersWithToken(40))
			h.steps(r, rotate.TestSecret)
		},
	} {
		t.Run(says, func(t *testing.T) { synctest.Test(t, run) })
	}
}
