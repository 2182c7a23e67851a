// Package connection reads and validates the connection document: the JSON object that a person stores as one secret, and that says how
// to get tokens for one account at one provider (contract.md section 1).
//
// It is strict on purpose. A document is written once, by hand, and read by a program every few minutes for years: whatever can be
// refused with a sentence on the first day is not found out at night.
package connection

import (
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Connection is a valid connection document with all defaults applied.
type Connection struct {
	ID       string // the secret's name without the prefix
	Provider provider.Provider

	ClientID     string
	ClientSecret oauth.Secret

	TokenEndpoint string // absolute https URL
	Host          string // host of TokenEndpoint, with the port if it is not 443: what records and reports call the endpoint
	AuthMethod    provider.AuthMethod
	GrantType     string
	Environment   string // provider.Production or provider.Sandbox
	Scope         string // requested scope, separated by single spaces; "" asks for none
	RequiredScope []string
	Audience      string
	Resource      string
	AccountID     string // "": what the token's claim says, see provider.Provider.AccountClaim

	RefreshAt   float64       // resolved: the document's, else the catalogue's, else provider.DefaultRefreshAt
	MaxLifetime time.Duration // the smaller of the document's and the catalogue's; 0: neither has one
	VerifyCall  bool          // the rotator also makes the provider's cheap authenticated call
	Fallback    bool          // a standby or previous pair may be used; true unless the document says otherwise
}

// TokenRequest is the token request of the connection.
func (c Connection) TokenRequest() oauth.TokenRequest {
	return oauth.TokenRequest{
		Endpoint: c.Provider.Endpoint(c.TokenEndpoint, c.AuthMethod),
		Auth:     c.Provider.ClientAuth(c.AuthMethod, c.ClientID, c.ClientSecret),
		Grant:    oauth.ClientCredentials{Scope: strings.Fields(c.Scope), Audience: c.Audience, Resource: c.Resource},
	}
}
