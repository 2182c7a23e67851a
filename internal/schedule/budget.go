package schedule

import (
	"math"
	"time"
)

// writeTime is how long the last write of a run may take.
const writeTime = time.Second

// share is how many jobs of one endpoint may be in flight.
func (q *Queue[T]) share() int {
	busy := max(q.busy, 1)
	return (q.cfg.MaxConcurrency + busy - 1) / busy
}

// gap between two writes, rounded up.
func (q *Queue[T]) gap() time.Duration {
	return time.Duration(math.Ceil(float64(time.Second) / q.cfg.WritesPerSecond()))
}

// room is how many writes still fit after a request that starts now and takes its full time; negative when not even the request fits.
func (q *Queue[T]) room() int {
	left := q.cfg.StartDeadline.Sub(q.now) - q.cfg.RequestTimeout - writeTime
	if left < 0 {
		return -1
	}
	return int(left / q.gap())
}

// needs is how many writes have to fit before a job starts: those of all started jobs and its own. A new connection also leaves room for
// the failure notices that are pending, so that no more connections fail than notices can be written.
func (q *Queue[T]) needs(k kind) int {
	writes := q.reserved + k.writes
	if !k.live && q.cfg.PendingNotices != nil {
		writes += q.cfg.PendingNotices()
	}
	return writes
}
