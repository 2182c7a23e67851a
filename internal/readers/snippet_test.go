package readers_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The story that every language's snippets are put through. A snippet becomes a module of its language; a few lines of our own below it
// call its functions and print what they return, as JSON.
type language struct {
	// once is a program that prints the tokens of a connection, read twice in one cache.
	once func(w *world, connection string) ran
	// rejected is one that reads a token, says that it was refused, prints what it gets instead, and then what the cache holds; with
	// stale, the token that was refused is said to be another than the published one.
	rejected func(w *world, connection string, stale bool) ran
}

func languages() map[string]func(t *testing.T) language {
	return map[string]func(t *testing.T) language{"PHP": php, "Node": node}
}

func TestASnippetReadsTheTokenAndKeepsIt(t *testing.T) {
	for name, of := range languages() {
		t.Run(name, func(t *testing.T) {
			l, w := of(t), published(t)
			for _, connection := range []string{hotmartShop, kiwifyMain} {
				w.aws.ResetCalls()
				wantTokens(t, l.once(w, connection), w.token(connection), w.token(connection))
				w.wantReads(1, "two reads, the second from the cache")
			}
		})
	}
}

func TestASnippetThatCannotReadSaysWhy(t *testing.T) {
	for name, of := range languages() {
		t.Run(name, func(t *testing.T) {
			l, w := of(t), published(t)
			wantFailure(t, l.once(w, "hotmart/loja-z"), "ParameterNotFound")
			w.deny()
			wantFailure(t, l.once(w, hotmartShop), "AccessDeniedException")
		})
	}
}

func TestATokenThatAnAPIRefusesIsReplaced(t *testing.T) {
	for name, of := range languages() {
		t.Run(name, func(t *testing.T) {
			l, w := of(t), published(t)
			refused := w.token(kiwifyMain)
			answer := l.rejected(w, kiwifyMain, false)
			if w.token(kiwifyMain) == refused {
				t.Fatalf("the refused token is still published; the function got %q\n%s", w.invocations(), answer.err)
			}
			wantTokens(t, answer, w.token(kiwifyMain), w.token(kiwifyMain))
			wantEvents(t, w, `{"connections":["kiwify/main"],"rejected_version":2}`)
		})
		t.Run(name+", from a cache that is behind", func(t *testing.T) {
			l, w := of(t), published(t)
			wantTokens(t, l.rejected(w, kiwifyMain, true), w.token(kiwifyMain), w.token(kiwifyMain))
			wantEvents(t, w)
		})
	}
}

func TestTheShellReadsTheToken(t *testing.T) {
	script := snippet(t, "bash read")
	w := published(t)
	got := w.shell(script)
	if !got.ok || got.out != w.token(hotmartShop)+"\n" {
		t.Errorf("it does not print the token and nothing else; stderr: %s", got.err)
	}
	w.wantReads(1, "one read")
	w.deny()
	wantFailure(t, w.shell(script), "AccessDeniedException")
	must(t, w.aws.DropParameter(parameterName(hotmartShop)))
	w.aws.ClearFaults()
	wantFailure(t, w.shell(script), "ParameterNotFound")
}

func TestAReadWithoutDecryptionGivesACiphertext(t *testing.T) {
	script := snippet(t, "bash read")
	plain := strings.Replace(script, "--with-decryption ", "", 1)
	if plain == script {
		t.Fatal("the snippet does not ask for decryption")
	}
	w := published(t)
	if got := w.shell(plain); !got.ok || !strings.HasPrefix(got.out, "AQIC") {
		t.Errorf("it succeeds: %t; it should give a text that begins with AQIC; stderr: %s", got.ok, got.err)
	}
}

func TestTheShellReplacesARefusedToken(t *testing.T) {
	script := snippet(t, "bash rejected")
	w := published(t)
	refused := w.token(kiwifyMain)
	if got := w.shell(script); !got.ok {
		t.Fatal(got.err)
	}
	if w.token(kiwifyMain) == refused {
		t.Error("the refused token is still published")
	}
	wantEvents(t, w, `{"connections":["kiwify/main"],"rejected_version":2}`)
	if got := w.shell(script); !got.ok {
		t.Fatal(got.err)
	}
	raw, err := os.ReadFile(filepath.Join(w.dir, "out.json"))
	must(t, err)
	if !strings.Contains(string(raw), "minted_recently") {
		t.Errorf("a second 401 a moment later is answered %s", raw)
	}
}

// wantTokens checks what a program printed: a list of texts. It never prints one.
func wantTokens(t *testing.T, got ran, want ...string) {
	t.Helper()
	if !got.ok {
		t.Fatalf("it failed: %s", got.err)
	}
	var tokens []string
	if err := json.Unmarshal([]byte(got.out), &tokens); err != nil || len(tokens) != len(want) {
		t.Fatalf("it printed %d texts, want %d (%v)", len(tokens), len(want), err)
	}
	for i := range want {
		if tokens[i] != want[i] {
			t.Errorf("text %d is not the published token", i+1)
		}
	}
}

func wantFailure(t *testing.T, got ran, code string) {
	t.Helper()
	if got.ok || !strings.Contains(got.err, code) {
		t.Errorf("it succeeded: %t; it should say %s and says: %s", got.ok, code, got.err)
	}
}

// wantEvents checks what the function was invoked with.
func wantEvents(t *testing.T, w *world, want ...string) {
	t.Helper()
	got := w.invocations()
	if len(got) != len(want) {
		t.Fatalf("the function was invoked with %q, want %q", got, want)
	}
	for i := range want {
		var event, wanted any
		must(t, json.Unmarshal([]byte(want[i]), &wanted))
		if err := json.Unmarshal([]byte(got[i]), &event); err != nil || !same(event, wanted) {
			t.Errorf("the function was invoked with %s, want %s", got[i], want[i])
		}
	}
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
