package rotate_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"pgregory.net/rapid"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/internal/wire"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// forms are how a secret may be disguised.
func forms(secret string) []string {
	raw := []byte(secret)
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), hex.EncodeToString(raw)}
}

func otherCases() []numbered {
	return []numbered{
		{n: 67, says: "no secret, token or RotationToken leaves the function", run: canary},
		{n: 68, says: "what holds a secret prints none", run: func(t *testing.T) {
			ev, err := rotate.ParseEvent([]byte(`{"Step":"setSecret","SecretId":"a","ClientRequestToken":"` + someToken + `","RotationToken":"CANARY"}`))
			if err != nil {
				t.Fatal(err)
			}
			put := store.VersionWrite{Value: oauth.NewSecret("CANARY"), RotationToken: oauth.NewSecret("CANARY")}
			token := oauth.Token{AccessToken: oauth.NewSecret("CANARY")}
			src := acquire.Source{Document: store.Document{Value: oauth.NewSecret("CANARY")}}
			src.Connection.ClientSecret = oauth.NewSecret("CANARY")
			for _, v := range []any{ev, &ev, put, &put, token, &token, src, &src} {
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
			h.wantStages(map[string]string{store.StageCurrent: r.Token, store.StagePending: ""})
			if _, rec := h.published(); rec.Credential != r.Token {
				t.Errorf("%+v", rec)
			}
		}},
		{n: 71, says: "a start without its environment names what is missing", run: func(t *testing.T) {
			r, _, err := wire.Rotator(context.Background(), func(string) string { return "" })
			if r != nil || err == nil {
				t.Fatalf("%v, %v", r, err)
			}
			for _, name := range []string{"SECRET_PREFIX", "PARAMETER_PREFIX", "STATE_TABLE", "STACK_NAME"} {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%v does not name %s", err, name)
				}
			}
		}},
		{n: 72, says: "the calls are made of a third party's Secrets Manager too", inRealTime: true, run: overMoto},
		{n: 73, says: "an event of any kind is read without a panic", inRealTime: true, run: func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				fields := map[string]any{}
				for _, name := range []string{"Step", "SecretId", "ClientRequestToken", "RotationToken", "step"} {
					fields[name] = rapid.OneOf(rapid.Just[any](nil), rapid.Just[any](7), rapid.Just[any](map[string]int{"a": 1}), rapid.Map(rapid.String(), anyOf),
						rapid.Map(rapid.SampledFrom([]string{"createSecret", secretID, someToken}), anyOf)).Draw(rt, name)
				}
				readsEvent(rt, []byte(toJSON(fields)))
				readsEvent(rt, rapid.SliceOf(rapid.Byte()).Draw(rt, "raw"))
			})
		}},
		{n: 74, says: "random interleavings", inRealTime: true, run: func(t *testing.T) {
			if n := playStories(t, 20); n < 4*stepsEach { // package rapid itself makes a fifth of it under -short
				t.Errorf("%d steps", n)
			}
		}},
	}
}

func anyOf(s string) any { return s }

// overMoto is a rotation in which moto plays Secrets Manager; SSM and the state table are the fakes. moto has no empty versions, so the version has
// its value before createSecret, as after a retry; and it does not say that rotation is on.
func overMoto(t *testing.T) {
	url := os.Getenv("CHAVEIRO_MOTO_URL")
	if url == "" {
		t.Skip("CHAVEIRO_MOTO_URL is not set: there is no moto_server to run against")
	}
	client := secretsmanager.NewFromConfig(aws.Config{
		Region: awstest.Region, BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-key"}, nil
		}),
	})
	h := newHarness(t, generic(oauthtest.Settings{}))
	versions, err := smsecret.NewVersions(smsecret.VersionsConfig{Client: client})
	h.must(err)
	h.secrets = scripted{Secrets: versions, describe: func(s store.Secret, err error) (store.Secret, error) {
		s.RotationOn = true
		return s, err
	}}
	h.function = ""
	h.addClient("new")
	ctx := t.Context()
	_, err = client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String(secretID), ForceDeleteWithoutRecovery: aws.Bool(true)})
	var gone *smtypes.ResourceNotFoundException
	if err != nil && !errors.As(err, &gone) {
		t.Fatal(err)
	}
	_, err = client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(secretID), SecretString: aws.String(h.document("old", nil))})
	h.must(err)
	h.must(versions.Put(ctx, store.VersionWrite{SecretID: secretID, VersionID: strings.Repeat("c", 32), Value: oauth.NewSecret(pairOf("new")),
		Stages: []string{store.StageCandidate}}))
	h.must(versions.Put(ctx, store.VersionWrite{SecretID: secretID, VersionID: someToken, Value: oauth.NewSecret(h.document("new", nil)),
		Stages: []string{store.StagePending}}))
	for range 2 { // and once more: finishSecret finds it done
		for _, step := range rotate.Steps() {
			if err := h.invoke(ctx, event(string(step), secretID, someToken)); err != nil {
				t.Fatalf("%s: %v", step, err)
			}
		}
	}
	s, err := versions.Describe(ctx, secretID)
	h.must(err)
	if s.Holder(store.StageCurrent) != someToken || s.Holder(store.StagePending) != "" ||
		s.Holder(store.StageCandidate) != "" || s.Holder(store.StagePrevious) == "" {
		t.Errorf("stages %v", s.Versions)
	}
	if token, rec := h.published(); rec == nil || rec.Credential != someToken || !h.provider.Validate(token) {
		t.Errorf("published %+v", rec)
	}
}

// leastPrivilege is what the policies of the template have to allow, and must not go beyond: the calls of rotations that go well, are refused, are
// cut off and rolled back.
func leastPrivilege(t *testing.T) {
	allowed := []awstest.Op{
		awstest.DescribeSecret, awstest.GetSecretValue, awstest.PutSecretValue, awstest.UpdateSecretVersionStage, // with AllowRotationLambdaArn
		awstest.PutParameter, awstest.BatchGetItem, awstest.UpdateItem,
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
	f.Fuzz(func(t *testing.T, raw []byte) { readsEvent(t, raw) })
}

// readsEvent reads an event, which is accepted only with all its fields, and refused only with its own error.
func readsEvent(t tb, raw []byte) {
	ev, err := rotate.ParseEvent(raw)
	if err == nil && (len(ev.Token) < 32 || len(ev.Token) > 64 || ev.SecretID == "" || ev.Step == "") {
		t.Errorf("accepted %+v", ev)
	}
	if err != nil && !strings.HasPrefix(err.Error(), string(rotate.CodeEventInvalid)) {
		t.Errorf("error %v", err)
	}
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
			body := toJSON(map[string]string{"error": "invalid_client", "error_description": echo})
			h.provider.InjectFor("client-new", oauthtest.Respond(status, nil, body).Always())
		}, pairOf("new"))
	}
	for _, op := range []awstest.Op{awstest.PutSecretValue, awstest.GetSecretValue, awstest.UpdateSecretVersionStage, awstest.PutParameter,
		awstest.DescribeSecret, awstest.BatchGetItem, awstest.UpdateItem} {
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
