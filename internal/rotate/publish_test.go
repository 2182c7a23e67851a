package rotate_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// silent is a publisher whose write gets no response, and which does not wait for one.
type silent struct{ rotate.Publisher }

func (silent) Token(context.Context, string, oauth.Secret, time.Time) (int64, error) {
	return 0, fmt.Errorf("PutParameter: %w", store.ErrUnavailable)
}

// resetSecret gives the old client another secret, as a click in the panel does, and stages it. The old secret is dead then.
func (h *harness) resetSecret() {
	h.t.Helper()
	h.provider.Update("client-old", func(c *oauthtest.Client) { c.Secret = oauth.NewSecret("reset-secret-0123456789") })
	h.stage(`{"client_id":"client-old","client_secret":"reset-secret-0123456789"}`)
}

// answersWithToken lets a client's token requests be answered with a token of so many bytes.
func answersWithToken(size int) oauthtest.Fault {
	body := toJSON(map[string]any{"access_token": strings.Repeat("t", size), "token_type": "bearer", "expires_in": 3600})
	return oauthtest.Respond(200, http.Header{"Content-Type": {"application/json"}}, body).Always()
}

func TestPublication(t *testing.T) {
	for says, run := range map[string]func(t *testing.T){
		"nothing is published once a person has moved AWSCURRENT": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			byHand := h.holder(store.StageCandidate)
			h.aws.AfterCall(func(op awstest.Op, _ string) {
				if op == awstest.UpdateSecretVersionStage && h.holder(store.StageCurrent) == r.Token {
					h.must(h.aws.MoveStage(secretID, store.StageCurrent, byHand))
				}
			})
			_, before := h.published()
			e := h.fails(r, rotate.FinishSecret, rotate.CodeStateConflict)
			if e.Transient || !strings.Contains(e.Error(), "AWSCURRENT is version "+byHand) {
				t.Errorf("%v", e)
			}
			if _, rec := h.published(); rec.TokenID != before.TokenID {
				t.Errorf("published %+v", rec)
			}
			h.wantStages(map[string]string{store.StageCurrent: byHand})
			h.wantConsistent()
		},
		"a write without a response keeps the lease: it may still arrive": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.change = func(c *rotate.Config) { c.Publisher = silent{c.Publisher} }
			if e := h.fails(r, rotate.FinishSecret, rotate.CodeNotPublished); !e.Transient {
				t.Errorf("%v", e)
			}
			if !h.state().Leased(time.Now()) {
				t.Error("the lease was given back")
			}
		},
		"the lease outlives the invocation, and no more than 5 s": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			var seen *lifecycle.Lease
			inner := h.network
			h.network = tripper(func(req *http.Request) (*http.Response, error) { seen = h.state().Lease; return inner.RoundTrip(req) })
			ends := time.Now().Add(time.Minute) // the driver's time for a step
			h.steps(r, rotate.TestSecret)
			if seen == nil || !strings.HasPrefix(seen.Owner, "rotator-") || seen.Until.Before(ends) || seen.Until.After(ends.Add(5*time.Second)) {
				t.Errorf("%+v, the invocation ends at %v", seen, ends)
			}
		},
		"SSM rejects all writes: the rotation ends before the promotion, and is retried after it": func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{Evicts: true}))
			h.sweep()
			h.resetSecret()
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			clearFault := h.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.AccessDenied})
			e := h.fails(r, rotate.TestSecret, rotate.CodeNotPublished)
			if e.Transient || !strings.Contains(e.Error(), "fix the installation") {
				t.Errorf("%v", e)
			}
			h.wantStages(map[string]string{store.StagePending: ""})
			clearFault()
			h, r = pending(t, generic(oauthtest.Settings{}), nil)
			h.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.AccessDenied})
			if e := h.fails(r, rotate.FinishSecret, rotate.CodeNotPublished); !e.Transient {
				t.Errorf("%v", e)
			}
			h.wantStages(map[string]string{store.StageCurrent: r.Token})
		},
		"a parameter of another type is in the way": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.must(h.aws.DropParameter(tokenName))
			_, err := h.aws.WriteParameter(tokenName, awstest.ParameterWrite{Type: "String", Value: "x"})
			h.must(err)
			e := h.fails(r, rotate.FinishSecret, rotate.CodeNotPublished)
			if e.OAuthCode != acquire.CodeTypeConflict || !strings.Contains(e.Error(), "Delete that parameter") || h.state().Lease != nil {
				t.Errorf("%v; lease %+v", e, h.state().Lease)
			}
		},
		"a token that no parameter can hold is never published": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.provider.InjectFor("client-new", answersWithToken(9000))
			if e := h.fails(r, rotate.TestSecret, rotate.CodeProviderConfig); e.OAuthCode != lifecycle.CodeTokenTooLarge {
				t.Errorf("%v", e)
			}
			h, r, _ = cutOff(t, generic(oauthtest.Settings{}))
			h.provider.InjectFor("client-new", answersWithToken(9000))
			if e := h.fails(r, rotate.FinishSecret, rotate.CodeNotPublished); e.OAuthCode != lifecycle.CodeTokenTooLarge || !e.Transient {
				t.Errorf("%v", e)
			}
		},
		"a required scope that is not granted": func(t *testing.T) {
			h, r := pending(t, kiwify(oauthtest.Settings{}), map[string]any{"required_scope": "stats"})
			h.provider.Update("client-new", func(c *oauthtest.Client) { c.Scopes = []string{"products"} })
			if e := h.fails(r, rotate.TestSecret, rotate.CodeProviderConfig); e.OAuthCode != lifecycle.CodeMissingScope {
				t.Errorf("%v", e)
			}
		},
		"another lifetime is worth a notice": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.provider.Update("client-new", func(c *oauthtest.Client) { c.Lifetime = 2 * time.Hour })
			h.steps(r, rotate.TestSecret)
			if told := h.said(rotate.EventNotice); len(told) != 1 || told[0].Notice != lifecycle.NoticeLifetimeChanged ||
				!strings.Contains(told[0].Message, "was 1h0m0s, is 2h0m0s") {
				t.Errorf("told %+v", told)
			}
		},
		"a parameter that another program has written meanwhile is written over": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			_, err := h.aws.ChangeParameter(tokenName, "by hand")
			h.must(err)
			h.steps(r, rotate.FinishSecret)
			h.wantConsistent()
		},
		"the published token, issued once more, is not written again; the item says whose it is": func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{SameToken: true, Lifetime: 24 * time.Hour}))
			h.sweep()
			_, before := h.published()
			time.Sleep(23*time.Hour + 55*time.Minute) // a sweep would write nothing any more
			h.resetSecret()
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			h.aws.ResetCalls()
			h.steps(r, rotate.TestSecret)
			for _, told := range h.said(rotate.EventNotice) {
				if told.Notice == lifecycle.NoticeLifetimeChanged {
					t.Errorf("told %+v", told)
				}
			}
			_, rec := h.published()
			if rec.TokenID != before.TokenID || rec.Credential != r.Token || rec.Stage != store.StagePending || !rec.ExpiresAt.Equal(before.ExpiresAt) ||
				rec.RenewAt.After(time.Now()) || h.aws.Count(awstest.PutParameter).Calls != 0 {
				t.Errorf("%+v, before %+v", rec, before)
			}
			h.steps(r, rotate.FinishSecret)
			if _, rec = h.published(); rec.Stage != store.StageCurrent || rec.Current != r.Token || h.aws.Count(awstest.PutParameter).Calls != 0 {
				t.Errorf("%+v", rec)
			}
			h.wantConsistent()
		},
	} {
		t.Run(says, func(t *testing.T) { synctest.Test(t, run) })
	}
}
