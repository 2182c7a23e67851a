package archtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The size of one renewal, from the start of the function to its result. The target is 200 functions in 40 files.
const (
	maxFunctions = 480
	maxFiles     = 90
)

// TestOneRenewalRunsLittleCode runs the one renewal of functions/refresher with coverage and counts the functions and files that ran.
func TestOneRenewalRunsLittleCode(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the refresher with coverage")
	}
	profile := filepath.Join(t.TempDir(), "walk.out")
	run := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run", "^TestOneRenewal$", "-coverprofile", profile,
		"-coverpkg", strings.Join(productPackages(t), ","), "./functions/refresher")
	run.Dir = "../.."
	if text, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	cover := exec.CommandContext(t.Context(), "go", "tool", "cover", "-func", profile)
	cover.Dir, cover.Stderr = "../..", os.Stderr
	text, err := cover.Output()
	if err != nil {
		t.Fatal(err)
	}
	functions, files := 0, map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] == "total:" || fields[2] == "0.0%" {
			continue
		}
		file, _, _ := strings.Cut(fields[0], ":")
		functions++
		files[file] = true
	}
	t.Logf("one renewal runs %d functions in %d files; the target is 200 in 40", functions, len(files))
	if functions < 50 || !files[module+"internal/refresh/renew.go"] {
		t.Fatalf("%d functions: this test sees too little", functions)
	}
	if functions > maxFunctions || len(files) > maxFiles {
		t.Errorf("one renewal runs %d functions in %d files; at most %d in %d", functions, len(files), maxFunctions, maxFiles)
	}
}

// productPackages are the packages that are deployed with the refresher, or could be.
func productPackages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if !matches("cmd/... internal/awstest/... internal/lambdatest/... internal/scenario pkg/oauth/oauthtest", name) && len(p.GoFiles) > 0 {
			all = append(all, p.ImportPath)
		}
	}
	return all
}
