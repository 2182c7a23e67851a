// Package readers_test runs what README.md, docs/rotate.md and docs/alarms.md show: every command with the real AWS command line, and every
// snippet that reads a token in its own language. AWS is awstest on a port; the functions are the built ones. Commands and snippets are cut
// out of the pages, so that what is tested is what is read; internal/docs checks that the Portuguese pages show the same ones.
package readers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

var (
	fenced      = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")
	lineComment = regexp.MustCompile(`\s+# .*$`)
)

// shown is one command of a page, with what the page shows below it.
type shown struct{ command, output string }

// console are the commands of the console blocks of a page. A line that ends with a backslash continues in the next.
func console(t *testing.T, page string) []shown {
	t.Helper()
	var all []shown
	for _, block := range fenced.FindAllStringSubmatch(readFile(t, page), -1) {
		if strings.TrimSpace(block[1]) != "console" {
			continue
		}
		text := strings.ReplaceAll(block[2], "\\\n", " ")
		for line := range strings.Lines(text) {
			if command, prompt := strings.CutPrefix(line, "$ "); prompt {
				all = append(all, shown{command: strings.TrimSpace(lineComment.ReplaceAllString(command, ""))})
			} else if len(all) > 0 {
				all[len(all)-1].output += line
			}
		}
	}
	if len(all) < 3 {
		t.Fatalf("%s shows %d commands", page, len(all))
	}
	return all
}

// snippet is the one block of README.md that is marked so.
func snippet(t *testing.T, mark string) string {
	t.Helper()
	var found []string
	for _, block := range fenced.FindAllStringSubmatch(readFile(t, "README.md"), -1) {
		if strings.TrimSpace(block[1]) == mark {
			found = append(found, block[2])
		}
	}
	if len(found) != 1 {
		t.Fatalf("README.md has %d blocks marked %q, want one", len(found), mark)
	}
	return found[0]
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	return string(raw)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
