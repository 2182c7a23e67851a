package stack_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/report"
)

const runbooks = "docs/runbooks"

// page is a runbook that the template names.
var page = regexp.MustCompile(`docs/runbooks/(\w+)\.md`)

// ten are the metrics of the contract (section 8). An eleventh costs money in every installation.
var ten = []string{
	"AuthLatency", "AuthSuccess", "Failing", "FallbackActive", "MinSecondsToExpiry", "Notices", "RefreshFailed", "Refreshed", "RenewalOverdue",
	"RotationFailed",
}

// TestEveryAlarmHasARunbook, and mails when it begins and when it ends.
func TestEveryAlarmHasARunbook(t *testing.T) {
	s := deploy(t, nil)
	alarms := s.ofType("AWS::CloudWatch::Alarm")
	if len(alarms) != 10 {
		t.Errorf("%d alarms: ten are promised, and ten are free", len(alarms))
	}
	for _, id := range alarms {
		p := s.properties(id)
		for _, actions := range []string{"AlarmActions", "OKActions"} {
			if !slices.Equal(texts(p[actions]), []string{text(s.ref("AlarmTopic"))}) {
				t.Errorf("%s: %s are %v", id, actions, p[actions])
			}
		}
		if p["ActionsEnabled"] != nil || p["AlarmName"] != stackName+"-"+id {
			t.Errorf("%s is called %v, and its actions are enabled: %v", id, p["AlarmName"], p["ActionsEnabled"])
		}
		if pages := page.FindAllStringSubmatch(text(p["AlarmDescription"]), -1); len(pages) != 1 || pages[0][1] != id {
			t.Errorf("%s names the pages %v, want %s/%s.md", id, pages, runbooks, id)
		}
	}
	files, err := filepath.Glob(filepath.Join(root, runbooks, "*.md"))
	must(t, err)
	var there []string
	for _, file := range files {
		there = append(there, strings.TrimSuffix(filepath.Base(file), ".md"))
	}
	if !slices.Equal(there, alarms) {
		t.Errorf("runbooks %v, alarms %v", there, alarms)
	}
	for _, m := range page.FindAllStringSubmatch(read(t, "template.yaml"), -1) {
		if !slices.Contains(there, m[1]) {
			t.Errorf("the template names %s, which does not exist", m[0])
		}
	}
}

// TestTheRunbooksNameWhatTheStackHas: functions, log groups and resources of a stack with the name of samconfig.toml.
func TestTheRunbooksNameWhatTheStackHas(t *testing.T) {
	s := deploy(t, nil)
	named := func(id string) string { return strings.Replace(text(s.ref(id)), stackName, "chaveiro", 1) }
	var functions, groups []string
	for _, id := range s.ofType("AWS::Serverless::Function") {
		functions = append(functions, named(id))
	}
	for _, id := range s.ofType("AWS::Logs::LogGroup") {
		groups = append(groups, named(id))
	}
	files, err := filepath.Glob(filepath.Join(root, runbooks, "*.md"))
	must(t, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		for pattern, wanted := range map[string][]string{
			`--function-name (\S+)`: functions, `logs tail (\S+)`: groups, `--log-group-names (\S+)`: groups,
			`--logical-resource-id (\S+)`: slices.Collect(maps.Keys(s.resources)), `--stack-name (\S+)`: {"chaveiro"},
		} {
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(raw), -1) {
				if !slices.Contains(wanted, m[1]) {
					t.Errorf("%s: %s, want one of %v", filepath.Base(file), m[0], wanted)
				}
			}
		}
	}
}

// TestMails: rules mail to the topic, and only about secrets and parameters under the prefix.
func TestMails(t *testing.T) {
	s := deploy(t, map[string]string{"Prefix": "prod/o.auth_2", "AlarmEmail": "you@example.com"})
	rules := s.ofType("AWS::Events::Rule")
	if len(rules) < 3 {
		t.Errorf("rules %v", rules)
	}
	for _, id := range rules {
		pattern, err := json.Marshal(s.properties(id)["EventPattern"])
		must(t, err)
		source := text(list(at(s.properties(id), "EventPattern", "source"))[0])
		wildcard := map[string]string{"aws.ssm": `"wildcard":"/prod/o.auth_2/*/`, "aws.secretsmanager": `:secret:prod/o.auth_2/*"`}[source]
		if wildcard == "" || !strings.Contains(string(pattern), wildcard) {
			t.Errorf("%s matches %s", id, pattern)
		}
		targets := list(s.properties(id)["Targets"])
		if len(targets) != 1 || at(targets[0], "Arn") != s.ref("AlarmTopic") {
			t.Fatalf("%s mails to %v", id, targets)
		}
		// Every <name> of the text has a path into the event, and every path is used.
		paths := mapping(at(targets[0], "InputTransformer", "InputPathsMap"))
		used := map[string]bool{}
		for _, m := range regexp.MustCompile(`<([^<>]*)>`).FindAllStringSubmatch(text(at(targets[0], "InputTransformer", "InputTemplate")), -1) {
			used[m[1]] = true
		}
		if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(paths)); !slices.Equal(got, want) {
			t.Errorf("%s uses %v, and has paths for %v", id, got, want)
		}
	}
	with, without := s.ofType("AWS::SNS::Subscription"), deploy(t, nil).ofType("AWS::SNS::Subscription")
	if len(with) != 1 || s.properties(with[0])["Endpoint"] != "you@example.com" || len(without) != 0 {
		t.Errorf("with an address there are the subscriptions %v, without %v", with, without)
	}
}

// TestWhoMayPublish: alarms of this account, and EventBridge, which publishes nothing to a topic whose policy has a condition for it.
func TestWhoMayPublish(t *testing.T) {
	s := deploy(t, nil)
	services := map[string]any{}
	for _, id := range s.ofType("AWS::SNS::TopicPolicy") {
		for _, item := range list(at(s.properties(id), "PolicyDocument", "Statement")) {
			if at(item, "Effect") != "Allow" || at(item, "Action") != "sns:Publish" || at(item, "Resource") != text(s.ref("AlarmTopic")) {
				t.Errorf("%v", item)
			}
			services[text(at(item, "Principal", "Service"))] = at(item, "Condition")
		}
	}
	if condition, known := services["events.amazonaws.com"]; len(services) != 2 || !known || condition != nil {
		t.Errorf("%v may publish", services)
	}
	if alarms := services["cloudwatch.amazonaws.com"]; at(alarms, "StringEquals", "aws:SourceAccount") != awstest.Account {
		t.Errorf("alarms may publish under %v", alarms)
	}
}

// TestTheDashboard is valid JSON and shows all ten metrics, all alarms, and the thresholds of two of them.
func TestTheDashboard(t *testing.T) {
	for minutes := range periods(t) {
		s := deploy(t, map[string]string{"SchedulePeriodMinutes": minutes, "LatencyThresholdMs": "777"})
		var body struct {
			Widgets []struct {
				Type       string
				Properties struct {
					Title, Region, Query string
					Alarms               []string
					Metrics              [][]any
					Annotations          struct {
						Horizontal []struct {
							Label string
							Value float64
						}
					}
				}
			}
		}
		must(t, json.Unmarshal([]byte(text(s.properties("Dashboard")["DashboardBody"])), &body))
		shown, lines, alarms := map[string]bool{}, map[string]float64{}, []string(nil)
		for _, w := range body.Widgets {
			alarms = append(alarms, w.Properties.Alarms...)
			for _, m := range w.Properties.Metrics {
				if len(m) < 4 || m[0] != report.Namespace || m[2] != "Stack" || m[3] != stackName {
					t.Fatalf("%q shows %v", w.Properties.Title, m)
				}
				shown[text(m[1])] = true
			}
			for _, line := range w.Properties.Annotations.Horizontal {
				lines[line.Label] = line.Value
			}
			for _, m := range regexp.MustCompile(`SOURCE '([^']*)'`).FindAllStringSubmatch(w.Properties.Query, -1) {
				s.wantLogGroup(w.Properties.Title, m[1])
			}
		}
		if got := slices.Sorted(maps.Keys(shown)); !slices.Equal(got, ten) {
			t.Errorf("it shows the metrics %v, want %v", got, ten)
		}
		for _, id := range []string{"TokenInDanger", "AuthSlow"} {
			if want := s.alarm(id).threshold; lines[id] != want {
				t.Errorf("the line of %s is at %g, and its threshold is %g", id, lines[id], want)
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

// TestSavedQueries look into log groups of the stack.
func TestSavedQueries(t *testing.T) {
	s := deploy(t, nil)
	queries := s.ofType("AWS::Logs::QueryDefinition")
	if len(queries) < 7 {
		t.Errorf("queries %v", queries)
	}
	for _, id := range queries {
		groups := texts(s.properties(id)["LogGroupNames"])
		if len(groups) == 0 || !strings.HasPrefix(text(s.properties(id)["Name"]), stackName+"/") {
			t.Errorf("%s is %v", id, s.properties(id))
		}
		for _, group := range groups {
			s.wantLogGroup(id, group)
		}
	}
}

func (s *stack) wantLogGroup(where, name string) {
	s.t.Helper()
	for _, id := range s.ofType("AWS::Logs::LogGroup") {
		if text(s.ref(id)) == name {
			return
		}
	}
	s.t.Errorf("%s looks into %s, which is no log group of the stack", where, name)
}
