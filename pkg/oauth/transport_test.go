package oauth

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func poolOfCertificate(t *testing.T, c *tls.Certificate) *x509.CertPool {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return poolOf(leaf)
}

const goodBody = `{"access_token":"T","token_type":"Bearer","expires_in":3600}`

func TestANameThatResolvesToARefusedAddressIsNotDialled(t *testing.T) {
	t.Parallel()
	for _, addr := range [][]byte{{127, 0, 0, 1}, {169, 254, 169, 254}, {0, 0, 0, 0}, {224, 0, 0, 1}} {
		c := guardedClient(t, Config{}, resolver(t, addr...), noProxy)
		req := testRequest()
		_, err := c.Token(t.Context(), req)
		e := asError(t, err)
		wantError(t, e, Configuration, CodeEndpointRefused)
		if e.Host != "auth.example.com" {
			t.Errorf("host %q", e.Host)
		}
	}
}

func TestTheGuardJudgesTheAddressAndNotTheName(t *testing.T) {
	t.Parallel()
	endpoint, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, goodBody) })
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	req := testRequest()
	req.Endpoint.URL = "https://example.com:" + u.Port() + "/token" // in httptest's certificate
	c := guardedClient(t, Config{AllowLoopback: true, RootCAs: pool, Now: time.Now}, resolver(t, 127, 0, 0, 1), noProxy)
	ex, err := attemptOnce(t.Context(), c, req)
	if err != nil {
		t.Fatal(err)
	}
	if ex.Latency.DNS <= 0 || ex.Latency.Total < ex.Latency.DNS {
		t.Errorf("latency %+v", ex.Latency)
	}
	if e := refuseAddress(t.Context(), "tcp", "no address", nil); e == nil {
		t.Error("an address that cannot be read is dialled")
	}
	if e := refuseAddress(t.Context(), "tcp", "8.8.8.8:443", nil); e != nil {
		t.Error(e)
	}
}

func TestLatencyByPhase(t *testing.T) {
	t.Parallel()
	endpoint, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, goodBody) })
	req := testRequest()
	req.Endpoint.URL = endpoint
	c := newTestClient(t, Config{AllowLoopback: true, RootCAs: pool, Now: time.Now})
	cold, err := attemptOnce(t.Context(), c, req)
	if err != nil {
		t.Fatal(err)
	}
	if l := cold.Latency; l.Connect <= 0 || l.TLS <= 0 || l.FirstByte <= 0 || l.Total < l.Connect+l.TLS || l.Reused {
		t.Errorf("cold: %+v", l)
	}
	warm, err := attemptOnce(t.Context(), c, req)
	if err != nil {
		t.Fatal(err)
	}
	if l := warm.Latency; l.Connect != 0 || l.TLS != 0 || l.DNS != 0 || l.FirstByte <= 0 || !l.Reused {
		t.Errorf("warm: %+v", l)
	}
}

func TestRedirectsAreNeverFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	other, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		followed.Store(true)
		_, _ = io.WriteString(w, goodBody)
	})
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		endpoint, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other)
			w.WriteHeader(status)
		})
		req := testRequest()
		req.Endpoint.URL = endpoint
		_, err := newTestClient(t, Config{AllowLoopback: true, RootCAs: pool}).Token(t.Context(), req)
		wantError(t, asError(t, err), Configuration, CodeRedirectRefused)
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// tunnel is a proxy on loopback that leads every CONNECT to one target.
func tunnel(t *testing.T, target string) func(*http.Request) (*url.URL, error) {
	t.Helper()
	return proxyAt(t, serveConn(t, func(c net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(c)); err != nil || req.Method != http.MethodConnect {
			return
		}
		out, err := new(net.Dialer).DialContext(context.Background(), "tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = out.Close() }()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(out, c) }()
		_, _ = io.Copy(c, out)
	}))
}

// proxyAt chooses the proxy that listens where a raw server does, with a password in its URL.
func proxyAt(t *testing.T, raw string) func(*http.Request) (*url.URL, error) {
	t.Helper()
	u, err := url.Parse(strings.Replace(raw, "https://", "http://me:pr0xy-pass@", 1))
	if err != nil {
		t.Fatal(err)
	}
	return func(*http.Request) (*url.URL, error) { return u, nil }
}

func TestProxyOnLoopbackIsExempt(t *testing.T) {
	t.Parallel()
	endpoint, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, goodBody) })
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	req := testRequest()
	req.Endpoint.URL = "https://example.com/token"
	c := guardedClient(t, Config{RootCAs: pool}, resolver(t), tunnel(t, u.Host))
	if _, err := c.Token(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	req.Endpoint.URL = "https://127.0.0.1/token"
	_, err = c.Token(t.Context(), req)
	wantError(t, asError(t, err), Configuration, CodeEndpointRefused)
}

func TestProxyThatRefuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]verdict{
		407: {Configuration, CodeEgressProxyAuth},
		403: {Configuration, CodeEgressProxyRefused},
		502: {Transient, CodeNetwork},
		429: {Transient, CodeNetwork},
	} {
		raw := serveConn(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				res := http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1}
				_ = res.Write(c)
			}
		})
		_, err := guardedClient(t, Config{}, resolver(t), proxyAt(t, raw)).Token(t.Context(), testRequest())
		wantError(t, asError(t, err), want.class, want.code)
		if strings.Contains(err.Error(), "pr0xy") {
			t.Errorf("the proxy's password: %v", err)
		}
	}
}

func TestProxyThatIsNone(t *testing.T) {
	t.Parallel()
	c := guardedClient(t, Config{}, resolver(t), func(*http.Request) (*url.URL, error) { return nil, errors.New("parse pr0xy-pass") })
	_, err := c.Token(t.Context(), testRequest())
	wantError(t, asError(t, err), Configuration, CodeEgressProxyRefused)
	if strings.Contains(err.Error(), "pr0xy") {
		t.Error(err)
	}
	nobody, _ := url.Parse("http://127.0.0.1:1")
	c = guardedClient(t, Config{}, resolver(t), func(*http.Request) (*url.URL, error) { return nobody, nil })
	_, err = c.Token(t.Context(), testRequest())
	wantError(t, asError(t, err), Transient, CodeNetwork)
}

// TestTLSFailures makes each handshake fail for real.
func TestTLSFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		server func(*tls.Config)
		client *tls.Certificate
		host   string
		want   verdict
	}{
		"another host's certificate": {host: "auth.example.org", want: verdict{Configuration, CodeTLSTrust}},
		"certificate required in TLS 1.2": {
			server: func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 },
			want:   verdict{Configuration, CodeMTLSRequired},
		},
		"a client certificate of another authority": {
			server: func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert },
			client: clientCertificate(t, testNow.AddDate(10, 0, 0)),
			want:   verdict{Configuration, CodeMTLSRequired},
		},
		"a client certificate that is expired by the server's clock": {
			server: func(c *tls.Config) {
				c.ClientAuth, c.Time = tls.RequireAndVerifyClientCert, func() time.Time { return testNow.AddDate(20, 0, 0) }
			},
			client: clientCertificate(t, testNow.AddDate(10, 0, 0)),
			want:   verdict{Configuration, CodeMTLSCertExpired},
		},
		"TLS 1.1": {
			server: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
			want:   verdict{Configuration, CodeTLSHandshake},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint, pool := serveTLS(t, tc.server, func(net.Conn, *tls.Conn, *http.Request) {})
			if tc.client != nil {
				leaf := poolOfCertificate(t, tc.client)
				change := tc.server
				endpoint, pool = serveTLS(t, func(c *tls.Config) {
					change(c)
					if tc.want.code == CodeMTLSCertExpired {
						c.ClientCAs = leaf
					}
				}, func(net.Conn, *tls.Conn, *http.Request) {})
			}
			if tc.host != "" {
				endpoint = strings.Replace(endpoint, "127.0.0.1", tc.host, 1)
			}
			c := guardedClient(t, Config{AllowLoopback: true, RootCAs: pool}, resolver(t, 127, 0, 0, 1), noProxy)
			req := testRequest()
			req.Endpoint.URL = endpoint
			req.Auth = withClientCertificate(tc.client)
			_, err := c.Token(t.Context(), req)
			wantError(t, asError(t, err), tc.want.class, tc.want.code)
		})
	}
}

func TestClientCertificateIsPresented(t *testing.T) {
	t.Parallel()
	endpoint, pool := serveTLS(t, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, func(_ net.Conn, c *tls.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"+goodBody)
	})
	req := testRequest()
	req.Endpoint.URL = endpoint
	req.Auth = withClientCertificate(clientCertificate(t, testNow.AddDate(10, 0, 0)))
	c := newTestClient(t, Config{AllowLoopback: true, RootCAs: pool})
	if _, err := c.Token(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

// TestConnectionFailures tells what may have been acted upon from what was not.
func TestConnectionFailures(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Second // a handshake on a busy machine must fit; only what hangs takes it
	for name, tc := range map[string]struct {
		endpoint func(t *testing.T) string
		want     verdict
	}{
		"not a TLS server": {func(t *testing.T) string {
			return serveConn(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
		}, verdict{Configuration, CodeTLSHandshake}},
		"hangs before the handshake":   {func(t *testing.T) string { return serveConn(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) }, verdict{Transient, CodeNetwork}},
		"closes before the handshake":  {func(t *testing.T) string { return serveConn(t, func(net.Conn) {}) }, verdict{Transient, CodeNetwork}},
		"nobody listens":               {func(*testing.T) string { return "https://127.0.0.1:1/" }, verdict{Transient, CodeNetwork}},
		"an internal error of its TLS": {func(t *testing.T) string { return serveConn(t, func(c net.Conn) { alertTLS(c, 80) }) }, verdict{Transient, CodeNetwork}},
		"no common cipher":             {func(t *testing.T) string { return serveConn(t, func(c net.Conn) { alertTLS(c, 40) }) }, verdict{Configuration, CodeTLSHandshake}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := testRequest()
			req.Endpoint.URL = tc.endpoint(t)
			_, err := newTestClient(t, Config{AllowLoopback: true, Timeout: patience}).Token(t.Context(), req)
			wantError(t, asError(t, err), tc.want.class, tc.want.code)
		})
	}
}

// alertTLS answers the hello with an alert (RFC 8446 section 6), and reads on.
func alertTLS(c net.Conn, alert byte) {
	_, _ = c.Read(make([]byte, 4096))
	_, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, alert})
	_, _ = io.Copy(io.Discard, c)
}

func TestTransportInProcessThatFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err   error
		want  verdict
		cause error
	}{
		"unknown":         {errors.New("boom https://x?client_secret=" + testSecret), verdict{Transient, CodeNetworkAmbiguous}, nil},
		"EOF":             {io.EOF, verdict{Transient, CodeNetworkAmbiguous}, io.EOF},
		"reset":           {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, verdict{Transient, CodeNetworkAmbiguous}, syscall.ECONNRESET},
		"refused":         {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, verdict{Transient, CodeNetwork}, syscall.ECONNREFUSED},
		"name server out": {&net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true}, verdict{Transient, CodeDNS}, nil},
		"neither":         {nil, verdict{Transient, CodeNetworkAmbiguous}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, Config{Transport: transportFunc(func(*http.Request) (*http.Response, error) { return nil, tc.err })})
			_, err := c.Token(t.Context(), testRequest())
			e := asError(t, err)
			wantError(t, e, tc.want.class, tc.want.code)
			if tc.cause != nil && !errors.Is(err, tc.cause) {
				t.Errorf("%v does not wrap %v", err, tc.cause)
			}
			if strings.Contains(err.Error(), testSecret) {
				t.Error(err)
			}
		})
	}
}

func TestTheCallersContext(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c := newTestClient(t, Config{Transport: answering(200, nil, goodBody)})
	_, err := c.Token(ended, testRequest())
	wantError(t, asError(t, err), Canceled, CodeCancelled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", err)
	}
}

func packed(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s) // into memory: cannot fail
	_ = z.Close()
	return b.String()
}

// cutReader ends with an error of the connection.
type cutReader struct {
	io.Reader
	err error
}

func (r cutReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = r.err
	}
	return n, err
}

func TestBodies(t *testing.T) {
	t.Parallel()
	big := `{"access_token":"T","x":"` + strings.Repeat("x", maxBody) + `"}`
	exact := `{"access_token":"T","expires_in":60,"x":"`
	exact += strings.Repeat("x", maxBody-len(exact)-2) + `"}`
	good := packed(goodBody)
	for name, tc := range map[string]struct {
		status   int
		encoding string
		body     string
		cut      error
		want     verdict
	}{
		"exactly 64 KiB":                    {status: 200, body: exact},
		"one byte more, though blank":       {status: 200, body: exact + " ", want: verdict{Malformed, CodeTooLarge}},
		"64 KiB after gzip":                 {status: 200, encoding: "gzip", body: packed(exact)},
		"too large after gzip":              {status: 200, encoding: "GZIP", body: packed(big), want: verdict{Malformed, CodeTooLarge}},
		"gzip of nothing, without end":      {status: 200, encoding: "gzip", body: strings.Repeat(packed(""), 4000), want: verdict{Malformed, CodeTooLarge}},
		"x-gzip":                            {status: 200, encoding: "x-gzip", body: good},
		"identity":                          {status: 200, encoding: "identity", body: goodBody},
		"gzip that is none":                 {status: 200, encoding: "gzip", body: goodBody, want: verdict{Malformed, CodeBadEncoding}},
		"gzip with a wrong checksum":        {status: 200, encoding: "gzip", body: good[:len(good)-8] + "12345678", want: verdict{Malformed, CodeBadEncoding}},
		"gzip that the server cut":          {status: 200, encoding: "gzip", body: good[:len(good)-12], want: verdict{Malformed, CodeBadEncoding}},
		"gzip that the connection cut":      {status: 200, encoding: "gzip", body: good[:len(good)-12], cut: io.ErrUnexpectedEOF, want: verdict{Transient, CodeNetworkAmbiguous}},
		"gzip cut in its header":            {status: 200, encoding: "gzip", body: good[:4], cut: syscall.ECONNRESET, want: verdict{Transient, CodeNetworkAmbiguous}},
		"gzip of an empty 204":              {status: 204, encoding: "gzip", want: verdict{Malformed, CodeEmptyBody}},
		"an encoding that nobody asked for": {status: 200, encoding: "br", body: goodBody, want: verdict{Malformed, CodeBadEncoding}},
		"a 503 in such an encoding":         {status: 503, encoding: "br", body: goodBody, want: verdict{Transient, CodeServerError}},
		"a 503 that is cut":                 {status: 503, body: "{", cut: io.ErrUnexpectedEOF, want: verdict{Transient, CodeServerError}},
		"a 302 that is cut":                 {status: 302, body: "{", cut: io.ErrUnexpectedEOF, want: verdict{Configuration, CodeRedirectRefused}},
		"a 401 that is cut":                 {status: 401, body: "{", cut: io.ErrUnexpectedEOF, want: verdict{Transient, CodeNetworkAmbiguous}},
		"a large 500":                       {status: 500, body: "<html>" + big, want: verdict{Transient, CodeServerError}},
		"a large block page":                {status: 403, body: "<html>" + big, want: verdict{Transient, CodeWAFBlocked}},
		"a large 400":                       {status: 400, body: big, want: verdict{Configuration, CodeBadRequest}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body io.Reader = strings.NewReader(tc.body)
			if tc.cut != nil {
				body = cutReader{body, tc.cut}
			}
			h := http.Header{}
			if tc.encoding != "" {
				h.Set("Content-Encoding", tc.encoding)
			}
			c := newTestClient(t, Config{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: tc.status, Header: h, Body: io.NopCloser(body), Request: r}, nil
			})})
			ex, err := attemptOnce(t.Context(), c, testRequest())
			if tc.want.code == "" {
				if err != nil || ex.Token.AccessToken.Reveal() != "T" {
					t.Fatalf("token %v, error %v", ex.Token, err)
				}
				return
			}
			wantError(t, asError(t, err), tc.want.class, tc.want.code)
		})
	}
	c := newTestClient(t, Config{Transport: transportFunc(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })})
	_, err := c.Token(t.Context(), testRequest())
	wantError(t, asError(t, err), Malformed, CodeEmptyBody)
}

func TestNewJoinsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Timeout: -1, UserAgent: "a\nb", MaxIdlePerHost: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"timeout", "user agent", "idle"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name the %s", err, part)
		}
	}
	if _, err := New(Config{WrapTransport: func(http.RoundTripper) http.RoundTripper { return nil }}); err == nil {
		t.Error("a transport that is nil is accepted")
	}
	c, err := New(Config{})
	if err != nil || c.cfg.Timeout != 10*time.Second || c.cfg.Now == nil || c.cfg.Rand == nil || c.cfg.UserAgent == "" {
		t.Errorf("the zero Config: %+v, %v", c, err)
	}
}

// TestIdleConnectionsFollowTheConfiguration: as many requests at once as are configured need no second handshake.
func TestIdleConnectionsFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	const parallel = 64
	var opened atomic.Int64
	var arrived sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived.Done()
		arrived.Wait() // until all are here, each on its own connection
		_, _ = io.WriteString(w, goodBody)
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	req := testRequest()
	req.Endpoint.URL = server.URL
	c := newTestClient(t, Config{AllowLoopback: true, RootCAs: poolOf(server.Certificate()), MaxIdlePerHost: parallel, Timeout: time.Minute})
	for range 2 {
		arrived.Add(parallel)
		var done sync.WaitGroup
		for range parallel {
			done.Go(func() {
				if _, err := c.Token(t.Context(), req); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
	}
	if n := opened.Load(); n != parallel {
		t.Errorf("%d connections for two times %d requests", n, parallel)
	}
}

// TestAConnectionServesOneClientCertificate: what one client opened never carries another's request (RFC 8705 section 2).
func TestAConnectionServesOneClientCertificate(t *testing.T) {
	t.Parallel()
	var presented []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if certs := r.TLS.PeerCertificates; len(certs) > 0 {
			who = certs[0].NotAfter.Format("2006")
		}
		presented = append(presented, who)
		_, _ = io.WriteString(w, goodBody)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	req := testRequest()
	req.Endpoint.URL = server.URL
	c := newTestClient(t, Config{AllowLoopback: true, RootCAs: poolOf(server.Certificate()), Now: time.Now})
	one, other := clientCertificate(t, testNow.AddDate(10, 0, 0)), clientCertificate(t, testNow.AddDate(20, 0, 0))
	for _, cert := range []*tls.Certificate{one, other, nil, one, other, nil} {
		req.Auth = withClientCertificate(cert)
		if _, err := c.Token(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"2036", "2046", "nobody", "2036", "2046", "nobody"}; !slices.Equal(presented, want) {
		t.Errorf("presented %v, want %v", presented, want)
	}
	if last, err := attemptOnce(t.Context(), c, req); err != nil || !last.Latency.Reused {
		t.Errorf("%+v, %v: the pool without a certificate was not kept", last, err)
	}
}

func TestOnlySoManyPoolsAreKept(t *testing.T) {
	t.Parallel()
	tr := newGuardedTransport(Config{}, net.Dialer{}, noProxy)
	first := tr.poolFor(nil).direct
	for i := range maxPools {
		if i == maxPools/2 && tr.poolFor(nil).direct != first {
			t.Fatal("a pool that is in use was given up")
		}
		tr.poolFor(&tls.Certificate{Certificate: [][]byte{{byte(i)}}})
	}
	if len(tr.pools) != maxPools || tr.poolFor(nil).direct != first {
		t.Errorf("%d pools, or the one used lately is gone", len(tr.pools))
	}
	for i := range maxPools {
		tr.poolFor(&tls.Certificate{Certificate: [][]byte{{byte(i), 1}}})
	}
	if tr.poolFor(nil).direct == first {
		t.Error("the pool that was used least lately is kept")
	}
}

func TestClientCertificatesThatAreNotSent(t *testing.T) {
	t.Parallel()
	expired := clientCertificate(t, testNow.Add(-time.Second))
	expired.Leaf = nil
	for name, tc := range map[string]struct {
		cert *tls.Certificate
		code string
	}{
		"empty":     {&tls.Certificate{}, CodeInvalidRequestConfig},
		"not one":   {&tls.Certificate{Certificate: [][]byte{{1}}}, CodeInvalidRequestConfig},
		"expired":   {expired, CodeMTLSCertExpired},
		"in a leaf": {&tls.Certificate{Certificate: [][]byte{{1}}, Leaf: &x509.Certificate{NotAfter: testNow.Add(-1)}}, CodeMTLSCertExpired},
	} {
		req := testRequest()
		req.Auth = withClientCertificate(tc.cert)
		c := newTestClient(t, Config{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
			t.Errorf("%s: a request was sent", name)
			return nil, io.EOF
		})})
		_, err := c.Token(t.Context(), req)
		wantError(t, asError(t, err), Configuration, tc.code)
	}
}

// TestAWrappedTransportKeepsTheGuard: it sees each request, and forbidden addresses stay forbidden.
func TestAWrappedTransportKeepsTheGuard(t *testing.T) {
	t.Parallel()
	wraps, seen := 0, 0
	c := newTestClient(t, Config{WrapTransport: func(next http.RoundTripper) http.RoundTripper {
		wraps++
		if guarded, ok := next.(*guardedTransport); ok {
			open := guarded.open
			guarded.open = func(cert *tls.Certificate) pool { // a resolver of the test's own
				p := open(cert)
				p.direct = newGuardedTransport(Config{}, net.Dialer{Resolver: resolver(t, 169, 254, 169, 254)}, noProxy).open(cert).direct
				return p
			}
			guarded.proxy = noProxy
		}
		return transportFunc(func(r *http.Request) (*http.Response, error) {
			seen++
			return next.RoundTrip(r)
		})
	}})
	_, err := c.Token(t.Context(), testRequest())
	wantError(t, asError(t, err), Configuration, CodeEndpointRefused)
	if wraps != 1 || seen != 1 {
		t.Errorf("wrapped %d times, saw %d requests", wraps, seen)
	}
}
