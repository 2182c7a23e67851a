package rotate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// pendingValue is the document of the version that a rotation is about.
func (h *harness) pendingValue(r *awstest.Rotation) string {
	for _, v := range h.secret().Versions {
		if v.ID == r.Token {
			return v.Value.Reveal()
		}
	}
	return ""
}

// refusesCandidate runs createSecret with a staged value, which ends the rotation so that the next one is accepted.
func refusesCandidate(t *testing.T, h *harness, value string, code rotate.Code) *rotate.Error {
	t.Helper()
	h.stage(value)
	r := h.start()
	e := h.fails(r, rotate.CreateSecret, code)
	h.wantStages(map[string]string{store.StagePending: ""})
	if e.Transient {
		t.Errorf("%v is transient", e)
	}
	return e
}

func createCases() []numbered {
	return []numbered{
		{n: 15, says: "the candidate becomes AWSPENDING with the event's tokens", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			var puts []store.VersionWrite
			h.secrets = scripted{Secrets: h.secrets, put: func(p store.VersionWrite, do func() error) error { puts = append(puts, p); return do() }}
			h.driver.RotationToken = oauth.NewSecret("rotation-token-of-the-event")
			h.stageNew("new")
			r := h.start()
			old := h.holder(store.StageCurrent)
			h.steps(r, rotate.CreateSecret)
			if len(puts) != 1 || puts[0].VersionID != r.Token || len(puts[0].Stages) != 1 || puts[0].Stages[0] != store.StagePending ||
				!puts[0].RotationToken.Equal(h.driver.RotationToken) {
				t.Errorf("puts %+v", puts)
			}
			h.wantStages(map[string]string{store.StageCurrent: old, store.StagePending: r.Token})
			if v := h.pendingValue(r); !strings.Contains(v, secretOf("new")) || strings.Contains(v, secretOf("old")) {
				t.Error("the pending version does not hold the new pair")
			}
		}},
		{n: 16, says: "once more changes nothing", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			before := h.aws.Snapshot(true)
			h.aws.ResetCalls()
			h.steps(r, rotate.CreateSecret, rotate.CreateSecret)
			if h.writes() != 0 || h.aws.Snapshot(true) != before {
				t.Error("a replay changed something")
			}
		}},
		{n: 17, says: "another candidate that is staged meanwhile does not change the pending version", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			other := h.stageNew("other")
			h.stageNew("new")
			h.must(h.aws.MoveStage(secretID, "KEPT", other))
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			before := h.pendingValue(r)
			h.must(h.aws.MoveStage(secretID, store.StageCandidate, other))
			h.steps(r, rotate.CreateSecret, rotate.SetSecret, rotate.TestSecret, rotate.FinishSecret)
			if h.pendingValue(r) != before {
				t.Error("the value changed")
			}
			h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StageCandidate: other}) // it was not this rotation's
		}},
		{n: 18, says: "a put that had happened is found: equal is success, another value a conflict", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.secrets = scripted{Secrets: h.secrets, put: func(_ store.VersionWrite, do func() error) error { _ = do(); return store.ErrVersionExists }}
			h.stageNew("new")
			h.steps(h.start(), rotate.CreateSecret)

			h = newHarness(t, kiwify(oauthtest.Settings{}))
			h.secrets = scripted{Secrets: h.secrets, put: func(p store.VersionWrite, _ func() error) error {
				p.Value = oauth.NewSecret(h.document("other", nil))
				h.must(h.secrets.(scripted).Secrets.Put(t.Context(), p))
				return store.ErrVersionExists
			}}
			h.stageNew("new")
			h.fails(h.start(), rotate.CreateSecret, rotate.CodePendingConflict)
		}},
		{n: 19, says: "the same two documents always give the same bytes", run: func(t *testing.T) {
			current := oauth.NewSecret(`{"x_note":"ação <b>&amp;</b> \u00e9 ` + "\u2028" + `","provider":"kiwify",` +
				`"x_big":12345678901234567890123,"client_id":"a","client_secret":"b","scope":["z","a"]}`)
			first := ""
			for range 1000 {
				got, err := connection.MergeCredentials(current, oauth.NewSecret(pairOf("new")))
				if err != nil {
					t.Fatal(err)
				}
				if first == "" {
					first = got.Reveal()
				}
				if got.Reveal() != first {
					t.Fatal("another text")
				}
			}
			if !strings.Contains(first, "<b>&amp;</b>") || !strings.Contains(first, "12345678901234567890123") {
				t.Error(first)
			}
		}},
		{n: 20, says: "without a candidate the rotation ends, and the next one is accepted", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			r := h.start()
			e := h.fails(r, rotate.CreateSecret, rotate.CodeNoCandidate)
			if !strings.Contains(e.Error(), "put-secret-value --secret-id "+secretID+" --version-stages CANDIDATE") ||
				!strings.Contains(e.Error(), "rotate-secret --secret-id "+secretID) {
				t.Errorf("no command in %v", e)
			}
			h.wantStages(map[string]string{store.StagePending: ""})
			h.stageNew("new")
			h.must(h.rotate().Err)
		}},
		{n: 21, says: "a candidate that is no pair is refused without being shown", run: func(t *testing.T) {
			for _, value := range []string{
				`{"client_id":"CANARY-1234"`, `["CANARY-1234"]`, `"CANARY-1234"`, `{"client_id":"CANARY-1234"}`, `{"client_id":"x","client_secret":""}`,
				`{"client_id":"client-new","client_secret":"CANARY-1234\n"}`, `{"client_id":"client-new","client_secret":1234567890}`,
				`{"client_secret":"CANARY-1234"}`,
				`{"client_id":"client-new","client_secret":"<your secret>"}`, `{"client_id":"client-new","client_secret":"changeme"}`, `{}`,
			} {
				h := newHarness(t, kiwify(oauthtest.Settings{}))
				refusesCandidate(t, h, value, rotate.CodeCandidateInvalid)
				if strings.Contains(h.printed(), "CANARY") {
					t.Errorf("the value shows: %s", h.printed())
				}
			}
		}},
		{n: 22, says: "a candidate with more than a pair is refused, and nobody is asked", run: func(t *testing.T) {
			for _, field := range []string{"token_endpoint", "token_url", "provider", "environment", "account_id", "scope"} {
				h := newHarness(t, kiwify(oauthtest.Settings{}))
				pair := map[string]string{"client_id": "client-new", "client_secret": secretOf("new"), field: "https://evil.example.com/token"}
				e := refusesCandidate(t, h, toJSON(pair), rotate.CodeCandidateInvalid)
				if h.provider.Total().TokenCalls != 0 || !strings.Contains(e.Error(), field) {
					t.Errorf("%d calls; %v", h.provider.Total().TokenCalls, e)
				}
			}
		}},
		{n: 23, says: "the pair of AWSCURRENT, or a candidate on it, is refused", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			refusesCandidate(t, h, pairOf("old"), rotate.CodeCandidateSame)
			h = newHarness(t, kiwify(oauthtest.Settings{}))
			h.must(h.aws.MoveStage(secretID, store.StageCandidate, h.holder(store.StageCurrent)))
			e := h.fails(h.start(), rotate.CreateSecret, rotate.CodeCandidateSame)
			if !strings.Contains(e.Error(), "CANDIDATE is on the AWSCURRENT version itself") {
				t.Error(e)
			}
		}},
		{n: 24, says: "the pair of AWSPREVIOUS is refused unless it is said to be meant", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			h.must(h.rotate().Err)
			refusesCandidate(t, h, pairOf("old"), rotate.CodeCandidateReused)
			h.stage(`{"client_id":"client-old","client_secret":"` + secretOf("old") + `","x_allow_previous":true}`)
			h.must(h.rotate().Err)
			if v := h.secret().Version(store.StageCurrent).Value.Reveal(); strings.Contains(v, "x_allow_previous") {
				t.Error("the answer of the person is in the document")
			}
		}},
		{n: 25, says: "what is no credential stays exactly, a stale Basic value goes", run: func(t *testing.T) {
			h := newHarness(t, hotmart(oauthtest.Settings{}))
			basic := "Y2xpZW50LW9sZDpzZWNyZXQtb2Ytb2xkLTAxMjM0NTY3ODk=" // client-old:secret-of-old-0123456789
			h.putDocument(`{"x_nested":{"b":[1,{"c":null}],"a":"<&>"},"x_big":123456789012345678901234567890,"provider":"hotmart",` +
				`"basic_token":"Basic ` + basic + `","scope":["read","write"],"refresh_at":"0.5"}`)
			h.stageNew("new")
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			var got map[string]json.RawMessage
			h.must(json.Unmarshal([]byte(h.pendingValue(r)), &got))
			want := map[string]string{"x_nested": `{"b":[1,{"c":null}],"a":"<&>"}`, "x_big": "123456789012345678901234567890", "provider": `"hotmart"`,
				"scope":      `["read","write"]`,
				"refresh_at": `"0.5"`, "client_id": `"client-new"`, "client_secret": `"` + secretOf("new") + `"`}
			for k, v := range want {
				if string(got[k]) != v {
					t.Errorf("%s is %s", k, got[k])
				}
			}
			if len(got) != len(want) {
				t.Errorf("fields %v", maps.Keys(got))
			}
		}},
		{n: 26, says: "the token of the put is the event's", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			versions := len(h.secret().Versions)
			h.stageNew("new")
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			if got := len(h.secret().Versions); got != versions+2 { // the candidate's and the rotation's
				t.Errorf("%d versions more", got-versions)
			}
			if h.holder(store.StagePending) != r.Token {
				t.Error("another version is pending")
			}
		}},
		{n: 27, says: "a stage that moved between look and read is a conflict that is tried again", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			h.secrets = scripted{Secrets: h.secrets, read: func(_, stage string, d store.Document, err error) (store.Document, error) {
				if stage == store.StagePending {
					return store.Document{}, fmt.Errorf("GetSecretValue: %w", store.ErrStageMismatch)
				}
				return d, err
			}}
			if e := h.fails(r, rotate.CreateSecret, rotate.CodeStateConflict); !e.Transient || h.writes() != 0 {
				t.Errorf("transient %v, %d writes", e.Transient, h.writes())
			}
		}},
		{n: 28, says: "a version that may not be read is not taken for an empty one", run: func(t *testing.T) {
			for effect, code := range map[awstest.Effect]rotate.Code{
				awstest.AccessDenied: rotate.CodeAccess, awstest.DecryptionFailure: rotate.CodeKMS, awstest.KMSAccessDenied: rotate.CodeKMS,
			} {
				h := newHarness(t, kiwify(oauthtest.Settings{}))
				h.stageNew("new")
				r := h.start()
				h.aws.Inject(awstest.Fault{Op: awstest.GetSecretValue, Effect: effect, Skip: 1})
				h.fails(r, rotate.CreateSecret, code)
				if h.aws.Count(awstest.PutSecretValue).Calls != 0 {
					t.Error("something was put")
				}
			}
		}},
		{n: 29, says: "a put that fails for now keeps AWSPENDING", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			for i, fault := range []error{store.ErrLimitExceeded, store.ErrUnavailable} {
				inner := h.secrets
				h.secrets = scripted{Secrets: inner, put: func(store.VersionWrite, func() error) error { return fmt.Errorf("PutSecretValue: %w", fault) }}
				if e := h.fails(r, rotate.CreateSecret, rotate.CodeAWSUnavailable); !e.Transient {
					t.Errorf("fault %d is not transient", i)
				}
				h.secrets = inner
				h.wantStages(map[string]string{store.StagePending: r.Token})
			}
			h.steps(r, rotate.CreateSecret)
		}},
		{n: 30, says: "what was put and is not readable for 3 s is waited for", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			visible := time.Now().Add(3 * time.Second)
			inner := h.secrets
			h.secrets = scripted{Secrets: inner, read: func(id, _ string, d store.Document, err error) (store.Document, error) {
				if id == r.Token && time.Now().Before(visible) {
					return store.Document{}, fmt.Errorf("GetSecretValue: %w", store.ErrNotFound)
				}
				return d, err
			}}
			h.steps(r, rotate.CreateSecret)
			visible = time.Now().Add(time.Hour)
			start := time.Now()
			if e := h.fails(r, rotate.CreateSecret, rotate.CodeAWSUnavailable); !e.Transient || time.Since(start) > 11*time.Second {
				t.Errorf("%v after %v", e, time.Since(start))
			}
		}},
		{n: 31, says: "a binary secret is refused with a message", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			_, err := h.aws.PutSecretBinary(secretID, []byte("x"))
			h.must(err)
			h.stageNew("new")
			h.fails(h.start(), rotate.CreateSecret, rotate.CodeCurrentInvalid)
		}},
		{n: 32, says: "a document that grows beyond 64 KiB is refused cleanly", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.putDocument(h.document("old", map[string]any{"x_note": strings.Repeat("n", 65300)}))
			h.addClient("new")
			refusesCandidate(t, h, `{"client_id":"client-new","client_secret":"`+strings.Repeat("s", 500)+`"}`, rotate.CodeCandidateInvalid)
		}},
	}
}

func TestACandidateThatWasRejectedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, kiwify(oauthtest.Settings{}))
		id := h.stageNew("new")
		h.must(h.aws.MoveStage(secretID, store.StageRejected, id))
		h.fails(h.start(), rotate.CreateSecret, rotate.CodeCandidateRejected)
	})
}

func TestAPausedConnectionIsNotRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, kiwify(oauthtest.Settings{}))
		h.stageNew("new")
		h.must(h.aws.TagSecret(secretID, "chaveiro:paused", "true"))
		r := h.start()
		h.fails(r, rotate.CreateSecret, rotate.CodePaused)
		h.wantStages(map[string]string{store.StagePending: ""})
		h.must(h.aws.UntagSecret(secretID, "chaveiro:paused"))
		h.must(h.rotate().Err)
	})
}

func TestEveryErrorIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, kiwify(oauthtest.Settings{}))
		err := h.start().Step(t.Context(), "createSecret")
		var e *rotate.Error
		if !errors.As(err, &e) || e.Step != rotate.CreateSecret || e.Connection != shop {
			t.Errorf("%#v", err)
		}
	})
}
