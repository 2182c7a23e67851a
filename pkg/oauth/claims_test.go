package oauth

import (
	"testing"
	"time"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	c := parseClaims(jwtOf(`{"store_id":"s-1","n":12,"exp":1700172800,"iat":1700000000.5,"jti":"j","scope":"a b","list":[1]}`))
	if c.Text("store_id") != "s-1" || c.Text("n") != "12" || c.Text("list") != "" || c.Text("absent") != "" {
		t.Errorf("texts %v", c)
	}
	if !c.ExpiresAt.Equal(time.Unix(1700172800, 0)) || !c.IssuedAt.Equal(time.Unix(1700000000, 0)) || c.JTI != "j" || c.Scope != "a b" {
		t.Errorf("%+v", c)
	}
	for name, token := range map[string]string{
		"opaque":           "H4sIAAAA",
		"two parts":        "a.b",
		"five parts (JWE)": "a.b.c.d.e",
		"not base64":       "a.!!.c",
		"not JSON":         "a.bm9uZQ.c",
		"a JSON list":      "a.W10.c",
	} {
		c := parseClaims(token)
		if !c.ExpiresAt.IsZero() || c.JTI != "" || c.Text("jti") != "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := parseClaims("a.eyJqdGkiOiJqIn0=.c"); c.JTI != "j" {
		t.Errorf("padded base64: %+v", c)
	}
	if c := parseClaims(jwtOf(`{"exp":"1700172800","scope":7}`)); c.ExpiresAt.IsZero() || c.Scope != "" {
		t.Errorf("exp as a string: %+v", c)
	}
}
