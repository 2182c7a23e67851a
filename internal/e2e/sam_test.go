package e2e_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// What the environment says for TestSAMLocalInvoke; scripts/test prepares all of it.
const (
	samProgram = "CHAVEIRO_SAM"       // the path of the SAM CLI
	samFolder  = "CHAVEIRO_SAM_DIR"   // a copy of the project in which `sam build` was run for this machine's processor
	samImage   = "CHAVEIRO_SAM_IMAGE" // a local image in place of the one that SAM would pull; empty when that one is here already
	samLeftOut = "CHAVEIRO_SAM_LEFT_OUT"
)

// TestSAMLocalInvoke does what a developer does: make local in one terminal, sam local invoke with every event in another, and a look at
// the parameters.
func TestSAMLocalInvoke(t *testing.T) {
	t.Parallel()
	program, dir := os.Getenv(samProgram), os.Getenv(samFolder)
	if program == "" || dir == "" {
		t.Skip("sam local invoke of every event: " + cmp.Or(os.Getenv(samLeftOut), samProgram+" and "+samFolder+" do not say what to run; make test and make sam do"))
	}
	s := &samStory{program: program, dir: dir, sent: map[string]bool{}}
	s.local = startLocal(t, dir)
	s.stores = newStores(s.local.url(0))
	s.stores.secretPrefix, s.stores.parameterPrefix = "oauth/", "/oauth"
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"refresher/dry-run.json", s.dryRun},
		{"refresher/schedule.json", s.firstTokens},
		{"refresher/one-connection.json", s.oneConnection},
		{"refresher/rejected.json", s.rejectedTooSoon},
		{"healthcheck/schedule.json", s.health},
		{"healthcheck/one-connection.json", s.healthOfOne},
		{"healthcheck/runway-only.json", s.healthWithoutProbe},
		{"healthcheck/reachability.json and token.json, which mints none", s.healthByProbe},
		{"healthcheck/url.json", s.healthByURL},
		{"rotator: create, set, test and finish end with the new pair live and its token published", s.rotation},
		{"a mistyped event fails, although sam ends with status 0", s.mistyped},
		{"every event was sent", s.allSent},
		{"nothing that make local or the function printed holds a secret or a token", s.nothingLeaked},
		{"make local ends when it is told to", s.local.end},
		{"without make local the invocation fails", s.withoutWorld},
	} {
		if !t.Run(c.name, c.run) {
			t.Fatal("the story ends here")
		}
	}
}

// pagePort is the port of make local that samconfig.toml counts on, by the addresses in events/local-env.json.
const pagePort = 5610

// TestSAMLocalInvokeAsThePageShowsIt invokes with nothing but what samconfig.toml says, on its own port, in a shell without any AWS_* variable.
func TestSAMLocalInvokeAsThePageShowsIt(t *testing.T) {
	program, dir := os.Getenv(samProgram), os.Getenv(samFolder)
	if program == "" || dir == "" {
		t.Skip("sam local invoke as the README shows it: " + cmp.Or(os.Getenv(samLeftOut), samProgram+" and "+samFolder+" do not say what to run; make test and make sam do"))
	}
	for service := range 3 {
		free, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", pagePort+service))
		if err != nil { // a skip is a failure where nothing may be left out
			t.Skipf("sam local invoke as the README shows it: port %d is taken, end the make local that has it: %v", pagePort+service, err)
		}
		_ = free.Close()
	}
	s := &samStory{program: program, dir: dir, sent: map[string]bool{}, asThePage: true, local: startLocalAt(t, dir, pagePort)}
	r := s.send(t, "refresher/schedule.json")
	if r.Connections != 3 || r.Counts.Refreshed != 2 || r.Counts.Failed != 1 {
		t.Errorf("%d connections, counts %+v", r.Connections, r.Counts)
	}
	s.local.end(t)
}

// environ is the environment of sam: none of this shell's AWS_* variables, and as the page shows it none at all.
func (s *samStory) environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	env = append(env, "SAM_CLI_TELEMETRY=0")
	if !s.asThePage {
		env = append(env, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_REGION="+region)
	}
	return env
}

// samStory is what was seen so far.
type samStory struct {
	program, dir string
	local        *localWorld
	stores       *stores
	sent         map[string]bool // event files, as FUNCTION/FILE
	asThePage    bool            // with samconfig.toml's own settings and without credentials
	printed      strings.Builder // everything that sam and the function in its container printed
}

// invoke runs sam local invoke with an event file, or with what stdin holds when file is "-". An answer with errorMessage is a
// *lambdatest.FunctionError: sam ends with status 0 all the same.
func (s *samStory) invoke(t *testing.T, function, file, stdin string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"local", "invoke", function, "-e", file, "--skip-pull-image"}
	if !s.asThePage {
		args = append(args, "--env-vars", s.local.envFile(t))
	}
	if runtime.GOARCH == "amd64" {
		args = append(args, "--config-env", "x86_64")
	}
	if image := os.Getenv(samImage); image != "" {
		args = append(args, "--invoke-image", image)
	}
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(stdin)
	cmd.Env = s.environ()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // so that it removes its container
	cmd.WaitDelay = 20 * time.Second
	var log strings.Builder
	cmd.Stderr = &log
	answer, err := cmd.Output()
	s.printed.Write(answer)
	s.printed.WriteString(log.String())
	if err != nil {
		t.Fatalf("sam local invoke: %v\n%s", err, log.String())
	}
	if !json.Valid(answer) {
		t.Fatalf("the answer is not JSON:\n%s\n%s", answer, log.String())
	}
	var failure lambdatest.FunctionError
	if err := json.Unmarshal(answer, &failure); err == nil && failure.Message != "" {
		return nil, &failure
	}
	return answer, nil
}

// send invokes with an event of the project: events/refresher/x.json goes to RefresherFunction.
func (s *samStory) send(t *testing.T, event string) refresh.Result {
	t.Helper()
	var result refresh.Result
	s.sendInto(t, event, &result)
	return result
}

// report is send for the healthcheck.
func (s *samStory) report(t *testing.T, event string) probe.Report {
	t.Helper()
	var r probe.Report
	s.sendInto(t, event, &r)
	return r
}

func (s *samStory) sendInto(t *testing.T, event string, result any) {
	t.Helper()
	s.sent[event] = true
	folder := filepath.Dir(event)
	answer, err := s.invoke(t, strings.ToUpper(folder[:1])+folder[1:]+"Function", filepath.Join("events", event), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer, result); err != nil {
		t.Fatalf("the answer is no result: %v", err)
	}
}

func (s *samStory) dryRun(t *testing.T) {
	r := s.send(t, "refresher/dry-run.json")
	missing := 0
	for _, p := range r.Plan {
		if p.Reason == "missing" {
			missing++
		}
	}
	if r.Connections != 3 || missing != 3 {
		t.Errorf("%d connections, plan %+v", r.Connections, r.Plan)
	}
	if names := s.stores.parameters(t); len(names) != 0 {
		t.Errorf("a dry run wrote %v", names)
	}
}

func (s *samStory) firstTokens(t *testing.T) {
	r := s.send(t, "refresher/schedule.json")
	if r.Connections != 3 || r.Counts.Refreshed != 2 || r.Counts.Failed != 1 {
		t.Errorf("%d connections, counts %+v", r.Connections, r.Counts)
	}
	if len(r.Failed) != 1 || r.Failed[0].Connection != typo || r.Failed[0].Code != "invalid_client" {
		t.Errorf("failed: %+v", r.Failed)
	}
	s.wantToken(t, hotmart, "", 1)
	account := s.stores.parameter(t, kiwify, store.KindAccount).value
	s.wantToken(t, kiwify, account, 1)
	if s.stores.has(t, typo, store.KindToken) || !s.stores.has(t, typo, store.KindFailure) {
		t.Error("the pair that was refused has a token, or no refresh_failure")
	}
}

// wantToken reads a published token as a program does, and uses it.
func (s *samStory) wantToken(t *testing.T, connection, account string, version int64) lifecycle.State {
	t.Helper()
	p := s.stores.parameter(t, connection, store.KindToken)
	state := s.stores.state(t, connection)
	if state.Token == nil || p.kind != "SecureString" || p.version != version || state.Token.TokenID != oauth.NewSecret(p.value).Fingerprint() {
		t.Fatalf("%s: a %s of version %d, in the state table %+v", connection, p.kind, p.version, state.Token)
	}
	url := s.local.url(1) + oauthtest.Hotmart(oauthtest.Options{}).APIPath()
	if connection != hotmart {
		url = s.local.url(2) + oauthtest.Kiwify(oauthtest.Options{}).APIPath()
	}
	if status := callAPI(t, url, p.value, account); status != 200 {
		t.Errorf("%s: the provider answers a call with the published token by %d", connection, status)
	}
	if status := callAPI(t, url, "another token", account); status == 200 {
		t.Errorf("%s: the provider accepts any token, so this check sees nothing", connection)
	}
	return state
}

// rotation does what make local prints: the pair is staged, the rotation started, and then the events are Secrets Manager's part.
func (s *samStory) rotation(t *testing.T) {
	pair, err := os.ReadFile(filepath.Join(s.local.folder(), "pair.json"))
	if err != nil {
		t.Fatal(err)
	}
	token := rotationToken(t, filepath.Join(s.dir, "events", "rotator"))
	for _, want := range []string{"--version-stages CANDIDATE", "--rotation-lambda-arn " + rotatorARN + " --client-request-token " + token} {
		if !strings.Contains(s.local.printed(t), want) {
			t.Errorf("make local does not print %q", want)
		}
	}
	before := s.stores.labels(t, hotmart)["AWSCURRENT"]
	s.stores.stage(t, hotmart, string(pair))
	s.stores.rotate(t, hotmart, token)
	for _, step := range []string{"create", "set", "test", "finish"} {
		s.send(t, "rotator/"+step+".json")
	}
	wantLabels(t, s.stores.labels(t, hotmart), map[string]string{"AWSCURRENT": token, "AWSPREVIOUS": before})
	if state := s.wantToken(t, hotmart, "", 2); state.Token.Credential != token || state.Current != token {
		t.Errorf("the published token came from version %s, want %s", state.Token.Credential, token)
	}
}

func (s *samStory) oneConnection(t *testing.T) {
	r := s.send(t, "refresher/one-connection.json")
	if r.Connections != 1 || len(r.Fresh) != 1 || r.Fresh[0].Connection != hotmart {
		t.Errorf("%d connections, fresh %+v", r.Connections, r.Fresh)
	}
}

func (s *samStory) rejectedTooSoon(t *testing.T) {
	r := s.send(t, "refresher/rejected.json")
	if len(r.Fresh) != 1 || !strings.HasPrefix(r.Fresh[0].Reason, "issued_recently") {
		t.Errorf("fresh %+v", r.Fresh)
	}
}

func (s *samStory) health(t *testing.T) {
	r := s.report(t, "healthcheck/schedule.json")
	wantReport(t, r, probe.Degraded, probe.Counts{Total: 3, Fresh: 2, Missing: 1})
	s.wantEndpoints(t, r, "hotmart", "kiwify")
	if len(r.Attention) != 1 || r.Attention[0].Connection != typo || r.Attention[0].Reason != s.stores.parameter(t, typo, store.KindFailure).value {
		t.Errorf("attention %+v", r.Attention)
	}
}

func (s *samStory) healthOfOne(t *testing.T) {
	r := s.report(t, "healthcheck/one-connection.json")
	wantReport(t, r, probe.Healthy, probe.Counts{Total: 1, Fresh: 1})
	s.wantEndpoints(t, r, "hotmart")
}

func (s *samStory) healthWithoutProbe(t *testing.T) {
	r := s.report(t, "healthcheck/runway-only.json")
	wantReport(t, r, probe.Degraded, probe.Counts{Total: 3, Fresh: 2, Missing: 1})
	s.wantEndpoints(t, r)
}

func (s *samStory) healthByProbe(t *testing.T) {
	for _, event := range []string{"healthcheck/reachability.json", "healthcheck/token.json"} {
		s.wantEndpoints(t, s.report(t, event), "hotmart", "kiwify")
	}
}

func (s *samStory) healthByURL(t *testing.T) {
	var answer struct {
		StatusCode int
		Body       string
	}
	s.sendInto(t, "healthcheck/url.json", &answer)
	var r probe.Report
	if err := json.Unmarshal([]byte(answer.Body), &r); err != nil || answer.StatusCode != 200 {
		t.Fatalf("status %d, %v", answer.StatusCode, err)
	}
	wantReport(t, r, probe.Degraded, probe.Counts{Total: 3, Fresh: 2, Missing: 1})
	s.wantEndpoints(t, r, "hotmart", "kiwify")
}

// wantEndpoints wants that these endpoints, as make local stored them, refused the function in its container as they should.
func (s *samStory) wantEndpoints(t *testing.T, r probe.Report, providers ...string) {
	t.Helper()
	wantEndpoints(t, r, providers...)
	for _, e := range r.Endpoints {
		port := s.local.port + map[string]int{"hotmart": 1, "kiwify": 2}[e.Provider]
		if e.Status != probe.Healthy || !strings.HasSuffix(e.Host, fmt.Sprintf(":%d", port)) {
			t.Errorf("%+v", e)
		}
	}
}

func (s *samStory) mistyped(t *testing.T) {
	_, err := s.invoke(t, "RefresherFunction", "-", `{"connection":["hotmart/loja-a"]}`)
	var failure *lambdatest.FunctionError
	if !errors.As(err, &failure) || !strings.Contains(failure.Message, "connections") {
		t.Errorf("got %v, want a function error that names connections", err)
	}
}

func (s *samStory) allSent(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(s.dir, "events", "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no events: %v", err)
	}
	for _, file := range files {
		if event := filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file)); !s.sent[event] {
			t.Errorf("events/%s was not sent: give it a chapter that says what it must give", event)
		}
	}
}

func (s *samStory) nothingLeaked(t *testing.T) {
	found := &story{canaries: s.local.secrets(t, s.stores)}
	for _, connection := range []string{hotmart, kiwify} {
		found.canaries["token of "+connection] = s.stores.parameter(t, connection, store.KindToken).value
	}
	if len(found.canaries) != 8 { // six client secrets, two of them in files for a person to use, and two tokens
		t.Fatalf("%d secrets and tokens to look for", len(found.canaries))
	}
	printed := s.local.printed(t)
	for _, line := range []string{"PutParameter /oauth/hotmart/loja-a/access_token  200", "POST /v1/oauth/token  400"} {
		if !strings.Contains(printed, line) {
			t.Errorf("make local did not print %q:\n%s", line, found.censor(printed))
		}
	}
	for what, text := range map[string]string{"make local": printed, "the function or sam": s.printed.String()} {
		if leaked := found.leaks(text); len(leaked) > 0 {
			slices.Sort(leaked)
			t.Errorf("%s printed %v", what, leaked)
		}
	}
}

func (s *samStory) withoutWorld(t *testing.T) {
	_, err := s.invoke(t, "RefresherFunction", "events/refresher/schedule.json", "")
	var failure *lambdatest.FunctionError
	if !errors.As(err, &failure) || !strings.Contains(failure.Message, "state table") {
		t.Errorf("got %v, want a function error about the state table: else this check sees nothing", err)
	}
}
