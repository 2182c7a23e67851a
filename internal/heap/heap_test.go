package heap_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/chaveiro/chaveiro/internal/heap"
)

func TestTune(t *testing.T) {
	percent, limit, processors := debug.SetGCPercent(100), debug.SetMemoryLimit(-1), runtime.GOMAXPROCS(0)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
		runtime.GOMAXPROCS(processors)
	})
	for name, c := range map[string]struct {
		megabytes  int
		limit      int64
		processors int
	}{
		"a function of 256 MB keeps a part of it free": {256, 187904819, 1},
		"the smallest function":                        {128, 93952409, 1},
		"a whole processor":                            {1769, 1298451660, 1},
		"more than one":                                {1770, 1299185664, 3},
		"without a size there is no limit":             {0, math.MaxInt64, 3},
		"nor with a size that makes no sense":          {-1, math.MaxInt64, 3},
	} {
		t.Run(name, func(t *testing.T) {
			debug.SetGCPercent(100)
			debug.SetMemoryLimit(math.MaxInt64)
			runtime.GOMAXPROCS(3)
			heap.Tune(c.megabytes)
			if got := runtime.GOMAXPROCS(0); got != c.processors {
				t.Errorf("%d processors, want %d", got, c.processors)
			}
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
