package archtest

import (
	"go/ast"
	"path"
	"slices"
	"strconv"
)

// checkEnvironment: only functions and cmd read the environment; everything else is told by its Config.
func (t *tree) checkEnvironment(file *source) {
	if within(file.dir, "functions", "cmd") {
		return
	}
	for _, name := range []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv"} {
		for _, node := range mentions(file.ast, "os", name) {
			t.report(t.at(file, node), "os.%s outside functions and cmd: take it as a field of Config", name)
		}
	}
	for _, name := range []string{"Getenv", "Environ"} {
		for _, node := range mentions(file.ast, "syscall", name) {
			t.report(t.at(file, node), "syscall.%s outside functions and cmd: take it as a field of Config", name)
		}
	}
}

// checkClock: time.Now may stand in one kind of place only, as the value given to a variable or field named Now or now. It is never called
// directly, and neither is time.Since, which calls it. (time.Until of a context's deadline is right: contexts run on the machine's clock.)
func (t *tree) checkClock(file *source) {
	wired := map[ast.Node]bool{}
	ast.Inspect(file.ast, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.KeyValueExpr: // Config{Now: time.Now}
			wired[n.Value] = isNow(n.Key)
		case *ast.AssignStmt: // cfg.Now = time.Now
			for i, value := range n.Rhs {
				wired[value] = len(n.Lhs) == len(n.Rhs) && isNow(n.Lhs[i])
			}
		case *ast.ValueSpec: // var now = time.Now
			for i, value := range n.Values {
				wired[value] = len(n.Names) == len(n.Values) && isNow(n.Names[i])
			}
		}
		return true
	})
	for _, node := range mentions(file.ast, "time", "Now") {
		if !wired[node] {
			t.report(t.at(file, node), "time.Now only as the default of a Config.Now: call the Now that you were given")
		}
	}
	for _, node := range mentions(file.ast, "time", "Since") {
		t.report(t.at(file, node), "time.Since reads the machine's clock: subtract from the Now that you were given")
	}
}

// isNow tells whether an expression names a variable or field Now or now.
func isNow(expr ast.Expr) bool {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name == "Now" || e.Name == "now"
	case *ast.SelectorExpr:
		return isNow(e.Sel)
	}
	return false
}

func (t *tree) checkInit(file *source) {
	for _, decl := range file.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			t.report(t.at(file, fn), "init(): wire it in New or main instead")
		}
	}
}

// mentions finds every place where a file names pkg.name, under whatever name it imports pkg.
func mentions(file *ast.File, pkg, name string) []ast.Node {
	var names []string
	for _, spec := range file.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err != nil || imported != pkg {
			continue
		}
		if spec.Name == nil {
			names = append(names, path.Base(pkg))
		} else {
			names = append(names, spec.Name.Name) // a dot import is "."; revive refuses those
		}
	}
	var found []ast.Node
	ast.Inspect(file, func(node ast.Node) bool {
		if sel, ok := node.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(names, x.Name) {
				found = append(found, sel)
			}
		}
		return true
	})
	return found
}
