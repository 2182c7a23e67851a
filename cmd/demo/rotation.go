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
	cut        func() // ends the invocation that runs, as a machine that dies does
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

// watch has the readers call the API after every call that the function makes to AWS, while the function waits for its answer.
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

// stage is what a person types: put-secret-value with --version-stages CANDIDATE.
func (r *rotation) stage(c credential) (versionID string, err error) {
	pair, err := json.Marshal(map[string]string{"client_id": c.id, "client_secret": c.secret.Reveal()})
	if err != nil {
		return "", err
	}
	r.say("  > put-secret-value --secret-id %s%s --version-stages CANDIDATE   (client_id %s and its client_secret, nothing else)", secretPrefix, r.connection, c.id)
	return r.world.aws.StageSecret(secretPrefix+r.connection, store.StageCandidate, string(pair))
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
	r.showLabels()
	calls, refused := r.readers.count()
	r.say("    the two programs have called the API %d times so far, before, during and after every step: %d refused", calls, refused)
	if strings.Contains(r.logs, r.driver.RotationToken.Reveal()) {
		return errors.New("the rotation token stands in the function's log")
	}
	return r.searchLogs(r.logs)
}

// invoke sends the event of one step to the built function and tells what came of it.
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
		r.say("    %-13s %4d ms  FAILED. What the function says:", step.Step, took)
		r.say("      %s", failed.Message)
		return errors.New(failed.Message)
	default:
		r.say("    %-13s          CUT OFF: the process is killed", step.Step)
		return err
	}
}

// did is what a step that went well says it did, from its log.
func did(step rotate.Step, logs string) string {
	words := map[rotate.EventKind]string{
		rotate.EventPending: "the pair is laid over the document, as AWSPENDING", rotate.EventTested: "the provider takes the pair",
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
		return "nothing to do: a person has made the pair in the panel"
	default:
		return "nothing to do: its version is AWSCURRENT already"
	}
}

// showLabels prints whose pair each label of the secret is on. A client_id is no secret.
func (r *rotation) showLabels() {
	var all []string
	for _, label := range []string{store.StageCurrent, store.StagePrevious, store.StagePending, store.StageCandidate, store.StageRejected} {
		if id := r.client(label); id != "" {
			all = append(all, label+" "+id)
		}
	}
	r.say("    labels now: %s", strings.Join(all, ", "))
}

// client is the client_id in the version with a label, "" when no version has it.
func (r *rotation) client(label string) string {
	s, _ := r.world.aws.Secret(secretPrefix + r.connection)
	if s.Stages[label] == "" {
		return ""
	}
	var document struct {
		ClientID string `json:"client_id"`
	}
	if json.Unmarshal([]byte(s.Version(label).Value.Reveal()), &document) != nil || document.ClientID == "" {
		return "(no value)"
	}
	return document.ClientID
}

// label is the id of the version with a label.
func (r *rotation) label(label string) string {
	s, _ := r.world.aws.Secret(secretPrefix + r.connection)
	return s.Stages[label]
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

// promoted stages a good pair and has it go live.
func (d *demo) promoted(ctx context.Context) error {
	w := d.world
	d.chapter("A new Hotmart pair is staged and rotated in, while programs use the token")
	d.say("  Hotmart has no interface for making pairs: a person makes one in the panel. What the rotation adds is that it goes live only after it has proved itself.")
	r := d.rotation(ctx, shop)
	defer r.close()
	before := r.client(store.StageCurrent)
	pair := newCredential(w.hotmart, "loja-a-client-3", "")
	if _, err := r.stage(pair); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("the new pair is AWSCURRENT, the one before is AWSPREVIOUS", r.started.Err == nil && r.client(store.StageCurrent) == pair.id && r.client(store.StagePrevious) == before)
	d.expect("AWSPENDING and CANDIDATE are gone: the next rotation can begin", r.label(store.StagePending) == "" && r.label(store.StageCandidate) == "")
	d.expect("the published token comes from the new pair, and works", r.publishedBy() == r.started.Token && d.valid(shop))
	d.expect("it is the one of the last test: two tests, two tokens, and none beside them", w.hotmart.Stats(pair.id).Minted == 2)
	d.expect("no program was refused while the pair changed", r.readers.served(10, d.say))
	return nil
}

// refused stages a pair whose client_secret came from another panel.
func (d *demo) refused(ctx context.Context) error {
	w := d.world
	d.chapter("A bad pair is staged: it never goes live")
	r := d.rotation(ctx, shop)
	defer r.close()
	current := r.label(store.StageCurrent)
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
	d.expect("the provider refuses it in the test, and the message says what to do next", r.ended() == rotate.CodeRejected && strings.Contains(r.started.Err.Error(), "AWSCURRENT works and stays"))
	d.expect("AWSCURRENT is untouched, and its token published", r.label(store.StageCurrent) == current && r.publishedBy() == current && d.valid(shop))
	d.expect("AWSPENDING is gone: nobody has to clean up before the next rotation", r.label(store.StagePending) == "")
	d.expect("the staged version is labelled REJECTED, and no longer CANDIDATE", r.label(store.StageRejected) == candidate && r.label(store.StageCandidate) == "")
	d.expect("no program noticed the bad pair", r.readers.served(10, d.say))
	return nil
}

// rolledBack stages a pair that passes its tests and dies, in the moment in which the function is cut off as well.
func (d *demo) rolledBack(ctx context.Context) error {
	w := d.world
	d.chapter("A Kiwify pair passes its tests and dies right after it went live, and the function is cut off too")
	r := d.rotation(ctx, course)
	defer r.close()
	before, token := r.label(store.StageCurrent), d.value(course, store.KindToken)
	pair := newCredential(w.kiwify, "main-client-2", "acc-main")
	if _, err := r.stage(pair); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	r.killAfterPromotion(ctx, w.kiwify, pair.id)
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("the dead pair is AWSCURRENT, its token was not published: the worst moment", r.label(store.StageCurrent) == r.started.Token && d.value(course, store.KindToken) == token)
	d.say("  The function held the lease of %s, which ends five seconds after its deadline. That time passes here at once.", course)
	if err := w.endLease(course, d.now()); err != nil {
		return err
	}
	d.say("  Secrets Manager tries the whole rotation again, by itself. In a new process the function finds its version live and unpublished, asks for a token, and is refused.")
	r.watch(ctx, nil)
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("the retry rolls back, and says so", r.ended() == rotate.CodeRolledBack)
	d.expect("AWSCURRENT is the pair of before, which proved itself first", r.label(store.StageCurrent) == before)
	d.expect("the dead pair is REJECTED and not AWSPREVIOUS: nothing falls back to it", r.label(store.StageRejected) == r.started.Token && r.label(store.StagePrevious) != r.started.Token)
	d.expect("the published token comes from the pair of before, and is a new one", r.publishedBy() == before && d.valid(course) && d.value(course, store.KindToken) != token)
	d.say("  And once more, as Secrets Manager does:")
	if err := r.try(ctx); err != nil {
		return err
	}
	d.expect("a further try changes nothing: the bad pair does not come back", r.ended() == rotate.CodeVersionNotPending && r.label(store.StageCurrent) == before)
	d.expect("no program was refused through all of it", r.readers.served(20, d.say))
	return d.afterwards(ctx)
}

// killAfterPromotion deletes a client in the panel and cuts the function off, once AWSCURRENT is on the version of the rotation.
func (r *rotation) killAfterPromotion(ctx context.Context, p *oauthtest.Provider, client string) {
	done := false
	r.watch(ctx, func(op awstest.Op) {
		if op == awstest.UpdateSecretVersionStage && !done && r.label(store.StageCurrent) == r.started.Token {
			done = true
			p.Remove(client)
			r.say("    (AWSCURRENT has moved. In this moment somebody deletes the new pair in Kiwify's panel, and the machine under the function dies)")
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
	d.expect("the refresher has nothing to do: what the rotations published is of AWSCURRENT", fmt.Sprint(result.Counts.Fresh, result.Counts.Failed, result.Counts.Refreshed) == "3 0 0")
	return nil
}
