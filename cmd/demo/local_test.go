package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary the program itself, so that it can be sent signals.
const asProgram = "CHAVEIRO_DEMO_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// run starts the program in the project's root and returns when it has printed something, or has ended.
type run struct {
	cmd  *exec.Cmd
	log  string
	done chan error
}

func start(t *testing.T, until string, args ...string) *run {
	t.Helper()
	r := &run{log: filepath.Join(t.TempDir(), "log"), done: make(chan error, 1)}
	file, err := os.Create(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r.cmd = exec.Command(os.Args[0], args...)
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = filepath.Join("..", ".."), file, file
	r.cmd.Env = append(os.Environ(), asProgram+"=1")
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.done <- r.cmd.Wait() }()
	t.Cleanup(func() { _ = r.cmd.Process.Kill() }) // does nothing when it has ended
	for range 300 {
		select {
		case err := <-r.done:
			r.done <- err
			return r
		case <-time.After(20 * time.Millisecond):
		}
		if until != "" && strings.Contains(r.printed(t), until) {
			return r
		}
	}
	t.Fatalf("%v neither ended nor printed %q:\n%s", args, until, r.printed(t))
	return nil
}

func (r *run) printed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// status waits for the end.
func (r *run) status(t *testing.T) int {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(10 * time.Second):
		t.Fatalf("it still runs:\n%s", r.printed(t))
		return -1
	}
}

// freePorts finds three ports in a row that nobody listens on just now.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 50 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		port := first.Addr().(*net.TCPAddr).Port
		free := port < 65500
		for i := 1; i <= ports && free; i++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+i))
			if free = err == nil; free {
				_ = l.Close()
			}
		}
		if free {
			return port + 1
		}
	}
	t.Fatal("no three free ports in a row")
	return 0
}

const ready = "Each call that arrives:"

func TestLocalEndsWhenItIsTold(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			dir, port := t.TempDir(), freePorts(t)
			r := start(t, ready, "local", "-port", strconv.Itoa(port), "-dir", dir)
			if err := r.cmd.Process.Signal(signal); err != nil {
				t.Fatalf("%v:\n%s", err, r.printed(t))
			}
			if status := r.status(t); status != 0 {
				t.Errorf("status %d:\n%s", status, r.printed(t))
			}
			for i := range ports {
				if conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port+i), time.Second); err == nil {
					_ = conn.Close()
					t.Errorf("port %d is still served", port+i)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("it left %v, %v", left, err)
			}
		})
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	port := freePorts(t)
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := start(t, "", "local", "-port", strconv.Itoa(port), "-dir", t.TempDir())
	if status := r.status(t); status != 1 {
		t.Errorf("status %d", status)
	}
	want := fmt.Sprintf("make local: port %d on 127.0.0.1, for Hotmart, is in use: another make local? End it, or take other ports: make local PORT=%d", port+1, port+30)
	if !strings.Contains(r.printed(t), want) {
		t.Errorf("it says:\n%s\nwant: %s", r.printed(t), want)
	}
}

// TestInvokeAgainstLocal does what a person without Docker does, and searches all that is printed for all that is stored.
func TestInvokeAgainstLocal(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the function")
	}
	t.Chdir(filepath.Join("..", ".."))
	printed, err := os.Create(filepath.Join(t.TempDir(), "log")) // also written to by calls that end after their answer
	if err != nil {
		t.Fatal(err)
	}
	defer printed.Close()
	l := &local{out: printed, port: freePorts(t), dir: t.TempDir(), log: &callLog{out: printed, now: time.Now}}
	dir := l.dir
	l.bridge, _ = findBridge()
	if err := l.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer l.world.close()
	if err := l.furnish(); err != nil {
		t.Fatal(err)
	}
	l.explain()

	var out strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	invoke := func(event string) error {
		return runInvoke(ctx, []string{"-port", strconv.Itoa(l.port), "-dir", dir, event}, &out)
	}
	if err := invoke(schedule); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{`"refreshed": 2`, `"failed": 1`, `"code": "invalid_client"`, `"message":"refreshed"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in:\n%s", want, out.String())
		}
	}
	mistyped := filepath.Join(t.TempDir(), "mistyped.json")
	if err := os.WriteFile(mistyped, []byte(`{"connection":["hotmart/loja-a"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := invoke(mistyped); err == nil || !strings.Contains(err.Error(), "connections") {
		t.Errorf("a function that fails: %v", err)
	}
	for _, event := range []string{healthSchedule, healthURL} {
		if err := invoke(event); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
	}
	for _, want := range []string{
		"functions/healthcheck with " + healthSchedule, `"status": "degraded"`, `"fresh": 2`, `"missing": 1`, `"probe": "reachability"`, "Kiwify rejects these client credentials",
		`"statusCode": 200`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in:\n%s", want, out.String())
		}
	}

	l.world.close() // every line is written now
	text, err := os.ReadFile(printed.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"PutParameter /oauth/hotmart/loja-a/access_token  200", "PutParameter /oauth/kiwify/main/access_token  200", "POST /v1/oauth/token  400"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("make local did not print %q:\n%s", line, text)
		}
	}
	for i, secret := range storedSecrets(t, l) {
		if strings.Contains(string(text), secret) || strings.Contains(out.String(), secret) {
			t.Errorf("secret or token %d was printed", i)
		}
	}
}

// storedSecrets are three client secrets, one of them in a file for a person to use, and two tokens.
func storedSecrets(t *testing.T, l *local) []string {
	t.Helper()
	spare, err := os.ReadFile(filepath.Join(l.dir, spareFile))
	if err != nil {
		t.Fatal(err)
	}
	values := []string{string(spare)}
	for _, v := range l.world.aws.Values() {
		values = append(values, v.Reveal())
	}
	found := map[string]bool{}
	for _, value := range values {
		var document map[string]string
		if json.Unmarshal([]byte(value), &document) == nil {
			if document["token_endpoint"] == "" {
				t.Error("a connection document without a token endpoint of this machine")
			}
			value = document["client_secret"]
		}
		if len(value) > 20 && !strings.Contains(value, " ") { // not an account id, not the sentence of a failure
			found[value] = true
		}
	}
	if len(found) != 5 { // the wrong pair holds the first one's client_secret
		t.Fatalf("%d secrets and tokens to look for", len(found))
	}
	return slices.Collect(maps.Keys(found))
}

func TestInvokeSaysWhatIsMissing(t *testing.T) {
	port := strconv.Itoa(freePorts(t))
	t.Chdir(filepath.Join("..", ".."))
	notJSON := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(notJSON, []byte(`{"connections":`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no event":               {nil, []string{"say which event: make invoke EVENT=events/refresher/schedule.json", "events/refresher/dry-run.json"}},
		"an empty one":           {[]string{""}, []string{"say which event"}},
		"a file that is not":     {[]string{"events/refresher/nothing.json"}, []string{"no file events/refresher/nothing.json", "events/refresher/schedule.json"}},
		"a folder":               {[]string{"events"}, []string{"read the event"}},
		"a file that is no JSON": {[]string{notJSON}, []string{notJSON + " is not one JSON value"}},
		"no make local":          {[]string{schedule}, []string{"no make local answers at http://127.0.0.1:" + port, "start it in another terminal with make local"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := runInvoke(t.Context(), append([]string{"-port", port, "-dir", t.TempDir()}, c.args...), &out)
			if err == nil {
				t.Fatalf("it worked:\n%s", out.String())
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
		})
	}
}

func TestAnotherProgramOnThePortIsNotTakenForLocal(t *testing.T) {
	w := newWorld()
	address, err := w.serve(t.Context(), w.kiwify, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := greeted(t.Context(), "http://"+address); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("got %v", err)
	}
}

func TestTheEventSaysWhichFunction(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for file, want := range map[string]string{
		schedule:                       "refresher",
		healthSchedule:                 "healthcheck",
		"./" + healthURL:               "healthcheck",
		"events/rotator/create.json":   "rotator",
		"./events/refresher/any.json":  "refresher",
		"/tmp/an-event-of-mine.json":   "refresher",
		"events/no-such-function/x.js": "refresher",
	} {
		if got := functionOf(file); got != want {
			t.Errorf("%s: %s", file, got)
		}
	}
}

// TestTheContainersAddressIsLocals: plain sam local invoke reads events/local-env.json.
func TestTheContainersAddressIsLocals(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", localEnv))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Parameters map[string]string }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_DYNAMODB"} {
		if want := fmt.Sprintf("http://%s:%d", dockerHost, defaultPort); file.Parameters[name] != want {
			t.Errorf("%s is %q, want %q", name, file.Parameters[name], want)
		}
	}
}

func TestUnknownArguments(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a command that is not":       {[]string{"serve"}, `"serve" is none of its commands: local, invoke`},
		"a port that is none":         {[]string{"local", "-port", "70000"}, "PORT must be a number from 1 to 65533"},
		"three ports must fit":        {[]string{"local", "-port", "65534"}, "PORT must be a number from 1 to 65533"},
		"something beside the flags":  {[]string{"local", "5610"}, "nothing else is taken"},
		"a port that is not a number": {[]string{"local", "-port", "x"}, "PORT must be a number"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := command(t.Context(), c.args, printer{out: &out}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := command(t.Context(), []string{"local", "-h"}, printer{out: new(strings.Builder)}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("help: %v", err)
	}
}
