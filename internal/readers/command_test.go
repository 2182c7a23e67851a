package readers_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
)

// command is one line of a page's console blocks and how it is tested. Exactly one of run, validate and left says it.
type command struct {
	text   string                           // as the page shows it
	before func(w *world)                   // what the page tells a person to have done by then
	fill   func(w *world) map[string]string // what a person puts for the words in capitals
	run    func(*run)                       // it is run, and this looks at its effect
	check  func(*testing.T)                 // its arguments are checked against the repository: what it needs cannot be had here
	valid  bool                             // the AWS command line itself checks its arguments; no stand-in has the service
	left   string                           // the reason why it is not run here; with check or valid: why no more is done
}

// run is a command that has ended well.
type run struct {
	*world

	out string
}

// commands are all commands of each page, in its order. They share one world, as they do for a person who follows the page.
func commands() map[string][]command {
	return map[string][]command{
		readme: slices.Concat(deployCommands(), tryCommands(), connectionCommands(), removeCommands()),
		rotate: slices.Concat(plainCommands(), stagedCommands(), leakedCommands()),
		alarms: alarmCommands(),
	}
}

func deployCommands() []command {
	return []command{
		{
			text: "git clone … chaveiro && cd chaveiro && export AWS_REGION=sa-east-1 AWS_DEFAULT_REGION=sa-east-1", left: "where the repository is, only its reader knows",
			check: wantRegion,
		},
		{text: "sam build", left: "make test runs it, twice, among its SAM steps", check: wantSAMBuild},
		{
			text: "sam deploy --parameter-overrides AlarmEmail=you@example.com", left: "it needs an AWS account",
			check: func(t *testing.T) {
				wantConfigured(t, "deploy", "stack_name", "capabilities", "resolve_s3")
				wantParameters(t, "AlarmEmail=you@example.com", "Prefix=oauth")
			},
		},
		{
			text:   "aws secretsmanager create-secret --name oauth/hotmart/loja-a --secret-string file://hotmart.json && rm hotmart.json",
			before: func(w *world) { w.put("hotmart.json", w.document(w.hotmart, "a")) },
			run: func(r *run) {
				r.wantDocument(hotmartShop, "hotmart", "-a")
				r.wantNoFile("hotmart.json")
			},
		},
		{
			text: `aws lambda invoke --function-name chaveiro-refresher --cli-binary-format raw-in-base64-out --payload '{"connections":["hotmart/loja-a"]}' out.json && cat out.json`,
			run: func(r *run) {
				r.wantRefreshed(hotmartShop)
				r.token(hotmartShop)
			},
		},
		{
			text: "aws ssm get-parameter --name /oauth/hotmart/loja-a/access_token --with-decryption --query Parameter.Value --output text",
			run:  func(r *run) { r.wantToken(hotmartShop) },
		},
		{
			text: `aws cloudwatch set-alarm-state --alarm-name chaveiro-RefresherSilent --state-value ALARM --state-reason "trying the mail"`, valid: true,
			left: "awstest has no CloudWatch", check: func(t *testing.T) { wantInTemplate(t, "AlarmName: !Sub '${AWS::StackName}-RefresherSilent'") },
		},
	}
}

func tryCommands() []command {
	return []command{
		{text: "sam build", left: "make test runs it", check: wantSAMBuild},
		{
			text: "sam local invoke RefresherFunction -e events/refresher/schedule.json", left: "make test runs it, with every event, where Docker runs",
			check: func(t *testing.T) {
				wantSAMInvoke(t)
				wantInTemplate(t, "  RefresherFunction:\n")
				readFile(t, "events/refresher/schedule.json")
			},
		},
		{
			text: "export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=sa-east-1 AWS_DEFAULT_REGION=sa-east-1",
			left: "every command here gets such an environment", check: wantRegion,
		},
		{
			text:  "aws --endpoint-url http://127.0.0.1:5610 ssm get-parameter --name /oauth/hotmart/loja-a/access_token --with-decryption --query Parameter.Value --output text",
			valid: true, left: "port 5610 may be another's; the same command is run above, at this world's own address",
			check: func(t *testing.T) {
				if !strings.Contains(readFile(t, "events/local-env.json"), `:5610"`) {
					t.Error("make local uses another port")
				}
			},
		},
		{text: "make demo", left: "make test runs it, as a step of its own", check: func(t *testing.T) { wantStep(t, `"${MAKE:-make}"`, "demo") }},
	}
}

func connectionCommands() []command {
	return []command{
		{
			text:   "aws secretsmanager create-secret --name oauth/kiwify/main --secret-string file://kiwify.json && rm kiwify.json",
			before: func(w *world) { w.put("kiwify.json", w.document(w.kiwify, "a")) },
			run: func(r *run) {
				r.wantDocument(kiwifyMain, "kiwify", "-a")
				r.wantNoFile("kiwify.json")
				r.sweep1()
			},
		},
		{
			text:   "aws secretsmanager put-secret-value --secret-id oauth/kiwify/main --secret-string file://kiwify.json && rm kiwify.json",
			before: func(w *world) { w.put("kiwify.json", w.document(w.kiwify, "b")) },
			run: func(r *run) {
				r.wantDocument(kiwifyMain, "kiwify", "-b")
				r.wantNoFile("kiwify.json")
			},
		},
		{
			text: `aws lambda invoke --function-name chaveiro-refresher --cli-binary-format raw-in-base64-out --payload '{"connections":["kiwify/main"]}' out.json && cat out.json`,
			run: func(r *run) {
				r.wantRefreshed(kiwifyMain)
				if issued, ok := r.kiwify.Inspect(r.token(kiwifyMain)); !ok || !strings.HasSuffix(issued.ClientID, "-b") {
					r.t.Errorf("the token is not that of the new pair, but of %q", issued.ClientID)
				}
			},
		},
		{
			text:   "aws secretsmanager put-secret-value --secret-id oauth/hotmart/loja-a --version-stages CANDIDATE --secret-string file://pair.json && rm pair.json",
			before: func(w *world) { w.setUpRotation(hotmartShop); w.put("pair.json", w.pair(w.hotmart, "b")) },
			run:    func(r *run) { r.wantStaged(hotmartShop, "-a", "-b") },
		},
		{text: "aws secretsmanager rotate-secret --secret-id oauth/hotmart/loja-a", run: func(r *run) { r.wantRotated(hotmartShop, "-b") }},
		{
			text: `aws lambda invoke --function-name chaveiro-healthcheck --cli-binary-format raw-in-base64-out --payload '{}' out.json && cat out.json`,
			run:  func(r *run) { r.wantHealth(probe.Healthy, 2) },
		},
		{text: "aws iam create-user --user-name reader-of-tokens", run: func(r *run) { r.wantForm("Action=CreateUser", "UserName=reader-of-tokens") }},
		{
			text: "aws iam attach-user-policy --user-name reader-of-tokens --policy-arn arn:aws:iam::123456789012:policy/chaveiro-ReadTokensPolicy-…",
			run: func(r *run) {
				r.wantForm("Action=AttachUserPolicy", "UserName=reader-of-tokens", "PolicyArn=arn:aws:iam::123456789012:policy/chaveiro-ReadTokensPolicy-…")
				wantInTemplate(r.t, "  ReadTokensPolicy:\n")
			},
		},
		{text: "aws iam create-access-key --user-name reader-of-tokens", run: func(r *run) { r.wantForm("Action=CreateAccessKey", "UserName=reader-of-tokens") }},
		{
			text: `aws ssm describe-parameters --parameter-filters Key=Name,Option=Contains,Values=refresh_failure --query "Parameters[?starts_with(Name, '/oauth/')].[Name,Description]" --output text`,
			before: func(w *world) {
				_, err := w.aws.PutSecret(secretPrefix+"kiwify/loja-b", `{"provider":"kiwify","clientId":"a misspelt field"}`)
				must(w.t, err)
				w.sweep1()
			},
			run: func(r *run) {
				if name, record, _ := strings.Cut(r.out, "\t"); name != "/oauth/kiwify/loja-b/refresh_failure" || !strings.Contains(record, `"code":"invalid_document"`) {
					r.t.Errorf("it prints %q", r.out)
				}
			},
		},
	}
}

func removeCommands() []command {
	return []command{
		{
			text: "aws secretsmanager get-secret-value --secret-id oauth/hotmart/loja-a --query SecretString --output text > hotmart.json",
			run: func(r *run) {
				raw, err := os.ReadFile(filepath.Join(r.dir, "hotmart.json"))
				must(r.t, err)
				state, _ := r.aws.Secret(secretPrefix + hotmartShop)
				if strings.TrimSpace(string(raw)) != state.Version("AWSCURRENT").Value.Reveal() {
					r.t.Error("the file does not hold the document")
				}
			},
		},
		{
			text:   "aws secretsmanager restore-secret --secret-id oauth/hotmart/loja-a",
			before: func(w *world) { must(w.t, w.aws.ScheduleDeletion(secretPrefix+hotmartShop)) },
			run: func(r *run) {
				if state, ok := r.aws.Secret(secretPrefix + hotmartShop); !ok || !state.DeleteAt.IsZero() {
					r.t.Error("the secret is still to be deleted")
				}
			},
		},
		{
			text: "sam delete", left: "it needs an AWS account",
			check: func(t *testing.T) { wantConfigured(t, "delete", "stack_name") },
		},
		{
			text: "aws secretsmanager delete-secret --secret-id oauth/hotmart/loja-a --recovery-window-in-days 7",
			run: func(r *run) {
				if state, ok := r.aws.Secret(secretPrefix + hotmartShop); !ok || state.DeleteAt.IsZero() {
					r.t.Error("the secret's deletion is not scheduled")
				}
			},
		},
		{
			text: "aws ssm delete-parameter --name /oauth/hotmart/loja-a/access_token",
			run:  func(r *run) { r.wantNoParameter("/oauth/hotmart/loja-a/access_token") },
		},
		{
			text: "aws ssm delete-parameters --names /oauth/kiwify/main/access_token /oauth/kiwify/main/account_id /oauth/kiwify/main/refresh_failure",
			run: func(r *run) {
				r.wantNoParameter("/oauth/kiwify/main/access_token")
				r.wantNoParameter("/oauth/kiwify/main/account_id")
			},
		},
	}
}

// TestEveryCommandOfThePagesHasItsPlace: a command that a page gains is in none of the tables, and fails here until somebody has placed it.
func TestEveryCommandOfThePagesHasItsPlace(t *testing.T) {
	for name, table := range commands() {
		page := shown(t, name)
		for i := range max(len(table), len(page)) {
			switch {
			case i >= len(table):
				t.Errorf("nobody has said how this command of %s is tested: %s", name, page[i])
			case i >= len(page):
				t.Errorf("%s no longer shows: %s", name, table[i].text)
			case table[i].text != page[i]:
				t.Fatalf("command %d of %s is\n%s\nand the table has\n%s", i+1, name, page[i], table[i].text)
			}
		}
		for _, c := range table {
			if tested := c.check != nil || c.valid; (c.run != nil) == (c.left != "") || c.run != nil && tested {
				t.Errorf("%s: either it is run, or there is a reason why not", c.text)
			}
		}
	}
}

func TestTheCommandsOfThePages(t *testing.T) {
	wantAWS(t)
	for name, table := range commands() {
		t.Run(name, func(t *testing.T) { follow(t, name, table) })
	}
}

// follow does what a person does who types all that a page shows.
func follow(t *testing.T, name string, table []command) {
	t.Helper()
	w := newWorld(t)
	printed := answers(t, name)
	for i, text := range shown(t, name) {
		c := table[i]
		if c.text != text {
			t.Fatalf("command %d is not the one of the table", i+1)
		}
		if c.before != nil {
			c.before(w)
		}
		if c.check != nil {
			c.check(t)
		}
		if c.valid {
			w.validate(text)
		}
		if c.run == nil {
			t.Logf("not run: %s: %s", text, c.left)
			continue
		}
		got := w.shell(c.filled(w))
		if !got.ok {
			t.Fatalf("%s\nfailed: %s", text, got.err)
		}
		c.run(&run{w, got.out})
		if want := printed[i]; want != "" && !alike(want, got.out) {
			t.Errorf("%s\nprints\n%s\nthe page shows\n%s", text, got.out, want)
		}
	}
}

// filled is the command with what a person puts for the words in capitals.
func (c command) filled(w *world) string {
	text := c.text
	if c.fill == nil {
		return text
	}
	for word, is := range c.fill(w) {
		if !strings.Contains(text, word) || is == "" {
			w.t.Errorf("%s: %s is %q, or not in it", text, word, is)
		}
		text = strings.ReplaceAll(text, word, is)
	}
	return text
}

// validate has the AWS command line check a command's arguments without sending anything: so it does when it is asked for a skeleton of
// the answer.
func (w *world) validate(text string) {
	w.t.Helper()
	if got := w.shell(text + " --generate-cli-skeleton output"); !got.ok {
		w.t.Errorf("%s\nis refused: %s", text, got.err)
	}
}

func TestTheCheckOfArgumentsSeesMistakes(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{
		"aws cloudwatch set-alarm-state --alarm-name a --state-value ALARM", // a reason is required
		"aws cloudwatch set-alarm-state --alarm-name a --state-value ALARM --reason b",
	} {
		if got := w.shell(text + " --generate-cli-skeleton output"); got.ok {
			t.Errorf("the AWS command line accepts %q: it checks nothing", text)
		}
	}
}

// answers are what a page shows below each command, "" where it shows nothing.
func answers(t *testing.T, page string) []string {
	t.Helper()
	var all []string
	for _, b := range blocks(t, page) {
		if b.info != "console" {
			continue
		}
		for line := range strings.Lines(b.text) {
			if strings.HasPrefix(line, "$ ") {
				all = append(all, "")
			} else if len(all) > 0 {
				all[len(all)-1] += line
			}
		}
	}
	return all
}

// alike compares what the page shows with what was printed: "…" stands for anything.
func alike(want, got string) bool {
	parts := strings.Split(strings.TrimSpace(want), "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`^(?s:` + strings.Join(parts, ".*") + `)$`).MatchString(strings.TrimSpace(got))
}

// sweep1 runs the refresher without a claim about what it finds.
func (w *world) sweep1() {
	w.t.Helper()
	_, err := w.run(w.t.Context(), []byte("{}"))
	must(w.t, err)
}

func (r *run) wantToken(connection string) {
	r.t.Helper()
	if r.out != r.token(connection)+"\n" {
		r.t.Error("it does not print the token and nothing else")
	}
}

// wantDocument checks the secret of a connection: its provider and how its client_id ends.
func (r *run) wantDocument(connection, provider, suffix string) {
	r.t.Helper()
	state, ok := r.aws.Secret(secretPrefix + connection)
	if !ok {
		r.t.Fatalf("there is no secret for %s", connection)
	}
	var document map[string]string
	must(r.t, json.Unmarshal([]byte(state.Version("AWSCURRENT").Value.Reveal()), &document))
	if document["provider"] != provider || !strings.HasSuffix(document["client_id"], suffix) || document["client_secret"] == "" {
		r.t.Errorf("%s holds the document of another pair", connection)
	}
}

// wantForm checks what IAM or CloudFormation was asked last.
func (r *run) wantForm(fields ...string) {
	r.t.Helper()
	for _, f := range fields {
		if name, value, _ := strings.Cut(f, "="); r.lastForm().Get(name) != value {
			r.t.Errorf("the service was asked for %s %q, want %q", name, r.lastForm().Get(name), value)
		}
	}
}

func (r *run) wantNoFile(name string) {
	r.t.Helper()
	if exists(filepath.Join(r.dir, name)) {
		r.t.Errorf("%s still lies about", name)
	}
}

func (r *run) wantNoParameter(name string) {
	r.t.Helper()
	if _, ok := r.aws.Parameter(name); ok {
		r.t.Errorf("%s still exists", name)
	}
}

// wantRefreshed checks the result that the function has left in out.json.
func (r *run) wantRefreshed(connection string) {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir, "out.json"))
	must(r.t, err)
	var result struct {
		Refreshed []struct{ Connection string }
	}
	must(r.t, json.Unmarshal(raw, &result))
	if len(result.Refreshed) != 1 || result.Refreshed[0].Connection != connection {
		r.t.Errorf("the function did not refresh %s: %s", connection, raw)
	}
	if r.aws.Count(awstest.PutParameter).Calls == 0 {
		r.t.Error("nothing was written")
	}
}
