package stack_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/report"
)

// ten are the metrics of the contract (section 8).
var ten = []string{
	"AuthLatency", "AuthSuccess", "Failing", "FallbackActive", "MinSecondsToExpiry", "Notices", "RefreshFailed", "Refreshed", "RenewalOverdue", "RotationFailed",
}

type widget struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title, Region, View, Stat, Query string
		Period                           float64
		Alarms                           []string
		Metrics                          [][]any
		Annotations                      struct {
			Horizontal []struct {
				Label string
				Value float64
			}
		}
	}
}

// source is a log group that a query of a dashboard names before its commands.
var source = regexp.MustCompile(`^SOURCE '([^']*)'$`)

// TestTheDashboard shows all ten metrics and all alarms, with the lines at which two of them ring, and looks for what the functions write.
func TestTheDashboard(t *testing.T) {
	lines := logLines(t)
	for _, minutes := range texts(at(readTemplate(t).parameters()["SchedulePeriodMinutes"], "AllowedValues")) {
		s := deploy(t, map[string]string{"SchedulePeriodMinutes": minutes, "LatencyThresholdMs": "777"})
		ids := s.ofType("AWS::CloudWatch::Dashboard")
		if len(ids) != 1 || s.properties(ids[0])["DashboardName"] != stackName+"-"+text(s.ref("AWS::Region")) {
			t.Fatalf("dashboards %v", ids)
		}
		var body struct {
			Start   string
			Widgets []widget
		}
		dec := json.NewDecoder(strings.NewReader(text(s.properties(ids[0])["DashboardBody"])))
		must(t, dec.Decode(&body))
		groups := map[string]string{}
		for _, id := range s.ofType("AWS::Logs::LogGroup") {
			groups[text(s.ref(id))] = id
		}
		shown, lineAt, alarms := map[string]bool{}, map[string]float64{}, []string(nil)
		for i, w := range body.Widgets {
			if w.Width < 1 || w.Height < 1 || w.X+w.Width > 24 || w.Properties.Title == "" {
				t.Errorf("widget %d is %+v", i, w)
			}
			for _, other := range body.Widgets[:i] {
				if w.X < other.X+other.Width && other.X < w.X+w.Width && w.Y < other.Y+other.Height && other.Y < w.Y+w.Height {
					t.Errorf("%q lies over %q", w.Properties.Title, other.Properties.Title)
				}
			}
			if w.Type != "alarm" && w.Properties.Region != awstest.Region {
				t.Errorf("%q is of the region %q", w.Properties.Title, w.Properties.Region)
			}
			switch w.Type {
			case "alarm":
				alarms = append(alarms, w.Properties.Alarms...)
			case "metric":
				for _, m := range w.Properties.Metrics {
					if len(m) != 5 || m[0] != report.Namespace || !slices.Contains(ten, text(m[1])) || m[2] != "Stack" || m[3] != stackName {
						t.Errorf("%q shows %v", w.Properties.Title, m)
						continue
					}
					if stat := text(at(m[4], "stat")); stat == "" && w.Properties.Stat == "" || at(m[4], "label") == nil || w.Properties.Period == 0 {
						t.Errorf("%q: %v has no statistic, label or period", w.Properties.Title, m)
					}
					shown[text(m[1])] = true
				}
				for _, line := range w.Properties.Annotations.Horizontal {
					lineAt[line.Label] = line.Value
				}
			case "log":
				var commands, from []string
				for _, command := range strings.Split(w.Properties.Query, " | ") {
					if m := source.FindStringSubmatch(command); m != nil {
						from = append(from, groups[m[1]])
						continue
					}
					commands = append(commands, command)
				}
				if len(from) == 0 || slices.Contains(from, "") {
					t.Errorf("%q looks into %q", w.Properties.Title, from)
				}
				newQuery(t, strings.Join(commands, " | "), from).check(w.Properties.Title, lines)
			default:
				t.Errorf("widget %d is of type %q, which is not read here", i, w.Type)
			}
		}
		if got := slices.Sorted(maps.Keys(shown)); !slices.Equal(got, ten) {
			t.Errorf("it shows the metrics %v, want %v", got, ten)
		}
		for _, id := range []string{"TokenInDanger", "AuthSlow"} {
			if want := s.alarm(id).threshold; lineAt[id] != want {
				t.Errorf("the line of %s is at %g, and it rings at %g", id, lineAt[id], want)
			}
		}
		var all []string
		for _, id := range s.ofType("AWS::CloudWatch::Alarm") {
			all = append(all, s.attribute(id, "Arn"))
		}
		if slices.Sort(alarms); !slices.Equal(alarms, slices.Sorted(slices.Values(all))) {
			t.Errorf("it shows the alarms %v", alarms)
		}
	}
}

// TestTheFunctionsWriteTenMetrics and no more, whatever befalls them: an eleventh costs money in every installation.
func TestTheFunctionsWriteTenMetrics(t *testing.T) {
	written := map[string]bool{}
	for _, lines := range logLines(t) {
		for _, line := range lines {
			for key, value := range parseEMF(t, text(line["@message"])) {
				if fields := strings.Fields(key); len(value) > 0 && len(fields) > 1 {
					written[fields[1]] = true
				}
			}
		}
	}
	if got := slices.Sorted(maps.Keys(written)); !slices.Equal(got, ten) {
		t.Errorf("they write %v, want %v", got, ten)
	}
}
