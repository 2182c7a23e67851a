package provider

import (
	"maps"
	"net/http"
	"net/url"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// AuthMethod is how the client authenticates at the token endpoint: what token_endpoint_auth_method of a document may say.
type AuthMethod string

// Methods. The first two are registered (RFC 7591 section 2). The last two are not: some servers document the third, some JSON APIs the fourth.
const (
	ClientSecretBasic AuthMethod = "client_secret_basic"
	ClientSecretPost  AuthMethod = "client_secret_post"
	ClientSecretQuery AuthMethod = "client_secret_query" // all parameters in the query of the URL, empty body
	ClientSecretJSON  AuthMethod = "client_secret_json"  // all parameters in a JSON body
)

// Endpoint is a token endpoint of the provider for clients that authenticate by method. It shares nothing that the caller could change.
func (p Provider) Endpoint(tokenEndpoint string, method AuthMethod) oauth.Endpoint {
	e := oauth.Endpoint{
		URL: tokenEndpoint, Params: url.Values(http.Header(p.Params).Clone()), ParamNames: maps.Clone(p.ParamNames), OmitGrantType: p.OmitGrantType,
		Header: p.Headers.Clone(), Dialect: p.Dialect,
	}
	switch {
	case method == ClientSecretQuery:
		e.Body = oauth.QueryBody
	case method == ClientSecretJSON || p.JSONBody:
		e.Body = oauth.JSONBody
	}
	return e
}

// ClientAuth is the client authentication by method with a client secret.
func (p Provider) ClientAuth(method AuthMethod, id string, secret oauth.Secret) oauth.ClientAuth {
	switch {
	case method != ClientSecretBasic:
		return oauth.ClientSecretPost(id, secret)
	case p.RawBasic:
		return oauth.ClientSecretBasicRaw(id, secret)
	}
	return oauth.ClientSecretBasic(id, secret)
}
