package oauth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestASuccessThatEchoesASecret has the server put each secret, in each form, where texts of an answer are published and logged.
func TestASuccessThatEchoesASecret(t *testing.T) {
	t.Parallel()
	const refresh = "r3fresh/canary+token=="
	req := testRequest()
	req.Grant = ClientCredentials{Scope: []string{"asked"}}
	basic := strings.TrimPrefix(capture(t, req).header.Get("Authorization"), "Basic ")
	for _, secret := range []string{testSecret, basic, refresh, base64.StdEncoding.EncodeToString([]byte(testID + ":" + testSecret))} {
		for _, form := range append(disguises(secret), spaced(secret, " "), strings.ToUpper(secret)) {
			for _, echo := range []string{form, "read " + form + " write", "x" + form} {
				claims := map[string]any{"jti": echo, "scope": echo, "store_id": echo, "n": 12, "exp": testNow.Unix() + 60, "iat": testNow.Unix()}
				payload, err := json.Marshal(claims)
				if err != nil {
					t.Fatal(err)
				}
				body, err := json.Marshal(map[string]any{"access_token": jwtOf(string(payload)), "refresh_token": refresh, "jti": echo, "scope": echo})
				if err != nil {
					t.Fatal(err)
				}
				token, e := exchange(t, req, 200, nil, string(body))
				if e != nil {
					t.Fatal(e)
				}
				c := token.Claims
				if token.JTI != "" || c.JTI != "" || c.Scope != "" || c.Text("jti") != "" || c.Text("scope") != "" || c.Text("store_id") != "" {
					t.Fatalf("%q is kept: jti %q, claims %+v", echo, token.JTI, c)
				}
				if token.Scope != "asked" || token.ScopeSource != ScopeFromRequest {
					t.Errorf("scope %q from %q, want what was asked for", token.Scope, token.ScopeSource)
				}
				if c.Text("n") != "12" || token.ExpiresIn != time.Minute {
					t.Errorf("n %q, expires in %v: the other claims are gone", c.Text("n"), token.ExpiresIn)
				}
			}
		}
	}
}

func TestWhatIsKeptOfASuccess(t *testing.T) {
	t.Parallel()
	const opaque = "opaque-0123456789abcdef"
	jwt := jwtOf(`{"jti":"j-1","scope":"from claim"}`)
	for name, tc := range map[string]struct {
		body, secret, asked, jti, scope string
		source                          ScopeSource
	}{
		"the access token as jti":                  {`{"access_token":"` + opaque + `","jti":"` + opaque + `"}`, testSecret, "", "", "", ScopeUnknown},
		"a jti that the access token holds":        {`{"access_token":"` + opaque + `","jti":"0123456789abcdef"}`, testSecret, "", "0123456789abcdef", "", ScopeUnknown},
		"the next source of a scope and of a jti":  {`{"access_token":"` + jwt + `","scope":"a ` + testSecret + `","jti":"` + testSecret + `"}`, testSecret, "asked", "j-1", "from claim", ScopeFromClaim},
		"a scope that asks for the secret":         {`{"access_token":"T"}`, testSecret, "read " + testSecret, "", "", ScopeUnknown},
		"a secret too short to be told":            {`{"access_token":"abc","jti":"abcdef","scope":"xyz"}`, "xyz", "", "abcdef", "xyz", ScopeFromAnswer},
		"a secret of the shortest length":          {`{"access_token":"abcd","jti":"abcdef","scope":"wxyz"}`, "wxyz", "", "", "", ScopeUnknown},
		"a field that only sounds like a secret":   {`{"access_token":"T","token_use":"access","scope":"access:read"}`, testSecret, "", "", "access:read", ScopeFromAnswer},
		"another token of the answer":              {`{"access_token":"T","id_token":"` + opaque + `","jti":"` + opaque + `"}`, testSecret, "", "", "", ScopeUnknown},
		"a jti of the greatest length":             {`{"access_token":"T","jti":"` + strings.Repeat("j", 1024) + `"}`, testSecret, "", strings.Repeat("j", 1024), "", ScopeUnknown},
		"a jti that is longer":                     {`{"access_token":"T","jti":"` + strings.Repeat("j", 1025) + `"}`, testSecret, "", "", "", ScopeUnknown},
		"ordinary scopes beside a secret of words": {`{"access_token":"T","scope":"read:client secret"}`, "client-secret", "", "", "read:client secret", ScopeFromAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := requestWith(ClientSecretBasic(testID, NewSecret(tc.secret)))
			req.Grant = ClientCredentials{Scope: strings.Fields(tc.asked)}
			token, e := exchange(t, req, 200, nil, tc.body)
			if e != nil {
				t.Fatal(e)
			}
			if token.JTI != tc.jti || token.Scope != tc.scope || token.ScopeSource != tc.source {
				t.Errorf("jti %q, scope %q from %q, want %q, %q from %q", token.JTI, token.Scope, token.ScopeSource, tc.jti, tc.scope, tc.source)
			}
		})
	}
}

func TestAClaimThatIsNoIdentifierIsDropped(t *testing.T) {
	t.Parallel()
	token, e := exchange(t, testRequest(), 200, nil, `{"access_token":"`+jwtOf(`{"a":"`+strings.Repeat("a", 1024)+`","b":"`+strings.Repeat("b", 1025)+`"}`)+`"}`)
	if e != nil {
		t.Fatal(e)
	}
	if len(token.Claims.Text("a")) != 1024 || token.Claims.Text("b") != "" {
		t.Errorf("%d and %d bytes", len(token.Claims.Text("a")), len(token.Claims.Text("b")))
	}
}

// spaced puts a separator between all characters.
func spaced(s, separator string) string { return strings.Join(strings.Split(s, ""), separator) }

// inGroups puts a separator after every n characters.
func inGroups(s string, n int, separator string) string {
	var parts []string
	for ; len(s) > n; s = s[n:] {
		parts = append(parts, s[:n])
	}
	return strings.Join(append(parts, s), separator)
}

// TestPartsOfASecret: what a description shares with a secret is hidden also when it is not the whole, or is written with something between.
func TestPartsOfASecret(t *testing.T) {
	t.Parallel()
	const secret = "Zq7+wX2/kP9vT4mB=eR6yU1oL8sD3fG5hJ0cN_iA-bVtMnQxWz"
	base := base64.StdEncoding.EncodeToString([]byte(secret))
	for in, want := range map[string]string{
		"the first 30: " + secret[:30] + ", no":                   "the first 30: [redacted], no",
		"the last 30: " + secret[20:]:                             "the last 30: [redacted]",
		"eight " + secret[10:18] + " of them":                     "eight [redacted] of them",
		"seven " + secret[10:17] + " of them":                     "seven " + secret[10:17] + " of them",
		"both ends " + secret[:10] + "…" + secret[40:]:            "both ends [redacted]",
		"stuck to abc" + secret[:20] + "!x":                       "stuck to abc[redacted]!x",
		"small " + strings.ToLower(secret[:25]):                   "small [redacted]",
		"base64 " + base[:20]:                                     "base64 [redacted]",
		"a blank between: " + spaced(secret, " ") + " is wrong":   "a blank between: [redacted] is wrong",
		"dashes between: " + spaced(secret, "-") + " is wrong":    "dashes between: [redacted] is wrong",
		"half, with blanks: " + spaced(secret[:25], "  ") + " ok": "half, with blanks: [redacted] ok",
		"in fives: " + inGroups(secret, 5, " ") + ".":             "in fives: [redacted].",
		"in lines: " + inGroups(secret, 10, "\r\n\t") + ".":       "in lines: [redacted].",
		"without signs: Zq7wX2kP9vT4mBeR6y":                       "without signs: [redacted]",
		"Invalid client credentials":                              "Invalid client credentials",
		"The client secret that was sent is not valid for this application; see https://docs.example.com/errors#invalid_client": "The client secret that was sent is not valid for this application; see https://docs.example.com/errors#invalid_client",
		"Credenciais inválidas: não é possível autenticar o aplicativo":                                                         "Credenciais inválidas: não é possível autenticar o aplicativo",
		"trace 5f0c1a2b-77d1-4e9a-8a3b-0c9d8e7f6a5b at 10:11:12":                                                                "trace 5f0c1a2b-77d1-4e9a-8a3b-0c9d8e7f6a5b at 10:11:12",
	} {
		var s scrubber
		s.add(secret)
		if got := s.text(in); got != want {
			t.Errorf("text(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestWordsOfASecretOfWords: a secret of words hides them when they are written as in it, or when there are many.
func TestWordsOfASecretOfWords(t *testing.T) {
	t.Parallel()
	var s scrubber
	s.add("my-client-secret-value")
	for in, want := range map[string]string{
		"Invalid client secret":       "Invalid client secret",
		"my client secret value":      "[redacted]",
		"got client-secret":           "got [redacted]",
		"got c l i e n t s e c r e t": "got [redacted]",
	} {
		if got := s.text(in); got != want {
			t.Errorf("text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAUUIDIsKnownWithoutItsDashes(t *testing.T) {
	t.Parallel()
	var s scrubber
	s.add("3f1c7d52-0a4b-4c7e-9d2f-8b6a5e4d3c2b")
	if got := s.text("got 3F1C7D520A4B4C7E9D2F8B6A5E4D3C2B"); got != "got [redacted]" {
		t.Error(got)
	}
}

// TestAnAnswerFullOfSecrets: more than can be looked for, so nothing of it is shown.
func TestAnAnswerFullOfSecrets(t *testing.T) {
	t.Parallel()
	fields := map[string]any{"access_token": "T", "jti": "j", "scope": "s"}
	for i := range maxSecrets {
		fields[fmt.Sprintf("token_%d", i)] = fmt.Sprintf("%020d", i)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	token, e := exchange(t, testRequest(), 200, nil, string(body))
	if e != nil || token.JTI != "" || token.Scope != "" {
		t.Errorf("%+v, %v", token, e)
	}
	fields["error"], fields["error_description"] = "invalid_client", "no"
	if body, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	if _, e = exchange(t, testRequest(), 401, nil, string(body)); e == nil || e.Description != redacted {
		t.Errorf("%v", e)
	}
}

func TestALongDescriptionIsReadInPart(t *testing.T) {
	t.Parallel()
	var s scrubber
	s.add(testSecret)
	cut := strings.Repeat(testSecret, maxWords/len(testSecret)+2)
	if got := s.text(cut); got != redacted {
		t.Errorf("%q", got)
	}
}

// FuzzScrubber looks for a part of a secret in what is left of a text in which it was put.
func FuzzScrubber(f *testing.F) {
	f.Add(testSecret, "got ", 0, 12)
	f.Add("aaaaaaaaaaaaaaab", "b", 3, 9)
	f.Add("pässwörd-von-uns", "é", 1, 13)
	f.Fuzz(func(t *testing.T, secret, words string, from, n int) {
		if len(secret) > 200 || len(words) > 200 || n < minPart || from < 0 || from > len(secret) || n > len(secret)-from || strings.Contains(redacted, secret[from:from+n]) {
			return
		}
		for _, c := range []byte(secret) {
			if c < 0x20 || c > 0x7e { // RFC 6749 appendix A.2
				return
			}
		}
		var s scrubber
		s.add(secret)
		if got := s.text(words + secret[from:from+n] + words); strings.Contains(got, secret[from:from+n]) {
			t.Fatalf("%q shows a part of %q", got, secret)
		}
	})
}
