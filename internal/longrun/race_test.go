//go:build race

package longrun_test

// raceDetector makes everything about ten times slower.
const raceDetector = true
