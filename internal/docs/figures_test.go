package docs_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/renew"
)

const (
	hoursBegin = "<!-- begin: hours made by go test ./internal/docs -update -->\n"
	costBegin  = "<!-- begin: cost made by go test ./internal/docs -update -->\n"
	tableEnd   = "<!-- end -->"
)

// TestTheHoursOfTheReadmesAreTheFormulas computes the table of outages from the formula above it. What it rests on is the code's: by when a
// token is renewed at the latest.
func TestTheHoursOfTheReadmesAreTheFormulas(t *testing.T) {
	const (
		period, cache = 5 * time.Minute, 5 * time.Minute
		writes        = 3.0 // a second
		share         = 0.9 // of them while an outage is made up for
	)
	policy := renew.Policy{Period: period, ReaderCache: cache, RefreshAt: renew.DefaultRefreshAt}
	var rows [][]string
	for _, lifetime := range []time.Duration{24 * time.Hour, 172799 * time.Second, time.Hour} {
		left := lifetime - policy.Latest(lifetime)
		if fraction := left.Seconds() / lifetime.Seconds(); math.Abs(fraction-0.4) > 1e-9 {
			t.Errorf("of %s %.3f are left at the latest renewal, the formula says 0.4", lifetime, fraction)
		}
		var row []string
		for _, due := range []float64{1, 1000, 10000} {
			writing := time.Duration(due / (share * writes) * float64(time.Second))
			row = append(row, hours(left-writing-cache-period))
		}
		rows = append(rows, row)
	}
	if nine := "9 h 25 min"; rows[0][0] != nine {
		t.Errorf("one Kiwify connection survives %s; the first screens say 9 hours", rows[0][0])
	}
	compareTables(t, hoursBegin, rows)
}

// hours are rounded down to minutes; none are a dash.
func hours(d time.Duration) string {
	if d <= 0 {
		return "–"
	}
	d = d.Truncate(time.Minute)
	if d < time.Hour {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// TestTheCostOfTheReadmesIsTheirArithmetic computes the table of costs from the prices and numbers in the text beside it.
func TestTheCostOfTheReadmesIsTheirArithmetic(t *testing.T) {
	const (
		sweeps = 30 * 24 * 60 / 5
		secret = 0.40 // a month
		calls  = 0.05 // 10,000
		page   = 100  // secrets that one call lists
		tokens = 60   // reads of a value a month: a token of a day is renewed when half of it is over
	)
	var rows [][]string
	for _, accounts := range []float64{1, 100, 1000} {
		api := (2*sweeps*math.Ceil(accounts/page) + tokens*accounts) / 10000 * calls // a sweep and a healthcheck
		rows = append(rows, []string{
			fmt.Sprintf("$%.2f", accounts*secret), fmt.Sprintf("$%.2f", api), fmt.Sprintf("$%.2f", accounts*secret+api),
		})
	}
	compareTables(t, costBegin, rows)
	for name, separator := range map[string]string{english: ",", portuguese: "."} {
		text := read(t, name)
		grouped := func(n int) string { return fmt.Sprintf("%d%s%03d", n/1000, separator, n%1000) }
		for _, figure := range []string{grouped(sweeps), grouped(sweeps / 4)} { // runs, and their GB-seconds at 256 MB and a second
			if !strings.Contains(text, figure) {
				t.Errorf("%s does not say %s", name, figure)
			}
		}
	}
}

// compareTables holds the cells of a table of both READMEs, but for its first column, against what was computed. The Portuguese one
// writes figures its own way.
func compareTables(t *testing.T, begin string, rows [][]string) {
	t.Helper()
	for _, name := range []string{english, portuguese} {
		text := read(t, name)
		before, table, after := between(t, name, text, begin, tableEnd)
		lines := slices.Collect(strings.Lines(table))
		const head = 3 // an empty line, the names of the columns, the rule
		if len(lines) != head+len(rows)+1 {
			t.Errorf("%s: the table after %q has %d lines, want %d", name, strings.TrimSpace(begin), len(lines), head+len(rows)+1)
			continue
		}
		for i, row := range rows {
			cells := slices.Clone(row)
			if name == portuguese {
				for j, c := range cells {
					cells[j] = brazilian(c)
				}
			}
			label, _, _ := strings.Cut(strings.TrimPrefix(lines[head+i], "| "), " |")
			want := "| " + label + " | " + strings.Join(cells, " | ") + " |\n"
			if lines[head+i] != want && !*update {
				t.Errorf("%s:\n got %swant %srun: go test ./internal/docs -update", name, lines[head+i], want)
			}
			lines[head+i] = want
		}
		if *update {
			rewrite(t, name, before+strings.Join(lines, "")+after)
		}
	}
}

// brazilian writes a figure as in Brazil: US$ 0,40.
func brazilian(figure string) string {
	if rest, ok := strings.CutPrefix(figure, "$"); ok {
		return "US$ " + strings.ReplaceAll(rest, ".", ",")
	}
	return figure
}
