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
	"net/url"
	"strings"
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
	if e := blockAddress(t.Context(), "tcp", "no address", nil); e == nil {
		t.Error("an address that cannot be read is dialled")
	}
	if e := blockAddress(t.Context(), "tcp", "8.8.8.8:443", nil); e != nil {
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
	for status, want := range map[int]errorKind{
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
		want   errorKind
	}{
		"another host's certificate": {host: "auth.example.org", want: errorKind{Configuration, CodeTLSTrust}},
		"certificate required in TLS 1.2": {
			server: func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 },
			want:   errorKind{Configuration, CodeMTLSRequired},
		},
		"a client certificate of another authority": {
			server: func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert },
			client: clientCertificate(t, testNow.AddDate(10, 0, 0)),
			want:   errorKind{Configuration, CodeMTLSRequired},
		},
		"a client certificate that is expired by the server's clock": {
			server: func(c *tls.Config) {
				c.ClientAuth, c.Time = tls.RequireAndVerifyClientCert, func() time.Time { return testNow.AddDate(20, 0, 0) }
			},
			client: clientCertificate(t, testNow.AddDate(10, 0, 0)),
			want:   errorKind{Configuration, CodeMTLSCertExpired},
		},
		"TLS 1.1": {
			server: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
			want:   errorKind{Configuration, CodeTLSHandshake},
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
		want     errorKind
	}{
		"not a TLS server": {func(t *testing.T) string {
			return serveConn(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
		}, errorKind{Configuration, CodeTLSHandshake}},
		"hangs before the handshake":   {func(t *testing.T) string { return serveConn(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) }, errorKind{Transient, CodeNetwork}},
		"closes before the handshake":  {func(t *testing.T) string { return serveConn(t, func(net.Conn) {}) }, errorKind{Transient, CodeNetwork}},
		"nobody listens":               {func(*testing.T) string { return "https://127.0.0.1:1/" }, errorKind{Transient, CodeNetwork}},
		"an internal error of its TLS": {func(t *testing.T) string { return serveConn(t, func(c net.Conn) { alertTLS(c, 80) }) }, errorKind{Transient, CodeNetwork}},
		"no common cipher":             {func(t *testing.T) string { return serveConn(t, func(c net.Conn) { alertTLS(c, 40) }) }, errorKind{Configuration, CodeTLSHandshake}},
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
		want  errorKind
		cause error
	}{
		"unknown":         {errors.New("boom https://x?client_secret=" + testSecret), errorKind{Transient, CodeNetworkAmbiguous}, nil},
		"EOF":             {io.EOF, errorKind{Transient, CodeNetworkAmbiguous}, io.EOF},
		"reset":           {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, errorKind{Transient, CodeNetworkAmbiguous}, syscall.ECONNRESET},
		"refused":         {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, errorKind{Transient, CodeNetwork}, syscall.ECONNREFUSED},
		"name server out": {&net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true}, errorKind{Transient, CodeDNS}, nil},
		"neither":         {nil, errorKind{Transient, CodeNetworkAmbiguous}, nil},
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
		want     errorKind
	}{
		"exactly 64 KiB":                    {status: 200, body: exact},
		"one byte more, though blank":       {status: 200, body: exact + " ", want: errorKind{Malformed, CodeTooLarge}},
		"64 KiB after gzip":                 {status: 200, encoding: "gzip", body: packed(exact)},
		"too large after gzip":              {status: 200, encoding: "GZIP", body: packed(big), want: errorKind{Malformed, CodeTooLarge}},
		"gzip of nothing, without end":      {status: 200, encoding: "gzip", body: strings.Repeat(packed(""), 4000), want: errorKind{Malformed, CodeTooLarge}},
		"x-gzip":                            {status: 200, encoding: "x-gzip", body: good},
		"identity":                          {status: 200, encoding: "identity", body: goodBody},
		"gzip that is none":                 {status: 200, encoding: "gzip", body: goodBody, want: errorKind{Malformed, CodeBadEncoding}},
		"gzip with a wrong checksum":        {status: 200, encoding: "gzip", body: good[:len(good)-8] + "12345678", want: errorKind{Malformed, CodeBadEncoding}},
		"gzip that the server cut":          {status: 200, encoding: "gzip", body: good[:len(good)-12], want: errorKind{Malformed, CodeBadEncoding}},
		"gzip that the connection cut":      {status: 200, encoding: "gzip", body: good[:len(good)-12], cut: io.ErrUnexpectedEOF, want: errorKind{Transient, CodeNetworkAmbiguous}},
		"gzip cut in its header":            {status: 200, encoding: "gzip", body: good[:4], cut: syscall.ECONNRESET, want: errorKind{Transient, CodeNetworkAmbiguous}},
		"gzip of an empty 204":              {status: 204, encoding: "gzip", want: errorKind{Malformed, CodeEmptyBody}},
		"an encoding that nobody asked for": {status: 200, encoding: "br", body: goodBody, want: errorKind{Malformed, CodeBadEncoding}},
		"a 503 in such an encoding":         {status: 503, encoding: "br", body: goodBody, want: errorKind{Transient, CodeServerError}},
		"a 503 that is cut":                 {status: 503, body: "{", cut: io.ErrUnexpectedEOF, want: errorKind{Transient, CodeServerError}},
		"a 302 that is cut":                 {status: 302, body: "{", cut: io.ErrUnexpectedEOF, want: errorKind{Configuration, CodeRedirectRefused}},
		"a 401 that is cut":                 {status: 401, body: "{", cut: io.ErrUnexpectedEOF, want: errorKind{Transient, CodeNetworkAmbiguous}},
		"a large 500":                       {status: 500, body: "<html>" + big, want: errorKind{Transient, CodeServerError}},
		"a large block page":                {status: 403, body: "<html>" + big, want: errorKind{Transient, CodeWAFBlocked}},
		"a large 400":                       {status: 400, body: big, want: errorKind{Configuration, CodeBadRequest}},
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
