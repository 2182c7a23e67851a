//go:build !race

package longrun_test

const raceDetector = false
