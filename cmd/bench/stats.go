package main

import (
	"math"
	"slices"
)

// samples are repetitions of one measurement.
type samples []float64

// median is the middle value; NaN when there is none.
func (s samples) median() float64 { return s.quantile(0.5) }

// least is the smallest value; NaN when there is none.
func (s samples) least() float64 { return s.quantile(0) }

// quantile interpolates between the two nearest values; q is 0 to 1.
func (s samples) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

// spread are the first and the third quartile: half of all repetitions lie between them.
func (s samples) spread() *[2]float64 {
	if len(s) < 2 {
		return nil
	}
	return &[2]float64{s.quantile(0.25), s.quantile(0.75)}
}
