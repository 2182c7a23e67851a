package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// rotated is the connection whose pair is rotated.
const rotated = "tenant-42/main"

// rotations is an installation in which rotations happen: the rotator of the template's stack, wired as functions/rotator is, over the real SDK,
// with awstest's part of Secrets Manager. It belongs into a synctest bubble.
type rotations struct {
	t        *testing.T
	stack    *stack
	aws      *awstest.World
	provider *oauthtest.Provider
	driver   *awstest.Rotator
	made     time.Time

	rotate  rotate.Config
	refresh refresh.Config
	report  *report.Reporter
	out     bytes.Buffer // what the function prints
	lost    bool         // invocations are cut off before they do anything
}

// kind is a provider with its document beside the pair.
type kind struct {
	id   string // of the catalogue
	make func(oauthtest.Options) *oauthtest.Provider
	more string
}

var (
	rotatesKiwify  = kind{"kiwify", oauthtest.Kiwify, ""}
	rotatesGeneric = kind{"generic", oauthtest.Generic, `,"token_endpoint":"https://auth.example.com/oauth/token"`}
)

// newRotations has one connection with the pair "old", and no token yet.
func newRotations(t *testing.T, s *stack, k kind) *rotations {
	t.Helper()
	env := mapping(at(s.properties("RotatorFunction"), "Environment", "Variables"))
	tokenTime, err := time.ParseDuration(text(env["TOKEN_TIMEOUT"]))
	must(t, err)
	period, err := time.ParseDuration(text(env["SCHEDULE_PERIOD"]))
	must(t, err)
	r := &rotations{t: t, stack: s, aws: new(awstest.World), provider: k.make(oauthtest.Options{})}
	r.made = r.now()
	r.report = report.New(report.Config{Out: &r.out, Stack: text(env["STACK_NAME"])})
	catalogue, err := provider.Load()
	must(t, err)
	client, err := oauth.New(oauth.Config{Transport: oauthtest.NewNetwork(r.provider), Timeout: tokenTime})
	must(t, err)
	prefix := text(env["SECRET_PREFIX"])
	versions, err1 := smsecret.NewVersions(smsecret.VersionsConfig{Client: r.aws.SecretsManager()})
	secrets, err2 := smsecret.New(smsecret.Config{Client: r.aws.SecretsManager(), Prefix: prefix})
	parameters, err3 := ssmstore.New(ssmstore.Config{Client: r.aws.SSM(), Prefix: text(env["PARAMETER_PREFIX"]), KMSKeyID: text(env["KMS_KEY_ID"])})
	must(t, errors.Join(err1, err2, err3))
	function := s.attribute("RotatorFunction", "Arn")
	r.refresh = refresh.Config{Secrets: secrets, Parameters: parameters, Exchanger: client, Catalogue: catalogue, SecretPrefix: prefix, Region: awstest.Region,
		TokenTimeout: tokenTime, Period: period}
	r.rotate = rotate.Config{Secrets: versions, Exchanger: client, Catalogue: catalogue, SecretPrefix: prefix, Region: awstest.Region, FunctionARN: function,
		VerifyCall: oauthtest.NewNetwork(r.provider)}
	r.driver = &awstest.Rotator{World: r.aws, Function: function, Invoke: r.invoke, StepTime: s.rotatorTime()}
	r.client("old")
	_, err = r.aws.PutSecret(prefix+rotated, `{"provider":"`+k.id+`",`+pairOf("old")+k.more+`}`)
	must(t, err)
	return r
}

// rotatorTime is the rotator's Timeout.
func (s *stack) rotatorTime() time.Duration {
	return time.Duration(s.number(s.properties("RotatorFunction")["Timeout"])) * time.Second
}

func (r *rotations) now() time.Time { return time.Now().UTC() }

func (r *rotations) secret() string { return r.rotate.SecretPrefix + rotated }

func (r *rotations) parameter(kind refresh.Kind) string {
	return text(at(r.stack.properties("RotatorFunction"), "Environment", "Variables", "PARAMETER_PREFIX")) + "/" + rotated + "/" + string(kind)
}

// client makes a pair at the provider.
func (r *rotations) client(id string) {
	r.provider.Add(oauthtest.Client{ID: "client-" + id, Secret: oauth.NewSecret("secret-of-" + id + "-0123456789"), AccountID: "store-main"})
}

// pairOf are the two fields of a pair, whether or not the provider knows it.
func pairOf(id string) string {
	return fmt.Sprintf(`"client_id":"client-%s","client_secret":"secret-of-%s-0123456789"`, id, id)
}

// invoke is functions/rotator.
func (r *rotations) invoke(ctx context.Context, event []byte) error {
	if r.lost {
		return errors.New("Task timed out")
	}
	return r.handle(ctx, event)
}

func (r *rotations) handle(ctx context.Context, event []byte) error {
	run := r.report.Run("request")
	ev, err := rotate.ParseEvent(event)
	if err == nil {
		cfg, seam := r.rotate, r.refresh
		cfg.Observe, seam.Observe = run.ObserveRotation, run.Observe
		refresher, wrong := refresh.New(seam)
		must(r.t, wrong)
		cfg.Publisher = refresher
		rotator, wrong := rotate.New(cfg)
		must(r.t, wrong)
		err = rotator.Handle(ctx, ev)
	}
	run.RotationDone(ev.Step, err)
	return err
}

// stage puts a pair as CANDIDATE.
func (r *rotations) stage(id string) {
	r.t.Helper()
	_, err := r.aws.StageSecret(r.secret(), refresh.StageCandidate, "{"+pairOf(id)+"}")
	must(r.t, err)
}

// run is RotateSecret with all that follows. It wants an end: the code of the last step's error, "" for success.
func (r *rotations) run(code rotate.Code) *awstest.Rotation {
	r.t.Helper()
	done, err := r.driver.Rotate(r.t.Context(), r.secret())
	must(r.t, err)
	r.wantEnd(done.Err, code)
	return done
}

func (r *rotations) wantEnd(err error, code rotate.Code) {
	r.t.Helper()
	var e *rotate.Error
	switch {
	case code == "" && err != nil, code != "" && (!errors.As(err, &e) || e.Code != code):
		r.t.Fatalf("it ended with %v, want %q", err, code)
	}
}

// succeeded rotates to a pair that works.
func (r *rotations) succeeded(id string) *awstest.Rotation {
	r.t.Helper()
	r.client(id)
	r.stage(id)
	return r.run("")
}

// refused rotates to a pair that the provider does not know. The first try is told the refusal, later ones that the rotation is over.
func (r *rotations) refused() *awstest.Rotation {
	r.t.Helper()
	r.stage("unknown")
	done := r.run(rotate.CodeVersionNotStaged)
	if !strings.Contains(r.out.String(), string(rotate.CodeRejected)) {
		r.t.Fatalf("nothing was refused:\n%s", r.out.String())
	}
	return done
}

// cutOff rotates to a good pair; after the promotion SSM does not take its token.
func (r *rotations) cutOff(id string) *awstest.Rotation {
	r.t.Helper()
	r.client(id)
	r.stage(id)
	rotation, err := r.driver.Start(r.secret())
	must(r.t, err)
	for _, step := range []rotate.Step{rotate.CreateSecret, rotate.SetSecret, rotate.TestSecret} {
		must(r.t, rotation.Step(r.t.Context(), string(step)))
	}
	mend := r.aws.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.InternalError})
	r.wantEnd(rotation.Step(r.t.Context(), string(rotate.FinishSecret)), rotate.CodeNotPublished)
	mend()
	return rotation
}

// published reports whether readers have a token of a client, and the provider takes it.
func (r *rotations) published(id string) bool {
	p, _ := r.aws.Parameter(r.parameter(refresh.KindToken))
	known, _ := r.provider.Inspect(p.Value.Reveal())
	return known.Live && known.ClientID == "client-"+id
}
