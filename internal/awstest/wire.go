package awstest

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// UnmarshalJSON reads a JSON string. Its error never quotes the input.
func (s *sealed) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return errNotAString
	}
	s.Secret = oauth.NewSecret(text)
	return nil
}

// MarshalJSON writes the value itself.
func (s sealed) MarshalJSON() ([]byte, error) { return json.Marshal(s.Reveal()) }

// epoch is a time as AWS JSON 1.1 writes it: seconds since 1970 with milliseconds.
type epoch time.Time

// MarshalJSON writes seconds with three decimals.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', 3, 64), nil
}

// IsZero lets omitzero leave out a time that was never set.
func (e epoch) IsZero() bool { return time.Time(e).IsZero() }

// input is the decoded body of one operation.
type input interface {
	// names are the secrets, parameters or items that the call is about, as the caller wrote them; none for a listing.
	names() []string
	// run does the work with the World's lock held and returns what to encode. It must not keep anything that changes later.
	run(w *World) (any, *apiError)
}

// appender is an answer that encodes itself: listings, whose entries are encoded once and kept.
type appender interface{ appendJSON(b []byte) []byte }

// outcome is what a call gives back to the transport that carried it.
type outcome struct {
	status  int
	errType string // empty on success
	body    []byte
	request string // the request id
	now     time.Time
	reset   bool // no answer: the connection breaks
	table   bool // DynamoDB answers
}

// serve carries out one call. The error is that of ctx, when the call hangs until its caller leaves.
func (w *World) serve(ctx context.Context, target string, body []byte) (outcome, error) {
	op, in, bad := decode(target, body)
	var names []string
	if bad == nil {
		names = in.names()
	}
	if err := w.dawdle(ctx, op, names); err != nil {
		return outcome{}, err
	}
	before, after := w.hooks()
	announce(before, op, names)
	out, hang := w.perform(op, in, names, bad)
	if hang {
		<-ctx.Done()
		return outcome{}, context.Cause(ctx)
	}
	announce(after, op, names)
	return out, nil
}

// perform does what must happen under the lock and encodes the answer outside it.
func (w *World) perform(op Op, in input, names []string, bad *apiError) (out outcome, hang bool) {
	unlock := w.lock()
	w.requests++
	out = outcome{request: "awstest-" + strconv.Itoa(w.requests), now: w.now(), table: op.ofTable()}
	if bad == nil {
		names = w.plainNames(op, names)
	}
	result, failure, effect := w.execute(op, in, names, bad)
	w.record(op, in, names, failure, effect, out.now)
	unlock()

	if effect == Hang {
		return out, true
	}
	out.reset = effect == ConnectionReset || effect == LostResponse
	if failure != nil {
		out.status, out.errType, out.body = failure.status, failure.code, failure.encode(out.table)
		return out, false
	}
	out.status, out.body = 200, encode(result)
	return out, false
}

// execute answers: a malformed call, then throttling, then an injected fault, then the operation itself.
func (w *World) execute(op Op, in input, names []string, bad *apiError) (any, *apiError, Effect) {
	if bad != nil {
		return nil, bad, none
	}
	if !w.admit(groupOf(op)) {
		return nil, throttled(), none
	}
	effect := w.takeFault(op, names)
	if failure := effect.failure(op, first(names)); failure != nil {
		return nil, failure, effect
	}
	if effect == Hang || effect == ConnectionReset {
		return nil, nil, effect
	}
	w.unprocessed = effect == Unprocessed
	result, failure := in.run(w)
	return result, failure, effect
}

// plainNames turns ARNs of secrets into names, so that faults and the log speak of names only.
func (w *World) plainNames(op Op, names []string) []string {
	if !op.ofSecrets() {
		return names
	}
	for i, n := range names {
		if strings.HasPrefix(n, "arn:") {
			if s := w.findSecret(n); s != nil {
				names[i] = s.name
			}
		}
	}
	return names
}

// dawdle lets the call take the time that Latency says.
func (w *World) dawdle(ctx context.Context, op Op, names []string) error {
	if w.Latency == nil {
		return ctx.Err()
	}
	d := w.Latency(op, first(names))
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func (w *World) hooks() (before, after func(Op, string)) {
	defer w.lock()()
	return w.before, w.after
}

func announce(f func(Op, string), op Op, names []string) {
	if f == nil {
		return
	}
	if len(names) == 0 {
		f(op, "")
	}
	for _, n := range names {
		f(op, n)
	}
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// encode turns a result into its JSON. Every result is one of this package's own structs, which always encode.
func encode(result any) []byte {
	if a, ok := result.(appender); ok {
		return a.appendJSON(nil)
	}
	b, err := json.Marshal(result)
	if err != nil {
		return []byte(`{}`)
	}
	return b
}
