package scenario

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// TestLeaksFindsEveryForm: the search would find a secret in each form in which one has ever been seen to come out.
func TestLeaksFindsEveryForm(t *testing.T) {
	const canary = "sc/0123456789abcdef+fedcba9876543210=\"<&>"
	quoted := strings.Trim(fmt.Sprintf("%q", canary), `"`)
	for name, text := range map[string]string{
		"as it is":                    canary,
		"in an error":                 `Post "https://x/token?client_secret=` + url.QueryEscape(canary) + `": EOF`,
		"URL-encoded, lower case":     strings.ToLower(url.QueryEscape(canary)),
		"in a path":                   url.PathEscape(canary),
		"in JSON":                     `{"a":"` + quoted + `"}`,
		"in JSON with HTML escapes":   `{"a":"sc/0123456789abcdef+fedcba9876543210=\"\u003c\u0026\u003e"}`,
		"in hex":                      hex.EncodeToString([]byte(canary)),
		"base64":                      base64.StdEncoding.EncodeToString([]byte(canary)),
		"base64, URL alphabet, raw":   base64.RawURLEncoding.EncodeToString([]byte(canary)),
		"Basic, one byte before":      base64.StdEncoding.EncodeToString([]byte("a" + canary)),
		"Basic, two bytes before":     base64.StdEncoding.EncodeToString([]byte("a:" + canary)),
		"Basic, three bytes before":   base64.StdEncoding.EncodeToString([]byte("ab:" + canary)),
		"base64 of a longer text":     base64.URLEncoding.EncodeToString([]byte("{\"client_secret\":\"" + canary + "\",\"x\":1}")),
		"cut in the middle":           "the value \"" + canary[:20] + "…\" is too long",
		"the end of it":               "…" + canary[len(canary)-16:],
		"base64, cut":                 base64.StdEncoding.EncodeToString([]byte("id:" + canary))[:30],
		"in the middle of a long log": strings.Repeat("x", 5000) + canary + strings.Repeat("y", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			if found := Leaks(map[string]string{canary: "the canary"}, text); len(found) == 0 {
				t.Errorf("not found in %q", text)
			}
		})
	}
	clean := "kiwify/main: client_secret ends with a line break; store it again without. [redacted] " + oauth.NewSecret(canary).Fingerprint()
	if found := Leaks(map[string]string{canary: "the canary"}, clean); len(found) > 0 {
		t.Errorf("found %q where it is not", found)
	}
}

// TestLeaksOfARun: a secret that is put into any place where a run lets something out is found there, so that a scenario that passes says
// something. Nothing of what a run gets is left out of the canaries.
func TestLeaksOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(t.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Connect("hotmart/loja-a", "hotmart", "a", ""); err != nil {
			t.Fatal(err)
		}
		in := w.Run(t.Context(), "")
		if in.Err != nil || in.Result.Counts.Refreshed != 1 {
			t.Fatalf("run: %+v, %v", in.Result.Counts, in.Err)
		}
		_, token := w.Token("hotmart/loja-a")
		secret := w.ClientSecret("a")
		for _, text := range []string{token, secret} {
			if w.Canaries()[text] == "" {
				t.Fatal("a secret of this run is no canary")
			}
		}
		if found := Leaks(w.Canaries(), w.Emitted()); len(found) > 0 {
			t.Fatalf("a clean run leaks: %q", found)
		}
		for name, put := range map[string]func(*Invocation){
			"a message of the result": func(in *Invocation) { in.Result.Failed = []refresh.Failed{{Message: secret}} },
			"a reason":                func(in *Invocation) { in.Result.Deferred = []refresh.Deferred{{Reason: url.QueryEscape(token)}} },
			"an event":                func(in *Invocation) { in.Events = []refresh.Event{{Message: "x " + token[:40]}} },
			"details of a notice":     func(in *Invocation) { in.Events = []refresh.Event{{Details: []string{"was " + secret}}} },
			"the function's error": func(in *Invocation) {
				in.Err = fmt.Errorf("post: %w", &url.Error{Op: "Post", URL: "https://x/?client_secret=" + url.QueryEscape(secret), Err: store.ErrUnavailable})
			},
		} {
			var leaky Invocation
			put(&leaky)
			var out strings.Builder
			leaky.emit(&out)
			if len(Leaks(w.Canaries(), out.String())) == 0 {
				t.Errorf("%s: not found", name)
			}
		}
		if _, err := w.AWS.SetParameterDescription(ParameterName("hotmart/loja-a", store.KindToken), "token "+token); err != nil {
			t.Fatal(err)
		}
		if len(Leaks(w.Canaries(), w.Emitted())) == 0 {
			t.Error("a description of a parameter: not found")
		}
	})
}
