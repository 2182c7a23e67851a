package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const rotatorEvents = "../../events/rotator"

// rotationToken is the version id that the four events of a folder have in common.
func rotationToken(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != len(rotate.Steps()) {
		t.Fatalf("%d events in %s, %v", len(files), dir, err)
	}
	token := ""
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := rotate.ParseEvent(raw)
		if err != nil || ev.SecretID != "oauth/"+hotmart || token != "" && ev.Token != token {
			t.Fatalf("%s: %+v, %v: the four are steps of one rotation", file, ev, err)
		}
		if want := strings.TrimSuffix(filepath.Base(file), ".json") + "Secret"; string(ev.Step) != want {
			t.Errorf("%s is the step %s", file, ev.Step)
		}
		token = ev.Token
	}
	return token
}

// rotatorStory is an installation with one connection whose pair is rotated.
type rotatorStory struct {
	*story

	aws           *awstest.World
	token         string // of the events
	before        string // version that was AWSCURRENT before
	rotationToken string // what the driver sends
}

func TestTheBuiltRotator(t *testing.T) {
	t.Parallel()
	bootstrap, err := lambdatest.Build(t.Context(), "../../functions/rotator", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &rotatorStory{aws: new(awstest.World), token: rotationToken(t, rotatorEvents)}
	server, err := s.aws.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s.story = &story{stores: newStores(server.URL), hotmart: listen(t, "hotmart", oauthtest.Hotmart(oauthtest.Options{})), sent: map[string]bool{}, canaries: map[string]string{}}
	s.stores.secretPrefix, s.stores.parameterPrefix = "oauth/", "/oauth" // those of the events
	s.connect(t, hotmart, s.hotmart, "loja-a-client", "")
	s.aws.AllowRotation(rotatorARN)
	config := s.lambda(bootstrap)
	config.Name = "chaveiro-rotator"
	f, err := lambdatest.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	s.function = f
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"the refresher has published a token before", s.published},
		{"a step without a rotation is an error that says how to start one", s.notStarted},
		{"create lays the staged pair over the document, and nothing is live", s.create},
		{"set and test leave it so", s.setAndTest},
		{"finish makes it live and publishes its token", s.finish},
		{"finish once more changes nothing", s.finishAgain},
		{"a pair that the provider refuses never goes live", s.refused},
		{"every event file was sent", s.allSent},
		{"no secret, token or RotationToken was printed or returned", s.nothingPrinted},
	} {
		if !t.Run(c.name, c.run) {
			t.Fatalf("the story ends here; the function's logs:\n%s", s.censor(f.Logs()))
		}
	}
}

// step sends an event file. The error is the function's.
func (s *rotatorStory) step(t *testing.T, file string) error {
	t.Helper()
	event, err := os.ReadFile(filepath.Join(rotatorEvents, file))
	if err != nil {
		t.Fatal(err)
	}
	s.sent[file] = true
	return s.invoke(t.Context(), event)
}

func (s *rotatorStory) invoke(ctx context.Context, event []byte) error {
	answer, err := s.function.Invoke(ctx, event)
	s.results.Write(answer.Payload)
	if err != nil {
		s.results.WriteString(err.Error())
	} else if string(answer.Payload) != "null" {
		return errors.New("a step answers nothing, and this one answered something")
	}
	return err
}

// good sends an event file, which must succeed.
func (s *rotatorStory) good(t *testing.T, file string) {
	t.Helper()
	if err := s.step(t, file); err != nil {
		t.Fatalf("%s: %s", file, s.censor(err.Error()))
	}
}

// pair makes a pair in the provider's panel, as a person stages it.
func (s *rotatorStory) pair(t *testing.T, clientID, secret string) string {
	t.Helper()
	s.canaries["client_secret of "+clientID] = secret
	text, err := json.Marshal(map[string]string{"client_id": clientID, "client_secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *rotatorStory) notStarted(t *testing.T) {
	err := s.step(t, "create.json")
	var failure *lambdatest.FunctionError
	if !errors.As(err, &failure) || !strings.HasPrefix(failure.Message, string(rotate.CodeRotationDisabled)) || !strings.Contains(failure.Message, "aws secretsmanager rotate-secret --secret-id oauth/"+hotmart) {
		t.Errorf("got %v", err)
	}
}

// published lets the refresher request the first token: the rotator demands that AWSCURRENT got one.
func (s *rotatorStory) published(t *testing.T) {
	bootstrap, err := lambdatest.Build(t.Context(), "../../functions/refresher", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	refresher, err := lambdatest.Start(t.Context(), s.lambda(bootstrap))
	if err != nil {
		t.Fatal(err)
	}
	defer refresher.Close()
	answer, err := refresher.Invoke(t.Context(), []byte("{}"))
	if err != nil || !strings.Contains(string(answer.Payload), `"refreshed":1`) {
		t.Fatalf("%s, %v", s.censor(string(answer.Payload)), err)
	}
	s.wantToken(t, hotmart, "loja-a-client", 1)
}

func (s *rotatorStory) create(t *testing.T) {
	const secret = "n3w-s3cret/+%&=of-the-panel"
	s.hotmart.provider.Add(oauthtest.Client{ID: "loja-a-client-2", Secret: oauth.NewSecret(secret)})
	s.before = s.stores.labels(t, hotmart)["AWSCURRENT"]
	s.stores.stage(t, hotmart, s.pair(t, "loja-a-client-2", secret))
	candidate := s.stores.labels(t, hotmart)["CANDIDATE"]
	s.stores.rotate(t, hotmart, s.token)
	s.good(t, "create.json")
	wantLabels(t, s.stores.labels(t, hotmart), map[string]string{"AWSCURRENT": s.before, "AWSPENDING": s.token, "CANDIDATE": candidate})
	if calls := s.hotmart.provider.Stats("loja-a-client-2").TokenCalls; calls != 0 {
		t.Errorf("%d token calls", calls)
	}
}

func (s *rotatorStory) setAndTest(t *testing.T) {
	labels := s.stores.labels(t, hotmart)
	s.good(t, "set.json")
	s.good(t, "test.json")
	wantLabels(t, s.stores.labels(t, hotmart), labels)
	if calls := s.hotmart.provider.Stats("loja-a-client-2").Minted; calls != 1 {
		t.Errorf("the test cost %d tokens", calls)
	}
}

func (s *rotatorStory) finish(t *testing.T) {
	s.good(t, "finish.json")
	wantLabels(t, s.stores.labels(t, hotmart), map[string]string{"AWSCURRENT": s.token, "AWSPREVIOUS": s.before})
	s.wantToken(t, hotmart, "loja-a-client-2", 2)
	if state := s.stores.state(t, hotmart); state.Token.Credential != s.token || state.Current != s.token {
		t.Errorf("current %q, token %+v", state.Current, state.Token)
	}
}

func (s *rotatorStory) finishAgain(t *testing.T) {
	minted := s.hotmart.provider.Total().Minted
	s.good(t, "finish.json")
	s.wantToken(t, hotmart, "loja-a-client-2", 2)
	if now := s.hotmart.provider.Total().Minted; now != minted {
		t.Errorf("it cost %d tokens", now-minted)
	}
}

// refused is a whole rotation by the driver that plays Secrets Manager, with the ARN of the secret and a RotationToken.
func (s *rotatorStory) refused(t *testing.T) {
	s.aws.EndRotation("oauth/" + hotmart)
	s.stores.stage(t, hotmart, s.pair(t, "loja-a-client-3", "b4d-s3cret/+%&=of-another-panel"))
	candidate := s.stores.labels(t, hotmart)["CANDIDATE"]
	s.rotationToken = "r0tation/+%&=token-of-the-service"
	s.canaries["RotationToken"] = s.rotationToken
	driver := &awstest.Rotator{World: s.aws, Function: rotatorARN, Invoke: s.invoke, Tries: 1, RotationToken: oauth.NewSecret(s.rotationToken)}
	rotation, err := driver.Rotate(t.Context(), "oauth/"+hotmart)
	if err != nil {
		t.Fatal(err)
	}
	if rotation.Err == nil || !strings.Contains(rotation.Err.Error(), string(rotate.CodeRejected)) || rotation.Last() != "RotationFailed" {
		t.Errorf("it ended with %v, %s", rotation.Err, rotation.Last())
	}
	wantLabels(t, s.stores.labels(t, hotmart), map[string]string{"AWSCURRENT": s.token, "AWSPREVIOUS": s.before, "REJECTED": candidate})
	// Whether a new token of Hotmart ends the one before is not known, so that the one with which AWSCURRENT was asked for is published.
	s.wantToken(t, hotmart, "loja-a-client-2", 3)
}

func (s *rotatorStory) allSent(t *testing.T) { wantAllSent(t, rotatorEvents, s.sent) }

func (s *rotatorStory) nothingPrinted(t *testing.T) {
	logs := s.function.Logs()
	for _, said := range []string{hotmart, string(rotate.EventPromoted), string(rotate.EventRejected)} {
		if !strings.Contains(logs, said) {
			t.Fatalf("the logs do not even say %s: this chapter would see nothing", said)
		}
	}
	if len(s.canaries) != 7 { // three client secrets, three tokens, the RotationToken
		t.Fatalf("%d secrets and tokens to look for", len(s.canaries))
	}
	for what, text := range map[string]string{"logs": logs, "results": s.results.String()} {
		if leaked := s.leaks(text); len(leaked) > 0 {
			t.Errorf("the %s hold %v", what, leaked)
		}
	}
}
