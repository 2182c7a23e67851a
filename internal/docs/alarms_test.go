package docs_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// TestTheReportOfThePagesIsWhatTheHealthcheckAnswers plays a bad day, and compares all but the times.
func TestTheReportOfThePagesIsWhatTheHealthcheckAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.connect(hotmartShop, w.hotmart)
		main := w.sign(w.kiwify, "main")
		w.store(kiwifyMain, document(t, "kiwify", main))
		wrong := w.sign(w.kiwify, "b")
		wrong.secret = "pasted from the wrong panel"
		w.store(kiwifyOther, document(t, "kiwify", wrong))
		failing := w.sign(w.kiwify, "c")
		w.store("kiwify/loja-c", document(t, "kiwify", failing))
		w.sweepFor(time.Hour)
		w.kiwify.Remove(main.id)
		w.sweepFor(19 * time.Hour) // by now loja-c has a second token
		w.kiwify.Remove(failing.id)
		w.sweepFor(5 * time.Hour)
		w.kiwify.Inject(oauthtest.Latency(1480 * time.Millisecond).Always())
		w.hotmart.Inject(oauthtest.Latency(213 * time.Millisecond).Always())
		found, err := w.look(`{}`)
		must(t, err)
		for _, name := range []string{alarmsEnglish, alarmsPortuguese} {
			compareIn(t, name, "health", found, timesOfAReport)
		}
	})
}

// sweepFor lets the refresher's schedule run.
func (w *world) sweepFor(d time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Until(w.nextSweep())) {
		w.invoke(`{}`)
	}
}

func (w *world) nextSweep() time.Time {
	const period = 5 * time.Minute
	return time.Now().Truncate(period).Add(period)
}

// timesOfAReport are what no two reports have in common: where the time went.
var timesOfAReport = regexp.MustCompile(`"latency_ms":\{"dns":\d+,"connect":\d+,"tls":\d+,"first_byte":\d+,"total":\d+,"reused":(?:true|false)\}`)

// TestThePagesListTheAlarmsOfTheTemplate, each with its runbook and the time that the runbook states.
func TestThePagesListTheAlarmsOfTheTemplate(t *testing.T) {
	_, resources := templatePart(t, "Resources")
	var want []string
	for name, text := range resources {
		if strings.Contains(text, "Type: AWS::CloudWatch::Alarm\n") {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if len(want) != 10 {
		t.Fatalf("the template has %d alarms: %q", len(want), want)
	}
	row := regexp.MustCompile(`(?m)^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| [^|]+ \| (\d+) (?:minutes|minutos) \| [^|]+ \| [^|]+ \|$`)
	for _, name := range []string{alarmsEnglish, alarmsPortuguese} {
		_, table, _ := between(t, name, read(t, name), "<!-- begin: alarms checked by go test ./internal/docs -->\n", "<!-- end -->")
		var listed []string
		for _, m := range row.FindAllStringSubmatch(table, -1) {
			listed = append(listed, m[1])
			if m[1] != m[2] {
				t.Errorf("%s: the row of %s leads to the runbook of %s", name, m[1], m[2])
			}
			states := raisedWithin.FindStringSubmatch(read(t, "docs/runbooks/"+m[2]+".md"))
			if states == nil || states[1] != m[3] {
				t.Errorf("%s: %s rings within %s minutes, its runbook says %q", name, m[1], m[3], states)
			}
		}
		slices.Sort(listed)
		if !slices.Equal(listed, want) {
			t.Errorf("%s lists the alarms\n%q, the template has\n%q", name, listed, want)
		}
	}
}

var raisedWithin = regexp.MustCompile(`(?m)^Raised within (\d+) minutes`)

// TestThePagesListTheSavedQueriesOfTheTemplate in its order.
func TestThePagesListTheSavedQueriesOfTheTemplate(t *testing.T) {
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^      Name: !Sub '\$\{AWS::StackName\}/([a-z-]+)'$`).FindAllStringSubmatch(read(t, "template.yaml"), -1) {
		want = append(want, m[1])
	}
	if len(want) < 4 {
		t.Fatalf("found the queries %q", want)
	}
	for _, name := range []string{alarmsEnglish, alarmsPortuguese} {
		_, table, _ := between(t, name, read(t, name), "<!-- begin: queries checked by go test ./internal/docs -->\n", "<!-- end -->")
		var listed []string
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| [^|]+ \\|$").FindAllStringSubmatch(table, -1) {
			listed = append(listed, m[1])
		}
		if !slices.Equal(listed, want) {
			t.Errorf("%s lists the queries\n%q, the template has\n%q", name, listed, want)
		}
	}
}

// TestThePagesExplainEveryWordOfTheReport: each state and each status has its row, and no other word has.
func TestThePagesExplainEveryWordOfTheReport(t *testing.T) {
	states := []probe.State{probe.Paused, probe.Missing, probe.Expired, probe.Failing, probe.Overdue, probe.Due, probe.Fresh}
	var counts map[string]int
	raw, err := json.Marshal(probe.Counts{})
	must(t, err)
	must(t, json.Unmarshal(raw, &counts))
	if len(counts) != len(states)+2 { // total and orphaned
		t.Errorf("a report counts %v, and this test knows the states %v", counts, states)
	}
	var words []string
	for _, s := range states {
		words = append(words, string(s))
	}
	for name, title := range map[string]string{alarmsEnglish: "Ask how it is", alarmsPortuguese: "Pergunte como está"} {
		var rows []string
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| ").FindAllStringSubmatch(readPage(t, name).section(t, title).prose, -1) {
			rows = append(rows, m[1])
		}
		statuses := []string{string(probe.Healthy), string(probe.Degraded), string(probe.Unhealthy)}
		if want := slices.Concat(statuses, words, statuses); !slices.Equal(rows, want) {
			t.Errorf("%s explains %q, want %q", name, rows, want)
		}
	}
}
