package oauth

import (
	"encoding/base64"
	"maps"
	"strings"
)

// parseClaims reads the claims of a signed JWT (RFC 7519) without verifying it. Any other token has none.
func parseClaims(token string) Claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return Claims{}
	}
	fields := decodeObject(payload)
	if fields == nil {
		return Claims{}
	}
	c := Claims{JTI: clean(scalar(fields["jti"])), Scope: parseScope(fields["scope"]), text: make(map[string]string)}
	if c.Scope == "" {
		c.Scope = parseScope(fields["scp"])
	}
	c.ExpiresAt, _ = parseEpoch(scalar(fields["exp"]))
	c.IssuedAt, _ = parseEpoch(scalar(fields["iat"]))
	for name, v := range fields {
		if s := scalar(v); s != "" {
			c.text[name] = s
		}
	}
	return c
}

// maxIdentifier is the greatest length of a jti or another claim in bytes. A longer one is dropped and not shortened: a part of an identifier is
// another identifier.
const maxIdentifier = 1 << 10

// without returns the claims without those in which the server put a secret: the others may be logged.
func (c Claims) without(private *redactor) Claims {
	c.JTI = private.identifier(c.JTI)
	if private.finds(c.Scope) {
		c.Scope = ""
	}
	maps.DeleteFunc(c.text, func(_, text string) bool { return private.identifier(text) == "" })
	return c
}

// identifier returns a text, or "" when it holds a secret (some servers put the access token into jti) or is too long.
func (r *redactor) identifier(text string) string {
	if len(text) > maxIdentifier || r.finds(text) {
		return ""
	}
	return text
}

// parseScope returns a scope as one text with spaces (RFC 6749 section 3.3), also when the server sends a list. The order stays.
func parseScope(v any) string {
	switch v := v.(type) {
	case string:
		return clean(v)
	case []any:
		var words []string
		for _, w := range v {
			if s, ok := w.(string); ok {
				words = append(words, s)
			}
		}
		return clean(strings.Join(words, " "))
	}
	return ""
}
