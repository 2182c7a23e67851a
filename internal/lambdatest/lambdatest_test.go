package lambdatest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lambdatest"
)

// echo builds the test function once for all tests.
var echo = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lambdatest-echo-")
	if err != nil {
		return "", err
	}
	return lambdatest.Build(context.Background(), "testdata/echo", dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := echo(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func bootstrap(t *testing.T) string {
	t.Helper()
	path, err := echo()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts the test function. It is closed when the test ends, or when ctx does.
func start(ctx context.Context, t *testing.T, cfg lambdatest.Config) *lambdatest.Function {
	t.Helper()
	cfg.Bootstrap = bootstrap(t)
	f, err := lambdatest.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

type answer struct {
	Said        string `json:"said"`
	Env         string `json:"env"`
	RequestID   string `json:"request_id"`
	ARN         string `json:"arn"`
	RemainingMS int64  `json:"remaining_ms"`
	PID         int    `json:"pid"`
}

func mustInvoke(t *testing.T, f *lambdatest.Function, event string) (answer, lambdatest.Result) {
	t.Helper()
	result, err := f.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("event %s: %v\n%s", event, err, f.Logs())
	}
	var a answer
	if err := json.Unmarshal(result.Payload, &a); err != nil {
		t.Fatalf("answer %s: %v", result.Payload, err)
	}
	return a, result
}

func mustFail(t *testing.T, f *lambdatest.Function, event string) (*lambdatest.FunctionError, lambdatest.Result) {
	t.Helper()
	result, err := f.Invoke(t.Context(), []byte(event))
	var failure *lambdatest.FunctionError
	if !errors.As(err, &failure) {
		t.Fatalf("event %s: got payload %s, error %v; want a function error", event, result.Payload, err)
	}
	if result.Payload != nil {
		t.Errorf("a failed invocation has the payload %s", result.Payload)
	}
	return failure, result
}

func TestAFunctionAnswersWithWhatLambdaWouldTellIt(t *testing.T) {
	t.Parallel()
	f := start(t.Context(), t, lambdatest.Config{
		Name: "stack-refresher", Timeout: 20 * time.Second,
		Env: map[string]string{"AWS_REGION": "sa-east-1", "GREETING": "olá"},
	})
	a, result := mustInvoke(t, f, `{"say":"one","env":"GREETING"}`)
	if a.Said != "one" || a.Env != "olá" {
		t.Errorf("said %q, GREETING %q", a.Said, a.Env)
	}
	if a.RemainingMS < 15_000 || a.RemainingMS > 20_000 {
		t.Errorf("%d ms remain of a time-out of 20 s", a.RemainingMS)
	}
	if !strings.HasPrefix(a.ARN, "arn:aws:lambda:") || !strings.HasSuffix(a.ARN, ":function:stack-refresher") {
		t.Errorf("invoked function ARN %q", a.ARN)
	}
	if a.RequestID == "" {
		t.Error("the function was told no request id")
	}
	for _, line := range []string{"stdout: one\n", "stderr: one\n"} {
		if !strings.Contains(result.Logs, line) {
			t.Errorf("the logs lack %q:\n%s", line, result.Logs)
		}
	}

	second, result := mustInvoke(t, f, `{"say":"two","env":"HOME"}`)
	if second.PID != a.PID {
		t.Error("the second invocation met another process")
	}
	if second.RequestID == a.RequestID {
		t.Error("two invocations have one request id")
	}
	if second.Env != "" {
		t.Errorf("the caller's environment leaked: HOME=%q", second.Env)
	}
	if strings.Contains(result.Logs, "one") {
		t.Errorf("the second invocation's logs hold the first's:\n%s", result.Logs)
	}
	if all := f.Logs(); !strings.Contains(all, "stdout: one\n") || !strings.Contains(all, "stdout: two\n") {
		t.Errorf("all logs:\n%s", all)
	}
	if result.Took <= 0 {
		t.Errorf("took %s", result.Took)
	}
}

func TestFailuresCarryTypeAndMessageAndTheNextInvocationWorks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, event       string
		wantType, message string
		sameProcess       bool
	}{
		{"an error of the handler leaves the process running", `{"do":"fail"}`, "teapotError", "short and stout", true},
		{"a panic ends the process", `{"do":"panic"}`, "string", "kettle", false},
		{"an exit ends the process", `{"do":"exit"}`, lambdatest.TypeExit, "exit status 4", false},
		{"a time-out kills the process", `{"do":"hang"}`, lambdatest.TypeTimeout, "Task timed out after 1.00 seconds", false},
		{"an answer over 6 MiB is refused", `{"do":"big"}`, lambdatest.TypeResponseTooLarge, "exceeded maximum", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := start(t.Context(), t, lambdatest.Config{Timeout: time.Second})
			before, _ := mustInvoke(t, f, `{"say":"before"}`)
			failure, result := mustFail(t, f, strings.Replace(tt.event, "}", `,"say":"during"}`, 1))
			if failure.Type != tt.wantType || !strings.Contains(failure.Message, tt.message) {
				t.Errorf("got %v, want %s: … %s …", failure, tt.wantType, tt.message)
			}
			if !strings.Contains(result.Logs, "stdout: during\n") {
				t.Errorf("the logs of a failed invocation are lost: %q", result.Logs)
			}
			after, _ := mustInvoke(t, f, `{"say":"after"}`)
			if (after.PID == before.PID) != tt.sameProcess {
				t.Errorf("process %d before, %d after", before.PID, after.PID)
			}
		})
	}
}

func TestTheDeadlineReachesTheHandler(t *testing.T) {
	t.Parallel()
	// aws-lambda-go ends the handler's context at the deadline, which is the very moment at which Lambda kills the process. With a clock
	// that is 25 s slow the function is told a deadline 25 s before its end.
	f := start(t.Context(), t, lambdatest.Config{
		Timeout: 25*time.Second + 300*time.Millisecond,
		Now:     func() time.Time { return time.Now().Add(-25 * time.Second) },
	})
	failure, _ := mustFail(t, f, `{"do":"wait"}`)
	if failure.Message != "saw the deadline" {
		t.Errorf("got %v", failure)
	}
}

func TestAFunctionThatDoesNotStartSaysWhy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, init string
		want       []string
	}{
		{"it prints its faults and ends", "exit", []string{"exit status 1", "SECRET_PREFIX is missing"}},
		{"it ends without an error", "return", []string{"exit status 0", "it printed nothing"}},
		{"it reports an init error", "report", []string{"exit status 3", "Echo.Config: two faults"}},
		{"it never asks for work", "hang", []string{"no call for work within 200ms"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			timeout := 10 * time.Second
			if tt.init == "hang" {
				timeout = 200 * time.Millisecond
			}
			f, err := lambdatest.Start(t.Context(), lambdatest.Config{
				Bootstrap: bootstrap(t), InitTimeout: timeout, Env: map[string]string{"ECHO_INIT": tt.init},
			})
			if f != nil {
				f.Close()
			}
			var initErr *lambdatest.InitError
			if !errors.As(err, &initErr) {
				t.Fatalf("got %v, want an InitError", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestEveryFaultOfAConfigIsNamed(t *testing.T) {
	t.Parallel()
	_, err := lambdatest.Start(t.Context(), lambdatest.Config{
		Bootstrap: "no/such/bootstrap", Timeout: -1, Env: map[string]string{"_HANDLER": "x", "AWS_LAMBDA_RUNTIME_API": "y"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no/such/bootstrap", "negative", "_HANDLER", "AWS_LAMBDA_RUNTIME_API"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

func TestBuildRefusesWhatCouldNotStart(t *testing.T) {
	t.Parallel()
	if path, err := lambdatest.Build(t.Context(), ".", t.TempDir()); err == nil {
		t.Errorf("a library was built into %s", path)
	}
	broken := t.TempDir()
	writeFile(t, filepath.Join(broken, "go.mod"), "module broken\n\ngo 1.26\n")
	writeFile(t, filepath.Join(broken, "main.go"), "package main\n\nfunc main() { undefinedName() }\n")
	_, err := lambdatest.Build(t.Context(), broken, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "undefinedName") {
		t.Errorf("the compiler's words are lost: %v", err)
	}
}

func TestInvocationsOfOneFunctionWaitForEachOther(t *testing.T) {
	t.Parallel()
	f := start(t.Context(), t, lambdatest.Config{})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			said := strconv.Itoa(n)
			result, err := f.Invoke(t.Context(), []byte(`{"say":"`+said+`"}`))
			if err != nil || !strings.Contains(string(result.Payload), `"said":"`+said+`"`) {
				t.Errorf("invocation %d: %s, %v", n, result.Payload, err)
			}
			if got := strings.Count(result.Logs, "stdout:"); got != 1 {
				t.Errorf("invocation %d has the logs of %d invocations", n, got)
			}
		})
	}
	wg.Wait()
}

func TestNoProcessIsLeftBehind(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("it looks for processes in /proc")
	}
	ends := []struct {
		name string
		end  func(f *lambdatest.Function, cancel context.CancelFunc)
	}{
		{"when it is closed", func(f *lambdatest.Function, _ context.CancelFunc) { f.Close(); f.Close() }},
		{"when the context of its start ends", func(_ *lambdatest.Function, cancel context.CancelFunc) { cancel() }},
		{"when an invocation is given up", func(f *lambdatest.Function, _ context.CancelFunc) {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			_, _ = f.Invoke(ctx, []byte(`{"do":"hang"}`))
			f.Close()
		}},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := start(ctx, t, lambdatest.Config{})
			a, _ := mustInvoke(t, f, `{}`)
			if !running(a.PID) {
				t.Fatalf("process %d does not run while the function does", a.PID)
			}
			tt.end(f, cancel)
			for deadline := time.Now().Add(5 * time.Second); running(a.PID); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("process %d still runs", a.PID)
				}
			}
			if _, err := f.Invoke(context.Background(), []byte(`{}`)); !errors.Is(err, lambdatest.ErrClosed) {
				t.Errorf("an invocation after the end: %v, want ErrClosed", err)
			}
		})
	}
}

func TestCloseEndsARunningInvocation(t *testing.T) {
	t.Parallel()
	f := start(t.Context(), t, lambdatest.Config{})
	failed := make(chan error, 1)
	go func() {
		_, err := f.Invoke(context.Background(), []byte(`{"do":"hang","say":"begun"}`))
		failed <- err
	}()
	for !strings.Contains(f.Logs(), "begun") {
		time.Sleep(time.Millisecond)
	}
	f.Close()
	if err := <-failed; !errors.Is(err, lambdatest.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

// running tells whether a process runs; one that has ended and waits for its parent to notice does not.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
