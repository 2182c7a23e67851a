package refresh

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func testStart() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// testRun is a run of a configured refresher without stores: enough for what is decided without asking anybody.
func testRun() *run {
	cfg := &Config{Period: 5 * time.Minute, ReaderCache: 5 * time.Minute, TokenTimeout: 10 * time.Second, MaxConcurrency: 16, MaxWritesPerSecond: 3,
		Now: testStart, Observe: func(Event) {}}
	return &run{cfg: cfg, start: testStart(), end: testStart().Add(4*time.Minute + 30*time.Second), hard: testStart().Add(5 * time.Minute),
		pacer: newPacer(3, testStart), endpoints: map[string]*endpoint{}}
}

// queued fills an endpoint with n connections in the run's order.
func queued(n int) *endpoint {
	r := testRun()
	e := r.endpointFor("idp.example.com")
	for i := range n {
		e.add(&item{id: fmt.Sprintf("tenant-%03d", i), order: i}, r.start)
	}
	return e
}

func down() *fault {
	return &fault{answer: true, class: oauth.Transient, code: "server_error", status: 503}
}
func refusal() *fault {
	return &fault{answer: true, class: oauth.Credentials, code: "invalid_client", status: 401}
}
func limited(d time.Duration) *fault {
	return &fault{answer: true, class: oauth.Transient, code: "rate_limited", status: 429, retryAfter: d}
}

func TestAnEndpointIsOneForEachHost(t *testing.T) {
	r := testRun()
	if first := r.endpointFor("a"); r.endpointFor("a") != first || r.endpointFor("b") == first || len(r.endpoints) != 2 {
		t.Errorf("endpoints %v", r.endpoints)
	}
}

func TestSlowStartDoublesWithTokensWrittenAlone(t *testing.T) {
	e := queued(100)
	inFlight := func() int {
		for it := e.head(testStart(), anyItem); it != nil; it = e.head(testStart(), anyItem) {
			e.take(it)
		}
		return e.inflight
	}
	for _, want := range []int{1, 2, 4, 8, 10, 10} {
		if got := inFlight(); got != want {
			t.Fatalf("%d calls in flight, want %d", got, want)
		}
		e.tokenWritten(10)
	}
	e.failed(&item{id: "x"}, refusal(), testStart())
	if got := inFlight(); got != 10 {
		t.Errorf("a refusal changed the share to %d", got)
	}
	closed := queued(100)
	for range 50 {
		closed.failed(&item{id: "x"}, refusal(), testStart())
	}
	if closed.limit != 1 {
		t.Errorf("an endpoint that refuses everyone has %d calls in flight, want 1", closed.limit)
	}
}

func TestTheFirstCallIsForTheMostUrgentAndTheNextAreDrawn(t *testing.T) {
	e := queued(40)
	first := e.head(testStart(), anyItem)
	if first.order != 0 {
		t.Errorf("the first call is for place %d", first.order)
	}
	e.take(first)
	drawn := orders(e.queue)
	if slices.IsSorted(drawn) || len(drawn) != 39 {
		t.Errorf("after it, before an answer, the order of the run is kept: %v", drawn)
	}
	again := queued(40)
	again.take(again.head(testStart(), anyItem))
	if !slices.Equal(drawn, orders(again.queue)) {
		t.Error("the draw is not the same for the same run")
	}
	r := testRun()
	later := r.endpointFor("idp.example.com")
	for i := range 40 {
		later.add(&item{id: fmt.Sprintf("tenant-%03d", i), order: i}, r.start.Add(5*time.Minute))
	}
	later.take(later.head(testStart(), anyItem))
	if slices.Equal(drawn, orders(later.queue)) {
		t.Error("the next run draws the same order: the same connections would open its breaker")
	}
	e.tokenWritten(16)
	if got := orders(e.queue); !slices.IsSorted(got) {
		t.Errorf("after a success the order of the run is not restored: %v", got)
	}
}

func orders(queue []*item) []int {
	var list []int
	for _, it := range queue {
		list = append(list, it.order)
	}
	return list
}

func TestTheBreaker(t *testing.T) {
	// Each step is "<connection> <what happened>"; open is what the breaker is at the end.
	for name, c := range map[string]struct {
		steps []string
		open  bool
	}{
		"two connections in a row leave it closed":         {[]string{"a down", "b down"}, false},
		"three different connections open it":              {[]string{"a down", "b down", "c down"}, true},
		"one connection three times does not":              {[]string{"a down", "a down", "a down"}, false},
		"the third different one does":                     {[]string{"a down", "a down", "b down", "a down", "c down"}, true},
		"a refusal is an answer and begins anew":           {[]string{"a down", "b down", "c refused", "d down", "e down"}, false},
		"a token begins anew":                              {[]string{"a down", "b down", "c token", "d down", "e down"}, false},
		"three after a token open it":                      {[]string{"a token", "b down", "c down", "d down"}, true},
		"answers without a token count like silence":       {[]string{"a malformed", "b down", "c malformed"}, true},
		"being told to wait counts too":                    {[]string{"a limited", "b down", "c down"}, true},
		"a configuration failure is an answer":             {[]string{"a down", "b down", "c configuration", "d down"}, false},
		"once open it stays so, whatever still comes back": {[]string{"a down", "b down", "c down", "d token"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := queued(20)
			told := 0
			for _, step := range c.steps {
				id, what, _ := strings.Cut(step, " ")
				var why string
				switch it := (&item{id: id}); what {
				case "down":
					why = e.failed(it, down(), testStart())
				case "malformed":
					why = e.failed(it, &fault{answer: true, class: oauth.Malformed}, testStart())
				case "limited":
					why = e.failed(it, limited(time.Minute), testStart())
				case "refused":
					why = e.failed(it, refusal(), testStart())
				case "configuration":
					why = e.failed(it, &fault{answer: true, class: oauth.Configuration}, testStart())
				case "token":
					e.tokenWritten(16)
				default:
					t.Fatalf("what is %q?", what)
				}
				if why != "" {
					told++
				}
			}
			if e.open != c.open || (e.head(testStart(), anyItem) == nil) != c.open {
				t.Errorf("open %t, want %t", e.open, c.open)
			}
			if want := map[bool]int{true: 1}[c.open]; told != want {
				t.Errorf("told %d times, want %d", told, want)
			}
			if got := e.deferral(testStart()); strings.HasPrefix(got, "provider_unavailable: idp.example.com ") != c.open {
				t.Errorf("deferral %q", got)
			}
		})
	}
}

func TestUnprovenIsABreakerThatOpenedBeforeAnySuccess(t *testing.T) {
	e := queued(5)
	if e.unproven() {
		t.Error("a closed breaker is unproven")
	}
	for _, id := range []string{"a", "b", "c"} {
		e.failed(&item{id: id}, down(), testStart())
	}
	if !e.unproven() || e.busy() {
		t.Errorf("unproven %t, busy %t", e.unproven(), e.busy())
	}
	e.tokenWritten(16)
	if e.unproven() {
		t.Error("an endpoint that gave a token is unproven")
	}
}

func TestRetryAfter(t *testing.T) {
	now := testStart()
	e := queued(5)
	if why := e.failed(&item{id: "a"}, limited(time.Minute), now); why != "" || e.head(now, anyItem) == nil {
		t.Errorf("one limited tenant paused the endpoint: %q", why)
	}
	if why := e.failed(&item{id: "a"}, limited(time.Minute), now); why != "" || e.head(now, anyItem) == nil {
		t.Errorf("the same tenant again paused the endpoint: %q", why)
	}
	why := e.failed(&item{id: "b"}, limited(90*time.Second), now)
	if want := "asks more than one connection to wait, until 2026-01-02T03:05:35Z"; why != want {
		t.Errorf("told %q, want %q", why, want)
	}
	end := now.Add(90 * time.Second)
	if e.head(end.Add(-1), anyItem) != nil || e.head(end, anyItem) == nil || e.head(end.Add(1), anyItem) == nil {
		t.Error("the pause does not end exactly when the provider said")
	}
	if got, want := e.deferral(now), "rate_limited: idp.example.com asks to wait until 2026-01-02T03:05:35Z"; got != want {
		t.Errorf("deferral %q, want %q", got, want)
	}
	if got, want := e.deferral(end), ""; got != want {
		t.Errorf("deferral %q, want %q", got, want)
	}
	e.tokenWritten(16)
	if e.failed(&item{id: "c"}, limited(time.Second), now); !e.pausedUntil.Equal(end) {
		t.Errorf("a shorter wait shortened the pause to %s", e.pausedUntil)
	}
}

func TestAttemptsWithinARun(t *testing.T) {
	for name, c := range map[string]struct {
		due      int
		answered bool
		want     int
	}{
		"one connection is tried again": {1, false, 4},
		"two too":                       {2, false, 4},
		"of three the next connection is the retry":       {3, false, 1},
		"three, once the endpoint gave a token":           {3, true, 4},
		"a thousand, once the endpoint gave a token":      {1000, true, 4},
		"a thousand at an endpoint that gave none so far": {1000, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := queued(c.due)
			if c.answered {
				e.tokenWritten(16)
			}
			e.take(e.head(testStart(), anyItem))
			if got := e.attempts(); got != c.want {
				t.Errorf("attempts = %d, want %d", got, c.want)
			}
		})
	}
}

func TestAnItemThatWaitsLetsTheNextPass(t *testing.T) {
	e, now := queued(2), testStart()
	e.queue[0].notBefore = now.Add(time.Second)
	if it := e.head(now, anyItem); it == nil || it.order != 1 {
		t.Errorf("head = %+v", it)
	}
	if it := e.head(now.Add(time.Second), anyItem); it == nil || it.order != 0 {
		t.Errorf("head at its time = %+v", it)
	}
}

func TestWorkersAreSharedBetweenBusyEndpoints(t *testing.T) {
	r := testRun()
	for i, want := range []int{16, 8, 6, 4} {
		r.endpointFor(fmt.Sprint(i)).add(&item{id: "x"}, r.start)
		if got := r.share(); got != want {
			t.Errorf("%d endpoints: %d workers each, want %d", i+1, got, want)
		}
	}
	r.endpointFor("0").open = true
	if got := r.share(); got != 6 {
		t.Errorf("a broken endpoint still has a share: %d", got)
	}
}

// waiting makes items: "L3" has a live token that ends in 3 h, "N3" has none and was created 3 h ago, "X3" has one that ended 3 h ago.
func waiting(names ...string) []*item {
	var items []*item
	for _, n := range names {
		var hours int
		if _, err := fmt.Sscanf(n[1:], "%d", &hours); err != nil {
			panic(err)
		}
		ago := time.Duration(hours) * time.Hour
		it := &item{id: n}
		switch n[0] {
		case 'L':
			it.facts = renew.Facts{Version: 1, Record: &renew.Record{ExpiresAt: testStart().Add(ago)}}
		case 'X':
			it.facts = renew.Facts{Version: 1, Record: &renew.Record{ExpiresAt: testStart().Add(-ago)}}
		case 'N':
			it.secret.Created = testStart().Add(-ago)
		}
		items = append(items, it)
	}
	return items
}

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct{ due, want string }{
		"nothing is due":                          {"", ""},
		"living tokens, soonest to end first":     {"L3 L1 L2", "L1 L2 L3"},
		"without a token, longest waiting first":  {"N1 N3 X2", "N3 X2 N1"},
		"every fourth place is for those without": {"N9 N8 N7 L1 L2 L3 L4 L5 L6 L7", "L1 L2 L3 N9 L4 L5 L6 N8 L7 N7"},
		"the living take what the others leave":   {"N9 L1 L2 L3 L4 L5 L6 L7 L8", "L1 L2 L3 N9 L4 L5 L6 L7 L8"},
		"the others take what the living leave":   {"N9 N8 N7 N6 N5 L1", "L1 N9 N8 N7 N6 N5"},
		"a token that ends now lives no more":     {"L0 L1", "L1 L0"},
		"ties are broken by name":                 {"L1 L01 L001", "L001 L01 L1"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, it := range inOrder(waiting(strings.Fields(c.due)...), testStart()) {
				got = append(got, it.id)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("order %q, want %q", got, c.want)
			}
		})
	}
}

func TestAConnectionWithoutADateOfCreationWaitsSinceItsLastChange(t *testing.T) {
	it := &item{secret: Secret{Changed: testStart()}}
	if got := it.waitingSince(); !got.Equal(testStart()) {
		t.Errorf("waitingSince = %s", got)
	}
}

func anyItem(*item) bool { return true }
