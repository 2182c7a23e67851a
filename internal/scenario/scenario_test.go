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

// quick are the scenarios of make check: one for each part of the contract.
func quick() []string {
	return []string{
		"backoff", "first-token", "health", "idle", "listing-fails", "named", "orphans", "rejected-version", "renewal", "same-token", "standby-backup",
		"wrong-credentials",
	}
}

// whole leaves a test to make test.
func whole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes seconds: make test runs it")
	}
}

func TestScenarios(t *testing.T) {
	scenarios := files(t, "testdata/*.txtar")
	if testing.Short() {
		scenarios = nil
		for _, name := range quick() {
			scenarios = append(scenarios, "testdata/"+name+".txtar")
		}
	}
	for _, file := range scenarios {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if costs := play(t, file); len(costs) > 0 {
				t.Error("a scenario with cost lines belongs into testdata/outage, where TestCosts prints them")
			}
		})
	}
}
