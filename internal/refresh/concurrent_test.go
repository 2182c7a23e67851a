package refresh_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// answerOf is the one entry of a result over one connection: what became of it, and the reason or the version.
func answerOf(r refresh.Result) (what, detail string) {
	switch {
	case len(r.Refreshed) == 1:
		return "refreshed", fmt.Sprintf("version %d", r.Refreshed[0].Version)
	case len(r.Fresh) == 1:
		return "fresh", r.Fresh[0].Reason
	case len(r.Deferred) == 1:
		return "deferred", r.Deferred[0].Reason
	case len(r.Failed) == 1:
		return "failed", r.Failed[0].Message
	}
	return "nothing", ""
}

// TestEqualReportsAtOnce: many programs report the same rejected token, each to a process of its own, over the real SDK with AWS's quotas.
func TestEqualReportsAtOnce(t *testing.T) {
	callers := []int{2, 10, 100, 300}
	if testing.Short() {
		callers = callers[:2]
	}
	for _, k := range tempers()[:2] {
		for _, n := range callers {
			t.Run(fmt.Sprintf("%s; %d callers", k.name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { report(newSite(t, k), n) })
			})
		}
	}
}

// report makes n equal reports at once, and checks each answer when it comes.
func report(s *site, n int) {
	s.sweep()
	time.Sleep(10 * time.Minute)
	s.provider.Revoke("first")
	s.provider.Inject(oauthtest.Latency(3 * time.Second).Always())
	s.aws.Latency = func(awstest.Op, string) time.Duration { return 20 * time.Millisecond }
	s.aws.SetQuotas(awstest.AWSQuotas())
	s.aws.ResetCalls()
	before, began := s.issued(), time.Now()
	var callers sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range n {
		p := s.newProcess(func(_ string, call func() error) error { return call() })
		p.wire(s.aws.SecretsManager(), s.aws.SSM(), s.aws.DynamoDB())
		callers.Go(func() {
			result, err := p.run(fmt.Sprintf(`{"connections":[%q],"rejected_version":1}`, shop))
			must(s.t, err)
			what, detail := answerOf(result)
			mu.Lock()
			defer mu.Unlock()
			answers[what]++
			switch {
			case what == "refreshed" && detail == "version 2", what == "fresh" && strings.HasPrefix(detail, "replaced: version 2 "):
				if !s.served() {
					s.t.Errorf("a dead token is published when %s is told %q", p.id, detail)
				}
			case what == "deferred" && strings.HasPrefix(detail, "in_flight"):
			default:
				s.t.Errorf("%s is told: %s, %s", p.id, what, detail)
			}
		})
	}
	callers.Wait()
	throttled := 0
	for _, c := range s.aws.Counts() {
		throttled += c.Throttled
	}
	s.t.Logf("%d reports: %d token; answers %v; the last after %s; %d calls were throttled",
		n, s.issued()-before, answers, time.Since(began).Round(time.Millisecond), throttled)
	if got := s.issued() - before; got != 1 || answers["refreshed"] != 1 {
		s.t.Errorf("%d tokens were issued, and %d callers were told of a new one; want one", got, answers["refreshed"])
	}
	if text := s.disagreement(); text != "" || !s.served() {
		s.t.Errorf("in the end: served %t, %s", s.served(), text)
	}
}

// turn is an external call that waits until it may happen.
type turn struct {
	op      string
	release chan struct{}
}

// scheduler lets the external calls of two processes happen one by one, in an order that it chooses. Of the calls that one process makes at once,
// the order is fixed.
type scheduler struct {
	choose func(options int) int

	mu      sync.Mutex
	waiting [2][]turn
	ended   [2]bool
	order   []string      // calls that have happened
	news    chan struct{} // a call waits, or a process has ended
}

func (x *scheduler) around(process int) func(op string, call func() error) error {
	return func(op string, call func() error) error {
		t := turn{op, make(chan struct{})}
		x.mu.Lock()
		x.waiting[process] = append(x.waiting[process], t)
		x.mu.Unlock()
		x.signal()
		<-t.release
		return call()
	}
}

func (x *scheduler) end(process int) {
	x.mu.Lock()
	x.ended[process] = true
	x.mu.Unlock()
	x.signal()
}

func (x *scheduler) signal() {
	select {
	case x.news <- struct{}{}:
	default:
	}
}

// drive runs both processes to their end. The first option is to go on with the process that made the last call; limit is how often the other one
// may go on instead.
func (x *scheduler) drive(limit int) {
	last := -1
	for {
		synctest.Wait()
		options := x.options(last, limit > 0)
		if len(options) == 0 {
			return
		}
		chosen := x.choose(len(options))
		if last >= 0 && chosen > 0 {
			limit--
		}
		last = options[chosen]
		x.advance(last)
	}
}

// options are the processes that may go on.
func (x *scheduler) options(last int, mayChange bool) []int {
	x.mu.Lock()
	defer x.mu.Unlock()
	var options []int
	for i := range x.ended {
		if !x.ended[i] {
			options = append(options, i)
		}
	}
	if len(options) < 2 || last < 0 {
		return options
	}
	if !mayChange || len(x.waiting[0])+len(x.waiting[1]) == 0 { // both sleep: time alone decides
		return []int{last}
	}
	return []int{last, 1 - last}
}

// advance lets one call of a process happen. Where the process sleeps, time passes until it makes a call or ends; the calls of the other one
// take that long.
func (x *scheduler) advance(process int) {
	for !x.step(process) {
		<-x.news
		synctest.Wait()
	}
}

// step lets a call happen, if one waits. It reports whether there is nothing to wait for.
func (x *scheduler) step(process int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	waiting := x.waiting[process]
	if len(waiting) == 0 {
		return x.ended[process]
	}
	slices.SortStableFunc(waiting, func(a, b turn) int { return cmp.Compare(a.op, b.op) })
	x.waiting[process] = waiting[1:]
	x.order = append(x.order, fmt.Sprintf("%d %s", process+1, waiting[0].op))
	close(waiting[0].release)
	return true
}

// pair is two runs of one connection at once.
type pair struct {
	name    string
	prepare func(*site)
	events  [2]string
	tokens  int // at most: one for each need
	limit   int // of switches from one run to the other; 0: none, all orders are run
}

func pairs() []pair {
	first := func(*site) {}
	due := func(s *site) { s.sweep(); s.toDue() }
	return []pair{
		{name: "sweep and sweep, first token", prepare: first, events: [2]string{sweepEvent, sweepEvent}, tokens: 1},
		{name: "sweep and sweep, renewal due", prepare: due, events: [2]string{sweepEvent, sweepEvent}, tokens: 1},
		{name: "sweep and named call, renewal due", prepare: due, events: [2]string{sweepEvent, namedEvent}, tokens: 1, limit: 4},
		{name: "named and forced call, renewal due", prepare: due, events: [2]string{namedEvent, forcedEvent}, tokens: 2, limit: 4},
	}
}

// TestInterleavingsOfTwoRuns: in whatever order the calls of two runs happen, each need gets one token, one run at a time has the lease, and state
// and parameters agree in the end.
func TestInterleavingsOfTwoRuns(t *testing.T) {
	collectLess(t)
	total := 0
	for _, k := range tempers()[:2] {
		for _, pr := range pairs() {
			t.Run(k.name+"; "+pr.name, func(t *testing.T) {
				limit, text := pr.limit, fmt.Sprintf("with at most %d switches", pr.limit)
				if limit == 0 {
					limit, text = math.MaxInt, "all there are"
				}
				if testing.Short() {
					limit, text = 1, "with one switch"
				}
				o := &orders{}
				runs := 0
				for more := true; more; more = o.next() {
					pr.run(t, k, o, limit)
					runs++
				}
				t.Logf("%d interleavings were run, %s", runs, text)
				total += runs
			})
		}
	}
	t.Logf("%d interleavings were run", total)
}

// run runs one interleaving.
func (pr pair) run(t *testing.T, k temper, o *orders, limit int) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, k)
		pr.prepare(s)
		before := s.issued()
		x := &scheduler{choose: o.choose, news: make(chan struct{}, 1)}
		var results [2]refresh.Result
		for i, event := range pr.events {
			p := s.process(x.around(i))
			go func() {
				defer x.end(i)
				var err error
				results[i], err = p.run(event)
				must(t, err)
			}()
		}
		x.drive(limit)
		pr.check(s, results, s.issued()-before)
		if o.strayed {
			t.Error("the same choices led to other options: the runs are not deterministic")
		}
		if t.Failed() {
			t.Logf("the order was %s", strings.Join(x.order, ", "))
		}
	})
}

func (pr pair) check(s *site, results [2]refresh.Result, issued int) {
	refreshed := 0
	for i, result := range results {
		what, detail := answerOf(result)
		switch {
		case what == "refreshed":
			refreshed++
		case what == "fresh" && pr.events[i] != forcedEvent, what == "deferred" && strings.HasPrefix(detail, "in_flight"):
		default:
			s.t.Errorf("run %d ends with %s, %s", i+1, what, detail)
		}
	}
	if issued < 1 || issued > pr.tokens || issued != refreshed {
		s.t.Errorf("%d tokens were issued, %d runs published one, want at most %d", issued, refreshed, pr.tokens)
	}
	if text := s.disagreement(); text != "" || !s.served() {
		s.t.Errorf("in the end: served %t, %s", s.served(), text)
	}
}

// orders walks the tree of choices, depth first.
type orders struct {
	taken, widths []int // of the present path
	at            int
	strayed       bool // a choice had other options than when it was first made
}

func (o *orders) choose(options int) int {
	if o.at == len(o.taken) {
		o.taken, o.widths = append(o.taken, 0), append(o.widths, options)
	}
	o.at++
	if o.widths[o.at-1] != options {
		o.strayed = true
		return 0
	}
	return o.taken[o.at-1]
}

// next moves on to the next path of the tree, and reports whether there is one.
func (o *orders) next() bool {
	for o.at = 0; len(o.taken) > 0; {
		end := len(o.taken) - 1
		if o.taken[end]++; o.taken[end] < o.widths[end] {
			return true
		}
		o.taken, o.widths = o.taken[:end], o.widths[:end]
	}
	return false
}
