package awstest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// Page sizes of DescribeParameters. AWS documents only the maximum; ten is what it was seen to use when none is asked for.
const (
	maxParameterPage     = 50
	defaultParameterPage = 10
	maxFilterValues      = 50
)

type describeParametersInput struct {
	ParameterFilters []parameterFilter
	Filters          json.RawMessage // the old form, which nothing new should use
	MaxResults       int
	NextToken        string
	Shared           bool
}

func (in *describeParametersInput) names() []string { return nil }

// run answers one page: filters are ANDed, the values of one ORed. They are applied after the page is cut (boto/botocore#2461), so that a page
// may be short or empty and still have a NextToken.
func (in *describeParametersInput) run(w *World) (any, *apiError) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	after, ok := decodeToken(parameterToken, in.NextToken)
	if !ok {
		return nil, refuse("InvalidNextToken", "The specified token isn't valid.")
	}
	size := cmp.Or(in.MaxResults, defaultParameterPage)
	views, next := w.parameterList.page(query[parameterVersion]{
		after: after, want: size, scan: cmp.Or(w.ScanLimit, size), now: w.now(), lag: w.ListLag,
		match: func(v *parameterVersion) bool {
			return !slices.ContainsFunc(in.ParameterFilters, func(f parameterFilter) bool { return !f.matches(v) })
		},
	})
	list := jsonList{key: "Parameters", next: encodeToken(parameterToken, next), entries: make([][]byte, len(views))}
	for i, v := range views {
		list.entries[i] = v.entry()
	}
	return list, nil
}

func (in *describeParametersInput) validate() *apiError {
	if in.MaxResults > maxParameterPage {
		return invalid("maxResults", "Member must have value less than or equal to 50")
	}
	if in.MaxResults < 0 {
		return invalid("maxResults", "Member must have value greater than or equal to 1")
	}
	if len(in.Filters) > 0 && string(in.Filters) != "null" {
		return refuse("ValidationException", "Filters is not supported here; use ParameterFilters.")
	}
	seen := make(map[string]bool, len(in.ParameterFilters))
	for _, f := range in.ParameterFilters {
		if seen[f.Key] {
			return refuse("InvalidFilterKey", "The following filter is duplicated in the request: "+f.Key+". A request can contain only one occurrence of a specific filter.")
		}
		seen[f.Key] = true
		if err := f.validate(); err != nil {
			return err
		}
	}
	return nil
}

// parameterFilter is one filter of DescribeParameters.
type parameterFilter struct {
	Key    string
	Option string
	Values []string
}

// options are what a key may be compared by, the default first; nil if the key is unknown.
func (f parameterFilter) options() []string {
	switch f.Key {
	case "Name":
		return []string{"Equals", "BeginsWith", "Contains"}
	case "Path":
		return []string{"OneLevel", "Recursive"}
	case "Type", "Tier", "KeyId":
		return []string{"Equals", "BeginsWith"}
	default:
		return nil
	}
}

func (f parameterFilter) validate() *apiError {
	options := f.options()
	switch {
	case options == nil:
		return refuse("InvalidFilterKey", "The following filter key is not valid: "+f.Key+". Valid filter keys include: [Path, Name, Type, KeyId, Tier].")
	case len(f.Values) == 0:
		return refuse("InvalidFilterValue", "The following filter values are missing : null for filter key "+f.Key+".")
	case len(f.Values) > maxFilterValues:
		return tooLong("parameterFilters.1.member.values", maxFilterValues)
	case f.Option != "" && !slices.Contains(options, f.Option):
		return refuse("InvalidFilterOption", "The following filter option is not valid: "+f.Option+". Valid options include: ["+strings.Join(options, ", ")+"].")
	case f.Key == "Path" && slices.ContainsFunc(f.Values, func(p string) bool { return p == "" || p[0] != '/' || p != "/" && strings.HasSuffix(p, "//") }):
		return refuse("ValidationException", `The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "/". `+
			`It can't be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). `+
			`Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.`)
	case f.Key == "Type" && slices.ContainsFunc(f.Values, func(t string) bool { return !knownType(t) }):
		return refuse("InvalidFilterValue", "The following filter value is not valid. Valid values include: [String, StringList, SecureString].")
	default:
		return nil
	}
}

func (f parameterFilter) matches(v *parameterVersion) bool {
	return slices.ContainsFunc(f.Values, func(value string) bool { return f.matchesValue(v, value) })
}

func (f parameterFilter) matchesValue(v *parameterVersion, value string) bool {
	switch f.Key {
	case "Name":
		return compare(f.Option, v.name, value)
	case "Path":
		rest, under := strings.CutPrefix(v.name, strings.TrimSuffix(value, "/")+"/")
		return under && (f.Option == "Recursive" || !strings.Contains(rest, "/"))
	case "Type":
		return compare(f.Option, v.typ, value)
	case "Tier":
		return compare(f.Option, v.tier, value)
	default: // KeyId: validate lets no other through
		return compare(f.Option, v.keyID, value)
	}
}

func compare(option, text, value string) bool {
	switch option {
	case "BeginsWith":
		return strings.HasPrefix(text, value)
	case "Contains":
		return strings.Contains(text, value)
	default:
		return text == value
	}
}
