package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// cutOff is a rotation whose finishSecret promoted, and whose token SSM did not take before the invocation ended.
func cutOff(t *testing.T, k kind) (h *harness, r *awstest.Rotation, old string) {
	t.Helper()
	h, r = pending(t, k, nil)
	old = h.holder(store.StageCurrent)
	h.steps(r, rotate.TestSecret)
	recovered := h.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.InternalError})
	if e := h.fails(r, rotate.FinishSecret, rotate.CodeNotPublished); !e.Transient {
		t.Error("not transient")
	}
	recovered()
	h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StagePrevious: old})
	if _, rec := h.published(); rec.Credential != old {
		t.Error("published all the same")
	}
	return h, r, old
}

func finishCases() []numbered {
	return []numbered{
		{n: 49, says: "all in order ends with the new pair live and its token published", run: func(t *testing.T) {
			h, r := pending(t, kiwify(oauthtest.Settings{Evicts: true}), nil)
			old := h.holder(store.StageCurrent)
			h.steps(r, rotate.TestSecret)
			h.aws.ResetCalls()
			h.steps(r, rotate.FinishSecret)
			h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StagePrevious: old, store.StagePending: "",
				store.StageCandidate: "", store.StageRejected: ""})
			token, rec := h.published()
			known, _ := h.provider.Inspect(token)
			if !known.Live || known.ClientID != "client-new" || rec.Credential != r.Token || rec.Current != r.Token || rec.Stage != store.StageCurrent {
				t.Errorf("%+v %+v", known, rec)
			}
			if n := h.provider.Stats("client-new").Minted; n != 2 {
				t.Errorf("%d tokens of the new pair, want one a test", n)
			}
			if n := h.aws.Count(awstest.PutParameter).Calls; n != 1 {
				t.Errorf("%d parameters written", n)
			}
			h.wantConsistent()
			if got := h.sweep().Counts; got.Fresh != 1 {
				t.Errorf("the next sweep: %+v", got)
			}
		}},
		{n: 50, says: "AWSCURRENT is found among a hundred versions by its stage", run: func(t *testing.T) {
			h, r := pending(t, coexisting(), nil)
			h.steps(r, rotate.TestSecret)
			old := h.holder(store.StageCurrent)
			wrong := 0
			h.secrets = scripted{Secrets: h.secrets,
				describe: func(s store.Secret, err error) (store.Secret, error) {
					for i := range 100 {
						s.Versions[fmt.Sprintf("%08d-version", i)] = []string{fmt.Sprintf("L%d", i)}
					}
					return s, err
				},
				move: func(m store.StageMove, do func() error) error {
					if m.Stage != store.StageCurrent {
						return do()
					}
					if m.From != old {
						wrong++
					}
					return fmt.Errorf("UpdateSecretVersionStage: %w", store.ErrUnavailable)
				}}
			for range 1000 {
				h.fails(r, rotate.FinishSecret, rotate.CodeAWSUnavailable)
			}
			if wrong != 0 {
				t.Errorf("%d times another version", wrong)
			}
		}},
		{n: 51, says: "finishSecret alone does not promote a bad pair", run: func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			old := h.holder(store.StageCurrent)
			h.stage(pairOf("unknown"))
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			h.fails(r, rotate.FinishSecret, rotate.CodeRejected)
			h.wantStages(map[string]string{store.StageCurrent: old, store.StagePending: ""})
		}},
		{n: 52, says: "nor an empty version", run: func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			old := h.holder(store.StageCurrent)
			h.stageNew("new")
			r := h.start()
			h.fails(r, rotate.FinishSecret, rotate.CodePendingEmpty)
			h.fails(r, rotate.TestSecret, rotate.CodePendingEmpty)
			h.wantStages(map[string]string{store.StageCurrent: old, store.StagePending: r.Token})
		}},
		{n: 53, says: "what a person makes AWSCURRENT in between stays", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			byHand := h.holder(store.StageCandidate)
			h.secrets = scripted{Secrets: h.secrets, move: func(m store.StageMove, do func() error) error {
				if m.Stage == store.StageCurrent {
					h.must(h.aws.MoveStage(secretID, store.StageCurrent, byHand))
				}
				return do()
			}}
			h.fails(r, rotate.FinishSecret, rotate.CodeStateConflict)
			h.wantStages(map[string]string{store.StageCurrent: byHand, store.StagePending: ""})
		}},
		{n: 54, says: "a promotion whose answer is lost counts", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.aws.Inject(awstest.Fault{Op: awstest.UpdateSecretVersionStage, Effect: awstest.LostResponse, Times: 1})
			h.steps(r, rotate.FinishSecret)
			if _, rec := h.published(); rec.Credential != r.Token || len(h.said(rotate.EventPromoted)) != 1 {
				t.Errorf("%+v", rec)
			}
		}},
		{n: 55, says: "AWSPENDING that cannot be taken off is a warning", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.aws.Inject(awstest.Fault{Op: awstest.UpdateSecretVersionStage, Effect: awstest.InternalError, Skip: 1})
			h.steps(r, rotate.FinishSecret)
			if len(h.said(rotate.EventCleanupFailed)) == 0 {
				t.Error("no warning")
			}
			h.aws.ClearFaults()
			h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StagePending: r.Token})
			h.stageNew("next")
			h.must(h.rotate().Err) // it blocks nothing there
		}},
		{n: 56, says: "AWSPENDING that is off already is none", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.secrets = scripted{Secrets: h.secrets, move: func(m store.StageMove, do func() error) error {
				if m.Stage == store.StagePending {
					h.must(h.aws.MoveStage(secretID, store.StagePending, ""))
				}
				return do()
			}}
			h.steps(r, rotate.FinishSecret)
			if n := len(h.said(rotate.EventCleanupFailed)); n != 0 {
				t.Errorf("%d warnings", n)
			}
		}},
		{n: 57, says: "finishSecret three times more mints and publishes nothing", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.steps(r, rotate.FinishSecret)
			minted, written := h.provider.Total().Minted, h.aws.Count(awstest.PutParameter).Calls
			h.steps(r, rotate.FinishSecret, rotate.FinishSecret, rotate.FinishSecret)
			if h.provider.Total().Minted != minted || h.aws.Count(awstest.PutParameter).Calls != written {
				t.Error("it did")
			}
		}},
		{n: 58, says: "an SSM fault after the promotion rolls nothing back, and the next try publishes", run: func(t *testing.T) {
			h, r, _ := cutOff(t, generic(oauthtest.Settings{}))
			h.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.AccessDenied, Times: 1})
			if e := h.fails(r, rotate.FinishSecret, rotate.CodeNotPublished); !e.Transient {
				t.Errorf("%v", e)
			}
			h.provider.InjectFor("client-new", oauthtest.Status(503).Times(8))
			h.fails(r, rotate.FinishSecret, rotate.CodeProviderUnavailable)
			h.provider.ClearFaults()
			h.wantStages(map[string]string{store.StageCurrent: r.Token})
			r.Try(context.Background())
			h.must(r.Err)
			if _, rec := h.published(); rec.Credential != r.Token {
				t.Errorf("%+v", rec)
			}
		}},
		{n: 59, says: "a pair that is refused after the promotion is rolled back, for good", run: func(t *testing.T) {
			h, r, old := cutOff(t, generic(oauthtest.Settings{Evicts: true}))
			h.must(h.aws.MoveStage(secretID, store.StageCandidate, r.Token)) // cut off before it was taken off
			h.provider.Remove("client-new")
			e := h.fails(r, rotate.FinishSecret, rotate.CodeRolledBack)
			if e.Transient || e.CurrentOK != rotate.Yes {
				t.Errorf("%+v", e)
			}
			want := map[string]string{store.StageCurrent: old, store.StagePending: "", store.StageRejected: r.Token,
				store.StagePrevious: "", store.StageCandidate: ""}
			h.wantStages(want)
			token, rec := h.published()
			if !h.provider.Validate(token) || rec.Credential != old || rec.Current != old || rec.Stage != store.StageCurrent {
				t.Errorf("%+v", rec)
			}
			for range 3 {
				r.Try(context.Background())
				h.isError(r.Err, rotate.CodeVersionNotPending)
			}
			h.wantStages(want)
			if got := h.sweep().Counts; got.Fresh != 1 {
				t.Errorf("the next sweep: %+v", got)
			}
			h.stageNew("next")
			h.must(h.rotate().Err)
		}},
		{n: 60, says: "a rollback that is cut off anywhere converges", run: func(t *testing.T) {
			for n := 1; n <= 40; n++ {
				h, r, old := cutOff(t, generic(oauthtest.Settings{Evicts: true}))
				h.provider.Remove("client-new")
				l := &life{crash: crash{n, true}}
				h.around = l.around
				_ = r.Step(context.Background(), "finishSecret")
				h.around = nil
				time.Sleep(time.Minute)
				r.Try(context.Background())
				h.wantStages(map[string]string{store.StageCurrent: old, store.StageRejected: r.Token})
				time.Sleep(5 * time.Minute)
				h.sweep()
				token, rec := h.published()
				if !h.provider.Validate(token) || rec.Credential != old {
					t.Errorf("cut off after call %d: %+v", n, rec)
				}
				h.wantConsistent()
				if !l.dead {
					return
				}
			}
			t.Error("a rollback of over 40 calls")
		}},
		{n: 61, says: "when both pairs are refused nothing moves", run: func(t *testing.T) {
			h, r, old := cutOff(t, generic(oauthtest.Settings{}))
			h.provider.Remove("client-new")
			h.provider.Remove("client-old")
			e := h.fails(r, rotate.FinishSecret, rotate.CodeBothRejected)
			h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StagePrevious: old})
			if !e.Critical || e.Transient || !strings.Contains(e.Error(), "CRITICAL") {
				t.Errorf("%v", e)
			}
		}},
		{n: 62, says: "a publication of another version, or as another stage, is no success", run: func(t *testing.T) {
			for what, change := range map[string]func(s *lifecycle.State, version string){
				"the test's token stands in": func(s *lifecycle.State, version string) {
					s.Token.Credential, s.Token.Stage = version, store.StagePending
				},
				"a standby's token": func(s *lifecycle.State, version string) {
					s.Token.Credential, s.Token.Stage, s.Current = version, store.StageBackup, version
				},
				"AWSCURRENT was another then":   func(s *lifecycle.State, version string) { s.Token.Credential = version },
				"another version's, as current": func(s *lifecycle.State, version string) { s.Current = version },
			} {
				h, r, _ := cutOff(t, generic(oauthtest.Settings{}))
				time.Sleep(10 * time.Second) // the lease has run out
				state := h.state()
				change(&state, r.Token)
				_, err := h.states.Update(context.Background(), state)
				h.must(err)
				issued := h.provider.Stats("client-new").Minted
				h.steps(r, rotate.FinishSecret)
				if _, rec := h.published(); rec.Credential != r.Token || rec.Stage != store.StageCurrent || rec.Current != r.Token ||
					h.provider.Stats("client-new").Minted != issued+1 {
					t.Errorf("%s: %+v", what, rec)
				}
			}
		}},
		{n: 63, says: "a refresher that was under way with the old pair does not win: the rotation waits for it", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.steps(r, rotate.TestSecret)
			finished := make(chan struct{})
			met := false
			h.aws.OnCall(func(op awstest.Op, name string) {
				if op != awstest.PutParameter || name != tokenName || met {
					return
				}
				met = true // the refresher is about to write: the rotation comes in between
				go func() {
					defer close(finished)
					h.steps(r, rotate.FinishSecret)
				}()
				time.Sleep(5 * time.Second)
			})
			if got := h.run(refresh.Call{Connections: []string{shop}, Force: true}).Counts; got.Refreshed != 1 {
				t.Errorf("the refresher: %+v", got)
			}
			<-finished
			h.aws.OnCall(nil)
			if _, rec := h.published(); !met || rec.Credential != r.Token {
				t.Errorf("%v %+v", met, rec)
			}
			h.wantConsistent()
		}},
		{n: 64, says: "one rotation after the other keeps the stages few and true", run: func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			h.sweep()
			for i := range 30 {
				before := h.holder(store.StageCurrent)
				h.stageNew(fmt.Sprint("n", i))
				r := h.rotate()
				h.must(r.Err)
				h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StagePrevious: before})
				if n := len(h.secret().Stages); n != 2 {
					t.Fatalf("%d stages", n)
				}
			}
		}},
		{n: 65, says: "after a failed rotation the next one is accepted", run: func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			h.stage(pairOf("unknown"))
			r := h.rotate()
			h.isError(r.Err, rotate.CodeVersionNotStaged)
			if r.Events[1].Name != "RotationFailed" || !strings.HasSuffix(r.Events[1].Message, "during testSecret step") {
				t.Errorf("%+v", r.Events)
			}
			h.stageNew("new")
			h.must(h.rotate().Err)
		}},
		{n: 66, says: "a version that is put meanwhile abandons the rotation, and nothing happens any more", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			id, err := h.aws.PutSecret(secretID, h.document("new", nil))
			h.must(err)
			r.Try(context.Background())
			h.isError(r.Err, rotate.CodeVersionNotStaged)
			h.wantStages(map[string]string{store.StageCurrent: id})
			if r.Last() != "RotationAbandoned" {
				t.Errorf("%+v", r.Events)
			}
		}},
	}
}

func TestARollbackNeedsSomethingToGoBackTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r, old := cutOff(t, generic(oauthtest.Settings{}))
		h.provider.Remove("client-new")
		h.must(h.aws.MoveStage(secretID, store.StageRejected, old))
		e := h.fails(r, rotate.FinishSecret, rotate.CodeRollbackImpossible)
		if !e.Critical || e.Transient {
			t.Errorf("%+v", e)
		}
		h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StagePrevious: old})
	})
}

func TestALeakedPairIsNotRolledBackTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, generic(oauthtest.Settings{}))
		h.putDocument(h.document("old", map[string]any{"fallback": false}))
		h.sweep()
		h.stageNew("new")
		r := h.start()
		h.steps(r, rotate.CreateSecret)
		h.must(h.aws.MoveStage(secretID, store.StageCurrent, r.Token)) // as if finishSecret was cut off right after the promotion
		h.provider.Remove("client-new")
		h.fails(r, rotate.FinishSecret, rotate.CodeRollbackImpossible)
	})
}

func TestAnErrorUnwrapsToItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, generic(oauthtest.Settings{}))
		h.stageNew("new")
		r := h.start()
		h.aws.Inject(awstest.Fault{Op: awstest.DescribeSecret, Effect: awstest.InternalError})
		if err := r.Step(t.Context(), "createSecret"); !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	})
}
