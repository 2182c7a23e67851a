package oauth

import (
	"context"
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
	defaultTimeout        = 10 * time.Second
	defaultUserAgent      = "oauth2-token-client"
	defaultMaxIdlePerHost = 16
)

// Config of a Client. The zero value is ready for production.
type Config struct {
	Timeout        time.Duration  // per attempt; 0 means 10 s
	UserAgent      string         // "" means "oauth2-token-client"
	AllowLoopback  bool           // accept http, loopback and link-local endpoints: local runs and tests only
	MaxIdlePerHost int            // idle connections kept for each host and client certificate; 0 means 16
	RootCAs        *x509.CertPool // nil: the system's

	// WrapTransport adds a layer around the transport, for example for tracing. The guard against forbidden addresses stays in force. It
	// is called once, in New. The layer sees the request with its credentials.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// Transport replaces the transport of this package, and with it the guard against forbidden addresses, RootCAs, MaxIdlePerHost and
	// client certificates: for tests in process. nil: the guarded transport.
	Transport http.RoundTripper

	Now  func() time.Time // nil: time.Now
	Rand func() float64   // jitter in [0,1); nil: math/rand/v2
}

// Client speaks to token endpoints. It is safe for concurrent use and keeps no state of a request.
type Client struct {
	cfg       Config
	base      http.RoundTripper // below WrapTransport
	transport http.RoundTripper
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
	if cfg.MaxIdlePerHost < 0 {
		faults = append(faults, fmt.Errorf("max idle connections %d is negative", cfg.MaxIdlePerHost))
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
	if cfg.MaxIdlePerHost == 0 {
		cfg.MaxIdlePerHost = defaultMaxIdlePerHost
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	c := &Client{cfg: cfg, base: cfg.Transport}
	if c.base == nil {
		c.base = newGuardedTransport(cfg, net.Dialer{}, http.ProxyFromEnvironment)
	}
	c.transport = c.base
	if cfg.WrapTransport != nil {
		if c.transport = cfg.WrapTransport(c.base); c.transport == nil {
			return nil, errors.New("configure token client: WrapTransport returned nil")
		}
	}
	return c, nil
}

// CloseIdleConnections closes the connections that are kept for the next request.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.base.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Token makes one attempt. The error is always an *Error.
func (c *Client) Token(ctx context.Context, req TokenRequest) (*Token, error) {
	token, err := c.attempt(ctx, req, false, newStopwatch(c.cfg.Now))
	if err != nil {
		return nil, err // a typed nil must not become an error
	}
	return token, nil
}

// attempt checks the request, sends it, and reads and classifies the response.
func (c *Client) attempt(ctx context.Context, req TokenRequest, probe bool, watch *stopwatch) (*Token, *Error) {
	if err := ctx.Err(); err != nil {
		return nil, canceledError(EndpointHost(req.Endpoint.URL), err)
	}
	host, e := checkEndpoint(req.Endpoint.URL, c.cfg.AllowLoopback)
	if e != nil {
		return nil, e
	}
	actx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	now := c.cfg.Now()
	out, err := req.prepare(actx, host, now, probe)
	if err != nil {
		return nil, out.notBuilt(ctx, err)
	}
	if cert := out.call.Certificate; cert != nil {
		if e := checkCertificate(cert, host, now); e != nil {
			return nil, e
		}
		actx = withCertificate(actx, cert)
	}
	a, err := c.send(actx, out, watch)
	if err != nil {
		return nil, transportError(ctx, host, watch, err)
	}
	return a.outcome()
}

// errNoResponse is the error for a Config.Transport that breaks the contract of http.RoundTripper.
var errNoResponse = errors.New("the transport returned neither a response nor an error")

// send returns an error when the connection failed before the answer was whole. That a whole answer's body is too large or packed in an unknown
// way is the answer's own bodyErr.
func (c *Client) send(ctx context.Context, out outgoing, watch *stopwatch) (*answer, error) {
	hreq, err := out.httpRequest(watch.watch(ctx), c.cfg.UserAgent)
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
	a := parseAnswer(res, body, out)
	a.bodyErr = err
	return a, nil
}

// statusSuffices reports whether an answer is understood without its body: a 503 that is cut off is a 503, with its Retry-After. A 400 or
// a 401 may be anything, so it counts as no answer.
func statusSuffices(status int) bool {
	return status >= 300 && status <= 399 || status == http.StatusProxyAuthRequired || statusVerdict(status).class == Transient
}
