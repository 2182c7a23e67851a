package lambdatest

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// tie puts the child in a process group of its own and has the kernel end it when we die, however we die.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// killTree kills the process, its group and its direct children: the runtime emulator puts the function in another group. The parent goes
// first, so that it starts nothing anew.
func killTree(p *os.Process) {
	family := children(p.Pid)
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	for _, child := range family {
		_ = syscall.Kill(-child, syscall.SIGKILL)
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
}

// children are the processes that any thread of pid has started and that still run.
func children(pid int) []int {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var found []int
	for _, thread := range threads {
		text, err := os.ReadFile(dir + "/" + thread.Name() + "/children")
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}
