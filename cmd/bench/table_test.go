package main

import (
	"math"
	"strings"
	"testing"
)

func TestStatistics(t *testing.T) {
	for name, c := range map[string]struct {
		s                     samples
		least, median, q1, q3 float64
	}{
		"one sample":          {samples{7}, 7, 7, 7, 7},
		"an odd number":       {samples{9, 1, 5}, 1, 5, 3, 7},
		"an even number":      {samples{4, 1, 3, 2}, 1, 2.5, 1.75, 3.25},
		"one that stands out": {samples{1, 1, 1, 1, 1000}, 1, 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			before := strings.Clone(quantity(c.s[0], ""))
			if got := [4]float64{c.s.least(), c.s.median(), c.s.quantile(0.25), c.s.quantile(0.75)}; got != [4]float64{c.least, c.median, c.q1, c.q3} {
				t.Errorf("got %v, want %v", got, [4]float64{c.least, c.median, c.q1, c.q3})
			}
			if quantity(c.s[0], "") != before {
				t.Error("the samples were sorted in place: their order is that of the rounds")
			}
		})
	}
	if none := (samples{}); !math.IsNaN(none.median()) || none.spread() != nil {
		t.Error("no samples have a median or a spread")
	}
	if (samples{1}).spread() != nil || *(samples{1, 3}).spread() != [2]float64{1.5, 2.5} {
		t.Error("a spread is of at least two samples")
	}
}

func TestVerdicts(t *testing.T) {
	under := func(v float64) *floor { return &floor{Value: v, Name: "floor"} }
	for name, c := range map[string]struct {
		row  row
		want string
	}{
		"no limit":                             {row{Value: 1e9}, verdictNone},
		"a value at its limit":                 {row{Value: 13, Limit: &limit{Most: 13}}, verdictOK},
		"a value just over it":                 {row{Value: math.Nextafter(13, 14), Limit: &limit{Most: 13}}, verdictOver},
		"nothing where nothing is allowed":     {row{Value: 0, Limit: &limit{}}, verdictOK},
		"one where nothing is allowed":         {row{Value: 1, Limit: &limit{}}, verdictOver},
		"a ratio at its limit":                 {row{Value: 125, Floor: under(100), Limit: &limit{Most: 1.25, OfRatio: true}}, verdictOK},
		"a ratio over it":                      {row{Value: 126, Floor: under(100), Limit: &limit{Most: 1.25, OfRatio: true}}, verdictOver},
		"a limit of the value, with a floor":   {row{Value: 12, Floor: under(1), Limit: &limit{Most: 13}}, verdictOK},
		"a ratio without a floor":              {row{Value: 1, Limit: &limit{Most: 2, OfRatio: true}}, verdictOver},
		"a ratio to nothing":                   {row{Value: 1, Floor: under(0), Limit: &limit{Most: 2, OfRatio: true}}, verdictOver},
		"a median of no samples":               {row{Value: samples{}.median(), Limit: &limit{Most: 2}}, verdictOver},
		"a floor of no samples":                {row{Value: 1, Floor: under(math.NaN()), Limit: &limit{Most: 2, OfRatio: true}}, verdictOver},
		"what could not be measured":           {row{Fault: "no such program"}, verdictOver},
		"what has no value, and a loose limit": {row{Fault: "no such program", Limit: &limit{Most: 1}}, verdictOver},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.row.verdict(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTheTableIsAligned(t *testing.T) {
	var b strings.Builder
	printTable(&b, []row{
		{Measure: "start", Value: 11.23, Unit: "ms", Spread: &[2]float64{11, 12.34}, Floor: &floor{10, "the least"}, Limit: &limit{Most: 1.25, OfRatio: true}},
		{Measure: "  tokens lost", Value: 0, Limit: &limit{Most: 0}},
		{Measure: "cpu", Value: 1234.4, Unit: "µs", Limit: &limit{Most: 200}},
		{Measure: "size", Fault: "go build failed"},
	})
	want := `measure        value                floor            ratio  limit
start          11.23 ms (11–12.34)  10 ms the least  1.123  ratio ≤ 1.25  ok
  tokens lost  0                                            ≤ 0           ok
cpu            1234 µs                                      ≤ 200 µs      OVER
size           NOT MEASURED                                               OVER

size was not measured: go build failed
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
