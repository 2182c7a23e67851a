package oauth

import (
	"encoding/base64"
	"strings"
)

// parseClaims reads the claims of a JWT (RFC 7519) without verifying it. Whatever is no signed JWT has none.
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

// parseScope returns a scope as one space separated text, whether it comes as that or as a list. The order stays.
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
