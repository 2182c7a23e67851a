//go:build !unix

package main

import (
	"errors"
	"time"
)

// cpuTime is unknown here.
func cpuTime() (time.Duration, error) {
	return 0, errors.New("read the CPU time: this system has no getrusage")
}
