package archtest

import (
	"path"
	"strconv"
	"strings"
)

// row says what the non-test files of a folder may import beside the standard library.
type row struct {
	dir     string   // exact, or everything below it when it ends with /...
	ours    []string // folders of this module
	foreign []string // modules and packages of others, with everything below them
}

const (
	lambdaSDK = "github.com/aws/aws-lambda-go"
	awsSDK    = "github.com/aws/aws-sdk-go-v2"
	smithy    = "github.com/aws/smithy-go"
)

// table is the one of ARCHITECTURE.md. A package that is not in it is refused, so that its place is decided and not grown.
func table() []row {
	return []row{
		{"pkg/oauth", nil, nil},
		{"pkg/oauth/oauthtest", list("pkg/oauth"), nil},

		{"internal/provider", list("pkg/oauth"), nil},
		{"internal/connection", list("internal/provider", "pkg/oauth"), nil},
		{"internal/renew", nil, nil},
		{"internal/event", nil, nil},
		{"internal/refresh", list("internal/event", "internal/renew", "internal/connection", "internal/provider", "pkg/oauth"), nil},
		{"internal/rotate", list("internal/refresh", "internal/connection", "internal/provider", "pkg/oauth"), nil},
		{"internal/probe", list("internal/event", "internal/renew", "internal/connection", "internal/provider", "pkg/oauth"), nil},
		{
			"internal/ssmstore", list("internal/refresh", "internal/rotate", "internal/probe", "internal/connection", "pkg/oauth"),
			list(awsSDK+"/aws", awsSDK+"/service/ssm", smithy),
		},
		{
			"internal/smsecret", list("internal/refresh", "internal/rotate", "internal/probe", "internal/connection", "pkg/oauth"),
			list(awsSDK+"/aws", awsSDK+"/service/secretsmanager", smithy),
		},
		{"internal/report", list("internal/refresh", "internal/rotate", "internal/probe", "internal/connection", "pkg/oauth"), nil},

		{"internal/environment", nil, nil},
		{"internal/archtest", nil, nil},
		{"internal/lambdatest", nil, nil},
		{"internal/awstest/...", list("internal/awstest", "pkg/oauth"), list(awsSDK, smithy)},
		{"internal/scenario", list("internal", "pkg"), list("golang.org/x/tools/txtar")},

		{"functions/...", list("internal", "pkg"), list(awsSDK, smithy, lambdaSDK)},
		{"cmd/...", list("internal", "pkg"), list(awsSDK, smithy, lambdaSDK)},
	}
}

func list(items ...string) []string { return items }

// reserved packages may be imported by the folders named and by tests, whatever the table says.
func reserved() map[string][]string {
	return map[string][]string{
		"internal/report":     {"functions", "cmd"},
		"internal/awstest":    {"internal/awstest", "internal/scenario", "cmd/demo", "cmd/bench"},
		"internal/lambdatest": {"internal/scenario", "cmd/demo"},
		"pkg/oauth/oauthtest": {"internal/scenario", "cmd/demo", "cmd/bench"},
		"internal/scenario":   {"cmd/demo"},
		"internal/archtest":   {},
		"functions":           {},
		"cmd":                 {},
	}
}

func (t *tree) checkImports() {
	unknown := map[string]bool{}
	for _, file := range t.files {
		allowed, known := rowOf(file.dir)
		if !known && !file.test && file.dir != "." && !unknown[file.dir] {
			unknown[file.dir] = true
			t.report(file.dir, "has no row in the import table: add one to ARCHITECTURE.md and to archtest")
		}
		for _, spec := range file.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // the parser has let nothing else pass
			}
			if why := t.refuse(file, allowed, known, imported); why != "" {
				t.report(t.at(file, spec), "imports %s: %s", imported, why)
			}
		}
	}
}

// refuse says why a file must not import a package, "" if it may.
func (t *tree) refuse(file *source, allowed row, known bool, imported string) string {
	ours, isOurs := strings.CutPrefix(imported, t.module+"/")
	if isOurs {
		for pkg, by := range reserved() {
			if !within(ours, pkg) || within(file.dir, by...) {
				continue
			}
			if within(ours, "functions", "cmd") {
				return "nobody imports functions or cmd"
			}
			if !file.test {
				return pkg + " is for tests and for [" + strings.Join(by, " ") + "]"
			}
		}
	}
	switch {
	case file.test || !known:
		return ""
	case isOurs && !within(ours, allowed.ours...):
		return file.dir + " may import of this module only [" + strings.Join(allowed.ours, " ") + "]"
	case !isOurs && !standard(imported) && !within(imported, allowed.foreign...):
		return file.dir + " may import of others only [" + strings.Join(allowed.foreign, " ") + "]"
	}
	return ""
}

// rowOf finds the row of a folder.
func rowOf(dir string) (row, bool) {
	for _, r := range table() {
		if parent, deep := strings.CutSuffix(r.dir, "/..."); dir == r.dir || deep && within(dir, parent) {
			return r, true
		}
	}
	return row{}, false
}

// standard packages have no dot in the first element of their path; "C" is not one of them.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return imported != "C" && !strings.Contains(first, ".")
}

func (t *tree) checkPackages() {
	seen := map[string]bool{}
	for _, file := range t.files {
		if seen[file.dir] {
			continue
		}
		seen[file.dir] = true
		if file.dir == "." {
			t.report(file.path, "a package at the root of the repository: go build -o bootstrap would write an archive that Lambda cannot start")
		}
		switch name := strings.TrimSuffix(path.Base(file.dir), "s"); name {
		case "util", "common", "type", "model", "helper":
			t.report(file.dir, "a package is named for its work here, never %q", path.Base(file.dir))
		}
	}
}
