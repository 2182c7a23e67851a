//go:build !race

package rotate_test

// How much the exploration and the machine do: all of it without the race detector, which makes each run ten times as long.
// leastSchedules counts schedules that are run.
const (
	everySecond    = 1
	everyThird     = 20
	leastSchedules = 30_000
	leastSteps     = 100_000
)
