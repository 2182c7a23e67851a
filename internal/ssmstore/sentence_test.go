package ssmstore_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/store"
)

// TestBracesNeverMakeAFailureUnwritable: a provider's own words are in the sentence, and SSM refuses values with {{…}}.
func TestBracesNeverMakeAFailureUnwritable(t *testing.T) {
	tests := map[string]struct{ sentence, want string }{
		"no brace":               {"It fails.", "It fails."},
		"single braces":          {`{"error":"x"} and {}`, `{"error":"x"} and {}`},
		"two":                    {"{{x}}", "{ {x} }"},
		"three":                  {"{{{x}}}", "{ { {x} } }"},
		"four":                   {"{{{{", "{ { { {"},
		"closing ones alone":     {"}}}}}", "} } } } }"},
		"around nothing":         {"{{}}", "{ {} }"},
		"alternating":            {"{}{}{{}}", "{}{}{ {} }"},
		"a JSON object in a row": {`{"a":{"b":{}}}`, `{"a":{"b":{} } }`},
		"with a letter between":  {"{é{ é}}é", "{é{ é} }é"},
		"already apart":          {"{ { x } }", "{ { x } }"},
		"invalid UTF-8 between":  {"{\xff{{", "{\uFFFD{ {"},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			w, s := newWorld(t)
			mustPut(t, s, write(failure("x"), tt.sentence, ""))
			if got := stored(t, w, "/oauth/x/refresh_failure").Value.Reveal(); got != tt.want {
				t.Errorf("stored %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEverySentenceIsWritable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := new(awstest.World)
		s := open(t, w.SSM(), "/oauth")
		sentence := rapid.StringOfN(rapid.RuneFrom([]rune("{}{}{}{} aé\U0001F511")), 1, 5000, -1).Draw(rt, "sentence")
		if _, err := s.Put(t.Context(), write(failure("x"), sentence, "")); err != nil {
			rt.Fatalf("Put: %v", err)
		}
		p := stored(t, w, "/oauth/x/refresh_failure")
		text := p.Value.Reveal()
		if strings.Contains(text, "{{") || strings.Contains(text, "}}") || !utf8.ValidString(text) || p.Tier != "Standard" {
			rt.Fatalf("stored in tier %s: %q", p.Tier, text)
		}
		bare := strings.NewReplacer(" ", "", "…", "").Replace
		if !strings.HasPrefix(bare(sentence), bare(text)) || len(text) < min(len(sentence), 4000) {
			rt.Fatalf("%d bytes became %d bytes: %q", len(sentence), len(text), text)
		}
	})
}

func TestALongSentenceStaysInTheStandardTier(t *testing.T) {
	tests := map[string]struct{ sentence, want string }{
		"that fits":                          {strings.Repeat("a", 4092), strings.Repeat("a", 4092)},
		"one byte longer":                    {strings.Repeat("a", 4093), strings.Repeat("a", 4092) + "…"},
		"that ends in a letter of two bytes": {strings.Repeat("a", 4091) + "éé", strings.Repeat("a", 4091) + "…"},
		"of braces":                          {strings.Repeat("{", 5000), strings.Repeat("{ ", 2045) + "{" + "…"},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			w, s := newWorld(t)
			mustPut(t, s, write(failure("x"), tt.sentence, ""))
			p := stored(t, w, "/oauth/x/refresh_failure")
			if got := p.Value.Reveal(); got != tt.want || p.Tier != "Standard" {
				t.Errorf("stored %d bytes in tier %s that end in %q", len(got), p.Tier, got[len(got)-8:])
			}
		})
	}
}

// TestOnlySentencesAreChanged: a changed account id would be a wrong one, and a changed token no token.
func TestOnlySentencesAreChanged(t *testing.T) {
	w, s := newWorld(t)
	for _, n := range []store.Name{account("x"), token("x")} {
		mustPut(t, s, write(n, "a{{b", ""))
		if got := stored(t, w, "/oauth/x/"+string(n.Kind)).Value.Reveal(); got != "a{{b" {
			t.Errorf("%s is stored as %q", n.Kind, got)
		}
		_, err := s.Put(t.Context(), write(n, "a{{b}}", ""))
		wantError(t, err, store.ErrInvalidWrite, "ValidationException")
	}
}
