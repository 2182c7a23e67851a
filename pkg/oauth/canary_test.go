package oauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// disguises are the forms in which a secret is looked for.
func disguises(secret string) []string {
	raw := []byte(secret)
	return []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), strings.ToLower(url.QueryEscape(secret)), hex.EncodeToString(raw),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw),
	}
}

// printed is everything that a program may make of an error or a token.
func printed(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n%+v\n%#v\n%s\n%q\n", v, v, v, v, v)
	if err, ok := v.(error); ok {
		fmt.Fprintf(&b, "%v\n%+v\n", fmt.Errorf("refresh hotmart/loja-a: %w", err), errors.Unwrap(err))
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Error("failed", slog.Any("value", v), slog.Group("group", slog.Any("inner", v)))
	}
	return b.String()
}

// TestCanary has the server echo every secret in every place and form, and looks for them in all that can be printed.
func TestCanary(t *testing.T) {
	t.Parallel()
	const access, refresh = "acc3ss/canary+token==", "r3fresh/canary+token=="
	req := testRequest()
	basic := strings.TrimPrefix(capture(t, req).header.Get("Authorization"), "Basic ")
	secrets := []string{testSecret, basic, access, refresh, base64.StdEncoding.EncodeToString([]byte(testID + ":" + testSecret))}
	var forms []string
	for _, s := range secrets {
		forms = append(forms, disguises(s)...)
	}
	var echoes []string
	for _, f := range forms {
		echoes = append(echoes, "got "+f+" in {\"client_secret\":\""+f+"\"} or client_secret="+f+"&x=1")
	}
	// An echo of the whole request in base64, and the secret at each place within a group of three bytes.
	for _, before := range []string{"", "a", "ab", "client_id=x&client_secret="} {
		echoes = append(echoes, base64.StdEncoding.EncodeToString([]byte(before+testSecret+"&z=0")))
	}
	for _, echo := range echoes {
		for _, status := range []int{200, 302, 401, 503} {
			for _, body := range echoBodies(t, echo, access, refresh) {
				h := http.Header{"Location": {"https://x/?" + echo}, "Www-Authenticate": {"Basic realm=" + echo}, "Retry-After": {echo}, "X-Echo": {echo}, "Date": {echo}}
				_, e := exchange(t, req, status, h, body)
				if e == nil {
					t.Fatalf("a success: %d %s", status, body)
				}
				if e.Status != status {
					t.Errorf("status %d", e.Status)
				}
				mustNotShow(t, e.Description+e.Error(), forms)
			}
		}
	}
	// A secret alone in its place, and every way of printing, for one of each kind.
	for _, status := range []int{200, 302, 401} {
		for _, body := range echoBodies(t, testSecret+" "+basic+" "+access, access, refresh) {
			_, e := exchange(t, req, status, nil, body)
			mustNotShow(t, printed(t, e), forms)
		}
	}
}

// echoBodies are answers with an error that repeat a text, each in another place.
func echoBodies(t *testing.T, echo, access, refresh string) []string {
	t.Helper()
	var out []string
	for _, v := range []map[string]any{
		{"error": echo},
		{"error": "invalid_client", "error_description": "no " + echo + "!"},
		{"error": "odd", "message": echo},
		{"error": map[string]any{"message": echo, "type": echo, "status": echo, "code": echo}},
		{"errors": []any{map[string]any{"code": echo, "detail": echo}}},
		{"errors": map[string]any{"error_type": echo, "error_message": echo}},
		{"ok": false, "title": echo, "detail": echo},
	} {
		v["access_token"], v["more"] = access, map[string]any{"refreshToken": refresh}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return append(out, "error="+url.QueryEscape(echo)+"&error_description="+url.QueryEscape(echo)+"&"+url.Values{"access_token": {access}, "refresh_token": {refresh}}.Encode(), "<html>"+echo+"</html>", echo+" plain "+echo, `{"broken":"`+echo)
}

func mustNotShow(t *testing.T, text string, forms []string) {
	t.Helper()
	for _, f := range forms {
		if strings.Contains(text, f) {
			t.Fatalf("%q shows in\n%s", f, text)
		}
	}
}

// TestCanaryBelowHTTP makes the transports' own errors, with the secret in the URL.
func TestCanaryBelowHTTP(t *testing.T) {
	t.Parallel()
	req := requestWith(ClientSecretPost(testID, NewSecret(testSecret)))
	req.Endpoint.Body = QueryBody
	endpoint, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	for name, tc := range map[string]struct {
		endpoint string
		client   *Client
	}{
		"refused":   {"https://127.0.0.1:1/token", newTestClient(t, Config{AllowLoopback: true})},
		"untrusted": {endpoint, newTestClient(t, Config{AllowLoopback: true})},
		"no name":   {testEndpoint, guardedClient(t, Config{}, resolver(t), noProxy)},
		"guarded":   {testEndpoint, guardedClient(t, Config{}, resolver(t, 127, 0, 0, 1), noProxy)},
		"invalid":   {"https://u:" + testSecret + "@auth.example.com/", newTestClient(t, Config{})},
		"in process": {testEndpoint, newTestClient(t, Config{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: context.DeadlineExceeded}
		})})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := req
			r.Endpoint.URL = tc.endpoint
			_, err := tc.client.Token(t.Context(), r)
			if err == nil {
				t.Fatal("no error")
			}
			mustNotShow(t, printed(t, err), disguises(testSecret))
		})
	}
}

func TestATokenAndARequestCannotBePrinted(t *testing.T) {
	t.Parallel()
	token, e := exchange(t, testRequest(), 200, nil, `{"access_token":"canary-access","refresh_token":"canary-refresh","expires_in":60}`)
	if e != nil {
		t.Fatal(e)
	}
	mustNotShow(t, printed(t, token)+printed(t, *token)+printed(t, Attempt{Token: token}), append(disguises("canary-access"), disguises("canary-refresh")...))
	type holder struct{ inner TokenRequest }
	req := testRequest()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %+v %#v %v %+v %#v", req, req, req, holder{req}, holder{req}, &holder{req})
	mustNotShow(t, b.String(), disguises(testSecret))
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s, zero := NewSecret("hunter22"), NewSecret("")
	if s.IsZero() || !zero.IsZero() || zero.Reveal() != "" || s.Reveal() != "hunter22" {
		t.Error("Reveal or IsZero is wrong")
	}
	if !s.Equal(NewSecret("hunter22")) || s.Equal(NewSecret("hunter23")) || s.Equal(zero) || !zero.Equal(Secret{}) {
		t.Error("Equal is wrong")
	}
	if got := NewSecret("T").Fingerprint(); got != "e632b7095b0bf32c" {
		t.Errorf("fingerprint %s", got)
	}
	for _, got := range []string{s.String(), s.GoString(), s.LogValue().String(), fmt.Sprintf("%x", s), fmt.Sprintf("%d", s)} {
		if got != redacted {
			t.Errorf("prints %q", got)
		}
	}
	if b, err := json.Marshal(map[string]Secret{"s": s}); err != nil || string(b) != `{"s":"[redacted]"}` {
		t.Errorf("%s, %v", b, err)
	}
}

func TestScrubber(t *testing.T) {
	t.Parallel()
	var s scrubber
	s.add("abc") // too short to be one
	s.add("a\tsecret\"<x>")
	for in, want := range map[string]string{
		"abc":                              "abc",
		"got a\tsecret\"<x>, no":           "got [redacted], no",
		"got a secret\"<x>":                "got [redacted]",
		`got a\tsecret\"\u003cx\u003e`:     "got [redacted]",
		"got a\tsecret&#34;&lt;x&gt;":      "got [redacted]",
		"got a%09secret%22%3cx%3e":         "got [redacted]",
		"x " + strings.Repeat("A", 63):     "x " + strings.Repeat("A", 63),
		"x " + strings.Repeat("A", 64):     "x [redacted]",
		strings.Repeat("A", 64) + " tail":  "[redacted] tail",
		"a sentence of plain words - fine": "a sentence of plain words - fine",
	} {
		if got := s.text(in); got != want {
			t.Errorf("text(%q) = %q, want %q", in, got, want)
		}
	}
}
