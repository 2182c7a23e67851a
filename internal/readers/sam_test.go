package readers_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the page says about sam, which cannot be run to its end without an AWS account, is held against the files that it would read.

// wantConfigured checks that samconfig.toml tells a command of sam what its line on the page leaves out, and never the region.
func wantConfigured(t *testing.T, command string, names ...string) {
	t.Helper()
	text := readFile(t, "samconfig.toml")
	_, table, ok := strings.Cut(text, "\n[default."+command+".parameters]\n")
	if !ok {
		t.Fatalf("samconfig.toml has no [default.%s.parameters]", command)
	}
	table, _, _ = strings.Cut(table, "\n[")
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^` + name + ` *= *\S`).MatchString(table) {
			t.Errorf("samconfig.toml does not tell sam %s its %s", command, name)
		}
	}
	if !strings.Contains(table, `stack_name = "chaveiro"`) {
		t.Errorf("samconfig.toml names another stack for sam %s than the page", command)
	}
	if regexp.MustCompile(`(?m)^region\b`).MatchString(text) {
		t.Error("samconfig.toml holds a region")
	}
}

// wantParameters checks overrides as sam deploy takes them: the parameter exists, and its pattern takes the value.
func wantParameters(t *testing.T, overrides ...string) {
	t.Helper()
	text := readFile(t, "template.yaml")
	_, parameters, _ := strings.Cut(text, "\nParameters:\n")
	for _, o := range overrides {
		name, value, _ := strings.Cut(o, "=")
		_, body, ok := strings.Cut(parameters, "  "+name+":\n")
		if !ok {
			t.Errorf("template.yaml has no parameter %s", name)
			continue
		}
		if next := regexp.MustCompile(`(?m)^  \w`).FindStringIndex(body); next != nil {
			body = body[:next[0]]
		}
		pattern := regexp.MustCompile(`AllowedPattern: '([^']+)'`).FindStringSubmatch(body)
		values := regexp.MustCompile(`AllowedValues: \[([^\]]+)\]`).FindStringSubmatch(body)
		if pattern != nil && regexp.MustCompile(pattern[1]).MatchString(value) || values != nil && slices.Contains(strings.Split(values[1], ", "), "'"+value+"'") {
			continue
		}
		t.Errorf("template.yaml does not take %s", o)
	}
}

func wantInTemplate(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(readFile(t, "template.yaml"), text) {
		t.Errorf("template.yaml does not have %q", text)
	}
}

// stepLine is a step of scripts/test: the command behind its label.
var stepLine = regexp.MustCompile(`(?m)^step (?:'[^']*'|\S+) (.+)$`)

// stepCommands are the commands that scripts/test runs as steps, without their labels. Where a step is a function of the script, it is the
// body of that function.
func stepCommands(t *testing.T) []string {
	t.Helper()
	text := readFile(t, "scripts/test")
	var commands []string
	for _, m := range stepLine.FindAllStringSubmatch(text, -1) {
		command := m[1]
		if _, body, ok := strings.Cut(text, "\n"+command+"() {\n"); ok {
			body, _, _ = strings.Cut(body, "\n}\n")
			command = strings.ReplaceAll(body, "\\\n", " ")
		}
		commands = append(commands, command)
	}
	if len(commands) < 5 {
		t.Fatalf("scripts/test has %d steps", len(commands))
	}
	return commands
}

// wantStep checks that make test runs all words in the command of one step, whatever its label says.
func wantStep(t *testing.T, words ...string) {
	t.Helper()
	if !slices.ContainsFunc(stepCommands(t), func(command string) bool {
		fields := strings.Fields(command)
		return !slices.ContainsFunc(words, func(word string) bool { return !slices.Contains(fields, word) })
	}) {
		t.Errorf("no step of scripts/test runs %q", words)
	}
}

// wantSAMBuild checks that the script behind a step of make test runs sam build.
func wantSAMBuild(t *testing.T) {
	t.Helper()
	wantStep(t, "scripts/sam-build-twice")
	if !strings.Contains(readFile(t, "scripts/sam-build-twice"), `"$sam" build "$@"`) {
		t.Error("scripts/sam-build-twice does not run sam build")
	}
}

// wantSAMInvoke checks that a step of make test prepares sam local invoke for the tests that run it.
func wantSAMInvoke(t *testing.T) {
	t.Helper()
	wantStep(t, "scripts/sam-local", "./...")
	if !strings.Contains(readFile(t, "internal/e2e/sam_test.go"), `"local", "invoke"`) {
		t.Error("internal/e2e does not run sam local invoke")
	}
}

// wantRegion checks that the page sets the region under both names: sam (boto3) reads only AWS_DEFAULT_REGION, and the AWS command line
// prefers AWS_REGION, which a person may have set to something else.
func wantRegion(t *testing.T) {
	t.Helper()
	found := 0
	for _, text := range shown(t, readme) {
		if _, set, ok := strings.Cut(text, "export "); ok && strings.Contains(set, "_REGION=") {
			found++
			if !strings.Contains(set, "AWS_REGION=sa-east-1") || !strings.Contains(set, "AWS_DEFAULT_REGION=sa-east-1") {
				t.Errorf("%s: sets the region under one name only", text)
			}
		}
	}
	if found < 2 {
		t.Errorf("the page sets the region %d times", found)
	}
}
