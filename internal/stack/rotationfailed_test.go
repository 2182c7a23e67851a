package stack_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/rotate"
)

// watch evaluates the alarm RotationFailed over what was written so far, for each look back.
func (r *rotations) watch(check func(changes []change)) {
	r.t.Helper()
	all := parseEMF(r.t, r.out.String())
	for _, lookBack := range lookBacks {
		a := r.stack.alarm("RotationFailed")
		a.lookBack = lookBack
		check(a.changes(r.t, all, r.made, r.now()))
	}
}

// TestRotationFailedRings for each way in which a rotation fails, and ends by itself; a rotation that succeeds is silent.
func TestRotationFailedRings(t *testing.T) {
	raised, ends := promise(t, "RotationFailed")
	for name, c := range map[string]struct {
		play  func(r *rotations)
		rings bool
	}{
		"no rotation at all":          {func(*rotations) {}, false},
		"two rotations that succeed":  {func(r *rotations) { r.succeeded("first"); time.Sleep(7 * time.Minute); r.succeeded("second") }, false},
		"a test of the pair in use":   {func(r *rotations) { _, err := r.driver.Test(r.t.Context(), r.secret()); must(r.t, err) }, false},
		"a pair that is refused":      {func(r *rotations) { r.refused() }, true},
		"nothing was staged":          {func(r *rotations) { r.run(rotate.CodeVersionNotStaged) }, true},
		"a token that is not written": {func(r *rotations) { r.cutOff("new") }, true},
		"a pair that dies afterwards": {func(r *rotations) {
			rotation := r.cutOff("new")
			r.provider.Remove("client-new")
			rotation.Try(r.t.Context())
		}, true},
		"a function that is cut off, and a try that then fails": {func(r *rotations) {
			r.stage("unknown")
			rotation, err := r.driver.Start(r.secret())
			must(r.t, err)
			r.lost = true
			rotation.Try(r.t.Context())
			r.lost = false
			rotation.Try(r.t.Context())
		}, true},
		// The function says nothing when it cannot: RotationFailsRule does, and the page.
		"a function that is cut off each time": {func(r *rotations) {
			r.lost = true
			r.stage("new")
			_, err := r.driver.Rotate(r.t.Context(), r.secret())
			must(r.t, err)
		}, false},
		"an event that is none at all": {func(r *rotations) { _ = r.invoke(r.t.Context(), []byte(`{"Step":"create"}`)) }, true},
	} {
		inBubble(t, name, func(t *testing.T) {
			r := newRotations(t, deploy(t, nil), rotatesKiwify)
			time.Sleep(time.Hour)
			begun := r.now()
			c.play(r)
			last := r.now()
			time.Sleep(time.Hour)
			r.watch(func(changes []change) {
				at := rang(changes)
				switch {
				case !c.rings && len(at) > 0:
					t.Errorf("it rang at %v", at)
				case c.rings && (len(at) != 1 || at[0].Before(begun) || at[0].After(begun.Add(raised))):
					t.Errorf("it rang at %v, and the rotation began at %v", at, begun)
				case c.rings:
					if end := changes[len(changes)-1]; end.to != "OK" || end.at.Before(last.Add(10*time.Minute)) || end.at.After(last.Add(ends)) {
						t.Errorf("the last step was at %v, and the last change is %v", last, end)
					}
				}
			})
		})
	}
}

// event is one event of a rotation as EventBridge delivers it.
func event(t *testing.T, e awstest.RotationEvent) map[string]any {
	t.Helper()
	raw, err := e.Detail()
	must(t, err)
	var ev map[string]any
	must(t, json.Unmarshal(raw, &ev))
	ev["time"] = "2026-01-05T03:12:44Z" // EventBridge's own
	return ev
}

// TestWhichEndsOfARotationBecomeAMail has the events of rotations that really ended so.
func TestWhichEndsOfARotationBecomeAMail(t *testing.T) {
	inBubble(t, "events", func(t *testing.T) {
		s := deploy(t, nil)
		r := newRotations(t, s, rotatesKiwify)
		seen := map[string]awstest.RotationEvent{}
		note := func(rotation *awstest.Rotation) {
			for _, e := range rotation.Events {
				seen[e.Name] = e
			}
		}
		note(r.succeeded("first"))
		note(r.refused())
		tested, err := r.driver.Test(t.Context(), r.secret())
		must(t, err)
		note(tested)
		r.provider.Remove("client-first")
		tested, err = r.driver.Test(t.Context(), r.secret())
		must(t, err)
		note(tested)
		r.stage("second")
		rotation, err := r.driver.Start(r.secret())
		must(t, err)
		r.stage("third") // by hand, while a rotation is under way
		rotation.Try(t.Context())
		note(rotation)

		mailed := map[string]bool{
			"RotationStarted": false, "RotationSucceeded": false, "RotationFailed": true, "RotationAbandoned": true,
			"TestRotationStarted": false, "TestRotationSucceeded": false, "TestRotationFailed": true,
		}
		for name, want := range mailed {
			e, happened := seen[name]
			if !happened {
				t.Errorf("%s never happened", name)
				continue
			}
			mails := s.mails(event(t, e))
			if want != (mails["RotationFailsRule"] != "") || len(mails) > 1 {
				t.Errorf("%s: mails %q", name, mails)
			}
			if want {
				wantRotationMail(t, e, mails["RotationFailsRule"])
			}
		}
	})
}

// wantRotationMail: what a person needs, the beginning of it on a telephone.
func wantRotationMail(t *testing.T, e awstest.RotationEvent, mail string) {
	t.Helper()
	for what, want := range map[string]string{
		"what happened": e.Name, "to which secret": e.SecretARN, "why": e.Message, "when": "2026-01-05T03:12:44Z", "which stack": stackName,
		"what to look at": "aws logs tail /aws/lambda/" + stackName + "-rotator --region " + awstest.Region + " ", "what to do": "docs/runbooks/RotationFailed.md",
	} {
		if !strings.Contains(mail, want) {
			t.Errorf("%s: %s is not in the mail:\n%s", e.Name, what, mail)
		}
	}
	if begin, _, _ := strings.Cut(mail, "\n"); !strings.Contains(begin, e.Name) || !strings.Contains(begin, "secret:oauth/"+rotated) || len(begin) > 160 {
		t.Errorf("a telephone shows the beginning, which is: %s", begin)
	}
	if strings.ContainsAny(mail, "<>$") {
		t.Errorf("something was left open in the mail:\n%s", mail)
	}
}

// TestWhoseRotationsBecomeAMail: those of secrets under the prefix, in the words of the service itself.
func TestWhoseRotationsBecomeAMail(t *testing.T) {
	s := deploy(t, map[string]string{"Prefix": "prod/o.auth_2"})
	failed := func(secret string) map[string]any {
		return event(t, awstest.RotationEvent{Name: "RotationFailed", SecretARN: secret, Message: "Error when executing lambda"})
	}
	changed := func(change func(ev, detail map[string]any)) map[string]any {
		ev := failed(secretArn("prod/o.auth_2/kiwify/main-a1B2c3"))
		change(ev, mapping(ev["detail"]))
		return ev
	}
	for name, c := range map[string]struct {
		event map[string]any
		want  int
	}{
		"a secret under the prefix": {failed(secretArn("prod/o.auth_2/kiwify/main-a1B2c3")), 1},
		"of a tenant":               {failed(secretArn("prod/o.auth_2/tenant-42/kiwify/main-a1B2c3")), 1},
		"another prefix":            {failed(secretArn("oauth/kiwify/main-a1B2c3")), 0},
		"a prefix that begins so":   {failed(secretArn("prod/o.auth_2x/kiwify/main-a1B2c3")), 0},
		"a prefix that ends so":     {failed(secretArn("shop/prod/o.auth_2/kiwify/main-a1B2c3")), 0},
		"another account":           {failed(strings.Replace(secretArn("prod/o.auth_2/kiwify/main-a1B2c3"), awstest.Account, "210987654321", 1)), 0},
		"a call and not the end":    {changed(func(ev, _ map[string]any) { ev["detail-type"] = "AWS API Call via CloudTrail" }), 0},
		"an imitation":              {changed(func(ev, _ map[string]any) { ev["source"] = "shop.imitation" }), 0},
		"another service's event":   {changed(func(_, detail map[string]any) { detail["eventSource"] = "kms.amazonaws.com" }), 0},
	} {
		if mails := s.mails(c.event); len(mails) != c.want {
			t.Errorf("%s: mails %q", name, mails)
		}
	}
}
