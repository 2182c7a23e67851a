package docs_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

const (
	importsBegin = "<!-- begin: table made by go test ./internal/docs -update -->\n"
	importsEnd   = "<!-- end -->"
)

// TestTheImportTableIsTheOneThatIsEnforced compares the table of ARCHITECTURE.md with the one in internal/archtest.
func TestTheImportTableIsTheOneThatIsEnforced(t *testing.T) {
	const name = "ARCHITECTURE.md"
	before, got, after := between(t, name, read(t, name), importsBegin, importsEnd)
	want := importTable(t)
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("the import table of %s is not that of internal/archtest; run: go test ./internal/docs -update", name)
	}
	rewrite(t, name, before+want+after)
}

// importTable makes the table from the source of archtest, whose own is not exported.
func importTable(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal", "archtest", "imports.go"), nil, parser.SkipObjectResolution)
	must(t, err)
	names := map[string]string{} // constants
	var rows []ast.Expr
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if len(n.Names) == 1 && len(n.Values) == 1 {
				names[n.Names[0].Name] = texts(n.Values[0], names)[0]
			}
		case *ast.FuncDecl:
			if n.Name.Name == "table" {
				literal, _ := n.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.CompositeLit)
				rows = literal.Elts
			}
		}
		return true
	})
	if len(rows) < 10 {
		t.Fatalf("found %d rows in internal/archtest", len(rows))
	}
	var b strings.Builder
	b.WriteString("\n| files of | import of this module | of others |\n|---|---|---|\n")
	for _, r := range rows {
		cells := r.(*ast.CompositeLit).Elts
		if len(cells) != 3 {
			t.Fatalf("a row of internal/archtest has %d fields, this test knows 3", len(cells))
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(texts(cells[0], names)), cell(texts(cells[1], names)), cell(texts(cells[2], names)))
	}
	b.WriteString("\n")
	return b.String()
}

// texts evaluates a text, a sum of texts, a list of them, or nil.
func texts(e ast.Expr, names map[string]string) []string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if v := constant.MakeFromLiteral(e.Value, e.Kind, 0); v.Kind() == constant.String {
			return []string{constant.StringVal(v)}
		}
		return []string{e.Value}
	case *ast.Ident:
		if e.Name == "nil" {
			return nil
		}
		return []string{names[e.Name]}
	case *ast.BinaryExpr:
		return []string{texts(e.X, names)[0] + texts(e.Y, names)[0]}
	case *ast.CallExpr:
		var all []string
		for _, a := range e.Args {
			all = append(all, texts(a, names)...)
		}
		return all
	}
	return nil
}

func cell(items []string) string {
	if len(items) == 0 {
		return "–"
	}
	return "`" + strings.Join(items, "`, `") + "`"
}
