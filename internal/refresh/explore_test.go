package refresh_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// A crash is the end of a process before or after one of its external calls. The zero crash never comes.
type crash struct {
	call  int // counted from 1 within one run
	after bool
}

// life counts the external calls of one process and ends it where the crash says. A process that ended does nothing any more: it is frozen until
// the schedule is over.
type life struct {
	crash crash
	ended chan struct{}   // closed by the crash
	thaw  <-chan struct{} // closed when the schedule is over

	mu    sync.Mutex
	calls []string
}

// around gives the calls that one process makes at once different durations, so that they have an effect in the same order each time.
func (l *life) around(op string, call func() error) error {
	switch awstest.Op(op) {
	case awstest.Scan:
		time.Sleep(3 * time.Millisecond)
	case awstest.ListSecrets:
		time.Sleep(5 * time.Millisecond)
	case awstest.GetParameters:
		time.Sleep(7 * time.Millisecond)
	}
	frozen, err := l.make(op, call)
	if frozen {
		<-l.thaw
		return errDead
	}
	return err
}

// over reports whether the process has crashed.
func (l *life) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// make makes a call, unless the process has ended, or ends before it.
func (l *life) make(op string, call func() error) (frozen bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over() {
		return true, nil
	}
	l.calls = append(l.calls, op)
	met := len(l.calls) == l.crash.call
	if !met || l.crash.after {
		err = call()
	}
	if met {
		close(l.ended)
	}
	return met, err
}

// start is what a connection has been through when the run with the first crash begins.
type start struct {
	name    string
	only    func(temper) bool // nil: at all providers
	prepare func(*site)
	event   string             // of that run, if it is no sweep
	report  func(*site) string // event of a reader, repeated until it is answered; nil: none
}

func starts() []start {
	return []start{
		{name: "first token", prepare: func(*site) {}},
		{name: "renewal due", prepare: func(s *site) { s.sweep(); s.toDue() }},
		{name: "renewal due, the provider issues nothing yet", only: temper.patient, prepare: func(s *site) {
			s.sweep()
			sleepUntil(s.state().Token.RenewAt)
		}},
		{name: "the token ends in this period", prepare: func(s *site) { s.sweep(); sleepUntil(s.state().Token.ExpiresAt.Add(-100 * time.Second)) }},
		{name: "renewal after a failure", prepare: (*site).afterFailure},
		{name: "credential changed", prepare: func(s *site) {
			s.sweep()
			time.Sleep(10 * time.Minute)
			s.addClient("second")
			s.store("second")
		}},
		{name: "the third refusal", prepare: func(s *site) { s.refused(2) }},
		{name: "standby in use", prepare: func(s *site) { s.refused(3); s.toDue() }},
		{name: "standby in use, AWSCURRENT works again", prepare: func(s *site) {
			s.refused(3)
			s.addClient("first")
			sleepUntil(s.state().Failure.NextAt)
		}},
		{name: "forced call", event: forcedEvent, prepare: func(s *site) { s.sweep(); time.Sleep(10 * time.Minute) }},
		{name: "named call with rejected_version", prepare: func(s *site) {
			s.sweep()
			time.Sleep(10 * time.Minute)
			s.provider.Revoke("first")
		}, report: func(s *site) string {
			return fmt.Sprintf(`{"connections":[%q],"rejected_version":%d}`, shop, s.published().Version)
		}},
	}
}

// afterFailure ends when the wait after two failures is over and the provider works again.
func (s *site) afterFailure() {
	s.sweep()
	s.toDue()
	s.provider.Inject(oauthtest.Status(503).Always())
	s.sweep()
	sleepUntil(s.state().Failure.NextAt)
	s.sweep()
	s.provider.ClearFaults()
	sleepUntil(s.state().Failure.NextAt)
}

// refused ends after so many runs in which the provider refused AWSCURRENT. There is a standby: after three refusals its token is published.
func (s *site) refused(times int) {
	s.t.Helper()
	s.addClient("spare")
	_, err := s.aws.StageSecret("oauth/"+shop, "BACKUP", `{"client_id":"spare","client_secret":"secret-of-spare"}`)
	must(s.t, err)
	s.sweep()
	s.toDue()
	s.provider.Remove("first")
	for range 10 {
		if f := s.state().Failure; f != nil && f.Class == lifecycle.Credentials && f.Attempts == times {
			break
		}
		s.sweep()
		sleepUntil(s.state().Failure.NextAt)
	}
	if standby := s.state().Token.Stage == "BACKUP"; standby != (times == 3) {
		s.t.Fatalf("after %d refusals the standby's token is published: %t", times, standby)
	}
}

// tale is a start, a provider, and what follows the first crash: the next sweep, or a named call at once.
type tale struct {
	temper temper
	start  start
	named  bool
}

func (tl tale) String() string {
	name := tl.temper.name + "; " + tl.start.name
	if tl.named {
		name += "; then a named call"
	}
	return name
}

func tales() []tale {
	var all []tale
	for _, k := range tempers() {
		for _, st := range starts() {
			if st.only == nil || st.only(k) {
				all = append(all, tale{k, st, false}, tale{k, st, true})
			}
		}
	}
	return all
}

// schedule is one run of a tale.
type schedule struct {
	*site
	tale    tale
	crashes []crash
	calls   [][]string // of each run with a crash, and of the first without one
	last    []string   // calls of the latest run
	report  string     // event of a reader that waits for its answer; "" when there is none
	thaw    chan struct{}
	running sync.WaitGroup
	serveBy time.Time // from this instant on a live token must be published; zero: always was
}

// play runs the schedule: runs with a crash, then sweeps at the normal period until nothing is left to do. It returns the number of tokens that
// were issued since the start.
func (x *schedule) play() int {
	defer x.release()
	x.tale.start.prepare(x.site)
	began, before := time.Now(), x.issued()
	if x.tale.start.report != nil {
		x.report = x.tale.start.report(x.site)
	}
	for i := range mostRuns {
		if i > len(x.crashes) || !x.tale.named {
			sleepUntil(began)
			began = began.Add(period)
		}
		x.look()
		x.run(i)
		if i > len(x.crashes) && x.idle() && x.served() && x.disagreement() == "" {
			return x.issued() - before
		}
		if i < len(x.crashes) && x.tale.named {
			time.Sleep(10 * time.Second)
		}
	}
	x.t.Errorf("no rest after %d runs: %s", mostRuns, x.disagreement())
	return x.issued() - before
}

const mostRuns = 40

// run is one run, which may end with a crash. A report is repeated until it is answered.
func (x *schedule) run(i int) {
	l := &life{ended: make(chan struct{}), thaw: x.thaw}
	if i < len(x.crashes) {
		l.crash = x.crashes[i]
	}
	event := x.report
	switch {
	case event != "":
	case i == 0 && x.tale.start.event != "":
		event = x.tale.start.event
	case x.tale.named && i > 0 && i <= len(x.crashes):
		event = namedEvent
	default:
		event = sweepEvent
	}
	p := x.process(l.around)
	done := make(chan struct{})
	x.running.Go(func() {
		defer close(done)
		result, err := p.run(event)
		if l.over() {
			return // nobody gets its answer
		}
		must(x.t, err)
		if event == x.report && result.Counts.Deferred == 0 {
			x.report = ""
		}
	})
	select {
	case <-done:
	case <-l.ended:
		x.crashed()
	}
	if l.crash.call > 0 && !l.over() {
		x.t.Errorf("the crash at call %d of run %d did not come", l.crash.call, i+1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x.last = slices.Clone(l.calls)
	if i <= len(x.crashes) {
		x.calls = append(x.calls, x.last)
	}
}

// crashed sets the instant from which on readers must be served: one period after the lease ended.
func (x *schedule) crashed() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.serveBy = later(time.Now(), x.lease.Until).Add(period)
}

// look fails the test when readers should be served and are not. Where the provider issues no other token before the end of the newest one, which
// may be lost, a suspended connection is served after its next trial: these come every eighth of the lifetime.
func (x *schedule) look() {
	if x.serveBy.IsZero() || x.served() {
		return
	}
	by := x.serveBy
	if f := x.state().Failure; x.temper.patient() && f != nil && f.Suspends() {
		for _, c := range x.provider.Calls() {
			if c.TokenID != "" && !c.Reissued {
				by = later(by, c.Time.Add(lifetime+period))
			}
		}
		by = by.Add(lifetime / 8)
	}
	if time.Now().After(by) {
		x.t.Errorf("no live token is published, it should be since %s", stamp(by))
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.TimeOnly) }

// idle reports whether the latest run only read.
func (x *schedule) idle() bool {
	return !slices.ContainsFunc(x.last, func(op string) bool {
		return op != string(awstest.Scan) && op != string(awstest.ListSecrets) && op != string(awstest.GetParameters)
	})
}

// release lets the frozen processes end, after the time until which they could have written.
func (x *schedule) release() {
	time.Sleep(period)
	close(x.thaw)
	x.running.Wait()
}

// explorer runs the schedules of one tale.
type explorer struct {
	t      *testing.T
	tale   tale
	every  int // of the schedules with two crashes, one of so many is run
	passed int
	issued int    // tokens without a crash
	counts [3]int // schedules that were run, by their number of crashes
}

// walk runs a schedule, and then those that have one crash more.
func (e *explorer) walk(crashes []crash) {
	calls := e.play(crashes)
	e.counts[len(crashes)]++
	if len(crashes) == mostCrashes {
		return
	}
	for n := range calls[len(crashes)] {
		for _, after := range []bool{false, true} {
			if e.passed++; len(crashes) == 0 || e.passed%e.every == 0 {
				e.walk(append(slices.Clone(crashes), crash{n + 1, after}))
			}
		}
	}
}

const mostCrashes = 2

// play runs one schedule in a bubble of its own, so that it is the same whatever ran before. It returns the calls of the runs.
func (e *explorer) play(crashes []crash) (calls [][]string) {
	synctest.Test(e.t, func(t *testing.T) {
		x := &schedule{site: newSite(t, e.tale.temper), tale: e.tale, crashes: crashes, thaw: make(chan struct{})}
		issued := x.play()
		if len(crashes) == 0 {
			e.issued = issued
		}
		if most := e.issued + len(crashes); issued > most {
			t.Errorf("%d tokens were issued, want at most %d", issued, most)
		}
		if calls = x.calls; t.Failed() {
			x.describe()
		}
	})
	return calls
}

// describe prints what a failed schedule was.
func (x *schedule) describe() {
	for i, calls := range x.calls {
		end := "it lived to its end"
		if i < len(x.crashes) {
			end = fmt.Sprintf("crash %+v", x.crashes[i])
		}
		x.t.Logf("run %d, %s: %s", i+1, end, strings.Join(calls, ", "))
	}
	state := x.state()
	x.t.Logf("%s: served %t, revision %d", stamp(time.Now()), x.served(), state.Revision)
	if t := state.Token; t != nil {
		x.t.Logf("token of %s in version %d, renewal at %s, end %s", t.Stage, t.Version, stamp(t.RenewAt), stamp(t.ExpiresAt))
	}
	if f := state.Failure; f != nil {
		x.t.Logf("failure %s/%s, %d attempts, first %s, next %s", f.Class, f.Code, f.Attempts, stamp(f.FirstAt), stamp(f.NextAt))
	}
}

const leastSchedules = 20_000

// TestCrashesOfARenewal: whenever a process ends, the sweeps after it bring the connection to rest. Readers are served one period after the lease
// ended, nobody renews without the lease, and a crash costs one token at most.
func TestCrashesOfARenewal(t *testing.T) {
	collectLess(t)
	var counts [3]int
	for i, tl := range tales() {
		if testing.Short() && i%6 != 2 {
			continue
		}
		t.Run(tl.String(), func(t *testing.T) {
			e := &explorer{t: t, tale: tl, every: number(1, 29)}
			if tl.named { // the named call waits for the lease, with many calls that are all alike
				e.every = number(2, 97)
			}
			e.walk(nil)
			for i, n := range e.counts {
				counts[i] += n
			}
		})
	}
	runs := counts[0] + counts[1] + counts[2]
	t.Logf("%d schedules were run: %d without a crash, %d with one, %d with two", runs, counts[0], counts[1], counts[2])
	if !testing.Short() && runs < leastSchedules {
		t.Errorf("%d schedules were run, want at least %d", runs, leastSchedules)
	}
}
