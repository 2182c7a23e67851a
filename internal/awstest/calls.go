package awstest

import (
	"slices"
	"time"
)

// logSize is how many calls the log keeps: the last ones.
const logSize = 10000

// Call is one call in the log. It holds no value.
type Call struct {
	At       time.Time
	Op       Op
	Names    []string // secrets, parameters or items, by name or key; none for a listing
	Code     string   // AWS's error code; empty on success
	Lost     bool     // no answer reached the caller: a hang, a reset, a lost response
	Decrypts bool     // the call asked for values in clear
}

// Counter counts the calls of one operation.
type Counter struct {
	Calls     int // that arrived, whatever became of them
	Failed    int // answered with an error, throttling included
	Throttled int // answered with ThrottlingException
	Lost      int // not answered
	Decrypted int // values given out in clear: one per secret or SecureString
}

// decrypter is an input that may ask for values in clear.
type decrypter interface{ decrypts() bool }

// record counts and logs one call. w.mu is held.
func (w *World) record(op Op, in input, names []string, failure *apiError, effect Effect, now time.Time) {
	c := w.counter(op)
	c.Calls++
	call := Call{At: now, Op: op, Names: names, Lost: !effect.answers()}
	if d, ok := in.(decrypter); ok {
		call.Decrypts = d.decrypts()
	}
	if failure != nil {
		call.Code = failure.code
		c.Failed++
		if failure.code == "ThrottlingException" {
			c.Throttled++
		}
	}
	if call.Lost {
		c.Lost++
	}
	if len(w.log) < logSize {
		w.log = append(w.log, call)
	} else {
		w.log[w.logged%logSize] = call
	}
	w.logged++
}

func (w *World) counter(op Op) *Counter {
	c := w.counters[op]
	if c == nil {
		c = new(Counter)
		w.counters[op] = c
	}
	return c
}

// Count returns the counter of one operation.
func (w *World) Count(op Op) Counter {
	defer w.lock()()
	if c := w.counters[op]; c != nil {
		return *c
	}
	return Counter{}
}

// Counts returns the counters of every operation that was called.
func (w *World) Counts() map[Op]Counter {
	defer w.lock()()
	out := make(map[Op]Counter, len(w.counters))
	for op, c := range w.counters {
		out[op] = *c
	}
	return out
}

// Decrypted is how many values were given out in clear, by all operations.
func (w *World) Decrypted() int {
	n := 0
	for _, c := range w.Counts() {
		n += c.Decrypted
	}
	return n
}

// Calls returns the last calls, oldest first: at most 10,000.
func (w *World) Calls() []Call {
	defer w.lock()()
	if len(w.log) < logSize {
		return slices.Clone(w.log)
	}
	start := w.logged % logSize
	return slices.Concat(w.log[start:], w.log[:start])
}

// ResetCalls empties the log and the counters; the stores stay as they are.
func (w *World) ResetCalls() {
	defer w.lock()()
	w.log, w.logged = nil, 0
	w.counters = make(map[Op]*Counter)
}
