package scenario

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// play plays one file in a bubble of its own.
func play(t *testing.T, file string) []Cost {
	t.Helper()
	data, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		t.Fatal(err)
	}
	var costs []Cost
	synctest.Test(t, func(t *testing.T) {
		costs, err = Play(t.Context(), filepath.ToSlash(file), data)
	})
	if err != nil {
		t.Error(err)
	}
	return costs
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no scenarios in %s: %v", pattern, err)
	}
	return found
}

func TestScenarios(t *testing.T) {
	for _, file := range files(t, "testdata/*.txtar") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if costs := play(t, file); len(costs) > 0 {
				t.Error("a scenario with cost lines belongs into testdata/outage, where TestCosts prints them")
			}
		})
	}
}
