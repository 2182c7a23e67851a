package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	defaultTimeout   = 10 * time.Second
	defaultUserAgent = "chaveiro (+oauth2 token client)"
)

// Config of a Client. The zero value is ready for production.
type Config struct {
	Timeout       time.Duration     // per attempt; 0 means 10 s
	UserAgent     string            // "" means "chaveiro (+oauth2 token client)"
	AllowLoopback bool              // accept http, loopback and link-local endpoints: local runs and tests only
	Transport     http.RoundTripper // nil: the guarded transport of this package; anything else is used as it is, for tests in process
	RootCAs       *x509.CertPool    // nil: the system's
	Certificate   *tls.Certificate  // presented when the server asks; nil: none
	Now           func() time.Time  // nil: time.Now
	Rand          func() float64    // jitter in [0,1); nil: math/rand/v2
}

// Client speaks to token endpoints. It is safe for concurrent use and keeps no state of a request.
type Client struct {
	cfg       Config
	transport http.RoundTripper
	certUntil time.Time // NotAfter of Config.Certificate, zero without one
}

// New validates cfg and returns a Client. The error joins every fault.
func New(cfg Config) (*Client, error) {
	var faults []error
	if cfg.Timeout < 0 {
		faults = append(faults, fmt.Errorf("timeout %v is negative", cfg.Timeout))
	}
	if strings.ContainsFunc(cfg.UserAgent, isHeaderBreak) {
		faults = append(faults, errors.New("user agent has control characters"))
	}
	until, err := notAfter(cfg.Certificate)
	if err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("configure token client: %w", errors.Join(faults...))
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = defaultUserAgent
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	c := &Client{cfg: cfg, transport: cfg.Transport, certUntil: until}
	if c.transport == nil {
		c.transport = newGuardedTransport(cfg, net.Dialer{}, http.ProxyFromEnvironment)
	}
	return c, nil
}

func notAfter(cert *tls.Certificate) (time.Time, error) {
	switch {
	case cert == nil:
		return time.Time{}, nil
	case cert.Leaf != nil:
		return cert.Leaf.NotAfter, nil
	case len(cert.Certificate) == 0:
		return time.Time{}, errors.New("client certificate is empty")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return time.Time{}, fmt.Errorf("read client certificate: %w", err)
	}
	return leaf.NotAfter, nil
}

// CloseIdleConnections closes the connections that are kept for the next request.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Exchange is the outcome of one attempt.
type Exchange struct {
	Token   *Token // nil when it failed
	Latency Latency
	Number  int // 1 for the first
}

// Exchange makes one attempt. The error is always an *Error.
func (c *Client) Exchange(ctx context.Context, req Request) (Exchange, error) {
	watch := newStopwatch(c.cfg.Now)
	token, err := c.attempt(ctx, &req, watch)
	ex := Exchange{Token: token, Latency: watch.stop(), Number: 1}
	if err != nil {
		return ex, err // a typed nil must not become an error
	}
	return ex, nil
}

// attempt checks, sends, reads and judges.
func (c *Client) attempt(ctx context.Context, req *Request, watch *stopwatch) (*Token, *Error) {
	if err := ctx.Err(); err != nil {
		return nil, cancelledError(EndpointHost(req.TokenEndpoint), err)
	}
	host, e := req.check(c.cfg.AllowLoopback)
	if e != nil {
		return nil, e
	}
	issued := c.cfg.Now()
	if !c.certUntil.IsZero() && issued.After(c.certUntil) {
		return nil, configError(CodeMTLSCertExpired, host, "the client certificate is valid no longer")
	}
	actx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	a, err := c.send(actx, req, watch)
	if err != nil {
		return nil, transportError(ctx, host, watch, err)
	}
	a.at = issued.UTC().Truncate(time.Second)
	token, e := a.outcome(req)
	if e != nil {
		e.Host = host
		return nil, e
	}
	return token, nil
}

// errNoResponse is of a Config.Transport that breaks RoundTripper's promise.
var errNoResponse = errors.New("the transport returned neither an answer nor an error")

// send returns an error when the connection failed before the answer was whole. That a whole answer's body is too large or packed in an unknown
// way is the answer's own bodyErr.
func (c *Client) send(ctx context.Context, req *Request, watch *stopwatch) (*answer, error) {
	hreq, err := req.httpRequest(watch.watch(ctx), c.cfg.UserAgent)
	if err != nil {
		return nil, configError(CodeInvalidRequestConfig, "", "the request cannot be built") // err may repeat the URL
	}
	// RoundTrip and not a Client: no redirect is followed, no cookie kept, and no *url.Error prints the URL, which may hold the secret.
	res, err := c.transport.RoundTrip(hreq)
	if err == nil && res == nil {
		err = errNoResponse
	}
	if err != nil {
		return nil, err
	}
	if res.Body == nil {
		res.Body = http.NoBody
	}
	defer func() { _ = res.Body.Close() }() // whatever it says, the body has been read or given up
	body, err := readBody(res)
	if err != nil && !errors.Is(err, errBodyTooLarge) && !errors.Is(err, errBodyEncoding) && !statusSuffices(res.StatusCode) {
		return nil, err
	}
	a := parseAnswer(res, body, req.Dialect)
	a.bodyErr = err
	return a, nil
}

// statusSuffices reports whether an answer is understood without its body: a 503 that is cut off is a 503, with its Retry-After. A 400 or
// a 401 may be anything, so it counts as no answer.
func statusSuffices(status int) bool {
	return status >= 300 && status <= 399 || status == http.StatusProxyAuthRequired || statusVerdict(status).class == Transient
}
