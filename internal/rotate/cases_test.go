package rotate_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// numbered is one of the cases that a rotation has to pass. Those that another part of the system meets say where: a file, and a text in it.
type numbered struct {
	n     int
	says  string
	run   func(t *testing.T)
	file  string
	holds string
}

// TestCases runs the cases by their numbers. None may be missing, and none be there twice.
func TestCases(t *testing.T) {
	all := slices.Concat(preflightCases(), createCases(), trialCases(), finishCases(), otherCases())
	seen := map[int]bool{}
	for _, c := range all {
		if seen[c.n] {
			t.Errorf("case %d is there twice", c.n)
		}
		seen[c.n] = true
		t.Run(fmt.Sprintf("case %d: %s", c.n, c.says), func(t *testing.T) {
			if c.run == nil {
				metElsewhere(t, c)
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

func metElsewhere(t *testing.T, c numbered) {
	t.Helper()
	raw, err := os.ReadFile(c.file)
	if err != nil || !strings.Contains(string(raw), c.holds) {
		t.Errorf("%s does not hold %q (%v)", c.file, c.holds, err)
	}
}
