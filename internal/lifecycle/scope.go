package lifecycle

import (
	"slices"
	"strings"
)

// ScopeDiff lists what changed between two scopes, sorted: "+read" was gained, "-write" was lost. Order and repetition do not count
// (RFC 6749 section 3.3).
func ScopeDiff(before, after string) []string {
	was, is := strings.Fields(before), strings.Fields(after)
	var diff []string
	for _, s := range is {
		if !slices.Contains(was, s) {
			diff = append(diff, "+"+s)
		}
	}
	for _, s := range was {
		if !slices.Contains(is, s) {
			diff = append(diff, "-"+s)
		}
	}
	slices.Sort(diff)
	return slices.Compact(diff)
}

// MissingScopes lists which of the required scopes the granted scope lacks.
func MissingScopes(granted string, required []string) []string {
	has := strings.Fields(granted)
	var missing []string
	for _, s := range required {
		if !slices.Contains(has, s) {
			missing = append(missing, s)
		}
	}
	return missing
}
