package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// contestantCommand makes this program a contestant: a child process that does one thing again and again and reports what CPU each pass
// took, so that nothing of the driver and of the servers is counted.
const contestantCommand = "contestant"

// task is what a contestant does.
type task struct {
	tokens int // renewed in each pass; of a rotation: steps
	passes int // that are measured; one before them warms up
}

// passesOf runs the passes and returns the CPU of each.
type passesOf func(ctx context.Context, t task) (samples, error)

// contestants are those that are written in Go, by name.
func contestants() map[string]passesOf {
	return map[string]passesOf{
		"refresher":          refresherPasses,
		"bare":               barePasses,
		"rotator":            rotatorPasses,
		"in-process/hotmart": func(ctx context.Context, t task) (samples, error) { return tapePasses(ctx, t, oauthtest.Hotmart) },
		"in-process/kiwify":  func(ctx context.Context, t task) (samples, error) { return tapePasses(ctx, t, oauthtest.Kiwify) },
		"in-process/bare":    bareTapePasses,
		"in-process/rotator": rotatorTapePasses,
	}
}

// tally is what a contestant prints: the CPU of each pass in microseconds for each token.
type tally struct {
	Tokens   int     `json:"tokens"` // of each pass
	PerToken samples `json:"us_per_token"`
}

// runContestant is main of a child process.
func runContestant(ctx context.Context, args []string, out, log io.Writer) int {
	var t task
	flags := flag.NewFlagSet(contestantCommand, flag.ContinueOnError)
	flags.SetOutput(log)
	flags.IntVar(&t.tokens, "tokens", 100, "renewed in each pass")
	flags.IntVar(&t.passes, "passes", 1, "measured")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	run, ok := contestants()[flags.Arg(0)]
	if !ok || flags.NArg() != 1 || t.tokens < 1 || t.passes < 1 {
		_, _ = fmt.Fprintf(log, "bench contestant: name one of %s\n", strings.Join(slices.Sorted(maps.Keys(contestants())), ", "))
		return exitUsage
	}
	spent, err := run(ctx, t)
	if err == nil {
		err = json.NewEncoder(out).Encode(tally{Tokens: t.tokens, PerToken: spent})
	}
	if err != nil {
		_, _ = fmt.Fprintf(log, "bench contestant %s: %v\n", flags.Arg(0), err)
		return exitOver
	}
	return exitOK
}

// timed runs one pass to warm up (connections, pools, the heap's size), and then the passes that count.
func timed(t task, pass func() error) (samples, error) {
	if err := pass(); err != nil {
		return nil, fmt.Errorf("first pass: %w", err)
	}
	var spent samples
	for range t.passes {
		before, err := cpuTime()
		if err != nil {
			return nil, err
		}
		if err := pass(); err != nil {
			return nil, err
		}
		after, err := cpuTime()
		if err != nil {
			return nil, err
		}
		spent = append(spent, float64((after-before).Nanoseconds())/1000/float64(t.tokens))
	}
	return spent, nil
}

// dueAfter is three quarters of the life of Hotmart's and of Kiwify's tokens: all are due, none has expired.
func dueAfter(p *oauthtest.Provider) time.Duration {
	if p.Name() == "kiwify" {
		return 18 * time.Hour
	}
	return 36 * time.Hour
}

// period of the refresher's schedule, its default.
const period = 5 * time.Minute

// unpaced lets the pacer of the writes stand back: at a place each nanosecond nobody waits for one.
func unpaced(c *refresh.Config) { c.MaxWritesPerSecond = 1e9 }

// refresherPasses sweeps, with all tokens due each time, over real connections to the addresses in the environment. Log lines and metrics
// go to a file that keeps nothing.
func refresherPasses(ctx context.Context, t task) (samples, error) {
	config, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	logs, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	r, err := newRefresher(wiring{aws: config, logs: logs, change: unpaced})
	if err != nil {
		return nil, err
	}
	step := dueAfter(oauthtest.Hotmart(oauthtest.Options{}))
	return timed(t, func() error {
		err := r.sweepAll(ctx, t.tokens)
		r.ahead += step
		return err
	})
}

// tapePasses sweeps in process. The second sweep, in which all tokens are due for the first time, is recorded; those that are measured ask
// the same and get the same answers.
func tapePasses(ctx context.Context, t task, profile func(oauthtest.Options) *oauthtest.Provider) (samples, error) {
	r := new(refresher)
	// The provider goes by the same clock: else its tokens would seem to have lived for half a day when they come.
	s, err := newStage(profile(oauthtest.Options{Now: r.now}), t.tokens, "")
	if err != nil {
		return nil, err
	}
	stores, endpoints := newTape(s.aws.Transport()), newTape(network(s.provider))
	config := s.aws.Config()
	config.HTTPClient = &http.Client{Transport: stores}
	logs, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	if err := r.open(wiring{aws: config, network: endpoints, logs: logs, change: unpaced}); err != nil {
		return nil, err
	}
	if err := r.sweepAll(ctx, t.tokens); err != nil {
		return nil, err
	}
	// From the beginning of a period on: the clock picks the parameters that a sweep compares, so that all sweeps of one period read the same.
	r.ahead = dueAfter(s.provider)
	r.ahead += r.now().Truncate(period).Add(period).Sub(r.now())
	if err := r.sweepAll(ctx, t.tokens); err != nil {
		return nil, err
	}
	if err := s.check(2 * t.tokens); err != nil {
		return nil, err
	}
	stores.playing.Store(true)
	endpoints.playing.Store(true)
	return timed(t, func() error { return r.sweepAll(ctx, t.tokens) })
}

// childLimit is the longest that a contestant may take.
const childLimit = 2 * time.Minute

// contest runs a contestant as a child process and reads its tally.
func contest(ctx context.Context, argv, env []string, t task) (samples, error) {
	ctx, cancel := context.WithTimeout(ctx, childLimit)
	defer cancel()
	var out, printed bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // this program, or the interpreter that was given
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &printed
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(argv[1:], " "), err, strings.TrimSpace(printed.String()))
	}
	return readTally(out.Bytes(), t)
}

// readTally reads what a contestant printed. What does not match the task is an error.
func readTally(text []byte, t task) (samples, error) {
	var got tally
	if err := json.Unmarshal(text, &got); err != nil {
		return nil, fmt.Errorf("read a contestant's tally: %w", err)
	}
	if got.Tokens != t.tokens || len(got.PerToken) != t.passes {
		return nil, fmt.Errorf("a contestant reports %d passes over %d tokens; expected are %d over %d", len(got.PerToken), got.Tokens, t.passes, t.tokens)
	}
	for _, v := range got.PerToken {
		if !(v > 0) {
			return nil, fmt.Errorf("a contestant reports a pass that took %v µs of CPU for each token", v)
		}
	}
	return got.PerToken, nil
}
