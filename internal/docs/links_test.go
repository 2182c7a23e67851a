package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestLinksInsideTheRepositoryResolve(t *testing.T) {
	for _, name := range pages(t) {
		for _, target := range readPage(t, name).links() {
			if strings.HasPrefix(target, "https://") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			if file = path.Join(path.Dir(name), file); strings.HasPrefix(target, "#") {
				file = name
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil || strings.HasPrefix(file, "..") {
				t.Errorf("%s: there is no %s", name, target)
				continue
			}
			if anchor != "" && !slices.Contains(readPage(t, file).anchors(), anchor) {
				t.Errorf("%s: %s has no heading %q", name, file, anchor)
			}
		}
	}
}

func TestDecisionsHaveTheirParts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs", "adr", "*.md"))
	must(t, err)
	if len(files) < 10 {
		t.Fatalf("%d decisions", len(files))
	}
	index, seen := readPage(t, "ARCHITECTURE.md").links(), map[string]bool{}
	for _, full := range files {
		name := "docs/adr/" + filepath.Base(full)
		number, _, _ := strings.Cut(filepath.Base(full), "-")
		if len(number) != 4 || seen[number] {
			t.Errorf("%s: its name must begin with four digits that no other decision has", name)
		}
		seen[number] = true
		var parts []string
		for _, s := range readPage(t, name).sections[2:] {
			parts = append(parts, s.title)
		}
		if want := []string{"Context", "Decision", "Consequences", "Must not"}; !slices.Equal(parts, want) {
			t.Errorf("%s has the parts %q, want %q", name, parts, want)
		}
		if !slices.Contains(index, name) {
			t.Errorf("ARCHITECTURE.md does not list %s", name)
		}
	}
}

// place is a path that exists on one machine only.
var place = regexp.MustCompile("(^|[\\s(`\"'=])(/(home|root|Users|work|tmp|mnt|opt)/|[A-Z]:\\\\)")

func TestNoPageNamesAPlaceOnAMachine(t *testing.T) {
	for _, name := range pages(t) {
		for line := range strings.Lines(read(t, name)) {
			if place.MatchString(line) {
				t.Errorf("%s: %s", name, strings.TrimSpace(line))
			}
		}
	}
}

// TestTranslationsShowTheSameCode: internal/readers runs the English pages only.
func TestTranslationsShowTheSameCode(t *testing.T) {
	for _, names := range translations {
		en, pt := readPage(t, names[0]), readPage(t, names[1])
		if len(en.fences) != len(pt.fences) {
			t.Errorf("%s has %d fenced blocks, %s has %d", names[0], len(en.fences), names[1], len(pt.fences))
			continue
		}
		for i, f := range en.fences {
			if other := pt.fences[i]; f.info != other.info || withoutComments(f) != withoutComments(other) {
				t.Errorf("%s: fenced block %d (%s) differs:\n%s\n%s", names[1], i+1, f.info, f.text, other.text)
			}
		}
	}
}

var (
	hashComment  = regexp.MustCompile(`(?m)(^|\s+)# .*$`)
	slashComment = regexp.MustCompile(`(?m)(^|\s+)// .*$`)
)

// withoutComments is a block as its language reads it.
func withoutComments(f fence) string {
	switch language, _, _ := strings.Cut(f.info, " "); language {
	case "sh", "console", "bash", "python":
		return hashComment.ReplaceAllString(f.text, "")
	case "php", "js":
		return slashComment.ReplaceAllString(f.text, "")
	}
	return f.text
}
