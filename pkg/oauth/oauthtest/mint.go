package oauthtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// issued is a token that was handed out.
type issued struct {
	text      string
	clientID  string
	accountID string
	env       Environment
	scope     string
	jti       string
	seq       uint64
	issuedAt  time.Time
	expiresAt time.Time
}

// Issued tells what the provider knows about a token.
type Issued struct {
	ClientID    string
	AccountID   string // as it was when the token was minted
	Environment Environment
	Scope       string // space separated
	JTI         string
	IssuedAt    time.Time
	ExpiresAt   time.Time // from this instant on it is refused
	Live        bool      // neither expired nor ended by eviction, revocation or removal
}

// Inspect returns what is known about a token. Tokens that died long ago are forgotten.
func (p *Provider) Inspect(token string) (Issued, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tokens[token]
	if t == nil {
		return Issued{}, false
	}
	return Issued{
		ClientID: t.clientID, AccountID: t.accountID, Environment: t.env, Scope: t.scope, JTI: t.jti,
		IssuedAt: t.issuedAt, ExpiresAt: t.expiresAt, Live: p.live(t, p.now()),
	}, true
}

// Validate reports whether the provider's API would take the token now.
func (p *Provider) Validate(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tokens[token]
	return t != nil && p.live(t, p.now())
}

// LiveTokens counts the live tokens of a client. It looks at every token: for a test's end, not for its loop.
func (p *Provider) LiveTokens(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, n := p.now(), 0
	for _, t := range p.tokens {
		if t.clientID == id && p.live(t, now) {
			n++
		}
	}
	return n
}

func (p *Provider) live(t *issued, now time.Time) bool { return now.Before(t.expiresAt) && !p.ended(t) }

// ended reports whether the token was killed before its time.
func (p *Provider) ended(t *issued) bool { return t.seq < p.clients[t.clientID].liveFrom }

// minSweep is the number of tokens below which dead ones are not worth a search.
const minSweep = 1024

// sweep forgets dead tokens whenever their number has doubled: constant work per token.
func (p *Provider) sweep(now time.Time) {
	if len(p.tokens) < p.sweepAt {
		return
	}
	for text, t := range p.tokens {
		if !p.live(t, now) {
			delete(p.tokens, text)
		}
	}
	p.sweepAt = max(minSweep, 2*len(p.tokens))
}

// grant hands out a token of e: the one it has, where the settings say so, or a new one.
func (p *Provider) grant(e *entry, c *Client, scope string, claims func(*issued) any) (grant, outcome) {
	now := p.now()
	var o outcome
	t := p.tokens[e.last[scope]]
	var left time.Duration
	if p.settings.SameToken && t != nil && p.live(t, now) {
		o.reissued = true
		left = t.expiresAt.Sub(now)
	} else {
		t, left = p.mint(e, c, scope, now, claims)
	}
	o.tokenID = oauth.NewSecret(t.text).Fingerprint()
	return grant{issued: t, left: left}, o
}

// grant is a token on its way out.
type grant struct {
	*issued
	left time.Duration // until it expires
}

func (p *Provider) mint(e *entry, c *Client, scope string, now time.Time, claims func(*issued) any) (*issued, time.Duration) {
	lifetime := p.facts.lifetime
	if p.settings.Lifetime > 0 {
		lifetime = p.settings.Lifetime
	}
	if c.Lifetime > 0 {
		lifetime = c.Lifetime
	}
	p.sweep(now)
	p.seq++
	noise := p.noise(p.seq)
	t := &issued{
		clientID: c.ID, accountID: c.account(), env: c.Environment, scope: scope, jti: uuid(noise), seq: p.seq,
		issuedAt: now, expiresAt: now.Add(lifetime),
	}
	format := p.settings.Format
	if format == FormatDefault {
		format = p.facts.format
	}
	if format == FormatJWT {
		// A JWT counts in whole seconds, and its server reads its own claims.
		t.issuedAt = time.Unix(now.Unix(), 0).UTC()
		t.expiresAt = t.issuedAt.Add(lifetime)
		t.text = p.sign(claims(t))
	} else {
		t.text = opaque(p.facts.gzipLike, noise)
	}
	if p.settings.Evicts {
		e.liveFrom = t.seq
	}
	p.tokens[t.text] = t
	if e.last == nil {
		e.last = make(map[string]string)
	}
	e.last[scope] = t.text
	return t, lifetime
}

// noise is what makes the n-th token of this seed unlike any other.
func (p *Provider) noise(n uint64) []byte {
	m := hmac.New(sha256.New, p.key[:])
	_, _ = m.Write(binary.BigEndian.AppendUint64([]byte("token|"), n))
	return m.Sum(nil)
}

// uuid shapes noise as a random UUID.
func uuid(noise []byte) string {
	b := [16]byte(noise)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// opaque makes a token without a readable content. Hotmart's are known from public code as percent-encoded base64 of gzip.
func opaque(gzipLike bool, noise []byte) string {
	if gzipLike {
		return url.QueryEscape("H4sIAAAAAAAAA+" + base64.StdEncoding.EncodeToString(noise) + "/" + base64.StdEncoding.EncodeToString(noise[:16]))
	}
	return base64.RawURLEncoding.EncodeToString(noise)
}

// jwtHeader is {"alg":"HS256","typ":"JWT"}.
const jwtHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

// sign makes a JWT with a true HS256 signature (RFC 7515 appendix A.1).
func (p *Provider) sign(claims any) string {
	var b strings.Builder
	b.WriteString(jwtHeader)
	b.WriteByte('.')
	b.WriteString(base64.RawURLEncoding.EncodeToString(mustJSON(claims)))
	m := hmac.New(sha256.New, p.key[:])
	_, _ = m.Write([]byte(b.String()))
	b.WriteByte('.')
	b.WriteString(base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
	return b.String()
}

// expiresIn spells a lifetime of s seconds.
func (p *Provider) expiresIn(s int64) any {
	style := p.settings.ExpiresIn
	if style == ExpiresInDefault {
		style = p.facts.expiresIn
	}
	switch style {
	case ExpiresInString:
		return strconv.FormatInt(s, 10)
	case ExpiresInOmitted:
		return nil
	case ExpiresInNumber, ExpiresInDefault:
	}
	return s
}

// member is one member of a JSON object.
type member struct {
	name  string
	value any
}

// success is the answer of RFC 6749 section 5.1, in the order in which the samples print it. extra are further members.
func (p *Provider) success(g grant, contentType string, extra ...member) answer {
	body := object(append([]member{
		{"access_token", g.text}, {"token_type", p.facts.kind},
		{"expires_in", p.expiresIn(int64(g.left / time.Second))}, {"scope", g.scope},
	}, extra...)...)
	return answer{
		status: http.StatusOK, body: body,
		header: http.Header{"Content-Type": {contentType}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"}},
	}
}

// object writes a JSON object, leaving out what is nil or "".
func object(members ...member) []byte {
	b := make([]byte, 1, 512)
	b[0] = '{'
	for _, m := range members {
		if m.value == nil || m.value == "" {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(b, mustJSON(m.name)...), ':')
		b = append(b, mustJSON(m.value)...)
	}
	return append(b, '}')
}

// mustJSON writes what a profile made, which is made of texts and numbers only.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("oauthtest: not representable in JSON: " + err.Error())
	}
	return b
}
