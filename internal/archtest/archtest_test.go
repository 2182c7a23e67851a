package archtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/archtest"
)

func TestThisRepositoryKeepsItsRules(t *testing.T) {
	violations, err := archtest.Check(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// sound is a tree without a violation, with something of every kind that a rule looks at.
func sound() map[string]string {
	return map[string]string{
		"go.mod":                           "module keys\n\ngo 1.26\n",
		"pkg/oauth/client.go":              "package oauth\n\nimport \"time\"\n\ntype Config struct{ Now func() time.Time }\n\nfunc New(c Config) {\n\tif c.Now == nil {\n\t\tc.Now = time.Now\n\t}\n}\n",
		"pkg/oauth/client_test.go":         "package oauth\n\nimport (\n\t\"os\"\n\t\"time\"\n\n\t_ \"keys/internal/awstest\"\n)\n\nvar _ = time.Now()\nvar _ = os.Getenv(\"X\")\n",
		"internal/renew/decide.go":         "package renew\n",
		"internal/refresh/run.go":          "package refresh\n\nimport _ \"keys/internal/renew\"\n",
		"internal/ssmstore/store.go":       "package ssmstore\n\nimport (\n\t_ \"github.com/aws/aws-sdk-go-v2/service/ssm\"\n\n\t_ \"keys/internal/refresh\"\n)\n",
		"internal/awstest/world.go":        "package awstest\n",
		"internal/e2e/e2e_test.go":         "package e2e_test\n\nimport _ \"keys/internal/lambdatest\"\n",
		"internal/lambdatest/function.go":  "package lambdatest\n",
		"internal/refresh/testdata/bad.go": "package bad\n\nimport _ \"example.com/x\"\n",
		"functions/refresher/main.go":      "package main\n\nimport (\n\t\"os\"\n\t\"time\"\n\n\t_ \"keys/internal/ssmstore\"\n)\n\nfunc main() { wire(os.Getenv) }\n\nfunc wire(func(string) string) { now := time.Now; _ = now() }\n",
		"events/refresher/schedule.json":   "{}\n",
		"events/local-env.json":            "{}\n",
	}
}

func TestEachViolationIsCaught(t *testing.T) {
	tests := []struct {
		name, file, text string
		where, what      string // "" where: no violation wanted
	}{
		{name: "a sound tree has none"},
		{"pkg/oauth with the AWS SDK", "pkg/oauth/x.go", "package oauth\n\nimport _ \"github.com/aws/aws-sdk-go-v2/aws\"\n", "pkg/oauth/x.go:3", "may import of others only []"},
		{"pkg/oauth with an internal package", "pkg/oauth/x.go", "package oauth\n\nimport _ \"keys/internal/renew\"\n", "pkg/oauth/x.go:3", "of this module only []"},
		{"renew with anything of ours", "internal/renew/x.go", "package renew\n\nimport _ \"keys/pkg/oauth\"\n", "internal/renew/x.go:3", "of this module only []"},
		{"a use case with an adapter", "internal/refresh/x.go", "package refresh\n\nimport _ \"keys/internal/ssmstore\"\n", "internal/refresh/x.go:3", "of this module only"},
		{"a use case with the AWS SDK", "internal/refresh/x.go", "package refresh\n\nimport _ \"github.com/aws/smithy-go\"\n", "internal/refresh/x.go:3", "of others only"},
		{"an adapter with the other's SDK", "internal/ssmstore/x.go", "package ssmstore\n\nimport _ \"github.com/aws/aws-sdk-go-v2/service/secretsmanager\"\n", "internal/ssmstore/x.go:3", "of others only"},
		{"a function of another module", "functions/refresher/x.go", "package main\n\nimport _ \"example.com/x\"\n", "functions/refresher/x.go:3", "of others only"},
		{"a function with a test package", "functions/refresher/x.go", "package main\n\nimport _ \"keys/internal/awstest\"\n", "functions/refresher/x.go:3", "is for tests"},
		{"a command other than the demo with a test package", "cmd/other/x.go", "package main\n\nimport _ \"keys/internal/lambdatest\"\n", "cmd/other/x.go:3", "is for tests"},
		{name: "the demo with a test package", file: "cmd/demo/x.go", text: "package main\n\nimport _ \"keys/internal/lambdatest\"\n"},
		{"a use case with report", "internal/refresh/x.go", "package refresh\n\nimport _ \"keys/internal/report\"\n", "internal/refresh/x.go:3", "internal/report is for tests"},
		{"a test that imports a function", "internal/refresh/x_test.go", "package refresh\n\nimport _ \"keys/functions/refresher\"\n", "internal/refresh/x_test.go:3", "nobody imports functions"},
		{"a package without a row", "internal/extra/x.go", "package extra\n", "internal/extra", "has no row"},
		{"cgo", "pkg/oauth/x.go", "package oauth\n\nimport \"C\"\n", "pkg/oauth/x.go:3", "of others only"},
		{"a package at the root", "x.go", "package keys\n", "x.go", "at the root"},
		{"a package called util", "internal/util/x_test.go", "package util\n", "internal/util", "named for its work"},
		{"a package called helpers", "pkg/oauth/helpers/x_test.go", "package helpers\n", "pkg/oauth/helpers", "named for its work"},
		{"the environment in a use case", "internal/refresh/x.go", "package refresh\n\nimport \"os\"\n\nvar _ = os.Getenv(\"X\")\n", "internal/refresh/x.go:5", "os.Getenv"},
		{"the environment under another name", "internal/refresh/x.go", "package refresh\n\nimport system \"os\"\n\nvar _ = system.LookupEnv\n", "internal/refresh/x.go:5", "os.LookupEnv"},
		{"a call of time.Now", "internal/renew/x.go", "package renew\n\nimport \"time\"\n\nvar now = time.Now()\n", "internal/renew/x.go:5", "time.Now"},
		{"time.Now under another name", "internal/renew/x.go", "package renew\n\nimport \"time\"\n\nvar clock = time.Now\n", "internal/renew/x.go:5", "time.Now"},
		{"time.Now called in a function", "functions/refresher/x.go", "package main\n\nimport \"time\"\n\nfunc f() time.Time { return time.Now() }\n", "functions/refresher/x.go:5", "time.Now"},
		{name: "time.Now in a literal", file: "functions/refresher/x.go", text: "package main\n\nimport \"time\"\n\nvar _ = struct{ Now func() time.Time }{Now: time.Now}\n"},
		{"time.Since", "internal/renew/x.go", "package renew\n\nimport \"time\"\n\nfunc f(t time.Time) any { return time.Since(t) }\n", "internal/renew/x.go:5", "time.Since"},
		{"init", "internal/renew/x.go", "package renew\n\nfunc init() {}\n", "internal/renew/x.go:3", "init()"},
		{name: "a method called init", file: "internal/renew/x.go", text: "package renew\n\ntype t int\n\nfunc (t) init() {}\n"},
		{"a long main.go", "functions/refresher/main.go", "package main\n" + strings.Repeat("\n// word\n", 31), "functions/refresher/main.go", "lines: main.go wires"},
		{name: "a main.go of 60 lines", file: "functions/refresher/main.go", text: "package main\n" + strings.Repeat("//\n", 58) + "//"},
		{"an event that does not parse", "events/refresher/bad.json", "{} {}\n", "events/refresher/bad.json", "not one JSON value"},
		{"an event of no function", "events/renewer/x.json", "{}\n", "events/renewer/x.json", "there is no functions/renewer"},
		{"a function without events", "functions/rotator/main.go", "package main\n", "functions/rotator", "has no event"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := sound()
			if tt.file != "" {
				files[tt.file] = tt.text
			}
			violations, err := archtest.Check(plant(t, files))
			if err != nil {
				t.Fatal(err)
			}
			if tt.where == "" {
				if len(violations) > 0 {
					t.Errorf("found %v in a sound tree", violations)
				}
				return
			}
			if len(violations) != 1 || violations[0].Where != tt.where || !strings.Contains(violations[0].What, tt.what) {
				t.Errorf("got %v, want one violation at %s: … %s …", violations, tt.where, tt.what)
			}
		})
	}
}

func TestAFunctionBeginsInItsMain(t *testing.T) {
	files := sound()
	files["functions/refresher/wire.go"] = files["functions/refresher/main.go"]
	delete(files, "functions/refresher/main.go")
	violations, err := archtest.Check(plant(t, files))
	if err != nil {
		t.Fatal(err)
	}
	if len(violations) != 1 || violations[0].Where != "functions/refresher" || !strings.Contains(violations[0].What, "begins in its main.go") {
		t.Errorf("got %v", violations)
	}
}

func TestATreeThatCannotBeReadIsAnError(t *testing.T) {
	tests := []struct{ name, file, text string }{
		{"Go that does not parse", "pkg/oauth/x.go", "package oauth\n\nfunc {\n"},
		{"go.mod without a module", "go.mod", "go 1.26\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := sound()
			files[tt.file] = tt.text
			if _, err := archtest.Check(plant(t, files)); err == nil {
				t.Error("no error")
			}
		})
	}
	if _, err := archtest.Check(t.TempDir()); err == nil {
		t.Error("no error for an empty folder")
	}
}

// plant writes a tree to a folder of the test's own.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		full := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
