package rotate_test

import (
	"context"
	"crypto/x509"
	"net/http"
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

// pending is a rotation whose createSecret has happened, with the old pair's token published.
func pending(t *testing.T, k kind, more map[string]any) (*harness, *awstest.Rotation) {
	t.Helper()
	h := newHarness(t, k)
	h.putDocument(h.document("old", more))
	h.sweep()
	h.stageNew("new")
	r := h.start()
	h.steps(r, rotate.CreateSecret, rotate.SetSecret)
	return h, r
}

// meets is what testSecret makes of one answer of the provider to the new pair.
func meets(t *testing.T, f oauthtest.Fault, code rotate.Code, transient bool) *rotate.Error {
	t.Helper()
	h, r := pending(t, generic(oauthtest.Settings{}), nil)
	before := h.secret().Stages
	h.provider.InjectFor("client-new", f.Always())
	start := time.Now()
	e := h.fails(r, rotate.TestSecret, code)
	if e.Transient != transient {
		t.Errorf("transient: %v", e.Transient)
	}
	if took := time.Since(start); took > time.Minute-4*time.Second {
		t.Errorf("it took %v", took)
	}
	if !transient {
		h.wantStages(map[string]string{store.StagePending: "", store.StageCurrent: before[store.StageCurrent]})
		return e
	}
	h.wantStages(before)
	h.provider.ClearFaults()
	r.Try(context.Background())
	h.must(r.Err)
	h.wantStages(map[string]string{store.StageCurrent: r.Token})
	return e
}

func testCases() []numbered {
	return []numbered{
		{n: 33, says: "setSecret asks nobody, and does not let an empty version pass", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			h.fails(r, rotate.SetSecret, rotate.CodePendingEmpty)
			h.wantStages(map[string]string{store.StagePending: r.Token})
			h.steps(r, rotate.CreateSecret, rotate.SetSecret)
			if h.provider.Total().TokenCalls != 0 {
				t.Error("the provider was asked")
			}
		}},
		{n: 34, says: "a test that passes writes nothing to the secret and shows no token", run: func(t *testing.T) {
			h, r := pending(t, kiwify(oauthtest.Settings{}), nil)
			h.aws.ResetCalls()
			h.steps(r, rotate.TestSecret)
			if h.writes() != 0 || h.aws.Count(awstest.PutParameter).Calls != 0 {
				t.Errorf("%d writes to the secret, %d to parameters", h.writes(), h.aws.Count(awstest.PutParameter).Calls)
			}
			if h.provider.Stats("client-new").Minted != 1 || strings.Contains(h.printed(), "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9") {
				t.Error("no token was minted, or it shows")
			}
		}},
		{n: 35, says: "a refused pair ends the rotation and is marked, and is not asked for again", run: func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			h.sweep()
			old := h.holder(store.StageCurrent)
			candidate := h.stage(pairOf("unknown"))
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			e := h.fails(r, rotate.TestSecret, rotate.CodeRejected)
			if e.Transient || e.CurrentOK != rotate.Yes || e.HTTPStatus != 401 || e.OAuthCode != oauth.CodeInvalidClient {
				t.Errorf("%+v", e)
			}
			h.wantStages(map[string]string{store.StageCurrent: old, store.StagePending: "", store.StagePrevious: "",
				store.StageCandidate: "", store.StageRejected: candidate})
			asked := h.provider.Total().TokenCalls
			h.fails(r, rotate.TestSecret, rotate.CodeVersionNotStaged)
			if h.provider.Total().TokenCalls != asked {
				t.Error("the provider was asked again")
			}
			if told := h.said(rotate.EventRejected); len(told) != 1 || told[0].OAuthCode != oauth.CodeInvalidClient ||
				strings.Contains(h.printed(), secretOf("unknown")) {
				t.Errorf("told %+v", told)
			}
			if _, rec := h.published(); rec.Credential != old {
				t.Error("the token that the look at AWSCURRENT cost is not published")
			}
		}},
		{n: 36, says: "a refusal is one by what it says, with whatever status", run: func(t *testing.T) {
			jsonHeader := http.Header{"Content-Type": {"application/json"}}
			meets(t, oauthtest.Respond(400, jsonHeader, `{"error":"invalid_client"}`), rotate.CodeRejected, false)
			meets(t, oauthtest.Respond(401, nil, ""), rotate.CodeRejected, false)
			meets(t, oauthtest.Respond(200, jsonHeader, `{"error":"invalid_client"}`), rotate.CodeRejected, false)
			meets(t, oauthtest.Respond(200, jsonHeader, `{"error":"odd"}`), rotate.CodeProviderProtocol, true)
		}},
		{n: 37, says: "no answer is transient, is tried again within the time, and a later success promotes", run: func(t *testing.T) {
			for _, f := range []oauthtest.Fault{oauthtest.Status(500), oauthtest.Status(502), oauthtest.Status(503), oauthtest.TooMany(2 * time.Second),
				oauthtest.Status(408),
				oauthtest.Reset(), oauthtest.Hang()} {
				meets(t, f, rotate.CodeProviderUnavailable, true)
			}
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.provider.InjectFor("client-new", oauthtest.Status(503).Times(2))
			h.steps(r, rotate.TestSecret) // the third attempt of one step
		}},
		{n: 38, says: "a firewall's page is transient, the provider's own no is not", run: func(t *testing.T) {
			meets(t, oauthtest.BlockPage(), rotate.CodeProviderUnavailable, true)
			meets(t, oauthtest.Respond(403, http.Header{"Content-Type": {"application/json"}}, `{"error":"access_denied"}`), rotate.CodeProviderConfig, false)
		}},
		{n: 39, says: "a redirect is refused, and its target never asked", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			hosts := map[string]int{}
			inner := h.network
			h.network = tripper(func(req *http.Request) (*http.Response, error) { hosts[req.URL.Host]++; return inner.RoundTrip(req) })
			h.provider.InjectFor("client-new", oauthtest.Redirect("https://evil.example.com/"))
			candidate := h.holder(store.StageCandidate)
			h.fails(r, rotate.TestSecret, rotate.CodeRedirectRefused)
			if len(hosts) != 1 {
				t.Errorf("asked %v", hosts)
			}
			h.wantStages(map[string]string{store.StageCandidate: candidate, store.StageRejected: ""})
		}},
		{n: 40, says: "a 2xx that holds no usable token does not pass", run: func(t *testing.T) {
			h := http.Header{"Content-Type": {"application/json"}}
			for _, body := range []string{`no json`, `{"access_token":null}`, `{"access_token":7}`, `{"access_token":""}`} {
				meets(t, oauthtest.Respond(200, h, body), rotate.CodeProviderProtocol, true)
			}
			meets(t, oauthtest.HugeBody(10<<20), rotate.CodeProviderProtocol, true)
			// Read with tolerance, and capped.
			for _, body := range []string{`{"access_token":"t1","expires_in":"3600"}`, `{"access_token":"t2","expires_in":1e309}`} {
				g, r := pending(t, generic(oauthtest.Settings{}), nil)
				g.provider.InjectFor("client-new", oauthtest.Respond(200, h, body))
				g.steps(r, rotate.TestSecret)
			}
			meets(t, oauthtest.Respond(200, h, `{"access_token":"t","expires_in":-1}`), rotate.CodeProviderUnavailable, true)
		}},
		{n: 41, says: "a certificate that is not trusted is never accepted", run: func(t *testing.T) {
			meets(t, oauthtest.Fail(x509.UnknownAuthorityError{}), rotate.CodeProviderConfig, false)
		}},
		{n: 42, says: "a token endpoint without TLS is refused before any request", run: func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			_, err := h.aws.PutSecret(secretID, h.document("old", map[string]any{"token_endpoint": "http://auth.example.com/oauth/token"}))
			h.must(err)
			h.stageNew("new")
			h.fails(h.start(), rotate.CreateSecret, rotate.CodeCurrentInvalid)
			if h.provider.Total().TokenCalls != 0 {
				t.Error("the provider was asked")
			}
		}},
		{n: 43, says: "RotateImmediately=false tests AWSCURRENT's own pair", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{Evicts: true}))
			h.sweep()
			before := h.secret().Stages
			h.aws.ResetCalls()
			r, err := h.driver.Test(context.Background(), secretID)
			h.must(err)
			h.must(r.Err)
			h.wantStages(before)
			if h.writes() != 0 {
				t.Errorf("%d writes", h.writes())
			}
			token, rec := h.published()
			if !h.provider.Validate(token) || rec.Credential != before[store.StageCurrent] {
				t.Error("the test ended the published token, and its own is not published")
			}
			h.provider.Remove("client-old")
			r, err = h.driver.Test(context.Background(), secretID)
			h.must(err)
			e := h.isError(r.Err, rotate.CodeRejected)
			if r.Last() != "TestRotationFailed" || e.CurrentOK != rotate.No || !e.Critical {
				t.Errorf("%s, %+v", r.Last(), e)
			}
			id, err := h.aws.EmptyVersion(secretID)
			h.must(err)
			h.isError(h.invoke(context.Background(), event("testSecret", h.secret().ARN, id)), rotate.CodePendingEmpty)
		}},
		{n: 44, says: "a token of another account does not pass", run: func(t *testing.T) {
			h, r := pending(t, kiwify(oauthtest.Settings{}), nil)
			h.provider.Update("client-new", func(c *oauthtest.Client) { c.AccountID = "store-other" })
			e := h.fails(r, rotate.TestSecret, rotate.CodeWrongAccount)
			h.wantStages(map[string]string{store.StagePending: "", store.StageRejected: ""})
			if e.Transient {
				t.Error("transient")
			}
			h, r = pending(t, kiwify(oauthtest.Settings{}), map[string]any{"verify_call": true, "account_id": "store-another"})
			h.fails(r, rotate.TestSecret, rotate.CodeWrongAccount) // the API refuses the account that the document names
			h, r = pending(t, kiwify(oauthtest.Settings{}), map[string]any{"verify_call": true})
			h.provider.Inject(oauthtest.Status(503).OnAPI())
			h.steps(r, rotate.TestSecret) // asked twice
			h.provider.Inject(oauthtest.Status(503).OnAPI().Times(2))
			if e := h.fails(r, rotate.TestSecret, rotate.CodeProviderUnavailable); !e.Transient {
				t.Error("not transient")
			}
		}},
		{n: 45, says: "a sandbox pair in production does not pass where the API may be asked", run: func(t *testing.T) {
			h, r := pending(t, hotmart(oauthtest.Settings{}), map[string]any{"verify_call": true})
			h.steps(r, rotate.TestSecret)
			h.provider.Update("client-new", func(c *oauthtest.Client) { c.Environment = oauthtest.Sandbox })
			h.fails(r, rotate.TestSecret, rotate.CodeWrongAccount)
		}},
		{n: 46, says: "a pair that the provider does not know yet is asked for again within its window", run: func(t *testing.T) {
			auth0 := kind{name: "auth0", id: "auth0", make: oauthtest.Generic,
				document: map[string]any{"token_endpoint": "https://auth.example.com/oauth/token", "audience": "x",
					"token_endpoint_auth_method": "client_secret_post"}}
			h, r := pending(t, auth0, nil)
			h.provider.InjectFor("client-new", oauthtest.Respond(401, nil, `{"error":"invalid_client"}`).Times(2))
			h.steps(r, rotate.TestSecret)
			if n := h.provider.Stats("client-new").TokenCalls; n != 3 {
				t.Errorf("%d calls", n)
			}
			h, r = pending(t, auth0, nil)
			time.Sleep(46 * time.Second)
			h.provider.InjectFor("client-new", oauthtest.Respond(401, nil, `{"error":"invalid_client"}`))
			h.fails(r, rotate.TestSecret, rotate.CodeRejected) // the window has passed
			h, r = pending(t, generic(oauthtest.Settings{}), nil)
			h.provider.InjectFor("client-new", oauthtest.Respond(401, nil, `{"error":"invalid_client"}`))
			h.fails(r, rotate.TestSecret, rotate.CodeRejected) // and this provider has none
		}},
		{n: 47, says: "when AWSCURRENT is refused too, it is said, and nothing moves", run: func(t *testing.T) {
			h := newHarness(t, generic(oauthtest.Settings{}))
			h.sweep()
			h.stage(pairOf("unknown"))
			h.provider.Remove("client-old")
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			before := h.holder(store.StageCurrent)
			e := h.fails(r, rotate.TestSecret, rotate.CodeRejected)
			if e.CurrentOK != rotate.No || !e.Critical || !strings.Contains(e.Error(), "CRITICAL") || !strings.Contains(e.Error(), "until 2") {
				t.Errorf("%v", e)
			}
			h.wantStages(map[string]string{store.StageCurrent: before, store.StagePending: ""})
		}},
		{n: 48, says: "with 3 s left nothing is begun", run: func(t *testing.T) {
			h, r := pending(t, generic(oauthtest.Settings{}), nil)
			h.driver.StepTime = 3 * time.Second
			h.aws.ResetCalls()
			e := h.fails(r, rotate.FinishSecret, rotate.CodeDeadline)
			if !e.Transient || len(h.aws.Calls()) != 0 {
				t.Errorf("%v, %d calls", e, len(h.aws.Calls()))
			}
			h.driver.StepTime = 20 * time.Second
			h.provider.InjectFor("client-new", oauthtest.Hang().Always())
			start := time.Now()
			h.fails(r, rotate.TestSecret, rotate.CodeDeadline)
			if took := time.Since(start); took > 16*time.Second {
				t.Errorf("it took %v of 20 s", took)
			}
		}},
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestANewPairWithFewerScopesDoesNotPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r := pending(t, kiwify(oauthtest.Settings{}), nil)
		h.provider.Update("client-new", func(c *oauthtest.Client) { c.Scopes = []string{"stats"} })
		e := h.fails(r, rotate.TestSecret, rotate.CodeScopeLost)
		if !strings.Contains(e.Error(), "products") {
			t.Error(e)
		}
	})
}

func TestAPendingVersionWithAnotherConfigurationIsNeverTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, generic(oauthtest.Settings{}))
		h.sweep()
		r := h.start()
		asked := h.provider.Total().TokenCalls
		h.must(h.secrets.Put(t.Context(), store.VersionWrite{SecretID: secretID, VersionID: r.Token, Stages: []string{store.StagePending},
			Value: oauth.NewSecret(h.document("old", map[string]any{"token_endpoint": "https://evil.example.com/token"}))}))
		for _, s := range []rotate.Step{rotate.TestSecret} {
			h.fails(r, s, rotate.CodePendingConflict)
		}
		if h.provider.Total().TokenCalls != asked {
			t.Error("somebody was asked")
		}
	})
}

// TestTheTokenOfATestIsNotThrownAwayWhereThatHurts: a new secret of the same client may end the published token with the first test.
func TestTheTokenOfATestIsNotThrownAwayWhereThatHurts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, generic(oauthtest.Settings{Evicts: true}))
		h.sweep()
		h.provider.Update("client-old", func(c *oauthtest.Client) { c.Secret = oauth.NewSecret("reset-secret-0123456789") })
		h.stage(`{"client_id":"client-old","client_secret":"reset-secret-0123456789"}`)
		r := h.start()
		h.steps(r, rotate.CreateSecret, rotate.SetSecret, rotate.TestSecret)
		token, rec := h.published()
		if !h.provider.Validate(token) || rec.Credential != r.Token || rec.RenewAt.After(time.Now()) {
			t.Errorf("the published token is dead, or stays: %+v", rec)
		}
		h.steps(r, rotate.FinishSecret)
		if token, rec = h.published(); !h.provider.Validate(token) || rec.Credential != r.Token || rec.Stage != store.StageCurrent {
			t.Errorf("%+v", rec)
		}
	})
}

func TestNewTellsEveryFault(t *testing.T) {
	_, err := rotate.New(rotate.Config{Margin: -1})
	if err == nil || strings.Count(err.Error(), "\n") != 8 {
		t.Errorf("%v", err)
	}
	if _, err := connection.Parse(shop, oauth.NewSecret(`{"provider":"nobody"}`), catalogue(), connection.Options{}); err == nil {
		t.Error("an unknown provider is known")
	}
}
