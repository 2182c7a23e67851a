// Package longrun_test runs an installation for days and weeks in virtual time: the refresher over the real adapters and the real AWS SDK,
// against awstest and oauthtest in process, with a schedule, readers that cache what they read, and faults. Each simulation prints a table
// that a person can check; what stands behind "must be" is asserted.
//
//	go test -count=1 -v ./internal/longrun            full size, a minute or two
//	go test -count=1 -v ./internal/longrun -seed 7    the same with other names, start, jitter and errors
//	go test -short ./internal/longrun                 tiny, for make check; under the race detector it is small too
//	make soak                                         longer, with several seeds and more faults
package longrun_test

import (
	"flag"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"testing/synctest"
)

var (
	firstSeed = flag.Uint64("seed", 1, "of everything that is left to chance")
	seeds     = flag.Int("seeds", 0, "how many seeds, from -seed on; 0 means 1, with -soak 3")
	soak      = flag.Bool("soak", false, "longer, with several seeds and more faults")
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // a tenth of the time is the collector's otherwise, and there is little to collect
	os.Exit(m.Run())
}

// TestLongRun runs every simulation, the longest first, so that two cores are done at about the same time.
func TestLongRun(t *testing.T) {
	for _, s := range []struct {
		name string
		run  func(*world)
	}{
		{"an outage of nine hours and two errors in a hundred", outage},
		{"ten thousand tenants imported at once", bigImport},
		{"three tenants that fail for ever", failing},
		{"two refreshers at once, tokens coexist", twoRefreshers},
		{"two refreshers at once, a token evicts the one before", twoEvicting},
		{"the standby serves for two days", standby},
		{"a provider that hands out the same token until it ends", sticky},
		{"a provider that shortens its tokens in mid-flight", shortened},
	} {
		for i := range seedCount() {
			seed := *firstSeed + uint64(i)
			t.Run(s.name+", seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, seed)
					s.run(w)
				})
			})
		}
	}
}

func seedCount() int {
	switch {
	case *seeds > 0:
		return *seeds
	case *soak:
		return 3
	default:
		return 1
	}
}

// amount is a number for each size of the simulation. Names of the sizes appear in every table.
type amount struct{ short, race, full, soak int }

func (a amount) get() int {
	switch sizeName() {
	case "soak":
		return a.soak
	case "tiny":
		return a.short
	case "small":
		return a.race
	default:
		return a.full
	}
}

// sizeName says which size the tests run in: tiny under -short, small under the race detector, soak with -soak alone.
func sizeName() string {
	switch {
	case testing.Short():
		return "tiny"
	case raceDetector:
		return "small"
	case *soak:
		return "soak"
	default:
		return "full"
	}
}
