package heap_test

import (
	"math"
	"runtime/debug"
	"testing"

	"chaveiro/internal/heap"
)

func TestTune(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	for name, c := range map[string]struct {
		megabytes int
		limit     int64
	}{
		"a function of 256 MB keeps a part of it free": {256, 187904819},
		"the smallest function":                        {128, 93952409},
		"without a size there is no limit":             {0, math.MaxInt64},
		"nor with a size that makes no sense":          {-1, math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			debug.SetGCPercent(100)
			debug.SetMemoryLimit(math.MaxInt64)
			heap.Tune(c.megabytes)
			if got := debug.SetMemoryLimit(-1); got != c.limit {
				t.Errorf("limit %d bytes, want %d", got, c.limit)
			}
			if got := debug.SetGCPercent(100); got <= 100 {
				t.Errorf("the heap may grow by %d%%, no more than by default", got)
			}
		})
	}
}

func TestTheMemoryIsWhatLambdaSays(t *testing.T) {
	for value, want := range map[string]int{"256": 256, "": 0, "much": 0} {
		if got := heap.Megabytes(value); got != want {
			t.Errorf("memory of %q: %d, want %d", value, got, want)
		}
	}
}
