package rotate_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// TestTheEndOfARotation: cases of finishSecret beside those by number.
func TestTheEndOfARotation(t *testing.T) {
	for says, run := range map[string]func(t *testing.T){
		"there is no rollback to another configuration": func(t *testing.T) {
			h, r, _ := cutOff(t, generic(oauthtest.Settings{}))
			time.Sleep(10 * time.Second)
			h.provider.Remove("client-new")
			_, err := h.aws.StageSecret(secretID, store.StagePrevious, h.document("old", map[string]any{"refresh_at": 0.5}))
			h.must(err)
			h.fails(r, rotate.FinishSecret, rotate.CodeRollbackImpossible)
			h.wantStages(map[string]string{store.StageCurrent: r.Token})
		},
		"a version that was rejected once, and is live and works, is not REJECTED any more": func(t *testing.T) {
			h, r, _ := cutOff(t, generic(oauthtest.Settings{}))
			time.Sleep(10 * time.Second)
			h.must(h.aws.MoveStage(secretID, store.StageRejected, r.Token))
			h.steps(r, rotate.FinishSecret)
			h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StageRejected: "", store.StageCandidate: ""})
		},
		"no token is requested for a connection that was paused after the promotion": func(t *testing.T) {
			h, r, old := cutOff(t, generic(oauthtest.Settings{}))
			h.must(h.aws.TagSecret(secretID, "chaveiro:paused", "true"))
			asked := h.requests()
			h.steps(r, rotate.FinishSecret)
			if _, rec := h.published(); h.requests() != asked || rec.Credential != old {
				t.Errorf("%d requests; %+v", h.requests()-asked, rec)
			}
		},
		"nothing is tested or promoted of a connection that is paused": func(t *testing.T) {
			for _, step := range []rotate.Step{rotate.TestSecret, rotate.FinishSecret} {
				h, r := pending(t, generic(oauthtest.Settings{}), nil)
				h.must(h.aws.TagSecret(secretID, "chaveiro:paused", "true"))
				asked := h.requests()
				h.fails(r, step, rotate.CodePaused)
				h.wantStages(map[string]string{store.StagePending: ""})
				if h.requests() != asked {
					t.Errorf("%s: %d requests", step, h.requests()-asked)
				}
			}
		},
		"the client credentials of AWSCURRENT are not promoted over themselves": func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			h.sweep()
			r := h.start()
			h.must(h.secrets.Put(t.Context(), store.VersionWrite{SecretID: secretID, VersionID: r.Token, Stages: []string{store.StagePending},
				Value: h.secret().Version(store.StageCurrent).Value}))
			asked := h.requests()
			h.fails(r, rotate.FinishSecret, rotate.CodeCandidateSame)
			h.wantStages(map[string]string{store.StagePending: ""})
			if h.requests() != asked {
				t.Errorf("%d requests", h.requests()-asked)
			}
		},
		"a read-back that gets no response has a text of its own": func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			inner := h.secrets
			put := false
			h.secrets = slowReads{scripted{Secrets: inner, put: func(_ store.VersionWrite, do func() error) error { put = true; return do() }}, &put}
			start := time.Now()
			h.fails(r, rotate.CreateSecret, rotate.CodeAWSUnavailable)
			if took := time.Since(start); took > 11*time.Second {
				t.Errorf("it took %v", took)
			}
		},
	} {
		t.Run(says, func(t *testing.T) { synctest.Test(t, run) })
	}
}

// slowReads does not respond to a read once slow is set.
type slowReads struct {
	rotate.Secrets

	slow *bool
}

func (s slowReads) Read(ctx context.Context, secretID, versionID, stage string) (store.Document, error) {
	if *s.slow {
		<-ctx.Done()
		return store.Document{}, store.ErrUnavailable
	}
	return s.Secrets.Read(ctx, secretID, versionID, stage)
}
