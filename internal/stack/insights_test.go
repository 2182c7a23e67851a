package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// logLines are the lines that the functions really print, by the logical id of their log group: tokens that are renewed, a scope that changes, a
// pair that is refused and its standby, an outage, rotations that succeed and fail, and reports about all of it.
func logLines(t *testing.T) map[string][]map[string]any {
	t.Helper()
	var refresher, healthcheck, rotator bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		in := install(t, 5*time.Minute)
		in.connectAll()
		scoped := func(scopes ...string) {
			must(t, in.AddClient("generic", "drifts", func(c *oauthtest.Client) { c.Lifetime, c.Scopes = time.Hour, scopes }))
		}
		scoped("sales", "products")
		must(t, in.PutSecret("generic/drifts", "", in.generic("generic", "drifts")))
		must(t, in.PutSecret("generic/hourly", "BACKUP", fmt.Sprintf(`{"client_id":%q,"client_secret":%q}`, in.ClientID("drifts"), in.ClientSecret("drifts"))))
		sweeps := report.New(report.Config{Out: &refresher, Stack: stackName, Level: slog.LevelDebug, ByProvider: true})
		looks := report.New(report.Config{Out: &healthcheck, Stack: stackName, Level: slog.LevelDebug, ByProvider: true})
		live := func(d time.Duration) {
			for until := in.Now().Add(d); in.Now().Before(until); in.Advance(5 * time.Minute) {
				in.report = sweeps
				in.sweep()
				in.report = looks
				in.check(`{}`)
			}
		}
		in.twelve(1, 1, time.Hour)
		in.behave([]string{"kiwify", "hotmart", "generic"})
		live(time.Hour)
		scoped("products")
		in.Provider("generic").Remove(in.ClientID("hourly"))
		must(t, in.PutSecret("kiwify/main", "", `{"provider":"kiwify","client_id":"of this panel","client_secret":"of another panel"}`))
		in.behave([]string{"p1"}, oauthtest.Status(503).Always())
		live(3 * time.Hour)

		r := newRotations(t, deploy(t, nil), kind{"kiwify", oauthtest.Kiwify, ""})
		r.report = report.New(report.Config{Out: &rotator, Stack: stackName, Level: slog.LevelDebug})
		r.succeeded("first")
		r.stage("unknown")
		_, err := r.driver.Rotate(t.Context(), r.secret())
		must(t, err)
	})
	lines := map[string][]map[string]any{}
	for group, out := range map[string]*bytes.Buffer{"RefresherLogGroup": &refresher, "HealthcheckLogGroup": &healthcheck, "RotatorLogGroup": &rotator} {
		for line := range strings.Lines(out.String()) {
			var fields map[string]any
			must(t, json.Unmarshal([]byte(line), &fields))
			flat := map[string]any{"@timestamp": fields["timestamp"], "@message": line}
			flatten(flat, "", fields)
			lines[group] = append(lines[group], flat)
		}
	}
	return lines
}

// flatten names the fields of a line as Logs Insights does: a.b for what is in an object, a.0 for what is in a list.
func flatten(into map[string]any, prefix string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			flatten(into, prefix+key+".", item)
		}
	case []any:
		for i, item := range v {
			flatten(into, fmt.Sprintf("%s%d.", prefix, i), item)
		}
	default:
		into[strings.TrimSuffix(prefix, ".")] = v
	}
}

// query is one of Logs Insights: commands with a bar between them.
type query struct {
	t        *testing.T
	text     string
	groups   []string // logical ids of log groups
	commands []string
}

func newQuery(t *testing.T, text string, groups []string) query {
	t.Helper()
	q := query{t: t, text: text, groups: groups}
	for _, command := range strings.Split(text, "|") {
		q.commands = append(q.commands, strings.TrimSpace(command))
	}
	return q
}

var (
	quoted = regexp.MustCompile(`"[^"]*"`)
	word   = regexp.MustCompile(`@?[A-Za-z_][\w.]*`)
	alias  = regexp.MustCompile(`\bas (\w+)`)
	number = regexp.MustCompile(`\b\d+[a-z]*\b`)
)

// known are the words of the language that the queries use.
var known = strings.Fields(`fields filter stats sort limit by as and or not in asc desc ispresent count count_distinct min max avg sum pct latest bin strcontains`)

// names are the fields that a query names, without its own.
func (q query) names() []string {
	own := map[string]bool{}
	for _, m := range alias.FindAllStringSubmatch(q.text, -1) {
		own[m[1]] = true
	}
	var found []string
	for _, w := range word.FindAllString(number.ReplaceAllString(quoted.ReplaceAllString(q.text, ""), ""), -1) {
		if !own[w] && !slices.Contains(known, w) && !slices.Contains(found, w) {
			found = append(found, w)
		}
	}
	return found
}

// check wants each field, and each text that a filter compares with, to be in lines of the query's groups, and the filter to find some.
func (q query) check(name string, all map[string][]map[string]any) {
	q.t.Helper()
	var lines []map[string]any
	for _, group := range q.groups {
		if len(all[group]) == 0 {
			q.t.Errorf("%s: no lines of %q", name, group)
		}
		lines = append(lines, all[group]...)
	}
	fields, values := map[string]bool{}, map[string]bool{}
	for _, line := range lines {
		for key, value := range line {
			fields[key] = true
			values[text(value)] = true
		}
	}
	for _, field := range q.names() {
		if !fields[field] {
			q.t.Errorf("%s names %q, which is in no line of %v", name, field, q.groups)
		}
	}
	for _, value := range quoted.FindAllString(q.text, -1) {
		if value := strings.Trim(value, `"`); !values[value] && !slices.Contains(unseen, value) {
			q.t.Errorf("%s looks for %q, which no line of %v has", name, value, q.groups)
		}
	}
	found := map[string]int{}
	for _, group := range q.groups {
		for _, line := range all[group] {
			if q.finds(line) {
				found[text(line["message"])]++
			}
		}
	}
	if len(found) == 0 {
		q.t.Errorf("%s finds nothing: %s", name, q.text)
	}
	q.t.Logf("%s finds %v", name, found)
}

// unseen are texts that no line of logLines happens to have.
var unseen = []string{
	"configuration", "malformed", // classes
	"scope_unverified", "rotation.notice", "not_probed",
	"token", // a kind of probe that no provider of the tests may be asked with
}

// finds reports whether a line passes all filters.
func (q query) finds(line map[string]any) bool {
	for _, command := range q.commands {
		if condition, is := strings.CutPrefix(command, "filter "); is {
			p := filter{t: q.t, line: line, tokens: token.FindAllString(condition, -1)}
			if pass := p.or(); !pass {
				return false
			}
			if len(p.tokens) > 0 {
				q.t.Fatalf("%q is not read here, from %q on", condition, p.tokens)
			}
		}
	}
	return true
}

// filter reads the conditions that the queries use: and, or, brackets, =, >, in and ispresent.
type filter struct {
	t      *testing.T
	line   map[string]any
	tokens []string
}

var token = regexp.MustCompile(`"[^"]*"|[()\[\],=>]|[@\w.]+`)

func (f *filter) take() string {
	if len(f.tokens) == 0 {
		f.t.Fatal("a filter ends too soon")
	}
	was := f.tokens[0]
	f.tokens = f.tokens[1:]
	return was
}

func (f *filter) next(want string) bool {
	if len(f.tokens) == 0 || f.tokens[0] != want {
		return false
	}
	f.take()
	return true
}

func (f *filter) or() bool {
	value := f.and()
	for f.next("or") {
		right := f.and()
		value = value || right
	}
	return value
}

func (f *filter) and() bool {
	value := f.one()
	for f.next("and") {
		right := f.one()
		value = value && right
	}
	return value
}

func (f *filter) one() bool {
	if f.next("(") {
		value := f.or()
		if !f.next(")") {
			f.t.Fatalf("no bracket before %q", f.tokens)
		}
		return value
	}
	field := f.take()
	if field == "ispresent" && f.next("(") {
		_, there := f.line[f.take()]
		f.next(")")
		return there
	}
	value := text(f.line[field])
	switch {
	case f.next("="):
		return value == strings.Trim(f.take(), `"`)
	case f.next("in") && f.next("["):
		in := false
		for !f.next("]") {
			in = strings.Trim(f.take(), `"`) == value || in
			f.next(",")
		}
		return in
	}
	f.t.Fatalf("what stands behind %q is not read here: %q", field, f.tokens)
	return false
}

func TestTheFilterIsReadAsLogsInsightsDoes(t *testing.T) {
	line := map[string]any{"message": "probe", "code": "dns", "http_status": 200.0}
	for condition, want := range map[string]bool{
		`message = "probe"`: true, `message = "prob"`: false, `http_status = 200`: true, `ispresent(code)`: true, `ispresent(class)`: false,
		`message in ["run", "probe"] and ispresent(class)`: false, `message in ["run"] or code = "dns"`: true,
		`(message = "run" and code = "dns") or http_status = 200`: true, `message = "run" and (code = "dns" or http_status = 200)`: false,
	} {
		if got := newQuery(t, "filter "+condition, nil).finds(line); got != want {
			t.Errorf("%s: %v", condition, got)
		}
	}
}

// TestTheSavedQueriesFindWhatTheFunctionsWrite: each is in the stack's folder, over the stack's log groups, and names what is there.
func TestTheSavedQueriesFindWhatTheFunctionsWrite(t *testing.T) {
	s, lines := deploy(t, nil), logLines(t)
	groupIDs := map[string]string{}
	for _, id := range s.ofType("AWS::Logs::LogGroup") {
		groupIDs[text(s.ref(id))] = id
	}
	names := map[string]bool{}
	for _, id := range s.ofType("AWS::Logs::QueryDefinition") {
		p := s.properties(id)
		name, inFolder := strings.CutPrefix(text(p["Name"]), stackName+"/")
		if !inFolder || names[name] {
			t.Errorf("%s is called %v", id, p["Name"])
		}
		names[name] = true
		var groups []string
		for _, group := range texts(p["LogGroupNames"]) {
			groups = append(groups, groupIDs[group])
		}
		query := text(p["QueryString"])
		if name == "audit-of-one-connection" { // a person writes another name into it
			query = strings.Replace(query, `"kiwify/main"`, `"`+rotated+`"`, 1)
			newQuery(t, strings.Replace(query, rotated, "kiwify/main", 1), groups).check(name, lines)
		}
		newQuery(t, query, groups).check(name, lines)
	}
	for _, want := range []string{"audit-of-one-connection", "failures-by-code", "mints-by-provider", "scope-changes", "notices", "connections-in-need", "latency-by-phase"} {
		if !names[want] {
			t.Errorf("there is no query %s: %v", want, slices.Sorted(maps.Keys(names)))
		}
	}
	// An alarm or an output that sends to a query sends to one that is there.
	for _, id := range s.ofType("AWS::CloudWatch::Alarm") {
		for _, m := range regexp.MustCompile(stackName+`/([a-z-]+)`).FindAllStringSubmatch(text(s.properties(id)["AlarmDescription"]), -1) {
			if !names[m[1]] {
				t.Errorf("%s sends to the query %s", id, m[1])
			}
		}
	}
}
