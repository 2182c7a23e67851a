package awstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// function is a rotation function of which a test says what it does.
type function struct {
	events []map[string]string
	do     func(step, token string) error
}

func (f *function) invoke(_ context.Context, raw []byte) error {
	var ev map[string]string
	if err := json.Unmarshal(raw, &ev); err != nil {
		return err
	}
	f.events = append(f.events, ev)
	return f.do(ev["Step"], ev["ClientRequestToken"])
}

func (f *function) steps() string {
	var all []string
	for _, ev := range f.events {
		all = append(all, strings.TrimSuffix(ev["Step"], "Secret"))
	}
	return strings.Join(all, " ")
}

var errStep = errors.New("the function failed")

// driven is a secret "a" and a function that promotes properly, but for the steps that fail the given number of times.
func driven(t *testing.T, fail map[string]int) (*awstest.World, *awstest.Rotator, *function, string) {
	t.Helper()
	w := new(awstest.World)
	first := must[string](t)(w.PutSecret("a", "old"))
	_, secrets := clients(w)
	f := &function{}
	f.do = func(step, token string) error {
		if fail[step] > 0 {
			fail[step]--
			return errStep
		}
		switch step {
		case "createSecret":
			return putSecret(secrets, token, "new", "AWSPENDING")
		case "finishSecret":
			return w.MoveStage("a", "AWSCURRENT", token)
		}
		return nil
	}
	return w, &awstest.Rotator{World: w, Function: rotator, Invoke: f.invoke, RotationToken: oauth.NewSecret("CANARY")}, f, first
}

func names(r *awstest.Rotation) string {
	var all []string
	for _, ev := range r.Events {
		all = append(all, ev.Name)
	}
	return strings.Join(all, " ")
}

func TestADrivenRotationEndsLikeAWSs(t *testing.T) {
	w, d, f, first := driven(t, map[string]int{})
	r := must[*awstest.Rotation](t)(d.Rotate(bg, "a"))
	s, _ := w.Secret("a")
	if r.Err != nil || f.steps() != "create set test finish" || names(r) != "RotationStarted RotationSucceeded" {
		t.Errorf("%v, %s, %s", r.Err, f.steps(), names(r))
	}
	stages(t, w, map[string]string{"AWSCURRENT": r.Token, "AWSPREVIOUS": first}) // AWSPENDING was taken off by the service
	for _, ev := range f.events {
		if ev["SecretId"] != s.ARN || ev["ClientRequestToken"] != r.Token || ev["RotationToken"] != "CANARY" {
			t.Errorf("event %v", ev)
		}
	}
	if s.LastRotated.IsZero() || r.Events[0].SecretARN != s.ARN {
		t.Error("no date, or no secret in the event")
	}
}

func TestAFailedStepBeginsTheProcessAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d, f, _ := driven(t, map[string]int{"testSecret": 2})
		start := time.Now()
		r := must[*awstest.Rotation](t)(d.Rotate(bg, "a"))
		if r.Err != nil || r.Tried != 3 || f.steps() != "create set test create set test create set test finish" || time.Since(start) != 2*time.Minute {
			t.Errorf("%v, %d tries, %s, %v", r.Err, r.Tried, f.steps(), time.Since(start))
		}
		if names(r) != "RotationStarted RotationFailed RotationFailed RotationSucceeded" || !strings.HasSuffix(r.Events[1].Message, "during testSecret step") {
			t.Errorf("%+v", r.Events)
		}
		raw := must[[]byte](t)(r.Events[1].Detail())
		for _, want := range []string{`"detail-type":"AWS Service Event via CloudTrail"`, `"eventName":"RotationFailed"`, `"SecretId":"` + r.Events[1].SecretARN, `"errorMessage":"Error when executing lambda`} {
			if !strings.Contains(string(raw), want) {
				t.Errorf("%s is not in %s", want, raw)
			}
		}
		if s, _ := w.Secret("a"); s.Stages["AWSCURRENT"] != r.Token {
			t.Error("not promoted")
		}
	})
}

func TestARotationThatNeverSucceedsStaysPendingAndIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := map[string]int{"createSecret": 100}
		w, d, f, first := driven(t, fail)
		d.Tries = 2
		r := must[*awstest.Rotation](t)(d.Rotate(bg, "a"))
		if !errors.Is(r.Err, errStep) || r.Tried != 2 {
			t.Errorf("%v after %d tries", r.Err, r.Tried)
		}
		stages(t, w, map[string]string{"AWSCURRENT": first, "AWSPENDING": r.Token})
		if _, err := d.Rotate(bg, "a"); err == nil || !strings.Contains(err.Error(), "A previous rotation isn't complete") {
			t.Errorf("a second one: %v", err)
		}
		fail["createSecret"] = 0
		again := must[*awstest.Rotation](t)(d.Resume(bg, "a"))
		if again.Err != nil || again.Token != r.Token || f.events[len(f.events)-1]["ClientRequestToken"] != r.Token {
			t.Errorf("%+v", again)
		}
		if _, err := d.Resume(bg, "a"); err == nil {
			t.Error("resumed what is complete")
		}
	})
}

func TestAVersionByHandEndsTheDrivenRotation(t *testing.T) {
	w, d, f, _ := driven(t, map[string]int{"testSecret": 1})
	inner := f.do
	f.do = func(step, token string) error {
		if step == "setSecret" {
			must[string](t)(w.PutSecret("a", "by hand"))
		}
		return inner(step, token)
	}
	r := must[*awstest.Rotation](t)(d.Rotate(bg, "a"))
	if r.Last() != "RotationAbandoned" || r.Tried != 1 || strings.Contains(names(r), "RotationFailed") {
		t.Errorf("%s after %d tries", names(r), r.Tried)
	}
	if s, _ := w.Secret("a"); s.Version("AWSCURRENT").Value.Reveal() != "by hand" {
		t.Error("what was put by hand is gone")
	}
}

func TestRotateImmediatelyFalseTestsTheExistingValue(t *testing.T) {
	w, d, f, first := driven(t, map[string]int{})
	inner := f.do
	f.do = func(step, token string) error {
		s, _ := w.Secret("a")
		if s.Stages["AWSPENDING"] != token || s.Version("AWSPENDING").Value.Reveal() != "old" {
			t.Errorf("pending %v", s.Stages)
		}
		return inner(step, token)
	}
	r := must[*awstest.Rotation](t)(d.Test(bg, "a"))
	if r.Err != nil || f.steps() != "test" || names(r) != "TestRotationStarted TestRotationSucceeded" {
		t.Errorf("%v, %s, %s", r.Err, f.steps(), names(r))
	}
	stages(t, w, map[string]string{"AWSCURRENT": first})
	if s, _ := w.Secret("a"); len(s.Versions) != 1 {
		t.Error("the temporary version is left")
	}
	f.do = func(string, string) error { return errStep }
	if r = must[*awstest.Rotation](t)(d.Test(bg, "a")); r.Last() != "TestRotationFailed" {
		t.Error(names(r))
	}
	if slices.ContainsFunc(f.events, func(ev map[string]string) bool { return ev["Step"] != "testSecret" }) {
		t.Error("another step was invoked")
	}
}
