package oauth

import "time"

// MaxLifetime caps every lifetime: a larger number in a response is a mistake.
const MaxLifetime = 400 * 24 * time.Hour

// Token is a usable response of a token endpoint (RFC 6749 section 5.1), with what can be derived from it.
type Token struct {
	AccessToken  Secret
	RefreshToken Secret // zero when the response has none
	TokenType    string // always "Bearer" (RFC 6750); any other type is an error

	IssuedAt  time.Time     // the instant just before the request was sent; UTC, whole seconds
	ExpiresIn time.Duration // the smaller of expires_in and the JWT's exp - iat; 0 when neither is plausible
	ExpiresAt time.Time     // expires_at or expires_on; zero when absent
	// Lifetime is the shortest lifetime that the response states, in any form, at most MaxLifetime. 0 means that it states none: RFC 6749
	// section 5.1 then leaves the lifetime to the server's documentation, so a default is the caller's.
	Lifetime time.Duration

	Scope       string // separated by spaces. Scope, JTI and Claims never hold a secret: what the server repeats is left out
	ScopeSource ScopeSource
	JTI         string // the response's jti, else the JWT's
	Claims      Claims // of the access token when it is a JWT, unverified; else the zero value
	Shape       string // first 8 hex digits of the SHA-256 of the response's sorted field names
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

// ScopeSource says where Token.Scope comes from (RFC 6749 section 5.1: a response without scope grants the requested scope).
type ScopeSource string

// Sources of a scope, by precedence.
const (
	ScopeFromAnswer  ScopeSource = "answer"
	ScopeFromClaim   ScopeSource = "claim"
	ScopeFromRequest ScopeSource = "request"
	ScopeUnknown     ScopeSource = ""
)

// Note is something unusual about a usable response.
type Note string

// Notes.
const (
	NoteTTLUnknown   Note = "ttl_unknown"       // the response states no lifetime
	NoteTTLCapped    Note = "ttl_capped"        // a lifetime beyond MaxLifetime was not believed
	NoteTTLAbsolute  Note = "ttl_from_absolute" // only expires_at or expires_on
	NoteTTLDisagrees Note = "ttl_disagreement"  // expires_in and the JWT differ by more than a minute: the smaller counts
)

// Claims are some claims of an access token that is a JWT (RFC 7519). The signature is not verified: the token came over TLS from the
// endpoint that issued it. Do not authorize anybody by them.
type Claims struct {
	ExpiresAt time.Time // exp
	IssuedAt  time.Time // iat
	JTI       string
	Scope     string // space separated; scope or scp, a string or a list
	text      map[string]string
}

// Text returns a claim that is a string or a number as text, "" when it is absent, longer than 1,024 bytes or holds a secret.
func (c Claims) Text(name string) string { return c.text[name] }
