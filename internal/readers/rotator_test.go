package readers_test

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/provider"
	rotation "github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// rotatorARN is the function that the pages name.
const rotatorARN = "arn:aws:lambda:" + awstest.Region + ":" + awstest.Account + ":function:chaveiro-rotator"

// stackAnswer is CloudFormation's to DescribeStacks (API version 2010-05-15), with the two outputs that pages ask for and one that none does.
const stackAnswer = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
<StackName>%s</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-02T03:00:00Z</CreationTime><Outputs>
<member><OutputKey>RefresherName</OutputKey><OutputValue>chaveiro-refresher</OutputValue></member>
<member><OutputKey>RotatorArn</OutputKey><OutputValue>%s</OutputValue></member>
<member><OutputKey>StatusUrl</OutputKey><OutputValue>https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.sa-east-1.on.aws/</OutputValue></member>
</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`

// newDriver is Secrets Manager's part of a rotation. What arrives as RotateSecret at the port makes the empty version; the driver then invokes
// the real rotator with the four steps.
func (w *world) newDriver(client *oauth.Client, catalogue provider.Catalogue) *awstest.Rotator {
	w.t.Helper()
	versions, err := smsecret.NewVersions(smsecret.VersionsConfig{Client: w.aws.SecretsManager()})
	must(w.t, err)
	r, err := rotation.New(rotation.Config{
		Secrets: versions, Publisher: w.refresher, Exchanger: client, Catalogue: catalogue,
		SecretPrefix: secretPrefix, Region: awstest.Region, FunctionARN: rotatorARN,
	})
	must(w.t, err)
	w.aws.AllowRotation(rotatorARN)
	return &awstest.Rotator{World: w.aws, Function: rotatorARN, Tries: 1, Invoke: func(ctx context.Context, event []byte) error {
		ev, err := rotation.ParseEvent(event)
		if err != nil {
			return err
		}
		return r.Handle(ctx, ev)
	}}
}

// setUpRotation has a connection name the rotator, and its live pair tested.
func (w *world) setUpRotation(connection string) {
	w.t.Helper()
	r, err := w.driver.Test(w.t.Context(), secretPrefix+connection)
	must(w.t, err)
	must(w.t, r.Err)
}

// pair makes a pair in a provider's panel and returns it as a person stages it.
func (w *world) pair(p *oauthtest.Provider, name string) string {
	w.t.Helper()
	var fields map[string]string
	must(w.t, json.Unmarshal([]byte(w.document(p, name)), &fields))
	delete(fields, "provider")
	raw, err := json.Marshal(fields)
	must(w.t, err)
	return string(raw)
}

// label is the id of the version with a label, "" when none has it.
func (w *world) label(connection, label string) string {
	w.t.Helper()
	s, ok := w.aws.Secret(secretPrefix + connection)
	if !ok {
		w.t.Fatalf("there is no secret for %s", connection)
	}
	return s.Stages[label]
}

func (w *world) stageByHand(connection, value string) {
	w.t.Helper()
	_, err := w.aws.StageSecret(secretPrefix+connection, "CANDIDATE", value)
	must(w.t, err)
}

// wantStaged checks that a pair is CANDIDATE, and that the live one has not changed.
func (r *run) wantStaged(connection, live, staged string) {
	r.t.Helper()
	s, _ := r.aws.Secret(secretPrefix + connection)
	if !strings.Contains(s.Version("AWSCURRENT").Value.Reveal(), live+`"`) || !strings.Contains(s.Version("CANDIDATE").Value.Reveal(), staged+`"`) {
		r.t.Errorf("the pair %q is not staged beside %q: %v", staged, live, s.Stages)
	}
	r.wantNoFile("pair.json")
}

// wantRotated plays what follows RotateSecret, and checks that a pair is live, with its token published.
func (r *run) wantRotated(connection, suffix string) {
	r.t.Helper()
	rotated, err := r.driver.Resume(r.t.Context(), secretPrefix+connection)
	must(r.t, err)
	must(r.t, rotated.Err)
	provider, _, _ := strings.Cut(connection, "/")
	r.wantDocument(connection, provider, suffix)
	if r.label(connection, "CANDIDATE") != "" || r.label(connection, "AWSPENDING") != "" {
		r.t.Error("CANDIDATE or AWSPENDING is left")
	}
	r.wantTokenOf(connection, suffix)
}

// wantTokenOf checks whose pair gave the published token.
func (w *world) wantTokenOf(connection, suffix string) {
	w.t.Helper()
	p := w.kiwify
	if strings.HasPrefix(connection, "hotmart/") {
		p = w.hotmart
	}
	if issued, ok := p.Inspect(w.token(connection)); !ok || !strings.HasSuffix(issued.ClientID, suffix) {
		w.t.Errorf("the token of %s is not that of the pair %q, but of %q", connection, suffix, issued.ClientID)
	}
}

func plainCommands() []command {
	return []command{
		{
			text: "aws secretsmanager put-secret-value --secret-id oauth/kiwify/main --secret-string file://kiwify.json && rm kiwify.json",
			before: func(w *world) {
				for name, p := range map[string]*oauthtest.Provider{hotmartShop: w.hotmart, kiwifyMain: w.kiwify} {
					_, err := w.aws.PutSecret(secretPrefix+name, w.document(p, "a"))
					must(w.t, err)
				}
				w.sweep()
				w.put("kiwify.json", w.document(w.kiwify, "b"))
			},
			run: func(r *run) {
				r.wantDocument(kiwifyMain, "kiwify", "-b")
				r.wantNoFile("kiwify.json")
				r.wantTokenOf(kiwifyMain, "-a") // not yet
			},
		},
		{
			text: `aws lambda invoke --function-name chaveiro-refresher --cli-binary-format raw-in-base64-out --payload '{"connections":["kiwify/main"]}' out.json && cat out.json`,
			run: func(r *run) {
				r.wantRefreshed(kiwifyMain)
				r.wantTokenOf(kiwifyMain, "-b")
			},
		},
		{
			text: "aws secretsmanager describe-secret --secret-id oauth/kiwify/main --query VersionIdsToStages",
			run: func(r *run) {
				var shown map[string][]string
				must(r.t, json.Unmarshal([]byte(r.out), &shown))
				if !slices.Contains(shown[r.label(kiwifyMain, "AWSCURRENT")], "AWSCURRENT") || !slices.Contains(shown[r.label(kiwifyMain, "AWSPREVIOUS")], "AWSPREVIOUS") {
					r.t.Errorf("it does not show both labels with their ids: %s", r.out)
				}
			},
		},
		{
			text: "aws secretsmanager update-secret-version-stage --secret-id oauth/kiwify/main --version-stage AWSCURRENT --remove-from-version-id ID-OF-AWSCURRENT --move-to-version-id ID-OF-AWSPREVIOUS",
			fill: func(w *world) map[string]string {
				return map[string]string{"ID-OF-AWSCURRENT": w.label(kiwifyMain, "AWSCURRENT"), "ID-OF-AWSPREVIOUS": w.label(kiwifyMain, "AWSPREVIOUS")}
			},
			run: func(r *run) {
				r.wantDocument(kiwifyMain, "kiwify", "-a")
				r.sweep1()
				r.wantTokenOf(kiwifyMain, "-a")
			},
		},
	}
}

func stagedCommands() []command {
	return []command{
		{
			text: `aws cloudformation describe-stacks --stack-name chaveiro --query "Stacks[0].Outputs[?OutputKey=='RotatorArn'].OutputValue" --output text`,
			run: func(r *run) {
				r.wantForm("Action=DescribeStacks", "StackName=chaveiro")
				wantInTemplate(r.t, "\n  RotatorArn:\n")
				wantInTemplate(r.t, "FunctionName: !Sub '${AWS::StackName}-rotator'")
			},
		},
		{
			text: "aws secretsmanager rotate-secret --secret-id oauth/hotmart/loja-a --rotation-lambda-arn " + rotatorARN + " --rotation-rules AutomaticallyAfterDays=1000 --no-rotate-immediately",
			run: func(r *run) {
				if s, _ := r.aws.Secret(secretPrefix + hotmartShop); s.RotationLambda != rotatorARN || s.Stages["AWSPENDING"] != "" || len(s.Versions) != 1 {
					r.t.Errorf("rotation is not set up, or a rotation began: %s %v", s.RotationLambda, s.Stages)
				}
				tested, err := r.driver.Test(r.t.Context(), secretPrefix+hotmartShop)
				must(r.t, err)
				if tested.Err != nil || tested.Last() != "TestRotationSucceeded" {
					r.t.Errorf("the test of the live pair: %s, %v", tested.Last(), tested.Err)
				}
			},
		},
		{
			text:   "aws secretsmanager put-secret-value --secret-id oauth/hotmart/loja-a --version-stages CANDIDATE --secret-string file://pair.json && rm pair.json",
			before: func(w *world) { w.put("pair.json", w.pair(w.hotmart, "b")) },
			run:    func(r *run) { r.wantStaged(hotmartShop, "-a", "-b") },
		},
		{text: "aws secretsmanager rotate-secret --secret-id oauth/hotmart/loja-a", run: func(r *run) { r.wantRotated(hotmartShop, "-b") }},
		{
			text: `aws secretsmanager describe-secret --secret-id oauth/hotmart/loja-a --query "[LastRotatedDate,VersionIdsToStages]"`,
			run: func(r *run) {
				if !strings.Contains(r.out, r.label(hotmartShop, "AWSCURRENT")) || !strings.Contains(r.out, `"AWSCURRENT"`) || strings.Contains(r.out, "null") {
					r.t.Errorf("it does not show when the last rotation was and where AWSCURRENT is: %s", r.out)
				}
			},
		},
		{
			text: `aws logs filter-log-events --log-group-name /aws/lambda/chaveiro-rotator --filter-pattern '{ $.message = "rotation.*" }' --query "events[].message" --output text`, valid: true,
			left: "awstest has no CloudWatch Logs", check: func(t *testing.T) {
				wantInTemplate(t, "LogGroupName: !Sub '/aws/lambda/${AWS::StackName}-rotator'")
				if !strings.HasPrefix(string(rotation.EventSucceeded), "rotation.") || !strings.HasPrefix(string(rotation.EventFailed), "rotation.") {
					t.Error("the log's messages begin otherwise")
				}
			},
		},
		{
			text:   "aws secretsmanager update-secret-version-stage --secret-id oauth/hotmart/loja-a --version-stage CANDIDATE --remove-from-version-id ID-OF-CANDIDATE",
			before: func(w *world) { w.stageByHand(hotmartShop, w.pair(w.hotmart, "c")) },
			fill: func(w *world) map[string]string {
				return map[string]string{"ID-OF-CANDIDATE": w.label(hotmartShop, "CANDIDATE")}
			},
			run: func(r *run) {
				if r.label(hotmartShop, "CANDIDATE") != "" {
					r.t.Error("a pair is still staged")
				}
			},
		},
		{
			text: "aws secretsmanager update-secret-version-stage --secret-id oauth/hotmart/loja-a --version-stage AWSPENDING --remove-from-version-id ID-OF-AWSPENDING",
			before: func(w *world) { // a rotation is under way
				_, err := w.driver.Start(secretPrefix + hotmartShop)
				must(w.t, err)
				if got := w.shell("aws secretsmanager rotate-secret --secret-id oauth/hotmart/loja-a"); got.ok || !strings.Contains(got.err, "A previous rotation isn't complete") {
					w.t.Errorf("a second rotation is not refused with the words of the page: %s", got.err)
				}
			},
			fill: func(w *world) map[string]string {
				return map[string]string{"ID-OF-AWSPENDING": w.label(hotmartShop, "AWSPENDING")}
			},
			run: func(r *run) {
				r.stageByHand(hotmartShop, r.pair(r.hotmart, "d"))
				if got := r.shell("aws secretsmanager rotate-secret --secret-id oauth/hotmart/loja-a"); !got.ok {
					r.t.Fatalf("the next rotation is refused: %s", got.err)
				}
				r.wantRotated(hotmartShop, "-d")
			},
		},
		{
			text: "aws secretsmanager cancel-rotate-secret --secret-id oauth/hotmart/loja-a",
			run:  func(r *run) { r.wantForm("Action=CancelRotateSecret", "SecretId=oauth/hotmart/loja-a") },
		},
	}
}

func leakedCommands() []command {
	return []command{
		{
			text:   "aws secretsmanager put-secret-value --secret-id oauth/kiwify/main --version-stages BACKUP --secret-string file://pair.json && rm pair.json",
			before: func(w *world) { w.put("pair.json", w.pair(w.kiwify, "standby")) },
			run: func(r *run) {
				if s, _ := r.aws.Secret(secretPrefix + kiwifyMain); !strings.Contains(s.Version("BACKUP").Value.Reveal(), `-standby"`) {
					r.t.Error("the standby pair is not BACKUP")
				}
				r.wantDocument(kiwifyMain, "kiwify", "-a")
				r.wantNoFile("pair.json")
			},
		},
		{
			text: "aws secretsmanager put-secret-value --secret-id oauth/kiwify/main --secret-string file://kiwify.json && rm kiwify.json",
			before: func(w *world) {
				w.put("kiwify.json", strings.Replace(w.document(w.kiwify, "clean"), "{", `{"fallback":false,`, 1))
			},
			run: func(r *run) {
				if s, _ := r.aws.Secret(secretPrefix + kiwifyMain); !strings.Contains(s.Version("AWSCURRENT").Value.Reveal(), `"fallback":false`) {
					r.t.Error("the document does not forbid the pairs of before")
				}
			},
		},
		{
			text: `aws lambda invoke --function-name chaveiro-refresher --cli-binary-format raw-in-base64-out --payload '{"connections":["kiwify/main"]}' out.json && cat out.json`,
			run: func(r *run) {
				r.wantRefreshed(kiwifyMain)
				r.wantTokenOf(kiwifyMain, "-clean")
			},
		},
	}
}

// inMessage is a command in a message of the rotator, up to what follows it there.
var inMessage = regexp.MustCompile(`aws secretsmanager [a-z-]+(?: --?[a-z-]+ [^ ,;]+)+`)

// TestTheCommandsInARotationsMessageWork follows what the function itself tells a person to type.
func TestTheCommandsInARotationsMessageWork(t *testing.T) {
	wantAWS(t)
	w := published(t)
	w.setUpRotation(hotmartShop)
	told := func() []string {
		t.Helper()
		r, err := w.driver.Rotate(t.Context(), secretPrefix+hotmartShop)
		must(t, err)
		if r.Err == nil {
			t.Fatal("the rotation did not fail")
		}
		var commands []string
		for _, c := range inMessage.FindAllString(r.Err.Error(), -1) {
			commands = append(commands, strings.TrimSuffix(c, "."))
		}
		return commands
	}
	follow := func(command string) {
		t.Helper()
		if got := w.shell(command); !got.ok {
			t.Fatalf("%s\nfailed: %s", command, got.err)
		}
	}
	// The live pair is staged: the message's last command takes the label off.
	state, _ := w.aws.Secret(secretPrefix + hotmartShop)
	var live map[string]string
	must(t, json.Unmarshal([]byte(state.Version("AWSCURRENT").Value.Reveal()), &live))
	w.stageByHand(hotmartShop, `{"client_id":"`+live["client_id"]+`","client_secret":"`+live["client_secret"]+`"}`)
	commands := told()
	follow(commands[len(commands)-1])
	if w.label(hotmartShop, "CANDIDATE") != "" {
		t.Error("the label is still there")
	}
	// No pair is staged: the message's commands stage one and rotate.
	w.put("pair.json", w.pair(w.hotmart, "b"))
	if commands = told(); len(commands) != 2 {
		t.Fatalf("the message tells to type %q", commands)
	}
	follow(commands[0])
	follow(commands[1])
	(&run{w, ""}).wantRotated(hotmartShop, "-b")
}
