package readers_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/lambdatest"
)

// rule says how commands are tested. The first rule that matches counts; a command that none matches fails the test.
type rule struct {
	command  string                            // regular expression
	notRun   string                            // the reason; without it the command is run, and must succeed
	validate bool                              // not run, but the AWS command line checks its arguments
	before   func(w *world, connection string) // prepares what the page has told a person to do by then
	after    func(w *world, connection, out string)
}

func rules() []rule {
	return []rule{
		{command: `^git clone |^export `, notRun: "only the reader knows the address and the account"},
		{command: `^sam (deploy|delete)`, notRun: "it needs an AWS account"},
		{command: `^sam (build|local invoke)`, notRun: "steps of make test run it"},
		{command: `^make demo$`, notRun: "a step of make test runs it"},
		{command: `^aws (logs|cloudwatch) `, notRun: "awstest has neither CloudWatch nor its logs", validate: true},
		{command: ` --endpoint-url http://127\.0\.0\.1:\d+ `, notRun: "the port of make local may be in use", validate: true},
		{command: `rotate-secret .*--no-rotate-immediately`, after: wantTested},
		{command: `secretsmanager rotate-secret `, after: wantRotated},
		{command: `put-secret-value .*--version-stages CANDIDATE`, before: setUpRotation},
		{command: `--version-stage CANDIDATE --remove-from`, before: func(w *world, connection string) {
			_, err := w.aws.StageSecret("oauth/"+connection, "CANDIDATE", w.document(providerOf(connection), true))
			must(w.t, err)
		}, after: func(w *world, connection, _ string) { wantNoStage(w, connection, "CANDIDATE") }},
		{command: `--version-stage AWSPENDING --remove-from`, before: func(w *world, connection string) {
			_, err := w.driver.Start("oauth/" + connection)
			must(w.t, err)
		}, after: func(w *world, connection, _ string) { wantNoStage(w, connection, "AWSPENDING") }},
		{command: `secretsmanager restore-secret `, before: func(w *world, connection string) { must(w.t, w.aws.ScheduleDeletion("oauth/"+connection)) }},
		{command: `secretsmanager get-secret-value .*> (\S+)`, after: func(w *world, connection, _ string) {
			raw, err := os.ReadFile(filepath.Join(w.dir, providerOf(connection)+".json"))
			if err != nil || strings.TrimSpace(string(raw)) != w.version(connection, "AWSCURRENT") {
				w.t.Errorf("the file does not hold the document: %v", err)
			}
		}},
		{command: `ssm get-parameter .*--with-decryption`, after: func(w *world, connection, out string) {
			if out != w.token(connection)+"\n" {
				w.t.Error("it does not print the token and nothing else")
			}
		}},
		{command: `lambda invoke .*chaveiro-refresher`, after: func(w *world, connection, out string) {
			if client := w.clientOf(connection); strings.Contains(out, "FunctionError") || !strings.Contains(w.version(connection, "AWSCURRENT"), client) {
				w.t.Errorf("the token is that of %s, not of AWSCURRENT: %s", client, out)
			}
		}},
		{command: `lambda invoke .*chaveiro-healthcheck|^curl .*--aws-sigv4`, after: func(w *world, _, out string) {
			if strings.Contains(out, "FunctionError") || !json.Valid([]byte(readOut(w))) {
				w.t.Errorf("it answers %s %s", out, readOut(w))
			}
		}},
		{command: `^aws dynamodb scan .*--query`, before: func(w *world, _ string) { // what is broken?
			_, err := w.aws.PutSecret("oauth/kiwify/loja-b", `{"provider":"kiwify","clientId":"a misspelt field"}`)
			must(w.t, err)
			w.sweep()
		}, after: func(w *world, _, out string) {
			if !strings.Contains(out, "kiwify/loja-b") {
				w.t.Errorf("it does not name the connection that fails: %q", out)
			}
		}},
		{command: `^aws (secretsmanager|ssm|iam|cloudformation) `},
	}
}

// ruleOf is the first rule that matches a command.
func ruleOf(command string) (rule, bool) {
	all := rules()
	i := slices.IndexFunc(all, func(r rule) bool { return regexp.MustCompile(r.command).MatchString(command) })
	if i < 0 {
		return rule{}, false
	}
	return all[i], true
}

// TestEveryCommandHasARule, also where there is no AWS command line to run it with.
func TestEveryCommandHasARule(t *testing.T) {
	used := map[string]bool{}
	for _, page := range []string{"README.md", "docs/rotate.md", "docs/alarms.md"} {
		for _, s := range console(t, page) {
			r, ok := ruleOf(s.command)
			if !ok {
				t.Errorf("%s: no rule says how this command is tested: %s", page, s.command)
			}
			used[r.command] = true
		}
	}
	for _, r := range rules() {
		if !used[r.command] {
			t.Errorf("no command needs the rule %s", r.command)
		}
	}
}

// TestCommands does what a person does who types all that a page shows.
func TestCommands(t *testing.T) {
	wantAWS(t)
	bootstraps := map[string]string{}
	for _, name := range []string{"refresher", "rotator", "healthcheck"} {
		bootstrap, err := lambdatest.Build(t.Context(), root+"/functions/"+name, filepath.Join(t.TempDir(), name))
		must(t, err)
		bootstraps[name] = bootstrap
	}
	for _, page := range []string{"README.md", "docs/rotate.md", "docs/alarms.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			w := install(t, bootstraps)
			if page != "README.md" { // it creates them
				w.publish()
			}
			for _, s := range console(t, page) {
				w.follow(s)
			}
		})
	}
	for name, follow := range map[string]func(*testing.T, *world){"the refresher's message": followRefresher, "the rotator's message": followRotator} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			follow(t, install(t, bootstraps))
		})
	}
}

var (
	inCommand = regexp.MustCompile(`(?:oauth/|\["|/)((?:hotmart|kiwify)/[a-z0-9-]+)`)
	fileName  = regexp.MustCompile(`file://(\S+)\.json`)
	stageID   = regexp.MustCompile(`ID-OF-([A-Z]+)`)
)

// follow tests one command by its rule.
func (w *world) follow(s shown) {
	w.t.Helper()
	r, ok := ruleOf(s.command)
	if !ok {
		w.t.Fatalf("no rule says how this command is tested: %s", s.command)
	}
	if r.validate { // asked for a skeleton, the AWS command line checks the arguments and sends nothing
		if got := w.shell(s.command + " --generate-cli-skeleton output"); !got.ok {
			w.t.Errorf("%s\nis refused: %s", s.command, got.err)
		}
	}
	if r.notRun != "" {
		w.t.Logf("not run: %s: %s", s.command, r.notRun)
		return
	}
	connection := hotmartShop
	if m := inCommand.FindStringSubmatch(s.command); m != nil {
		connection = m[1]
	}
	if r.before != nil {
		r.before(w, connection)
	}
	if m := fileName.FindStringSubmatch(s.command); m != nil {
		w.put(m[1]+".json", w.document(providerOf(connection), m[1] == "pair"))
	}
	command := stageID.ReplaceAllStringFunc(s.command, func(word string) string {
		secret, _ := w.aws.Secret("oauth/" + connection)
		return secret.Stages[strings.TrimPrefix(word, "ID-OF-")]
	})
	got := w.shell(strings.Replace(command, "STATUS-URL", w.url+"/", 1))
	if !got.ok {
		w.t.Fatalf("%s\nfailed: %s", s.command, got.err)
	}
	if m := fileName.FindStringSubmatch(s.command); m != nil && exists(filepath.Join(w.dir, m[1]+".json")) {
		w.t.Errorf("%s\nleaves the credentials in %s.json", s.command, m[1])
	}
	if r.after != nil {
		r.after(w, connection, got.out)
	}
	if s.output != "" && !alike(s.output, got.out) {
		w.t.Errorf("%s\nprints\n%s\nthe page shows\n%s", s.command, got.out, s.output)
	}
}

// alike compares what a page shows with what was printed: "…" stands for anything.
func alike(want, got string) bool {
	parts := strings.Split(strings.TrimSpace(want), "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`^(?s:` + strings.Join(parts, ".*") + `)$`).MatchString(strings.TrimSpace(got))
}

func readOut(w *world) string {
	raw, _ := os.ReadFile(filepath.Join(w.dir, "out.json"))
	return string(raw)
}

func wantNoStage(w *world, connection, stage string) {
	if s, _ := w.aws.Secret("oauth/" + connection); s.Stages[stage] != "" {
		w.t.Errorf("%s still has the stage %s", connection, stage)
	}
}

// setUpRotation has a secret name the rotator, unless the page has done so.
func setUpRotation(w *world, connection string) {
	if s, _ := w.aws.Secret("oauth/" + connection); s.RotationLambda != rotatorARN {
		wantTested(w, connection, "")
	}
}

// wantTested plays Secrets Manager's test of AWSCURRENT, which follows the set-up of rotation.
func wantTested(w *world, connection, _ string) {
	tested, err := w.driver.Test(w.t.Context(), "oauth/"+connection)
	must(w.t, err)
	must(w.t, tested.Err)
}

// wantRotated plays Secrets Manager's part after RotateSecret: the staged credentials are AWSCURRENT, and their token is published.
func wantRotated(w *world, connection, _ string) {
	staged := w.version(connection, "CANDIDATE")
	rotated, err := w.driver.Resume(w.t.Context(), "oauth/"+connection)
	must(w.t, err)
	must(w.t, rotated.Err)
	if client := w.clientOf(connection); !strings.Contains(staged, client) || !strings.Contains(w.version(connection, "AWSCURRENT"), client) {
		w.t.Errorf("the token is that of %s", client)
	}
	wantNoStage(w, connection, "CANDIDATE")
	wantNoStage(w, connection, "AWSPENDING")
}

// inMessage is a command in a message, up to what follows it there.
var inMessage = regexp.MustCompile(`aws secretsmanager [a-z-]+(?: --?[a-z-]+ [^ ,;]+)+`)

// typed runs the commands of a message that match, and wants at least one.
func (w *world) typed(message, matching string) {
	w.t.Helper()
	found := 0
	for _, command := range inMessage.FindAllString(message, -1) {
		if !strings.Contains(command, matching) {
			continue
		}
		found++
		if got := w.shell(strings.TrimSuffix(command, ".")); !got.ok {
			w.t.Fatalf("%s\nfailed: %s", command, got.err)
		}
	}
	if found == 0 {
		w.t.Fatalf("the message has no command with %q: %s", matching, message)
	}
}

// followRefresher overwrites a document with half of it, and types the command of the message that undoes it.
func followRefresher(t *testing.T, w *world) {
	w.publish()
	whole := w.version(kiwifyMain, "AWSCURRENT")
	_, err := w.aws.PutSecret("oauth/"+kiwifyMain, w.document("kiwify", true))
	must(t, err)
	w.sweep()
	failure, _ := w.aws.Parameter("/oauth/" + kiwifyMain + "/refresh_failure")
	w.typed(failure.Value.Reveal(), "update-secret-version-stage")
	if w.version(kiwifyMain, "AWSCURRENT") != whole {
		t.Error("AWSCURRENT is not the whole document")
	}
}

// followRotator rotates without staged credentials, and types the commands of the message.
func followRotator(t *testing.T, w *world) {
	w.publish()
	setUpRotation(w, hotmartShop)
	rotation, err := w.driver.Rotate(t.Context(), "oauth/"+hotmartShop)
	must(t, err)
	if rotation.Err == nil {
		t.Fatal("a rotation without staged credentials succeeds")
	}
	w.put("pair.json", w.document("hotmart", true))
	w.typed(rotation.Err.Error(), "")
	wantRotated(w, hotmartShop, "")
}

// TestTheCommandLineChecksArguments, on which the rules that only validate rely.
func TestTheCommandLineChecksArguments(t *testing.T) {
	w := newWorld(t)
	for _, arguments := range []string{"--state-value ALARM", "--state-value ALARM --reason b"} { // --state-reason is required
		if got := w.shell("aws cloudwatch set-alarm-state --alarm-name a " + arguments + " --generate-cli-skeleton output"); got.ok {
			t.Errorf("the AWS command line accepts %s", arguments)
		}
	}
}
