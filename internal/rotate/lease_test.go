package rotate_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// otherRun takes the lease as another run does, which lives for so long.
func (h *harness) otherRun(life time.Duration) lifecycle.State {
	h.t.Helper()
	read := h.state()
	read.ID = shop
	leased, err := h.states.Claim(context.Background(), read, lifecycle.Owner{ID: "another run", HardEnd: time.Now().Add(life)})
	h.must(err)
	return leased
}

// requests counts the token requests that the provider got.
func (h *harness) requests() int { return h.provider.Total().TokenCalls }

func TestTheLease(t *testing.T) {
	for says, run := range map[string]func(t *testing.T){
		"a step waits while another run has the lease, and goes on when that run ends": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			other := h.otherRun(time.Minute)
			time.AfterFunc(7*time.Second, func() { h.must(h.states.Release(context.Background(), other)) })
			asked, start := h.requests(), time.Now()
			h.steps(r, rotate.TestSecret)
			if took := time.Since(start); took < 7*time.Second || took > 9*time.Second || h.requests() != asked+1 {
				t.Errorf("it took %v and %d requests", took, h.requests()-asked)
			}
			h.wantConsistent()
		},
		"a step that gets no lease in a quarter of its time requests nothing and is retried": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.otherRun(time.Minute)
			for _, s := range []rotate.Step{rotate.TestSecret, rotate.FinishSecret} {
				asked, start := h.requests(), time.Now()
				e := h.fails(r, s, rotate.CodeStateConflict)
				if !e.Transient || !errors.Is(e, store.ErrInFlight) || !strings.Contains(e.Error(), "the refresher is renewing the connection right now") {
					t.Errorf("%v", e)
				}
				if took := time.Since(start); h.requests() != asked || took < 10*time.Second || took > 14*time.Second {
					t.Errorf("%d requests, %v", h.requests()-asked, took)
				}
			}
			h.wantStages(map[string]string{store.StagePending: r.Token})
			time.Sleep(time.Minute)
			h.steps(r, rotate.TestSecret, rotate.FinishSecret) // the other run is dead
			h.wantConsistent()
		},
		"a wait that the deadline would cut off is one for the next attempt": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.otherRun(time.Minute)
			h.driver.StepTime = 13 * time.Second // 8 s of work, a quarter of it for the lease
			start := time.Now()
			h.fails(r, rotate.TestSecret, rotate.CodeStateConflict)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		},
		"a token that the refresher publishes meanwhile is the one that finishSecret needs": func(t *testing.T) {
			h, r, _ := cutOff(t, generic(oauthtest.Settings{Evicts: true}))
			time.Sleep(10 * time.Second)
			h.provider.Inject(oauthtest.Latency(4 * time.Second).Always())
			swept := make(chan struct{})
			go func() {
				defer close(swept)
				h.sweep()
			}()
			time.Sleep(3 * time.Second) // the listing is over: the sweep waits for the provider
			issued := h.provider.Stats("client-new").Minted
			h.steps(r, rotate.FinishSecret)
			<-swept
			if n := h.provider.Stats("client-new").Minted - issued; n != 1 {
				t.Errorf("%d tokens", n)
			}
			if token, rec := h.published(); rec.Credential != r.Token || !h.provider.Validate(token) {
				t.Errorf("%+v", rec)
			}
			h.wantConsistent()
		},
		"a named call waits for the rotation, and a hundred reports cost no token more": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{Evicts: true}), nil)
			time.Sleep(5 * time.Minute) // the token may be rejected
			_, rec := h.published()
			h.provider.Inject(oauthtest.Latency(2 * time.Second).Always())
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				h.steps(r, rotate.FinishSecret)
			}()
			time.Sleep(time.Second)
			reported := make(chan refresh.Result)
			for range 100 {
				go func() { reported <- h.run(refresh.Call{Connections: []string{shop}, RejectedVersion: rec.Version}) }()
			}
			for range 100 {
				if got := <-reported; got.Counts.Fresh != 1 {
					t.Errorf("%+v", got)
				}
			}
			<-finished
			if n := h.provider.Total().Minted; n != 2 { // the sweep's and finishSecret's
				t.Errorf("%d tokens", n)
			}
		},
		"without DynamoDB nothing is requested, and the step is retried": func(t *testing.T) {
			for _, op := range []awstest.Op{awstest.BatchGetItem, awstest.UpdateItem} {
				h, r := pending(t, generic(oauthtest.Settings{}), nil)
				asked := h.requests()
				h.aws.Inject(awstest.Fault{Op: op, Effect: awstest.InternalError})
				for _, s := range []rotate.Step{rotate.TestSecret, rotate.FinishSecret} {
					if e := h.fails(r, s, rotate.CodeAWSUnavailable); !e.Transient {
						t.Errorf("%v", e)
					}
				}
				if h.requests() != asked {
					t.Error("the provider got a request")
				}
				h.aws.ClearFaults()
				h.steps(r, rotate.TestSecret, rotate.FinishSecret)
			}
		},
		"a table that the role cannot reach ends the rotation": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.aws.Inject(awstest.Fault{Op: awstest.UpdateItem, Effect: awstest.AccessDenied})
			e := h.fails(r, rotate.TestSecret, rotate.CodeAccess)
			if e.Transient || !strings.Contains(e.Error(), "STATE_TABLE") {
				t.Errorf("%v", e)
			}
			h.wantStages(map[string]string{store.StagePending: ""})
		},
		"an item of a newer program is left alone": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.must(h.aws.PutItem(shop, map[string]json.RawMessage{"schema": json.RawMessage(`{"N":"2"}`), "revision": json.RawMessage(`{"N":"9"}`)}))
			asked, before := h.requests(), h.state()
			e := h.fails(r, rotate.TestSecret, rotate.CodeInternal)
			if !e.Transient || !errors.Is(e, store.ErrNewer) || !strings.Contains(e.Error(), "Update this function") {
				t.Errorf("%v", e)
			}
			if h.requests() != asked || h.state().Revision != before.Revision {
				t.Errorf("%d requests; revision %d", h.requests()-asked, h.state().Revision)
			}
		},
		"a step that publishes nothing gives the lease back": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			for _, fault := range []oauthtest.Fault{oauthtest.Status(503), oauthtest.Redirect("https://evil.example.com/")} {
				h.provider.InjectFor("client-new", fault.Always())
				_ = r.Step(context.Background(), "testSecret")
				h.provider.ClearFaults()
				h.wantConsistent()
			}
		},
		"a write that SSM rejects gives the lease back, one that may still arrive does not": func(t *testing.T) {
			for effect, kept := range map[awstest.Effect]bool{awstest.AccessDenied: false, awstest.InternalError: true, awstest.LostResponse: true} {
				h, r := pending(t, generic(oauthtest.Settings{}), nil)
				h.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: effect})
				h.fails(r, rotate.FinishSecret, rotate.CodeNotPublished)
				if left := h.state().Lease; (left != nil) != kept {
					t.Errorf("%v: lease %+v", effect, left)
				}
			}
		},
		"a commit whose response is lost counts": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.aws.Inject(awstest.Fault{Op: awstest.UpdateItem, Effect: awstest.LostResponse, Skip: 1, Times: 1})
			h.steps(r, rotate.FinishSecret)
			h.wantConsistent()
			if _, rec := h.published(); rec.Credential != r.Token || len(h.said(rotate.EventNotice)) != 0 {
				t.Errorf("%+v, %+v", rec, h.said(rotate.EventNotice))
			}
		},
		"a commit that fails costs one token more, and is said": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{Evicts: true}), nil)
			h.aws.Inject(awstest.Fault{Op: awstest.UpdateItem, Effect: awstest.InternalError, Skip: 1})
			h.steps(r, rotate.FinishSecret)
			h.aws.ClearFaults()
			if told := h.said(rotate.EventNotice); len(told) != 1 || told[0].Notice != rotate.NoticeNotCommitted {
				t.Errorf("told %+v", told)
			}
			if p, _ := h.aws.Parameter(tokenName); !h.provider.Validate(p.Value.Reveal()) {
				t.Error("the readers' token is dead")
			}
			time.Sleep(5 * time.Minute)
			if got := h.sweep().Counts; got.Refreshed != 1 {
				t.Errorf("%+v", got)
			}
			if n := h.provider.Stats("client-new").Minted; n != 2 {
				t.Errorf("%d tokens", n)
			}
			h.wantConsistent()
		},
		"a token that arrives one second before the requests must end is published": func(t *testing.T) {
			h, r, _ := cutOff(t, generic(oauthtest.Settings{}))
			time.Sleep(10 * time.Second)
			h.driver.StepTime = 14 * time.Second // 9 s of work, 4 s for writes
			h.provider.Inject(oauthtest.Latency(8 * time.Second).Always())
			h.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.InternalError, Times: 2}) // so the write needs more than that second
			h.steps(r, rotate.FinishSecret)
			if _, rec := h.published(); rec.Credential != r.Token {
				t.Errorf("%+v", rec)
			}
			h.wantConsistent()
		},
		"a panic gives the lease back": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			inner := h.network
			h.network = tripper(func(*http.Request) (*http.Response, error) { panic("CANARY") })
			e := h.fails(r, rotate.TestSecret, rotate.CodeInternal)
			if !e.Transient || strings.Contains(h.printed(), "CANARY") {
				t.Errorf("%v", e)
			}
			h.network = inner
			h.wantConsistent()
			h.steps(r, rotate.TestSecret)
		},
		"an invocation without a request id does nothing": func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			ev, err := rotate.ParseEvent(event("testSecret", h.secret().ARN, r.Token))
			h.must(err)
			h.aws.ResetCalls()
			h.isError(h.rotator().Handle(t.Context(), ev, rotate.Invocation{FunctionARN: lambdaARN}), rotate.CodeInternal)
			if n := len(h.aws.Calls()); n != 0 {
				t.Errorf("%d calls", n)
			}
		},
	} {
		t.Run(says, func(t *testing.T) { synctest.Test(t, run) })
	}
}

// TestWhatThePublicationWrites: the token, the account beside it, and all that the item says.
func TestWhatThePublicationWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r := pending(t, kiwify(oauthtest.Settings{Evicts: true}), nil)
		h.must(h.aws.DropParameter("/oauth/" + shop + "/account_id"))
		state := h.state()
		state.Token.AccountID = "" // it was not published
		state.Failure = &lifecycle.Failure{Class: lifecycle.Credentials, Code: "invalid_client", Attempts: 3,
			FirstAt: time.Now(), LastAt: time.Now(), Current: state.Current}
		state.Notice = "credentials/invalid_client/suspended"
		_, err := h.states.Update(context.Background(), state)
		h.must(err)
		h.steps(r, rotate.TestSecret, rotate.FinishSecret)
		p, _ := h.aws.Parameter(tokenName)
		if p.Type != "SecureString" || !strings.HasPrefix(p.Description, "Access token of "+shop) {
			t.Errorf("%s, %q", p.Type, p.Description)
		}
		account, _ := h.aws.Parameter("/oauth/" + shop + "/account_id")
		if account.Value.Reveal() != "store-main" {
			t.Error("account_id is not published")
		}
		got := h.state()
		if got.Current != r.Token || got.Configuration != state.Configuration || got.Token.AccountID != "store-main" || got.Token.Since.IsZero() ||
			got.Failure != nil || got.Notice != state.Notice || got.Lease != nil {
			t.Errorf("%+v %+v", got, got.Token)
		}
	})
}

// TestTheTokenOfARollbackIsWrittenOnce: it is published as AWSPREVIOUS, and then only the item says AWSCURRENT.
func TestTheTokenOfARollbackIsWrittenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r, old := cutOff(t, generic(oauthtest.Settings{Evicts: true}))
		time.Sleep(10 * time.Second)
		h.provider.Remove("client-new")
		h.aws.ResetCalls()
		h.fails(r, rotate.FinishSecret, rotate.CodeRolledBack)
		if n := h.aws.Count(awstest.PutParameter).Calls; n != 1 {
			t.Errorf("%d writes", n)
		}
		_, rec := h.published()
		if rec.Stage != store.StageCurrent || rec.Credential != old || rec.Current != old || rec.RenewAt.Before(time.Now()) {
			t.Errorf("%+v", rec)
		}
		h.wantConsistent()
	})
}

// TestAStandInIsDueAtOnce: the next sweep replaces it by a token of AWSCURRENT.
func TestAStandInIsDueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, generic(oauthtest.Settings{Evicts: true}))
		h.sweep()
		old := h.holder(store.StageCurrent)
		is := func(secret string) func(c *oauthtest.Client) {
			return func(c *oauthtest.Client) { c.Secret = oauth.NewSecret(secret) }
		}
		h.provider.Update("client-old", is("second-secret-0123456789"))
		h.stage(`{"client_id":"client-old","client_secret":"second-secret-0123456789"}`)
		r := h.start()
		h.steps(r, rotate.CreateSecret, rotate.SetSecret, rotate.TestSecret)
		if _, rec := h.published(); rec.Credential != r.Token || rec.Stage != store.StagePending || rec.Current != old || rec.RenewAt.After(time.Now()) {
			t.Errorf("%+v", rec)
		}
		h.must(h.aws.MoveStage(secretID, store.StagePending, "")) // the rotation goes no further
		h.provider.Update("client-old", is(secretOf("old")))
		time.Sleep(5 * time.Minute)
		h.sweep()
		if token, rec := h.published(); rec.Credential != old || rec.Stage != store.StageCurrent || !h.provider.Validate(token) {
			t.Errorf("%+v", rec)
		}
	})
}
