package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// translations are the pages that say the same in both languages: English, Portuguese.
func translations() [][2]string {
	return [][2]string{{english, portuguese}, {rotateEnglish, rotatePortuguese}, {alarmsEnglish, alarmsPortuguese}}
}

func TestBothLanguagesSayTheSameSectionBySection(t *testing.T) {
	for _, names := range translations() {
		t.Run(names[0], func(t *testing.T) { compareSections(t, readPage(t, names[0]), readPage(t, names[1])) })
	}
}

func compareSections(t *testing.T, en, pt page) {
	t.Helper()
	if len(en.sections) != len(pt.sections) || len(en.fences) != len(pt.fences) {
		t.Fatalf("%d and %d headings, %d and %d fenced blocks", len(en.sections)-1, len(pt.sections)-1, len(en.fences), len(pt.fences))
	}
	for i, s := range en.sections {
		other := pt.sections[i]
		if s.level != other.level {
			t.Errorf("%q is a heading of level %d, %q of %d", s.title, s.level, other.title, other.level)
		}
		for _, mark := range []string{"- ", "| ", "1. ", "2. ", "3. ", "4. ", "5. ", "<!-- "} {
			if n, m := begins(s.prose, mark), begins(other.prose, mark); n != m {
				t.Errorf("%q has %d lines that begin with %q, %q has %d", s.title, n, mark, other.title, m)
			}
		}
	}
	for i, f := range en.fences {
		if other := pt.fences[i]; f.info != other.info || withoutComments(f) != withoutComments(other) {
			t.Errorf("fenced block %d (%s) differs:\n%s\n%s", i+1, f.info, f.text, other.text)
		}
	}
}

func begins(text, mark string) int {
	n := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, mark) {
			n++
		}
	}
	return n
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

func TestEveryLinkInsideTheRepositoryResolves(t *testing.T) {
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
				t.Errorf("%s: %s leads nowhere", name, target)
				continue
			}
			if anchor != "" && !slices.Contains(readPage(t, file).anchors(), anchor) {
				t.Errorf("%s: %s has no heading %q", name, file, anchor)
			}
		}
	}
}

// TestEveryJSONExampleIsOneThatTheCodeUnderstands reads each by what it is marked as.
func TestEveryJSONExampleIsOneThatTheCodeUnderstands(t *testing.T) {
	readers := map[string]func(text string) error{
		"":           parseConnection(t), // docs/providers has no other
		"connection": parseConnection(t),
		"result":     strictly[refresh.Result],
		"plan":       strictly[[]refresh.Planned],
		"policy":     readerPolicy,
		"operator":   operatorPolicy(t),
		"pair":       parsePair(t),
		"key":        keyStatement,
		"line":       exampleOfALine(t),
		"health":     strictly[probe.Report],
		"record": func(text string) error {
			r, err := renew.ParseRecord(text)
			if err == nil && r.Encode() != strings.TrimSpace(text) {
				err = errors.New("the code would write " + r.Encode())
			}
			return err
		},
		"failure": func(text string) error {
			f, err := renew.ParseFailure(text)
			if err == nil && f.Encode() != strings.TrimSpace(text) {
				err = errors.New("the code would write " + f.Encode())
			}
			return err
		},
	}
	seen := map[string]int{}
	for _, name := range pages(t) {
		for _, f := range readPage(t, name).fences {
			language, kind, _ := strings.Cut(f.info, " ")
			if language != "json" {
				continue
			}
			reader, ok := readers[kind]
			if !ok {
				t.Errorf("%s: nobody reads a block marked %q", name, f.info)
				continue
			}
			seen[kind]++
			if err := reader(f.text); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, f.text)
			}
		}
	}
	for kind := range readers {
		if seen[kind] == 0 {
			t.Errorf("no example is marked %q", kind)
		}
	}
}

// parseConnection reads a connection document whose "…" stand for a pair.
func parseConnection(t *testing.T) func(string) error {
	known := catalogue(t)
	return func(text string) error {
		for n := 0; strings.Contains(text, `"…"`); n++ { // each its own: an id, a secret and a scope that are one text are refused
			text = strings.Replace(text, `"…"`, fmt.Sprintf(`"3f1c7d5%d"`, n), 1)
		}
		_, err := connection.Parse("a/b", oauth.NewSecret(text), known, connection.Options{})
		return err
	}
}

func strictly[T any](text string) error {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	return dec.Decode(new(T))
}

// TestTheResultsAreWhatTheFunctionAnswers plays the story of the READMEs' result and plan, and compares all but the times.
func TestTheResultsAreWhatTheFunctionAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.connect(hotmartShop, w.hotmart)
		w.connect(kiwifyMain, w.kiwify)
		wrong := w.sign(w.kiwify, "b")
		wrong.secret = "pasted from the wrong panel"
		w.store(kiwifyOther, document(t, "kiwify", wrong))
		w.invoke(`{}`)
		time.Sleep(15 * time.Hour)
		compare(t, "plan", w.invoke(`{"dry_run":true}`).Plan)
		compare(t, "result", w.invoke(`{}`))
	})
}

var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

func compare(t *testing.T, kind string, answer any) {
	t.Helper()
	compareIn(t, english, kind, answer, instant)
}

// compareIn compares the example of a page with what the code answers, but for instants and what else is chance.
func compareIn(t *testing.T, name, kind string, answer any, chance *regexp.Regexp) {
	t.Helper()
	raw, err := json.Marshal(answer)
	must(t, err)
	p := readPage(t, name)
	i := slices.IndexFunc(p.fences, func(f fence) bool { return f.info == "json "+kind })
	if i < 0 {
		t.Fatalf("%s has no example of a %s", name, kind)
	}
	var shown bytes.Buffer
	must(t, json.Compact(&shown, []byte(p.fences[i].text)))
	plain := func(text string) string { return chance.ReplaceAllString(instant.ReplaceAllString(text, "T"), "") }
	if got, want := plain(shown.String()), plain(string(raw)); got != want {
		t.Errorf("the %s of %s:\n got %s\nwant %s\nwhich is\n%s", kind, name, got, want, raw)
	}
}

func TestTheEventsOfTheReadmesAreAccepted(t *testing.T) {
	for name, title := range map[string]string{english: "Events", portuguese: "Eventos"} {
		found := 0
		for _, span := range readPage(t, name).section(t, title).code() {
			if !strings.HasPrefix(span, "{") {
				continue
			}
			found++
			if _, err := refresh.ParseCall([]byte(span)); err != nil {
				t.Errorf("%s: %s: %v", name, span, err)
			}
		}
		if found != 5 {
			t.Errorf("%s shows %d events, want 5", name, found)
		}
	}
}

// TestTheReadmesNameEverything: fields of a connection, variables of the function, lists of a result, classes of a failure.
func TestTheReadmesNameEverything(t *testing.T) {
	for what, where := range map[string]struct{ file, pattern string }{
		"field":    {"internal/connection/document.go", `(?m)^\tfield\w+ += "(\w+)"$`},
		"variable": {"internal/environment/environment.go", `e\.\w+\("([A-Z_]+)"`},
		"list":     {"internal/refresh/result.go", `(?m)^\t\w+ +\[\]\w+ +.json:"(\w+)"`},
		"class":    {"pkg/oauth/error.go", `Class = "(\w+)"`},
	} {
		found := regexp.MustCompile(where.pattern).FindAllStringSubmatch(read(t, where.file), -1)
		if len(found) < 4 {
			t.Errorf("found %d of %s in %s", len(found), what, where.file)
		}
		for _, name := range []string{english, portuguese} {
			var spans []string
			for _, s := range readPage(t, name).sections {
				spans = append(spans, s.code()...)
			}
			for _, m := range found {
				if !slices.Contains(spans, m[1]) {
					t.Errorf("%s does not tell of the %s `%s`", name, what, m[1])
				}
			}
		}
	}
	providers := len(catalogue(t).IDs())
	for name, sentence := range map[string]string{english: "%d providers", portuguese: "%d provedores"} {
		if want := fmt.Sprintf(sentence, providers); !strings.Contains(read(t, name), want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
}

// TestTheDemoPrintsWhatTheReadmeQuotes looks for the constant parts in the demo's source: its run is a test of its own.
func TestTheDemoPrintsWhatTheReadmeQuotes(t *testing.T) {
	source := demoSource(t)
	p := readPage(t, english)
	i := slices.IndexFunc(p.fences, func(f fence) bool { return strings.HasPrefix(f.text, "$ make demo\n") })
	if i < 0 {
		t.Fatalf("%s does not show the demo", english)
	}
	found := 0
	for line := range strings.Lines(p.fences[i].text) {
		words, ok := strings.CutPrefix(strings.TrimSpace(line), "ok    ")
		if !ok {
			continue
		}
		found++
		if !strings.Contains(source, fmt.Sprintf("d.expect(%q,", words)) {
			t.Errorf("the demo does not check %q", words)
		}
	}
	checks := strings.Count(source, "d.expect(")
	if want := fmt.Sprintf("All %d checks are ok.\n", checks); found == 0 || !strings.HasSuffix(p.fences[i].text, want) {
		t.Errorf("%d checks are quoted, and the end should be %q", found, want)
	}
	for name, sentence := range map[string]string{english: "checks %d statements", portuguese: "confere %d afirmações"} {
		if want := fmt.Sprintf(sentence, checks); !strings.Contains(read(t, name), want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
}

// demoSource is the source of cmd/demo without its tests.
func demoSource(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "cmd", "demo", "*.go"))
	must(t, err)
	var all strings.Builder
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			all.WriteString(read(t, "cmd/demo/"+filepath.Base(file)))
		}
	}
	return all.String()
}

func TestEveryDecisionHasItsFourParts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs", "adr", "*.md"))
	must(t, err)
	if len(files) < 10 {
		t.Fatalf("%d decisions", len(files))
	}
	index := readPage(t, "ARCHITECTURE.md").links()
	seen := map[string]bool{}
	for _, full := range files {
		name := "docs/adr/" + filepath.Base(full)
		number, _, _ := strings.Cut(filepath.Base(full), "-")
		if len(number) != 4 || seen[number] {
			t.Errorf("%s: its name must begin with four digits that no other decision has", name)
		}
		seen[number] = true
		p := readPage(t, name)
		if p.sections[1].level != 1 || !strings.HasPrefix(p.sections[1].title, number+": ") {
			t.Errorf("%s: its title begins with %q", name, number+": ")
		}
		var parts []string
		for _, s := range p.sections[2:] {
			parts = append(parts, s.title)
			if strings.TrimSpace(s.prose) == "" {
				t.Errorf("%s: %s is empty", name, s.title)
			}
		}
		if want := []string{"Context", "Decision", "Consequences", "Must not"}; !slices.Equal(parts, want) {
			t.Errorf("%s has the parts %q, want %q", name, parts, want)
		}
		if !slices.Contains(index, name) {
			t.Errorf("ARCHITECTURE.md does not list %s", name)
		}
	}
}

var release = regexp.MustCompile(`^\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$`)

func TestTheChangelogKeepsItsForm(t *testing.T) {
	p := readPage(t, "CHANGELOG.md")
	if p.sections[1].title != "Changelog" || p.sections[2].title != "[Unreleased]" {
		t.Errorf("it begins with %q and %q", p.sections[1].title, p.sections[2].title)
	}
	kinds := []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
	for _, s := range p.sections[2:] {
		switch {
		case s.level == 2 && (s.title == "[Unreleased]" || release.MatchString(s.title)):
		case s.level == 3 && slices.Contains(kinds, s.title) && begins(s.prose, "- ") > 0:
		default:
			t.Errorf("%q is neither a version nor one of %q with entries", s.title, kinds)
		}
	}
}

// place is a path that exists on somebody's machine only.
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
