package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
)

// expectation checks one line; args are its words.
type expectation func(p *player, args []string) error

// expectations are the lines that want something. Those of a run need one in their step; those of the stores do not.
func expectations() map[string]expectation {
	return map[string]expectation{
		"result":    ofRun(wantResult),
		"counts":    ofRun(wantCounts),
		"refreshed": ofRun(entry(func(r refresh.Result) []refresh.Refreshed { return r.Refreshed })),
		"fresh":     ofRun(entry(func(r refresh.Result) []refresh.Kept { return r.Fresh })),
		"reused":    ofRun(entry(func(r refresh.Result) []refresh.Kept { return r.Reused })),
		"failed":    ofRun(entry(func(r refresh.Result) []refresh.Failed { return r.Failed })),
		"deferred":  ofRun(entry(func(r refresh.Result) []refresh.Deferred { return r.Deferred })),
		"plan":      ofRun(entry(func(r refresh.Result) []refresh.Planned { return r.Plan })),
		"order":     ofRun(wantOrder),
		"orphaned":  ofRun(wantOrphaned),
		"capacity":  ofRun(wantCapacity),
		"health":    ofRun(wantHealth),
		"report":    ofCheck(wantReport),
		"endpoint":  ofCheck(wantEndpoint),
		"attention": ofCheck(wantAttention),
		"error":     ofRun(wantError),
		"event":     ofRun(wantEvent),
		"notice":    ofRun(wantNotice),
		"calls":     ofRun(wantCalls),
		"aws":       ofRun(wantAWS),
		"read":      ofRun(wantRead),
		"took":      ofRun(wantTook),
		"cost":      wantCost,
		"token":     parameter(store.KindToken),
		"account":   parameter(store.KindAccount),
		"failure":   parameter(store.KindFailure),
		"none":      wantNone,
		"issued":    wantIssued,
	}
}

func (p *player) expect(l line, want expectation) error {
	text, err := p.expand(l.rest)
	if err != nil {
		return l.errorf("%w", err)
	}
	args, err := words(text)
	if err != nil && l.verb != "result" {
		return l.errorf("%w", err)
	}
	if l.verb == "result" {
		args = []string{text} // JSON has quotes of its own
	}
	if l.verb == "cost" {
		args = append([]string{l.at}, args...)
	}
	if err := want(p, args); err != nil {
		return l.errorf("%w", err)
	}
	return nil
}

// subject reads a line of a name and conditions.
func subject(args []string) (name string, want []condition, err error) {
	head, more, err := split(args, 1)
	if err != nil {
		return "", nil, err
	}
	want, err = conditions(more)
	return head[0], want, err
}

// ofRun is an expectation of a run: without one in the step it can only be a mistake.
func ofRun(want expectation) expectation {
	return func(p *player, args []string) error {
		if p.last == nil {
			return errors.New("there was no run in this step")
		}
		return want(p, args)
	}
}

// wantResult: result JSON, exactly what the function returns, with instants as T+….
func wantResult(p *player, args []string) error {
	var want bytes.Buffer
	if err := json.Compact(&want, []byte(args[0])); err != nil {
		return errors.New("wants the whole result as JSON")
	}
	got, err := json.Marshal(p.last.Result)
	if err != nil {
		return err
	}
	if text := p.w.plain(string(got)); text != want.String() {
		return fmt.Errorf("it is %s", text)
	}
	return nil
}

// wantCounts: the counts that are not named are 0.
func wantCounts(p *player, args []string) error {
	want, err := numbers(args)
	if err != nil {
		return err
	}
	got := p.w.viewOf(p.last.Result.Counts)
	got["connections"] = strconv.Itoa(p.last.Result.Connections)
	for _, name := range sortedKeys(want) {
		if _, known := got[name]; !known {
			return fmt.Errorf("there is no count %q", name)
		}
	}
	var wrong []string
	for _, name := range sortedKeys(got) {
		n, given := want[name]
		if given || name != "connections" {
			if got[name] != strconv.Itoa(n) {
				wrong = append(wrong, fmt.Sprintf("%s is %s, want %d", name, got[name], n))
			}
		}
	}
	if wrong != nil {
		return fmt.Errorf("%s%s", strings.Join(wrong, ", "), p.explain())
	}
	return nil
}

// explain tells what the run did, for a person who looks for the reason: a few of each kind.
func (p *player) explain() string {
	var b strings.Builder
	r := p.last.Result
	for _, x := range few(r.Refreshed) {
		fmt.Fprintf(&b, "\n\trefreshed %s %s version %d", x.Connection, x.Stage, x.Version)
	}
	for _, x := range few(slices.Concat(r.Fresh, r.Reused)) {
		fmt.Fprintf(&b, "\n\tkept %s: %s", x.Connection, p.w.plain(x.Reason))
	}
	for _, x := range few(r.Failed) {
		fmt.Fprintf(&b, "\n\tfailed %s %s %s: %s", x.Connection, x.Class, x.Code, p.w.plain(x.Message))
	}
	for _, x := range few(r.Deferred) {
		fmt.Fprintf(&b, "\n\tdeferred %s: %s", x.Connection, p.w.plain(x.Reason))
	}
	if p.last.Err != nil {
		fmt.Fprintf(&b, "\n\terror %v", p.last.Err)
	}
	return b.String()
}

func few[T any](list []T) []T { return list[:min(len(list), 6)] }

// numbers reads name=1 name=2.
func numbers(args []string) (map[string]int, error) {
	out := map[string]int{}
	for _, a := range args {
		name, text, ok := strings.Cut(a, "=")
		n, err := strconv.Atoi(text)
		if !ok || err != nil || name == "" {
			return nil, fmt.Errorf("%q is not name=number", a)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%s stands there twice", name)
		}
		out[name] = n
	}
	if len(out) == 0 {
		return nil, errors.New("wants name=number")
	}
	return out, nil
}

// entry is an expectation of one entry in a list of the result, by its connection.
func entry[T any](list func(refresh.Result) []T) expectation {
	return func(p *player, args []string) error {
		head, want, err := subject(args)
		if err != nil {
			return err
		}
		for _, x := range list(p.last.Result) {
			if v := p.w.viewOf(x); v["connection"] == head {
				return v.meets(want)
			}
		}
		return fmt.Errorf("%s is not in this list of the result%s", head, p.explain())
	}
}

// wantOrder: order LIST CONNECTION..., the whole list.
func wantOrder(p *player, args []string) error {
	if len(args) < 2 {
		return errors.New("wants a list of the result and the connections in it")
	}
	var got []string
	r := p.last.Result
	switch args[0] {
	case "plan":
		for _, x := range r.Plan {
			got = append(got, x.Connection)
		}
	case "failed":
		for _, x := range r.Failed {
			got = append(got, x.Connection)
		}
	case "deferred":
		for _, x := range r.Deferred {
			got = append(got, x.Connection)
		}
	case "asked":
		for _, ev := range p.last.Events {
			if ev.Kind == refresh.EventRequest {
				got = append(got, ev.Connection)
			}
		}
	default:
		return fmt.Errorf("there is no list %q", args[0])
	}
	if !slices.Equal(got, args[1:]) {
		return fmt.Errorf("%s is %s", args[0], strings.Join(got, " "))
	}
	return nil
}

func wantOrphaned(p *player, args []string) error {
	if len(args) == 0 {
		return errors.New("wants connections")
	}
	if !slices.Equal(p.last.Result.Orphaned, args) {
		return fmt.Errorf("orphaned are %q", p.last.Result.Orphaned)
	}
	return nil
}

func wantCapacity(p *player, args []string) error {
	return meet(p.w.viewOf(p.last.Result.Capacity), args)
}
func wantHealth(p *player, args []string) error { return meet(p.w.viewOf(p.last.Result.Health), args) }

func meet(v view, args []string) error {
	want, err := conditions(args)
	if err != nil {
		return err
	}
	if len(want) == 0 {
		return errors.New("wants at least one condition")
	}
	return v.meets(want)
}

// wantError: the function ended with an error that holds the text.
func wantError(p *player, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("wants one text in quotes")
	}
	p.excused["error"]++
	if p.last.Err == nil {
		return errors.New("the run did not fail")
	}
	if got := p.w.plain(p.last.Err.Error()); !strings.Contains(got, args[0]) {
		return fmt.Errorf("the error is %q", got)
	}
	return nil
}

// wantEvent: event KIND conditions: there is such an event.
func wantEvent(p *player, args []string) error {
	head, want, err := subject(args)
	if err != nil {
		return err
	}
	p.excused[head]++
	return p.anyEvent(func(ev refresh.Event) bool { return string(ev.Kind) == head }, want)
}

// wantNotice: notice NAME CONNECTION conditions; the connection is - for a notice about all.
func wantNotice(p *player, args []string) error {
	head, more, err := split(args, 2)
	if err != nil {
		return err
	}
	want, err := conditions(more)
	if err != nil {
		return err
	}
	name, connection := head[0], head[1]
	if connection == "-" {
		connection = ""
	}
	p.excused["notice "+name+" "+connection]++
	return p.anyEvent(func(ev refresh.Event) bool { return ev.Notice == name && ev.Connection == connection }, want)
}

func (p *player) anyEvent(fits func(refresh.Event) bool, want []condition) error {
	err := errors.New("there was no such event")
	for _, ev := range p.last.Events {
		if !fits(ev) {
			continue
		}
		if err = p.w.viewOf(ev).meets(want); err == nil {
			return nil
		}
	}
	return err
}

// wantCalls: providers that are not named got no call.
func wantCalls(p *player, args []string) error {
	want := map[string]int{}
	if !slices.Equal(args, []string{"none"}) {
		var err error
		if want, err = numbers(args); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(want) {
		if p.w.Provider(name) == nil {
			return fmt.Errorf("there is no provider %q", name)
		}
	}
	return sameNumbers(want, p.last.Calls)
}

func sameNumbers[K ~string](want map[string]int, got map[K]int) error {
	var wrong []string
	for name, n := range got {
		if n != want[string(name)] {
			wrong = append(wrong, fmt.Sprintf("%s got %d calls, want %d", name, n, want[string(name)]))
		}
	}
	for name, n := range want {
		if _, there := got[K(name)]; !there && n != 0 {
			wrong = append(wrong, fmt.Sprintf("%s got no call, want %d", name, n))
		}
	}
	slices.Sort(wrong)
	if wrong != nil {
		return errors.New(strings.Join(wrong, ", "))
	}
	return nil
}

// wantAWS: aws [only] Operation=n...; with only, there was no other operation.
func wantAWS(p *player, args []string) error {
	only := len(args) > 0 && args[0] == "only"
	if only {
		args = args[1:]
	}
	want, err := numbers(args)
	if err != nil {
		return err
	}
	got := map[awstest.Op]int{}
	for op, n := range p.last.AWS {
		if _, named := want[string(op)]; n > 0 && (only || named) {
			got[op] = n
		}
	}
	for _, op := range sortedKeys(want) {
		if !slices.Contains(operations(), awstest.Op(op)) {
			return fmt.Errorf("there is no operation %q", op)
		}
	}
	return sameNumbers(want, got)
}

// operations are those that the refresher has any use for.
func operations() []awstest.Op {
	return []awstest.Op{
		awstest.PutParameter, awstest.GetParameter, awstest.GetParameters, awstest.DeleteParameters,
		awstest.Scan, awstest.BatchGetItem, awstest.UpdateItem, awstest.DeleteItem,
		awstest.ListSecrets, awstest.DescribeSecret, awstest.GetSecretValue, awstest.BatchGetSecretValue,
	}
}

// wantRead: read N: so many secret values were given out.
func wantRead(p *player, args []string) error {
	if len(args) != 1 {
		return errors.New("wants a number")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if p.last.Read != n {
		return fmt.Errorf("%d secret values were read", p.last.Read)
	}
	return nil
}

// wantTook: took conditions on seconds.
func wantTook(p *player, args []string) error {
	return meet(view{"seconds": strconv.FormatFloat(p.last.Took.Seconds(), 'f', 3, 64)}, args)
}

// wantCost: cost "case" calls=n writes=n, exactly; a line of the table of costs.
func wantCost(p *player, args []string) error {
	at, args := args[0], args[1:]
	if p.last == nil {
		return errors.New("there was no run in this step")
	}
	head, more, err := split(args, 1)
	if err != nil {
		return err
	}
	want, err := numbers(more)
	if err != nil {
		return err
	}
	calls := 0
	for _, n := range p.last.Calls {
		calls += n
	}
	got := map[string]int{"calls": calls, "writes": p.last.Writes()}
	if len(want) != len(got) {
		return errors.New("wants calls=n writes=n")
	}
	p.costs = append(p.costs, Cost{Scenario: at, Case: head[0], Calls: calls, Writes: p.last.Writes()})
	return sameNumbers(want, got)
}

// parameter is an expectation of what is published for a connection.
func parameter(kind store.Kind) expectation {
	return func(p *player, args []string) error {
		head, want, err := subject(args)
		if err != nil {
			return err
		}
		v, ok := p.w.parameterView(head, kind)
		if !ok {
			return fmt.Errorf("there is no parameter %s", ParameterName(head, kind))
		}
		return v.meets(want)
	}
}

// wantNone: none token|account|failure CONNECTION, or none event KIND.
func wantNone(p *player, args []string) error {
	if len(args) != 2 {
		return errors.New("wants: none token|account|failure CONNECTION, or none event KIND")
	}
	switch args[0] {
	case "event":
		return p.noEvent(refresh.EventKind(args[1]))
	case "token", "account", "failure":
	default:
		return fmt.Errorf("%q is no kind of thing", args[0])
	}
	kind := map[string]store.Kind{"token": store.KindToken, "account": store.KindAccount, "failure": store.KindFailure}[args[0]]
	if !p.w.heardOf(args[1]) {
		return fmt.Errorf("there never was a connection %q", args[1])
	}
	if _, there := p.w.parameterView(args[1], kind); there {
		return fmt.Errorf("there is a parameter %s", ParameterName(args[1], kind))
	}
	return nil
}

func (p *player) noEvent(kind refresh.EventKind) error {
	if p.last == nil {
		return errors.New("there was no run in this step")
	}
	if !slices.Contains(kinds(), kind) {
		return fmt.Errorf("there is no kind of event %q", kind)
	}
	for _, ev := range p.last.Events {
		if ev.Kind == kind {
			return fmt.Errorf("there is one: %s %s", ev.Connection, p.w.plain(ev.Message))
		}
	}
	return nil
}

func kinds() []refresh.EventKind {
	return []refresh.EventKind{
		refresh.EventRequest, refresh.EventRefreshed, refresh.EventReused, refresh.EventFailed, refresh.EventFallback, refresh.EventRejected,
		refresh.EventNotice, refresh.EventUnrecorded, refresh.EventOrphanGone, refresh.EventEndpoint, refresh.EventUnwritable, refresh.EventUnverified, refresh.EventDiscovery,
	}
}

// wantIssued: issued CLIENT=n...
func wantIssued(p *player, args []string) error {
	want, err := numbers(args)
	if err != nil {
		return err
	}
	for _, client := range sortedKeys(want) {
		if !p.w.knows(client) {
			return fmt.Errorf("there never was a client %q", client)
		}
		if got := p.w.Minted(client); got != want[client] {
			return fmt.Errorf("%s was handed out %d tokens", client, got)
		}
	}
	return nil
}

// duration reads a Go duration that may be negative.
func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	return d, nil
}
