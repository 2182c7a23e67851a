package lambdatest

import (
	"context"
	"fmt"
	"sync"
)

// Function is a running function. It is safe for concurrent use; invocations wait for each other.
type Function struct {
	cfg  Config
	out  *output
	turn chan struct{} // held by the invocation that runs
	stop func() bool   // takes back the promise to close when Start's context ends

	mu     sync.Mutex
	box    *sandbox // nil when the next invocation is a cold start
	closed bool
}

// Start starts the function and returns when it asks for its first event. The function runs until Close, or until ctx ends. A function
// that does not start is an *[InitError] with all that it printed.
func Start(ctx context.Context, cfg Config) (*Function, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("run function: %w", err)
	}
	out, err := newOutput()
	if err != nil {
		return nil, err
	}
	f := &Function{cfg: cfg, out: out, turn: make(chan struct{}, 1)}
	if f.box, err = startSandbox(ctx, &f.cfg, out); err != nil {
		out.close()
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop = context.AfterFunc(ctx, f.Close)
	return f, nil
}

// Invoke sends one event and waits for its result. A failure of the function is a *[FunctionError]; the Result then still holds the logs.
// If ctx ends first, the process is killed: nobody could tell what state it is in.
func (f *Function) Invoke(ctx context.Context, event []byte) (Result, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return Result{}, fmt.Errorf("invoke: %w", context.Cause(ctx))
	}
	started, printed := f.cfg.Now(), f.out.size()
	box, err := f.sandbox(ctx)
	if err != nil {
		return Result{}, err
	}
	result := Result{RequestID: newRequestID()}
	result.Payload, err = box.invoke(ctx, result.RequestID, event)
	f.settle(box, err)
	if f.isClosed() {
		return Result{}, ErrClosed
	}
	result.Logs, result.Took = f.out.since(printed), f.cfg.Now().Sub(started)
	return result, err
}

// Logs is everything that the function's processes printed so far.
func (f *Function) Logs() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ""
	}
	return f.out.since(0)
}

// Close kills the function and returns when its process is gone. A running invocation ends with [ErrClosed]. Closing twice is harmless.
func (f *Function) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.closed = true
	f.stop()
	if f.box != nil {
		f.box.kill()
	}
	f.out.close()
}

// sandbox returns the one that runs, or starts one.
func (f *Function) sandbox(ctx context.Context) (*sandbox, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	if f.box != nil && f.box.alive() {
		return f.box, nil
	}
	if f.box != nil {
		f.box.kill() // the process is gone, its Runtime API is not
		f.box = nil
	}
	box, err := startSandbox(ctx, &f.cfg, f.out)
	if err != nil {
		return nil, err
	}
	f.box = box
	return box, nil
}

// settle throws away a sandbox that can take no other event.
func (f *Function) settle(box *sandbox, err error) {
	if box.alive() && (err == nil || isFunctionError(err)) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.box == box && !f.closed {
		box.kill()
		f.box = nil
	}
}

func (f *Function) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}
