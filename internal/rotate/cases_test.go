package rotate_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
)

// numbered is one of the cases that a rotation has to pass.
type numbered struct {
	n          int
	says       string
	inRealTime bool // otherwise it runs in virtual time
	run        func(t *testing.T)
}

// TestCases runs the cases by their numbers. None may be missing, and none be there twice.
func TestCases(t *testing.T) {
	all := slices.Concat(preflightCases(), createCases(), testCases(), finishCases(), otherCases())
	seen := map[int]bool{}
	for _, c := range all {
		if seen[c.n] {
			t.Errorf("case %d is there twice", c.n)
		}
		seen[c.n] = true
		t.Run(fmt.Sprintf("case %d: %s", c.n, c.says), func(t *testing.T) {
			if c.inRealTime {
				c.run(t)
				return
			}
			synctest.Test(t, c.run)
		})
	}
	for n := 1; n <= 74; n++ {
		if !seen[n] {
			t.Errorf("case %d is missing", n)
		}
	}
}
