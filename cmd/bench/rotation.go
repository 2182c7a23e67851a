package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/publish"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

//go:embed today/rotate.py
var rotateScript []byte

const (
	// maxStepRatio is the most that a step may cost of what one of AWS's template costs: twelve times less.
	maxStepRatio = 1.0 / 12
	rotatorARN   = "arn:aws:lambda:" + region + ":" + awstest.Account + ":function:bench-rotator"
)

// stepsOf is how many invocations a rotation is.
var stepsOf = len(rotate.Steps())

// measureRotation measures the CPU of a warm step of a rotation, all four of them on average, against AWS's template in Python. Both rotate a
// staged pair that works; ours tests it twice and publishes its token too. What is judged is in process: the requests get recorded answers,
// in Python as well. Over loopback both pay for the kernel beside their own work.
func measureRotation(ctx context.Context, b *bench) ([]row, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	b.say("measuring CPU of a rotation's steps")
	t, fewer := task{tokens: 80 * stepsOf, passes: 3}, task{tokens: 10 * stepsOf, passes: 1}
	wire := []rival{{name: "rotator", argv: t.argv(self, "rotator"), task: t, every: 1}}
	tape := []rival{{name: "rotator", argv: t.argv(self, "in-process/rotator"), task: t, every: 1}}
	if b.python != "" {
		script, err := b.script("rotate.py", rotateScript)
		if err != nil {
			return nil, err
		}
		python := func(name, client, answers string) rival {
			argv := []string{b.python, script, strconv.Itoa(fewer.tokens), strconv.Itoa(fewer.passes), client, answers}
			return rival{name: name, argv: argv, task: fewer, every: 2}
		}
		const template, once = "AWS's template in Python", "the same with one client for all steps"
		wire = append(wire, python(template, "each", "wire"), python(once, "once", "wire"))
		tape = append(tape, python(template, "each", "tape"), python(once, "once", "tape"))
	}
	for round := range b.rounds(8, 2) {
		for _, field := range [][]rival{tape, wire} {
			for i := range field {
				r := &field[(i+round)%len(field)]
				if round%r.every != 0 {
					continue
				}
				if err := r.rotate(ctx, r.name == "rotator"); err != nil {
					return nil, fmt.Errorf("%s: %w", r.name, err)
				}
			}
		}
	}
	return append(rotationRows("in process", tape, true), rotationRows("over loopback", wire, false)...), nil
}

// rotationRows compare ours with the template. Without Python there is nothing to compare with.
func rotationRows(where string, field []rival, judged bool) []row {
	rows := []row{{Measure: "CPU per step of a rotation, " + where, Value: field[0].spent.least(), Unit: "µs", Spread: field[0].spent.spread()}}
	if len(field) == 1 {
		return rows
	}
	template := &floor{field[1].spent.least(), field[1].name}
	rows[0].Floor = template
	if judged {
		rows[0].Limit = &limit{Most: maxStepRatio, OfRatio: true}
	}
	for i, r := range field {
		if i < 2 {
			continue // ours and the template
		}
		rows = append(rows, row{Measure: "  beside it: " + r.name, Value: r.spent.least(), Unit: "µs", Spread: r.spent.spread(), Floor: template})
	}
	return rows
}

// rotate runs the contestant on a new account in which every tenant's rotation has begun, and looks whether it did its work. One that runs our
// own fakes in process looks itself.
func (r *rival) rotate(ctx context.Context, ours bool) error {
	s, err := openOnLoopback(rotationsOf(r.task))
	if err != nil {
		return err
	}
	defer s.closeAll()
	if err := s.beginRotations(ctx); err != nil {
		return err
	}
	spent, err := contest(ctx, r.argv, s.environment(), r.task)
	if err != nil {
		return err
	}
	r.spent = append(r.spent, spent...)
	switch last := r.argv[len(r.argv)-1]; last {
	case "in-process/rotator":
		return nil
	case "tape":
		return s.checkRotations(rotationsOf(task{tokens: r.task.tokens}), false)
	default:
		return s.checkRotations(s.tenants, ours)
	}
}

// rotationsOf is how many rotations there are in all passes of a task, whose unit is a step.
func rotationsOf(t task) int { return t.tokens / stepsOf * (t.passes + 1) }

// versionOf is the id of the version that the i-th tenant's rotation is about.
func versionOf(i int) string { return fmt.Sprintf("%032d", i) }

// beginRotations stages client credentials for every tenant and makes the empty AWSPENDING version, as RotateSecret does. The item of every
// tenant says that a token was published for its configuration, without which nothing is laid over AWSCURRENT.
func (s *stage) beginRotations(ctx context.Context) error {
	s.aws.AllowRotation(rotatorARN)
	states, err := dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: s.aws}, Table: awstest.StateTable})
	if err != nil {
		return err
	}
	for i := range s.tenants {
		name := secretPrefix + connectionID(s.provider.Name(), i)
		secret, _ := s.aws.Secret(name)
		configuration, err := connection.Configuration(secret.Version(store.StageCurrent).Value)
		if err != nil {
			return err
		}
		if _, err := states.Update(ctx, lifecycle.State{ID: connectionID(s.provider.Name(), i), Configuration: configuration}); err != nil {
			return err
		}
		client := oauthtest.Client{ID: fmt.Sprintf("new-client-%05d", i), Secret: oauth.NewSecret(fmt.Sprintf("new-secret-%05d", i))}
		s.provider.Add(client)
		pair, err := json.Marshal(map[string]string{"client_id": client.ID, "client_secret": client.Secret.Reveal()})
		if err != nil {
			return err
		}
		if _, err := s.aws.StageSecret(name, store.StageCandidate, string(pair)); err != nil {
			return err
		}
		if _, err := s.aws.SecretsManager().RotateSecret(ctx, &secretsmanager.RotateSecretInput{
			SecretId: &name, ClientRequestToken: aws.String(versionOf(i)), RotationLambdaARN: aws.String(rotatorARN),
		}); err != nil {
			return err
		}
	}
	return nil
}

// checkRotations reports whether exactly the first n rotations have ended with their pair live, and their token published if that is part of
// the work.
func (s *stage) checkRotations(n int, published bool) error {
	live := 0
	for i := range s.tenants {
		secret, _ := s.aws.Secret(secretPrefix + connectionID(s.provider.Name(), i))
		if secret.Stages[store.StageCurrent] == versionOf(i) && secret.Stages[store.StagePending] == "" && (i < n || n == s.tenants) {
			live++
		}
	}
	var faults []error
	if live != n {
		faults = append(faults, fmt.Errorf("%d of %d rotations ended with the new pair live", live, n))
	}
	if got := s.served(); published && got != n {
		faults = append(faults, fmt.Errorf("%d of %d tenants have a token that the provider takes", got, n))
	}
	return errors.Join(faults...)
}

// rotator is what functions/rotator builds.
type rotator struct {
	*refresher

	rotates *rotate.Rotator
}

// step does what the function does with the event of one step.
func (r *rotator) step(ctx context.Context, event []byte) error {
	ctx, cancel := context.WithTimeout(ctx, lambdaTimeout)
	defer cancel()
	run := r.reporter.Run(requestID)
	ev, err := rotate.ParseEvent(event)
	if err != nil {
		return err
	}
	err = r.rotates.Handle(ctx, ev, rotate.Invocation{RequestID: requestID, FunctionARN: rotatorARN, Observe: run.ObserveRotation})
	run.RotationDone(ev.Step, err)
	return err
}

func newRotator(w wiring) (*rotator, error) {
	r, err := newRefresher(w)
	if err != nil {
		return nil, err
	}
	rotates, err := rotate.New(rotate.Config{
		Secrets: r.stores.Versions, Leases: r.stores.States, States: r.stores.States,
		Publisher: publish.New(r.stores.Parameters, publish.NewPacer(r.config.MaxWritesPerSecond, nil)),
		Requester: r.config.Requester, Catalogue: r.config.Catalogue, SecretPrefix: secretPrefix, Region: region, AllowLoopback: true,
	})
	return &rotator{refresher: r, rotates: rotates}, err
}

// tenants rotates the pairs of n of them, from a first one on.
func (r *rotator) tenants(ctx context.Context, first, n int) error {
	for i := first; i < first+n; i++ {
		for _, step := range rotate.Steps() {
			event := fmt.Sprintf(`{"Step":%q,"SecretId":%q,"ClientRequestToken":%q}`, step, secretPrefix+connectionID("hotmart", i), versionOf(i))
			if err := r.step(ctx, []byte(event)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rotatorPasses rotates the pairs of other tenants in each pass, over real connections to the addresses in the environment.
func rotatorPasses(ctx context.Context, t task) (samples, error) {
	config, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	logs, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	r, err := newRotator(wiring{aws: config, logs: logs, change: unpaced})
	if err != nil {
		return nil, err
	}
	n, next := t.tokens/stepsOf, 0
	return timed(t, func() error {
		err := r.tenants(ctx, next, n)
		next += n
		return err
	})
}

// rotatorTapePasses rotates in process. The first rotation of each tenant is recorded; those that are measured ask the same and get the same
// answers, in the same order.
func rotatorTapePasses(ctx context.Context, t task) (samples, error) {
	n := t.tokens / stepsOf
	s, err := newStage(oauthtest.Hotmart(oauthtest.Options{}), n, "")
	if err != nil {
		return nil, err
	}
	if err := s.beginRotations(ctx); err != nil {
		return nil, err
	}
	stores, endpoints := newTape(s.aws.Transport()), newTape(network(s.provider))
	stores.inTurn, endpoints.inTurn = true, true
	config := s.aws.Config()
	config.HTTPClient = &http.Client{Transport: stores}
	logs, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	r, err := newRotator(wiring{aws: config, network: endpoints, logs: logs, change: unpaced})
	if err != nil {
		return nil, err
	}
	if err := r.tenants(ctx, 0, n); err != nil {
		return nil, err
	}
	if err := s.checkRotations(n, true); err != nil {
		return nil, err
	}
	stores.playing.Store(true)
	endpoints.playing.Store(true)
	return timed(t, func() error { return r.tenants(ctx, 0, n) })
}
