// Package docs_test checks what a page says of the repository: links resolve, tables list what the code has, JSON examples are understood,
// commands exist, and log lines have the fields of docs/audit.md. No sentence is checked. internal/readers runs the commands and snippets.
package docs_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// root of the repository.
const root = "../.."

// translations are the pages that exist in both languages: English, Portuguese.
var translations = [][2]string{
	{"README.md", "README.pt-BR.md"}, {"docs/rotate.md", "docs/rotate.pt-BR.md"}, {"docs/alarms.md", "docs/alarms.pt-BR.md"},
}

// page is one Markdown file.
type page struct {
	path     string // relative to the root, with slashes
	text     string
	sections []section
	fences   []fence
}

// section is what stands under one heading, up to the next of any level. The first has none.
type section struct {
	level int // 0 without a heading
	title string
	prose string // without fenced blocks
}

// fence is one fenced block.
type fence struct {
	info string // what follows the opening marks: "sh", "json result"
	text string
}

// readPage splits a Markdown file into its parts.
func readPage(t *testing.T, name string) page {
	t.Helper()
	p := page{path: name, text: read(t, name), sections: []section{{}}}
	var open *fence
	for line := range strings.Lines(p.text) {
		last := &p.sections[len(p.sections)-1]
		info, mark := strings.CutPrefix(line, "```")
		switch {
		case mark && open == nil:
			open = &fence{info: strings.TrimSpace(info)}
		case mark:
			p.fences = append(p.fences, *open)
			open = nil
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "#"):
			title := strings.TrimLeft(line, "#")
			p.sections = append(p.sections, section{level: len(line) - len(title), title: strings.TrimSpace(title)})
		default:
			last.prose += line
		}
	}
	if open != nil {
		t.Errorf("%s: a fenced block is not closed", name)
	}
	return p
}

// anchors are the names under which a page's headings can be linked to, as GitHub makes them.
func (p page) anchors() []string {
	var names []string
	for _, s := range p.sections {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return r
			}
			return -1
		}, strings.ToLower(s.title)))
	}
	return names
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links are the targets of a page's links.
func (p page) links() []string {
	var targets []string
	for _, s := range p.sections {
		for _, m := range link.FindAllStringSubmatch(s.title+"\n"+s.prose, -1) {
			targets = append(targets, m[1])
		}
	}
	return targets
}

var codeSpan = regexp.MustCompile("`([^`\n]+)`")

// code are the texts of a section that are set as code.
func (s section) code() []string {
	var spans []string
	for _, m := range codeSpan.FindAllStringSubmatch(s.prose, -1) {
		spans = append(spans, m[1])
	}
	return spans
}

// pages are the Markdown files of the repository, relative to the root.
func pages(t *testing.T) []string {
	t.Helper()
	var names []string
	must(t, filepath.WalkDir(root, func(full string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		if entry.IsDir() && rel != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !entry.IsDir() && path.Ext(rel) == ".md" {
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	}))
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	must(t, err)
	return string(raw)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
