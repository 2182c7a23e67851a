package rotate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const someToken = "0123456789abcdef0123456789abcdef"

func event(step, secret, token string) []byte {
	return []byte(toJSON(map[string]string{"Step": step, "SecretId": secret, "ClientRequestToken": token}))
}

// scripted is rotate.Secrets with some answers of its own; what it does not answer goes through.
type scripted struct {
	rotate.Secrets

	describe func(s store.Secret, err error) (store.Secret, error)
	read     func(id, stage string, d store.Document, err error) (store.Document, error)
	put      func(p store.VersionWrite, do func() error) error
	move     func(m store.StageMove, do func() error) error
}

func (s scripted) Describe(ctx context.Context, id string) (store.Secret, error) {
	out, err := s.Secrets.Describe(ctx, id)
	if s.describe == nil {
		return out, err
	}
	return s.describe(out, err)
}

func (s scripted) Read(ctx context.Context, secret, id, stage string) (store.Document, error) {
	d, err := s.Secrets.Read(ctx, secret, id, stage)
	if s.read == nil {
		return d, err
	}
	return s.read(id, stage, d, err)
}

func (s scripted) Put(ctx context.Context, p store.VersionWrite) error {
	do := func() error { return s.Secrets.Put(ctx, p) }
	if s.put == nil {
		return do()
	}
	return s.put(p, do)
}

func (s scripted) MoveStage(ctx context.Context, m store.StageMove) error {
	do := func() error { return s.Secrets.MoveStage(ctx, m) }
	if s.move == nil {
		return do()
	}
	return s.move(m, do)
}

// described is a harness whose secret is described as the function says.
func described(t *testing.T, change func(*store.Secret)) *harness {
	h := newHarness(t, kiwify(oauthtest.Settings{}))
	h.secrets = scripted{Secrets: h.secrets, describe: func(s store.Secret, err error) (store.Secret, error) {
		if err == nil {
			change(&s)
		}
		return s, err
	}}
	return h
}

// wantRefused runs all four steps, of which none may touch anything.
func wantRefused(t *testing.T, h *harness, code rotate.Code) {
	t.Helper()
	h.stageNew("new")
	r := h.start()
	h.aws.ResetCalls()
	for _, s := range rotate.Steps() {
		h.fails(r, s, code)
	}
	if n := h.writes() + h.aws.Count(awstest.GetSecretValue).Calls + h.provider.Total().TokenCalls; n != 0 {
		t.Errorf("%d calls that read or change", n)
	}
}

func preflightCases() []numbered {
	refusedEvent := func(events ...[]byte) func(t *testing.T) {
		return func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.aws.ResetCalls()
			for _, ev := range events {
				h.isError(h.invoke(context.Background(), ev), rotate.CodeEventInvalid)
			}
			if n := len(h.aws.Calls()); n != 0 {
				t.Errorf("%d calls of AWS", n)
			}
		}
	}
	return []numbered{
		{n: 1, says: "an unknown step is refused before any call", run: refusedEvent(
			event("create_secret", secretID, someToken), event("CreateSecret", secretID, someToken))},
		{n: 2, says: "a missing field is refused, one too many ignored", run: func(t *testing.T) {
			refusedEvent(event("", secretID, someToken), event("createSecret", "", someToken), event("createSecret", secretID, ""),
				[]byte(`null`), []byte(`[]`), []byte(`{`), []byte(`{"Step":1}`))(t)
			ev, err := rotate.ParseEvent([]byte(`{"Step":"setSecret","SecretId":"a","ClientRequestToken":"` + someToken + `","More":{"x":1},"step":"x"}`))
			if err != nil || ev.Step != rotate.SetSecret {
				t.Errorf("%v, %v", ev, err)
			}
		}},
		{n: 3, says: "a token has 32 to 64 characters", run: refusedEvent(
			event("createSecret", secretID, someToken[1:]), event("createSecret", secretID, strings.Repeat("a", 65)))},
		{n: 4, says: "a secret that is not ours is refused without a read", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			arn := h.secret().ARN
			_, err := h.aws.PutSecret("other/secret", "{}")
			h.must(err)
			other, _ := h.aws.Secret("other/secret")
			_, err = h.aws.PutSecret("oauth/Not/A/Connection", "{}")
			h.must(err)
			h.aws.ResetCalls()
			for _, id := range []string{"other/secret", other.ARN, strings.Replace(arn, awstest.Region, "us-east-1", 1),
				strings.Replace(arn, awstest.Account, "210987654321", 1),
				arn + "-extra", arn[:len(arn)-7], "oauth/Not/A/Connection", "arn:aws:ssm:" + awstest.Region + ":" + awstest.Account + ":parameter/oauth/x"} {
				err := h.invoke(context.Background(), event("createSecret", id, someToken))
				if e := (*rotate.Error)(nil); !errors.As(err, &e) || e.Code != rotate.CodeSecretNotAllowed && e.Code != rotate.CodeSecretNotFound {
					t.Errorf("%s: %v", id, err)
				}
			}
			if n := h.aws.Count(awstest.GetSecretValue).Calls + h.writes(); n != 0 {
				t.Errorf("%d calls that read or change", n)
			}
		}},
		{n: 5, says: "a secret whose rotation was never configured is refused", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			pending, err := h.aws.EmptyVersion(secretID)
			h.must(err)
			e := h.isError(h.invoke(context.Background(), event("createSecret", h.secret().ARN, pending)), rotate.CodeRotationDisabled)
			if !strings.Contains(e.Error(), "--rotation-lambda-arn "+lambdaARN) {
				t.Errorf("no command in %v", e)
			}
		}},
		{n: 6, says: "and one whose rotation was cancelled", run: func(t *testing.T) {
			wantRefused(t, described(t, func(s *store.Secret) { s.RotationOn = false }), rotate.CodeRotationDisabled)
		}},
		{n: 7, says: "a secret that is scheduled for deletion, managed, a replica or gone is refused", run: func(t *testing.T) {
			wantRefused(t, described(t, func(s *store.Secret) { s.Deleted = true }), rotate.CodeSecretDeleted)
			wantRefused(t, described(t, func(s *store.Secret) { s.OwningService = "rds" }), rotate.CodeSecretManaged)
			wantRefused(t, described(t, func(s *store.Secret) { s.PrimaryRegion = "eu-west-1" }), rotate.CodeSecretReplica)
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			h.must(h.aws.ScheduleDeletion(secretID))
			h.fails(r, rotate.CreateSecret, rotate.CodeSecretDeleted)
			h.must(h.aws.DropSecret(secretID))
			h.fails(r, rotate.CreateSecret, rotate.CodeSecretNotFound)
		}},
		{n: 8, says: "a version that is not shown yet is looked for again, within a bound", run: func(t *testing.T) {
			looks := 0
			var hide string
			h := described(t, func(s *store.Secret) {
				if looks++; looks == 1 {
					delete(s.Versions, hide)
				}
			})
			h.stageNew("new")
			r := h.start()
			hide = r.Token
			h.steps(r, rotate.CreateSecret)
			start := time.Now()
			r.Token = someToken
			h.fails(r, rotate.CreateSecret, rotate.CodeVersionNotStaged)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		}},
		{n: 9, says: "a version with other stages only is not pending", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			id := h.stageNew("new")
			r := h.start()
			before := h.secret().Stages
			r.Token = id
			for _, s := range rotate.Steps() {
				h.fails(r, s, rotate.CodeVersionNotPending)
			}
			h.wantStages(before)
		}},
		{n: 10, says: "other stages beside AWSPENDING do not matter", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			h.steps(r, rotate.CreateSecret)
			h.must(h.aws.MoveStage(secretID, "X", r.Token))
			h.must(h.aws.MoveStage(secretID, store.StageCandidate, r.Token))
			h.steps(r, rotate.CreateSecret, rotate.SetSecret, rotate.TestSecret, rotate.FinishSecret)
			h.wantStages(map[string]string{store.StageCurrent: r.Token, "X": r.Token, store.StageCandidate: "", store.StagePending: ""})
		}},
		{n: 11, says: "a version that is AWSCURRENT already has nothing to do", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.rotate()
			h.must(r.Err)
			h.aws.ResetCalls()
			asked := h.provider.Total().TokenCalls
			h.steps(r, rotate.CreateSecret, rotate.SetSecret, rotate.TestSecret)
			if h.writes() != 0 || h.provider.Total().TokenCalls != asked || h.aws.Count(awstest.PutParameter).Calls != 0 {
				t.Errorf("%d writes, %d token calls", h.writes(), h.provider.Total().TokenCalls-asked)
			}
		}},
		{n: 12, says: "a secret that names another function is refused, a qualifier does not matter", run: func(t *testing.T) {
			wantRefused(t, described(t, func(s *store.Secret) { s.RotationLambda = lambdaARN + "2" }), rotate.CodeWrongFunction)
			h := described(t, func(s *store.Secret) { s.RotationLambda = lambdaARN + ":live" })
			h.stageNew("new")
			h.must(h.rotate().Err)
			h = described(t, func(s *store.Secret) { s.RotationLambda = lambdaARN + "2" })
			h.function = "" // a local run
			h.stageNew("new")
			h.must(h.rotate().Err)
		}},
		{n: 13, says: "a throttled DescribeSecret is transient, a denied one is not tried again", run: func(t *testing.T) {
			h := newHarness(t, kiwify(oauthtest.Settings{}))
			h.stageNew("new")
			r := h.start()
			// Past the SDK's own retries, which this test leaves out.
			h.aws.Inject(awstest.Fault{Op: awstest.DescribeSecret, Effect: awstest.Throttled, Times: 2})
			for range 2 {
				if e := h.fails(r, rotate.CreateSecret, rotate.CodeAWSUnavailable); !e.Transient {
					t.Error("not transient")
				}
			}
			h.steps(r, rotate.CreateSecret)
			h.aws.Inject(awstest.Fault{Op: awstest.DescribeSecret, Effect: awstest.AccessDenied})
			h.aws.ResetCalls()
			h.fails(r, rotate.CreateSecret, rotate.CodeAccess)
			if n := h.aws.Count(awstest.DescribeSecret).Calls; n != 1 {
				t.Errorf("%d calls", n)
			}
		}},
		{n: 14, says: "without an AWSCURRENT, or with two, nothing is touched", run: func(t *testing.T) {
			drop := func(s *store.Secret) {
				for id, stages := range s.Versions {
					if len(stages) == 1 && stages[0] == store.StageCurrent {
						delete(s.Versions, id)
					}
				}
			}
			wantRefused(t, described(t, drop), rotate.CodeNoCurrent)
			wantRefused(t, described(t, func(s *store.Secret) { s.Versions["another"] = []string{store.StageCurrent} }), rotate.CodeNoCurrent)
		}},
	}
}
