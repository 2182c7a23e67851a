package refresh_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const (
	shop   = "kiwify/main" // the connection of these tests
	period = 5 * time.Minute

	lifetime = time.Hour // of tokens
)

// Events of the function.
const (
	sweepEvent  = `{}`
	namedEvent  = `{"connections":["` + shop + `"]}`
	forcedEvent = `{"connections":["` + shop + `"],"force":true}`
)

// temper is how a provider treats the tokens that it issued before.
type temper struct {
	name         string
	settings     oauthtest.Settings
	refusesEarly bool // no new token for a client that has a live one
}

// patient reports whether no new token can be had before the end of the published one.
func (k temper) patient() bool { return k.refusesEarly || k.settings.SameToken }

func tempers() []temper {
	return []temper{
		{name: "tokens coexist"},
		{name: "a new token ends the older ones", settings: oauthtest.Settings{Evicts: true}},
		{name: "the same token again", settings: oauthtest.Settings{SameToken: true}},
		{name: "early renewal is refused", refusesEarly: true},
	}
}

// site is one connection and everything that outlives a process: the stores, the provider, and the lease that the table shows.
type site struct {
	t        *testing.T
	temper   temper
	aws      *awstest.World
	provider *oauthtest.Provider
	states   *dynamostate.Store // for assertions

	mu        sync.Mutex
	lease     lifecycle.Lease // zero: the item has none
	processes int
}

// newSite has the client credentials of one client, and no token yet.
func newSite(t *testing.T, k temper) *site {
	t.Helper()
	k.settings.Lifetime = lifetime
	s := &site{t: t, temper: k, aws: &awstest.World{HistoryLimit: 3}}
	s.provider = oauthtest.Kiwify(oauthtest.Options{Settings: k.settings, LogSize: 64})
	var err error
	s.states, err = dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: s.aws}, Table: awstest.StateTable})
	must(t, err)
	s.addClient("first")
	s.store("first")
	return s
}

// addClient makes the provider know a client; all clients belong to one account.
func (s *site) addClient(id string) {
	s.provider.Add(oauthtest.Client{ID: id, Secret: oauth.NewSecret("secret-of-" + id), AccountID: "store-main"})
}

func credentialsOf(id string) map[string]string {
	return map[string]string{"provider": "kiwify", "client_id": id, "client_secret": "secret-of-" + id}
}

// store makes the client credentials of a client AWSCURRENT.
func (s *site) store(id string) {
	s.t.Helper()
	raw, err := json.Marshal(credentialsOf(id))
	must(s.t, err)
	_, err = s.aws.PutSecret("oauth/"+shop, string(raw))
	must(s.t, err)
}

func (s *site) state() lifecycle.State {
	s.t.Helper()
	found, err := s.states.Get(context.Background(), []string{shop})
	must(s.t, err)
	return found[shop]
}

func (s *site) published() awstest.ParameterState {
	p, _ := s.aws.Parameter("/oauth/" + shop + "/access_token")
	return p
}

// served reports whether the provider accepts the published token.
func (s *site) served() bool { return s.provider.Validate(s.published().Value.Reveal()) }

func (s *site) issued() int { return s.provider.Total().Minted }

// newest is the newest token that was issued to a client.
func (s *site) newest(client string) oauthtest.Call {
	var newest oauthtest.Call
	for _, c := range s.provider.Calls() {
		if c.ClientID == client && c.TokenID != "" && !c.Reissued {
			newest = c
		}
	}
	return newest
}

// disagreement says where the state, the parameters and the provider differ, once nobody works any more; "" when they agree.
func (s *site) disagreement() string {
	p, state := s.published(), s.state()
	issued, _ := s.provider.Inspect(p.Value.Reveal())
	account, _ := s.aws.Parameter("/oauth/" + shop + "/account_id")
	_, complains := s.aws.Parameter("/oauth/" + shop + "/refresh_failure")
	switch t := state.Token; {
	case t == nil || t.Version != p.Version || t.TokenID != p.Value.Fingerprint():
		return fmt.Sprintf("the state does not describe version %d of the parameter", p.Version)
	case state.Leased(time.Now()):
		return state.Lease.Owner + " still has the lease"
	case account.Value.Reveal() != "store-main":
		return "account_id is wrong"
	case complains != (state.Failure != nil):
		return fmt.Sprintf("refresh_failure exists: %t, the state has a failure: %t", complains, state.Failure != nil)
	case s.temper.settings.Evicts && s.newest(issued.ClientID).TokenID != p.Value.Fingerprint():
		return "the published token is not the newest of its client"
	}
	return ""
}

// process is one process of the function: with its own clients, refresher and request id. around stands around each external call.
type process struct {
	*site
	id        string
	around    func(op string, call func() error) error
	refresher *refresh.Refresher
}

var catalogue = sync.OnceValues(provider.Load)

func (s *site) process(around func(op string, call func() error) error) *process {
	s.t.Helper()
	p := s.newProcess(around)
	guard := func(op awstest.Op, call func() error) error { return p.call(string(op), call) }
	p.wire(awstest.DirectSecrets{World: s.aws, Around: guard}, parametersOf{awstest.DirectParameters{World: s.aws, Around: guard}, p},
		awstest.DirectStates{World: s.aws, Around: guard})
	return p
}

func (s *site) newProcess(around func(op string, call func() error) error) *process {
	s.processes++
	return &process{site: s, id: fmt.Sprint("process-", s.processes), around: around}
}

// wire builds the refresher as the function does.
func (p *process) wire(sm smsecret.API, parameters ssmstore.API, table dynamostate.API) {
	p.t.Helper()
	secrets, err := smsecret.New(smsecret.Config{Client: sm, Prefix: "oauth/"})
	must(p.t, err)
	writer, err := ssmstore.New(ssmstore.Config{Client: parameters, Prefix: "/oauth"})
	must(p.t, err)
	states, err := dynamostate.New(dynamostate.Config{Client: table, Table: awstest.StateTable})
	must(p.t, err)
	client, err := oauth.New(oauth.Config{Transport: p, Rand: func() float64 { return 0.5 }})
	must(p.t, err)
	known, err := catalogue()
	must(p.t, err)
	p.refresher, err = refresh.New(refresh.Config{Leases: states, States: states, Secrets: secrets, Parameters: writer, Requester: client,
		Catalogue: known, SecretPrefix: "oauth/", Region: awstest.Region})
	must(p.t, err)
}

// run invokes the function with an event and the deadline of its Lambda function.
func (p *process) run(event string) (refresh.Result, error) {
	call, err := refresh.ParseCall([]byte(event))
	if err != nil {
		return refresh.Result{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 270*time.Second)
	defer cancel()
	return p.refresher.Run(ctx, call, refresh.Invocation{RequestID: p.id})
}

// Names of calls beside those of AWS.
const (
	tokenRequest = "token request"
	putToken     = "PutParameter access_token"
)

// parametersOf names writes by what they write.
type parametersOf struct {
	awstest.DirectParameters
	p *process
}

// PutParameter is the operation of that name.
func (c parametersOf) PutParameter(ctx context.Context, in *ssm.PutParameterInput, opts ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	named := c.DirectParameters
	named.Around = func(op awstest.Op, call func() error) error {
		return c.p.call(string(op)+" "+path.Base(aws.ToString(in.Name)), call)
	}
	return named.PutParameter(ctx, in, opts...)
}

// RoundTrip is the network of the process.
func (p *process) RoundTrip(r *http.Request) (res *http.Response, err error) {
	err = p.call(tokenRequest, func() (err error) {
		res, err = p.answer(r)
		return err
	})
	if err != nil && res != nil {
		_ = res.Body.Close()
		res = nil
	}
	return res, err
}

// answer is the provider's.
func (p *process) answer(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	if p.temper.refusesEarly && p.provider.LiveTokens(form.Get("client_id")) > 0 {
		text := `{"error":"invalid_request","error_description":"the access token has not expired"}`
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(bytes.NewReader([]byte(text)))}, nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return p.provider.Transport().RoundTrip(r)
}

// call carries out one external call, and checks who holds the lease before and after it.
func (p *process) call(op string, call func() error) error {
	return p.around(op, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if op == tokenRequest || op == putToken {
			if l := p.leaseInTable(); l.Owner != p.id || !time.Now().Before(l.Until) {
				p.t.Errorf("%s makes a %s without the lease: the holder is %+v", p.id, op, l)
			}
		}
		err := call()
		if op == string(awstest.UpdateItem) || op == string(awstest.DeleteItem) {
			p.watch(op)
		}
		return err
	})
}

// watch compares the lease in the table with the one before the write of p.
func (p *process) watch(op string) {
	was, now := p.lease, p.leaseInTable()
	p.lease = now
	if was.Owner != p.id && was != now && time.Now().Before(was.Until) {
		p.t.Errorf("two holders: %s of %s replaced the lease %+v by %+v", op, p.id, was, now)
	}
}

// leaseInTable is the zero Lease when there is none.
func (s *site) leaseInTable() lifecycle.Lease {
	if l := s.state().Lease; l != nil {
		return *l
	}
	return lifecycle.Lease{}
}

// sweep is a run that no crash ends.
func (s *site) sweep() refresh.Result {
	s.t.Helper()
	result, err := s.process(func(_ string, call func() error) error { return call() }).run(sweepEvent)
	must(s.t, err)
	return result
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }

// toDue waits until the published token is due, and where the provider issues no other token before its end, until then. The run that follows is
// the first one after that instant, and the one before came a minute too early.
func (s *site) toDue() {
	s.t.Helper()
	end := s.state().Token.ExpiresAt
	for s.temper.patient() {
		state := s.state()
		next := state.Token.RenewAt
		if state.Failure != nil {
			next = later(next, state.Failure.NextAt)
		}
		next = later(next, time.Now().Add(period))
		if next.Add(period).After(end) {
			sleepUntil(end)
			return
		}
		sleepUntil(next)
		s.sweep()
	}
	sleepUntil(s.state().Token.RenewAt.Add(period - time.Minute))
}

// collectLess collects garbage less often during a test that makes much of it and keeps none.
func collectLess(t *testing.T) {
	was := debug.SetGCPercent(800)
	t.Cleanup(func() { debug.SetGCPercent(was) })
}

var errDead = errors.New("this process has ended")
