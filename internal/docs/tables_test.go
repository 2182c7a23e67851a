package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// list is a table of a page whose first column has a row for each name that the code or the template has.
type list struct {
	pages  []string
	after  string // where the table is: the first one behind a text that all pages have
	source string // file of the names
	part   string // of the file: between the line that this matches and the next line that is indented as little; "": all of it
	name   string // regular expression with the name as its group
}

// TestTablesListWhatThereIs: no name is missing, and no row names what does not exist.
func TestTablesListWhatThereIs(t *testing.T) {
	readmes, alarms, rotations := translations[0][:], translations[2][:], translations[1][:]
	for what, l := range map[string]list{
		"parameters": {readmes, "| `AlarmEmail` |", "template.yaml", "Parameters:", `(?m)^  ([A-Za-z]+):$`},
		"outputs":    {readmes, "| `RefresherName` |", "template.yaml", "Outputs:", `(?m)^  ([A-Za-z]+):$`},
		"alarms":     {alarms, "<!-- begin: alarms checked", "template.yaml", "", `(?m)^  ([A-Za-z]+):\n    Type: AWS::CloudWatch::Alarm$`},
		"queries":    {alarms, "<!-- begin: queries checked", "template.yaml", "", `(?m)^      Name: !Sub '\$\{AWS::StackName\}/([a-z-]+)'$`},
		"codes":      {rotations, "<!-- begin: codes checked", "internal/rotate/error.go", "", `(?m)^\tCode\w+ +Code = "(ERR_[A-Z_]+)"`},
	} {
		var want []string
		for _, m := range regexp.MustCompile(l.name).FindAllStringSubmatch(part(t, l), -1) {
			want = append(want, m[1])
		}
		if slices.Sort(want); len(want) < 4 {
			t.Fatalf("found the %s %q in %s", what, want, l.source)
		}
		for _, page := range l.pages {
			got := firstColumn(t, page, l.after)
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s lists the %s\n%q, %s has\n%q", page, what, got, l.source, want)
			}
		}
	}
}

// part is the text in which a list looks for names.
func part(t *testing.T, l list) string {
	t.Helper()
	text := read(t, l.source)
	if l.part == "" {
		return text
	}
	_, inside, ok := strings.Cut(text, "\n"+l.part+"\n")
	if !ok {
		t.Fatalf("%s has no line %q", l.source, l.part)
	}
	if end := regexp.MustCompile(`(?m)^\S`).FindStringIndex(inside); end != nil {
		inside = inside[:end[0]]
	}
	return inside
}

var rowName = regexp.MustCompile("^\\| (?:`([A-Za-z_-]+)`|\\[(\\w+)\\]\\([^)]*\\)) \\|")

// firstColumn are the names of the first table that begins in or behind a text of a page. A row without a name ends nothing.
func firstColumn(t *testing.T, page, after string) []string {
	t.Helper()
	text := read(t, page)
	at := strings.Index(text, after)
	if at < 0 {
		t.Fatalf("%s has no %q", page, after)
	}
	var names []string
	for line := range strings.Lines(text[at:]) {
		if m := rowName.FindStringSubmatch(line); m != nil {
			names = append(names, m[1]+m[2])
		} else if len(names) > 0 && !strings.HasPrefix(line, "|") {
			break
		}
	}
	return names
}
