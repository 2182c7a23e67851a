package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"strconv"
)

//go:embed today/loop.py
var loopScript []byte

// The limits of CPU for each token that is renewed, as multiples of the bare calls.
const (
	maxInProcess    = 2.0
	maxOverLoopback = 1.3 // the kernel's work is a part of both
)

// rival is a contestant over loopback and what it has used so far.
type rival struct {
	name  string
	argv  []string
	task  task
	every int // takes part in each round that this divides
	spent samples
}

// measureCPU measures the CPU that one renewal costs the process that does it: by getrusage, in a child process of its own, while the
// stores and the provider live in this one.
//
// Every pass is a sample, and the value is the least of all passes of all rounds. A pass is the same work each time, some hundred renewals
// with a dozen collections of garbage among them, so that what one pass takes more than another comes from outside: caches that a
// neighbour has emptied, a lower clock rate, and on a virtual machine the time that the host gave to others, which getrusage counts as
// ours. All of that only adds. The quartiles beside it say how much it was.
func measureCPU(ctx context.Context, b *bench) ([]row, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	rows, err := measureInProcess(ctx, b, self)
	if err != nil {
		return rows, err
	}
	over, err := measureLoopback(ctx, b, self)
	return append(rows, over...), err
}

// measureInProcess measures the refresher and the SDK by themselves: the requests go to recorded answers.
func measureInProcess(ctx context.Context, b *bench, self string) ([]row, error) {
	b.say("measuring CPU in process")
	t := task{tokens: 500, passes: b.rounds(8, 3)}
	spent := map[string]samples{}
	for range b.rounds(10, 1) {
		for _, name := range []string{"hotmart", "kiwify", "bare"} {
			found, err := contest(ctx, t.argv(self, "in-process/"+name), functionEnvironment(), t)
			if err != nil {
				return nil, err
			}
			spent[name] = append(spent[name], found...)
		}
	}
	most := &limit{Most: maxInProcess, OfRatio: true}
	under := &floor{spent["bare"].least(), "bare calls, Hotmart"}
	hot, kiwi := spent["hotmart"], spent["kiwify"]
	return []row{
		{Measure: "CPU per token, in process, Hotmart", Value: hot.least(), Unit: "µs", Spread: hot.spread(), Floor: under, Limit: most},
		{Measure: "CPU per token, in process, Kiwify", Value: kiwi.least(), Unit: "µs", Spread: kiwi.spread(), Floor: under, Limit: most},
	}, nil
}

// measureLoopback measures the refresher, the bare calls and a user's loop over real connections, in turns, each time on a new account.
func measureLoopback(ctx context.Context, b *bench, self string) ([]row, error) {
	t := task{tokens: 400, passes: 3}
	field := []rival{
		{name: "refresher", argv: t.argv(self, "refresher"), task: t, every: 1},
		{name: "bare calls", argv: t.argv(self, "bare"), task: t, every: 1},
	}
	if b.python != "" {
		script, err := b.script("loop.py", loopScript)
		if err != nil {
			return nil, err
		}
		fewer := task{tokens: 100, passes: 1}
		field = append(field, rival{
			name: "Python with boto3", argv: []string{b.python, script, strconv.Itoa(fewer.tokens), strconv.Itoa(fewer.passes)}, task: fewer, every: 4,
		})
	}
	b.say("measuring CPU over loopback")
	for round := range b.rounds(16, 2) {
		for i := range field {
			r := &field[(i+round)%len(field)]
			if round%r.every != 0 {
				continue
			}
			if err := r.compete(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	ours, least := field[0], field[1]
	under := &floor{least.spent.least(), least.name}
	rows := []row{{
		Measure: "CPU per token, over loopback", Value: ours.spent.least(), Unit: "µs", Spread: ours.spent.spread(),
		Floor: under, Limit: &limit{Most: maxOverLoopback, OfRatio: true},
	}}
	for _, r := range field[2:] {
		rows = append(rows, row{Measure: "  beside it: " + r.name, Value: r.spent.least(), Unit: "µs", Spread: r.spent.spread(), Floor: under})
	}
	return rows, nil
}

// compete runs the contestant on a new account, and looks whether it did its work.
func (r *rival) compete(ctx context.Context) error {
	s, err := openOnLoopback(r.task.tokens)
	if err != nil {
		return err
	}
	defer s.closeAll()
	spent, err := contest(ctx, r.argv, s.environment(), r.task)
	if err != nil {
		return err
	}
	r.spent = append(r.spent, spent...)
	return s.check(r.task.tokens * (r.task.passes + 1))
}

// argv is the command line of a contestant of this program.
func (t task) argv(self, name string) []string {
	return []string{self, contestantCommand, "-tokens", strconv.Itoa(t.tokens), "-passes", strconv.Itoa(t.passes), name}
}
