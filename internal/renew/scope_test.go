package renew_test

import (
	"slices"
	"testing"

	"github.com/chaveiro/chaveiro/internal/renew"
)

func TestScopeDiff(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		want          []string
	}{
		"nothing to nothing":               {"", "", nil},
		"the same in another order":        {"read write", "write read", nil},
		"the same, repeated and padded":    {"read write", "  read  read\twrite ", nil},
		"one gained":                       {"read", "read write", []string{"+write"}},
		"one lost":                         {"read write", "read", []string{"-write"}},
		"gained ones stand before lost":    {"b c", "a c", []string{"+a", "-b"}},
		"a change is named once":           {"a a", "b b", []string{"+b", "-a"}},
		"upper and lower case are not one": {"Read", "read", []string{"+read", "-Read"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := renew.ScopeDiff(c.before, c.after); !slices.Equal(got, c.want) {
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
		"nothing is required":                        {"", nil, nil},
		"all are there":                              {"a b c", []string{"c", "a"}, nil},
		"those that lack, in the order required":     {"b", []string{"z", "b", "a"}, []string{"z", "a"}},
		"a part of a name does not count":            {"products.read", []string{"products"}, []string{"products"}},
		"nothing was granted":                        {"", []string{"a"}, []string{"a"}},
		"more was granted than is required":          {"a b", []string{"a"}, nil},
		"a scope in other letters is another one":    {"A", []string{"a"}, []string{"a"}},
		"scopes may be divided by more than a space": {"a\t b", []string{"b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := renew.MissingScopes(c.granted, c.required); !slices.Equal(got, c.want) {
				t.Errorf("MissingScopes = %q, want %q", got, c.want)
			}
		})
	}
}
