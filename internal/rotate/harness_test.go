package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/publish"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const (
	shop      = "tenant/main" // the connection
	secretID  = "oauth/" + shop
	tokenName = "/oauth/" + shop + "/access_token"
	lambdaARN = "arn:aws:lambda:sa-east-1:123456789012:function:chaveiro-rotator"
)

// tb is what a harness wants of a test, also of one of package rapid.
type tb interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// harness is a rotator and a refresher over the real adapters, in process. Where time matters it is made inside a synctest bubble.
type harness struct {
	t         tb
	kind      kind
	aws       *awstest.World
	provider  *oauthtest.Provider
	network   http.RoundTripper
	catalogue provider.Catalogue
	around    func(call func() error) error // stands around every external call; nil: nothing does

	secrets    rotate.Secrets // what the rotator gets
	states     *dynamostate.Store
	leases     rotate.Leases
	parameters *ssmstore.Store
	refresher  *refresh.Refresher
	change     func(*rotate.Config)
	driver     *awstest.Rotator
	function   string // ARN of the rotator; "" as in a local run

	mu          sync.Mutex
	invocations int
	audits      []rotate.Audit
	events      []refresh.Event
	answers     []error // of the rotator
}

// newHarness has one connection whose client credentials "old" the provider knows, and no token now. A token was published for its document before,
// as its item says.
func newHarness(t tb, k kind) *harness {
	t.Helper()
	h := &harness{t: t, kind: k, aws: &awstest.World{HistoryLimit: 3}, catalogue: catalogue(), function: lambdaARN}
	h.provider = k.make(oauthtest.Options{Settings: k.settings, LogSize: 64})
	h.network = oauthtest.NewNetwork(h.provider)
	h.addClient("old")
	h.wire()
	h.putDocument(h.document("old", nil))
	return h
}

var catalogue = sync.OnceValue(func() provider.Catalogue {
	c, err := provider.Load()
	if err != nil {
		panic(err)
	}
	return c
})

func (h *harness) wire() {
	guard := func(_ awstest.Op, call func() error) error { return h.guard(call) }
	sm := awstest.DirectSecrets{World: h.aws, Around: guard}
	versions, err := smsecret.NewVersions(smsecret.VersionsConfig{Client: sm})
	h.must(err)
	secrets, err := smsecret.New(smsecret.Config{Client: sm, Prefix: "oauth/"})
	h.must(err)
	h.parameters, err = ssmstore.New(ssmstore.Config{Client: awstest.DirectParameters{World: h.aws, Around: guard}, Prefix: "/oauth"})
	h.must(err)
	h.states, err = dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: h.aws, Around: guard}, Table: awstest.StateTable})
	h.must(err)
	h.refresher, err = refresh.New(refresh.Config{Leases: h.states, States: h.states, Secrets: secrets, Parameters: h.parameters,
		Requester: h.client(), Catalogue: h.catalogue, SecretPrefix: "oauth/", Region: awstest.Region})
	h.must(err)
	h.secrets, h.leases = versions, h.states
	h.driver = &awstest.Rotator{World: h.aws, Function: lambdaARN, Invoke: h.invoke}
}

func (h *harness) client() *oauth.Client {
	c, err := oauth.New(oauth.Config{Transport: h})
	h.must(err)
	return c
}

// RoundTrip is the network of the client: guarded as every external call.
func (h *harness) RoundTrip(r *http.Request) (res *http.Response, err error) {
	err = h.guard(func() (err error) {
		res, err = h.network.RoundTrip(r)
		return err
	})
	if err != nil && res != nil {
		_ = res.Body.Close()
		res = nil
	}
	return res, err
}

func (h *harness) guard(call func() error) error {
	if h.around == nil {
		return call()
	}
	return h.around(call)
}

// rotator is that of a cold start.
func (h *harness) rotator() *rotate.Rotator {
	h.t.Helper()
	cfg := rotate.Config{Secrets: h.secrets, Leases: h.leases, States: h.states, Publisher: publish.New(h.parameters, publish.NewPacer(3, nil)),
		Requester: h.client(), Catalogue: h.catalogue, SecretPrefix: "oauth/", Region: awstest.Region, VerifyCall: h}
	if h.change != nil {
		h.change(&cfg)
	}
	r, err := rotate.New(cfg)
	h.must(err)
	return r
}

// errDead is what the caller of an invocation gets that did not live to its end.
var errDead = errors.New("this invocation is dead")

// invoke is the Lambda function. The invocation has a goroutine of its own, which an external call may end.
func (h *harness) invoke(ctx context.Context, event []byte) error {
	h.mu.Lock()
	h.invocations++
	in := rotate.Invocation{RequestID: fmt.Sprint("rotator-", h.invocations), FunctionARN: h.function, Observe: h.observe}
	h.mu.Unlock()
	rotator := h.rotator()
	done := make(chan error, 1)
	go func() {
		err := errDead
		defer func() { done <- err }()
		ev, invalid := rotate.ParseEvent(event)
		if err = invalid; err == nil {
			err = errDead
			err = rotator.Handle(ctx, ev, in)
		}
	}()
	err := <-done
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers = append(h.answers, err)
	return err
}

func (h *harness) observe(a rotate.Audit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.audits = append(h.audits, a)
}

func (h *harness) observeRefresh(ev refresh.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, ev)
}

// putDocument makes a document AWSCURRENT, and lets the item say that a token was published for its configuration.
func (h *harness) putDocument(document string) {
	h.t.Helper()
	_, err := h.aws.PutSecret(secretID, document)
	h.must(err)
	state := h.state()
	state.ID = shop
	state.Configuration, err = connection.Configuration(oauth.NewSecret(document))
	h.must(err)
	_, err = h.states.Update(context.Background(), state)
	h.must(err)
}

// stage puts a pair as CANDIDATE, as a person does, and returns the version.
func (h *harness) stage(value string) string {
	h.t.Helper()
	id, err := h.aws.StageSecret(secretID, store.StageCandidate, value)
	h.must(err)
	return id
}

// stageNew makes a client at the provider and stages its pair.
func (h *harness) stageNew(id string) string {
	h.t.Helper()
	h.addClient(id)
	return h.stage(pairOf(id))
}

// sweep is a run of the refresher.
func (h *harness) sweep() refresh.Result {
	h.t.Helper()
	return h.run(refresh.Call{})
}

// run is a run of the refresher with a call.
func (h *harness) run(call refresh.Call) refresh.Result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	h.mu.Lock()
	h.invocations++
	in := refresh.Invocation{RequestID: fmt.Sprint("refresher-", h.invocations), Observe: h.observeRefresh}
	h.mu.Unlock()
	result, err := h.refresher.Run(ctx, call, in)
	h.must(err)
	return result
}

// rotate is RotateSecret with all that follows.
func (h *harness) rotate() *awstest.Rotation {
	h.t.Helper()
	r, err := h.driver.Rotate(context.Background(), secretID)
	h.must(err)
	return r
}

// start is RotateSecret; nothing is invoked yet.
func (h *harness) start() *awstest.Rotation {
	h.t.Helper()
	r, err := h.driver.Start(secretID)
	h.must(err)
	return r
}

// steps runs the given steps, which must succeed.
func (h *harness) steps(r *awstest.Rotation, steps ...rotate.Step) {
	h.t.Helper()
	for _, s := range steps {
		if err := r.Step(context.Background(), string(s)); err != nil {
			h.t.Fatalf("%s: %v", s, err)
		}
	}
}

func (h *harness) secret() awstest.SecretState {
	s, ok := h.aws.Secret(secretID)
	if !ok {
		h.t.Fatal("the secret is gone")
	}
	return s
}

func (h *harness) holder(stage string) string { return h.secret().Stages[stage] }

// state is the item of the connection; the zero State when there is none.
func (h *harness) state() lifecycle.State {
	item := h.aws.SDKItem(shop)
	if item == nil {
		return lifecycle.State{}
	}
	return dynamostate.Decode(item)
}

// token is a published token and what the item says of it.
type token struct {
	lifecycle.Token

	Current string // version id of AWSCURRENT then
}

// published is the token's parameter and what is known of it, nil when nothing is.
func (h *harness) published() (string, *token) {
	h.t.Helper()
	p, ok := h.aws.Parameter(tokenName)
	state := h.state()
	if !ok || state.Token == nil {
		return p.Value.Reveal(), nil
	}
	return p.Value.Reveal(), &token{Token: *state.Token, Current: state.Current}
}

// wantConsistent: nobody holds the lease, but for one that a dead invocation left and that has run out, and the item describes the parameter.
func (h *harness) wantConsistent() {
	h.t.Helper()
	state := h.state()
	if state.Leased(time.Now()) {
		h.t.Errorf("the lease is left behind: %+v", state.Lease)
	}
	p, ok := h.aws.Parameter(tokenName)
	if ok != (state.Token != nil) {
		h.t.Errorf("the parameter exists: %v; the item has a token: %v", ok, state.Token != nil)
	}
	if state.Token != nil && (state.Token.Version != p.Version || state.Token.TokenID != p.Value.Fingerprint()) {
		h.t.Errorf("the item describes version %d (%s), the parameter is version %d (%s)",
			state.Token.Version, state.Token.TokenID, p.Version, p.Value.Fingerprint())
	}
}

// fails runs a step that must fail with a code, and returns its error.
func (h *harness) fails(r *awstest.Rotation, s rotate.Step, code rotate.Code) *rotate.Error {
	h.t.Helper()
	return h.isError(r.Step(context.Background(), string(s)), code)
}

func (h *harness) isError(err error, code rotate.Code) *rotate.Error {
	h.t.Helper()
	var e *rotate.Error
	if !errors.As(err, &e) || e.Code != code {
		h.t.Fatalf("error %v, want %s", err, code)
	}
	return e
}

func (h *harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) wantStages(want map[string]string) {
	h.t.Helper()
	got := h.secret().Stages
	for stage, id := range want {
		if got[stage] != id {
			h.t.Errorf("%s is on %q, want %q (all: %v)", stage, got[stage], id, got)
		}
	}
}

// writes counts the calls that change a secret.
func (h *harness) writes() int {
	return h.aws.Count(awstest.PutSecretValue).Calls + h.aws.Count(awstest.UpdateSecretVersionStage).Calls
}

// said reports whether an event of a kind was told.
func (h *harness) said(k rotate.EventKind) []rotate.Audit {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []rotate.Audit
	for _, a := range h.audits {
		if a.Kind == k {
			found = append(found, a)
		}
	}
	return found
}

// printed is all that left the rotator.
func (h *harness) printed() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, a := range h.audits {
		fmt.Fprintf(&b, "%+v\n%s\n", a, toJSON(a))
	}
	for _, e := range h.events {
		fmt.Fprintf(&b, "%+v\n", e)
	}
	for _, err := range h.answers {
		fmt.Fprintf(&b, "%v\n%+v\n%#v\n", err, err, err)
	}
	return b.String()
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
