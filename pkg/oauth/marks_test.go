package oauth

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// holds is what finds has to say of one secret, found out without marks.
func holds(secret, text string) bool {
	o := &sought{text: secret}
	return o.isIn(text)
}

// TestAMarkIsMissedByNoForm: whoever finds a form of a secret in a text, in any reading, finds a mark.
func TestAMarkIsMissedByNoForm(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{
		"abcXYZ019", "abc-._~XYZ019", "ab+/=Z9", "<&>\"'a", "a b\tc", "äöü€a", "\x00\x7f\xff\u202e a1", "+/-_", "%2F{}é9", "?>~", "a?>~\x7f",
	}
	rounds := 4000
	if testing.Short() {
		rounds = 200
	}
	for range rounds {
		letters := []rune(alphabets[rnd.IntN(len(alphabets))])
		var b strings.Builder
		for b.Len() < minScrubbed+rnd.IntN(40) {
			b.WriteRune(letters[rnd.IntN(len(letters))])
		}
		checkMarks(t, b.String(), "id"+strings.Repeat(":", rnd.IntN(3)), rnd)
	}
}

// checkMarks puts each form of a secret into texts and asks for it.
func checkMarks(t *testing.T, secret, around string, rnd *rand.Rand) {
	t.Helper()
	s := new(scrubber)
	s.add(secret)
	if len(s.secrets) == 0 {
		return
	}
	inside := base64.StdEncoding.EncodeToString([]byte(around + secret + around))
	texts := []string{inside, strings.ReplaceAll(inside, "/", "_")}
	for how := range readings {
		for _, form := range (&sought{text: secret}).in(how) {
			texts = append(texts, form, around+form+around, strings.ToUpper(form), broken(form, " ", rnd), broken(form, "-", rnd))
		}
	}
	for _, text := range texts {
		if holds(secret, text) && !s.finds(text) {
			t.Errorf("the secret %q is in %q, and is not found", secret, text)
		}
	}
}

// broken puts a sign into a form somewhere.
func broken(form, sign string, rnd *rand.Rand) string {
	at := rnd.IntN(len(form) + 1)
	return form[:at] + sign + form[at:]
}

func TestATextWithoutASecretCostsNoForms(t *testing.T) {
	s := new(scrubber)
	s.add("a1b2c3d4-1111-2222-3333-444455556666")
	for _, text := range []string{"read write", "9c7a3c52-0f6d-4f13-9f0e-4f2f6f2a3b1c", strings.Repeat("public ", 50)} {
		if s.finds(text) {
			t.Errorf("found in %q", text)
		}
	}
	if s.secrets[0].made {
		t.Error("the forms were made all the same")
	}
}
