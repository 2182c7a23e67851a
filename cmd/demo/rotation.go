package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// rotation is one rotation of a connection with the built rotator, while two programs go on using the token.
type rotation struct {
	*demo

	connection string
	driver     *awstest.Rotator
	readers    *readers
	started    *awstest.Rotation
	logs       string
	cut        func() // ends the invocation that runs, as a machine that fails does
}

// killTime is how long an invocation that is cut off may take to be gone.
const killTime = 10 * time.Second

// rotation stages nothing yet. The driver plays Secrets Manager: it makes the empty AWSPENDING version and invokes the four steps.
func (d *demo) rotation(ctx context.Context, connection string) *rotation {
	r := &rotation{demo: d, connection: connection, readers: newReaders(d.world, connection)}
	r.driver = &awstest.Rotator{
		World: d.world.aws, Function: rotatorARN,
		Invoke: r.invoke, RotationToken: oauth.NewSecret(rand.Text()),
	}
	r.watch(ctx, nil)
	return r
}

// watch has the readers call the API after every call that the function makes to AWS, while the function waits for the response.
func (r *rotation) watch(ctx context.Context, also func(awstest.Op)) {
	r.world.aws.AfterCall(func(op awstest.Op, _ string) {
		if also != nil {
			also(op)
		}
		r.readers.look(ctx, "after "+string(op))
	})
}

func (r *rotation) close() {
	r.world.aws.AfterCall(nil)
	r.readers.close()
}

// stage is put-secret-value with --version-stages CANDIDATE.
func (r *rotation) stage(c credential) (versionID string, err error) {
	document, err := json.Marshal(map[string]string{"client_id": c.id, "client_secret": c.secret.Reveal()})
	if err != nil {
		return "", err
	}
	r.say("  > put-secret-value --secret-id %s%s --version-stages CANDIDATE   (client_id %s and its client_secret, nothing else)", secretPrefix, r.connection, c.id)
	return r.world.aws.StageSecret(secretPrefix+r.connection, store.StageCandidate, string(document))
}

// start is rotate-secret.
func (r *rotation) start(ctx context.Context) (err error) {
	r.readers.look(ctx, "before the rotation")
	r.say("  > rotate-secret --secret-id %s%s   (Secrets Manager invokes chaveiro-rotator, step by step)", secretPrefix, r.connection)
	r.started, err = r.driver.Start(secretPrefix + r.connection)
	return err
}

// try is one try of the whole process, as Secrets Manager makes several.
func (r *rotation) try(ctx context.Context) error {
	r.started.Try(ctx)
	r.readers.look(ctx, "after the try")
	r.showStages()
	calls, refused := r.readers.count()
	r.say("    the two programs have called the API %d times so far, before, during and after every step: %d refused", calls, refused)
	if strings.Contains(r.logs, r.driver.RotationToken.Reveal()) {
		return errors.New("the rotation token stands in the function's log")
	}
	return r.searchLogs(r.logs)
}

// invoke sends the event of one step to the built function and prints the outcome.
func (r *rotation) invoke(ctx context.Context, event []byte) error {
	var step struct{ Step string }
	if err := json.Unmarshal(event, &step); err != nil {
		return err
	}
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	gone := make(chan struct{})
	defer close(gone)
	r.cut = func() {
		cut()
		select { // Secrets Manager's answer never arrives
		case <-gone:
		case <-time.After(killTime):
		}
	}
	r.readers.look(ctx, "before "+step.Step)
	from := r.now()
	answer, err := r.rotator.Invoke(ctx, event)
	took := r.now().Sub(from).Milliseconds()
	r.logs += answer.Logs
	r.readers.look(context.WithoutCancel(ctx), "after "+step.Step)
	var failed *lambdatest.FunctionError
	switch {
	case err == nil:
		r.say("    %-13s %4d ms  %s", step.Step, took, did(rotate.Step(step.Step), answer.Logs))
		return nil
	case errors.As(err, &failed):
		r.sayIn(red, "FAILED", "    %-13s %4d ms  FAILED. The function returns:", step.Step, took)
		r.say("      %s", failed.Message)
		return errors.New(failed.Message)
	default:
		r.say("    %-13s          CUT OFF: the process is killed", step.Step)
		return err
	}
}

// did is what a step did, from its log.
func did(step rotate.Step, logs string) string {
	words := map[rotate.EventKind]string{
		rotate.EventPending: "the credentials are merged into the document, as AWSPENDING", rotate.EventTested: "the provider accepts the credentials",
		rotate.EventPromoted: "AWSCURRENT moves to it", rotate.EventPublished: "the test's token is published",
	}
	var told []string
	for line := range strings.Lines(logs) {
		var entry struct{ Message rotate.EventKind }
		if json.Unmarshal([]byte(line), &entry) == nil && words[entry.Message] != "" {
			told = append(told, words[entry.Message])
		}
	}
	switch {
	case len(told) > 0:
		return strings.Join(told, "; ")
	case step == rotate.SetSecret:
		return "nothing to do: a person made the credentials in the panel"
	default:
		return "nothing to do: its version is AWSCURRENT already"
	}
}

// showStages prints the client_id of each stage. A client_id is no secret.
func (r *rotation) showStages() {
	var all []string
	for _, stage := range []string{store.StageCurrent, store.StagePrevious, store.StagePending, store.StageCandidate, store.StageRejected} {
		if id := r.client(stage); id != "" {
			all = append(all, stage+" "+id)
		}
	}
	r.say("    stages now: %s", strings.Join(all, ", "))
}

// client is the client_id in the version with a stage, "" when no version has it.
func (r *rotation) client(stage string) string {
	s, _ := r.world.aws.Secret(secretPrefix + r.connection)
	if s.Stages[stage] == "" {
		return ""
	}
	var document struct {
		ClientID string `json:"client_id"`
	}
	if json.Unmarshal([]byte(s.Version(stage).Value.Reveal()), &document) != nil || document.ClientID == "" {
		return "(no value)"
	}
	return document.ClientID
}

// version is the id of the version with a stage.
func (r *rotation) version(stage string) string {
	s, _ := r.world.aws.Secret(secretPrefix + r.connection)
	return s.Stages[stage]
}

// publishedBy is the id of the version whose token is published.
func (r *rotation) publishedBy() string {
	token := r.world.state(r.connection).Token
	if token == nil {
		return ""
	}
	return token.Credential
}

// ended is the code of the error that the last try ended with, "" when it succeeded.
func (r *rotation) ended() rotate.Code {
	if r.started.Err == nil {
		return ""
	}
	code, _, _ := strings.Cut(r.started.Err.Error(), ":")
	return rotate.Code(code)
}

// promoted stages good credentials, which become AWSCURRENT.
func (d *demo) promoted(ctx context.Context) error {
	w := d.world
	d.chapter("New Hotmart credentials are staged and rotated in, while programs use the token")
	d.say("  Hotmart has no API for client credentials: a person makes them in the panel. The rotation tests them before they become AWSCURRENT.")
	r := d.rotation(ctx, shop)
	defer r.close()
	before := r.client(store.StageCurrent)
	staged := newCredential(w.hotmart, "loja-a-client-3", "")
	if _, err := r.stage(staged); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("the new credentials are AWSCURRENT, the ones before are AWSPREVIOUS", r.started.Err == nil && r.client(store.StageCurrent) == staged.id && r.client(store.StagePrevious) == before)
	d.expect("AWSPENDING and CANDIDATE are gone: the next rotation can begin", r.version(store.StagePending) == "" && r.version(store.StageCandidate) == "")
	d.expect("the published token was issued to the new credentials, and works", r.publishedBy() == r.started.Token && d.valid(shop))
	d.expect("it is the token of the last test: two tests, two tokens, and no others", w.hotmart.Stats(staged.id).Minted == 2)
	d.expect("no program was refused while the credentials changed", r.readers.served(10, d.say))
	return nil
}

// rejected stages credentials whose client_secret came from another panel.
func (d *demo) rejected(ctx context.Context) error {
	w := d.world
	d.chapter("Bad credentials are staged: they never become AWSCURRENT")
	r := d.rotation(ctx, shop)
	defer r.close()
	current := r.version(store.StageCurrent)
	bad := newCredential(w.hotmart, "loja-a-client-4", "")
	bad.secret = oauth.NewSecret(rand.Text()) // copied badly
	candidate, err := r.stage(bad)
	if err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("the provider rejects them in the test, and the message says what to do next", r.ended() == rotate.CodeRejected && strings.Contains(r.started.Err.Error(), "AWSCURRENT works and stays"))
	d.expect("AWSCURRENT is untouched, and its token published", r.version(store.StageCurrent) == current && r.publishedBy() == current && d.valid(shop))
	d.expect("AWSPENDING is gone: the next rotation can begin", r.version(store.StagePending) == "")
	d.expect("the staged version has the stage REJECTED, and no longer CANDIDATE", r.version(store.StageRejected) == candidate && r.version(store.StageCandidate) == "")
	d.expect("no program was refused", r.readers.served(10, d.say))
	return nil
}

// rolledBack stages credentials that pass their tests and are deleted right after, while the function is killed as well.
func (d *demo) rolledBack(ctx context.Context) error {
	w := d.world
	d.chapter("Kiwify credentials pass their tests and are deleted right after the promotion, and the function is killed too")
	r := d.rotation(ctx, course)
	defer r.close()
	before, token := r.version(store.StageCurrent), d.value(course, store.KindToken)
	staged := newCredential(w.kiwify, "main-client-2", "acc-main")
	if _, err := r.stage(staged); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	r.killAfterPromotion(ctx, w.kiwify, staged.id)
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("the deleted credentials are AWSCURRENT, and their token was not published: the worst moment", r.version(store.StageCurrent) == r.started.Token && d.value(course, store.KindToken) == token)
	d.say("  The function held the lease of %s, which ends five seconds after its deadline. The demo moves that end into the past.", course)
	if err := w.endLease(course, d.now()); err != nil {
		return err
	}
	d.say("  Secrets Manager tries the whole rotation again, by itself. In a new process the function finds its version as AWSCURRENT and unpublished. It requests a token and is refused.")
	r.watch(ctx, nil)
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("the retry rolls back, and says so", r.ended() == rotate.CodeRolledBack)
	d.expect("AWSCURRENT is the version of before, which was tested first", r.version(store.StageCurrent) == before)
	d.expect("the deleted credentials are REJECTED and not AWSPREVIOUS: no standby uses them", r.version(store.StageRejected) == r.started.Token && r.version(store.StagePrevious) != r.started.Token)
	d.expect("the published token was issued to the version of before, and is a new one", r.publishedBy() == before && d.valid(course) && d.value(course, store.KindToken) != token)
	d.say("  And once more, as Secrets Manager does:")
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("a further try changes nothing: the deleted credentials do not come back", r.ended() == rotate.CodeVersionNotPending && r.version(store.StageCurrent) == before)
	d.expect("no program was refused through all of it", r.readers.served(20, d.say))
	return d.afterwards(ctx)
}

// killAfterPromotion deletes a client in the panel and kills the function, once AWSCURRENT is on the version of the rotation.
func (r *rotation) killAfterPromotion(ctx context.Context, p *oauthtest.Provider, client string) {
	done := false
	r.watch(ctx, func(op awstest.Op) {
		if op == awstest.UpdateSecretVersionStage && !done && r.version(store.StageCurrent) == r.started.Token {
			done = true
			p.Remove(client)
			r.say("    (AWSCURRENT has moved. Now somebody deletes the new credentials in Kiwify's panel, and the process of the function is killed.)")
			r.cut()
		}
	})
}

// afterwards shows that the rotations left the refresher nothing to do.
func (d *demo) afterwards(ctx context.Context) error {
	d.say("\n  Then the schedule fires again.")
	result, _, err := d.invoke(ctx)
	if err != nil {
		return err
	}
	d.expect("the refresher has nothing to do: the published tokens are those of AWSCURRENT", fmt.Sprint(result.Counts.Fresh, result.Counts.Failed, result.Counts.Refreshed) == "3 0 0")
	return nil
}
