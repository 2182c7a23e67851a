package stack_test

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // a fifth of the time is the collector's otherwise, and there is little to collect
	os.Exit(m.Run())
}

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
