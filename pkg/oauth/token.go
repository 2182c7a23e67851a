package oauth

import "time"

// MaxLifetime caps every lifetime; a larger number in an answer is nonsense, not "for ever".
const MaxLifetime = 400 * 24 * time.Hour

// Token is one usable answer of a token endpoint (RFC 6749 section 5.1), with what can be derived from it.
type Token struct {
	AccessToken  Secret
	RefreshToken Secret // zero when the answer has none
	TokenType    string // always "Bearer": what is not usable as one is refused

	IssuedAt  time.Time     // the instant just before the request was sent; UTC, whole seconds
	ExpiresIn time.Duration // the lifetime that the answer states: the smaller of expires_in and the JWT's exp - iat; 0 when neither is there and believable
	ExpiresAt time.Time     // expires_at or expires_on as answered; zero when absent
	// Lifetime is the shortest lifetime that the response states, in any form, at most MaxLifetime. 0 means that it states none: RFC 6749
	// section 5.1 then leaves the lifetime to the server's documentation, so a default is the caller's.
	Lifetime time.Duration

	Scope       string // space separated; like JTI and Claims never with a secret in it: what a server echoes is left out
	ScopeSource ScopeSource
	JTI         string // the answer's jti, else the JWT's
	Claims      Claims // of the access token when it is a JWT, unverified; else the zero value
	Shape       string // first 8 hex digits of the SHA-256 of the answer's sorted field names
	Fields      string // those names, separated by spaces; at most 30, without those that are not names or hold a secret
	Notes       []Note // what was unusual about the response, see the Note constants
}

// Expiry is IssuedAt + Lifetime, the zero Time when Lifetime is 0.
func (t *Token) Expiry() time.Time {
	if t.Lifetime == 0 {
		return time.Time{}
	}
	return t.IssuedAt.Add(t.Lifetime)
}

// ID is the token's fingerprint: 16 hex digits of its SHA-256. The same token issued again has the same ID.
func (t *Token) ID() string { return t.AccessToken.Fingerprint() }

// ScopeSource says where Token.Scope comes from (RFC 6749 section 5.1: an answer without scope grants what was asked for).
type ScopeSource string

// Sources of a scope, in the order in which they are asked.
const (
	ScopeFromAnswer  ScopeSource = "answer"
	ScopeFromClaim   ScopeSource = "claim"
	ScopeFromRequest ScopeSource = "request"
	ScopeUnknown     ScopeSource = ""
)

// Note is an oddity of a usable answer.
type Note string

// Notes.
const (
	NoteTTLUnknown   Note = "ttl_unknown"       // the response states no lifetime
	NoteTTLCapped    Note = "ttl_capped"        // a lifetime beyond MaxLifetime was not believed
	NoteTTLAbsolute  Note = "ttl_from_absolute" // only expires_at or expires_on
	NoteTTLDisagrees Note = "ttl_disagreement"  // expires_in and the JWT differ by more than a minute: the smaller counts
)

// Claims are the claims of a JWT access token that matter here. The signature is not verified: the token came over TLS from the
// endpoint that issued it, and nothing but bookkeeping rests on them.
type Claims struct {
	ExpiresAt time.Time // exp
	IssuedAt  time.Time // iat
	JTI       string
	Scope     string // space separated; scope or scp, a string or a list
	text      map[string]string
}

// Text returns a claim that is a string or a number as text, "" when it is absent (kiwify: store_id), longer than 1,024 bytes or holds a secret.
func (c Claims) Text(name string) string { return c.text[name] }
