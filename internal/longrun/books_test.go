package longrun_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

// books is what the store saw: every write that arrived, and every token that was published.
type books struct {
	mu        sync.Mutex
	puts      []time.Time // every PutParameter, whatever became of it
	failures  int         // those of failure records
	accounts  int
	published map[*connection][]publication
	versions  map[*connection]int64
	records   map[*connection]*lifecycle.Token
}

// publication is one token that became readable.
type publication struct {
	at     time.Time
	record lifecycle.Token
	late   time.Duration // since the renew_at of the token that it replaced; zero for the first
	early  bool          // the token that it replaced was not due yet
	dead   time.Duration // how long the token that it replaced had been expired
}

// arrives runs before each call of AWS. The unluckiest reader there can be reads a token a moment before it is replaced.
func (w *world) arrives(op awstest.Op, name string) {
	if op != awstest.PutParameter {
		return
	}
	w.books.note(name)
	if c := w.connectionOf(name); c != nil {
		w.readers.unlucky(c)
	}
}

func (b *books) note(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts = append(b.puts, time.Now())
	switch {
	case strings.HasSuffix(name, "/refresh_failure"):
		b.failures++
	case strings.HasSuffix(name, "/account_id"):
		b.accounts++
	}
}

// answered runs after each call of AWS has had its effect.
func (w *world) answered(op awstest.Op, name string) {
	if op != awstest.UpdateItem { // a commit
		return
	}
	c := w.connectionOf("/oauth/" + name + "/access_token")
	if c == nil {
		return
	}
	if t := w.state(c).Token; t != nil {
		w.books.publish(c, t.Version, t)
	}
}

func (b *books) publish(c *connection, version int64, record *lifecycle.Token) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.published == nil {
		b.published, b.versions, b.records = map[*connection][]publication{}, map[*connection]int64{}, map[*connection]*lifecycle.Token{}
	}
	if version <= b.versions[c] {
		return // refused: nothing was written
	}
	p := publication{at: time.Now(), record: *record}
	if was := b.records[c]; was != nil {
		p.late, p.early = p.at.Sub(was.RenewAt), p.at.Before(was.RenewAt)
		p.dead = max(0, p.at.Sub(was.ExpiresAt))
	}
	b.published[c] = append(b.published[c], p)
	b.versions[c], b.records[c] = version, record
}

func (w *world) connectionOf(parameter string) *connection {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byParameter[parameter]
}

// tokens counts the writes of tokens that the store took, for the connections given.
func (b *books) tokens(list []*connection) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, c := range list {
		n += int(b.versions[c])
	}
	return n
}

// of returns the tokens that were published for a connection, oldest first.
func (b *books) of(c *connection) []publication {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.published[c])
}

// most counts the largest number of instants within one window of the given length, wherever it begins: [t, t+length). The instants are in
// order.
func most(at []time.Time, length time.Duration) int {
	worst, from := 0, 0
	for to := range at {
		for at[to].Sub(at[from]) >= length {
			from++
		}
		worst = max(worst, to-from+1)
	}
	return worst
}

func TestMostCountsASlidingWindow(t *testing.T) {
	start := time.Unix(0, 0)
	for name, c := range map[string]struct {
		at   []time.Duration
		want int
	}{
		"nothing": {nil, 0},
		"one":     {[]time.Duration{0}, 1},
		"three in a second, the fourth right after": {[]time.Duration{0, 334 * time.Millisecond, 668 * time.Millisecond, time.Second}, 3},
		"the fourth a nanosecond too early":         {[]time.Duration{0, 334 * time.Millisecond, 668 * time.Millisecond, time.Second - 1}, 4},
		"two seconds with two each, but four in one that begins between them": {
			[]time.Duration{0, 800 * time.Millisecond, 900 * time.Millisecond, 1100 * time.Millisecond, 1200 * time.Millisecond, 2500 * time.Millisecond}, 4,
		},
		"all at once": {[]time.Duration{5, 5, 5}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var at []time.Time
			for _, d := range c.at {
				at = append(at, start.Add(d))
			}
			if got := most(at, time.Second); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
