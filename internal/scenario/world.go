package scenario

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// Names under which a World keeps its state.
const (
	SecretPrefix    = "oauth/"
	ParameterPrefix = "/oauth"
)

// Settings are what the installation sets, and may be changed between two runs. The zero value has the refresher's own defaults.
type Settings struct {
	Period             time.Duration // 0: 5 min
	ReaderCache        time.Duration // 0: 5 min
	TokenTimeout       time.Duration // 0: 10 s
	MaxConcurrency     int           // 0: 16
	MaxWritesPerSecond float64       // 0: 3
	AllowLoopback      bool
	Lambda             time.Duration // from the start of a run to its Lambda deadline; 0: 5 min
}

// World is one installation with everything around it: an AWS account, the providers, and the refresher that a run makes anew, as a
// cold start does. It belongs into a testing/synctest bubble, whose clock all of it follows.
type World struct {
	Settings Settings
	AWS      *awstest.World

	seed      string
	start     time.Time
	catalogue provider.Catalogue
	providers map[string]*oauthtest.Provider
	network   oauthtest.Network
	secrets   *smsecret.Store
	params    *ssmstore.Store
	states    *dynamostate.Store

	now  func() time.Time
	told []func(Invocation)

	mu       sync.Mutex
	tokens   map[string]string             // token text -> its name, client/number
	issued   map[string]int                // client name -> tokens so far
	clients  map[string]string             // client id -> client name
	versions map[string]string             // secret version id -> v1, v2, … of its secret
	canaries map[string]string             // what must not come out -> what to call it
	heard    map[string]bool               // connections that ever were
	removed  map[string][]oauthtest.Client // provider -> clients that were taken away for a while
	out      strings.Builder               // what came out of all runs
	running  int                           // runs under way
	entered  int                           // runs ever
	requests int                           // request ids given out
}

// New makes an empty World with the three providers hotmart, kiwify and generic. All secrets follow from seed, so that no two scenarios
// share one.
func New(seed string) (*World, error) {
	w := &World{
		AWS: new(awstest.World), seed: seed, now: time.Now, network: oauthtest.Network{}, providers: map[string]*oauthtest.Provider{},
		tokens: map[string]string{}, issued: map[string]int{}, clients: map[string]string{}, versions: map[string]string{},
		canaries: map[string]string{}, heard: map[string]bool{}, removed: map[string][]oauthtest.Client{},
	}
	w.start = w.now().UTC()
	var faults [4]error
	w.catalogue, faults[0] = provider.Load()
	w.secrets, faults[1] = smsecret.New(smsecret.Config{Client: w.AWS.SecretsManager(), Prefix: SecretPrefix})
	w.params, faults[2] = ssmstore.New(ssmstore.Config{Client: w.AWS.SSM(), Prefix: ParameterPrefix})
	w.states, faults[3] = dynamostate.New(dynamostate.Config{Client: w.AWS.DynamoDB(), Table: awstest.StateTable})
	if err := errors.Join(faults[:]...); err != nil {
		return nil, fmt.Errorf("make a world: %w", err)
	}
	for _, profile := range []string{"hotmart", "kiwify", "generic"} {
		if err := w.AddProvider(profile, profile, ""); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// AddProvider puts a provider of the profile hotmart, kiwify or generic on the network; host "" means the profile's own hosts.
func (w *World) AddProvider(name, profile, host string) error {
	make, ok := map[string]func(oauthtest.Options) *oauthtest.Provider{
		"hotmart": oauthtest.Hotmart, "kiwify": oauthtest.Kiwify, "generic": oauthtest.Generic,
	}[profile]
	if !ok {
		return fmt.Errorf("no profile %q", profile)
	}
	sum := sha256.Sum256([]byte(w.seed + "|" + name))
	p := make(oauthtest.Options{Seed: uint64(sum[0])<<16 | uint64(sum[1])<<8 | uint64(sum[2])})
	w.providers[name] = p
	hosts := []string{host}
	if host == "" {
		hosts = p.Hosts()
	}
	for _, h := range hosts {
		w.network[h] = p
	}
	return nil
}

// Provider returns a provider by name, nil when there is none.
func (w *World) Provider(name string) *oauthtest.Provider { return w.providers[name] }

// ClientID is the client id of a client's name.
func (w *World) ClientID(client string) string {
	return "id-" + client + "-" + w.digest("id", client)[:8]
}

// ClientSecret is the first secret of a client, and after it ClientSecret(client + "'"), and so on. It holds signs that look different
// URL-encoded, and it is a canary from now on.
func (w *World) ClientSecret(client string) string {
	return w.canary("sc/"+w.digest("secret", client)[:32]+"+"+w.digest("more", client)[:6]+"=", "client_secret of "+client)
}

// Basic is the ready-made Basic value of a client, as Hotmart's panel shows it. It is a canary from now on.
func (w *World) Basic(client string) string {
	return w.canary(base64.StdEncoding.EncodeToString([]byte(w.ClientID(client)+":"+w.ClientSecret(client))), "basic_token of "+client)
}

// LongToken is a text of n characters that could be a token. It is a canary from now on.
func (w *World) LongToken(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(w.digest("long", fmt.Sprint(n, i)))
	}
	return w.canary(b.String()[:n], fmt.Sprintf("the token of %d characters", n))
}

func (w *World) digest(kind, name string) string {
	sum := sha256.Sum256([]byte(w.seed + "|" + kind + "|" + name))
	return hex.EncodeToString(sum[:])
}

// canary notes a text that must not come out, and returns it.
func (w *World) canary(text, name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.canaries[text] = name
	return text
}

// AddClient registers a client at a provider, or replaces it. More may change it before.
func (w *World) AddClient(providerName, client string, more ...func(*oauthtest.Client)) error {
	p := w.providers[providerName]
	if p == nil {
		return fmt.Errorf("no provider %q", providerName)
	}
	c := oauthtest.Client{ID: w.ClientID(client), Secret: oauth.NewSecret(w.ClientSecret(client)), AccountID: "store-" + client}
	for _, change := range more {
		change(&c)
	}
	w.mu.Lock()
	w.clients[c.ID] = client
	w.mu.Unlock()
	p.Add(c)
	return nil
}

// PutSecret stores a connection document, or any other text, as a new version with the label; "" means AWSCURRENT.
func (w *World) PutSecret(connection, stage, text string) error {
	id, err := w.AWS.StageSecret(SecretPrefix+connection, stage, text)
	if err != nil {
		return err
	}
	w.noteVersion(connection, id)
	return nil
}

// noteVersion gives a version id the number that scenarios use.
func (w *World) noteVersion(connection, id string) {
	s, ok := w.AWS.Secret(SecretPrefix + connection)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard[connection] = true
	for i, v := range s.Versions {
		w.versions[v.ID] = fmt.Sprintf("v%d", i+1)
	}
	if _, known := w.versions[id]; !known && id != "" {
		w.versions[id] = fmt.Sprintf("v%d", len(s.Versions))
	}
}

// version returns the id of the n-th version of a connection's secret by its name, v1, v2, ….
func (w *World) version(connection, name string) (string, error) {
	s, ok := w.AWS.Secret(SecretPrefix + connection)
	if !ok {
		return "", fmt.Errorf("no secret of connection %q", connection)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range s.Versions {
		if w.versions[v.ID] == name {
			return v.ID, nil
		}
	}
	return "", fmt.Errorf("secret of connection %q has no version %q", connection, name)
}

// heardOf reports whether there ever was a connection of this name.
func (w *World) heardOf(connection string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard[connection]
}

// knows reports whether there ever was a client of this name.
func (w *World) knows(client string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range w.clients {
		if name == client {
			return true
		}
	}
	return false
}

// Connect registers a client and stores the document of a connection that uses it. Document is its text without the pair: "" or further
// fields such as `"scope":"sales"`.
func (w *World) Connect(connection, providerName, client, document string) error {
	if err := w.AddClient(providerName, client); err != nil {
		return err
	}
	if document != "" {
		document = "," + document
	}
	return w.PutSecret(connection, "", fmt.Sprintf(`{"provider":%q,"client_id":%q,"client_secret":%q%s}`,
		providerName, w.ClientID(client), w.ClientSecret(client), document))
}

// ParameterName is the full name of one of a connection's parameters.
func ParameterName(connection string, kind store.Kind) string {
	return ParameterPrefix + "/" + connection + "/" + string(kind)
}

// Token returns the name of the token that is published for a connection, client/number, and its text; "" when there is none, and "?"
// for one that no provider handed out.
func (w *World) Token(connection string) (name, text string) {
	p, ok := w.AWS.Parameter(ParameterName(connection, store.KindToken))
	if !ok {
		return "", ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	text = p.Value.Reveal()
	if name = w.tokens[text]; name == "" {
		name = "?"
	}
	return name, text
}

// Minted is how many different tokens a client was handed out.
func (w *World) Minted(client string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.issued[client]
}

// TokenCalls is how many calls each provider's token endpoint has had.
func (w *World) TokenCalls() map[string]int {
	calls := map[string]int{}
	for name, p := range w.providers {
		calls[name] = p.Total().TokenCalls
	}
	return calls
}

// State is the item of a connection; the zero State, but for its ID, when there is none.
func (w *World) State(connection string) lifecycle.State {
	s := dynamostate.Decode(w.AWS.SDKItem(connection))
	s.ID = connection
	return s
}

// Now is the World's time.
func (w *World) Now() time.Time { return w.now().UTC() }

// Advance lets time pass.
func (w *World) Advance(d time.Duration) { <-time.After(d) }

// Since is how long ago the World began: what T+… in a scenario counts from.
func (w *World) Since(t time.Time) time.Duration { return t.Sub(w.start) }

func (w *World) refresher() (*refresh.Refresher, error) {
	s := w.Settings
	client, err := oauth.New(oauth.Config{
		Timeout: s.TokenTimeout, AllowLoopback: s.AllowLoopback, Transport: listener{w},
		Rand: func() float64 { return 0.5 },
	})
	if err != nil {
		return nil, err
	}
	return refresh.New(refresh.Config{
		Leases: w.states, States: w.states, Secrets: w.secrets, Parameters: w.params, Requester: client, Catalogue: w.catalogue,
		SecretPrefix: SecretPrefix, Region: awstest.Region,
		AllowLoopback: s.AllowLoopback, Period: s.Period, ReaderCache: s.ReaderCache, TokenTimeout: s.TokenTimeout,
		MaxConcurrency: s.MaxConcurrency, MaxWritesPerSecond: s.MaxWritesPerSecond,
	})
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// rate is the allowed number of writes a second.
func (s Settings) rate() float64 {
	if s.MaxWritesPerSecond == 0 {
		return 3
	}
	return s.MaxWritesPerSecond
}

// gap is the least time between two writes.
func (s Settings) gap() time.Duration {
	return time.Duration(math.Floor(float64(time.Second) / s.rate()))
}

// ConnectMany makes n clients of a provider and a connection for each: prefix1, prefix2, …
func (w *World) ConnectMany(n int, providerName, prefix string) error {
	for i := range n {
		name := fmt.Sprintf("%s%d", prefix, i+1)
		if err := w.Connect(name, providerName, strings.ReplaceAll(name, "/", "-"), ""); err != nil {
			return err
		}
	}
	return nil
}

// hear notes that there is or was such a connection.
func (w *World) hear(connection string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard[connection] = true
}
