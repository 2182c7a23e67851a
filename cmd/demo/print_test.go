package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", 30)
	for name, c := range map[string]struct {
		line string
		want []string
	}{
		"a short line":           {"  ok    it works", []string{"  ok    it works"}},
		"exactly as wide":        {strings.Repeat("a", 20), []string{strings.Repeat("a", 20)}},
		"broken at a blank":      {"  one two three four five", []string{"  one two three four", "    five"}},
		"characters, not bytes":  {strings.Repeat("é", 20), []string{strings.Repeat("é", 20)}},
		"a long word stays":      {"  see " + long + " now", []string{"  see", "    " + long, "    now"}},
		"one word and no blanks": {long, []string{long}},
		"empty":                  {"", []string{""}},
	} {
		if got := wrap(c.line, 20); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestLinesAreAtMost120ColumnsAndColouredOnATerminalOnly(t *testing.T) {
	for _, colour := range []bool{false, true} {
		var out strings.Builder
		p := printer{out: &out, colour: colour}
		p.say("  %s", strings.Repeat("word ", 60))
		p.sayIn(red, "WRONG", "  WRONG %s", strings.Repeat("word ", 60))
		if got := strings.Contains(out.String(), "\x1b[31mWRONG\x1b[0m"); got != colour {
			t.Errorf("coloured %v, want %v", got, colour)
		}
		plain := strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "").Replace(out.String())
		for line := range strings.Lines(plain) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}
