package archtest

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxMain is how many lines the main.go of a function may have: it wires and nothing else.
const maxMain = 60

// checkLayout: every function has a short main.go and events that parse, and every event belongs to a function.
func (t *tree) checkLayout() {
	functions := map[string]bool{} // folder -> has a main.go
	for _, file := range t.files {
		if path.Dir(file.dir) != "functions" {
			continue
		}
		functions[file.dir] = functions[file.dir] || path.Base(file.path) == "main.go"
		if path.Base(file.path) != "main.go" {
			continue
		}
		if lines := t.fset.File(file.ast.Pos()).LineCount(); lines > maxMain {
			t.report(file.path, "%d lines: main.go wires and nothing else, in at most %d", lines, maxMain)
		}
	}
	tried := map[string]bool{}
	for _, event := range t.events {
		folder := "functions/" + path.Base(path.Dir(event))
		tried[folder] = true
		if _, ok := functions[folder]; !ok {
			t.report(event, "there is no %s that it could be an event of", folder)
		}
		t.checkEvent(event)
	}
	for folder, hasMain := range functions {
		if !hasMain {
			t.report(folder, "a function begins in its main.go")
		}
		if !tried[folder] {
			t.report(folder, "has no event under events/%s", strings.TrimPrefix(folder, "functions/"))
		}
	}
}

func (t *tree) checkEvent(event string) {
	text, err := os.ReadFile(filepath.Join(t.root, filepath.FromSlash(event)))
	if err != nil {
		t.report(event, "cannot be read: %v", err)
	} else if !json.Valid(text) {
		t.report(event, "is not one JSON value")
	}
}
