package oauth

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// FuzzAnswer feeds any answer to the classifier. Whatever comes, there is a usable token or a whole error, and no secret in it.
func FuzzAnswer(f *testing.F) {
	raw, err := os.ReadFile("testdata/token-endpoint.json")
	if err != nil {
		f.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil {
		f.Fatal(err)
	}
	for _, v := range all {
		if v.Status != 0 {
			f.Add(v.Status, v.Headers["Retry-After"], v.Headers["Content-Encoding"], v.Body)
		}
	}
	f.Add(200, "", "", `{"access_token":"T","expires_in":1e309,"expires_at":"2100-01-01T00:00:00Z"}`)
	f.Add(400, "Wed, 01 Jan 2031 00:01:30 GMT", "gzip", `{"error":{"message":"`+testSecret+`"}}`)
	f.Fuzz(func(t *testing.T, status int, after, encoding, body string) {
		h := http.Header{"Retry-After": {after}, "Content-Encoding": {encoding}}
		for _, d := range []Dialect{{}, {Errors: []ErrorRule{
			{Error: "unauthorized", Message: "Full authentication", Class: Configuration, Code: "client_auth_not_seen"},
			{Field: "error.code", Match: "^4$", Class: Transient, Code: CodeRateLimited},
		}}, {Fields: map[string]string{"access_token": "data.token"}, ExpiresInUnit: time.Millisecond}} {
			req := testRequest()
			req.Endpoint.Dialect = d
			token, e := exchange(t, req, status, h, body)
			switch {
			case (token == nil) == (e == nil):
				t.Fatalf("token %v, error %v", token, e)
			case e != nil:
				checkError(t, e)
			case token.Lifetime < 0 || token.Lifetime > MaxLifetime || token.AccessToken.IsZero() || !legalToken(token.AccessToken.Reveal()):
				t.Fatalf("not usable: %+v", token)
			case status < 200 || status > 299:
				t.Fatalf("a token with status %d", status)
			case token.ExpiresIn < 0 || token.ExpiresIn > MaxLifetime:
				t.Fatalf("expires in %v", token.ExpiresIn)
			}
		}
	})
}

func checkError(t *testing.T, e *Error) {
	t.Helper()
	if utf8.RuneCountInString(e.Description) > maxDescription {
		t.Fatalf("%d characters", utf8.RuneCountInString(e.Description))
	}
	if strings.ContainsFunc(e.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("unprintable: %q", e.Error())
	}
	if strings.Contains(e.Error(), testSecret) {
		t.Fatalf("the secret shows: %v", e)
	}
}

// FuzzClaims feeds any token to the reader of claims.
func FuzzClaims(f *testing.F) {
	f.Add(jwtOf(`{"exp":1700172800,"iat":1700000000,"scope":["a"],"jti":1}`))
	f.Add("eyJ.e30.x")
	f.Add("a.b.c.d.e")
	f.Add(jwtOf(`{"exp":1e400,"iat":"x"}`))
	f.Fuzz(func(t *testing.T, token string) {
		c := parseClaims(token)
		for _, at := range []time.Time{c.ExpiresAt, c.IssuedAt} {
			if !at.IsZero() && (at.Unix() < minEpoch || at.Unix() >= maxEpoch) {
				t.Fatalf("instant %v", at)
			}
		}
		if strings.ContainsAny(c.Scope+c.JTI, "\r\n\x00") {
			t.Fatalf("control characters: %q %q", c.Scope, c.JTI)
		}
	})
}

// FuzzRetryAfter feeds any header values to the reader of waits.
func FuzzRetryAfter(f *testing.F) {
	f.Add(429, "30", "", "")
	f.Add(429, "Wed, 01 Jan 2031 00:01:30 GMT", "42", "Wed, 01 Jan 2031 00:00:00 GMT")
	f.Add(503, "1e9", "999999999999999999999", "x")
	f.Add(429, "-1", "0.5", "")
	f.Fuzz(func(t *testing.T, status int, after, reset, date string) {
		h := http.Header{"Retry-After": {after}, "Ratelimit-Reset": {reset}, "Date": {date}}
		if d := retryAfter(status, h, testNow); d < 0 || d > MaxRetryAfter {
			t.Fatalf("waits %v", d)
		}
	})
}
