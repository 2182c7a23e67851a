package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	maxHeaderBytes = 64 << 10
	maxIdleConns   = 64 // in all, unless one host may keep more
	maxPools       = 64 // client certificates whose connections are kept at the same time
	// idleConnTimeout is short: a function that sleeps between two runs wakes up with connections that the other side has long closed.
	idleConnTimeout = 30 * time.Second
)

// guardedTransport refuses to dial a forbidden address (see the package documentation). It keeps one pool of connections for each client
// certificate: a connection that was authenticated with one client's certificate must not carry another client's request (RFC 8705 section 2).
type guardedTransport struct {
	proxy func(*http.Request) (*url.URL, error)
	open  func(*tls.Certificate) pool

	mu    sync.Mutex
	pools []pool // least recently used first, at most maxPools
}

// pool is the connections of one client certificate. A request that goes through a proxy has a transport of its own, because the address
// that is dialled then is the proxy's, which is exempt from the guard: it may be in this very network.
type pool struct {
	certificate [sha256.Size]byte // fingerprint of the leaf, zero for none
	direct      *http.Transport
	proxied     *http.Transport
}

// newGuardedTransport builds the transport. The dialer and the choice of the proxy are parameters so that tests can bring a resolver and a
// proxy of their own; New passes an empty dialer and http.ProxyFromEnvironment.
func newGuardedTransport(cfg Config, dialer net.Dialer, proxy func(*http.Request) (*url.URL, error)) *guardedTransport {
	plain, guarded := dialer, dialer
	plain.Timeout, guarded.Timeout = cfg.Timeout, cfg.Timeout
	if !cfg.AllowLoopback {
		guarded.ControlContext = refuseAddress
	}
	return &guardedTransport{proxy: proxy, open: func(cert *tls.Certificate) pool {
		p := pool{certificate: fingerprint(cert), direct: newTransport(cfg, &guarded, cert), proxied: newTransport(cfg, &plain, cert)}
		p.proxied.Proxy = proxy
		p.proxied.OnProxyConnectResponse = checkProxyAnswer
		return p
	}}
}

func newTransport(cfg Config, dialer *net.Dialer, cert *tls.Certificate) *http.Transport {
	// HTTP/1.1 only. A token request is one small POST; over HTTP/2 a connection that died while the program slept is not noticed: a request
	// that times out does not close it, and the next one hangs on it again.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig(cfg, cert),
		TLSHandshakeTimeout:    cfg.Timeout,
		DisableCompression:     true, // readBody undoes gzip, under its own limit
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConns:           max(maxIdleConns, cfg.MaxIdlePerHost),
		MaxIdleConnsPerHost:    cfg.MaxIdlePerHost,
		IdleConnTimeout:        idleConnTimeout,
		Protocols:              protocols,
	}
}

func tlsConfig(cfg Config, cert *tls.Certificate) *tls.Config {
	if cert == nil {
		cert = new(tls.Certificate) // an empty one is not sent
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    cfg.RootCAs,
		// Not Certificates: crypto/tls would hold one back when the server's list of acceptable authorities is incomplete. And so it becomes
		// known that the server asked, which tells two causes of a handshake_failure apart.
		GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if w := stopwatchOf(info.Context()); w != nil {
				w.certificateAsked()
			}
			return cert, nil
		},
	}
}

// RoundTrip sends the request directly or through the environment's proxy.
func (t *guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	p, err := t.proxy(req)
	if err != nil {
		closeBody(req)
		return nil, configError(CodeEgressProxyRefused, "", "the proxy in the environment is not a URL") // err would repeat it, with its password
	}
	connections := t.poolFor(certificateOf(req.Context()))
	if p == nil {
		return connections.direct.RoundTrip(req)
	}
	return connections.proxied.RoundTrip(req)
}

// poolFor returns the pool of a client certificate, and opens it when there is none. The least recently used of too many is closed.
func (t *guardedTransport) poolFor(cert *tls.Certificate) pool {
	key := fingerprint(cert)
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.pools, func(p pool) bool { return p.certificate == key })
	if at < 0 {
		at = len(t.pools)
		t.pools = append(t.pools, t.open(cert))
	}
	found := t.pools[at]
	t.pools = append(slices.Delete(t.pools, at, at+1), found)
	if len(t.pools) > maxPools {
		t.pools[0].closeIdle()
		t.pools = slices.Delete(t.pools, 0, 1)
	}
	return found
}

// closeBody keeps RoundTripper's promise to close the body also on errors.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the request is not sent: nothing depends on it
	}
}

// CloseIdleConnections closes what is kept for the next request.
func (t *guardedTransport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.pools {
		p.closeIdle()
	}
}

func (p pool) closeIdle() {
	p.direct.CloseIdleConnections()
	p.proxied.CloseIdleConnections()
}

// refuseAddress is called with the address that is about to be dialled, after name resolution.
func refuseAddress(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return configError(CodeEndpointRefused, "", "the token endpoint's address cannot be read")
	}
	if why := refusedAddr(ap.Addr()); why != "" {
		return configError(CodeEndpointRefused, "", why)
	}
	return nil
}

// checkProxyAnswer turns a proxy's refusal of CONNECT into what it means. Without it net/http says the status text and nothing more.
func checkProxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	switch {
	case res.StatusCode == http.StatusOK:
		return nil
	case res.StatusCode == http.StatusProxyAuthRequired:
		return &Error{Class: Configuration, Code: CodeEgressProxyAuth, Status: res.StatusCode, Description: "the egress proxy wants credentials"}
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return &Error{Class: Transient, Code: CodeNetwork, Description: "the egress proxy could not connect (" + http.StatusText(res.StatusCode) + ")"}
	default:
		return &Error{Class: Configuration, Code: CodeEgressProxyRefused, Description: "the egress proxy does not let the host through (" + http.StatusText(res.StatusCode) + ")"}
	}
}
