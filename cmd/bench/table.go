package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// row is one line of the table. It travels as JSON from the tests that measure in virtual time.
type row struct {
	Measure string      `json:"measure"`
	Value   float64     `json:"value"`
	Unit    string      `json:"unit,omitempty"`
	Spread  *[2]float64 `json:"spread,omitempty"` // quartiles of the repetitions
	Floor   *floor      `json:"floor,omitempty"`
	Limit   *limit      `json:"limit,omitempty"` // nil: printed beside the others
	Fault   string      `json:"fault,omitempty"` // why there is no value
}

// floor is what a value is compared with, in the value's unit.
type floor struct {
	Value float64 `json:"value"`
	Name  string  `json:"name"`
}

// limit is the most that a value, or its ratio to the floor, may be.
type limit struct {
	Most    float64 `json:"most"`
	OfRatio bool    `json:"of_ratio,omitempty"`
}

// The verdicts.
const (
	verdictOK   = "ok"
	verdictOver = "OVER"
	verdictNone = ""
)

// ratio is the value as a multiple of the floor; NaN without one.
func (r row) ratio() float64 {
	if r.Floor == nil || r.Floor.Value == 0 {
		return math.NaN()
	}
	return r.Value / r.Floor.Value
}

// verdict judges the row. What cannot be compared (NaN) is over, and so is what could not be measured.
func (r row) verdict() string {
	if r.Fault != "" {
		return verdictOver
	}
	if r.Limit == nil {
		return verdictNone
	}
	measured := r.Value
	if r.Limit.OfRatio {
		measured = r.ratio()
	}
	if measured <= r.Limit.Most { // false for NaN
		return verdictOK
	}
	return verdictOver
}

// cells are the row as it is printed.
func (r row) cells() []string {
	if r.Fault != "" {
		return []string{r.Measure, "NOT MEASURED", "", "", "", verdictOver}
	}
	value := quantity(r.Value, r.Unit)
	if r.Spread != nil {
		value += fmt.Sprintf(" (%s–%s)", number(r.Spread[0]), number(r.Spread[1]))
	}
	floor, ratio, most := "", "", ""
	if r.Floor != nil {
		floor = quantity(r.Floor.Value, r.Unit) + " " + r.Floor.Name
	}
	if !math.IsNaN(r.ratio()) {
		ratio = strconv.FormatFloat(r.ratio(), 'f', 3, 64)
	}
	switch {
	case r.Limit == nil:
	case r.Limit.OfRatio:
		most = "ratio ≤ " + strconv.FormatFloat(r.Limit.Most, 'f', 2, 64)
	default:
		most = "≤ " + quantity(r.Limit.Most, r.Unit)
	}
	return []string{r.Measure, value, floor, ratio, most, r.verdict()}
}

func quantity(v float64, unit string) string {
	if unit == "" {
		return number(v)
	}
	return number(v) + " " + unit
}

// number has four digits that count, and never fewer than are in front of the point: 4.502 MB is not seen to be over 4.5 with three.
func number(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	digits := 3 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', max(digits, 0), 64)
}

// printTable aligns the rows, and says below them why a row has no value.
func printTable(out io.Writer, rows []row) {
	lines := [][]string{{"measure", "value", "floor", "ratio", "limit", ""}}
	for _, r := range rows {
		lines = append(lines, r.cells())
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		var b strings.Builder
		for i, cell := range line {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		_, _ = fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
	for _, r := range rows {
		if r.Fault != "" {
			_, _ = fmt.Fprintf(out, "\n%s was not measured: %s\n", r.Measure, r.Fault)
		}
	}
}
