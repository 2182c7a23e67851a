package awstest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Rotator plays Secrets Manager's own part of a rotation, in process: it makes the empty AWSPENDING version, invokes the rotation function with
// the four steps, tries the whole process again when a step fails, and takes AWSPENDING off when finishSecret has succeeded. What the service
// does is from its documentation and from what was recorded against AWS; how often and how far apart it tries again is not documented.
type Rotator struct {
	World *World
	// Function is the ARN of the rotation function. Rotator lets Secrets Manager invoke it.
	Function string
	// Invoke calls the function with the event of one step. Its error is a failed step; nothing else of its answer counts.
	Invoke func(ctx context.Context, event []byte) error

	Tries         int           // of the whole process; 0 means 5
	Pause         time.Duration // between two tries; 0 means a minute
	StepTime      time.Duration // deadline of one invocation, as the function's time-out; 0 means a minute
	RotationToken oauth.Secret  // in every event; zero means a made-up one
}

// RotationEvent is one event that Secrets Manager writes to CloudTrail about a rotation.
type RotationEvent struct {
	Name      string // RotationStarted, RotationSucceeded, RotationFailed, RotationAbandoned, TestRotationStarted, …Succeeded, …Failed
	SecretARN string
	Message   string // errorMessage of a failure
}

// Detail is the event as EventBridge delivers it, detail-type "AWS Service Event via CloudTrail".
func (e RotationEvent) Detail() ([]byte, error) {
	detail := map[string]any{
		"eventSource": "secretsmanager.amazonaws.com", "eventType": "AwsServiceEvent", "eventName": e.Name, "awsRegion": Region,
		"requestParameters": nil, "additionalEventData": map[string]string{"SecretId": e.SecretARN},
	}
	if e.Message != "" {
		detail["errorMessage"] = e.Message
	}
	return json.Marshal(map[string]any{
		"source": "aws.secretsmanager", "detail-type": "AWS Service Event via CloudTrail", "account": Account, "region": Region, "detail": detail,
	})
}

// Rotation is one rotation, under way or over.
type Rotation struct {
	Secret string          // name
	Token  string          // ClientRequestToken: id of the pending version
	Events []RotationEvent // in their order
	Tried  int             // how often the process was begun
	Err    error           // of the last step that failed; nil when the last try succeeded

	driver    *Rotator
	arn       string
	abandoned int // how many rotations of the secret had been abandoned when this one began
}

// Last is the name of the last event.
func (r *Rotation) Last() string {
	if len(r.Events) == 0 {
		return ""
	}
	return r.Events[len(r.Events)-1].Name
}

// Rotate is RotateSecret with all that follows: Start, then Try until it succeeds, the rotation is abandoned, or Tries are used up. The error is
// that of RotateSecret itself; how the rotation ended is in the Rotation.
func (d *Rotator) Rotate(ctx context.Context, secret string) (*Rotation, error) {
	r, err := d.Start(secret)
	if err != nil {
		return nil, err
	}
	return r, d.carryOn(ctx, r)
}

// Resume is what Secrets Manager does with a rotation that is not complete: the process begins again with the version that AWSPENDING is on.
func (d *Rotator) Resume(ctx context.Context, secret string) (*Rotation, error) {
	s, ok := d.World.Secret(secret)
	token := s.Stages[stagePending]
	if !ok || token == "" || token == s.Stages[stageCurrent] {
		return nil, fmt.Errorf("resume rotation of %q: no rotation is under way", secret)
	}
	r := d.rotation(s, token)
	return r, d.carryOn(ctx, r)
}

func (d *Rotator) carryOn(ctx context.Context, r *Rotation) error {
	for {
		if r.Try(ctx); r.Err == nil || r.Tried >= cmp.Or(d.Tries, 5) || r.gone() {
			return nil
		}
		t := time.NewTimer(cmp.Or(d.Pause, time.Minute))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// Start is RotateSecret: the empty AWSPENDING version is made, nothing is invoked yet.
func (d *Rotator) Start(secret string) (*Rotation, error) {
	d.World.AllowRotation(d.Function)
	s, _ := d.World.Secret(secret)
	in := &rotateSecretInput{SecretID: secret, RotationLambdaARN: d.Function, ClientRequestToken: plainID(fmt.Sprint(secret, "|rotation|", len(s.Versions)))}
	if err := d.World.runByHand("rotate secret", secret, in); err != nil {
		return nil, err
	}
	s, _ = d.World.Secret(secret)
	r := d.rotation(s, in.ClientRequestToken)
	r.note("RotationStarted", "")
	return r, nil
}

func (d *Rotator) rotation(s SecretState, token string) *Rotation {
	return &Rotation{Secret: s.Name, Token: token, driver: d, arn: s.ARN, abandoned: s.RotationsAbandoned}
}

// Try begins the process once: the four steps in their order, up to the first that fails. Err says how it ended.
func (r *Rotation) Try(ctx context.Context) {
	r.Tried++
	for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
		if r.Err = r.Step(ctx, step); r.Err != nil {
			if !r.gone() {
				r.note("RotationFailed", "Error when executing lambda "+r.driver.Function+" during "+step+" step")
			}
			return
		}
	}
	r.driver.World.EndRotation(r.Secret)
	r.note("RotationSucceeded", "")
}

// Step invokes the function with one step.
func (r *Rotation) Step(ctx context.Context, step string) error { return r.driver.step(ctx, r, step) }

func (d *Rotator) step(ctx context.Context, r *Rotation, step string) error {
	event, err := json.Marshal(map[string]string{
		"Step": step, "SecretId": r.arn, "ClientRequestToken": r.Token, "RotationToken": d.rotationToken(r).Reveal(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.StepTime, time.Minute))
	defer cancel()
	return d.Invoke(ctx, event)
}

func (d *Rotator) rotationToken(r *Rotation) oauth.Secret {
	if d.RotationToken.IsZero() {
		return oauth.NewSecret(plainID(r.Token + "|rotation token"))
	}
	return d.RotationToken
}

// gone reports whether the rotation was abandoned: a version that came from elsewhere took AWSPENDING away.
func (r *Rotation) gone() bool {
	s, _ := r.driver.World.Secret(r.Secret)
	if s.RotationsAbandoned == r.abandoned {
		return false
	}
	if r.Last() != "RotationAbandoned" {
		r.note("RotationAbandoned", "")
	}
	return true
}

func (r *Rotation) note(name, message string) {
	r.Events = append(r.Events, RotationEvent{Name: name, SecretARN: r.arn, Message: message})
}

// errNoValue is of a secret that a test rotation cannot be made with.
var errNoValue = errors.New("no AWSCURRENT version with a value")

// Test is RotateSecret with RotateImmediately=false: only testSecret is invoked, with a temporary AWSPENDING version that carries the existing
// value and goes away afterwards.
func (d *Rotator) Test(ctx context.Context, secret string) (*Rotation, error) {
	d.World.AllowRotation(d.Function)
	no := false
	s, _ := d.World.Secret(secret)
	current := s.Version(stageCurrent)
	if current.Value.IsZero() {
		return nil, fmt.Errorf("test rotation of %q: %w", secret, errNoValue)
	}
	in := &rotateSecretInput{SecretID: secret, RotationLambdaARN: d.Function, RotateImmediately: &no, ClientRequestToken: plainID(fmt.Sprint(secret, "|test|", len(s.Versions)))}
	if err := d.World.runByHand("rotate secret", secret, in); err != nil {
		return nil, err
	}
	r := d.rotation(s, in.ClientRequestToken)
	d.World.addTemporary(secret, r.Token, current)
	r.note("TestRotationStarted", "")
	r.Tried++
	r.Err = r.Step(ctx, "testSecret")
	d.World.dropTemporary(secret, r.Token)
	if r.Err != nil {
		r.note("TestRotationFailed", "Error when executing lambda "+d.Function+" during testSecret step")
	} else {
		r.note("TestRotationSucceeded", "")
	}
	return r, nil
}

// addTemporary makes a version with another's value and AWSPENDING.
func (w *World) addTemporary(secret, id string, of SecretVersion) {
	defer w.lock()()
	s := w.findSecret(secret)
	s.versions = append(s.versions, &secretVersion{id: id, made: w.now(), value: of.Value, binary: of.Binary})
	s.attach(id, stagePending)
	w.touch(s)
}

// dropTemporary removes it.
func (w *World) dropTemporary(secret, id string) {
	defer w.lock()()
	s := w.findSecret(secret)
	if s == nil {
		return
	}
	if s.stages[stagePending] == id {
		delete(s.stages, stagePending)
	}
	s.versions = slices.DeleteFunc(s.versions, func(v *secretVersion) bool { return v.id == id })
	w.touch(s)
}
