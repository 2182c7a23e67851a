package ssmstore

import (
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

func TestParseGivesBackConnectionAndKind(t *testing.T) {
	s := &Store{prefix: "/oauth"}
	tests := map[string]struct {
		name       string
		connection string
		kind       refresh.Kind
		ok         bool
	}{
		"a token":                                  {"/oauth/hotmart/loja-a/access_token", "hotmart/loja-a", refresh.KindToken, true},
		"a connection of one segment":              {"/oauth/x/refresh_failure", "x", refresh.KindFailure, true},
		"a connection of four segments":            {"/oauth/a/b/c/d/account_id", "a/b/c/d", refresh.KindAccount, true},
		"a segment that reads like a kind":         {"/oauth/access_token/account_id", "access_token", refresh.KindAccount, true},
		"all segments read like kinds":             {"/oauth/access_token/refresh_failure/access_token", "access_token/refresh_failure", refresh.KindToken, true},
		"the prefix again, inside the connection":  {"/oauth/oauth/access_token", "oauth", refresh.KindToken, true},
		"a name that is no connection id is told":  {"/oauth/Hotmart/Loja-A/refresh_failure", "Hotmart/Loja-A", refresh.KindFailure, true},
		"a longer first segment":                   {name: "/oauthx/a/access_token"},
		"another last segment":                     {name: "/oauth/a/token"},
		"a kind in another case":                   {name: "/oauth/a/Access_Token"},
		"a kind with something behind":             {name: "/oauth/a/access_token/x"},
		"a kind that is only the end of a segment": {name: "/oauth/a/my_access_token"},
		"no connection":                            {name: "/oauth/access_token"},
		"an empty connection":                      {name: "/oauth//access_token"},
		"an empty segment":                         {name: "/oauth/a//access_token"},
		"the prefix alone":                         {name: "/oauth"},
		"without the slash in front":               {name: "oauth/a/access_token"},
		"empty":                                    {name: ""},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			connection, kind, ok := s.parse(tt.name)
			if connection != tt.connection || kind != tt.kind || ok != tt.ok {
				t.Fatalf("parse(%q) = %q, %q, %v; want %q, %q, %v", tt.name, connection, kind, ok, tt.connection, tt.kind, tt.ok)
			}
			if !ok {
				return
			}
			if again, possible := s.name(connection, kind); again != tt.name || !possible {
				t.Fatalf("name(%q, %q) = %q, %v; want the name it came from", connection, kind, again, possible)
			}
		})
	}
}

func FuzzNameAndParseAreInverse(f *testing.F) {
	for _, n := range []string{"/oauth/a/access_token", "/oauth/access_token/access_token", "/oauth//account_id", "/oauthx/a/access_token", "/oauth/a/b/c/d/refresh_failure", "/oauth/é/access_token"} {
		f.Add(n)
	}
	s := &Store{prefix: "/oauth"}
	f.Fuzz(func(t *testing.T, name string) {
		connection, kind, ok := s.parse(name)
		if !ok {
			if connection != "" || kind != "" {
				t.Fatalf("parse(%q) refuses and still tells %q, %q", name, connection, kind)
			}
			return
		}
		if again, possible := s.name(connection, kind); again != name || !possible {
			t.Fatalf("name(parse(%q)) = %q, %v", name, again, possible)
		}
		if !strings.HasPrefix(name, "/oauth/") {
			t.Fatalf("parse took %q, which is not under the prefix", name)
		}
	})
}

func TestNameTellsWhatSSMCannotHold(t *testing.T) {
	s := &Store{prefix: "/oauth"}
	for _, connection := range []string{"", "/a", "a/", "a//b", "a b", "a@b", "a+b", "é", "a\nb"} {
		if name, ok := s.name(connection, refresh.KindToken); ok {
			t.Errorf("name(%q) = %q is held to be possible", connection, name)
		}
	}
	if _, ok := s.name("a", "token"); ok {
		t.Error("an unknown kind is held to be possible")
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	tests := map[string]struct {
		config Config
		want   []string
	}{
		"nothing is set":                   {Config{}, []string{"client", "prefix", "key"}},
		"a prefix without its slash":       {Config{Prefix: "oauth", KMSKeyID: "alias/aws/ssm"}, []string{"client", `prefix "oauth"`}},
		"a prefix with a slash at the end": {Config{Prefix: "/oauth/", KMSKeyID: "k"}, []string{`prefix "/oauth/"`}},
		"a prefix with an empty segment":   {Config{Prefix: "/a//b", KMSKeyID: "k"}, []string{`prefix "/a//b"`}},
		"a reserved first segment":         {Config{Prefix: "/awsome", KMSKeyID: "k"}, []string{"reserved"}},
		"the other one, in capitals":       {Config{Prefix: "/SSM-x", KMSKeyID: "k"}, []string{"reserved"}},
		"a prefix that is too deep":        {Config{Prefix: strings.Repeat("/a", 11), KMSKeyID: "k"}, []string{"levels"}},
		"a key with a space":               {Config{Prefix: "/oauth", KMSKeyID: "my key"}, []string{`key "my key"`}},
		"a key of 257 characters":          {Config{Prefix: "/oauth", KMSKeyID: strings.Repeat("k", 257)}, []string{`key "kkk`}},
		"a negative time-out":              {Config{Prefix: "/oauth", KMSKeyID: "k", CallTimeout: -1}, []string{"call time-out"}},
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
