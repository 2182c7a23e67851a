package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	templateItem    = regexp.MustCompile(`(?m)^  ([A-Za-z]+):$`)
	templateDefault = regexp.MustCompile(`(?m)^    Default: (.*)$`)
	tableRow        = regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\| (.*) \\| .* \\|$")
	outputRow       = regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\| .* \\|$")
)

// templatePart is what stands under one key at the top of template.yaml: names, and the text of each.
func templatePart(t *testing.T, key string) (names []string, texts map[string]string) {
	t.Helper()
	_, part, ok := strings.Cut(read(t, "template.yaml"), "\n"+key+":\n")
	if !ok {
		t.Fatalf("template.yaml has no %s", key)
	}
	if end := regexp.MustCompile(`(?m)^[A-Z]`).FindStringIndex(part); end != nil {
		part = part[:end[0]]
	}
	texts = map[string]string{}
	found := templateItem.FindAllStringSubmatchIndex(part, -1)
	for i, m := range found {
		end := len(part)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		name := part[m[2]:m[3]]
		names = append(names, name)
		texts[name] = part[m[1]:end]
	}
	if len(names) == 0 {
		t.Fatalf("template.yaml: nothing under %s", key)
	}
	return names, texts
}

func TestTheReadmesListTheParametersOfTheTemplate(t *testing.T) {
	names, texts := templatePart(t, "Parameters")
	for name, title := range map[string]string{english: "Parameters", portuguese: "Parâmetros"} {
		rows := tableRow.FindAllStringSubmatch(readPage(t, name).section(t, title).prose, -1)
		var listed []string
		for _, r := range rows {
			listed = append(listed, r[1])
			m := templateDefault.FindStringSubmatch(texts[r[1]])
			if m == nil {
				t.Errorf("%s: template.yaml has no %s with a default", name, r[1])
				continue
			}
			want := "`" + strings.Trim(m[1], "'") + "`"
			if want == "``" {
				want = map[string]string{english: "none", portuguese: "nenhum"}[name]
			}
			if r[2] != want {
				t.Errorf("%s: the default of %s is %s, the template says %s", name, r[1], r[2], want)
			}
		}
		if !slices.Equal(listed, names) {
			t.Errorf("%s lists the parameters\n%q, the template has\n%q", name, listed, names)
		}
	}
}

func TestTheReadmesListTheOutputsOfTheTemplate(t *testing.T) {
	names, texts := templatePart(t, "Outputs")
	for name, title := range map[string]string{english: "Outputs", portuguese: "Saídas"} {
		var listed []string
		for _, r := range outputRow.FindAllStringSubmatch(readPage(t, name).section(t, title).prose, -1) {
			listed = append(listed, r[1])
		}
		if !slices.Equal(listed, names) {
			t.Errorf("%s lists the outputs\n%q, the template has\n%q", name, listed, names)
		}
	}
	// The commands among them are the ones of the page, so that what the stack prints is what a person has read.
	page := squeeze(read(t, english))
	for _, output := range []string{"AddConnection", "CheckConnection", "StatusQuery", "CheckHealth"} {
		_, value, ok := strings.Cut(texts[output], "Value: !Sub >-\n")
		if !ok {
			t.Errorf("the output %s is no longer a folded text", output)
			continue
		}
		command := strings.ReplaceAll(squeeze(value), " --region ${AWS::Region}", "") // the page has it from AWS_REGION
		for variable, is := range map[string]string{"${Prefix}": "oauth", "${RefresherFunction}": "chaveiro-refresher", "${HealthcheckFunction}": "chaveiro-healthcheck"} {
			command = strings.ReplaceAll(command, variable, is)
		}
		if !strings.Contains(page, command) {
			t.Errorf("the page does not show the command of the output %s: %s", output, command)
		}
	}
}

// squeeze makes one line of a text.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestTheMailOfTheReadmesIsTheTemplates holds the mail that the READMEs show against the template of the rule that sends it.
func TestTheMailOfTheReadmesIsTheTemplates(t *testing.T) {
	_, resources := templatePart(t, "Resources")
	_, text, ok := strings.Cut(resources["ConnectionFailsRule"], "InputTemplate: !Sub |\n")
	if !ok {
		t.Fatal("template.yaml: ConnectionFailsRule has no InputTemplate")
	}
	var want []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, `"`) {
			break
		}
		line = strings.ReplaceAll(line, "${AWS::StackName}", "chaveiro") // EventBridge sends the quotation marks too
		want = append(want, "^"+regexp.MustCompile(`<[a-z]+>`).ReplaceAllString(regexp.QuoteMeta(line), `.+`)+"$")
	}
	for _, name := range []string{english, portuguese} {
		p := readPage(t, name)
		i := slices.IndexFunc(p.fences, func(f fence) bool { return f.info == "text mail" })
		if i < 0 {
			t.Fatalf("%s does not show the mail", name)
		}
		got := slices.Collect(strings.Lines(p.fences[i].text))
		if len(got) != len(want) || len(want) < 2 {
			t.Fatalf("%s shows a mail of %d lines, the template has %d", name, len(got), len(want))
		}
		for i, line := range got {
			if !regexp.MustCompile(want[i]).MatchString(strings.TrimSpace(line)) {
				t.Errorf("%s, line %d of the mail:\n got %swant %s", name, i+1, line, want[i])
			}
		}
	}
}
