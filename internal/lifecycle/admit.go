package lifecycle

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

const (
	// maxTokenSize is what an advanced parameter holds, in bytes.
	maxTokenSize = 8192
	// sameExpiry is how far two statements of one token's expiry may differ.
	sameExpiry = 5 * time.Second
	// oldCredential is the age from which client credentials should be replaced.
	oldCredential = 150 * 24 * time.Hour
	// lifetimeChange is the difference between two tokens' lifetimes that is worth a notice.
	lifetimeChange = time.Minute
)

// Notices (contract.md section 8).
const (
	NoticeScopeChanged     = "scope_changed"
	NoticeAccountChanged   = "account_changed"
	NoticeShapeChanged     = "shape_changed"
	NoticeLifetimeChanged  = "lifetime_changed"
	NoticeReusedTooLong    = "reused_too_long"
	NoticeScopeUnverified  = "scope_unverified"
	NoticeLifetimeTooShort = "lifetime_too_short_for_schedule"
	NoticeCredentialOld    = "credential_old"
)

// Codes that Admit gives (contract.md section 3).
const (
	CodeMissingScope   = "missing_required_scope"
	CodeAccountChanged = "account_changed"
	CodeTokenTooLarge  = "token_too_large"
	CodeWorseToken     = "shorter_than_published"
)

// Notice is something that somebody should look at.
type Notice struct {
	Name    string
	Details []string
}

// Cause is why a connection has no new token.
type Cause struct {
	Class           Class
	Code            string
	HTTPStatus      int           // of the token endpoint, 0 without a response
	RetryAfter      time.Duration // the wait that the provider wants; 0 when it names none
	Text            string        // what happened, without the connection's name
	ProviderMessage string        // the provider's own words, cleaned; "" when it said nothing
	FromProvider    bool          // the provider's response, or its absence; false: AWS or the document
	Unrecorded      bool          // says nothing about the connection: no failure is recorded
	Err             error         // harmless; nil when nothing is behind it
}

// Error is the text.
func (c *Cause) Error() string { return c.Text }

// Unwrap returns Err.
func (c *Cause) Unwrap() error { return c.Err }

// Temporary reports whether another attempt may succeed by itself.
func (c *Cause) Temporary() bool { return c.Class == Transient || c.Class == Malformed }

// Candidate is a token that was issued and is not published yet.
type Candidate struct {
	Provider     string
	Endpoint     string // host
	TokenID      string // fingerprint
	Size         int    // bytes
	IssuedAt     time.Time
	Lifetime     time.Duration // as stated, else the provider's default; capped by max_lifetime
	Scope        string
	ScopeUnknown bool // nothing says which scope was granted
	Required     []string
	JTI          string
	Account      string // value of the account claim
	AccountClaim string // its name, for messages
	AccountID    string // what account_id is to hold, "" when the connection publishes none
	Shape        string
	Fields       string // field names of the response, for the notice shape_changed
	Credential   string // version id
	Stage        string
	Since        time.Time // creation of the version
	RefreshAt    float64   // of the connection; 0: the policy's
}

// Admission says whether a token may be published, and as what.
type Admission struct {
	Token    Token // without Version
	Reused   bool  // it is the token that is published already: no write of the parameter
	Notices  []Notice
	Told     map[string]string // State.Told after these notices
	Rejected *Cause            // not nil: it must not be published
}

// Admit decides whether a token may replace the published one (contract.md section 5): a good token is never replaced by a worse one.
func Admit(now time.Time, s State, d Decision, c Candidate, p Policy) Admission {
	p = p.For(c.RefreshAt)
	if cause := c.Unfit(); cause != nil {
		return Admission{Rejected: cause}
	}
	published := s.Token
	if d.Reason == Missing {
		published = nil
	}
	moved := published != nil && !sameAccount(published.Account, c.Account)
	if moved && (c.Stage != "AWSCURRENT" || d.Reason != Forced) {
		return Admission{Notices: accountNotice(s.Failure, published.Account, c.Account), Rejected: accountChanged(c, published.Account)}
	}
	a := Admission{Token: c.token(s.ID, p)}
	// The parameter may be gone, or hold what another program wrote, also when the caller forces the renewal: publish the new token in any case.
	trusted := published != nil && !d.Displaced && d.Reason != ChangedByOther
	if trusted && c.TokenID == published.TokenID && !a.Token.ExpiresAt.After(published.ExpiresAt.Add(sameExpiry)) {
		return reused(now, s, d, a, p)
	}
	if trusted && !a.Token.ExpiresAt.After(published.ExpiresAt) && a.Token.ExpiresAt.Sub(now) <= p.MinRemaining() {
		return Admission{Rejected: &Cause{Class: Malformed, Code: CodeWorseToken, FromProvider: true,
			Text: fmt.Sprintf("the new token would expire at %s, before the published one", stamp(a.Token.ExpiresAt))}}
	}
	a.notices(now, s, published, c, p, moved)
	return a
}

// Unfit says why the token can never be published for its connection; nil when it can.
func (c Candidate) Unfit() *Cause {
	if c.Size > maxTokenSize {
		return &Cause{Class: Configuration, Code: CodeTokenTooLarge, FromProvider: true,
			Text: fmt.Sprintf("the token has %d bytes, a parameter holds %d", c.Size, maxTokenSize)}
	}
	if c.ScopeUnknown {
		return nil
	}
	if missing := MissingScopes(c.Scope, c.Required); len(missing) > 0 {
		return &Cause{Class: Configuration, Code: CodeMissingScope, FromProvider: true,
			Text: fmt.Sprintf("the granted token lacks required scope %.200s", strings.Join(missing, " "))}
	}
	return nil
}

func (c Candidate) token(id string, p Policy) Token {
	expires := c.IssuedAt.Add(c.Lifetime).Truncate(time.Second)
	if !expires.After(c.IssuedAt) {
		expires = c.IssuedAt.Add(time.Second) // a lifetime of less than a second
	}
	return Token{
		Provider: c.Provider, Endpoint: c.Endpoint, IssuedAt: c.IssuedAt, ExpiresAt: expires, RenewAt: p.RenewAt(id, c.IssuedAt, c.Lifetime),
		Scope: c.Scope, JTI: c.JTI, Account: c.Account, AccountID: c.AccountID, TokenID: c.TokenID, Shape: c.Shape,
		Credential: c.Credential, Stage: c.Stage, Since: c.Since.UTC().Truncate(time.Second),
	}
}

// sameAccount reports whether two account claims agree; an empty one says nothing.
func sameAccount(a, b string) bool { return a == "" || b == "" || a == b }

func accountChanged(c Candidate, published string) *Cause {
	return &Cause{Class: Configuration, Code: CodeAccountChanged, FromProvider: true,
		Text: fmt.Sprintf("the new token belongs to %s %q, the published one to %q", c.AccountClaim, c.Account, published)}
}

// accountNotice is given once for each failure, not with every trial.
func accountNotice(f *Failure, was, is string) []Notice {
	if f != nil && f.Code == CodeAccountChanged {
		return nil
	}
	return []Notice{{NoticeAccountChanged, []string{"was " + was, "is " + is}}}
}

// reused treats a response that holds the published token once more. The token gets no new lifetime; the next request is made in the middle of
// what remains. Close to its end, and after a reader's report, it is due as
// before.
func reused(now time.Time, s State, d Decision, a Admission, p Policy) Admission {
	published := s.Token
	a.Reused, a.Told = true, s.Told
	t := &a.Token
	t.Version = published.Version
	if published.IssuedAt.Before(t.IssuedAt) { // not one from the future, by a wrong clock: the token would stay due
		t.IssuedAt = published.IssuedAt
	}
	if published.ExpiresAt.Sub(t.ExpiresAt).Abs() <= sameExpiry {
		t.ExpiresAt = published.ExpiresAt
	}
	remaining := t.ExpiresAt.Sub(now)
	t.RenewAt = now.Add(remaining / 2).Truncate(time.Second)
	if remaining <= p.MinRemaining() {
		a.Notices = append(a.Notices, Notice{NoticeReusedTooLong, []string{"issued again with " + remaining.Truncate(time.Second).String() + " left"}})
	}
	if remaining <= p.MinRemaining() || d.Reason == RejectedByReader {
		t.RenewAt = published.RenewAt
	}
	return a
}

// notices compares a token with the one that it replaces.
func (a *Admission) notices(now time.Time, s State, published *Token, c Candidate, p Policy, moved bool) {
	add := func(name string, details ...string) { a.Notices = append(a.Notices, Notice{name, details}) }
	if was := published; was != nil {
		if diff := ScopeDiff(was.Scope, a.Token.Scope); was.Scope != "" && len(diff) > 0 {
			add(NoticeScopeChanged, diff...)
		}
		if moved {
			add(NoticeAccountChanged, "was "+was.Account, "is "+a.Token.Account)
		}
		if was.Shape != "" && was.Shape != a.Token.Shape {
			add(NoticeShapeChanged, fieldsNow(c.Fields)...)
		}
		if (was.Lifetime() - a.Token.Lifetime()).Abs() > lifetimeChange {
			add(NoticeLifetimeChanged, "was "+was.Lifetime().String(), "is "+a.Token.Lifetime().String())
		}
	}
	// What lasts is told once for each version of the client credentials: otherwise the alarm on notices would never end.
	a.Told = maps.Clone(s.Told)
	once := func(name, key string, details ...string) {
		if a.Told[name] == key {
			return
		}
		if a.Told == nil {
			a.Told = map[string]string{}
		}
		a.Told[name] = key
		add(name, details...)
	}
	if c.ScopeUnknown && len(c.Required) > 0 {
		once(NoticeScopeUnverified, c.Credential)
	}
	if p.TooShort(a.Token.Lifetime()) {
		once(NoticeLifetimeTooShort, c.Credential, "lifetime "+a.Token.Lifetime().String())
	}
	if months := monthsTooOld(c.Since, now); months > 0 {
		once(NoticeCredentialOld, fmt.Sprintf("%s/%d", c.Credential, months), "since "+stamp(c.Since))
	}
}

// fieldsNow names the fields of the response; of the one before only a hash is kept.
func fieldsNow(fields string) []string {
	if fields == "" {
		return nil
	}
	return []string{"fields now: " + fields}
}

// monthsTooOld counts the months of thirty days for which client credentials should have been replaced; 0 when their age is fine or unknown.
func monthsTooOld(since, now time.Time) int {
	if since.IsZero() || now.Sub(since) <= oldCredential {
		return 0
	}
	return 1 + int((now.Sub(since)-oldCredential)/(30*24*time.Hour))
}
