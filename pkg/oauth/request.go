package oauth

import (
	"net/http"
	"net/url"
	"time"
)

// AuthMethod is how the client authenticates at the token endpoint (RFC 7591 section 2, token_endpoint_auth_method). It is always
// stated, never probed: a second try in another style discloses the secret once more.
type AuthMethod string

// Methods. The last two are not registered: the first is what old servers document, the second what some JSON APIs want.
const (
	ClientSecretBasic AuthMethod = "client_secret_basic"
	ClientSecretPost  AuthMethod = "client_secret_post"
	ClientSecretQuery AuthMethod = "client_secret_query" // all parameters in the URL's query, empty body
	ClientSecretJSON  AuthMethod = "client_secret_json"  // all parameters in a JSON body
)

// GrantClientCredentials is the grant of RFC 6749 section 4.4.
const GrantClientCredentials = "client_credentials"

// Request is one token request (RFC 6749 section 4.4.2).
type Request struct {
	TokenEndpoint string     // absolute https URL
	AuthMethod    AuthMethod // required
	RawBasic      bool       // client_secret_basic: do not form-encode the two halves before base64, against RFC 6749 section 2.3.1 but as most vendors' samples do
	ClientID      string
	ClientSecret  Secret

	GrantType     string // "" means client_credentials
	OmitGrantType bool   // send no grant_type at all
	Scope         string // "" sends none
	Audience      string
	Resource      string
	Params        url.Values        // further fixed parameters; a field above that is set wins over one of the same name
	ParamNames    map[string]string // standard name -> the name that this server wants (ifood: grantType)
	JSONBody      bool              // client_secret_basic with a JSON body
	Header        http.Header       // further fixed headers

	Dialect         Dialect
	MaxLifetime     time.Duration // caps the token's lifetime; 0: only the package's MaxLifetime
	DefaultLifetime time.Duration // when the answer names none; 0: the package's DefaultLifetime
	KnownTokenID    string        // fingerprint of the token held now; the same one again is Token.Reissued
	KnownShape      string        // Token.Shape of the token held now; "": none to compare with

	anonymous bool // Client.Reach: sent without the client's credentials
}

// Dialect says how a server's answers differ from RFC 6749. The zero value is RFC 6749, read with tolerance.
type Dialect struct {
	Fields        map[string]string // standard field -> dotted path in the answer ("access_token": "data.token"); a mapped field is looked for there only
	ExpiresInUnit time.Duration     // 0 means time.Second
	Errors        []ErrorRule       // asked before the built-in rules, first match wins; not asked about a 2xx that has a token and no error
	RateLimitWait time.Duration     // wait after a 429 (or a rule's rate_limited) that names none

	checked bool // by Checked
}

// ErrorRule maps one of a server's own errors.
type ErrorRule struct {
	Status     int           // 0: any
	Error      string        // the answer's error, compared without regard to case; "": any
	Message    string        // regular expression (RE2) over error_description or message; "": any. A rule names at least one condition
	Class      Class         // transient, credentials, configuration or malformed
	Code       string        // lower_snake_case
	RetryAfter time.Duration // when the answer itself names no wait
}
