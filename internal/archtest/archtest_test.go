package archtest_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the import table of ARCHITECTURE.md anew")

const module = "github.com/chaveiro/chaveiro/"

// maxMain is the greatest number of lines of a function's main.go, which reads the event, calls one use case and writes the result.
const maxMain = 60

// goPackage is what `go list -json` says of a package. Test files are not among its files and imports.
type goPackage struct {
	ImportPath, Dir  string
	GoFiles, Imports []string
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if why := forbidden(table(), p.ImportPath, imported); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, why)
			}
		}
	}
}

func TestTheTableForbids(t *testing.T) {
	rows := []row{{"pkg/oauth", "", ""}, {"internal/store", "pkg/oauth", "aws.com/sdk/ssm/..."}, {"cmd/...", "internal/... pkg/...", ""}}
	for name, c := range map[string]struct {
		from, imported string
		want           bool
	}{
		"the standard library":               {"pkg/oauth", "net/http", false},
		"cgo":                                {"pkg/oauth", "C", true},
		"a package of ours that is listed":   {"internal/store", module + "pkg/oauth", false},
		"one below a listed one":             {"internal/store", module + "pkg/oauth/oauthtest", true},
		"one that is not listed":             {"pkg/oauth", module + "internal/store", true},
		"a package of others that is listed": {"internal/store", "aws.com/sdk/ssm", false},
		"one below a listed pattern":         {"internal/store", "aws.com/sdk/ssm/types", false},
		"one that only begins like it":       {"internal/store", "aws.com/sdk/ssmx", true},
		"a command below a pattern":          {"cmd/demo", module + "internal/store", false},
		"a package without a row":            {"internal/extra", "fmt", true},
		"a package at the root":              {"", "fmt", true},
	} {
		if got := forbidden(rows, module+c.from, c.imported); (got != "") != c.want {
			t.Errorf("%s: %q, want a violation: %v", name, got, c.want)
		}
	}
}

// forbidden says why a package must not import another one, "" if it may.
func forbidden(rows []row, importer, imported string) string {
	name := strings.TrimPrefix(importer, module)
	i := slices.IndexFunc(rows, func(r row) bool { return matches(r.files, name) })
	if i < 0 {
		return "it has no row in the table of internal/archtest"
	}
	first, _, _ := strings.Cut(imported, "/")
	ours, isOurs := strings.CutPrefix(imported, module)
	switch {
	case isOurs && !matches(rows[i].ours, ours):
		return fmt.Sprintf("of this module only [%s] is allowed", rows[i].ours)
	case !isOurs && (strings.Contains(first, ".") || imported == "C") && !matches(rows[i].foreign, imported):
		return fmt.Sprintf("of others only [%s] is allowed", rows[i].foreign)
	}
	return ""
}

// matches reports whether one of the patterns is the name, or ends with /... and is above it.
func matches(patterns, name string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(pattern string) bool {
		above, deep := strings.CutSuffix(pattern, "/...")
		return name == above || deep && strings.HasPrefix(name, above+"/")
	})
}

func TestOnlyDefaultsNameTheClock(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range strings.Split(string(text), "\n") {
				if readsClock(line) {
					t.Errorf("%s/%s:%d: time.Now may stand only as the default of a field or variable Now: call that one", p.ImportPath, file, i+1)
				}
			}
			isMain := strings.HasPrefix(p.ImportPath, module+"functions/") && file == "main.go"
			if lines := strings.Count(string(text), "\n"); isMain && lines > maxMain {
				t.Errorf("%s/main.go has %d lines; at most %d: move the rest to a file of its own", p.ImportPath, lines, maxMain)
			}
		}
	}
}

func TestReadsClock(t *testing.T) {
	for line, want := range map[string]bool{
		"	cfg.Now = time.Now": false, "	c := Config{Now: time.Now, Out: out}": false, "	now := time.Now": false, "	Now func() time.Time // nil: time.Now": false,
		"	at := time.Now()": true, "	cfg.Now = time.Now()": true, "	clock = time.Now": true, "	c := Config{Now: time.Now()}": true,
	} {
		if readsClock(line) != want {
			t.Errorf("%s: want %v", line, want)
		}
	}
}

var (
	clock        = regexp.MustCompile(`\btime\.Now\b`)
	defaultClock = regexp.MustCompile(`\b[nN]ow(:| =| :=) time\.Now([,}]|$)`)
)

// readsClock reports whether a line uses time.Now for anything but a default. golangci-lint's forbidigo cannot tell the two apart; it checks
// os.Getenv, and gochecknoinits checks init.
func readsClock(line string) bool {
	code, _, _ := strings.Cut(line, "//")
	code = strings.TrimRight(code, " \t")
	return clock.MatchString(defaultClock.ReplaceAllString(code, ""))
}

// packages lists the packages of this module. testdata is not among them.
func packages(t *testing.T) []goPackage {
	t.Helper()
	// go list reads the folders in a process of its own. The test reads them too, so that a new file ends a result that go test has cached.
	for _, top := range []string{"cmd", "functions", "internal", "pkg"} {
		if err := filepath.WalkDir(filepath.Join("..", "..", top), func(string, fs.DirEntry, error) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	command.Dir = filepath.Join("..", "..")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func TestTheTableOfArchitecture(t *testing.T) {
	const begin, end = "<!-- begin: table made by go test ./internal/archtest -update -->\n", "<!-- end -->"
	page := filepath.Join("..", "..", "ARCHITECTURE.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("ARCHITECTURE.md has no %q … %q", begin, end)
	}
	cell := func(names string) string {
		if names == "" {
			return "–"
		}
		return "`" + strings.Join(strings.Fields(names), "`, `") + "`"
	}
	made := "\n| files of | import of this module | of others |\n|---|---|---|\n"
	for _, r := range table() {
		made += fmt.Sprintf("| %s | %s | %s |\n", cell(r.files), cell(r.ours), cell(r.foreign))
	}
	want := before + begin + made + "\n" + end + after
	switch {
	case want == string(text):
	case !*update:
		t.Error("the import table of ARCHITECTURE.md differs; run: go test ./internal/archtest -update")
	default:
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
