// Package heap tells Go's garbage collector how much memory it may use. The default serves a program that shares its machine; a Lambda
// function has its memory to itself and pays for it whether it is used or not.
package heap

import (
	"runtime/debug"
	"strconv"
)

const (
	// growth is how many percent the heap may grow over what is live before it is collected; Go's own choice is 100. What a sweep keeps
	// is a few MB, so that this is some ten MB more, and a collection is most of what it spares.
	growth = 400
	// share of the function's memory from which on the collector works however much or little the heap has grown. The rest is for what
	// does not count as Go's: the binary itself and the runtime environment around it.
	share = 0.7
)

// Tune sets both for this process. megabytes is the memory of the function; 0 or less when it is unknown, and then there is no limit.
func Tune(megabytes int) {
	debug.SetGCPercent(growth)
	if megabytes > 0 {
		debug.SetMemoryLimit(int64(float64(megabytes) * share * (1 << 20)))
	}
}

// Megabytes reads AWS_LAMBDA_FUNCTION_MEMORY_SIZE, in MB: 0 for what is no number, since a function works without.
func Megabytes(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0
	}
	return n
}
