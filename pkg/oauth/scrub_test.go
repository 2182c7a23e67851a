package oauth

import (
	"math/rand/v2"
	"testing"
)

// TestNoFormIsShorterThanItsBound: a text that is too short to hold a form is not looked at, so no form may be shorter than was said.
func TestNoFormIsShorterThanItsBound(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "a1-._~", "+/=", "<>&'\"\\% \t\x00\x7f", "a\u00e9\xff"}
	for n := range 4000 {
		alphabet := alphabets[n%len(alphabets)]
		secret := make([]byte, minScrubbed+n%300)
		for i := range secret {
			secret[i] = alphabet[dice.IntN(len(alphabet))]
		}
		o := &sought{text: string(secret), least: shortestForm(string(secret))}
		for how := range readings {
			for _, f := range o.in(how) {
				if len(f) < o.least {
					t.Fatalf("%q has the form %q in reading %d: %d bytes, said were at least %d", secret, f, how, len(f), o.least)
				}
			}
		}
	}
}
