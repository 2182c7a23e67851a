package longrun_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// readers are the programs that use what is published. The provider alone judges what they hold; they know no expiry.
type readers struct {
	world *world
	wg    sync.WaitGroup

	mu       sync.Mutex
	uses     int
	refused  int                  // uses of a token that the provider did not take
	examples []string             // of refused ones, a few
	least    time.Duration        // the shortest life that an accepted token had left
	gap      time.Duration        // the longest time for which one reader had no token that was accepted
	direct   time.Duration        // the same for readers without a cache: for how long the parameter held a dead token
	spare    map[*connection]bool // connections whose readers are not counted
}

// reader is one program: it reads a parameter, keeps it for its cache's time, and reads again.
type reader struct {
	connection *connection
	cache      time.Duration // 0: reads before each use
	next       time.Time     // when it reads again
	value      string        // "" when there is nothing to read
	had        bool          // there was something to read: from then on nothing is as bad as a dead token
	dead       time.Time     // first refusal since a token was accepted; zero: none
}

// read is what a reader gets from the parameter; "" while nothing was ever published.
func (w *world) read(c *connection) string {
	state, ok := w.aws.Parameter(c.parameter)
	if !ok {
		return ""
	}
	return state.Value.Reveal()
}

// use shows a token to the provider.
func (r *readers) use(rd *reader) {
	accepted := rd.connection.provider.Validate(rd.value)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(rd, accepted, now)
}

// count notes one use. r.mu is held.
func (r *readers) count(rd *reader, accepted bool, now time.Time) {
	if r.spare[rd.connection] {
		return
	}
	r.uses++
	if !accepted {
		r.refused++
		if len(r.examples) < 5 {
			r.examples = append(r.examples, fmt.Sprintf("%s, %s after the start", rd.connection.id, now.Sub(r.world.start)))
		}
		if rd.dead.IsZero() {
			rd.dead = now
		}
	}
	if longest := &r.gap; !rd.dead.IsZero() {
		if rd.cache == 0 {
			longest = &r.direct
		}
		*longest = max(*longest, now.Sub(rd.dead))
	}
	if accepted {
		rd.dead = time.Time{}
	}
}

// unlucky is the reader that reads what is about to be replaced, and uses it until the last moment of its cache: no reader can be worse off.
func (r *readers) unlucky(c *connection) {
	value := r.world.read(c)
	if value == "" {
		return
	}
	rd := &reader{connection: c, cache: readerCache, value: value}
	if info, known := c.provider.Inspect(value); !known || !info.Live {
		rd.dead = time.Now()
		if known && info.ExpiresAt.Before(rd.dead) {
			rd.dead = info.ExpiresAt
		}
	}
	r.wg.Go(func() {
		time.Sleep(readerCache - time.Nanosecond)
		r.use(rd)
		r.measure(rd)
	})
}

// measure notes how long the provider would go on taking what a reader holds.
func (r *readers) measure(rd *reader) {
	info, known := rd.connection.provider.Inspect(rd.value)
	if !known || !info.Live {
		return
	}
	left := time.Until(info.ExpiresAt)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.least == 0 || left < r.least {
		r.least = left
	}
}

// watch starts one reader for each connection. It uses its token at every tick and reads once per cache, at a time of its own.
func (r *readers) watch(list []*connection, tick, cache time.Duration, until time.Time) {
	all := make([]*reader, len(list))
	for i, c := range list {
		all[i] = &reader{connection: c, cache: cache}
		if cache > 0 {
			all[i].next = time.Now().Add(time.Duration(r.world.chance.Int64N(int64(cache))))
		}
	}
	offset := time.Duration(r.world.chance.Int64N(int64(tick)))
	r.wg.Go(func() {
		for time.Sleep(offset); time.Now().Before(until); time.Sleep(tick) {
			for _, rd := range all {
				r.step(rd)
			}
		}
	})
}

func (r *readers) step(rd *reader) {
	if now := time.Now(); !now.Before(rd.next) || rd.value == "" {
		rd.value = r.world.read(rd.connection)
		for rd.cache > 0 && !now.Before(rd.next) {
			rd.next = rd.next.Add(rd.cache)
		}
	}
	if rd.had = rd.had || rd.value != ""; rd.had {
		r.use(rd)
	}
}

// overTheWire starts a reader that does all by the real SDK and HTTP: GetParameter with decryption, and a call of the provider's API.
func (r *readers) overTheWire(c *connection, until time.Time) {
	store := ssm.NewFromConfig(r.world.aws.Config())
	web := &http.Client{Transport: r.world.network}
	rd, account := &reader{connection: c, cache: readerCache, next: time.Now()}, ""
	r.wg.Go(func() {
		for ; time.Now().Before(until); time.Sleep(time.Minute) {
			if now := time.Now(); !now.Before(rd.next) {
				if value, err := get(store, c.parameter); err == nil {
					rd.value, rd.next = value, now.Add(readerCache)
				}
			}
			if c.account != "" && account == "" && rd.value != "" {
				account, _ = get(store, c.account) // comes a moment after the token
			}
			if rd.value == "" || c.account != "" && account == "" {
				continue // not yet published
			}
			accepted := call(web, c.provider, rd.value, account)
			r.mu.Lock()
			r.count(rd, accepted, time.Now())
			r.mu.Unlock()
		}
	})
}

func get(store *ssm.Client, name string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := store.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Parameter.Value), nil
}

// call asks the provider's API for something cheap and reports whether it took the token.
func call(web *http.Client, p *oauthtest.Provider, token, account string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.APIURL(), http.NoBody)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if account != "" {
		request.Header.Set("X-Kiwify-Account-Id", account)
	}
	response, err := web.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// leave takes connections out of the count whose readers are promised nothing.
func (r *readers) leave(list []*connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spare = map[*connection]bool{}
	for _, c := range list {
		r.spare[c] = true
	}
}

// TestReadersNoticeADeadToken: the readers can fail. A token of ten minutes is published once and never again.
func TestReadersNoticeADeadToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		c := w.connect("alone", w.kiwify, 10*time.Minute)
		if _, err := w.sweep(w.newContainer(), timeout); err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(30 * time.Minute)
		w.readers.unlucky(c)
		w.readers.watch(w.connections, time.Minute, readerCache, until)
		w.readers.overTheWire(c, until)
		w.readers.wg.Wait()
		r := &w.readers
		if r.uses != 61 || r.refused < 36 || r.refused > 42 {
			t.Errorf("%d of %d uses were refused, want about 40 of 61", r.refused, r.uses)
		}
		if r.gap < 18*time.Minute || r.gap > 21*time.Minute {
			t.Errorf("the longest time without a token is %s, want about 20 min", r.gap)
		}
		if r.least < 4*time.Minute || r.least > 5*time.Minute {
			t.Errorf("the least life is %s, want what ten minutes leave after a cache's time", r.least)
		}
		w.readers.refused = 0
		w.readers.unlucky(c)
		w.readers.wg.Wait()
		if w.readers.refused != 1 || w.readers.gap < 24*time.Minute {
			t.Errorf("the unlucky reader was refused %d times; the longest time without a token is %s", w.readers.refused, w.readers.gap)
		}
	})
}
