package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// rowKey is the attribute under which the tests in virtual time report their rows.
const rowKey = "row"

// measureVirtual runs the tests TestVirtual… of this package. They measure in the virtual time of testing/synctest, which exists in tests
// only: there a second is exactly a second whatever the machine does, so that these numbers are facts about the program and repeat to the
// last digit. The tests judge their rows by themselves; here they are read and printed.
func measureVirtual(ctx context.Context, b *bench) ([]row, error) {
	b.say("measuring in virtual time")
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout=5m", "-run=^TestVirtual", "./cmd/bench")
	cmd.Dir = b.root
	var out, printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &printed
	failed := cmd.Run()
	rows, err := readVirtual(&out)
	rows = append(rows, missing(rows)...)
	if failed != nil && printed.Len() > 0 {
		err = errors.Join(err, fmt.Errorf("go test: %w: %s", failed, strings.TrimSpace(printed.String())))
	}
	return rows, err
}

// virtualMeasures are the measurements that the tests have to report, beside which others may stand.
func virtualMeasures() []string {
	return []string{
		"300 tokens at 10 writes a second", "300 tokens, others use 30% of the writes", "1,000 tokens at 200 ms each",
		"idle sweep of 10000 connections", "health of 10000 connections", "health with the longest names and words",
		"health while one of ten endpoints hangs",
		"one of ten providers hangs: the others, against nine",
	}
}

// missing is a row with a fault for each measurement that no test reported with a limit.
func missing(rows []row) []row {
	var list []row
	for _, name := range virtualMeasures() {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.Measure == name && r.Limit != nil }) {
			list = append(list, row{Measure: name, Fault: "no test reported it with a limit"})
		}
	}
	return list
}

// testEvent is what go test -json reports (go doc test2json).
type testEvent struct {
	Action string
	Test   string
	Key    string
	Value  string
	Output string
}

// virtualTest is one of the tests and what is known of it.
type virtualTest struct {
	name   string
	rows   []row
	failed bool
	output strings.Builder
}

// readVirtual reads what go test -json wrote. A test that reported no row, or that failed although all of its rows are within their limits,
// becomes a row that says so.
func readVirtual(events io.Reader) ([]row, error) {
	var order []*virtualTest
	tests := map[string]*virtualTest{}
	for dec := json.NewDecoder(events); ; {
		var ev testEvent
		if err := dec.Decode(&ev); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what go test reports: %w", err)
		}
		name, _, _ := strings.Cut(ev.Test, "/")
		if name == "" {
			continue
		}
		t := tests[name]
		if t == nil {
			t = &virtualTest{name: name}
			tests[name], order = t, append(order, t)
		}
		if err := t.take(ev); err != nil {
			return nil, err
		}
	}
	var rows []row
	for _, t := range order {
		rows = append(rows, t.result()...)
	}
	return rows, nil
}

func (t *virtualTest) take(ev testEvent) error {
	switch ev.Action {
	case "attr":
		if ev.Key != rowKey {
			return nil
		}
		var r row
		if err := json.Unmarshal([]byte(ev.Value), &r); err != nil {
			return fmt.Errorf("read a row of %s: %w", t.name, err)
		}
		t.rows = append(t.rows, r)
	case "output":
		t.output.WriteString(ev.Output)
	case "fail":
		t.failed = true
	}
	return nil
}

// result are the rows of one test.
func (t *virtualTest) result() []row {
	over := len(t.rows) == 0
	for _, r := range t.rows {
		over = over || t.failed && r.verdict() == verdictOver
	}
	switch {
	case len(t.rows) == 0:
		return []row{{Measure: t.name, Fault: "it reported no row\n" + t.output.String()}}
	case t.failed && !over:
		return append(t.rows, row{Measure: t.name, Fault: "the test failed\n" + t.output.String()})
	}
	return t.rows
}
