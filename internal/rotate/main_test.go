package rotate_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain collects garbage less often: the exploration makes much of it, and keeps none.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}
