//go:build !race

package rotate_test

// How much the exploration and the machine do: all of it without the race detector, which costs ten times as much.
const (
	everyThird     = 300
	leastSchedules = 1
)
