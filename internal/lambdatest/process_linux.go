package lambdatest

import (
	"os"
	"os/exec"
	"syscall"
)

// tie puts the child in a process group of its own and has the kernel end it when we die, however we die.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// killGroup kills the process and what it has started.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
