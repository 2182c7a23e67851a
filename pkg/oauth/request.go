package oauth

import (
	"net/http"
	"net/url"
)

// TokenRequest is one token request (RFC 6749 section 3.2). All three parts are required. The client authentication is always stated, never
// probed: a second attempt with another method would disclose the credentials once more.
type TokenRequest struct {
	Endpoint Endpoint
	Auth     ClientAuth
	Grant    Grant
}

// Endpoint is a token endpoint and how it differs from the RFC. Only URL is required.
type Endpoint struct {
	URL           string            // absolute https URL, without user information and fragment; a query is kept (RFC 6749 section 3.2)
	Body          BodyFormat        // where the parameters go; "" means a form
	Params        url.Values        // further fixed parameters; a parameter that the grant or the client authentication sets replaces one of the same name
	ParamNames    map[string]string // standard parameter name to the name that this server expects
	OmitGrantType bool              // send no grant_type
	Header        http.Header       // further fixed headers
	Dialect       Dialect           // how the responses differ from the RFC
}

// BodyFormat says where the parameters of a token request go.
type BodyFormat string

// Body formats. RFC 6749 defines the first; some servers expect one of the others.
const (
	FormBody  BodyFormat = ""      // application/x-www-form-urlencoded in the body (RFC 6749 appendix B)
	JSONBody  BodyFormat = "json"  // a JSON object in the body: a parameter with one value is a string, with several a list
	QueryBody BodyFormat = "query" // the query of the URL, with an empty body of type application/json
)
