//go:build !unix

package main

import (
	"errors"
	"time"
)

// cpuTime is not told here.
func cpuTime() (time.Duration, error) {
	return 0, errors.New("read the CPU time: this system has no getrusage")
}
