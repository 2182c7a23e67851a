package oauth

import (
	"fmt"
	"net/http"
	"regexp/syntax"
	"slices"
	"strings"
)

// check refuses what cannot be sent, before anything is, and returns the endpoint's host. No text here repeats a value.
func (r *Request) check(allowLoopback bool) (string, *Error) {
	host, err := checkEndpoint(r.TokenEndpoint, allowLoopback)
	if err != nil {
		return "", err
	}
	why := r.fault()
	if why == "" && !r.Dialect.checked {
		if err := r.Dialect.Validate(); err != nil {
			why = shorten(clean(err.Error()))
		}
	}
	if why != "" {
		return "", configError(CodeInvalidRequestConfig, host, why)
	}
	return host, nil
}

// fault returns the first thing that is wrong with the request's own fields.
func (r *Request) fault() string {
	switch {
	case r.AuthMethod == "":
		return "the authentication method is missing"
	case !slices.Contains([]AuthMethod{ClientSecretBasic, ClientSecretPost, ClientSecretQuery, ClientSecretJSON}, r.AuthMethod):
		return "the authentication method is none that can be used"
	case r.ClientID == "" && !r.anonymous:
		return "the client id is missing"
	case r.ClientSecret.IsZero() && !r.anonymous:
		return "the client secret is missing"
	case r.AuthMethod == ClientSecretBasic && r.RawBasic && strings.Contains(r.ClientID, ":"):
		return "a client id with a colon cannot be sent by raw Basic (RFC 7617 section 2)"
	case r.JSONBody && r.AuthMethod != ClientSecretBasic && r.AuthMethod != ClientSecretJSON:
		return "a JSON body does not go with " + string(r.AuthMethod)
	case r.Params.Has("client_secret"):
		return "a client secret among the fixed parameters"
	case r.OmitGrantType && r.GrantType != "":
		return "a grant type is named and omitted"
	case r.MaxLifetime < 0 || r.DefaultLifetime < 0:
		return "a lifetime is negative"
	}
	if why := r.renameFault(); why != "" {
		return why
	}
	return r.headerFault()
}

// renameFault finds two parameters under one name, which RFC 6749 section 3.2 forbids.
func (r *Request) renameFault() string {
	if len(r.ParamNames) == 0 {
		return "" // each has its own name, and no map has one twice
	}
	taken := make(map[string]string)
	standard := []string{"grant_type", "scope", "audience", "resource", "client_id", "client_secret"}
	for name := range r.Params {
		if !slices.Contains(standard, name) {
			standard = append(standard, name)
		}
	}
	slices.Sort(standard)
	for _, name := range standard {
		sent := r.paramName(name)
		if other, ok := taken[sent]; ok {
			return fmt.Sprintf("the parameters %s and %s would have one name", other, name)
		}
		taken[sent] = name
	}
	return ""
}

func (r *Request) headerFault() string {
	for name, values := range r.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding", "Trailer", "Upgrade":
			return "the header " + clean(name) + " cannot be set"
		case "Authorization":
			if r.AuthMethod == ClientSecretBasic {
				return "the header Authorization is that of " + string(ClientSecretBasic)
			}
		}
		if !isHeaderName(name) {
			return "a header's name has characters that no header has"
		}
		for _, v := range values {
			if strings.ContainsFunc(v, isHeaderBreak) {
				return "the header " + name + " has control characters"
			}
		}
	}
	return ""
}

// isHeaderName follows RFC 9110 section 5.6.2 (token).
func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

func isHeaderBreak(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// standardFields are the names that Dialect.Fields may map.
func standardFields() []string {
	return []string{
		"access_token", "token_type", "expires_in", "expires_at", "expires_on", "refresh_token", "scope", "jti",
		"error", "error_description", "message",
	}
}

// Validate reports the first fault of a dialect: an unknown field, an empty path, a rule without a condition, a class that no rule may
// give, a code that is not lower_snake_case, a pattern that does not compile, a negative duration.
func (d Dialect) Validate() error {
	for name, path := range d.Fields {
		if !slices.Contains(standardFields(), name) {
			return fmt.Errorf("dialect: unknown field %q", name)
		}
		if path == "" || slices.Contains(strings.Split(path, "."), "") {
			return fmt.Errorf("dialect: field %s has the empty path segment of %q", name, path)
		}
	}
	if d.ExpiresInUnit < 0 || d.RateLimitWait < 0 {
		return fmt.Errorf("dialect: a duration is negative")
	}
	for i, rule := range d.Errors {
		if err := rule.validate(); err != nil {
			return fmt.Errorf("dialect: error rule %d: %w", i+1, err)
		}
	}
	return nil
}

// Checked validates a dialect and returns it as one that is not validated again with each request: for a dialect that serves many. It must
// not be changed afterwards. The error is Validate's.
func (d Dialect) Checked() (Dialect, error) {
	if err := d.Validate(); err != nil {
		return Dialect{}, err
	}
	d.checked = true
	return d, nil
}

func (r ErrorRule) validate() error {
	switch {
	case r.Status == 0 && r.Error == "" && r.Message == "":
		return fmt.Errorf("names no condition")
	case r.Class != Transient && r.Class != Credentials && r.Class != Configuration && r.Class != Malformed:
		return fmt.Errorf("class %q is none that a rule may give", r.Class)
	case !isCode(r.Code):
		return fmt.Errorf("code %q is not lower_snake_case", r.Code)
	case r.RetryAfter < 0:
		return fmt.Errorf("the wait is negative")
	}
	// Parsing tells whether a pattern compiles, for a fraction of what compiling costs: this is checked with each request.
	if _, err := syntax.Parse(r.Message, syntax.Perl); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return nil
}

func isCode(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
