package scenario

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestCosts plays the outages and prints what each costs: calls of token endpoints, and PutParameter, the scarcest call there is. The
// numbers are those that the scenarios want, exactly.
func TestCosts(t *testing.T) {
	whole(t)
	table := make([][]Cost, 0)
	t.Run("outages", func(t *testing.T) {
		for i, file := range files(t, "testdata/outage/*.txtar") {
			table = append(table, nil)
			t.Run(filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				if table[i] = play(t, file); len(table[i]) == 0 {
					t.Error("an outage without a cost line: say what it costs, or move it to testdata")
				}
			})
		}
	})
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-66s %6s %6s", "what happens", "calls", "writes")
	for _, costs := range table {
		for _, c := range costs {
			fmt.Fprintf(&b, "\n%-66s %6d %6d", c.Case, c.Calls, c.Writes)
		}
	}
	t.Log(b.String())
}
