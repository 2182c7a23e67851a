package oauth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// zeroLifetimeWait is the wait after a token without lifetime left. A server that issues the same token again until its end does so up to the
// last second, so two seconds later it issues another.
const zeroLifetimeWait = 2 * time.Second

// token makes a Token of a 2xx without an error, or returns why it cannot be used.
func (r *response) token() (*Token, *Error) {
	access, e := r.accessToken()
	if e != nil {
		return nil, e
	}
	if !usableType(r.field("token_type")) {
		return nil, &Error{Class: Configuration, Code: CodeUnsupportedTokenType, Description: "token_type is not Bearer"}
	}
	private := r.request.redactor()
	r.secrets(private, minNamed)
	claims := parseClaims(access).without(private)
	life := r.lifetimeClaims(claims)
	lifetime, isStated := life.lifetime()
	if isStated && lifetime <= 0 {
		return nil, &Error{Class: Transient, Code: CodeZeroLifetime, Description: "the token has no lifetime left", RetryAfter: zeroLifetimeWait}
	}
	t := &Token{
		AccessToken:  NewSecret(access),
		RefreshToken: r.refreshToken(),
		TokenType:    "Bearer",
		IssuedAt:     r.at,
		ExpiresIn:    life.expiresIn(),
		ExpiresAt:    life.at,
		Lifetime:     lifetime,
		Claims:       claims,
		JTI:          private.identifier(clean(scalar(r.field("jti")))),
		Shape:        r.shape(),
		Fields:       r.fieldNames(private),
		Notes:        life.notes(),
	}
	if t.JTI == "" {
		t.JTI = claims.JTI
	}
	t.Scope, t.ScopeSource = r.scope(claims, private)
	return t, nil
}

// refreshToken is the response's refresh token, the zero Secret when there is none that can be sent (RFC 6749 appendix A.17).
func (r *response) refreshToken() Secret {
	text, ok := r.field("refresh_token").(string)
	if !ok || !isBearerToken(text) {
		return Secret{}
	}
	return NewSecret(text)
}

// newRefreshToken is the refresh token of a 2xx, unless it is the one that was sent.
func (r *response) newRefreshToken() Secret {
	if !r.ok() {
		return Secret{}
	}
	token := r.refreshToken()
	if slices.ContainsFunc(r.request.secrets, token.Equal) {
		return Secret{}
	}
	return token
}

// accessToken checks the form of the token. Programs send the token in a header, byte for byte.
func (r *response) accessToken() (string, *Error) {
	e := &Error{Class: Malformed}
	switch v := r.field("access_token").(type) {
	case nil:
		e.Code = CodeMissingAccessToken
	case string:
		if v != "" && isBearerToken(v) {
			return v, nil
		}
		e.Code = CodeIllegalTokenChars
		if v == "" {
			e.Code = CodeMissingAccessToken
		}
	default:
		e.Code, e.Description = CodeBadType, "access_token is not a string"
	}
	return "", e
}

// isBearerToken accepts visible ASCII (RFC 6749 appendix A.12 without the space): a line break would begin another header.
func isBearerToken(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// usableType reports whether a token of this type is used as a bearer token (RFC 6750). Case does not count (RFC 6749 section 5.1). Many
// servers leave the type out, against the RFC.
func usableType(v any) bool {
	if v == nil {
		return true
	}
	s, ok := v.(string)
	if !ok {
		return false
	}
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "bearer", "bearertoken":
		return true
	}
	return false
}

// scope follows RFC 6749 section 5.1: a response without a scope grants the requested scope. A scope that holds a secret is ignored, since
// scopes are logged; the claims were checked before.
func (r *response) scope(claims Claims, private *redactor) (string, ScopeSource) {
	if s := parseScope(r.field("scope")); s != "" && !private.finds(s) {
		return s, ScopeFromAnswer
	}
	if claims.Scope != "" {
		return claims.Scope, ScopeFromClaim
	}
	if s := clean(r.request.scope); s != "" && !private.finds(s) {
		return s, ScopeFromRequest
	}
	return "", ScopeUnknown
}

// shape is a fingerprint of the response's field names. It changes when the server changes its responses.
func (r *response) shape() string {
	text := make([]byte, 0, 256)
	for i, name := range r.sortedNames() {
		if i > 0 {
			text = append(text, '\n')
		}
		text = append(text, name...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

func (r *response) sortedNames() []string {
	names := make([]string, 0, len(r.fields))
	for name := range r.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fieldNames are the names of the response's fields, for a person who wants to know what changed: identifiers of a plausible length, at most 30.
func (r *response) fieldNames(private *redactor) string {
	var names []string
	for _, name := range r.sortedNames() {
		if len(names) < maxFieldNames && isFieldName(name) && !private.finds(name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

const (
	maxFieldNames = 30
	maxFieldName  = 40 // characters
)

func isFieldName(name string) bool {
	return name != "" && len(name) <= maxFieldName && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.'
	})
}

// noObject is the error for a 2xx without fields.
func (r *response) noObject() *Error {
	e := &Error{Class: Malformed}
	switch {
	case r.bodyErr != nil:
		e.Description = r.bodyErr.Error()
		e.Code = CodeBadEncoding
		if errors.Is(r.bodyErr, errBodyTooLarge) {
			e.Code = CodeTooLarge
		}
	case r.form == formEmpty || r.status == http.StatusNoContent:
		e.Code = CodeEmptyBody
	case r.form == formJSON:
		e.Code = CodeNotAnObject
	case r.form == formBadJSON:
		e.Code = CodeBadJSON
	case r.form == formHTML:
		e.Code, e.Description = CodeNotJSON, "the response is an HTML page"
	default:
		e.Code, e.Description = CodeNotJSON, "the response is plain text"
	}
	return e
}
