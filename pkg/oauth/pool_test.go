package oauth

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
