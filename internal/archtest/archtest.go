// Package archtest holds the rules of ARCHITECTURE.md that a compiler does not check: who may import whom, where the environment and the
// clock may be read, and how the repository is laid out. Its test applies them to this repository; [Check] finds the violations in any tree.
//
// It reads source text only, so it is fast and sees every file whatever its build tags.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Violation is one rule broken in one place.
type Violation struct {
	Where string // file, or file:line, relative to the root; a folder where no file is to blame
	What  string // what is wrong and what to do
}

// String says where and what.
func (v Violation) String() string { return v.Where + ": " + v.What }

// tree is the repository as the rules see it.
type tree struct {
	root   string
	module string
	fset   *token.FileSet
	files  []*source
	events []string // paths of events/*/**/*.json; a file beside the folders is the environment of local runs
	broken []Violation
}

// source is one Go file.
type source struct {
	path string // relative to the root, with slashes
	dir  string // of path: "." at the root
	test bool
	ast  *ast.File
}

// Check applies every rule to the Go module at root. The violations are sorted by place. The error is about a tree that cannot be read or
// parsed.
func Check(root string) ([]Violation, error) {
	t, err := load(root)
	if err != nil {
		return nil, err
	}
	t.checkImports()
	t.checkPackages()
	t.checkLayout()
	for _, file := range t.files {
		if !file.test {
			t.checkEnvironment(file)
			t.checkClock(file)
			t.checkInit(file)
		}
	}
	slices.SortStableFunc(t.broken, func(a, b Violation) int { return strings.Compare(a.Where, b.Where) })
	return t.broken, nil
}

func load(root string) (*tree, error) {
	t := &tree{root: root, fset: token.NewFileSet()}
	var err error
	if t.module, err = moduleName(filepath.Join(root, "go.mod")); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(full string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case entry.IsDir() && ignored(rel):
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		case strings.HasPrefix(rel, "events/") && path.Dir(rel) != "events" && path.Ext(rel) == ".json":
			t.events = append(t.events, rel)
		case path.Ext(rel) == ".go":
			return t.parse(rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the source tree: %w", err)
	}
	return t, nil
}

// ignored folders are those that the go command ignores.
func ignored(dir string) bool {
	base := path.Base(dir)
	return base == "testdata" || base == "vendor" || dir != "." && (base[0] == '.' || base[0] == '_')
}

func (t *tree) parse(rel string) error {
	file, err := parser.ParseFile(t.fset, filepath.Join(t.root, filepath.FromSlash(rel)), nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.files = append(t.files, &source{path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), ast: file})
	return nil
}

func moduleName(gomod string) (string, error) {
	text, err := os.ReadFile(gomod)
	if err != nil {
		return "", fmt.Errorf("read the module's name: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("read the module's name: %s has no module line", gomod)
}

func (t *tree) report(where, format string, args ...any) {
	t.broken = append(t.broken, Violation{Where: where, What: fmt.Sprintf(format, args...)})
}

// at is the place of a node: file:line.
func (t *tree) at(file *source, node ast.Node) string {
	return file.path + ":" + strconv.Itoa(t.fset.Position(node.Pos()).Line)
}

// within tells whether dir is one of the folders or lies under it.
func within(dir string, folders ...string) bool {
	for _, folder := range folders {
		if dir == folder || strings.HasPrefix(dir, folder+"/") {
			return true
		}
	}
	return false
}
