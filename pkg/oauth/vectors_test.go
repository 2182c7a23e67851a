package oauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// vector is one case of testdata/token-endpoint.json.
type vector struct {
	ID, Title string
	Config    vectorConfig `json:"provider_config"`
	Status    int
	Headers   map[string]string
	Body      string
	BodyB64   string `json:"body_b64"`
	Transport string
	Expect    struct {
		Class      string
		Code       string
		RetryAfter *float64 `json:"retry_after_s"`
		Values     map[string]any
	}
}

// reissued is the code of a success whose token is the one that was held before, "T" in the file.
const reissued = "reissued_same_token"

type vectorConfig struct {
	ExpiresInUnit  string            `json:"expires_in_unit"`
	Response       map[string]string `json:"response"`
	RateWindow     int               `json:"rate_window_s"`
	ErrorOverrides []struct {
		Error      string
		Class      string
		RetryAfter int `json:"retry_after"`
	} `json:"error_overrides"`
}

func (v vector) dialect(t *testing.T) Dialect {
	var d Dialect
	switch v.Config.ExpiresInUnit {
	case "":
	case "ms":
		d.ExpiresInUnit = time.Millisecond
	default:
		t.Fatalf("unknown unit %q", v.Config.ExpiresInUnit)
	}
	if v.Config.Response != nil {
		d.Fields = v.Config.Response
	}
	if s := v.Config.RateWindow; s != 0 {
		d.RateLimitWait = time.Duration(s) * time.Second
	}
	for _, o := range v.Config.ErrorOverrides {
		if o.Class != "retryable" {
			t.Fatalf("unknown class %q", o.Class)
		}
		d.Errors = append(d.Errors, ErrorRule{Error: o.Error, Class: Transient, Code: CodeRateLimited, RetryAfter: time.Duration(o.RetryAfter) * time.Second})
	}
	return d
}

// answer is the case as a transport in process.
func (v vector) answer(t *testing.T) http.RoundTripper {
	body := []byte(v.Body)
	if v.BodyB64 != "" {
		var err error
		if body, err = base64.StdEncoding.DecodeString(v.BodyB64); err != nil {
			t.Fatal(err)
		}
	}
	header := http.Header{}
	for name, value := range v.Headers {
		header.Set(name, value)
	}
	return transportFunc(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: v.Status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
	})
}

// notRun are the cases that do not run here, and why.
func notRun() map[string]string {
	why := make(map[string]string)
	for reason, ids := range map[string]string{
		"the response of an API, not of a token endpoint":                 "R01 R02 R03 R04 R05 R06 R07 R08",
		"a refresh token, which is not one of this package's grants":      "S39 S40 M07 E08 E09",
		"a vendor's own words, which are data: internal/provider runs it": "H02 H03 H04 H05 H06 H11 K01 K02 K03 M02 M04 E13 E14 E15 E16 E20",
	} {
		for id := range strings.FieldsSeq(ids) {
			why[id] = reason
		}
	}
	return why
}

// TestVectors runs every case of a token endpoint: what it responds, or how it fails below HTTP, and what must be made of it. Each case
// runs, or is skipped by name.
func TestVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/token-endpoint.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	skipped, started := notRun(), 0
	for _, v := range all {
		if why, elsewhere := skipped[v.ID]; elsewhere {
			t.Logf("%s %s does not run here: %s", v.ID, v.Title, why)
			continue
		}
		started++
		t.Run(v.ID+" "+v.Title, func(t *testing.T) {
			t.Parallel()
			v.run(t)
		})
	}
	if len(all) != 113 || started != 113-len(skipped) {
		t.Errorf("%d of %d cases run, %d are skipped by name; want all of 113", started, len(all), len(skipped))
	}
}

func (v vector) run(t *testing.T) {
	req := testRequest()
	req.Endpoint.Dialect = v.dialect(t)
	if err := req.Endpoint.Dialect.Validate(); err != nil {
		t.Fatal(err)
	}
	var (
		ctx    = t.Context()
		client *Client
	)
	if v.Transport != "" {
		produce, ok := transportCases()[v.ID]
		if !ok {
			t.Fatalf("nothing produces %q", v.Transport)
		}
		ctx, client, req.Endpoint.URL = produce(t)
		if v.ID == "T08" {
			req.Auth = withClientCertificate(clientCertificate(t, testNow.Add(-time.Second)))
		}
	} else {
		client = newTestClient(t, Config{Transport: v.answer(t)})
	}
	token, err := client.Token(ctx, req)
	e := asError(t, err)
	if v.Expect.Class == "success" {
		if e != nil {
			t.Fatal(e)
		}
		v.checkToken(t, token)
		return
	}
	if token != nil {
		t.Errorf("a token beside the error %v", e)
	}
	wantError(t, e, Class(v.Expect.Class), v.Expect.Code)
	if want := v.Expect.RetryAfter; want != nil && e.RetryAfter != time.Duration(*want*float64(time.Second)) {
		t.Errorf("retry after %v, want %v s", e.RetryAfter, *want)
	}
	if v.Transport == "" && e.Status != v.Status {
		t.Errorf("status %d, want %d", e.Status, v.Status)
	}
}

func (v vector) checkToken(t *testing.T, token *Token) {
	t.Helper()
	got := map[string]any{
		"access_token":  token.AccessToken.Reveal(),
		"refresh_token": token.RefreshToken.Reveal(),
		"token_type":    token.TokenType,
		"scope":         token.Scope,
		"jti":           token.JTI,
		"expires_in":    token.ExpiresIn.Seconds(),
		"expires_at":    float64(token.ExpiresAt.Unix()),
	}
	for name, want := range v.Expect.Values {
		if want == nil {
			want = 0.0
		}
		if want == "A*16384" {
			want = strings.Repeat("A", 16384)
		}
		if got[name] != want {
			t.Errorf("%s = %.40v, want %.40v", name, got[name], want)
		}
	}
	if v.Expect.Code == reissued { // decided by who holds the token before
		if token.ID() != NewSecret("T").Fingerprint() {
			t.Error("the same token has another ID")
		}
		return
	}
	if v.Expect.Code != "" && !slices.Contains(token.Notes, Note(v.Expect.Code)) {
		t.Errorf("notes %v, want %s among them", token.Notes, v.Expect.Code)
	}
	if v.Expect.Code == "" && len(token.Notes) > 0 {
		t.Errorf("notes %v, want none", token.Notes)
	}
	if token.Lifetime < 0 || token.Lifetime > MaxLifetime || (token.Lifetime == 0) != slices.Contains(token.Notes, NoteTTLUnknown) {
		t.Errorf("lifetime %v", token.Lifetime)
	}
}

// transportCases produce the failures themselves, on loopback, and not errors that look like them.
func transportCases() map[string]func(t *testing.T) (context.Context, *Client, string) {
	const patience = 2 * time.Second // a handshake on a busy machine must fit; only what hangs takes it
	return map[string]func(t *testing.T) (context.Context, *Client, string){
		"T01": func(t *testing.T) (context.Context, *Client, string) {
			return t.Context(), newTestClient(t, Config{AllowLoopback: true, Timeout: patience}), "https://" + fullBacklog(t) + "/token"
		},
		"T02": func(t *testing.T) (context.Context, *Client, string) {
			endpoint, pool := serveTLS(t, nil, func(raw net.Conn, _ *tls.Conn, _ *http.Request) { _, _ = io.Copy(io.Discard, raw) })
			return t.Context(), newTestClient(t, Config{AllowLoopback: true, Timeout: patience, RootCAs: pool}), endpoint
		},
		"T03": func(t *testing.T) (context.Context, *Client, string) {
			endpoint, pool := serveTLS(t, nil, func(raw net.Conn, _ *tls.Conn, _ *http.Request) {
				if tcp, ok := raw.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // closing then sends RST
				}
			})
			return t.Context(), newTestClient(t, Config{AllowLoopback: true, RootCAs: pool}), endpoint
		},
		"T04": func(t *testing.T) (context.Context, *Client, string) {
			endpoint, pool := serveTLS(t, nil, func(_ net.Conn, c *tls.Conn, _ *http.Request) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"access_token\":\"T")
			})
			return t.Context(), newTestClient(t, Config{AllowLoopback: true, RootCAs: pool}), endpoint
		},
		"T05": func(t *testing.T) (context.Context, *Client, string) {
			return t.Context(), guardedClient(t, Config{}, resolver(t), noProxy), "https://auth.provider.invalid/token"
		},
		"T06": func(t *testing.T) (context.Context, *Client, string) {
			endpoint, _ := serveTLS(t, nil, func(net.Conn, *tls.Conn, *http.Request) {})
			return t.Context(), newTestClient(t, Config{AllowLoopback: true}), endpoint
		},
		"T07": func(t *testing.T) (context.Context, *Client, string) {
			endpoint, pool := serveTLS(t, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, nil)
			return t.Context(), newTestClient(t, Config{AllowLoopback: true, RootCAs: pool}), endpoint
		},
		"T08": func(t *testing.T) (context.Context, *Client, string) {
			endpoint := serveConn(t, func(net.Conn) { t.Error("dialled with an expired certificate") })
			return t.Context(), newTestClient(t, Config{AllowLoopback: true}), endpoint
		},
		"T09": func(t *testing.T) (context.Context, *Client, string) {
			ctx, cancel := context.WithCancel(t.Context())
			endpoint, pool := serveTLS(t, nil, func(raw net.Conn, _ *tls.Conn, _ *http.Request) {
				cancel()
				_, _ = io.Copy(io.Discard, raw)
			})
			return ctx, newTestClient(t, Config{AllowLoopback: true, RootCAs: pool}), endpoint
		},
		"T10": func(t *testing.T) (context.Context, *Client, string) {
			endpoint, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusOK)
				_, _ = io.WriteString(w, `{"access_token":"T","padding":"`)
				for range 1 << 10 {
					if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<10)); err != nil {
						return // the client stopped reading, as it should
					}
				}
				_, _ = io.WriteString(w, `"}`)
			})
			return t.Context(), newTestClient(t, Config{AllowLoopback: true, RootCAs: pool}), endpoint
		},
	}
}
