package stack_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

// TestParameters: each has a label, a bounded value and a default that it accepts.
func TestParameters(t *testing.T) {
	tpl := readTemplate(t)
	form := at(map[string]any(tpl), "Metadata", "AWS::CloudFormation::Interface")
	var shown []string
	for _, g := range list(at(form, "ParameterGroups")) {
		shown = append(shown, texts(at(g, "Parameters"))...)
	}
	if all := slices.Sorted(maps.Keys(tpl.parameters())); !slices.Equal(slices.Sorted(slices.Values(shown)), all) {
		t.Errorf("the groups hold %v, the template %v", shown, all)
	}
	for name, p := range tpl.parameters() {
		m := mapping(p)
		if text(m["Description"]) == "" || at(form, "ParameterLabels", name, "default") == nil {
			t.Errorf("%s has no description or no label", name)
		}
		if m["AllowedValues"] == nil && (m["MinValue"] == nil || m["MaxValue"] == nil) && (m["AllowedPattern"] == nil || m["MaxLength"] == nil) {
			t.Errorf("%s accepts anything: it needs values, a range, or a pattern with a length", name)
		}
		if m["AllowedPattern"] != nil && text(m["ConstraintDescription"]) == "" {
			t.Errorf("%s has a pattern and no sentence for a person", name)
		}
		if _, has := m["Default"]; !has || !accepts(t, m, text(m["Default"])) {
			t.Errorf("%s has no default, or does not accept its own default %q", name, m["Default"])
		}
	}
}

// accepts reports whether CloudFormation accepts a value.
func accepts(t *testing.T, parameter map[string]any, value string) bool {
	t.Helper()
	if values := parameter["AllowedValues"]; values != nil && !slices.Contains(texts(values), value) {
		return false
	}
	if pattern := parameter["AllowedPattern"]; pattern != nil && !regexp.MustCompile(text(pattern)).MatchString(value) {
		return false
	}
	if most := parameter["MaxLength"]; most != nil && len(value) > most.(int) {
		return false
	}
	if parameter["Type"] != "Number" {
		return true
	}
	n, err := strconv.ParseFloat(value, 64)
	bound := func(v any) float64 {
		if v == nil {
			return n
		}
		b, err := strconv.ParseFloat(text(v), 64)
		must(t, err)
		return b
	}
	return err == nil && bound(parameter["MinValue"]) <= n && n <= bound(parameter["MaxValue"])
}

// TestValuesThatWouldNotStart: a pattern is the only bound of a text, and a function does not start with such a value.
func TestValuesThatWouldNotStart(t *testing.T) {
	for name, bad := range map[string][]string{
		"AlarmEmail":     {"you", "you@example", "you@example.com, me@example.com", " you@example.com"},
		"KmsKeyArn":      {"alias/mine", "arn:aws:kms:sa-east-1:123456789012:key/*", keyArn + " "},
		"MaxConcurrency": {"0", "257", "1000", "16.5", "016", "1e2", ""},
		"MemorySizeMB":   {"127", "3009", "10240", "256.5", "0256", ""},
	} {
		for _, value := range bad {
			if accepts(t, mapping(readTemplate(t).parameters()[name]), value) {
				t.Errorf("%s accepts %q", name, value)
			}
		}
	}
}

// TestCommandsOfTheOutputs: they name the region and what this stack has. internal/readers runs the same commands from the README.
func TestCommandsOfTheOutputs(t *testing.T) {
	s := deploy(t, map[string]string{"Prefix": "prod/oauth"})
	names := []string{}
	for _, id := range s.ofType("AWS::Serverless::Function") {
		names = append(names, text(s.ref(id)))
	}
	commands := 0
	for id := range s.outputs {
		command := s.output(id)
		if !strings.HasPrefix(command, "aws ") {
			continue
		}
		commands++
		if !strings.Contains(command, "--region "+awstest.Region+" ") || strings.Contains(command, "\n") {
			t.Errorf("%s names no region, or has more than one line: %s", id, command)
		}
		for _, m := range regexp.MustCompile(`--function-name (\S+)`).FindAllStringSubmatch(command, -1) {
			if !slices.Contains(names, m[1]) {
				t.Errorf("%s names the function %s, and there are %v", id, m[1], names)
			}
		}
		for _, m := range regexp.MustCompile(`--payload '([^']*)'`).FindAllStringSubmatch(command, -1) {
			if !json.Valid([]byte(m[1])) {
				t.Errorf("%s sends %s", id, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`--name (\S+)|'(/\S+/)'`).FindAllStringSubmatch(command, -1) {
			if !strings.HasPrefix(m[1], "prod/oauth/") && m[2] != "/prod/oauth/" {
				t.Errorf("%s is about another prefix: %s", id, m[0])
			}
		}
	}
	if commands < 4 {
		t.Errorf("%d outputs are commands", commands)
	}
}

// samconfig reads what samconfig.toml uses of TOML: tables, and one value a line.
func samconfig(t *testing.T) map[string]map[string]string {
	t.Helper()
	tables, table := map[string]map[string]string{"": {}}, ""
	for line := range strings.Lines(read(t, "samconfig.toml")) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if name, is := strings.CutPrefix(line, "["); is {
			table = strings.TrimSuffix(name, ".parameters]")
			tables[table] = map[string]string{}
		} else if key, value, is := strings.Cut(line, "="); is {
			tables[table][strings.TrimSpace(key)] = strings.TrimSpace(value)
		} else if line != "" {
			t.Errorf("samconfig.toml: %q is not read here", line)
		}
	}
	return tables
}

// TestSamconfig: no value that is each user's own, one deployment, the other processor in a folder of its own, and local runs alike.
func TestSamconfig(t *testing.T) {
	tables := samconfig(t)
	local := map[string]string{"env_vars": `"events/local-env.json"`, "add_host": `["host.docker.internal:host-gateway"]`}
	for name, table := range tables {
		if table["region"]+table["profile"]+table["s3_bucket"] != "" {
			t.Errorf("[%s] has a value that is each user's own: %v", name, table)
		}
		if strings.HasPrefix(name, "default") && table["parameter_overrides"]+table["build_dir"]+table["template_file"] != "" {
			t.Errorf("[%s] changes what is built or deployed: %v", name, table)
		}
		if strings.HasPrefix(name, "x86_64.") && table["parameter_overrides"] != `"Architecture=x86_64"` {
			t.Errorf("[%s] has parameter_overrides %s", name, table["parameter_overrides"])
		}
		if strings.HasSuffix(name, ".build") && table["cached"] != "false" {
			t.Errorf("[%s]: SAM's cache does not see a change in internal/ or pkg/", name)
		}
		if strings.Contains(name, ".local_") {
			rest := maps.Clone(table)
			delete(rest, "parameter_overrides")
			delete(rest, "template_file")
			if !maps.Equal(rest, local) {
				t.Errorf("[%s] has %v, want %v", name, rest, local)
			}
		}
	}
	deploys, deletes := tables["default.deploy"], tables["default.delete"]
	if deploys["capabilities"] != `"CAPABILITY_IAM"` || deploys["resolve_s3"] != "true" || deletes["stack_name"] != deploys["stack_name"] {
		t.Errorf("deploy has %v, delete %v", deploys, deletes)
	}
	dir, file := tables["x86_64.build"]["build_dir"], tables["x86_64.local_invoke"]["template_file"]
	if dir == "" || file != strings.TrimSuffix(dir, `"`)+`/template.yaml"` {
		t.Errorf("x86_64 is built into %s, and run from %s", dir, file)
	}
	var environment map[string]map[string]string
	must(t, json.Unmarshal([]byte(read(t, "events/local-env.json")), &environment))
	s := deploy(t, nil)
	for _, id := range s.ofType("AWS::Serverless::Function") {
		for name := range environment["Parameters"] {
			if _, declared := mapping(at(s.properties(id), "Environment", "Variables"))[name]; !declared {
				t.Errorf("%s does not declare %s: sam local would not set it", id, name)
			}
		}
	}
}
