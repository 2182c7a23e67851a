package refresh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

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

// installation is a refresher over the real adapters and the real AWS SDK, against stores and providers in process. It is made inside a
// synctest bubble, so that hours pass at once.
type installation struct {
	t       *testing.T
	aws     *awstest.World
	kiwify  *oauthtest.Provider
	hotmart *oauthtest.Provider
	network oauthtest.Network
	change  func(*refresh.Config)

	once   sync.Once
	config refresh.Config
	states *dynamostate.Store

	mu     sync.Mutex
	runs   int
	events []refresh.Event
}

func install(t *testing.T) *installation {
	t.Helper()
	in := &installation{t: t, aws: &awstest.World{HistoryLimit: 5}, kiwify: oauthtest.Kiwify(oauthtest.Options{}), hotmart: oauthtest.Hotmart(oauthtest.Options{})}
	in.network = oauthtest.NewNetwork(in.kiwify, in.hotmart)
	return in
}

// refresher as functions/refresher wires it.
func (in *installation) refresher() *refresh.Refresher {
	in.t.Helper()
	r, err := refresh.New(in.refresherConfig())
	must(in.t, err)
	return r
}

func (in *installation) refresherConfig() refresh.Config {
	in.t.Helper()
	in.once.Do(func() {
		secrets, err := smsecret.New(smsecret.Config{Client: in.aws.SecretsManager(), Prefix: "oauth/"})
		must(in.t, err)
		parameters, err := ssmstore.New(ssmstore.Config{Client: in.aws.SSM(), Prefix: "/oauth"})
		must(in.t, err)
		in.states, err = dynamostate.New(dynamostate.Config{Client: in.aws.DynamoDB(), Table: awstest.StateTable})
		must(in.t, err)
		catalogue, err := provider.Load()
		must(in.t, err)
		client, err := oauth.New(oauth.Config{Transport: in.network})
		must(in.t, err)
		in.config = refresh.Config{Leases: in.states, States: in.states, Secrets: secrets, Parameters: parameters, Requester: client, Catalogue: catalogue,
			SecretPrefix: "oauth/", Region: awstest.Region}
	})
	config := in.config
	if in.change != nil {
		in.change(&config)
	}
	return config
}

func (in *installation) observe(ev refresh.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.events = append(in.events, ev)
}

// run invokes the refresher with an event and the deadline of its Lambda function.
func (in *installation) run(event string) (refresh.Result, error) {
	in.t.Helper()
	call, err := refresh.ParseCall([]byte(event))
	must(in.t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 270*time.Second)
	defer cancel()
	return in.refresher().Run(ctx, call, in.invocation())
}

// invocation is a run with a request id of its own.
func (in *installation) invocation() refresh.Invocation {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.runs++
	return refresh.Invocation{RequestID: fmt.Sprint("run-", in.runs), Observe: in.observe}
}

// sweep runs the schedule's event, which must not fail as a whole.
func (in *installation) sweep() refresh.Result {
	in.t.Helper()
	result, err := in.run(`{}`)
	must(in.t, err)
	return result
}

// connect stores a connection whose pair the provider knows.
func (in *installation) connect(id string, p *oauthtest.Provider) {
	in.t.Helper()
	client := oauthtest.Client{ID: "client-of-" + id, Secret: oauth.NewSecret("secret-of-" + id), AccountID: "store-of-" + id}
	p.Add(client)
	in.store(id, p.Name(), client)
}

func (in *installation) store(id, providerID string, c oauthtest.Client, more ...string) {
	in.t.Helper()
	document := map[string]string{"provider": providerID, "client_id": c.ID, "client_secret": c.Secret.Reveal()}
	for i := 0; i+1 < len(more); i += 2 {
		document[more[i]] = more[i+1]
	}
	raw, err := json.Marshal(document)
	must(in.t, err)
	_, err = in.aws.PutSecret("oauth/"+id, string(raw))
	must(in.t, err)
}

// connectMany stores n connections of a provider and returns their ids.
func (in *installation) connectMany(n int, p *oauthtest.Provider) []string {
	in.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s/tenant-%04d", p.Name(), i)
		in.connect(ids[i], p)
	}
	return ids
}

// token is the published parameter, and what the state table says of it; nil when it says nothing.
func (in *installation) token(id string) (awstest.ParameterState, *lifecycle.Token) {
	p, _ := in.aws.Parameter("/oauth/" + id + "/access_token")
	return p, in.state(id).Token
}

func (in *installation) failure(id string) *lifecycle.Failure { return in.state(id).Failure }

// state is the item of a connection.
func (in *installation) state(id string) lifecycle.State {
	in.t.Helper()
	in.refresherConfig()
	return dynamostate.Decode(in.aws.SDKItem(id))
}

// served counts the connections whose published token its provider accepts.
func (in *installation) served(ids []string, p *oauthtest.Provider) int {
	n := 0
	for _, id := range ids {
		if state, _ := in.token(id); p.Validate(state.Value.Reveal()) {
			n++
		}
	}
	return n
}

func (in *installation) puts() int { return in.aws.Count("PutParameter").Calls }

// number is how many tenants or hours a test takes: fewer under -short, and enough for what it shows.
func number(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
