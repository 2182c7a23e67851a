//go:build race

package rotate_test

// How much the exploration and the machine do under the race detector, which looks for something else. scripts/test runs all of it without.
const (
	everySecond    = 40
	everyThird     = 900
	leastSchedules = 1_600
	leastSteps     = 3_000
)
