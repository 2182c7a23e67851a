package rotate_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// TestCandidatesAreMergedOnlyWhereAWSCURRENTGotAToken: whoever may only write versions and move stages must not get client credentials sent to a
// token endpoint of their own (state.md, "Overlay of credentials").
func TestCandidatesAreMergedOnlyWhereAWSCURRENTGotAToken(t *testing.T) {
	evil := map[string]any{"token_endpoint": "https://evil.example.com/oauth/token"}
	for says, run := range map[string]func(t *testing.T, h *harness, hosts map[string]int){
		"the live client credentials, staged under an AWSCURRENT with another endpoint": func(t *testing.T, h *harness, hosts map[string]int) {
			h.sweep()
			_, err := h.aws.PutSecret(secretID, h.document("attacker", evil))
			h.must(err)
			h.must(h.aws.MoveStage(secretID, store.StagePrevious, "")) // or it would be refused as reused
			h.stage(pairOf("old"))
			r := h.start()
			e := h.fails(r, rotate.CreateSecret, rotate.CodeConfigurationChanged)
			if e.Transient || !strings.Contains(e.Error(), "first let AWSCURRENT get a token") {
				t.Errorf("%v", e)
			}
			h.wantStages(map[string]string{store.StagePending: ""})
			h.fails(r, rotate.TestSecret, rotate.CodeVersionNotStaged)
			h.fails(r, rotate.FinishSecret, rotate.CodeVersionNotStaged)
			if hosts["evil.example.com"] != 0 {
				t.Errorf("asked %v", hosts)
			}
		},
		"the same, with AWSPENDING on the version that holds the live document": func(t *testing.T, h *harness, hosts map[string]int) {
			h.sweep()
			live := h.holder(store.StageCurrent)
			_, err := h.aws.PutSecret(secretID, h.document("attacker", evil))
			h.must(err)
			r := h.start()
			h.must(h.aws.MoveStage(secretID, store.StagePending, live))
			r.Token = live
			for _, s := range []rotate.Step{rotate.CreateSecret, rotate.TestSecret, rotate.FinishSecret} {
				_ = r.Step(context.Background(), string(s))
			}
			if hosts["evil.example.com"] != 0 {
				t.Errorf("asked %v", hosts)
			}
		},
		"a connection that never had a token": func(t *testing.T, h *harness, _ map[string]int) {
			h.aws.DropItem(shop)
			h.stageNew("new")
			e := h.fails(h.start(), rotate.CreateSecret, rotate.CodeConfigurationChanged)
			if !strings.Contains(e.Error(), "no token was published for this connection yet") || h.requests() != 0 {
				t.Errorf("%v; %d requests", e, h.requests())
			}
			h.wantStages(map[string]string{store.StagePending: ""})
			h.sweep()
			h.must(h.rotate().Err)
		},
		"a configuration that was changed by its owner, who lets AWSCURRENT get a token first": func(_ *testing.T, h *harness, _ map[string]int) {
			h.sweep()
			_, err := h.aws.PutSecret(secretID, h.document("old", map[string]any{"refresh_at": 0.5}))
			h.must(err)
			h.stageNew("new")
			h.fails(h.start(), rotate.CreateSecret, rotate.CodeConfigurationChanged)
			time.Sleep(5 * time.Minute)
			h.sweep()
			h.must(h.rotate().Err)
		},
		"a note that begins with x_ is no configuration": func(_ *testing.T, h *harness, _ map[string]int) {
			h.sweep()
			_, err := h.aws.PutSecret(secretID, h.document("old", map[string]any{"x_owner": "team"}))
			h.must(err)
			h.stageNew("new")
			h.must(h.rotate().Err)
		},
	} {
		t.Run(says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, generic(oauthtest.Settings{}))
				hosts := map[string]int{}
				inner := h.network
				h.network = tripper(func(r *http.Request) (*http.Response, error) { hosts[r.URL.Host]++; return inner.RoundTrip(r) })
				run(t, h, hosts)
			})
		})
	}
}
