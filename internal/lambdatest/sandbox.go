package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// sandbox is one process of the function with a Runtime API of its own: what Lambda calls an execution environment.
type sandbox struct {
	cfg    *Config
	api    *runtimeAPI
	server *http.Server
	proc   *process
}

// startSandbox returns when the function has asked for its first event. The error is an *InitError if the process ran.
func startSandbox(ctx context.Context, cfg *Config, out *output) (*sandbox, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Runtime API: %w", err)
	}
	s := &sandbox{cfg: cfg, api: newRuntimeAPI(cfg.arn())}
	s.server = &http.Server{Handler: s.api.handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(listener) }() // ends with kill; what a process could not call shows as its exit

	printed := out.size()
	env := append(cfg.environ(), "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	if s.proc, err = startProcess(ctx, cfg.Bootstrap, env, out); err != nil {
		s.closeAPI()
		return nil, fmt.Errorf("start %s: %w", cfg.Bootstrap, err)
	}
	if reason, err := s.awaitFirstPoll(ctx); err != nil || reason != "" {
		s.kill()
		if err != nil {
			return nil, err
		}
		return nil, &InitError{Reason: reason, Report: s.initReport(), Output: out.since(printed)}
	}
	return s, nil
}

// awaitFirstPoll returns why the function did not start, "" if it did, or an error if it was not waited for.
func (s *sandbox) awaitFirstPoll(ctx context.Context) (reason string, err error) {
	timer := time.NewTimer(s.cfg.InitTimeout)
	defer timer.Stop()
	select {
	case <-s.api.polls:
		return "", nil
	case <-s.proc.done:
		return s.proc.reason(), nil
	case <-timer.C:
		return fmt.Sprintf("no call for work within %s", s.cfg.InitTimeout), nil
	case <-ctx.Done():
		return "", fmt.Errorf("wait for the start of the function: %w", context.Cause(ctx))
	}
}

func (s *sandbox) initReport() *FunctionError {
	select {
	case report := <-s.api.initErr:
		return report
	default:
		return nil
	}
}

// invoke runs one event to its end: the function has answered and asked for more work, or its process is gone. The error is a
// *FunctionError if the function is to blame. After any other error the sandbox must be killed.
func (s *sandbox) invoke(ctx context.Context, id string, event []byte) ([]byte, error) {
	timer := time.NewTimer(s.cfg.Timeout)
	defer timer.Stop()
	inv := invocation{id: id, event: event, deadline: s.cfg.Now().Add(s.cfg.Timeout)}

	s.api.expect <- id
	select {
	case s.api.events <- inv:
	case <-s.proc.done:
		return nil, s.exitError(id)
	case <-ctx.Done():
		return nil, fmt.Errorf("invoke: %w", context.Cause(ctx))
	}

	var answer outcome
	select {
	case answer = <-s.api.outcomes:
	case <-s.proc.done:
		// It may have answered with its last breath.
		select {
		case answer = <-s.api.outcomes:
		default:
			return nil, s.exitError(id)
		}
	case <-timer.C:
		s.kill()
		return nil, timeoutError(id, s.cfg.Timeout)
	case <-ctx.Done():
		return nil, fmt.Errorf("invoke: %w", context.Cause(ctx))
	}

	// An invocation is over when the function asks for the next one.
	select {
	case <-s.api.polls:
	case <-s.proc.done:
	case <-timer.C:
		s.kill()
		return nil, timeoutError(id, s.cfg.Timeout)
	case <-ctx.Done():
		return nil, fmt.Errorf("invoke: %w", context.Cause(ctx))
	}
	if answer.failure != nil {
		return nil, answer.failure
	}
	return answer.payload, nil
}

func (s *sandbox) exitError(id string) error {
	return &FunctionError{Type: TypeExit, Message: fmt.Sprintf("RequestId: %s Error: Runtime exited: %s", id, s.proc.reason())}
}

func timeoutError(id string, timeout time.Duration) error {
	return &FunctionError{Type: TypeTimeout, Message: fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, timeout.Seconds())}
}

func (s *sandbox) alive() bool {
	select {
	case <-s.proc.done:
		return false
	default:
		return true
	}
}

// kill ends the process and the Runtime API. It may be called more than once, one call at a time.
func (s *sandbox) kill() {
	s.proc.kill()
	s.closeAPI()
}

func (s *sandbox) closeAPI() {
	_ = s.server.Close()
}

// isFunctionError tells a failure of the function from one of ours.
func isFunctionError(err error) bool {
	var failure *FunctionError
	return errors.As(err, &failure)
}
