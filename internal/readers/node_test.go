package readers_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const oldestNode = 18 // has fetch, and is that of Debian 12; the AWS SDK is published for 20 and works with it

// nodeProgram is the path of node, which the snippets need in a version that has fetch and that the SDK works with.
func nodeProgram(t *testing.T) string {
	t.Helper()
	program := find(t, "node", "Debian package nodejs")
	version := new(world)
	version.t, version.dir = t, t.TempDir()
	got := version.exec(os.Environ(), program, "--version")
	major, _, _ := strings.Cut(strings.TrimPrefix(got.out, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		t.Skipf("node is %q, the snippets need %d or later", strings.TrimSpace(got.out), oldestNode)
	}
	return program
}

// node runs the Node snippets with the real packages.
func node(t *testing.T) language {
	t.Helper()
	program := nodeProgram(t)
	return language{
		once: func(w *world, connection string) ran {
			return runNode(w, program, "const c = "+quoted(connection)+";\nconsole.log(JSON.stringify([await accessToken(c), await accessToken(c)]));\n")
		},
		rejected: func(w *world, connection string, stale bool) ran {
			refused := "await accessToken(c)"
			if stale {
				refused = "'the token of yesterday'"
			}
			return runNode(w, program, "const c = "+quoted(connection)+";\nconst refused = "+refused+";\n"+
				"console.log(JSON.stringify([await newToken(c, refused), await accessToken(c)]));\n")
		},
	}
}

// runNode runs a module in which the functions of the snippets are known.
func runNode(w *world, program, main string) ran {
	w.t.Helper()
	modules := os.Getenv("CHAVEIRO_NODE_MODULES")
	if modules == "" {
		w.t.Skip("CHAVEIRO_NODE_MODULES does not name the packages of testdata/node; make test and make readers install them")
	}
	if link := filepath.Join(w.dir, "node_modules"); !exists(link) {
		must(w.t, os.Symlink(modules, link))
	}
	w.put("token.mjs", snippet(w.t, "js read")+snippet(w.t, "js rejected"))
	w.put("main.mjs", "import { accessToken, newToken } from './token.mjs';\n"+main)
	return w.exec(w.environ(), program, "main.mjs")
}

// quoted is a connection as a text in PHP and JavaScript.
func quoted(connection string) string { return "'" + connection + "'" }

// TestNodeKeepsATokenFor300Seconds moves the clock of the program, which is what the cache looks at.
func TestNodeKeepsATokenFor300Seconds(t *testing.T) {
	program, w := nodeProgram(t), stored(t)
	wantTokens(t, runNode(w, program, `const now = Date.now, c = 'hotmart/loja-a', tokens = [];
for (const seconds of [0, 299, 301]) {
  Date.now = () => now() + seconds * 1000;
  tokens.push(await accessToken(c));
}
console.log(JSON.stringify(tokens));
`), w.token(hotmartShop), w.token(hotmartShop), w.token(hotmartShop))
	w.wantReads(2, "reads after 0, 299 and 301 seconds")
}
