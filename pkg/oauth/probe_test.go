package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProbeSendsNoCredentials(t *testing.T) {
	t.Parallel()
	for _, method := range []BodyFormat{FormBody, JSONBody, QueryBody} {
		for _, auth := range []ClientAuth{ClientSecretBasic(testID, NewSecret(testSecret)), ClientSecretPost(testID, NewSecret(testSecret)), nil} {
			req := TokenRequest{Endpoint: Endpoint{URL: testEndpoint + "?tenant=7", Body: method, Params: url.Values{"x": {"y"}}}, Auth: auth,
				Grant: ClientCredentials{Scope: []string{"sales"}}}
			var sent string
			c := newTestClient(t, Config{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				if got := r.Header.Get("Authorization"); got != "" {
					t.Errorf("%s: Authorization %q", method, got)
				}
				sent = r.URL.String() + " " + string(body)
				return answering(401, nil, `{"error":"invalid_client","error_description":"no client"}`)(r)
			})})
			got, err := c.Probe(t.Context(), req)
			if err != nil || got.Status != 401 || got.Code != CodeInvalidClient {
				t.Fatalf("%s: %+v, %v", method, got, err)
			}
			for _, bad := range []string{"client_id", "client_secret", testID, testSecret, url.QueryEscape(testSecret)} {
				if strings.Contains(sent, bad) {
					t.Errorf("%s: %q was sent in %q", method, bad, sent)
				}
			}
			for _, want := range []string{"grant_type", "client_credentials", "scope", "sales", "tenant=7"} {
				if !strings.Contains(sent, want) {
					t.Errorf("%s: %q is missing in %q", method, want, sent)
				}
			}
		}
	}
}

// TestProbeSendsNoSecretOfAGrant: a refresh token may be spent by being sent once.
func TestProbeSendsNoSecretOfAGrant(t *testing.T) {
	t.Parallel()
	req := testRequest()
	req.Grant = customGrant{kind: "refresh_token", secret: NewSecret("r3fresh/canary"), params: url.Values{"refresh_token": {"r3fresh/canary"}, "scope": {"sales"}}}
	c := newTestClient(t, Config{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "grant_type=refresh_token&scope=sales" {
			t.Errorf("%q, %v", body, err)
		}
		return answering(400, nil, `{"error":"invalid_request"}`)(r)
	})})
	if got, err := c.Probe(t.Context(), req); err != nil || got.Code != CodeInvalidRequest {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatProbeExpects(t *testing.T) {
	t.Parallel()
	html := http.Header{"Content-Type": {"text/html"}}
	for name, c := range map[string]struct {
		status  int
		header  http.Header
		body    string
		refused bool // as it should
		code    string
	}{
		"RFC 6749's own refusal":                      {401, nil, `{"error":"invalid_client"}`, true, CodeInvalidClient},
		"a missing parameter":                         {400, nil, `{"error":"invalid_request"}`, true, CodeInvalidRequest},
		"a bare 401":                                  {401, nil, ``, true, CodeUnauthorized},
		"a 400 in words that nobody knows":            {400, nil, `{"message":"client id missing"}`, true, CodeBadRequest},
		"a refusal with 200":                          {200, nil, `{"error":"invalid_client"}`, true, CodeInvalidClient},
		"a validation that says 422":                  {422, nil, `{"errors":["client_id is required"]}`, true, CodeBadRequest},
		"a web server's page beside a 401":            {401, html, `<html><title>401 Authorization Required</title></html>`, true, CodeNotTheProvider},
		"a token for nobody":                          {200, nil, `{"access_token":"T","token_type":"bearer","expires_in":60}`, false, CodeNoRefusal},
		"a 2xx without a token":                       {200, nil, `{}`, false, CodeMissingAccessToken},
		"another page":                                {404, nil, `{"message":"not found"}`, false, CodeWrongEndpoint},
		"a gateway that lets nobody through":          {403, nil, `{"message":"Forbidden"}`, false, CodeForbidden},
		"a firewall's page":                           {403, html, `<html><title>Just a moment...</title></html>`, false, CodeWAFBlocked},
		"an HTML page where a provider speaks JSON":   {400, html, `<html></html>`, false, CodeNotTheProvider},
		"another method":                              {405, nil, ``, false, CodeMethodNotAllowed},
		"a redirect":                                  {302, http.Header{"Location": {"https://elsewhere.example"}}, ``, false, CodeRedirectRefused},
		"too many requests":                           {429, nil, `{"error":"too_many_requests"}`, false, CodeRateLimited},
		"an outage":                                   {503, nil, ``, false, CodeServerError},
		"an outage in OAuth's words":                  {400, nil, `{"error":"temporarily_unavailable"}`, false, CodeTemporarilyUnavailable},
		"a content type that the endpoint can't read": {415, nil, ``, false, CodeBadContentType},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newTestClient(t, Config{Transport: answering(c.status, c.header, c.body)})
			got, err := client.Probe(t.Context(), testRequest())
			if (err == nil) != c.refused {
				t.Fatalf("%+v, %v", got, err)
			}
			if err == nil {
				if got.Status != c.status || got.Code != c.code {
					t.Errorf("%+v", got)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != c.code || e.Host != "auth.example.com" || got.Code != "" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestProbeReportsWhatPreventsAnAnswer(t *testing.T) {
	t.Parallel()
	client := newTestClient(t, Config{Transport: transportFunc(func(*http.Request) (*http.Response, error) { return nil, io.EOF })})
	if _, err := client.Probe(t.Context(), testRequest()); asError(t, err) == nil || asError(t, err).Class != Transient {
		t.Errorf("%v", err)
	}
	req := testRequest()
	req.Endpoint.URL = "http://169.254.169.254/token"
	if _, err := client.Probe(t.Context(), req); asError(t, err) == nil || asError(t, err).Code != CodeEndpointRefused {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Probe(ctx, testRequest()); asError(t, err) == nil || asError(t, err).Class != Canceled {
		t.Errorf("%v", err)
	}
}

// slowNetwork is a provider whose every phase takes a known time, on a network of memory, so that virtual time drives all of it.
type slowNetwork struct {
	dns, connect, tls, answer time.Duration
	certificate               tls.Certificate
}

// dial does what net.Dialer does with the trace, and answers the one connection.
func (n slowNetwork) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	trace := httptrace.ContextClientTrace(ctx)
	trace.DNSStart(httptrace.DNSStartInfo{})
	time.Sleep(n.dns)
	trace.DNSDone(httptrace.DNSDoneInfo{})
	trace.ConnectStart("tcp", "203.0.113.7:443")
	time.Sleep(n.connect)
	trace.ConnectDone("tcp", "203.0.113.7:443", nil)
	ours, theirs := net.Pipe()
	go n.serve(theirs)
	return ours, nil
}

func (n slowNetwork) serve(raw net.Conn) {
	conn := tls.Server(raw, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		time.Sleep(n.tls)
		return &n.certificate, nil
	}})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(n.answer)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
	})}
	_ = server.Serve(&oneConn{conn: conn})
}

// oneConn is a listener of one connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, io.EOF
	}
	c := l.conn
	l.conn = nil
	return c, nil
}
func (*oneConn) Close() error   { return nil }
func (*oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestEachPhaseOfProbeIsMeasured over net/http and crypto/tls as they are, against known delays. The second request is warm.
func TestEachPhaseOfProbeIsMeasured(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // only for its certificate
	certificate, pool := server.TLS.Certificates[0], poolOf(server.Certificate())
	server.Close()
	synctest.Test(t, func(t *testing.T) {
		n := slowNetwork{dns: 37 * time.Millisecond, connect: 52 * time.Millisecond, tls: 81 * time.Millisecond, answer: 240 * time.Millisecond, certificate: certificate}
		transport := newTransport(Config{RootCAs: pool, Timeout: 10 * time.Second, MaxIdlePerHost: 1}, &net.Dialer{}, nil)
		transport.DialContext = n.dial
		defer transport.CloseIdleConnections()
		c := newTestClient(t, Config{Transport: transport, Now: time.Now})
		req := testRequest()
		req.Endpoint.URL = "https://example.com/oauth/token"
		near := func(got, want time.Duration) bool { return (got - want).Abs() <= 10*time.Millisecond }
		cold, err := c.Probe(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		l := cold.Latency
		if l.Reused || !near(l.DNS, n.dns) || !near(l.Connect, n.connect) || !near(l.TLS, n.tls) || !near(l.FirstByte, n.answer) || !near(l.Total, n.dns+n.connect+n.tls+n.answer) {
			t.Errorf("cold: %+v", l)
		}
		warm, err := c.Probe(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if l := warm.Latency; !l.Reused || l.DNS+l.Connect+l.TLS != 0 || !near(l.FirstByte, n.answer) || !near(l.Total, n.answer) {
			t.Errorf("warm: %+v", l)
		}
	})
}
