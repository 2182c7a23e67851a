package stack_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const runbooks = "docs/runbooks"

// named are the pages that a text sends a person to.
var named = regexp.MustCompile(`docs/runbooks/(\w+)\.md`)

// TestEveryAlarmTellsSomebodyWhatToDo: an action on both changes, a name that begins with the stack's, and a description that names what
// to look at and the alarm's own page.
func TestEveryAlarmTellsSomebodyWhatToDo(t *testing.T) {
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
		if p["ActionsEnabled"] != nil {
			t.Errorf("%s: its actions may be off", id)
		}
		if want := stackName + "-" + id; p["AlarmName"] != want {
			t.Errorf("%s is called %v, want %s", id, p["AlarmName"], want)
		}
		description := text(p["AlarmDescription"])
		if pages := named.FindAllStringSubmatch(description, -1); len(pages) != 1 || pages[0][1] != id {
			t.Errorf("%s sends to %v, want %s/%s.md", id, pages, runbooks, id)
		}
		if len(description) > 1024 || strings.Contains(description, "\n") {
			t.Errorf("%s: a description is one line of at most 1,024 characters: %q", id, description)
		}
		look := "the saved query " + stackName + "/"
		if id == "RefresherSilent" || id == "DeadLetters" { // about a run, and no connection
			look = "/aws/lambda/"
		}
		if !strings.Contains(description, look) {
			t.Errorf("%s does not name %q to look at: %s", id, look, description)
		}
	}
}

// TestEachRunbookHasItsForm: one page for each alarm and for the mail, all in one form, and none that nobody is sent to.
func TestEachRunbookHasItsForm(t *testing.T) {
	var wanted []string
	for _, m := range named.FindAllStringSubmatch(read(t, "template.yaml"), -1) {
		if !slices.Contains(wanted, m[1]) {
			wanted = append(wanted, m[1])
		}
	}
	files, err := filepath.Glob(filepath.Join(root, runbooks, "*.md"))
	must(t, err)
	var there []string
	for _, file := range files {
		there = append(there, strings.TrimSuffix(filepath.Base(file), ".md"))
	}
	if slices.Sort(wanted); !slices.Equal(there, wanted) {
		t.Errorf("pages %v, and the template names %v", there, wanted)
	}
	for _, name := range there {
		t.Run(name, func(t *testing.T) {
			page := read(t, runbooks+"/"+name+".md")
			if !strings.HasPrefix(page, "# "+name+"\n") {
				t.Errorf("it begins with %.40q", page)
			}
			parts := strings.Split(page, "\n## ")[1:]
			var titles []string
			for _, part := range parts {
				title, body, _ := strings.Cut(part, "\n")
				titles = append(titles, title)
				if len(strings.TrimSpace(body)) < 60 {
					t.Errorf("%s says nothing", title)
				}
			}
			if want := []string{"What it means", "Which connection", "What to do", "When it ends"}; !slices.Equal(titles, want) {
				t.Errorf("its parts are %q, want %q", titles, want)
			}
			if commands := strings.Count(page, "\n```console\naws ") + strings.Count(page, "\n```console\nqueue=$(aws ") + strings.Count(page, "\n```console\nquery=$(aws "); commands < 2 {
				t.Errorf("it has %d blocks of commands", commands)
			}
		})
	}
}

// TestTheRunbooksNameWhatTheStackHas: functions, log groups, resources and parameters of a stack with the default name.
func TestTheRunbooksNameWhatTheStackHas(t *testing.T) {
	const byDefault = "chaveiro" // of samconfig.toml
	if !strings.Contains(read(t, "samconfig.toml"), `stack_name = "`+byDefault+`"`) {
		t.Fatalf("the stack of samconfig.toml is not called %s", byDefault)
	}
	s := deploy(t, nil)
	named := func(id string) string { return strings.Replace(text(s.ref(id)), stackName, byDefault, 1) }
	var functions, groups []string
	for _, id := range []string{"Refresher", "Rotator", "Healthcheck"} {
		functions, groups = append(functions, named(id+"Function")), append(groups, named(id+"LogGroup"))
	}
	s.written("DeadLetterQueue") // fails the test if it has another id
	for pattern, wanted := range map[string][]string{
		`--function-name (\S+)`: functions, `logs tail (\S+)`: groups, `--log-group-names (\S+)`: groups, `--log-group-names \S+ (\S+)`: groups,
		`--logical-resource-id (\S+)`: {"DeadLetterQueue"}, `--stack-name (\S+)`: {byDefault},
	} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(allRunbooks(t), -1)
		for _, m := range found {
			if !slices.Contains(wanted, m[1]) {
				t.Errorf("%s names %s, want one of %s", pattern, m[1], wanted)
			}
		}
		if len(found) == 0 {
			t.Errorf("no page has %s", pattern)
		}
	}
	// What a page is about, its commands are about.
	for page, group := range map[string]string{
		"RefresherSilent": groups[0], "TokenInDanger": groups[0], "FallbackActive": groups[0], "Notices": groups[0], "RotationFailed": groups[1],
		"AuthFailing": groups[2], "AuthSlow": groups[2], "DeadLetters": groups[2], "ConnectionsFailing": groups[0], "RenewalOverdue": groups[0],
	} {
		if !strings.Contains(read(t, runbooks+"/"+page+".md"), group) {
			t.Errorf("%s has no command about %s", page, group)
		}
	}
	for _, m := range regexp.MustCompile("`([A-Z]\\w+(?:Minutes|MB|PerSecond|Ms|Seconds))`").FindAllStringSubmatch(allRunbooks(t), -1) {
		if s.tpl.parameters()[m[1]] == nil {
			t.Errorf("a page names the parameter %s, which the template does not have", m[1])
		}
	}
}

func allRunbooks(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, runbooks, "*.md"))
	must(t, err)
	var all strings.Builder
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		all.Write(raw)
	}
	return all.String()
}

// TestTheThresholdsOfTheRunbook: what TokenInDanger.md says is what the template has.
func TestTheThresholdsOfTheRunbook(t *testing.T) {
	page := read(t, runbooks+"/TokenInDanger.md")
	const sentence = "less than 15 minutes (the readers' cache and two periods; 7 minutes with a period of 1 minute, 25 with 10, 29 with 15)"
	if !strings.Contains(page, sentence) {
		t.Errorf("the page does not say %q", sentence)
	}
	for minutes, want := range map[string]float64{"1": 7, "5": 15, "10": 25, "15": 29} {
		if a := deploy(t, map[string]string{"SchedulePeriodMinutes": minutes}).alarm("TokenInDanger"); a.threshold != want*60 {
			t.Errorf("every %s min the threshold is %g s", minutes, a.threshold)
		}
	}
}

// TestTheTablesOfTheRunbooks: every notice that there is has a row in Notices.md, and what AuthFailing.md calls a code is one.
func TestTheTablesOfTheRunbooks(t *testing.T) {
	constants := func(file, name string) []string {
		var all []string
		for _, m := range regexp.MustCompile(`(?m)^\t`+name+`\w+\s+= "(\w+)"`).FindAllStringSubmatch(read(t, file), -1) {
			all = append(all, m[1])
		}
		if len(all) < 10 {
			t.Fatalf("%s has %d constants %s", file, len(all), name)
		}
		return slices.Sorted(slices.Values(all))
	}
	first := func(page string) []string {
		var all []string
		for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(read(t, runbooks+"/"+page+".md"), -1) {
			for _, m := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[1], -1) {
				all = append(all, m[1])
			}
		}
		return slices.Sorted(slices.Values(all))
	}
	if got, want := first("Notices"), constants("internal/refresh/event.go", "Notice"); !slices.Equal(got, want) {
		t.Errorf("Notices.md has rows of\n%v, and there are\n%v", got, want)
	}
	codes := constants("pkg/oauth/codes.go", "Code")
	for _, code := range first("AuthFailing") {
		if !slices.Contains(codes, code) {
			t.Errorf("AuthFailing.md has a row of %q, which is no code", code)
		}
	}
}
