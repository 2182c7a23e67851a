package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// firstNext is the side of the Lambda Runtime API that a start is measured with: it notes when a program asks for its first event, and
// never gives it one.
type firstNext struct {
	now    func() time.Time
	server *http.Server
	addr   string
	asked  chan time.Time
}

// startLimit is the longest that a program may take to ask: Lambda's own limit.
const startLimit = 10 * time.Second

func listenForNext(ctx context.Context, now func() time.Time) (*firstNext, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Runtime API: %w", err)
	}
	a := &firstNext{now: now, addr: listener.Addr().String(), asked: make(chan time.Time, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(_ http.ResponseWriter, r *http.Request) {
		a.asked <- a.now()
		<-r.Context().Done() // the program is ended meanwhile
	})
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: startLimit}
	go func() { _ = a.server.Serve(listener) }() // ends with close
	return a, nil
}

func (a *firstNext) close() { _ = a.server.Close() }

// start is one start of a program.
type start struct {
	took   time.Duration // from before the process is made to its first request
	memory float64       // resident at most until then, MB; 0 where the system does not tell
}

// measure starts a program, waits for its first request and ends it.
func (a *firstNext) measure(ctx context.Context, argv, env []string) (start, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var printed strings.Builder
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // what is measured
	cmd.Env = append(env, "AWS_LAMBDA_RUNTIME_API="+a.addr)
	cmd.Stdout, cmd.Stderr = &printed, &printed
	began := a.now()
	if err := cmd.Start(); err != nil {
		return start{}, fmt.Errorf("start %s: %w", argv[0], err)
	}
	ended := make(chan struct{})
	var how error // read after ended
	go func() {
		how = cmd.Wait()
		close(ended)
	}()
	select {
	case at := <-a.asked:
		s := start{took: at.Sub(began), memory: peakMemory(cmd.Process.Pid)}
		cancel()
		<-ended // killed by us
		return s, nil
	case <-ended:
		if ctx.Err() != nil {
			how = fmt.Errorf("no call for work within %s", startLimit)
		}
		return start{}, fmt.Errorf("start %s: %w; it printed: %s", argv[0], errors.Join(errEnded, how), printed.String())
	}
}

var errEnded = errors.New("it ended before it asked for an event")

// peakMemory is the most that a running process has had resident, in MB. It is read from /proc and not from the usage that Wait reports:
// that one begins with the memory of the process that made this one.
func peakMemory(pid int) float64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	return peakOf(string(text))
}

func peakOf(status string) float64 {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
		if err != nil {
			return 0
		}
		return kilobytes * 1024 / megabyte
	}
	return 0
}
