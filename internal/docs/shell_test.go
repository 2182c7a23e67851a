package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryShellBlockCanBeRun: a block marked sh holds only what works from the root of the repository, today. What needs an AWS account
// is marked console.
func TestEveryShellBlockCanBeRun(t *testing.T) {
	targets := makeTargets(t)
	found := 0
	for _, name := range pages(t) {
		for _, f := range readPage(t, name).fences {
			switch f.info {
			case "sh":
				for line := range strings.Lines(withoutComments(f)) {
					if why := runnable(strings.Fields(line), targets); why != "" {
						t.Errorf("%s: %q: %s", name, strings.TrimSpace(line), why)
					}
					found++
				}
			case "console", "text", "text mail":
			case "bash read", "bash rejected", "php read", "php rejected", "js read", "js rejected", "js extension", "python extension":
				if !slices.Contains(translations[0][:], name) { // internal/readers runs those of the READMEs
					t.Errorf("%s: nobody runs a block marked %q here", name, f.info)
				}
			default:
				if language, _, _ := strings.Cut(f.info, " "); language != "json" {
					t.Errorf("%s: a block is marked %q: sh, console, text, json, or one of the snippets that internal/readers runs", name, f.info)
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d commands found", found)
	}
	for _, name := range pages(t) {
		for _, s := range readPage(t, name).sections {
			for _, span := range s.code() {
				if target, ok := strings.CutPrefix(span, "make "); ok && !slices.Contains(targets, strings.Fields(target)[0]) {
					t.Errorf("%s names `%s`, which the Makefile does not have", name, span)
				}
			}
		}
	}
}

// runnable says why a command is none that works here, "" when it does.
func runnable(words, targets []string) string {
	switch {
	case len(words) == 0:
		return ""
	case len(words) >= 2 && words[0] == "make":
		if !slices.Contains(targets, words[1]) {
			return "the Makefile has no such target"
		}
		return given(words[2:])
	case len(words) >= 3 && words[0] == "go" && words[1] == "test":
		if _, err := os.Stat(filepath.Join(root, strings.TrimSuffix(words[2], "/..."))); err != nil {
			return "there is no such package"
		}
		return ""
	}
	return "only make and go test are run from a page; mark it console if it needs more"
}

// given says what is wrong with the variables that are given to make.
func given(words []string) string {
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" || strings.ToUpper(name) != name {
			return w + " is no variable of make"
		}
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(value))); strings.Contains(value, "/") && err != nil {
			return "there is no " + value
		}
	}
	return ""
}

var target = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):.*## `)

func makeTargets(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range target.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		names = append(names, m[1])
	}
	return names
}
