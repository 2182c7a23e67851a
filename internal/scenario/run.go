package scenario

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// Cost is one line of the table of what outages cost.
type Cost struct {
	Scenario string // file and line
	Case     string // for a person
	Calls    int    // of token endpoints
	Writes   int    // PutParameter
}

// player plays one scenario.
type player struct {
	ctx   context.Context
	w     *World
	costs []Cost

	last    *Invocation // of the step
	wanted  int         // expectations in the step
	excused map[string]int

	mu     sync.Mutex // of what hooks touch, which are called by the run's workers
	hooks  []hook
	faults []error
}

// Play plays a scenario and returns what its cost lines say. It must be called inside a testing/synctest bubble. The error joins everything
// that is not as the scenario says, each with file and line; a step that went wrong does not keep the next from being played. Told gets each
// invocation of the refresher.
func Play(ctx context.Context, name string, data []byte, told ...func(Invocation)) ([]Cost, error) {
	s, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	<-time.After(time.Until(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))) // a Monday morning, in every scenario
	w, err := New(name)
	if err != nil {
		return nil, err
	}
	w.told = told
	p := &player{ctx: ctx, w: w}
	w.AWS.OnCall(p.called("before"))
	w.AWS.AfterCall(p.called("after"))
	for _, l := range s.world.lines {
		if err := p.change(l); err != nil {
			return nil, err
		}
	}
	for _, st := range s.steps {
		p.step(name, st)
	}
	if leaks := Leaks(w.Canaries(), w.Emitted()); len(leaks) > 0 {
		p.fail(fmt.Errorf("%s: a secret came out: %s", name, strings.Join(leaks, "; ")))
	}
	return p.costs, errors.Join(p.faults...)
}

func (p *player) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, err)
}

// step plays the lines of one step: changes of the world, at most one run, then what is wanted of it.
func (p *player) step(name string, st step) {
	p.last, p.wanted, p.excused, p.hooks = nil, 0, map[string]int{}, nil
	for _, l := range st.lines {
		if err := p.line(l); err != nil {
			p.fail(err)
		}
	}
	at := name + ":" + strconv.Itoa(st.line)
	if p.wanted == 0 {
		p.fail(fmt.Errorf("%s: step %q wants nothing", at, st.title))
	}
	for _, h := range p.hooks {
		if !*h.did {
			p.fail(h.line.errorf("there was no such call"))
		}
	}
	if p.last != nil {
		p.finish(at)
	}
}

// finish reports what a run did that nobody wanted.
func (p *player) finish(at string) {
	in := p.last
	for _, broken := range in.Broken {
		p.fail(fmt.Errorf("%s: %s", at, broken))
	}
	if in.Err != nil && p.excused["error"] == 0 {
		p.fail(fmt.Errorf("%s: the run failed: %w", at, in.Err))
	}
	for _, ev := range in.Events {
		switch ev.Kind {
		case refresh.EventNotice, refresh.EventEndpoint, refresh.EventUnwritable, refresh.EventUnrecorded, refresh.EventUnverified, refresh.EventDiscovery, refresh.EventOrphanGone, refresh.EventFallback:
			if p.excused[about(ev)] == 0 {
				p.fail(fmt.Errorf("%s: unwanted event %s: %s %s", at, about(ev), p.w.plain(ev.Message), p.w.plain(ev.Reason)))
			}
		case refresh.EventRequest, refresh.EventRefreshed, refresh.EventReused, refresh.EventFailed, refresh.EventRejected:
		}
	}
}

// about names what an event is about, for those that must be wanted.
func about(ev refresh.Event) string {
	if ev.Kind == refresh.EventNotice {
		return "notice " + ev.Notice + " " + ev.Connection
	}
	return string(ev.Kind)
}

func (p *player) line(l line) error {
	switch l.verb {
	case "run":
		return p.run(l, 1, 0)
	case "sweeps":
		return p.sweeps(l)
	case "check":
		return p.check(l)
	}
	if want, ok := expectations()[l.verb]; ok {
		p.wanted++
		return p.expect(l, want)
	}
	if p.last != nil {
		return l.errorf("a change of the world stands before the run of its step, and every line after it wants something")
	}
	return p.change(l)
}

// run invokes the refresher n times, every so often; what is then wanted is wanted of the last invocation, and of all calls together.
func (p *player) run(l line, n int, every time.Duration) error {
	if p.last != nil {
		return l.errorf("there is a run in this step already")
	}
	event := "{}"
	if l.verb == "run" && l.rest != "" {
		var err error
		if event, err = p.expand(l.rest); err != nil {
			return l.errorf("%w", err)
		}
	}
	began := p.w.Now()
	var sum Invocation
	for i := range n {
		if every > 0 {
			p.w.Advance(began.Add(time.Duration(i+1) * every).Sub(p.w.Now()))
		}
		in := p.w.Run(p.ctx, event)
		if i > 0 {
			in.add(sum)
		}
		sum = in
	}
	p.last = &sum
	return nil
}

// add takes over what earlier invocations of the same line cost and told.
func (in *Invocation) add(was Invocation) {
	for name, n := range was.Calls {
		in.Calls[name] += n
	}
	for op, n := range was.AWS {
		in.AWS[op] += n
	}
	in.Read += was.Read
	in.Events = append(was.Events, in.Events...)
	in.Broken = append(was.Broken, in.Broken...)
	if in.Err == nil {
		in.Err = was.Err
	}
}

// sweeps N every D.
func (p *player) sweeps(l line) error {
	args := strings.Fields(l.rest)
	if len(args) != 3 || args[1] != "every" {
		return l.errorf("wants: sweeps N every DURATION")
	}
	n, err := strconv.Atoi(args[0])
	every, err2 := time.ParseDuration(args[2])
	if err != nil || err2 != nil || n < 1 || every <= 0 {
		return l.errorf("wants a number and a duration")
	}
	return p.run(l, n, every)
}

var reference = regexp.MustCompile(`\$([a-z]+)\(([^)]*)\)`)

// expand puts in what a line refers to: $id(client), $secret(client), $basic(client), $long(bytes), $at(duration) for the instant T+duration,
// and $version(connection,vN) for the id of a version.
func (p *player) expand(text string) (string, error) {
	var faults []error
	out := reference.ReplaceAllStringFunc(text, func(s string) string {
		m := reference.FindStringSubmatch(s)
		value, err := p.refer(m[1], m[2])
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", s, err))
		}
		return value
	})
	return out, errors.Join(faults...)
}

func (p *player) refer(kind, arg string) (string, error) {
	switch kind {
	case "id":
		return p.w.ClientID(arg), nil
	case "secret":
		return p.w.ClientSecret(arg), nil
	case "basic":
		return p.w.Basic(arg), nil
	case "at":
		d, err := duration(arg)
		return p.w.start.Add(d).Format(time.RFC3339), err
	case "version":
		connection, name, _ := strings.Cut(arg, ",")
		return p.w.version(connection, name)
	case "long":
		n, err := strconv.Atoi(arg)
		return p.w.LongToken(n), err
	}
	return "", errors.New("there is nothing of this kind")
}
