package rotate_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// stepsEach is how many things happen in one story.
const stepsEach = 50

// TestMachine lets people, Secrets Manager, the refresher and death do what they like, in any order, and looks at the secret after each of it.
func TestMachine(t *testing.T) {
	want := leastSteps
	stories := want/stepsEach + 1
	if testing.Short() { // package rapid itself makes a fifth of it then
		stories /= 10
		want /= 60
	}
	if total := playStories(t, stories); total < want {
		t.Errorf("%d steps, want %d", total, want)
	}
}

// playStories plays stories and returns how many steps they had together.
func playStories(t *testing.T, stories int) (total int) {
	t.Helper()
	was := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", fmt.Sprint(stories)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("rapid.checks", was) }()
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, func() {
			m := newMachine(rt)
			for range stepsEach {
				m.act()
				m.look()
				total++
			}
			m.rest()
		})
	})
	t.Logf("%d steps; 0 ended wrong", total)
	return total
}

// inBubble runs f in virtual time, and carries its panic, by which package rapid ends a story, out of the bubble.
func inBubble(t *testing.T, f func()) {
	t.Helper()
	var ended any
	synctest.Test(t, func(*testing.T) {
		defer func() { ended = recover() }()
		f()
	})
	if ended != nil {
		panic(ended)
	}
}

// machine is one story.
type machine struct {
	*harness

	rt       *rapid.T
	rotation *awstest.Rotation
	made     int             // clients
	trusted  map[string]bool // versions that a person put live
	rotating bool            // the rotator is at work
}

func newMachine(rt *rapid.T) *machine {
	kinds := []kind{coexisting(), generic(oauthtest.Settings{Evicts: true}), generic(oauthtest.Settings{RevokeOnRemove: true})}
	m := &machine{harness: newHarness(rt, rapid.SampledFrom(kinds).Draw(rt, "provider")), rt: rt, trusted: map[string]bool{}}
	m.trusted[m.holder(store.StageCurrent)] = true
	m.aws.AfterCall(func(op awstest.Op, _ string) {
		if op == awstest.UpdateSecretVersionStage && m.rotating {
			m.wantTested()
		}
	})
	return m
}

// wantTested: what the rotator makes AWSCURRENT has had a token of the provider, or was AWSCURRENT before by somebody's hand.
func (m *machine) wantTested() {
	s := m.secret()
	v := s.Version(store.StageCurrent)
	if m.trusted[v.ID] {
		return
	}
	for i := 0; i <= m.made; i++ {
		id := clientName(i)
		if v.Value.Reveal() == m.merged(id) && m.provider.Stats("client-"+id).Minted > 0 {
			return
		}
	}
	m.t.Errorf("an untested version is AWSCURRENT")
}

func clientName(i int) string {
	if i == 0 {
		return "old"
	}
	return fmt.Sprint("n", i)
}

// merged is the document that a rotation makes of a client's pair.
func (m *machine) merged(id string) string { return m.document(id, nil) }

func (m *machine) act() {
	acts := map[string]func(){
		"stage a good pair":     func() { m.made++; m.stageNew(clientName(m.made)) },
		"stage a bad pair":      func() { m.stage(pairOf("unknown")) },
		"stage the same again":  func() { m.stage(pairOf(clientName(m.made))) },
		"rotate":                m.begin,
		"step":                  func() { m.step(rapid.SampledFrom(rotate.Steps()).Draw(m.rt, "step"), crash{}) },
		"die":                   m.die,
		"try":                   m.try,
		"try again":             m.try,
		"sweep":                 func() { m.sweep() },
		"wait":                  func() { pause(time.Duration(rapid.IntRange(1, 600).Draw(m.rt, "seconds")) * time.Second) },
		"put a pair live":       m.putLive,
		"move AWSCURRENT back":  m.moveBack,
		"take AWSPENDING off":   func() { m.must(m.aws.MoveStage(secretID, store.StagePending, "")) },
		"take CANDIDATE off":    func() { m.must(m.aws.MoveStage(secretID, store.StageCandidate, "")) },
		"delete an old client":  m.deleteClient,
		"stage the AWSCURRENT":  func() { m.must(m.aws.MoveStage(secretID, store.StageCandidate, m.holder(store.StageCurrent))) },
		"pause and go on again": m.pauseTag,
	}
	names := sortedNames(acts)
	acts[rapid.SampledFrom(names).Draw(m.rt, "act")]()
}

func (m *machine) begin() {
	r, err := m.driver.Start(secretID)
	if err == nil {
		m.rotation = r
	}
}

func (m *machine) step(s rotate.Step, c crash) {
	if m.rotation == nil {
		return
	}
	m.around, m.rotating = (&life{crash: c}).around, true
	err := m.rotation.Step(context.Background(), string(s))
	m.around, m.rotating = nil, false
	m.wantEnded(err)
}

func (m *machine) die() {
	m.step(rapid.SampledFrom(rotate.Steps()).Draw(m.rt, "step"), crash{rapid.IntRange(1, 20).Draw(m.rt, "call"), rapid.Bool().Draw(m.rt, "after")})
}

func (m *machine) try() {
	if m.rotation == nil {
		return
	}
	m.rotating = true
	m.rotation.Try(context.Background())
	m.rotating = false
	m.wantEnded(m.rotation.Err)
}

// wantEnded: after a permanent failure the next RotateSecret is accepted.
func (m *machine) wantEnded(err error) {
	var e *rotate.Error
	if !errors.As(err, &e) || e.Transient {
		return
	}
	if m.holder(store.StagePending) == m.rotation.Token && m.holder(store.StageCurrent) != m.rotation.Token {
		m.t.Errorf("AWSPENDING is left behind by %v", err)
	}
}

func (m *machine) putLive() {
	m.made++
	m.addClient(clientName(m.made))
	id, err := m.aws.PutSecret(secretID, m.merged(clientName(m.made)))
	m.must(err)
	m.trusted[id] = true
}

func (m *machine) moveBack() {
	if id := m.holder(store.StagePrevious); id != "" {
		m.trusted[id] = true
		m.must(m.aws.MoveStage(secretID, store.StageCurrent, id))
	}
}

func (m *machine) deleteClient() {
	m.provider.Remove("client-" + clientName(rapid.IntRange(0, m.made).Draw(m.rt, "client")))
}

func (m *machine) pauseTag() {
	m.must(m.aws.TagSecret(secretID, "chaveiro:paused", "true"))
	m.try()
	m.must(m.aws.UntagSecret(secretID, "chaveiro:paused"))
}

// look holds what must hold at every moment.
func (m *machine) look() {
	s := m.secret()
	if v := s.Version(store.StageCurrent); v.ID == "" || v.Value.IsZero() {
		m.t.Fatalf("AWSCURRENT is on %q, without a value", v.ID)
	}
	if n := len(s.Stages); n > 20 {
		m.t.Errorf("%d stages", n)
	}
}

// rest lets everything come to its end: the rotation, and the refresher.
func (m *machine) rest() {
	for try := 0; m.rotation != nil; try++ {
		m.try()
		if !transient(m.rotation.Err) {
			break
		}
		if try > 5 {
			m.t.Fatalf("stuck: %v", m.rotation.Err)
		}
		pause(time.Minute)
	}
	current := m.holder(store.StageCurrent)
	if pending := m.holder(store.StagePending); pending != "" && pending != current {
		r, err := m.driver.Resume(context.Background(), secretID) // Secrets Manager takes up what is not complete
		m.must(err)
		if m.holder(store.StagePending) == r.Token && m.holder(store.StageCurrent) != r.Token {
			m.t.Errorf("stuck: %v", r.Err)
		}
		current = m.holder(store.StageCurrent)
	}
	var last refresh.Result
	for range 20 { // a latched connection is asked every hour
		pause(5 * time.Minute)
		if last = m.sweep(); last.Counts.Fresh == 1 {
			break
		}
	}
	token, rec := m.published()
	works := false
	for i := 0; i <= m.made; i++ {
		_, there := m.provider.Lookup("client-" + clientName(i))
		works = works || there && m.secret().Version(store.StageCurrent).Value.Reveal() == m.merged(clientName(i))
	}
	if !works {
		return // AWSCURRENT's pair is dead: nobody can have a token of it
	}
	if rec == nil || rec.Credential != current || !m.provider.Validate(token) {
		m.t.Errorf("the published token is %+v, AWSCURRENT %s; %+v", rec, current, last)
	}
}
