// Command bench measures what the project promises about speed, size and memory, and prints one table. It ends with status 1 when a limit is
// missed or something could not be measured.
//
// Every value is compared within the run that measured it: with a floor (the least that anybody could need for the same work) and with what
// a user has today. Machines differ and are noisy, ratios much less so. What is measured and how is in docs/measurements.md.
//
// A further measurement is one more line in measurements(): a function that returns rows. One that spends CPU in a child process is one more
// line in contestants().
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The exit statuses.
const (
	exitOK    = 0
	exitOver  = 1 // a limit is missed, or something could not be measured
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// bench is one run of the command.
type bench struct {
	root   string // of the repository
	dir    string // for what is built, removed at the end
	python string // an interpreter that has boto3; "" when there is none
	quick  bool
	now    func() time.Time
	log    io.Writer // progress
	built  map[string]string
}

// measurement is one part of the table.
type measurement struct {
	name string
	run  func(ctx context.Context, b *bench) ([]row, error)
}

// initPart starts the deployed programs, which are for Linux.
const initPart = "init"

// measurements are all parts, in the order of the table.
func measurements() []measurement {
	return []measurement{
		{initPart, measureInit},
		{"size", measureSize},
		{"cpu", measureCPU},
		{"rotation", measureRotation},
		{"virtual", measureVirtual},
	}
}

// options are the flags.
type options struct {
	quick  bool
	python string
	only   string
}

// run is main with everything given to it, and returns the exit status.
func run(ctx context.Context, args []string, out, log io.Writer) int {
	if len(args) > 0 && args[0] == contestantCommand {
		return runContestant(ctx, args[1:], out, log)
	}
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.BoolVar(&o.quick, "quick", false, "few repetitions: a try, not a measurement")
	flags.StringVar(&o.python, "python", "", "Python interpreter that has boto3, for what a user has today")
	flags.StringVar(&o.only, "only", "", "comma-separated parts to run: "+strings.Join(names(measurements()), ", "))
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	parts, err := chosen(o.only)
	if err != nil || flags.NArg() > 0 {
		_, _ = fmt.Fprintln(log, "bench:", errors.Join(err, unexpected(flags.Args())))
		return exitUsage
	}
	b := &bench{quick: o.quick, python: o.python, log: log, built: map[string]string{}}
	b.now = time.Now
	if err := b.open(ctx); err != nil {
		_, _ = fmt.Fprintln(log, "bench:", err)
		return exitOver
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	return b.measure(ctx, parts, out)
}

// measure runs the parts and prints the table. A part that fails does not keep the others from running.
func (b *bench) measure(ctx context.Context, parts []measurement, out io.Writer) int {
	started := b.now()
	var rows []row
	for _, part := range parts {
		if part.name == initPart && runtime.GOOS != "linux" {
			continue // said below the table
		}
		found, err := part.run(ctx, b)
		rows = append(rows, found...)
		if err == nil && len(found) == 0 {
			err = errors.New("measured nothing")
		}
		if err != nil {
			rows = append(rows, row{Measure: part.name, Fault: err.Error()})
		}
	}
	_, _ = fmt.Fprintf(out, "%s/%s, %d processors, %s%s; %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(),
		map[bool]string{true: ", -quick: a try, not a measurement"}[b.quick], b.now().Sub(started).Round(time.Second))
	printTable(out, rows)
	if runtime.GOOS != "linux" && slices.Contains(names(parts), initPart) {
		_, _ = fmt.Fprintf(out, "\nleft out: %s, the start and its memory: what is deployed runs on Linux only, and this is %s\n", initPart, runtime.GOOS)
	}
	if b.python == "" {
		_, _ = fmt.Fprintln(out, "\nleft out: what a user has today in Python (give -python an interpreter that has boto3, or use make bench)")
	}
	over := slices.DeleteFunc(rows, func(r row) bool { return r.verdict() != verdictOver })
	if len(over) > 0 {
		_, _ = fmt.Fprintf(out, "\n%d of the limits are missed\n", len(over))
		return exitOver
	}
	_, _ = fmt.Fprintln(out, "\nevery limit is kept")
	return exitOK
}

// open finds the repository, and makes the folder for what is built.
func (b *bench) open(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module (is go in the PATH?): %w", err)
	}
	gomod := strings.TrimSpace(string(out))
	if gomod == "" || gomod == os.DevNull {
		return errors.New("not inside the repository: run it from there, with make bench")
	}
	b.root = filepath.Dir(gomod)
	if b.dir, err = os.MkdirTemp("", "chaveiro-bench-"); err != nil {
		return fmt.Errorf("make a folder for what is built: %w", err)
	}
	return nil
}

// rounds is how often something is repeated.
func (b *bench) rounds(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.log, format+"\n", args...) }

// chosen picks parts by name; "" means all.
func chosen(only string) ([]measurement, error) {
	all := measurements()
	if only == "" {
		return all, nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(names(all), name) {
			return nil, fmt.Errorf("-only: no part %q; there are %s", name, strings.Join(names(all), ", "))
		}
	}
	return slices.DeleteFunc(all, func(m measurement) bool { return !slices.Contains(wanted, m.name) }), nil
}

func names(parts []measurement) []string {
	var list []string
	for _, m := range parts {
		list = append(list, m.name)
	}
	return list
}

func unexpected(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unexpected argument %q", args[0])
}
