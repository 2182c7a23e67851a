package oauth

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	testEndpoint = "https://auth.example.com/oauth/token"
	testID       = "client-0001"
	testSecret   = "canary+s3cret/with=odd&chars"
)

// testNow is the clock of every test that does not care.
var testNow = time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)

// transportFunc is a transport in process.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering always gives the same answer.
func answering(status int, header http.Header, body string) transportFunc {
	return func(r *http.Request) (*http.Response, error) {
		if header == nil {
			header = http.Header{}
		}
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func newTestClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return testNow }
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func testRequest() TokenRequest { return requestWith(ClientSecretBasic(testID, NewSecret(testSecret))) }

func requestWith(auth ClientAuth) TokenRequest {
	return TokenRequest{Endpoint: Endpoint{URL: testEndpoint}, Auth: auth, Grant: ClientCredentials{}}
}

// attemptOnce makes one attempt and returns its latency too.
func attemptOnce(ctx context.Context, c *Client, req TokenRequest) (Attempt, error) {
	return c.TokenWithRetry(ctx, req, Retry{Attempts: 1})
}

// exchange makes one attempt against one answer.
func exchange(t testing.TB, req TokenRequest, status int, header http.Header, body string) (*Token, *Error) {
	t.Helper()
	c := newTestClient(t, Config{Transport: answering(status, header, body)})
	token, err := c.Token(t.Context(), req)
	return token, asError(t, err)
}

// asError also checks the promise that every error is an *Error with a class and a code.
func asError(t testing.TB, err error) *Error {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T, want *Error: %v", err, err)
	}
	if e.Class == "" || !isCode(e.Code) || e.RetryAfter < 0 || e.RetryAfter > MaxRetryAfter {
		t.Fatalf("not a whole error: %#v", e)
	}
	return e
}

func wantError(t testing.TB, e *Error, class Class, code string) {
	t.Helper()
	if e == nil {
		t.Fatalf("no error, want %s %s", class, code)
	}
	if e.Class != class || e.Code != code {
		t.Fatalf("got %s %s (%v), want %s %s", e.Class, e.Code, e, class, code)
	}
}

// serve runs handler on a real loopback port with TLS and returns the URL and the pool that trusts it.
func serve(t testing.TB, handler http.HandlerFunc) (string, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	return s.URL + "/token", poolOf(s.Certificate())
}

func poolOf(cert *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// serveConn accepts raw connections on loopback, each handled and then closed.
func serveConn(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				handle(c)
			}()
		}
	}()
	return "https://" + l.Addr().String() + "/token"
}

// serveTLS is serveConn with TLS. After a failed handshake it goes on reading, so that the client reads the alert before the connection's end.
func serveTLS(t testing.TB, change func(*tls.Config), handle func(raw net.Conn, c *tls.Conn, r *http.Request)) (string, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil) // only for its certificate
	cfg, pool := s.TLS.Clone(), poolOf(s.Certificate())
	s.Close()
	cfg.NextProtos = nil
	if change != nil {
		change(cfg)
	}
	return serveConn(t, func(raw net.Conn) {
		c := tls.Server(raw, cfg)
		if err := c.HandshakeContext(context.Background()); err != nil {
			_, _ = io.Copy(io.Discard, raw)
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		handle(raw, c, req)
	}), pool
}

// clientCertificate makes a self-signed one.
func clientCertificate(t testing.TB, notAfter time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: notAfter.AddDate(-30, 0, 0), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// withClientCertificate authenticates by a client certificate alone (tls_client_auth, RFC 8705 section 2.1).
func withClientCertificate(cert *tls.Certificate) ClientAuth {
	return customAuth{apply: func(c *Call) error {
		c.Form.Set("client_id", testID)
		c.Certificate = cert
		return nil
	}}
}

// resolver asks a name server of the test's own: every name has the IPv4 address given, or does not exist when there is none.
func resolver(t testing.TB, addr ...byte) *net.Resolver {
	t.Helper()
	pc, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(dnsAnswer(buf[:n], addr), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// dnsAnswer answers a query of one question (RFC 1035 section 4.1).
func dnsAnswer(query, addr []byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[12 : end+5]
	isA := binary.BigEndian.Uint16(question[len(question)-4:]) == 1
	flags, answers := uint16(0x8180), uint16(0)
	switch {
	case len(addr) == 0:
		flags |= 3 // NXDOMAIN
	case isA:
		answers = 1
	}
	out := append([]byte{}, query[:2]...)
	for _, v := range []uint16{flags, 1, answers, 0, 0} {
		out = binary.BigEndian.AppendUint16(out, v)
	}
	out = append(out, question...)
	if answers == 1 {
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		out = append(out, addr...)
	}
	return out
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// guardedClient has the real transport with a resolver and a proxy of the test's own.
func guardedClient(t testing.TB, cfg Config, r *net.Resolver, proxy func(*http.Request) (*url.URL, error)) *Client {
	t.Helper()
	c := newTestClient(t, cfg)
	c.base = newGuardedTransport(c.cfg, net.Dialer{Resolver: r}, proxy)
	c.transport = c.base
	t.Cleanup(c.CloseIdleConnections)
	return c
}
