// Package readers_test runs what README.md, docs/rotate.md and docs/alarms.md show a person: every snippet that reads a token, in its own language, and every
// command, with the real AWS command line, against awstest on a port, the real refresher and the real rotator. What cannot be run is named in
// a table with the reason, and checked as far as it can be.
//
// The snippets are cut out of the pages, so that what is tested is what is read. The Portuguese pages show the same ones: internal/docs
// compares.
package readers_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	root   = "../.."
	readme = "README.md"
	rotate = "docs/rotate.md"
	alarms = "docs/alarms.md"
)

// block is one fenced block of the page.
type block struct {
	info string // "php read", "console"
	text string
}

// blocks are the fenced blocks of a page, in order.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	var all []block
	var open *block
	for line := range strings.Lines(readFile(t, page)) {
		info, mark := strings.CutPrefix(line, "```")
		switch {
		case mark && open == nil:
			open = &block{info: strings.TrimSpace(info)}
		case mark:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Fatalf("%s: a fenced block is not closed", page)
	}
	return all
}

// snippet is the one block of README.md with the info.
func snippet(t *testing.T, info string) string {
	t.Helper()
	var found []string
	for _, b := range blocks(t, readme) {
		if b.info == info {
			found = append(found, b.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks marked %q, want one", readme, len(found), info)
	}
	return found[0]
}

var comment = regexp.MustCompile(`\s+# .*$`)

// shown are the commands of the console blocks of a page, in their order, without the prompt, comments and what they print. A line that
// ends with a backslash goes on in the next.
func shown(t *testing.T, page string) []string {
	t.Helper()
	var all []string
	for _, b := range blocks(t, page) {
		if b.info != "console" {
			continue
		}
		going := false
		for line := range strings.Lines(b.text) {
			text, prompt := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ ")
			if !prompt && !going {
				continue // what a command prints
			}
			text, more := strings.CutSuffix(comment.ReplaceAllString(text, ""), `\`)
			if going {
				all[len(all)-1] += strings.TrimSpace(text)
			} else {
				all = append(all, strings.TrimLeft(text, " "))
			}
			if going = more; !more {
				all[len(all)-1] = strings.TrimSpace(all[len(all)-1])
			}
		}
	}
	return all
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(root + "/" + name)
	must(t, err)
	return string(raw)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
