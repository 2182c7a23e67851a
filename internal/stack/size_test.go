package stack_test

import "testing"

// sizes of a simulation: tiny under -short for make check, small under the race detector, which makes everything ten times slower.
type sizes struct{ short, race, full int }

func (s sizes) get() int {
	switch {
	case testing.Short():
		return s.short
	case raceDetector:
		return s.race
	}
	return s.full
}
