package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// rotatorARN is the function of the installation that the pages tell of.
const rotatorARN = "arn:aws:lambda:" + awstest.Region + ":" + awstest.Account + ":function:chaveiro-rotator"

// rotator is the driver that plays Secrets Manager, with the real rotator over the world.
func (w *world) rotator() *awstest.Rotator {
	w.t.Helper()
	versions, err := smsecret.NewVersions(smsecret.VersionsConfig{Client: w.aws.SecretsManager()})
	must(w.t, err)
	client, err := oauth.New(oauth.Config{Transport: oauthtest.NewNetwork(w.hotmart, w.kiwify)})
	must(w.t, err)
	return &awstest.Rotator{World: w.aws, Function: rotatorARN, Tries: 1, Invoke: func(ctx context.Context, event []byte) error {
		ev, err := rotate.ParseEvent(event)
		if err != nil {
			return err
		}
		run := w.run()
		w.observe = run.Observe
		defer func() { w.observe = nil }()
		r, err := rotate.New(rotate.Config{
			Secrets: versions, Publisher: w.refresher, Exchanger: client, Catalogue: catalogue(w.t),
			SecretPrefix: secretPrefix, Region: awstest.Region, FunctionARN: rotatorARN, Observe: run.ObserveRotation,
		})
		must(w.t, err)
		err = r.Handle(ctx, ev)
		run.RotationDone(ev.Step, err)
		return err
	}}
}

// rotation is one row of the table of messages: what a person does, and what the function then says.
type rotation struct {
	sentence string
	code     rotate.Code
	prepare  func(w *world, live pair) // a connection with a live pair and a token
	try      func(w *world, r *awstest.Rotation)
}

// rotations are in the order of the table.
func rotations() []rotation {
	return []rotation{
		{"no pair is staged", rotate.CodeNoCandidate, func(*world, pair) {}, nil},
		{"the whole document is staged", rotate.CodeCandidateInvalid, func(w *world, _ pair) {
			w.stage(document(w.t, "kiwify", w.sign(w.kiwify, "new")))
		}, nil},
		{"the live pair is staged", rotate.CodeCandidateSame, func(w *world, live pair) { w.stagePair(live) }, nil},
		{"a wrong client_secret is staged", rotate.CodeRejected, func(w *world, _ pair) {
			w.stagePair(pair{w.sign(w.kiwify, "new").id, "pasted from the wrong panel"})
		}, nil},
		{"a wrong client_secret is staged, and the live pair is dead", rotate.CodeRejected, func(w *world, live pair) {
			w.stagePair(pair{w.sign(w.kiwify, "new").id, "pasted from the wrong panel"})
			w.kiwify.Remove(live.id)
		}, nil},
		{"the new pair dies as it goes live, and the function with it", rotate.CodeRolledBack, func(w *world, live pair) {
			c := pair{"3f1c7d52-0a4b-4c7e-9d2f-new", "q8ZrLw2vN5tYx7Kp3-new"}
			w.kiwify.Add(oauthtest.Client{ID: c.id, Secret: oauth.NewSecret(c.secret), AccountID: w.accountOf(live)})
			w.stagePair(c)
		}, dieAfterPromotion},
	}
}

// dieAfterPromotion has the first try reach nothing any more once AWSCURRENT has moved, while somebody deletes the new pair, and tries again.
func dieAfterPromotion(w *world, r *awstest.Rotation) {
	w.aws.AfterCall(func(op awstest.Op, _ string) {
		if s, _ := w.aws.Secret(secretPrefix + kiwifyMain); op == awstest.UpdateSecretVersionStage && s.Stages["AWSCURRENT"] == r.Token {
			w.kiwify.Remove("3f1c7d52-0a4b-4c7e-9d2f-new")
			w.aws.AfterCall(nil)
			w.aws.Inject(awstest.Fault{Effect: awstest.ConnectionReset})
		}
	})
	r.Try(context.Background())
	w.aws.ClearFaults()
	if s, _ := w.aws.Secret(secretPrefix + kiwifyMain); s.Stages["AWSCURRENT"] != r.Token || r.Err == nil {
		w.t.Fatalf("the first try did not die after the promotion: %v", r.Err)
	}
	r.Try(context.Background())
}

func (w *world) accountOf(c pair) string {
	client, _ := w.kiwify.Lookup(c.id)
	return client.AccountID
}

func (w *world) stagePair(c pair) {
	w.t.Helper()
	raw, err := json.Marshal(map[string]string{"client_id": c.id, "client_secret": c.secret})
	must(w.t, err)
	w.stage(string(raw))
}

func (w *world) stage(text string) {
	w.t.Helper()
	_, err := w.aws.StageSecret(secretPrefix+kiwifyMain, "CANDIDATE", text)
	must(w.t, err)
}

// play makes one rotation.
func (r rotation) play(w *world) *awstest.Rotation {
	w.t.Helper()
	live := w.connect(kiwifyMain, w.kiwify)
	w.invoke(`{}`)
	time.Sleep(time.Hour)
	r.prepare(w, live)
	started, err := w.rotator().Start(secretPrefix + kiwifyMain)
	must(w.t, err)
	if r.try == nil {
		started.Try(context.Background())
	} else {
		r.try(w, started)
	}
	return started
}

// said plays one row.
func (r rotation) said(w *world) string {
	w.t.Helper()
	ended := r.play(w)
	var failed *rotate.Error
	if !errors.As(ended.Err, &failed) || failed.Code != r.code {
		w.t.Fatalf("it ended with %v, want %s", ended.Err, r.code)
	}
	return "`" + failed.Error() + "`"
}

// TestTheMessagesOfARotationAreAsThePagesSay provokes each message and compares it with the second column of both tables.
func TestTheMessagesOfARotationAreAsThePagesSay(t *testing.T) {
	var said []string
	for _, r := range rotations() {
		t.Run(r.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { said = append(said, r.said(newWorld(t))) })
		})
	}
	if len(said) != len(rotations()) {
		t.Fatal("not every message could be provoked")
	}
	for _, name := range []string{rotateEnglish, rotatePortuguese} {
		secondColumn(t, name, said)
	}
}

const (
	codesBegin = "<!-- begin: codes checked by go test ./internal/docs -->\n"
	codesEnd   = "<!-- end -->"
)

var (
	codeConstant = regexp.MustCompile(`(?m)^\tCode\w+ +Code = "(ERR_[A-Z_]+)"`)
	codeRow      = regexp.MustCompile("(?m)^\\| `(ERR_[A-Z_]+)` \\| [^|]+ \\| [^|]+ \\|$")
)

// TestThePagesExplainEveryCodeOfTheRotator: no code of internal/rotate is missing, none is invented, and all stand in the order of the source.
func TestThePagesExplainEveryCodeOfTheRotator(t *testing.T) {
	var codes []string
	for _, m := range codeConstant.FindAllStringSubmatch(read(t, "internal/rotate/fault.go"), -1) {
		codes = append(codes, m[1])
	}
	if len(codes) < 30 {
		t.Fatalf("found %d codes in internal/rotate", len(codes))
	}
	for _, name := range []string{rotateEnglish, rotatePortuguese} {
		_, table, _ := between(t, name, read(t, name), codesBegin, codesEnd)
		var listed []string
		for _, m := range codeRow.FindAllStringSubmatch(table, -1) {
			listed = append(listed, m[1])
		}
		if !slices.Equal(listed, codes) {
			t.Errorf("%s explains\n%q, internal/rotate has\n%q", name, listed, codes)
		}
	}
	contract := read(t, "docs/contract.md")
	for _, code := range codes {
		if !strings.Contains(contract, "`"+code+"`") {
			t.Errorf("docs/contract.md does not name %s", code)
		}
	}
}

// parsePair reads a staged pair whose "…" stand for its halves.
func parsePair(t *testing.T) func(string) error {
	live := oauth.NewSecret(`{"provider":"kiwify","client_id":"3f1c7d59","client_secret":"q8ZrLw2vN5tYx7Kp3"}`)
	return func(text string) error {
		for n := 0; strings.Contains(text, `"…"`); n++ {
			text = strings.Replace(text, `"…"`, fmt.Sprintf(`"4a1c7d5%d"`, n), 1)
		}
		if err := connection.ValidateCredentials(oauth.NewSecret(text)); err != nil {
			return err
		}
		merged, err := connection.MergeCredentials(live, oauth.NewSecret(text))
		if err != nil {
			return err
		}
		_, err = connection.Parse("a/b", merged, catalogue(t), connection.Options{})
		return err
	}
}

var actionInTemplate = regexp.MustCompile(`\b(?:secretsmanager|lambda):[A-Z]\w+`)

// operatorPolicy checks the policy of the person who rotates: it allows what the template's managed policy does, which is what the commands
// of the page need of Secrets Manager and of the function, and cannot read a pair.
func operatorPolicy(t *testing.T) func(string) error {
	_, resources := templatePart(t, "Resources")
	wanted := map[string]bool{}
	for _, a := range actionInTemplate.FindAllString(resources["RotateConnectionsPolicy"], -1) {
		if a != "secretsmanager:RotationLambdaARN" { // a condition
			wanted[a] = true
		}
	}
	return func(text string) error {
		var policy struct {
			Version   string
			Statement []struct {
				Effect, Resource string
				Action           []string
				Condition        map[string]map[string]string
			}
		}
		dec := json.NewDecoder(bytes.NewReader([]byte(text)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&policy); err != nil {
			return err
		}
		shown := map[string]bool{}
		for _, s := range policy.Statement {
			for _, a := range s.Action {
				shown[a] = s.Effect == "Allow"
			}
			if strings.HasSuffix(s.Resource, "*") && !strings.HasSuffix(s.Resource, ":secret:oauth/*") {
				return fmt.Errorf("it allows %s", s.Resource)
			}
		}
		if len(shown) != len(wanted) || shown["secretsmanager:GetSecretValue"] {
			return fmt.Errorf("it allows %v, the template's RotateConnectionsPolicy %v", shown, wanted)
		}
		for a := range wanted {
			if !shown[a] {
				return fmt.Errorf("it does not allow %s, which the template's RotateConnectionsPolicy does", a)
			}
		}
		return nil
	}
}

var secretsCommand = regexp.MustCompile(`(?m)^\$ aws secretsmanager ([a-z-]+) `)

// TestThePolicyOfThePersonCoversTheCommandsOfThePage: each command of Secrets Manager on the page is an action of the policy, and the other way round.
func TestThePolicyOfThePersonCoversTheCommandsOfThePage(t *testing.T) {
	p := readPage(t, rotateEnglish)
	needed := map[string]bool{}
	policy := ""
	for _, f := range p.fences {
		if f.info == "json operator" {
			policy = f.text
		}
		for _, m := range secretsCommand.FindAllStringSubmatch(f.text, -1) {
			var action strings.Builder
			for word := range strings.SplitSeq(m[1], "-") {
				action.WriteString(strings.ToUpper(word[:1]) + word[1:])
			}
			needed["secretsmanager:"+action.String()] = true
		}
	}
	if len(needed) < 5 {
		t.Fatalf("found the commands of %v", needed)
	}
	for action := range needed {
		if !strings.Contains(policy, `"`+action+`"`) {
			t.Errorf("the page shows a command that needs %s, and its policy does not allow it", action)
		}
	}
	for _, action := range regexp.MustCompile(`"(secretsmanager:[A-Z]\w+Secret\w*)"`).FindAllStringSubmatch(policy, -1) {
		if !needed[action[1]] {
			t.Errorf("the policy allows %s, and no command of the page needs it", action[1])
		}
	}
}
