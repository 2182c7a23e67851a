package rotate_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// A crash is the end of an invocation before or after one of its external calls: nothing that it does later has any effect.
type crash struct {
	call  int // counted from 1 within one try of the process
	after bool
}

// life counts the external calls of one try and ends it where the crash says.
type life struct {
	mu    sync.Mutex
	crash crash
	calls int
	dead  bool
}

func (l *life) around(call func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead { // a deferred function of the invocation that has just ended
		runtime.Goexit()
	}
	l.calls++
	met := l.calls == l.crash.call
	if met && !l.crash.after {
		l.die()
	}
	err := call()
	if met {
		l.die()
	}
	return err
}

// die ends the goroutine of the invocation.
func (l *life) die() {
	l.dead = true
	runtime.Goexit()
}

// tale is a rotation as it may go.
type tale struct {
	name string
	kind kind
	// prepare stages the pair.
	prepare func(*harness)
	// promoted happens when the new version becomes AWSCURRENT for the first time.
	promoted func(*harness)
	goesLive bool // the new version must end as AWSCURRENT
	stays    bool // the old one must
	deadPair bool // AWSCURRENT's pair may be dead in the end: nobody can have a living token of it
}

func tales() []tale {
	var all []tale
	for _, k := range []struct {
		name string
		kind kind
	}{
		{"tokens coexist", coexisting()},
		{"a new token evicts the older ones of its client", generic(oauthtest.Settings{Evicts: true})},
		{"removing a client revokes its tokens", generic(oauthtest.Settings{Evicts: true, RevokeOnRemove: true})},
	} {
		all = append(all,
			tale{name: k.name + "; a good pair", kind: k.kind, goesLive: true,
				prepare: func(h *harness) { h.stageNew("new") }},
			tale{name: k.name + "; a bad pair", kind: k.kind, stays: true,
				prepare: func(h *harness) { h.stage(pairOf("unknown")) }},
			tale{name: k.name + "; a wrong secret of the same client", kind: k.kind, stays: true,
				prepare: func(h *harness) {
					h.stage(toJSON(map[string]string{"client_id": "client-old", "client_secret": "another-secret-0123456789"}))
				}},
			tale{name: k.name + "; the secret was reset, the old one is dead", kind: k.kind, goesLive: true,
				prepare: func(h *harness) {
					h.provider.Update("client-old", func(c *oauthtest.Client) { c.Secret = oauth.NewSecret("reset-secret-0123456789") })
					h.stage(toJSON(map[string]string{"client_id": "client-old", "client_secret": "reset-secret-0123456789"}))
				}},
			tale{name: k.name + "; one pair only, the old client is gone", kind: k.kind, goesLive: true,
				prepare: func(h *harness) { h.stageNew("new"); h.provider.Remove("client-old") }},
			tale{name: k.name + "; the pair dies right after the promotion", kind: k.kind, deadPair: true,
				prepare:  func(h *harness) { h.stageNew("new") },
				promoted: func(h *harness) { h.provider.Remove("client-new") }},
			tale{name: k.name + "; no candidate", kind: k.kind, stays: true, prepare: func(*harness) {}},
		)
	}
	return all
}

// run plays a tale with crashes: the first in the first try, the second in the second, and so on; then tries without one until the process
// succeeds or is over. It returns the number of external calls of the first try without a crash.
func (tl tale) run(t *testing.T, schedule []crash) int {
	h := newHarness(t, tl.kind)
	h.driver.Tries = len(schedule) + 4
	h.sweep() // the old pair's token is published
	old := h.holder(store.StageCurrent)
	tl.prepare(h)
	r := h.start()
	tl.watch(h, old, r.Token)
	calls := 0
	for try := 0; try < h.driver.Tries; try++ {
		l := &life{}
		if try < len(schedule) {
			l.crash = schedule[try]
		}
		h.around = l.around
		r.Try(context.Background())
		h.around = nil
		if try == len(schedule) {
			calls = l.calls
		}
		if r.Err == nil || try >= len(schedule) && !transient(r.Err) {
			break
		}
		pause(time.Minute)
	}
	tl.check(h, r, old)
	return calls
}

func pause(d time.Duration) { time.Sleep(d) }

// watch looks at every stage that moves.
func (tl tale) watch(h *harness, old, token string) {
	once := false
	h.aws.AfterCall(func(op awstest.Op, _ string) {
		if op != awstest.UpdateSecretVersionStage && op != awstest.PutSecretValue {
			return
		}
		s := h.secret()
		currents := 0
		for _, v := range s.Versions {
			if slices.Contains(v.Stages, store.StageCurrent) {
				currents++
				if v.Value.IsZero() {
					h.t.Error("AWSCURRENT has no value")
				}
			}
		}
		if currents != 1 {
			h.t.Errorf("%d versions are AWSCURRENT", currents)
		}
		now := s.Stages[store.StageCurrent]
		if now == token && !once {
			once = true
			if tl.stays {
				h.t.Error("an untested version is AWSCURRENT")
			}
			if tl.promoted != nil {
				tl.promoted(h)
			}
		}
		if now != token && now != old {
			h.t.Errorf("AWSCURRENT is on %s", now)
		}
	})
}

// check lets the refresher come to rest, and looks at what is left.
func (tl tale) check(h *harness, r *awstest.Rotation, old string) {
	s := h.secret()
	current := s.Stages[store.StageCurrent]
	if pending := s.Stages[store.StagePending]; pending != "" && pending != current {
		h.t.Errorf("stuck: AWSPENDING is left on %s (%v)", pending, r.Err)
	}
	if tl.goesLive && current != r.Token {
		h.t.Errorf("the new pair is not AWSCURRENT: %v", r.Err)
	}
	if tl.goesLive && s.Stages[store.StageCandidate] != "" {
		h.t.Error("the candidate was not consumed")
	}
	if tl.stays && current != old {
		h.t.Error("the old pair is not AWSCURRENT")
	}
	if bad := s.Stages[store.StagePrevious]; bad != "" && bad == r.Token && s.Stages[store.StageRejected] != bad {
		h.t.Error("AWSPREVIOUS is on a version that was refused")
	}
	for range 3 {
		pause(5 * time.Minute)
		if done := h.sweep(); done.Counts.Fresh == 1 {
			break
		}
	}
	h.wantConsistent()
	token, rec := h.published()
	if standIn := tl.deadPair && rec != nil && rec.Current == current; rec == nil || rec.Credential != current && !standIn {
		h.t.Errorf("the published token comes from %v, AWSCURRENT is %s", rec, current)
	}
	alive := h.provider.Validate(token)
	if dead := tl.deadPair && current == r.Token; !alive && !dead {
		h.t.Errorf("the published token is dead; last error: %v", r.Err)
	}
}

func transient(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && e.Temporary()
}

// explorer walks the tree of schedules of one tale. A crash before a call leaves what a crash after the call before it leaves, since between two
// external calls an invocation can do nothing that outlives it. The schedules with a single crash show that: both kinds are run. Of the others
// only the crashes after a call are.
type explorer struct {
	t      *testing.T
	tale   tale
	every  [3]int // of the schedules with a crash more than so many, one of how many is run
	passed int
	counts [4]int // schedules that were run, by their number of crashes
	where  []crash
}

// walk runs a schedule, and goes on to those that have one crash more.
func (x *explorer) walk(schedule []crash) {
	calls := x.run(schedule)
	if len(schedule) == 3 || calls == 0 {
		return
	}
	x.step(schedule, crash{1, false})
	for n := 1; n <= calls && !x.t.Failed(); n++ {
		x.step(schedule, crash{n, true})
		if len(schedule) == 0 && n < calls && !x.t.Failed() {
			x.run([]crash{{n + 1, false}})
		}
	}
}

func (x *explorer) run(schedule []crash) (calls int) {
	x.where = schedule
	x.counts[len(schedule)]++
	return x.tale.run(x.t, schedule)
}

func (x *explorer) step(schedule []crash, c crash) {
	if every := x.every[len(schedule)]; every > 1 {
		if x.passed++; x.passed%every != 0 {
			return
		}
	}
	x.walk(append(slices.Clone(schedule), c))
}

// TestCrashExploration: whenever an invocation dies, however often, the tries after it bring the rotation to its end, and nothing is ever stuck,
// current without having been tested, or published from another version than AWSCURRENT. Every external call may be its last: those of Secrets
// Manager, the state table (Get, Claim, Commit, Release), SSM and the provider.
func TestCrashExploration(t *testing.T) {
	var mu sync.Mutex
	var counts [4]int
	t.Run("tales", func(t *testing.T) {
		for i, tl := range tales() {
			if testing.Short() && i%3 != 1 {
				continue
			}
			t.Run(tl.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					x := &explorer{t: t, tale: tl, every: [3]int{1, thin(everySecond), thin(everyThird)}}
					x.walk(nil)
					if t.Failed() {
						t.Errorf("the schedule was %+v", x.where)
					}
					mu.Lock()
					defer mu.Unlock()
					for i, n := range x.counts {
						counts[i] += n
					}
				})
			})
		}
	})
	if t.Failed() {
		return
	}
	total := counts[1] + counts[2] + counts[3]
	t.Logf("%d schedules were run: %d with one crash, %d with two, %d with three; 0 ended wrong", total, counts[1], counts[2], counts[3])
	if !testing.Short() && total < leastSchedules {
		t.Errorf("%d schedules, want at least %d", total, leastSchedules)
	}
}

// thin leaves out more under -short.
func thin(every int) int {
	if testing.Short() {
		return 200 * every
	}
	return every
}
