package oauth_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// provider is a token endpoint that knows one secret.
func provider() *httptest.Server {
	return httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, secret, _ := r.BasicAuth(); secret != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"Bad client credentials"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"abc","token_type":"bearer","expires_in":3600}`)
	}))
}

func trust(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func Example() {
	server := provider()
	defer server.Close()
	// In production the zero Config: it refuses loopback, which a test needs.
	client, err := oauth.New(oauth.Config{AllowLoopback: true, RootCAs: trust(server)})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Token(context.Background(), oauth.TokenRequest{
		Endpoint: oauth.Endpoint{URL: server.URL + "/oauth/token"},
		Auth:     oauth.ClientSecretBasic("shop-a", oauth.NewSecret("wrong")),
		Grant:    oauth.ClientCredentials{Scope: []string{"read"}},
	})
	var e *oauth.Error
	if errors.As(err, &e) {
		fmt.Println(e.Class, e.Code, e.Status, e.Description)
	}
	fmt.Println(errors.Is(err, oauth.ErrCredentials))
	// Output:
	// credentials invalid_client 401 Bad client credentials
	// true
}

func ExampleClient_TokenWithRetry() {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	busy := true
	client, err := oauth.New(oauth.Config{
		Now: func() time.Time { return now },
		Transport: transport(func(*http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			if busy {
				busy = false
				w.WriteHeader(http.StatusServiceUnavailable)
			} else {
				_, _ = io.WriteString(w, `{"access_token":"abc","token_type":"bearer","expires_in":"3600","scope":["read","write"]}`)
			}
			return w.Result(), nil
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := client.TokenWithRetry(context.Background(), oauth.TokenRequest{
		Endpoint: oauth.Endpoint{URL: "https://auth.example.com/oauth/token"},
		Auth:     oauth.ClientSecretPost("shop-a", oauth.NewSecret("right")),
		Grant:    oauth.ClientCredentials{},
	}, oauth.Retry{
		Base:      time.Millisecond,
		OnAttempt: func(a oauth.Attempt, err error) { fmt.Println("attempt", a.Number, err) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Token.AccessToken, got.Token.Scope, got.Token.Expiry().Format(time.RFC3339))
	// Output:
	// attempt 1 server_error (HTTP 503 from auth.example.com)
	// attempt 2 <nil>
	// [redacted] read write 2026-01-02T04:04:05Z
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func ExampleDialect() {
	// A server that answers 400 with a code of its own to a wrong secret, and states no wait with a 429.
	d := oauth.Dialect{
		RateLimitWait: time.Minute,
		Errors: []oauth.ErrorRule{
			{Status: 400, Error: "auth_error", Message: "client is invalid", Class: oauth.Credentials, Code: oauth.CodeInvalidClient},
		},
	}
	fmt.Println(d.Validate())
	// Output: <nil>
}

func ExampleCheckEndpoint() {
	fmt.Println(oauth.CheckEndpoint("https://auth.example.com/oauth/token", false))
	fmt.Println(oauth.CheckEndpoint("https://169.254.169.254/latest", false))
	// Output:
	// <nil>
	// endpoint_refused: the token endpoint is a link-local address (169.254.169.254)
}

func ExampleSecret() {
	s := oauth.NewSecret("hunter2")
	fmt.Printf("%v %#v %s\n", s, struct{ inner oauth.Secret }{s}.inner, s.Reveal())
	// Output: [redacted] [redacted] hunter2
}
