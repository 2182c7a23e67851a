package lifecycle_test

import (
	"slices"
	"testing"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

func TestScopeDiff(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		want          []string
	}{
		"nothing to nothing":            {"", "", nil},
		"the same in another order":     {"read write", "write read", nil},
		"the same, repeated and padded": {"read write", "  read  read\twrite ", nil},
		"one gained":                    {"read", "read write", []string{"+write"}},
		"one lost":                      {"read write", "read", []string{"-write"}},
		"gained ones come before lost":  {"b c", "a c", []string{"+a", "-b"}},
		"several gained are sorted":     {"", "b a c", []string{"+a", "+b", "+c"}},
		"a change is named once":        {"a a", "b b", []string{"+b", "-a"}},
		"upper and lower case differ":   {"Read", "read", []string{"+read", "-Read"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lifecycle.ScopeDiff(c.before, c.after); !slices.Equal(got, c.want) {
				t.Errorf("ScopeDiff(%q, %q) = %q, want %q", c.before, c.after, got, c.want)
			}
		})
	}
}

func TestMissingScopes(t *testing.T) {
	for name, c := range map[string]struct {
		granted  string
		required []string
		want     []string
	}{
		"nothing is required":                       {"", nil, nil},
		"all are there":                             {"a b c", []string{"c", "a"}, nil},
		"those that lack, in the order required":    {"b", []string{"z", "b", "a"}, []string{"z", "a"}},
		"a part of a name does not count":           {"products.read", []string{"products"}, []string{"products"}},
		"nothing was granted":                       {"", []string{"a"}, []string{"a"}},
		"more was granted than is required":         {"a b", []string{"a"}, nil},
		"upper and lower case differ":               {"A", []string{"a"}, []string{"a"}},
		"tabs and several spaces divide scopes too": {"a\t b", []string{"b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lifecycle.MissingScopes(c.granted, c.required); !slices.Equal(got, c.want) {
				t.Errorf("MissingScopes = %q, want %q", got, c.want)
			}
		})
	}
}
