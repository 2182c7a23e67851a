package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/scenario"
)

// described is a row of a table of docs/audit.md: the levels and fields of the lines of one event.
type described struct{ levels, always, sometimes []string }

// inEveryLine are the fields of all lines, which no row names.
var inEveryLine = []string{"timestamp", "level", "message", "requestId"}

var eventRow = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\| [^|]+ \\|$")

// events are the rows of the table of a function.
func events(t *testing.T, function string) map[string]described {
	t.Helper()
	_, table, ok := strings.Cut(read(t, "docs/audit.md"), "<!-- begin: events of the "+function)
	table, _, ends := strings.Cut(table, "<!-- end -->")
	if !ok || !ends {
		t.Fatalf("docs/audit.md has no table of the %s", function)
	}
	spans := func(cell string) []string {
		var names []string
		for _, s := range codeSpan.FindAllStringSubmatch(cell, -1) {
			names = append(names, s[1])
		}
		return names
	}
	rows := map[string]described{}
	for _, m := range eventRow.FindAllStringSubmatch(table, -1) {
		rows[m[1]] = described{strings.Split(m[2], ", "), spans(m[3]), spans(m[4])}
	}
	if lines := strings.Count(table, "\n| `"); len(rows) == 0 || len(rows) != lines {
		t.Fatalf("docs/audit.md: of %d rows of the %s %d can be read", lines, function, len(rows))
	}
	return rows
}

var eventConstant = regexp.MustCompile(`(?m)^\tEvent\w+ +EventKind += "([a-z_.]+)"`)

// TestEveryEventHasARow, and no row is about an event that does not exist. Some lines are of internal/report itself.
func TestEveryEventHasARow(t *testing.T) {
	for function, c := range map[string]struct {
		source string
		own    []string
	}{
		"refresher":   {"internal/refresh/event.go", []string{"run", "metrics"}},
		"rotator":     {"internal/rotate/audit.go", []string{"step", "metrics"}},
		"healthcheck": {"internal/probe/observe.go", []string{"attention", "health", "metrics"}},
	} {
		want := c.own
		for _, m := range eventConstant.FindAllStringSubmatch(read(t, c.source), -1) {
			want = append(want, m[1])
		}
		got := slices.Sorted(maps.Keys(events(t, function)))
		if slices.Sort(want); len(want) < 5 || !slices.Equal(got, want) {
			t.Errorf("the %s has the events\n%v, docs/audit.md describes\n%v", function, want, got)
		}
	}
}

// TestEveryFieldIsExplained: the names of fields in the source of internal/report, and those of the tables of events.
func TestEveryFieldIsExplained(t *testing.T) {
	explained := map[string]bool{}
	for _, s := range readPage(t, "docs/audit.md").sections {
		if s.title == "Fields" {
			for _, m := range codeSpan.FindAllStringSubmatch(s.prose, -1) {
				explained[m[1]] = true
			}
		}
	}
	used := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, "internal", "report", "*.go"))
	must(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(file)
		must(t, err)
		for _, m := range regexp.MustCompile(`[{(]"([a-z][a-z_]+)", `).FindAllStringSubmatch(string(raw), -1) {
			used[m[1]] = filepath.Base(file)
		}
	}
	if len(used) < 20 {
		t.Fatalf("found the fields %v in internal/report", used)
	}
	for _, function := range []string{"refresher", "rotator", "healthcheck"} {
		for event, row := range events(t, function) {
			for _, field := range slices.Concat(row.always, row.sometimes) {
				used[field] = function + " " + event
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(used)) {
		if !explained[field] {
			t.Errorf("docs/audit.md does not explain the field %s (%s)", field, used[field])
		}
	}
}

// TestLinesOfEveryScenario compares each line that the refresher and the healthcheck print with the tables of docs/audit.md: fields that are
// always there, fields that are sometimes there, no other; and the level.
func TestLinesOfEveryScenario(t *testing.T) {
	if testing.Short() {
		t.Skip("plays every scenario again, which takes seconds; make test does")
	}
	tables := map[string]map[string]described{"refresher": events(t, "refresher"), "healthcheck": events(t, "healthcheck")}
	folder := filepath.Join(root, "internal", "scenario", "testdata")
	files, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	must(t, err)
	outages, err := filepath.Glob(filepath.Join(folder, "outage", "*.txtar"))
	must(t, err)
	if len(files) < 30 || len(outages) < 15 {
		t.Fatalf("%d scenarios and %d outages", len(files), len(outages))
	}
	reported := map[string]bool{} // a fault is reported for the first line that has it
	for _, file := range slices.Concat(files, outages) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			must(t, err)
			synctest.Test(t, func(t *testing.T) {
				_, err := scenario.Play(t.Context(), filepath.Base(file), data, func(in scenario.Invocation) {
					var out bytes.Buffer
					run, function := report.New(report.Config{Out: &out, Stack: "chaveiro"}).Run("request"), "refresher"
					for _, ev := range in.Events {
						run.Observe(ev)
					}
					if in.Health != nil {
						function = "healthcheck"
						run.HealthDone(*in.Health, in.Err)
					} else {
						run.Done(in.Result, in.Err)
					}
					for line := range bytes.Lines(out.Bytes()) {
						if err := checkLine(tables[function], line); err != nil && !reported[err.Error()] {
							reported[err.Error()] = true
							t.Errorf("%s: %v: %s", function, err, line)
						}
					}
				})
				must(t, err)
			})
		})
	}
}

// checkLine says what a line has that its row does not name, or lacks.
func checkLine(rows map[string]described, line []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return err
	}
	event := strings.Trim(string(fields["message"]), `"`)
	row, ok := rows[event]
	if !ok {
		return fmt.Errorf("no row describes the event %s", event)
	}
	for _, field := range slices.Concat(row.always, inEveryLine) {
		if isMetrics := field == "requestId" && event == "metrics"; fields[field] == nil && !isMetrics {
			return fmt.Errorf("%s: the field %s is missing", event, field)
		}
	}
	for field := range fields {
		if !slices.Contains(slices.Concat(row.always, row.sometimes, inEveryLine), field) {
			return fmt.Errorf("%s: the field %s is not described", event, field)
		}
	}
	if level := strings.Trim(string(fields["level"]), `"`); !slices.Contains(row.levels, level) {
		return fmt.Errorf("%s: the level %s is not described", event, level)
	}
	return nil
}

func TestCheckLine(t *testing.T) {
	rows := map[string]described{"run": {[]string{"INFO"}, []string{"connections"}, []string{"error"}}}
	const begin = `{"timestamp":"t","requestId":"r","message":"run","level":`
	for line, want := range map[string]bool{
		begin + `"INFO","connections":1}`:             true,
		begin + `"INFO","connections":1,"error":"x"}`: true,
		begin + `"INFO"}`:                             false,
		begin + `"WARN","connections":1}`:             false,
		begin + `"INFO","connections":1,"secret":1}`:  false,
		`{"message":"other"}`:                         false,
	} {
		if err := checkLine(rows, []byte(line)); (err == nil) != want {
			t.Errorf("%s: %v", line, err)
		}
	}
}
