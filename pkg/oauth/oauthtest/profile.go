package oauthtest

import (
	"net/http"
	"time"
)

// profile is how one kind of server speaks. It holds no state: that is the Provider's, whose lock is held during every call.
type profile interface {
	facts() facts
	// present reads the credentials of a token call without judging them.
	present(s *Settings, in *wire) credentials
	// token answers a token call.
	token(p *Provider, v *visit) (answer, outcome)
	// api answers a call of the API. t is nil when no known token was presented.
	api(p *Provider, v *visit, t *issued) answer
	// tooMany is the 429 of a limit, reset being the rest of its window.
	tooMany(l Limit, reset time.Duration) answer
	// failure is the body for a status at or above 400.
	failure(status int) answer
}

// facts are a profile's constants.
type facts struct {
	name      string
	host      string // of the token endpoint
	path      string
	apiHosts  []string // the first is production
	apiPaths  []string // the first is the cheap one
	lifetime  time.Duration
	scopes    []string
	kind      string // token_type
	format    TokenFormat
	gzipLike  bool // opaque tokens have the H4sI... shape
	expiresIn ExpiresInStyle
}

const jsonType = "application/json"

// answer is what goes back.
type answer struct {
	status int
	header http.Header
	body   []byte
	size   int64 // when above len(body): filled up with white space to this length
	cut    int64 // when cutting: the body ends after so many bytes
	isCut  bool
	reset  bool
}

// reply is an answer with a JSON body.
func reply(status int, body string) answer {
	return answer{status: status, header: http.Header{"Content-Type": {jsonType}}, body: []byte(body)}
}

func (a answer) with(name, value string) answer {
	a.header.Set(name, value)
	return a
}

// credentials are what a token call presents.
type credentials struct {
	style string // for the log

	hasBasic              bool
	basicOK               bool // the header could be decoded
	basicID, basicSecret  string
	hasParam              bool // a client_id came as a parameter
	paramID, paramSecret  string
	inQuery, inForm, json bool // where that parameter came from
}

// id is whom the call claims to come from.
func (c *credentials) id() string {
	if c.basicOK {
		return c.basicID
	}
	return c.paramID
}
