package oauth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ClientAuth authenticates the client at the token endpoint (RFC 6749 section 2.3). A value may serve many requests at once, so Apply must
// not change it.
type ClientAuth interface {
	// Apply adds the authentication to the call. It is not called for a probe. An *Error that it returns is the outcome of the
	// request; any other error becomes one of class configuration. Until the context's deadline it may call out, for example to sign.
	Apply(ctx context.Context, c *Call) error
	// Secrets returns what must never appear in an error or a log line. It is called after Apply.
	Secrets() []Secret
}

// Call is a token request that is being built. URL and Now are given, and so is Form, with the parameters of the grant; Apply adds to
// Form and Header, and may set Certificate.
type Call struct {
	URL         string           // of the token endpoint: the audience of a client assertion (RFC 7523 section 3)
	Now         time.Time        // for the times in an assertion
	Form        url.Values       // parameters under their standard names; Endpoint.ParamNames applies later
	Header      http.Header      // headers of the client authentication
	Certificate *tls.Certificate // presented when the server asks for one (RFC 8705 section 2); nil: none
}

// ClientSecretBasic authenticates by HTTP Basic (client_secret_basic, RFC 6749 section 2.3.1). Both halves are form-encoded first, as the
// RFC demands.
func ClientSecretBasic(id string, secret Secret) ClientAuth {
	return basicAuth{clientSecret{id, secret}, false}
}

// ClientSecretBasicRaw is ClientSecretBasic without the form-encoding, against RFC 6749 section 2.3.1 and as many servers expect. Both give
// the same value for an id and a secret of letters, digits, "-", "." and "_". The id must not contain a colon (RFC 7617 section 2).
func ClientSecretBasicRaw(id string, secret Secret) ClientAuth {
	return basicAuth{clientSecret{id, secret}, true}
}

// ClientSecretPost sends client_id and client_secret as parameters (client_secret_post, RFC 6749 section 2.3.1). With Endpoint.Body they
// go into a JSON object or the query, as some servers expect.
func ClientSecretPost(id string, secret Secret) ClientAuth {
	return postAuth{clientSecret{id, secret}}
}

// clientSecret is a client id with its secret.
type clientSecret struct {
	id     string
	secret Secret
}

// Secrets returns the secret, and the two Basic values that contain it: a server may repeat either.
func (c clientSecret) Secrets() []Secret {
	if c.secret.IsZero() {
		return nil
	}
	return []Secret{c.secret, NewSecret(c.basic(false)), NewSecret(c.basic(true))}
}

// basic is the credentials part of a Basic Authorization header.
func (c clientSecret) basic(raw bool) string {
	id, secret := c.id, c.secret.Reveal()
	if !raw {
		id, secret = url.QueryEscape(id), url.QueryEscape(secret)
	}
	return base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
}

func (c clientSecret) check() error {
	switch {
	case c.id == "":
		return invalidRequest("the client id is missing")
	case c.secret.IsZero():
		return invalidRequest("the client secret is missing")
	}
	return nil
}

type basicAuth struct {
	clientSecret
	raw bool
}

// Apply sets the Authorization header.
func (a basicAuth) Apply(_ context.Context, c *Call) error {
	if err := a.check(); err != nil {
		return err
	}
	if a.raw && strings.Contains(a.id, ":") {
		return invalidRequest("a client id with a colon cannot be sent by raw Basic (RFC 7617 section 2)")
	}
	c.Header.Set("Authorization", "Basic "+a.basic(a.raw))
	return nil
}

type postAuth struct{ clientSecret }

// Apply adds client_id and client_secret to the parameters.
func (a postAuth) Apply(_ context.Context, c *Call) error {
	if err := a.check(); err != nil {
		return err
	}
	c.Form.Set("client_id", a.id)
	c.Form.Set("client_secret", a.secret.Reveal())
	return nil
}
