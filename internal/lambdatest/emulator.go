package lambdatest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Emulator is a function that runs under AWS's own Lambda runtime interface emulator. The Python package of the SAM CLI carries it:
// samcli/local/rapid/aws-lambda-rie-x86_64 and -arm64, programs for Linux.
//
// What it does otherwise than Lambda, seen with the one of aws-sam-cli 1.170.0: the function starts with its first invocation; after a
// process has ended (exit, panic, time-out), the next one is started without the variables of Config.Env, so start a new Emulator then;
// the request id is known to the function only.
type Emulator struct {
	cfg    Config
	out    *output
	proc   *process
	client *http.Client
	url    string
	turn   chan struct{} // held by the invocation that runs
	stop   func() bool

	mu     sync.Mutex
	closed bool
}

const (
	invocationPath   = "/2015-03-31/functions/function/invocations"
	emulatorAttempts = 3 // to find two free ports: between finding and using one, somebody else may take it
)

// StartEmulator starts the emulator program with the function of cfg. It runs until Close, or until ctx ends.
func StartEmulator(ctx context.Context, program string, cfg Config) (*Emulator, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("run function: %w", err)
	}
	for attempt := 1; ; attempt++ {
		e, err := startEmulator(ctx, program, cfg)
		if err == nil || attempt == emulatorAttempts || ctx.Err() != nil {
			return e, err
		}
	}
}

func startEmulator(ctx context.Context, program string, cfg Config) (*Emulator, error) {
	ports, err := freeAddresses(ctx, 2)
	if err != nil {
		return nil, err
	}
	out, err := newOutput()
	if err != nil {
		return nil, err
	}
	env := append(cfg.environ(), "AWS_LAMBDA_FUNCTION_TIMEOUT="+strconv.Itoa(int(math.Ceil(cfg.Timeout.Seconds()))))
	args := []string{
		"--runtime-interface-emulator-address", ports[0], "--runtime-api-address", ports[1], "--log-level", "error", cfg.Bootstrap,
	}
	proc, err := startProcess(ctx, program, args, env, out)
	if err != nil {
		out.close()
		return nil, fmt.Errorf("start the runtime emulator: %w", err)
	}
	e := &Emulator{
		cfg: cfg, out: out, proc: proc, turn: make(chan struct{}, 1), url: "http://" + ports[0] + invocationPath,
		client: &http.Client{Transport: &http.Transport{}}, // no proxy: it is on loopback
	}
	if err := e.awaitPort(ctx, ports[0]); err != nil {
		e.stop = func() bool { return true }
		e.Close()
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stop = context.AfterFunc(ctx, e.Close)
	return e, nil
}

// awaitPort returns when the emulator accepts connections.
func (e *Emulator) awaitPort(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.InitTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-e.proc.done:
			return &InitError{Reason: "the runtime emulator ended: " + e.proc.reason(), Output: e.out.since(0)}
		case <-ctx.Done():
			return &InitError{Reason: "the runtime emulator does not listen", Output: e.out.since(0)}
		}
	}
}

// Invoke sends one event and waits for its result, as [Function.Invoke] does. An answer of the function that is an object with a string
// errorType and errorMessage is taken for a failure: the emulator answers both with status 200.
func (e *Emulator) Invoke(ctx context.Context, event []byte) (Result, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return Result{}, fmt.Errorf("invoke: %w", context.Cause(ctx))
	}
	started, printed := e.cfg.Now(), e.out.size()
	body, err := e.post(ctx, event)
	if e.isClosed() {
		return Result{}, ErrClosed
	}
	if err != nil {
		return Result{}, fmt.Errorf("invoke through the runtime emulator (%s): %w", e.proc.reason(), err)
	}
	result := Result{Logs: e.out.since(printed), Took: e.cfg.Now().Sub(started)}
	if failure := emulatedFailure(body); failure != nil {
		return result, failure
	}
	result.Payload = body
	return result, nil
}

func (e *Emulator) post(ctx context.Context, event []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(event))
	if err != nil {
		return nil, err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}

func emulatedFailure(body []byte) *FunctionError {
	if text := string(body); strings.HasPrefix(text, "Task timed out after ") {
		return &FunctionError{Type: TypeTimeout, Message: text, Payload: body}
	}
	var fields struct {
		Type    *string `json:"errorType"`
		Message *string `json:"errorMessage"`
	}
	if err := json.Unmarshal(body, &fields); err != nil || fields.Type == nil || fields.Message == nil {
		return nil
	}
	return parseError(body)
}

// Logs is everything that the emulator and the function printed so far.
func (e *Emulator) Logs() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ""
	}
	return e.out.since(0)
}

// Close ends the emulator and the function, and returns when both are gone. Closing twice is harmless.
func (e *Emulator) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	e.stop()
	e.proc.kill()
	e.client.CloseIdleConnections()
	e.out.close()
}

func (e *Emulator) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// freeAddresses finds n loopback addresses that nobody listens on.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var addresses []string
	for range n {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = listener.Close() }() // all at the end, so that they differ
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
