package oauth

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
)

// Dialect says how a server's responses differ from RFC 6749. The zero value is RFC 6749, read with tolerance.
type Dialect struct {
	Fields        map[string]string // standard field to its only dotted path in the response ("access_token": "data.token")
	ExpiresInUnit time.Duration     // 0 means time.Second
	Errors        []ErrorRule       // applied before the codes of the RFCs, first match wins; not applied to a 2xx with a token and without an error
	RateLimitWait time.Duration     // wait after a 429 (or a rule's rate_limited) that states none

	checked bool // set by Checked
}

// ErrorRule maps one of a server's own errors. All conditions that are set must match; at least one must be set.
type ErrorRule struct {
	Status     int           // HTTP status; 0: any
	Error      string        // the response's error code, compared without case, and with "_", "-" and a space as equal; "": any
	Message    string        // regular expression (RE2) over error_description or message; "": any
	Field      string        // dotted path of a further field of the response; "": none
	Match      string        // regular expression (RE2) over that field, a string, number or boolean; set exactly when Field is
	Class      Class         // transient, credentials, configuration or malformed
	Code       string        // lower_snake_case
	RetryAfter time.Duration // used when the response itself states no wait
}

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
			return fmt.Errorf("dialect: field %s has an empty path segment in %q", name, path)
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

// Checked validates a dialect and returns a copy that is not validated again with each request: for a dialect that serves many requests.
// The copy must not be changed afterwards. The error is Validate's.
func (d Dialect) Checked() (Dialect, error) {
	if err := d.Validate(); err != nil {
		return Dialect{}, err
	}
	d.checked = true
	return d, nil
}

// Then returns a copy with the error rules of another dialect after its own. It counts as checked when both are.
func (d Dialect) Then(next Dialect) Dialect {
	d.Errors = slices.Concat(d.Errors, next.Errors)
	d.checked = d.checked && next.checked
	return d
}

func (rule ErrorRule) validate() error {
	switch {
	case rule.Status == 0 && rule.Error == "" && rule.Message == "" && rule.Field == "":
		return fmt.Errorf("states no condition")
	case (rule.Field == "") != (rule.Match == ""):
		return fmt.Errorf("field and match belong together")
	case rule.Field != "" && slices.Contains(strings.Split(rule.Field, "."), ""):
		return fmt.Errorf("field %q has an empty path segment", rule.Field)
	case rule.Class != Transient && rule.Class != Credentials && rule.Class != Configuration && rule.Class != Malformed:
		return fmt.Errorf("class %q is not one that a rule may give", rule.Class)
	case !isCode(rule.Code):
		return fmt.Errorf("code %q is not lower_snake_case", rule.Code)
	case rule.RetryAfter < 0:
		return fmt.Errorf("the wait is negative")
	}
	// Parsing shows whether a pattern compiles, at a fraction of the cost of compiling.
	for name, pattern := range map[string]string{"message": rule.Message, "match": rule.Match} {
		if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func isCode(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
