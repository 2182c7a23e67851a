package lambdatest

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
)

// process is a running program that does not outlive us.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

func startProcess(ctx context.Context, program string, env []string, out *output) (*process, error) {
	p := &process{done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), program)
	p.cmd.Dir = filepath.Dir(program)
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = out.file, out.file
	tie(p.cmd)

	started := make(chan error, 1)
	go func() {
		// On Linux the child is told when the thread that started it ends, so that thread must live as long as the child.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// kill ends the process and its children, and returns when it is gone.
func (p *process) kill() {
	select {
	case <-p.done:
		return // its number may belong to another process by now
	default:
	}
	killGroup(p.cmd.Process)
	<-p.done
}

// reason tells how it ended; "still running" if it has not.
func (p *process) reason() string {
	select {
	case <-p.done:
	default:
		return "still running"
	}
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}
