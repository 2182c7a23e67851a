package readers_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

// language is how the snippets of one language are tested. A snippet becomes a module of its language; a few lines below it call its functions
// and print what they return, as JSON.
type language struct {
	// once is a program that prints the tokens of a connection, read twice in one cache.
	once func(w *world, connection string) ran
	// rejected is one that reads a token, reports that it was refused, prints what it gets instead, and then what the cache holds. With stale,
	// the refused token is another one than the published.
	rejected func(w *world, connection string, stale bool) ran
}

func languages() map[string]func(t *testing.T) language {
	return map[string]func(t *testing.T) language{"PHP": php, "Node": node}
}

func TestASnippetReadsTheTokenAndKeepsIt(t *testing.T) {
	for name, of := range languages() {
		t.Run(name, func(t *testing.T) {
			l, w := of(t), stored(t)
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
			l, w := of(t), stored(t)
			wantFailure(t, l.once(w, "hotmart/loja-z"), "ParameterNotFound")
			w.deny()
			wantFailure(t, l.once(w, hotmartShop), "AccessDeniedException")
		})
	}
}

func TestATokenThatAnAPIRefusesIsReplaced(t *testing.T) {
	for name, of := range languages() {
		t.Run(name, func(t *testing.T) {
			l, w := of(t), stored(t)
			refused := w.token(kiwifyMain)
			answer := l.rejected(w, kiwifyMain, false)
			if w.token(kiwifyMain) == refused {
				t.Fatalf("the refused token is still published; the function got %q\n%s", w.events, answer.err)
			}
			wantTokens(t, answer, w.token(kiwifyMain), w.token(kiwifyMain))
			wantEvents(t, w, `{"connections":["kiwify/main"],"rejected_version":2}`)
		})
		t.Run(name+", from a cache that is behind", func(t *testing.T) {
			l, w := of(t), stored(t)
			wantTokens(t, l.rejected(w, kiwifyMain, true), w.token(kiwifyMain), w.token(kiwifyMain))
			wantEvents(t, w)
		})
	}
}

func TestTheShellReadsTheToken(t *testing.T) {
	wantAWS(t)
	script, w := snippet(t, "bash read"), stored(t)
	if got := w.shell(script); !got.ok || got.out != w.token(hotmartShop)+"\n" {
		t.Errorf("it does not print the token and nothing else; stderr: %s", got.err)
	}
	w.wantReads(1, "one read")
	if got := w.shell(strings.Replace(script, "--with-decryption ", "", 1)); !got.ok || !strings.HasPrefix(got.out, "AQIC") {
		t.Errorf("without --with-decryption it should print a ciphertext; stderr: %s", got.err)
	}
	w.deny()
	wantFailure(t, w.shell(script), "AccessDeniedException")
}

func TestTheShellReplacesARefusedToken(t *testing.T) {
	wantAWS(t)
	script, w := snippet(t, "bash rejected"), stored(t)
	refused := w.token(kiwifyMain)
	if got := w.shell(script); !got.ok || w.token(kiwifyMain) == refused {
		t.Errorf("the refused token is still published: %s", got.err)
	}
	wantEvents(t, w, `{"connections":["kiwify/main"],"rejected_version":2}`)
}

// wantTokens checks what a program printed: a list of texts.
func wantTokens(t *testing.T, got ran, want ...string) {
	t.Helper()
	var tokens []string
	if err := json.Unmarshal([]byte(got.out), &tokens); !got.ok || err != nil || !slices.Equal(tokens, want) {
		t.Fatalf("it printed %q, want %q; %s", got.out, want, got.err)
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
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	for _, event := range w.events {
		var fields map[string]any
		must(t, json.Unmarshal([]byte(event), &fields))
		sorted, err := json.Marshal(fields)
		must(t, err)
		got = append(got, string(sorted))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the function was invoked with %q, want %q", got, want)
	}
}

// wantReads checks how often the store was read.
func (w *world) wantReads(n int, what string) {
	w.t.Helper()
	if got := w.aws.Count(awstest.GetParameter).Calls; got != n {
		w.t.Errorf("%s: %d calls of GetParameter, want %d", what, got, n)
	}
}

// deny refuses every read of a token, as IAM does without the reader's policy.
func (w *world) deny() {
	w.aws.Inject(awstest.Fault{Op: awstest.GetParameter, Effect: awstest.AccessDenied})
}
