package oauthtest

import (
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Client is a pair that a person made in the provider's panel.
type Client struct {
	ID          string
	Secret      oauth.Secret
	Environment Environment
	AccountID   string        // kiwify: the store_id of the token and what x-kiwify-account-id must say; "": "store-" + ID
	Scopes      []string      // granted; nil: the profile's
	GrantTypes  []string      // allowed; nil: client_credentials
	Lifetime    time.Duration // of its tokens; 0: Settings.Lifetime
	Limit       Limit         // of its token calls; the zero value: Settings.Limit
}

// Environment is the kind of a pair. Both kinds authenticate at the same URL; only the API tells them apart.
type Environment string

// Environments. The zero value is Production.
const (
	Production Environment = ""
	Sandbox    Environment = "sandbox"
)

func (c *Client) account() string {
	if c.AccountID != "" {
		return c.AccountID
	}
	return "store-" + c.ID
}

func (c *Client) allows(grant string) bool {
	if c.GrantTypes == nil {
		return grant == oauth.GrantClientCredentials
	}
	return slices.Contains(c.GrantTypes, grant)
}

// scope returns what a request for want is granted, and false when it asks for more than the client has. An empty want gets all.
func (c *Client) scope(want string, usual []string) (string, bool) {
	have := c.Scopes
	if have == nil {
		have = usual
	}
	if want == "" {
		return strings.Join(have, " "), true
	}
	if have == nil {
		return want, true // a server without a scope policy grants what is asked for
	}
	for _, s := range strings.Fields(want) {
		if !slices.Contains(have, s) {
			return "", false
		}
	}
	return strings.Join(strings.Fields(want), " "), true
}

// entry is a registered client: what the token endpoint believes, and what is on its way there.
type entry struct {
	id        string
	current   *Client // nil: unknown to the token endpoint
	pending   []change
	last      map[string]string // scope -> the token minted last
	liveFrom  uint64            // tokens with a lower seq have been ended
	window    window
	scripted  queue
	stats     Stats
	everKnown bool
}

type change struct {
	at     time.Time
	client *Client // nil: removed
}

func newEntry(c Client) *entry {
	c = c.clone()
	return &entry{id: c.ID, current: &c, everKnown: true}
}

func (c Client) clone() Client {
	c.Scopes = slices.Clone(c.Scopes)
	c.GrantTypes = slices.Clone(c.GrantTypes)
	return c
}

// settle applies the changes that have arrived by now and returns what the token endpoint believes.
func (e *entry) settle(now time.Time) *Client {
	for len(e.pending) > 0 && !now.Before(e.pending[0].at) {
		e.current = e.pending[0].client
		e.pending = e.pending[1:]
	}
	return e.current
}

// wanted is what the panel shows: the latest change, arrived or not.
func (e *entry) wanted() *Client {
	if n := len(e.pending); n > 0 {
		return e.pending[n-1].client
	}
	return e.current
}

// entry returns the entry of id, making one for an id that is not registered yet so that faults can be scripted ahead.
func (p *Provider) entry(id string) *entry {
	e := p.clients[id]
	if e == nil {
		e = &entry{id: id}
		p.clients[id] = e
	}
	return e
}

func (p *Provider) change(e *entry, c *Client) {
	now := p.now()
	e.settle(now)
	e.pending = append(e.pending, change{at: now.Add(p.settings.PropagationDelay), client: c})
	e.settle(now)
}

// Add registers a client, or replaces the one with its ID.
func (p *Provider) Add(c Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c = c.clone()
	e := p.entry(c.ID)
	e.everKnown = true
	p.change(e, &c)
}

// Update changes a registered client, for example its secret, its scopes or its AccountID, and reports whether there is one. Tokens
// that were minted before keep what they were minted with.
func (p *Provider) Update(id string, change func(*Client)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.clients[id]
	if e == nil || e.wanted() == nil {
		return false
	}
	c := e.wanted().clone()
	change(&c)
	c.ID = id
	p.change(e, &c)
	return true
}

// Remove deletes a client, as a person does in the panel, and reports whether there was one.
func (p *Provider) Remove(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.clients[id]
	if e == nil || e.wanted() == nil {
		return false
	}
	p.change(e, nil)
	if p.settings.RevokeOnRemove {
		p.end(e)
	}
	return true
}

// Lookup returns a client as the panel shows it now.
func (p *Provider) Lookup(id string) (Client, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.clients[id]; e != nil && e.wanted() != nil {
		return e.wanted().clone(), true
	}
	return Client{}, false
}

// Revoke ends every token of a client at once. The client stays.
func (p *Provider) Revoke(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.clients[id]; e != nil {
		p.end(e)
	}
}

func (p *Provider) end(e *entry) { e.liveFrom = p.seq + 1 }

// authenticate returns the client that id and secret belong to, as far as the token endpoint knows by now.
func (p *Provider) authenticate(id, secret string, now time.Time) (*entry, *Client) {
	e := p.clients[id]
	if e == nil {
		return nil, nil
	}
	c := e.settle(now)
	if c == nil || secret == "" || !c.Secret.Equal(oauth.NewSecret(secret)) {
		return nil, nil
	}
	return e, c
}
