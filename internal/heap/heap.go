// Package heap tells Go's runtime how much memory it may use, and how many processors. The default serves a program that shares its machine; a
// Lambda function has its memory to itself, pays for it whether it is used or not, and gets a share of a processor by it.
package heap

import (
	"runtime"
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
	// wholeProcessor is the memory in MB from which on a function has one (Lambda developer guide, "Configure Lambda function memory", read
	// 2026-11-27). The machine shows at least two to every function; one that has a part of one only spins and collects on the second.
	wholeProcessor = 1769
)

// Tune sets all of it for this process. megabytes is the memory of the function; 0 or less when it is unknown, and then there is no limit, and
// the processors are those of the machine.
func Tune(megabytes int) {
	debug.SetGCPercent(growth)
	if megabytes <= 0 {
		return
	}
	debug.SetMemoryLimit(int64(float64(megabytes) * share * (1 << 20)))
	if megabytes <= wholeProcessor {
		runtime.GOMAXPROCS(1)
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
