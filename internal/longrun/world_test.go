package longrun_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
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
	period      = 5 * time.Minute       // between two sweeps
	readerCache = 5 * time.Minute       // how long a reader uses what it read
	jitter      = 20 * time.Second      // how late the scheduler fires at most
	timeout     = 270 * time.Second     // of the Lambda function
	writeTime   = 25 * time.Millisecond // on the way of each write, always the same: the store's log then shows the pace at which they were sent
)

// world is an installation and everything around it. It is made inside a synctest bubble.
type world struct {
	t       *testing.T
	seed    uint64
	chance  *rand.Rand // of the goroutine that runs the simulation
	aws     *awstest.World
	kiwify  *oauthtest.Provider
	hotmart *oauthtest.Provider
	network oauthtest.Network

	writesPerSecond float64
	start           time.Time
	books           books
	readers         readers
	sweeps          sweeps

	connections []*connection
	mu          sync.Mutex             // of byParameter, which every write asks
	byParameter map[string]*connection // tenants by the parameter of their token
}

// connection is one tenant of the simulation.
type connection struct {
	id        string
	parameter string // of its token
	account   string // parameter of its account id, "" where the provider publishes none
	client    string // the client id of its first pair
	provider  *oauthtest.Provider
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	options := oauthtest.Options{Seed: seed, LogSize: 1}
	w := &world{
		t: t, seed: seed, chance: rand.New(rand.NewPCG(seed, 0)),
		aws:    &awstest.World{HistoryLimit: 2},
		kiwify: oauthtest.Kiwify(options), hotmart: oauthtest.Hotmart(options),
		writesPerSecond: 3, byParameter: map[string]*connection{},
	}
	w.network = oauthtest.NewNetwork(w.kiwify, w.hotmart)
	for _, p := range []*oauthtest.Provider{w.kiwify, w.hotmart} {
		p.Inject(oauthtest.Latency(150 * time.Millisecond).Always())
	}
	w.aws.Latency = w.callTime
	w.aws.SetQuotas(awstest.AWSQuotas())
	w.aws.OnCall(w.arrives)
	w.aws.AfterCall(w.answered)
	w.readers.world = w
	time.Sleep(time.Duration(w.chance.Int64N(int64(24 * time.Hour)))) // the time of day decides where slots fall
	w.start = time.Now()
	return w
}

// callTime is how long a call of AWS takes: 10 to 40 ms, by chance, but the same for every write.
func (w *world) callTime(op awstest.Op, name string) time.Duration {
	if op == awstest.PutParameter {
		return writeTime
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d|%s|%s|%d", w.seed, op, name, time.Now().UnixNano())
	return 10*time.Millisecond + time.Duration(h.Sum64()%uint64(30*time.Millisecond))
}

// title names the simulation in its table.
func (w *world) title(format string, values ...any) *table {
	size := sizeName()
	if *soak && size != "soak" {
		size += ", -soak"
	}
	return &table{t: w.t, title: fmt.Sprintf(format, values...) + fmt.Sprintf(" (size %s, -seed %d)", size, w.seed)}
}

// tenant names a connection that is not stored yet.
func (w *world) tenant(name string, p *oauthtest.Provider) *connection {
	id := fmt.Sprintf("%s/%s-seed%d", p.Name(), name, w.seed)
	c := &connection{id: id, parameter: "/oauth/" + id + "/access_token", client: "client-of-" + id, provider: p}
	if p == w.kiwify {
		c.account = "/oauth/" + id + "/account_id"
	}
	w.mu.Lock()
	w.byParameter[c.parameter] = c
	w.mu.Unlock()
	w.connections = append(w.connections, c)
	return c
}

// store makes the tenant's pair known to its provider and stores it. lifetime 0 is the provider's own.
func (w *world) store(c *connection, lifetime time.Duration) {
	w.t.Helper()
	secret := "secret-of-" + c.id
	c.provider.Add(oauthtest.Client{ID: c.client, Secret: oauth.NewSecret(secret), Lifetime: lifetime})
	_, err := w.aws.PutSecret("oauth/"+c.id, c.document(c.client, secret))
	w.must(err)
}

// connect is tenant and store in one.
func (w *world) connect(name string, p *oauthtest.Provider, lifetime time.Duration) *connection {
	w.t.Helper()
	c := w.tenant(name, p)
	w.store(c, lifetime)
	return c
}

// connectMany connects n tenants of a provider.
func (w *world) connectMany(n int, name string, p *oauthtest.Provider, lifetime time.Duration) []*connection {
	w.t.Helper()
	made := make([]*connection, n)
	for i := range made {
		made[i] = w.connect(fmt.Sprintf("%s%05d", name, i), p, lifetime)
	}
	return made
}

// document is the value of a connection's secret.
func (c *connection) document(client, secret string) string {
	text, err := json.Marshal(map[string]string{"provider": c.provider.Name(), "client_id": client, "client_secret": secret})
	if err != nil {
		panic(err) // a map of texts
	}
	return string(text)
}

// published is what a connection's parameter holds; ok is false when there is none.
func (w *world) published(c *connection) (state awstest.ParameterState, token *lifecycle.Token, ok bool) {
	state, ok = w.aws.Parameter(c.parameter)
	return state, w.state(c).Token, ok
}

// state is the item of a connection.
func (w *world) state(c *connection) lifecycle.State {
	return dynamostate.Decode(w.aws.SDKItem(c.id))
}

// served counts the connections whose published token their provider accepts.
func (w *world) served(list []*connection) int {
	n := 0
	for _, c := range list {
		if state, _, ok := w.published(c); ok && c.provider.Validate(state.Value.Reveal()) {
			n++
		}
	}
	return n
}

// failing is the failure record of a connection, nil when there is none.
func (w *world) failing(c *connection) *lifecycle.Failure { return w.state(c).Failure }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// container is one process of the function. Its clients outlive its runs, as in Lambda, and nothing of it outlives its end.
type container struct {
	config refresh.Config
	ended  atomic.Bool
}

// newContainer wires the refresher as functions/refresher does.
func (w *world) newContainer() *container {
	w.t.Helper()
	c := new(container)
	aws := w.aws.Config()
	aws.HTTPClient = &http.Client{Transport: lifeline{w.aws.Transport(), &c.ended}}
	secrets, err := smsecret.New(smsecret.Config{Client: secretsmanager.NewFromConfig(aws), Prefix: "oauth/"})
	w.must(err)
	parameters, err := ssmstore.New(ssmstore.Config{Client: ssm.NewFromConfig(aws), Prefix: "/oauth"})
	w.must(err)
	states, err := dynamostate.New(dynamostate.Config{Client: dynamodb.NewFromConfig(aws), Table: awstest.StateTable})
	w.must(err)
	catalogue, err := provider.Load()
	w.must(err)
	client, err := oauth.New(oauth.Config{Timeout: 10 * time.Second, Transport: lifeline{w.network, &c.ended}})
	w.must(err)
	c.config = refresh.Config{
		Leases: states, States: states, Secrets: secrets, Parameters: parameters, Requester: client, Catalogue: catalogue,
		SecretPrefix: "oauth/", Region: awstest.Region, Period: period, ReaderCache: readerCache, TokenTimeout: 10 * time.Second,
		MaxConcurrency: 16, MaxWritesPerSecond: w.writesPerSecond,
	}
	return c
}

// lifeline carries the calls of a container until that ends: what it sends afterwards never leaves, and what is answered never arrives.
type lifeline struct {
	next  http.RoundTripper
	ended *atomic.Bool
}

var errEnded = errors.New("this process has ended")

// RoundTrip implements http.RoundTripper.
func (l lifeline) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.ended.Load() {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errEnded
	}
	response, err := l.next.RoundTrip(r)
	if err == nil && l.ended.Load() {
		_ = response.Body.Close()
		return nil, errEnded
	}
	return response, err
}
