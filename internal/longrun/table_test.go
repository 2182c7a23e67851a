package longrun_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// table is what a simulation found, for a person; what a row promises is asserted when the row is written.
type table struct {
	t     *testing.T
	title string
	rows  [][3]string
}

// tell writes a number down that nothing is promised about.
func (tb *table) tell(name, format string, values ...any) {
	tb.rows = append(tb.rows, [3]string{name, fmt.Sprintf(format, values...), ""})
}

// must writes a number down together with what it must be.
func (tb *table) must(ok bool, name, promise, format string, values ...any) {
	tb.t.Helper()
	got, mark := fmt.Sprintf(format, values...), "must be "+promise
	if !ok {
		mark = "BROKEN: " + mark
		tb.t.Errorf("%s is %s, must be %s", name, got, promise)
	}
	tb.rows = append(tb.rows, [3]string{name, got, mark})
}

func (tb *table) exactly(name string, got, want int) {
	tb.t.Helper()
	tb.must(got == want, name, thousands(want), "%s", thousands(got))
}

func (tb *table) atMost(name string, got, most int) {
	tb.t.Helper()
	tb.must(got <= most, name, "at most "+thousands(most), "%s", thousands(got))
}

func (tb *table) atLeast(name string, got, least int) {
	tb.t.Helper()
	tb.must(got >= least, name, "at least "+thousands(least), "%s", thousands(got))
}

func (tb *table) within(name string, got, most time.Duration) {
	tb.t.Helper()
	tb.must(got <= most, name, "at most "+short(most), "%s", short(got))
}

// print writes the table to the test's output in one piece, since simulations run side by side.
func (tb *table) print() {
	var wide [2]int
	for _, r := range tb.rows {
		for i := range wide {
			wide[i] = max(wide[i], utf8.RuneCountInString(r[i]))
		}
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "\n%s\n", tb.title)
	for _, r := range tb.rows {
		_, _ = fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %-*s  %*s  %s", wide[0], r[0], wide[1], r[1], r[2]), " "))
	}
	_, _ = tb.t.Output().Write([]byte(b.String()))
}

// short prints a duration to a tenth of a second below a minute, to seconds above.
func short(d time.Duration) string {
	switch {
	case d <= -time.Minute || d >= time.Minute:
		return d.Round(time.Second).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}

// thousands prints a number with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// decimals prints a bound without needless zeros.
func decimals(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.2f", f), ".00") }
