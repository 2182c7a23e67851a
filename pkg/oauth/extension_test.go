package oauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// privateKeyJWT is private_key_jwt (RFC 7523 section 2.2), written without anything that this package does not export.
type privateKeyJWT struct {
	clientID string
	key      crypto.Signer
}

func (a privateKeyJWT) Apply(_ context.Context, c *oauth.Call) error {
	claims, err := json.Marshal(map[string]any{"iss": a.clientID, "sub": a.clientID, "aud": c.URL, "exp": c.Now.Add(time.Minute).Unix()})
	if err != nil {
		return err
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := a.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	c.Form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	c.Form.Set("client_assertion", signed+"."+base64.RawURLEncoding.EncodeToString(signature))
	return nil
}

func (privateKeyJWT) Secrets() []oauth.Secret { return nil } // the key is never sent

// public is a client without authentication (RFC 6749 section 3.2.1).
type public struct{ clientID string }

func (a public) Apply(_ context.Context, c *oauth.Call) error {
	c.Form.Set("client_id", a.clientID)
	return nil
}

func (public) Secrets() []oauth.Secret { return nil }

// refreshToken is the grant of RFC 6749 section 6.
type refreshToken struct{ token oauth.Secret }

func (g refreshToken) Apply(form url.Values) error {
	form.Set("grant_type", "refresh_token")
	form.Set("refresh_token", g.token.Reveal())
	return nil
}

func (g refreshToken) Secrets() []oauth.Secret { return []oauth.Secret{g.token} }

// TestAnotherPackageAddsAuthenticationsAndGrants, and no error shows what they send.
func TestAnotherPackageAddsAuthenticationsAndGrants(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spent := "old-r3fresh/canary+token"
	grants := map[string]oauth.Grant{"client_credentials": oauth.ClientCredentials{}, "refresh_token": refreshToken{oauth.NewSecret(spent)}}
	for grantType, grant := range grants {
		for name, auth := range map[string]oauth.ClientAuth{"private_key_jwt": privateKeyJWT{"shop", key}, "none": public{"shop"}} {
			t.Run(grantType+" with "+name, func(t *testing.T) {
				t.Parallel()
				var form url.Values
				refuse := false
				client, err := oauth.New(oauth.Config{Transport: transport(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					if form, err = url.ParseQuery(string(body)); err != nil {
						return nil, err
					}
					w := httptest.NewRecorder()
					if refuse {
						w.WriteHeader(http.StatusBadRequest)
						_, err = io.WriteString(w, `{"error":"invalid_grant","error_description":"you sent `+string(body)+" and "+form.Get("client_assertion")+`"}`)
					} else {
						_, err = io.WriteString(w, `{"access_token":"abc","token_type":"bearer","expires_in":60,"refresh_token":"new"}`)
					}
					return w.Result(), err
				})})
				if err != nil {
					t.Fatal(err)
				}
				req := oauth.TokenRequest{Endpoint: oauth.Endpoint{URL: "https://auth.example.com/token"}, Auth: auth, Grant: grant}
				token, err := client.Token(t.Context(), req)
				if err != nil || token.RefreshToken.Reveal() != "new" {
					t.Fatalf("%v, %v", token, err)
				}
				if form.Get("grant_type") != grantType || form.Has("client_assertion") != (name == "private_key_jwt") {
					t.Errorf("sent %v", form)
				}
				refuse = true
				_, err = client.Token(t.Context(), req)
				if !errors.Is(err, oauth.ErrCredentials) || strings.Contains(err.Error(), "r3fresh") || strings.Contains(err.Error(), "eyJ") {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// TestANewRefreshTokenIsKeptBesideAnError: the old one may be spent (RFC 6749 section 6).
func TestANewRefreshTokenIsKeptBesideAnError(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"no access token":                   {200, `{"refresh_token":"new"}`, "new"},
		"a token that has ended":            {200, `{"access_token":"T","expires_in":0,"refresh_token":"new"}`, "new"},
		"a type that cannot be used":        {200, `{"access_token":"T","token_type":"mac","refresh_token":"new"}`, "new"},
		"an error with 200":                 {200, `{"error":"invalid_scope","refresh_token":"new"}`, "new"},
		"none":                              {200, `{}`, ""},
		"one that cannot be sent":           {200, `{"refresh_token":"new\n"}`, ""},
		"the one that was sent":             {200, `{"refresh_token":"old-r3fresh"}`, ""},
		"an error that repeats what it got": {400, `{"error":"invalid_grant","refresh_token":"other"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := oauth.New(oauth.Config{Transport: transport(func(*http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				w.WriteHeader(tc.status)
				_, err := io.WriteString(w, tc.body)
				return w.Result(), err
			})})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Token(t.Context(), oauth.TokenRequest{
				Endpoint: oauth.Endpoint{URL: "https://auth.example.com/token"}, Auth: public{"shop"}, Grant: refreshToken{oauth.NewSecret("old-r3fresh")},
			})
			var e *oauth.Error
			if !errors.As(err, &e) || e.RefreshToken.Reveal() != tc.want {
				t.Errorf("%v keeps %q, want %q", err, e.RefreshToken.Reveal(), tc.want)
			}
		})
	}
}

func TestEveryErrorIsTheOneOfItsClass(t *testing.T) {
	t.Parallel()
	targets := map[oauth.Class]error{
		oauth.Transient: oauth.ErrTransient, oauth.Credentials: oauth.ErrCredentials, oauth.Configuration: oauth.ErrConfiguration,
		oauth.Malformed: oauth.ErrMalformed, oauth.Canceled: oauth.ErrCanceled, "": nil,
	}
	for class := range targets {
		for other, target := range targets {
			if got := errors.Is(&oauth.Error{Class: class}, target); got != (class == other && target != nil) {
				t.Errorf("%q is %v: %v", class, target, got)
			}
		}
	}
}
