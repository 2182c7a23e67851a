package oauthtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Provider is one simulated provider: its clients, its live tokens, its moods. Make one with [Hotmart], [Kiwify] or [Generic]. It is
// safe for concurrent use, and an http.Handler.
type Provider struct {
	profile profile
	facts   facts
	now     func() time.Time
	key     [sha256.Size]byte // signs the JWTs and makes token values, derived from the seed

	mu       sync.Mutex
	settings Settings
	clients  map[string]*entry
	tokens   map[string]*issued
	sweepAt  int    // number of tokens at which dead ones are thrown out
	seq      uint64 // tokens minted so far
	dice     uint64
	faults   queue // for everybody
	shared   window
	unknown  window // clients that are not registered, together
	log      callLog
	total    Stats
}

// Options of a new Provider. The zero value is a working provider that knows no client.
type Options struct {
	Settings
	Clients []Client
	Now     func() time.Time // nil: time.Now
	Seed    uint64           // token values and probabilities follow from it: two providers of one profile and seed mint the same values
	LogSize int              // calls that Calls remembers; 0 means 4096, negative none
}

// Settings are the switches that can be turned while the provider runs, see [Provider.Configure].
type Settings struct {
	// Lifetime of new tokens, whole seconds; it is what expires_in says. 0: the profile's (hotmart 172,799 s, kiwify 86,400 s,
	// generic 3,600 s). A client's own goes first.
	Lifetime time.Duration
	// SameToken hands the same token out again while it lives, with the remaining expires_in, 0 within the last second, as Spring's
	// DefaultTokenServices does for one client and scope.
	SameToken bool
	// Evicts: a new token ends the older ones of its client.
	Evicts bool
	// RevokeOnRemove: removing a client ends its tokens. Otherwise they live to their end.
	RevokeOnRemove bool
	// PropagationDelay is how long a change of a client (added, updated, removed) takes to be noticed by the token endpoint.
	PropagationDelay time.Duration
	// ExpiresIn is how the answer spells its lifetime.
	ExpiresIn ExpiresInStyle
	// Format of new tokens.
	Format TokenFormat
	// Limit of token calls. A client's own goes first.
	Limit Limit
	// AuthMethods that the generic profile accepts; nil: client_secret_basic and client_secret_post. The others know theirs.
	AuthMethods []AuthMethod
	// RawBasic: the generic profile takes the two halves of Basic as they are, without the form-decoding of RFC 6749 section 2.3.1.
	RawBasic bool
}

// AuthMethod is how a client authenticates at the token endpoint.
type AuthMethod string

// Methods: the first two are registered (RFC 7591 section 2); with the others all parameters are in the query of the URL or in a JSON body.
const (
	ClientSecretBasic AuthMethod = "client_secret_basic"
	ClientSecretPost  AuthMethod = "client_secret_post"
	ClientSecretQuery AuthMethod = "client_secret_query"
	ClientSecretJSON  AuthMethod = "client_secret_json"
)

// ExpiresInStyle is how an answer spells expires_in.
type ExpiresInStyle int

// Styles.
const (
	ExpiresInDefault ExpiresInStyle = iota // the profile's: kiwify a string, the others a number
	ExpiresInNumber                        // 86400
	ExpiresInString                        // "86400"
	ExpiresInOmitted                       // not at all
)

// TokenFormat is what an access token looks like.
type TokenFormat int

// Formats.
const (
	FormatDefault TokenFormat = iota // the profile's: kiwify JWT, the others opaque
	FormatOpaque                     // hotmart: the percent-encoded H4sI... shape that is seen in public code
	FormatJWT                        // HS256, with the profile's claims
)

// Limit is a rate limit in fixed windows, each beginning with its first call. The zero value is no limit.
type Limit struct {
	Calls    int
	Window   time.Duration // 0 means a minute
	Shared   bool          // one window for all clients; else one for each
	CountAPI bool          // calls of the API count too, and are refused too
}

// Hotmart returns a provider that answers as Hotmart's authorization server: Spring Security OAuth 2.x, by all its fingerprints.
func Hotmart(o Options) *Provider { return newProvider(hotmart{}, o) }

// Kiwify returns a provider that answers as Kiwify's public API.
func Kiwify(o Options) *Provider { return newProvider(kiwify{}, o) }

// Generic returns a provider that follows RFC 6749, with client_secret_basic and client_secret_post unless Settings.AuthMethods says
// otherwise.
func Generic(o Options) *Provider { return newProvider(generic{}, o) }

func newProvider(f profile, o Options) *Provider {
	p := &Provider{
		profile:  f,
		facts:    f.facts(),
		now:      o.Now,
		settings: o.Settings,
		clients:  make(map[string]*entry),
		tokens:   make(map[string]*issued),
		sweepAt:  minSweep,
		dice:     o.Seed,
		log:      newCallLog(o.LogSize),
	}
	if p.now == nil {
		p.now = time.Now
	}
	p.key = sha256.Sum256(binary.BigEndian.AppendUint64([]byte("oauthtest|"+p.facts.name+"|"), o.Seed))
	for _, c := range o.Clients {
		p.clients[c.ID] = newEntry(c) // known from the start: no propagation delay
	}
	return p
}

// Configure changes settings while the provider runs:
//
//	p.Configure(func(s *oauthtest.Settings) { s.SameToken = true })
func (p *Provider) Configure(change func(*Settings)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.settings)
}

// Format prints the profile's name for every verb: the tokens inside are nobody's business, and reading them here would be a race.
func (p *Provider) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "oauthtest.Provider(%s)", p.facts.name)
}

// Name is the profile's: hotmart, kiwify, generic.
func (p *Provider) Name() string { return p.facts.name }

// TokenURL is the real provider's token endpoint, for use through [Provider.Transport] or a [Network].
func (p *Provider) TokenURL() string { return "https://" + p.facts.host + p.TokenPath() }

// TokenPath is the path of the token endpoint: append it to the URL that [Provider.Listen] returns.
func (p *Provider) TokenPath() string { return p.facts.path }

// APIURL is a cheap call that needs a token, on the real provider's production host. Kiwify wants the header x-kiwify-account-id too.
func (p *Provider) APIURL() string { return "https://" + p.facts.apiHosts[0] + p.APIPath() }

// APIPath is the path of APIURL.
func (p *Provider) APIPath() string { return p.facts.apiPaths[0] }

// Hosts are all host names that the real provider uses, token endpoint first.
func (p *Provider) Hosts() []string {
	f := p.facts
	hosts := append([]string{f.host}, f.apiHosts...)
	slices.Sort(hosts[1:])
	return slices.Compact(hosts)
}

// Transport returns a RoundTripper that speaks to p in process, whatever the host of the URL.
func (p *Provider) Transport() http.RoundTripper { return transport{p} }

// roll draws from a seeded splitmix64 sequence: numbers in [0,1). It is chance for tests, nothing secret hangs on it.
func (p *Provider) roll() float64 {
	p.dice += 0x9e3779b97f4a7c15
	z := p.dice
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}
