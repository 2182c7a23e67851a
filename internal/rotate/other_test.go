package rotate_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// forms are how a secret may be disguised.
func forms(secret string) []string {
	raw := []byte(secret)
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), hex.EncodeToString(raw)}
}

func otherCases() []numbered {
	return []numbered{
		{n: 67, says: "no secret, token or RotationToken leaves the function", run: canary},
		{n: 68, says: "what holds a secret prints none", run: func(t *testing.T) {
			ev, err := rotate.ParseEvent([]byte(`{"Step":"setSecret","SecretId":"a","ClientRequestToken":"` + someToken + `","RotationToken":"CANARY"}`))
			if err != nil {
				t.Fatal(err)
			}
			put := rotate.Put{Value: oauth.NewSecret("CANARY"), RotationToken: oauth.NewSecret("CANARY")}
			mint := refresh.Mint{Token: &oauth.Token{AccessToken: oauth.NewSecret("CANARY")}, Document: refresh.Document{Value: oauth.NewSecret("CANARY")}}
			for _, v := range []any{ev, &ev, put, &put, mint, &mint, *mint.Token} {
				if text := fmt.Sprintf("%v %+v %#v %s", v, v, v, toJSON(v)); strings.Contains(text, "CANARY") {
					t.Errorf("%T prints %s", v, text)
				}
			}
		}},
		{n: 69, says: "the calls are those that the role allows, and no other", run: leastPrivilege},
		{n: 70, says: "fifty at once, on one secret and on many", run: func(t *testing.T) {
			h := newHarness(t, coexisting())
			h.sweep()
			h.stageNew("new")
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					step := rotate.Steps()[i%4]
					if err := h.invoke(context.Background(), event(string(step), h.secret().ARN, r.Token)); err != nil {
						if e := (*rotate.Error)(nil); !errors.As(err, &e) || e.Code != rotate.CodeStateConflict && e.Code != rotate.CodeVersionNotPending {
							t.Errorf("%s: %v", step, err)
						}
					}
				})
			}
			wg.Wait()
			h.steps(r, rotate.FinishSecret)
			h.wantLabels(map[string]string{refresh.StageCurrent: r.Token, refresh.StagePending: ""})
			if _, rec := h.published(); rec.Credential != r.Token {
				t.Errorf("%+v", rec)
			}
		}},
		{n: 71, says: "a start without its environment names what is missing", file: "../environment/environment_test.go", holds: "SECRET_PREFIX"},
		{n: 72, says: "the calls are made of a third party's Secrets Manager too", file: "../smsecret/versions_test.go", holds: "CHAVEIRO_MOTO_URL"},
		{n: 73, says: "an event of any kind is read without a panic", file: "other_test.go", holds: "func FuzzParseEvent("},
		{n: 74, says: "random interleavings", file: "machine_test.go", holds: "func TestMachine("},
	}
}

// leastPrivilege is what the policies of the template have to allow, and must not go beyond: the calls of rotations that go well, are refused, are
// cut off and rolled back.
func leastPrivilege(t *testing.T) {
	allowed := []awstest.Op{
		awstest.DescribeSecret, awstest.GetSecretValue, awstest.PutSecretValue, awstest.UpdateSecretVersionStage, // with AllowRotationLambdaArn
		awstest.GetParameters, awstest.DescribeParameters, awstest.PutParameter, awstest.DeleteParameters,
	}
	used := map[awstest.Op]bool{}
	note := func(h *harness) {
		for op := range h.aws.Counts() {
			used[op] = true
			if !slices.Contains(allowed, op) {
				t.Errorf("%s is called", op)
			}
		}
	}
	h, r := pending(t, kiwify(oauthtest.Settings{Evicts: true}), nil)
	h.aws.ResetCalls()
	h.provider.InjectFor("client-old", oauthtest.Status(503))
	h.steps(r, rotate.CreateSecret, rotate.TestSecret, rotate.FinishSecret)
	note(h)
	h.aws.ResetCalls()
	h.stage(pairOf("unknown"))
	_ = h.rotate()
	note(h)
	h, r, _ = cutOff(t, generic(oauthtest.Settings{}))
	_, err := h.aws.WriteParameter("/oauth/"+shop+"/refresh_failure", awstest.ParameterWrite{Type: "String", Value: "x", Description: "{}"})
	h.must(err)
	h.provider.Remove("client-new")
	h.aws.ResetCalls()
	h.fails(r, rotate.FinishSecret, rotate.CodeRolledBack)
	note(h)
	for _, op := range allowed {
		if !used[op] {
			t.Errorf("%s is never called: it need not be allowed", op)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(`{"Step":"createSecret","SecretId":"oauth/x","ClientRequestToken":"` + someToken + `","RotationToken":"CANARY-TOKEN"}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"Step":null,"SecretId":[],"RotationToken":{"a":1}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ev, err := rotate.ParseEvent(raw)
		if err == nil && (len(ev.Token) < 32 || len(ev.Token) > 64 || ev.SecretID == "" || ev.Step == "") {
			t.Errorf("accepted %+v", ev)
		}
		if err != nil && !strings.HasPrefix(err.Error(), string(rotate.CodeEventInvalid)) {
			t.Errorf("error %v", err)
		}
	})
}

// canary plants secrets in everything that the function meets, lets it fail in every way, and looks for them in all that comes out.
func canary(t *testing.T) {
	const rotationToken = "rotation/token+canary=="
	secrets := []string{secretOf("old"), secretOf("new"), secretOf("unknown"), rotationToken}
	for _, id := range []string{"old", "new", "unknown"} {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("client-"+id+":"+secretOf(id))))
	}
	var out strings.Builder
	play := func(fault func(h *harness), pair string) {
		h := newHarness(t, generic(oauthtest.Settings{}))
		h.driver.RotationToken, h.driver.Tries = oauth.NewSecret(rotationToken), 2
		h.sweep()
		h.stageNew("new")
		h.stage(pair)
		fault(h)
		_ = h.rotate()
		h.provider.ClearFaults()
		for _, v := range h.aws.Values() {
			if _, known := h.provider.Inspect(v.Reveal()); known {
				secrets = append(secrets, v.Reveal())
			}
		}
		out.WriteString(h.printed())
		fmt.Fprintf(&out, "%v %+v %v", h.aws, h.driver, h.provider)
	}
	echo := "you sent " + strings.Join(forms(secretOf("new")), " ") // the provider never hears of the RotationToken
	play(func(*harness) {}, pairOf("new"))
	play(func(*harness) {}, pairOf("unknown"))
	for _, status := range []int{200, 302, 400, 401, 403, 500} {
		play(func(h *harness) {
			h.provider.InjectFor("client-new", oauthtest.Respond(status, nil, toJSON(map[string]string{"error": "invalid_client", "error_description": echo})).Always())
		}, pairOf("new"))
	}
	for _, op := range []awstest.Op{awstest.PutSecretValue, awstest.GetSecretValue, awstest.UpdateSecretVersionStage, awstest.PutParameter, awstest.DescribeSecret} {
		for _, effect := range []awstest.Effect{awstest.AccessDenied, awstest.InternalError, awstest.LostResponse} {
			play(func(h *harness) { h.aws.Inject(awstest.Fault{Op: op, Effect: effect}) }, pairOf("new"))
		}
	}
	play(func(*harness) {}, toJSON(map[string]string{"client_id": "client-new", "client_secret": secretOf("new") + "\n"}))
	play(func(*harness) {}, toJSON(map[string]string{secretOf("new"): "x", "client_id": "client-new", "client_secret": secretOf("new")}))
	if out.Len() < 10000 {
		t.Fatalf("only %d bytes came out", out.Len())
	}
	for _, s := range secrets {
		for _, f := range forms(s) {
			if i := strings.Index(out.String(), f); i >= 0 {
				t.Errorf("a secret shows: …%s", strings.ReplaceAll(out.String()[max(0, i-200):i], "\n", " "))
				break
			}
		}
	}
}
