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

// zeroLifetimeWait is when a token that has no life left is asked for again: by then the server has let go of it (providers that hand out
// the same token until it ends do so to the last second).
const zeroLifetimeWait = 2 * time.Second

// token makes a Token of a 2xx without an error, or says why it is none.
func (a *answer) token() (*Token, *Error) {
	access, e := a.accessToken()
	if e != nil {
		return nil, e
	}
	if !usableType(a.field("token_type")) {
		return nil, &Error{Class: Configuration, Code: CodeUnsupportedTokenType, Description: "token_type is not Bearer"}
	}
	private := a.request.redactor()
	a.secrets(private, minNamed)
	claims := parseClaims(access).without(private)
	life := a.stated(claims)
	lifetime, isStated := life.lifetime()
	if isStated && lifetime <= 0 {
		return nil, &Error{Class: Transient, Code: CodeZeroLifetime, Description: "the token has no life left", RetryAfter: zeroLifetimeWait}
	}
	t := &Token{
		AccessToken:  NewSecret(access),
		RefreshToken: a.refreshToken(),
		TokenType:    "Bearer",
		IssuedAt:     a.at,
		ExpiresIn:    life.expiresIn(),
		ExpiresAt:    life.at,
		Lifetime:     lifetime,
		Claims:       claims,
		JTI:          private.identifier(clean(scalar(a.field("jti")))),
		Shape:        a.shape(),
		Fields:       a.fieldNames(private),
		Notes:        life.notes(),
	}
	if t.JTI == "" {
		t.JTI = claims.JTI
	}
	t.Scope, t.ScopeSource = a.scope(claims, private)
	return t, nil
}

// refreshToken is the response's refresh token, the zero Secret when there is none that can be sent (RFC 6749 appendix A.17).
func (a *answer) refreshToken() Secret {
	text, ok := a.field("refresh_token").(string)
	if !ok || !legalToken(text) {
		return Secret{}
	}
	return NewSecret(text)
}

// newRefreshToken is the refresh token of a 2xx, unless it is the one that was sent.
func (a *answer) newRefreshToken() Secret {
	if !a.ok() {
		return Secret{}
	}
	token := a.refreshToken()
	if slices.ContainsFunc(a.request.secrets, token.Equal) {
		return Secret{}
	}
	return token
}

// accessToken checks the form of the token. It goes into a header of other programs, byte for byte.
func (a *answer) accessToken() (string, *Error) {
	e := &Error{Class: Malformed}
	switch v := a.field("access_token").(type) {
	case nil:
		e.Code = CodeMissingAccessToken
	case string:
		if v != "" && legalToken(v) {
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

// legalToken keeps to visible ASCII (RFC 6749 appendix A.12 without the space): a line break would be a header of its own.
func legalToken(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// usableType reports whether a token of this type is used as a bearer token (RFC 6750). The type is compared without regard to case (RFC 6749
// section 5.1), and may be absent, as it is in many answers.
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

// scope follows RFC 6749 section 5.1: an answer that names none grants what was asked for. A scope that holds a secret counts as none, since
// scopes are published; the claims have been through that already.
func (a *answer) scope(claims Claims, private *scrubber) (string, ScopeSource) {
	if s := parseScope(a.field("scope")); s != "" && !private.finds(s) {
		return s, ScopeFromAnswer
	}
	if claims.Scope != "" {
		return claims.Scope, ScopeFromClaim
	}
	if s := clean(a.request.scope); s != "" && !private.finds(s) {
		return s, ScopeFromRequest
	}
	return "", ScopeUnknown
}

// shape is a fingerprint of the answer's field names: a provider that changes its answers shows by it.
func (a *answer) shape() string {
	text := make([]byte, 0, 256)
	for i, name := range a.sortedNames() {
		if i > 0 {
			text = append(text, '\n')
		}
		text = append(text, name...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

func (a *answer) sortedNames() []string {
	names := make([]string, 0, len(a.fields))
	for name := range a.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fieldNames are the names of the answer's fields, for a person who wants to know what changed: identifiers of a plausible length, at most 30.
func (a *answer) fieldNames(private *scrubber) string {
	var names []string
	for _, name := range a.sortedNames() {
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

// noObject says what a 2xx holds that has no fields.
func (a *answer) noObject() *Error {
	e := &Error{Class: Malformed}
	switch {
	case a.bodyErr != nil:
		e.Description = a.bodyErr.Error()
		e.Code = CodeBadEncoding
		if errors.Is(a.bodyErr, errBodyTooLarge) {
			e.Code = CodeTooLarge
		}
	case a.form == formEmpty || a.status == http.StatusNoContent:
		e.Code = CodeEmptyBody
	case a.form == formJSON:
		e.Code = CodeNotAnObject
	case a.form == formBadJSON:
		e.Code = CodeBadJSON
	case a.form == formHTML:
		e.Code, e.Description = CodeNotJSON, "the answer is an HTML page"
	default:
		e.Code, e.Description = CodeNotJSON, "the answer is plain text"
	}
	return e
}
