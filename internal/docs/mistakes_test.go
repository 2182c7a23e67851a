package docs_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// mistake is one row of the READMEs' table: what a person does, and what the program then says.
type mistake struct {
	sentence string
	seen     func(w *world) string
}

// mistakes are in the order of the table.
func mistakes() []mistake {
	return []mistake{
		{"a secret without the prefix, or in another region", func(w *world) string {
			w.connect(kiwifyMain, w.kiwify)
			w.connect(kiwifyOther, w.kiwify)
			return w.failure(`{"connections":["hotmart/loja-a"]}`)
		}},
		{"capital letters in the name", func(w *world) string {
			w.connect("Hotmart/Loja-A", w.hotmart)
			return w.failure(`{}`)
		}},
		{"clientId", func(w *world) string {
			w.store(kiwifyMain, `{"provider":"kiwify","clientId":"3f1c7d52","client_secret":"q8ZrLw2vN5tYx7Kp3"}`)
			return w.failure(`{}`)
		}},
		{"the provider's name with a capital letter", func(w *world) string {
			w.store(hotmartShop, document(w.t, "Hotmart", w.sign(w.hotmart, "a")))
			return w.failure(`{}`)
		}},
		{"a secret that was pasted with its line break", func(w *world) string {
			c := w.sign(w.hotmart, "a")
			c.secret += "\n"
			w.store(hotmartShop, document(w.t, "hotmart", c))
			return w.failure(`{}`)
		}},
		{"only the pair in put-secret-value", func(w *world) string {
			c := w.connect(kiwifyMain, w.kiwify)
			w.invoke(`{}`)
			time.Sleep(time.Hour)
			w.store(kiwifyMain, `{"client_id":"`+c.id+`","client_secret":"`+c.secret+`"}`)
			return w.failure(`{}`)
		}},
		{"a pair that was deleted in the panel", func(w *world) string {
			w.connect(hotmartShop, w.hotmart)
			w.invoke(`{}`)
			time.Sleep(time.Hour)
			w.store(hotmartShop, document(w.t, "hotmart", pair{"3f1c7d52-0a4b-4c7e-9d2f-old", "q8ZrLw2vN5tYx7Kp3-old"}))
			return w.failure(`{}`)
		}},
		{"the Basic value of another credential", func(w *world) string {
			basic := base64.StdEncoding.EncodeToString([]byte("another-client:another-secret"))
			w.connect(hotmartShop, w.hotmart, "basic_token", "Basic "+basic)
			return w.failure(`{}`)
		}},
		{"a comma in refresh_at", func(w *world) string {
			w.connect(hotmartShop, w.hotmart, "refresh_at", "0,8")
			return w.failure(`{}`)
		}},
		{"a read without decryption", func(w *world) string {
			w.connect(hotmartShop, w.hotmart)
			w.invoke(`{}`)
			time.Sleep(40 * time.Second)
			result := w.invoke(`{"connections":["hotmart/loja-a"],"rejected_version":1}`)
			if len(result.Fresh) != 1 {
				w.t.Fatalf("the token is not fresh: %+v", result)
			}
			return "`" + result.Fresh[0].Reason + "`"
		}},
	}
}

const (
	mistakesBegin = "<!-- begin: second column made by go test ./internal/docs -update -->\n"
	mistakesEnd   = "<!-- end -->"
)

// TestTheMistakesAreAnsweredAsTheReadmesSay makes each mistake and compares what the program says with the second column of both tables.
func TestTheMistakesAreAnsweredAsTheReadmesSay(t *testing.T) {
	var seen []string
	for _, m := range mistakes() {
		t.Run(m.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { seen = append(seen, m.seen(newWorld(t))) })
		})
	}
	if len(seen) != len(mistakes()) {
		t.Fatal("not every mistake could be made")
	}
	for _, name := range []string{english, portuguese} {
		secondColumn(t, name, seen)
	}
}

// secondColumn holds the second column of a page's table against what the program says, or writes it anew.
func secondColumn(t *testing.T, name string, says []string) {
	t.Helper()
	before, table, after := between(t, name, read(t, name), mistakesBegin, mistakesEnd)
	rows := slices.Collect(strings.Lines(table))
	const head = 3 // an empty line, the names of the columns, the rule
	if len(rows) != head+len(says)+1 {
		t.Errorf("%s: the table has %d lines, want %d", name, len(rows), head+len(says)+1)
		return
	}
	for i, want := range says {
		done, rest, _ := strings.Cut(strings.TrimPrefix(rows[head+i], "| "), " |")
		if got := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "|")); got != want && !*update {
			t.Errorf("%s, row %d, %s:\n got %s\nwant %s\nthe program says something else by now; read it, then: go test ./internal/docs -update", name, i+1, done, got, want)
		}
		rows[head+i] = "| " + done + " | " + want + " |\n"
	}
	if *update {
		rewrite(t, name, before+strings.Join(rows, "")+after)
	}
}
