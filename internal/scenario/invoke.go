package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Invocation is one invocation of the refresher or of the healthcheck, and everything that came of it.
type Invocation struct {
	Health *probe.Report // of a healthcheck; nil for the refresher
	Result refresh.Result
	Err    error           // of the function, or of the event
	Events []refresh.Event // in the order in which they were observed
	Began  time.Time
	Took   time.Duration
	Calls  map[string]int         // provider -> calls of its token endpoint
	AWS    map[awstest.Op]int     // operation -> calls, throttled and failed ones included
	Read   int                    // secret values that were given out
	Broken []string               // promises of the contract that were not kept, whatever the scenario is about
	writes []time.Time            // of PutParameter
	before map[string]publication // what was published
}

// publication is a token that readers can get.
type publication struct {
	value   oauth.Secret
	expires time.Time // as the state table says; zero when it says nothing
}

// Writes is the number of PutParameter calls.
func (in Invocation) Writes() int { return in.AWS[awstest.PutParameter] }

// Run invokes the refresher with an event and checks what holds for every run: a promise that was broken is in Broken.
func (w *World) Run(ctx context.Context, event string) Invocation {
	in := Invocation{Began: w.Now(), before: w.published()}
	calls, ops := w.TokenCalls(), w.AWS.Counts()
	alone := w.enter()
	defer w.leave()
	in.Result, in.Err = w.invoke(ctx, event, &in)
	in.Took = w.Now().Sub(in.Began)
	in.count(w, calls, ops)
	in.check(w, alone())
	for _, tell := range w.told {
		tell(in)
	}
	return in
}

func (w *World) invoke(ctx context.Context, event string, in *Invocation) (refresh.Result, error) {
	limit := w.Settings.Lambda
	if limit == 0 {
		limit = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	call, err := refresh.ParseCall([]byte(event))
	if err != nil {
		return refresh.Result{}, err
	}
	var mu sync.Mutex
	r, err := w.refresher()
	if err != nil {
		return refresh.Result{}, err
	}
	return r.Run(ctx, call, refresh.Invocation{RequestID: w.requestID(), Observe: func(ev refresh.Event) {
		mu.Lock()
		defer mu.Unlock()
		in.Events = append(in.Events, ev)
	}})
}

func (in *Invocation) count(w *World, calls map[string]int, ops map[awstest.Op]awstest.Counter) {
	in.Calls, in.AWS = map[string]int{}, map[awstest.Op]int{}
	for name, n := range w.TokenCalls() {
		in.Calls[name] = n - calls[name]
	}
	for op, c := range w.AWS.Counts() {
		in.AWS[op] = c.Calls - ops[op].Calls
		if op == awstest.GetSecretValue || op == awstest.BatchGetSecretValue {
			in.Read += c.Decrypted - ops[op].Decrypted
		}
	}
	log := w.AWS.Calls()
	for _, c := range log[max(0, len(log)-in.total()):] {
		if c.Op == awstest.PutParameter {
			in.writes = append(in.writes, c.At)
		}
		if c.Decrypts && strings.HasPrefix(string(c.Op), "GetParameter") {
			in.broken("%s decrypted %s: nothing that was published is ever read in clear", c.Op, strings.Join(c.Names, " "))
		}
	}
}

// total is the number of calls of all operations.
func (in *Invocation) total() int {
	n := 0
	for _, calls := range in.AWS {
		n += calls
	}
	return n
}

func (in *Invocation) broken(format string, args ...any) {
	in.Broken = append(in.Broken, fmt.Sprintf(format, args...))
}

// requestID is a new one for each run.
func (w *World) requestID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	return fmt.Sprint("run-", w.requests)
}

// enter notes that a run begins, and returns what tells whether another was under way at any time since.
func (w *World) enter() (alone func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
	w.entered++
	was, first := w.entered, w.running == 1
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return first && w.entered == was
	}
}

func (w *World) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
}

func (in *Invocation) check(w *World, alone bool) {
	if alone { // two refreshers have a pacer each
		in.checkPace(w)
	}
	in.checkPublished(w)
	in.checkLost(w)
	if in.Err == nil {
		in.checkBooks()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	in.emit(&w.out)
}

// checkPace: never more writes a second than allowed.
func (in *Invocation) checkPace(w *World) {
	for i := 1; i < len(in.writes); i++ {
		if gap := in.writes[i].Sub(in.writes[i-1]); gap < w.Settings.gap() {
			in.broken("two writes %v apart, at %v: %g a second are allowed", gap, w.Since(in.writes[i]), w.Settings.rate())
			return
		}
	}
}

// published is what readers could get, by connection.
func (w *World) published() map[string]publication {
	all := map[string]publication{}
	for _, name := range w.AWS.ParameterNames() {
		connection, ok := strings.CutSuffix(strings.TrimPrefix(name, ParameterPrefix+"/"), "/"+string(store.KindToken))
		if !ok {
			continue
		}
		p, _ := w.AWS.Parameter(name)
		all[connection] = publication{value: p.Value}
	}
	w.addExpiries(all)
	return all
}

// addExpiries fills in what the state table knows.
func (w *World) addExpiries(all map[string]publication) {
	for connection, p := range all {
		if t := w.State(connection).Token; t != nil {
			p.expires = t.ExpiresAt
			all[connection] = p
		}
	}
}

// checkPublished: what a run calls refreshed is what readers get, with a record that speaks of it.
func (in *Invocation) checkPublished(w *World) {
	for _, r := range in.Result.Refreshed {
		p, ok := w.AWS.Parameter(ParameterName(r.Connection, store.KindToken))
		t := w.State(r.Connection).Token
		switch name, text := w.Token(r.Connection); {
		case !ok || t == nil:
			in.broken("%s is refreshed, but there is no parameter, or no state of it", r.Connection)
		case p.Type != "SecureString" || !strings.Contains(p.Description, r.Connection):
			in.broken("%s was written as %s with the description %q", r.Connection, p.Type, p.Description)
		case t.TokenID != oauth.NewSecret(text).Fingerprint():
			in.broken("%s: the state describes another token than %s", r.Connection, name)
		case p.Version != r.Version || t.Version != p.Version:
			in.broken("%s: version %d in the result, %d published, %d in the state", r.Connection, r.Version, p.Version, t.Version)
		case !t.ExpiresAt.Equal(r.ExpiresAt):
			in.broken("%s: the result and the state name different expiries", r.Connection)
		}
	}
}

// checkLost: no published token that lives is ever lost, and none is replaced by what no provider handed out.
func (in *Invocation) checkLost(w *World) {
	after := w.published()
	for _, connection := range sortedKeys(in.before) {
		was := in.before[connection]
		now, there := after[connection]
		switch {
		case !there && in.Began.Before(was.expires.Add(24*time.Hour)):
			in.broken("%s: the published token is gone", connection)
		case there && !now.value.Equal(was.value):
			if name, _ := w.Token(connection); name == "?" {
				in.broken("%s: what is published now is no token of a provider", connection)
			}
		}
	}
}

// checkBooks: each connection is in exactly one of the lists, and the counts are complete.
func (in *Invocation) checkBooks() {
	r := in.Result
	if in.Result.Plan != nil {
		return // a dry run tells in the plan what would become of a connection
	}
	places := map[string]int{}
	for _, x := range r.Refreshed {
		places[x.Connection]++
	}
	for _, x := range slices.Concat(r.Fresh, r.Reused) {
		places[x.Connection]++
	}
	for _, x := range r.Failed {
		places[x.Connection]++
	}
	for _, x := range r.Deferred {
		places[x.Connection]++
	}
	for _, x := range r.Orphaned {
		places[x]++
	}
	for _, connection := range sortedKeys(places) {
		if places[connection] > 1 {
			in.broken("%s is in %d lists of the result", connection, places[connection])
		}
	}
	c := r.Counts
	if sum := c.Refreshed + c.Fresh + c.Reused + c.Failed + c.Deferred + c.Paused; sum > r.Connections || sum+c.Orphaned < r.Connections {
		in.broken("the result accounts for %d of %d connections", sum, r.Connections)
	}
}

// emit writes down what the run let out.
func (in *Invocation) emit(b *strings.Builder) {
	write := func(v any) {
		asJSON, err := json.Marshal(v)
		if err != nil {
			asJSON = []byte(err.Error())
		}
		fmt.Fprintf(b, "%s\n%+v\n", asJSON, v)
	}
	write(in.Result)
	for _, ev := range in.Events {
		write(ev)
	}
	if in.Err != nil {
		fmt.Fprintf(b, "%v\n%+v\n%#v\n", in.Err, in.Err, in.Err)
	}
}

// Emitted is everything that came out of all runs so far, and all that is stored in the open: descriptions, and the values of parameters
// that are not encrypted.
func (w *World) Emitted() string {
	var b strings.Builder
	w.mu.Lock()
	b.WriteString(w.out.String())
	w.mu.Unlock()
	b.WriteString(w.AWS.Snapshot(false))
	for _, name := range w.AWS.ParameterNames() {
		p, _ := w.AWS.Parameter(name)
		for _, v := range append(p.History, p) {
			b.WriteString(v.Description + "\n")
			if v.Type != "SecureString" {
				b.WriteString(v.Value.Reveal() + "\n")
			}
		}
	}
	return b.String()
}

// Canaries are the texts that must never come out, with their names: every client_secret and basic_token that the World made, and every
// token that a provider handed out.
func (w *World) Canaries() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.canaries)
}
