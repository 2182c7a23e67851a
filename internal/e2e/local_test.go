package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// localWorld is a `make local` that runs, on ports of its own.
type localWorld struct {
	cmd  *exec.Cmd
	port int
	dir  string // where it makes its folder
	log  string // the file that it prints to
	done chan error
}

// startLocal builds the program behind make local and starts it in a folder of the project.
func startLocal(t *testing.T, folder string) *localWorld {
	t.Helper()
	program := buildDemo(t)
	for try := 1; ; try++ {
		l := &localWorld{port: 20000 + 10*rand.IntN(1000), dir: t.TempDir(), done: make(chan error, 1)}
		err := l.start(t, program, folder)
		if err == nil {
			return l
		}
		if try == 3 {
			t.Fatal(err)
		}
		t.Logf("another try: %v", err) // somebody else has one of the ports
	}
}

// startLocalAt does the same on a port that is free.
func startLocalAt(t *testing.T, folder string, port int) *localWorld {
	t.Helper()
	l := &localWorld{port: port, dir: t.TempDir(), done: make(chan error, 1)}
	if err := l.start(t, buildDemo(t), folder); err != nil {
		t.Fatal(err)
	}
	return l
}

func buildDemo(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demo")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "github.com/chaveiro/chaveiro/cmd/demo").CombinedOutput(); err != nil {
		t.Fatalf("build cmd/demo: %v\n%s", err, text)
	}
	return program
}

func (l *localWorld) start(t *testing.T, program, folder string) error {
	t.Helper()
	l.log = filepath.Join(l.dir, "log")
	file, err := os.Create(l.log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l.cmd = exec.Command(program, "local", "-port", fmt.Sprint(l.port), "-dir", l.dir)
	l.cmd.Dir, l.cmd.Stdout, l.cmd.Stderr = folder, file, file
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { l.done <- l.cmd.Wait() }()
	t.Cleanup(func() { _ = l.cmd.Process.Kill() }) // does nothing when it has ended
	for range 100 {
		if strings.Contains(l.printed(t), "Each call that arrives") {
			return nil
		}
		select {
		case err := <-l.done:
			return fmt.Errorf("make local ended: %w\n%s", err, l.printed(t))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("make local does not say that it is ready:\n%s", l.printed(t))
}

// url of the first, second or third service as this machine reaches it: AWS's stores, Hotmart, Kiwify.
func (l *localWorld) url(service int) string {
	return fmt.Sprintf("http://127.0.0.1:%d", l.port+service)
}

// folder holds what the printed commands name.
func (l *localWorld) folder() string { return filepath.Join(l.dir, fmt.Sprintf("local-%d", l.port)) }

// envFile is events/local-env.json for these ports: a copy, since the one that make local has written goes when it ends.
func (l *localWorld) envFile(t *testing.T) string {
	t.Helper()
	kept := filepath.Join(l.dir, "kept-env.json")
	text, err := os.ReadFile(filepath.Join(l.folder(), "local-env.json"))
	if err == nil {
		err = os.WriteFile(kept, text, 0o600)
	} else if _, missing := os.Stat(kept); missing == nil {
		err = nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func (l *localWorld) printed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(l.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// secrets are the client secrets that it knows, by what they are.
func (l *localWorld) secrets(t *testing.T, s *stores) map[string]string {
	t.Helper()
	documents := map[string]string{}
	for _, connection := range []string{hotmart, kiwify, typo} {
		got, err := s.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.secretPrefix + connection)})
		if err != nil {
			t.Fatal(err)
		}
		documents["client_secret of "+connection] = aws.ToString(got.SecretString)
	}
	before, err := s.secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.secretPrefix + hotmart), VersionStage: aws.String("AWSPREVIOUS")})
	if err != nil {
		t.Fatal(err)
	}
	documents["client_secret of "+hotmart+" before its rotation"] = aws.ToString(before.SecretString)
	for _, file := range []string{"hotmart.json", "pair.json"} {
		text, err := os.ReadFile(filepath.Join(l.folder(), file))
		if err != nil {
			t.Fatal(err)
		}
		documents["client_secret in "+file] = string(text)
	}
	for what, document := range documents {
		var fields map[string]string
		if err := json.Unmarshal([]byte(document), &fields); err != nil || len(fields["client_secret"]) < 20 {
			t.Fatalf("%s: no secret in it", what)
		}
		documents[what] = fields["client_secret"]
	}
	return documents
}

// end tells it to end, as Ctrl-C and a shutdown do, and looks whether anything is left.
func (l *localWorld) end(t *testing.T) {
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-l.done:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it still runs")
	}
	for service := range 3 {
		if conn, err := net.DialTimeout("tcp", strings.TrimPrefix(l.url(service), "http://"), time.Second); err == nil {
			_ = conn.Close()
			t.Errorf("somebody still listens on %s", l.url(service))
		}
	}
	if lines := strings.Count(l.printed(t), "make local has ended"); lines != 1 {
		t.Errorf("it says %d times that it has ended", lines)
	}
}

// callAPI makes a call with a token, as the owner of a shop does, and returns the status.
func callAPI(t *testing.T, url, token, account string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if account != "" {
		req.Header.Set("X-Kiwify-Account-Id", account)
	}
	resp, err := httpClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
