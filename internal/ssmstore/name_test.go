package ssmstore

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/store"
)

func TestTheNameOfAParameter(t *testing.T) {
	s := &Store{prefix: "/oauth"}
	tests := map[string]struct {
		connection string
		kind       store.Kind
		want       string
	}{
		"a token":                                  {"hotmart/loja-a", store.KindToken, "/oauth/hotmart/loja-a/access_token"},
		"a connection of one segment":              {"x", store.KindFailure, "/oauth/x/refresh_failure"},
		"a connection of four segments":            {"a/b/c/d", store.KindAccount, "/oauth/a/b/c/d/account_id"},
		"a segment that reads like a kind":         {"access_token", store.KindAccount, "/oauth/access_token/account_id"},
		"a name that is not a valid connection id": {"Hotmart/Loja_A", store.KindFailure, "/oauth/Hotmart/Loja_A/refresh_failure"},
		"13 segments, the most that fit": {
			"a" + strings.Repeat("/a", 12), store.KindToken, "/oauth/a" + strings.Repeat("/a", 12) + "/access_token",
		},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			if name, ok := s.fullName(store.Name{Connection: tt.connection, Kind: tt.kind}); !ok || name != tt.want {
				t.Errorf("fullName = %q, %v; want %q", name, ok, tt.want)
			}
		})
	}
}

func TestNamesThatSSMCannotHold(t *testing.T) {
	s := &Store{prefix: "/oauth"}
	for sentence, connection := range map[string]string{
		"empty": "", "a slash in front": "/a", "a slash at the end": "a/", "an empty segment": "a//b", "a space": "a b", "an at sign": "a@b",
		"a plus sign": "a+b", "a letter that is not ASCII": "é", "a line break": "a\nb", "a line break at the end": "a\n",
		"14 segments": "a" + strings.Repeat("/a", 13), "too long": strings.Repeat("a", 1000),
	} {
		t.Run(sentence, func(t *testing.T) {
			if name, ok := s.fullName(store.Name{Connection: connection, Kind: store.KindToken}); ok {
				t.Errorf("fullName(%q) = %q is held to be possible", connection, name)
			}
		})
	}
	if _, ok := s.fullName(store.Name{Connection: "a", Kind: "token"}); ok {
		t.Error("an unknown kind is held to be possible")
	}
	longest := strings.Repeat("a", 1011-len("/oauth//access_token"))
	if name, ok := s.fullName(store.Name{Connection: longest, Kind: store.KindToken}); !ok || len(name) != 1011 {
		t.Errorf("a name of %d characters is held to be impossible", len(name))
	}
}

func TestEachPossibleNameIsListedOnce(t *testing.T) {
	a, b := store.Name{Connection: "a", Kind: store.KindToken}, store.Name{Connection: "b", Kind: store.KindFailure}
	full, byName := (&Store{prefix: "/oauth"}).fullNames([]store.Name{b, a, {Connection: "a@b", Kind: store.KindToken}, b, {Connection: "a", Kind: "x"}})
	if want := []string{"/oauth/b/refresh_failure", "/oauth/a/access_token"}; !slices.Equal(full, want) {
		t.Errorf("names %q, want %q", full, want)
	}
	if want := map[string]store.Name{"/oauth/b/refresh_failure": b, "/oauth/a/access_token": a}; !maps.Equal(byName, want) {
		t.Errorf("names %v, want %v", byName, want)
	}
}

// FuzzTwoParametersNeverHaveOneName: a connection whose segments read like kinds must not get the parameter of another connection.
func FuzzTwoParametersNeverHaveOneName(f *testing.F) {
	f.Add("a", "a/access_token")
	f.Add("access_token", "access_token/refresh_failure")
	f.Add("oauth", "oauth/oauth")
	s := &Store{prefix: "/oauth"}
	f.Fuzz(func(t *testing.T, one, other string) {
		if one == other {
			return
		}
		kinds := []store.Kind{store.KindToken, store.KindAccount, store.KindFailure}
		for _, k := range kinds {
			for _, l := range kinds {
				a, okA := s.fullName(store.Name{Connection: one, Kind: k})
				b, okB := s.fullName(store.Name{Connection: other, Kind: l})
				if okA && okB && a == b {
					t.Fatalf("%q %s and %q %s both have the name %q", one, k, other, l, a)
				}
			}
		}
	})
}

func TestNewNamesEveryFault(t *testing.T) {
	tests := map[string]struct {
		config Config
		want   []string
	}{
		"nothing is set":                   {Config{}, []string{"client", "prefix"}},
		"a prefix without its slash":       {Config{Prefix: "oauth", KMSKeyID: "alias/mine"}, []string{"client", `prefix "oauth"`}},
		"a prefix with a slash at the end": {Config{Prefix: "/oauth/"}, []string{`prefix "/oauth/"`}},
		"a prefix with an empty segment":   {Config{Prefix: "/a//b"}, []string{`prefix "/a//b"`}},
		"a reserved first segment":         {Config{Prefix: "/awsome"}, []string{"reserves"}},
		"the other one, in capitals":       {Config{Prefix: "/SSM-x"}, []string{"reserves"}},
		"a prefix that is too deep":        {Config{Prefix: strings.Repeat("/a", 11)}, []string{"levels"}},
		"a key with a space":               {Config{Prefix: "/oauth", KMSKeyID: "my key"}, []string{`key "my key"`}},
		"a key of 257 characters":          {Config{Prefix: "/oauth", KMSKeyID: strings.Repeat("k", 257)}, []string{`key "kkk`}},
		"a negative time-out":              {Config{Prefix: "/oauth", CallTimeout: -1}, []string{"call time-out"}},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			s, err := New(tt.config)
			if err == nil || s != nil {
				t.Fatalf("New(%+v) = %v, %v", tt.config, s, err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not name %s", err, part)
				}
			}
		})
	}
}
