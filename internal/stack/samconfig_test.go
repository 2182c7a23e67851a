package stack_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// samconfig reads what samconfig.toml uses of TOML: tables and one value a line.
func samconfig(t *testing.T) map[string]map[string]string {
	t.Helper()
	tables := map[string]map[string]string{"": {}}
	table := ""
	for line := range strings.Lines(read(t, "samconfig.toml")) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if name, is := strings.CutPrefix(line, "["); is {
			table = strings.TrimSuffix(name, ".parameters]")
			tables[table] = map[string]string{}
			continue
		}
		if key, value, is := strings.Cut(line, "="); is {
			tables[table][strings.TrimSpace(key)] = strings.TrimSpace(value)
		} else if line != "" {
			t.Errorf("samconfig.toml: %q is not read here", line)
		}
	}
	return tables
}

func TestSamconfigLeavesTheRegionToItsUser(t *testing.T) {
	tables := samconfig(t)
	if len(tables) < 6 {
		t.Fatalf("tables %v", slices.Sorted(maps.Keys(tables)))
	}
	for name, table := range tables {
		for key := range table {
			if key == "region" || key == "profile" || key == "s3_bucket" {
				t.Errorf("[%s] has %s, which is each user's own", name, key)
			}
		}
	}
}

// TestSamconfigDeploysWhatWasBuilt: the template's own processor on the plain way, and the other one in a folder of its own.
func TestSamconfigDeploysWhatWasBuilt(t *testing.T) {
	tables := samconfig(t)
	for name, table := range tables {
		if strings.HasPrefix(name, "default") && (table["parameter_overrides"] != "" || table["build_dir"] != "" || table["template_file"] != "") {
			t.Errorf("[%s] changes what is built or deployed: %v", name, table)
		}
		if strings.HasPrefix(name, "x86_64.") && table["parameter_overrides"] != `"Architecture=x86_64"` {
			t.Errorf("[%s] has parameter_overrides %s", name, table["parameter_overrides"])
		}
		if strings.HasSuffix(name, ".build") && table["cached"] != "false" {
			t.Errorf("[%s]: the cache does not see a change in internal/ or pkg/", name)
		}
	}
	deploys := slices.DeleteFunc(slices.Collect(maps.Keys(tables)), func(name string) bool { return !strings.HasSuffix(name, ".deploy") })
	if !slices.Equal(deploys, []string{"default.deploy"}) {
		t.Errorf("deploys %v", deploys)
	}
	d := tables["default.deploy"]
	if d["capabilities"] != `"CAPABILITY_IAM"` || d["resolve_s3"] != "true" || d["confirm_changeset"] != "false" || tables["default.validate"]["lint"] != "true" {
		t.Errorf("deploy %v, validate %v", d, tables["default.validate"])
	}
	if tables["default.delete"]["stack_name"] != d["stack_name"] {
		t.Errorf("delete takes %s, and deploy makes %s", tables["default.delete"]["stack_name"], d["stack_name"])
	}
	dir, file := tables["x86_64.build"]["build_dir"], tables["x86_64.local_invoke"]["template_file"]
	if dir == "" || file != strings.TrimSuffix(dir, `"`)+`/template.yaml"` {
		t.Errorf("built into %s, and run from %s", dir, file)
	}
}

// TestLocalRunsAreAlike: each local command reads the same environment, for both processors, and reaches this machine.
func TestLocalRunsAreAlike(t *testing.T) {
	tables := samconfig(t)
	want := map[string]string{"env_vars": `"events/local-env.json"`, "add_host": `["host.docker.internal:host-gateway"]`}
	for _, command := range []string{"local_invoke", "local_start_lambda"} {
		for _, env := range []string{"default.", "x86_64."} {
			table := maps.Clone(tables[env+command])
			delete(table, "parameter_overrides")
			delete(table, "template_file")
			if !maps.Equal(table, want) {
				t.Errorf("[%s%s] has %v, want %v", env, command, table, want)
			}
		}
	}
	var local map[string]map[string]string
	must(t, json.Unmarshal([]byte(read(t, "events/local-env.json")), &local))
	if names := slices.Sorted(maps.Keys(local)); !slices.Equal(names, []string{"Parameters"}) {
		t.Fatalf("events/local-env.json is about %v", names)
	}
	s := deploy(t, nil)
	for _, id := range s.ofType("AWS::Serverless::Function") {
		declared := mapping(at(s.properties(id), "Environment", "Variables"))
		for name, value := range local["Parameters"] {
			if _, known := declared[name]; !known {
				t.Errorf("%s does not declare %s: sam local would not set it", id, name)
			}
			if strings.HasPrefix(name, "AWS_ENDPOINT_URL") && value != "http://host.docker.internal:5610" {
				t.Errorf("%s is %s", name, value)
			}
		}
	}
}
