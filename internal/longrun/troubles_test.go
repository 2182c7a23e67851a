package longrun_test

import (
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

// troubles is keepOn with all that goes wrong in a long life: others use three tenths of the quota of writes, listings lag by two minutes and
// come in short pages, one run in a hundred dies at some instant, and one in a hundred is given a fraction of its time.
func (w *world) troubles(total time.Duration) {
	w.aws.SetQuota(awstest.ParameterWrites, awstest.Quota{PerSecond: 3, Others: 0.3})
	w.aws.ListLag, w.aws.ScanLimit = 2*time.Minute, 70
	function := w.newContainer()
	w.everyPeriod(total, func() {
		deadline := timeout
		switch w.chance.IntN(100) {
		case 0:
			dying := function
			after := time.Duration(w.chance.Int64N(int64(20 * time.Second)))
			time.AfterFunc(after, func() { dying.ended.Store(true) })
			w.sweeps.crashed++
		case 1:
			deadline = 15*time.Second + time.Duration(w.chance.Int64N(int64(30*time.Second)))
		}
		if _, err := w.sweep(function, deadline); err != nil {
			w.t.Logf("%s after the start: %v", time.Since(w.start), err)
		}
		if function.ended.Load() {
			function = w.newContainer()
		}
	})
}
