package provider

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/providers/README.md anew")

const (
	docsPage   = "../../docs/providers/README.md"
	tableBegin = "<!-- begin: table made by go test ./internal/provider -update -->\n"
	tableEnd   = "<!-- end -->\n"
)

// TestTheDocumentationsTableIsTheCatalogue keeps docs/providers/README.md from telling anything but the data files.
func TestTheDocumentationsTableIsTheCatalogue(t *testing.T) {
	raw, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(raw), tableBegin)
	got, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("%s has no table between its marks", docsPage)
	}
	want := table(mustLoad(t))
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("the table of %s is not the catalogue; run: go test ./internal/provider -update", docsPage)
	}
	if err := os.WriteFile(docsPage, []byte(before+tableBegin+want+tableEnd+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEveryDataFieldIsExplained: a person who adds a provider finds each field on the page.
func TestEveryDataFieldIsExplained(t *testing.T) {
	raw, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range dataFields() {
		if !strings.Contains(string(raw), "| `"+field+"` |") {
			t.Errorf("%s does not explain %s", docsPage, field)
		}
	}
}

// table is the catalogue for people.
func table(c Catalogue) string {
	var b strings.Builder
	b.WriteString("\n| `provider` | who | token endpoint | client authentication, the first is the default | also needed | new token | not verified |\n|---|---|---|---|---|---|---|\n")
	for _, id := range c.IDs() {
		p, _ := c.Get(id)
		name := p.Name
		if p.Docs != "" {
			name = fmt.Sprintf("[%s](%s)", p.Name, p.Docs)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n",
			p.ID, name, endpointCell(p), p.methods(), neededCell(p), p.IssueEffect, orDash(strings.Join(p.Unverified(), ", ")))
	}
	b.WriteString("\n")
	return b.String()
}

func endpointCell(p Provider) string {
	switch {
	case p.TokenEndpoint == "":
		return "`token_endpoint`, such as `" + p.TokenEndpointExample + "`"
	case p.SandboxTokenEndpoint == p.TokenEndpoint:
		return "`" + p.TokenEndpoint + "` (sandbox too)"
	case p.SandboxTokenEndpoint != "":
		return "`" + p.TokenEndpoint + "`, sandbox `" + p.SandboxTokenEndpoint + "`"
	}
	return "`" + p.TokenEndpoint + "`"
}

func neededCell(p Provider) string {
	var needed []string
	for _, n := range []struct {
		field string
		is    bool
	}{
		{"token_endpoint", p.TokenEndpoint == ""}, {"scope", p.ScopeRequired}, {"audience", p.AudienceRequired}, {"resource", p.ResourceRequired},
	} {
		if n.is {
			needed = append(needed, "`"+n.field+"`")
		}
	}
	return orDash(strings.Join(needed, ", "))
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// dataFields are the names of the fields of a data file, the inner ones with their path.
func dataFields() []string {
	var names []string
	for _, of := range []struct {
		path string
		typ  reflect.Type
	}{
		{"", reflect.TypeFor[file]()}, {"answer.", reflect.TypeFor[answer]()}, {"answer.errors[].", reflect.TypeFor[errorRule]()},
		{"verify_calls[].", reflect.TypeFor[verifyCall]()}, {"evidence[].", reflect.TypeFor[evidence]()},
	} {
		for i := range of.typ.NumField() {
			names = append(names, of.path+of.typ.Field(i).Tag.Get("json"))
		}
	}
	return names
}
