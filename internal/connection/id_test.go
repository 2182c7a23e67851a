package connection

import (
	"errors"
	"strings"
	"testing"
)

func TestValidID(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, id := range []string{"a", "0", "hotmart/loja-a", "tenant-42/kiwify/main", "a/b/c/d", "a.b_c-d", long, long + "/" + long + "/" + long + "/" + long} {
		if err := ValidID(id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"", "/", "a/", "/a", "a//b", "A", "a b", "-a", ".a", "_a", "a/-b", "ã", "a/b/c/d/e", long + "a", "a\n", "a+b"} {
		fault := (*Error)(nil)
		if err := ValidID(id); !errors.As(err, &fault) || fault.Code != CodeInvalidConnectionID {
			t.Errorf("%q: error %v", id, err)
		}
	}
}

func TestTheMessageNamesTheSecretToCreate(t *testing.T) {
	for _, tt := range []struct{ id, want string }{
		{"Hotmart/Loja-A", `"Hotmart/Loja-A": only a-z 0-9 . _ - and /. Create it again as oauth/hotmart/loja-a`},
		{"hotmart//a", `"hotmart//a": a part between slashes is empty. Create it again as oauth/hotmart/a`},
		{"a/b/c/d/e", `"a/b/c/d/e": 5 parts between slashes, at most 4. Create it again as oauth/a/b/c/d-e`},
		{"_x", `"_x": each part between slashes begins with a-z or 0-9. Create it again as oauth/x`},
		{strings.Repeat("a", 64), `a part between slashes has 64 characters, at most 63`},
		{"", `"": the name after the prefix is empty`},
		{"日本", `"日本": only a-z 0-9 . _ - and /`},
	} {
		err := ValidName("oauth/", tt.id)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	if err := ValidName("oauth/", "日本"); strings.Contains(err.Error(), "Create") {
		t.Errorf("%v suggests nothing", err)
	}
}

func TestParseRefusesABadIDFirst(t *testing.T) {
	_, err := parse(t, "Hotmart/Loja-A", "")
	fault := (*Error)(nil)
	if !errors.As(err, &fault) || fault.Code != CodeInvalidConnectionID || fault.Error() != fault.Message {
		t.Errorf("error %v", err)
	}
}

func TestSuggestID(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"Hotmart/Loja-A", "hotmart/loja-a"},
		{"Loja São João", "loja-sao-joao"},
		{"PROMOÇÃO/Ação", "promocao/acao"},
		{" hotmart / a ", "hotmart/a"},
		{"a/b/c/d/e/f", "a/b/c/d-e-f"},
		{"hotmart/loja-a", "hotmart/loja-a"},
		{"***", ""},
		{"/", ""},
	} {
		if got := SuggestID(tt.in); got != tt.want {
			t.Errorf("SuggestID(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzSuggestID(f *testing.F) {
	for _, id := range []string{"", "Hotmart/Loja-A", "a/b/c/d/e", "-/-", strings.Repeat("á", 80), strings.Repeat("a", 62) + "-b/c", "\xff"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		s := SuggestID(id)
		if s == "" {
			return
		}
		if err := ValidID(s); err != nil {
			t.Errorf("SuggestID(%q) = %q, which is refused: %v", id, s, err)
		}
		if ValidID(id) == nil && s != id && !strings.ContainsAny(id[len(id)-1:]+id, "._-") {
			t.Errorf("SuggestID(%q) = %q changes a valid id", id, s)
		}
	})
}
