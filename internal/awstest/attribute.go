package awstest

import (
	"encoding/base64"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// attribute is a DynamoDB attribute value as AWS JSON 1.0 writes it: exactly one of the fields is set.
type attribute struct {
	S    *string              `json:"S,omitempty"`
	N    *string              `json:"N,omitempty"`
	B    *string              `json:"B,omitempty"` // base64
	BOOL *bool                `json:"BOOL,omitempty"`
	NULL *bool                `json:"NULL,omitempty"`
	SS   []string             `json:"SS,omitzero"`
	NS   []string             `json:"NS,omitzero"`
	BS   []string             `json:"BS,omitzero"`
	L    []attribute          `json:"L,omitzero"`
	M    map[string]attribute `json:"M,omitzero"`
}

// item is one item of the table.
type item map[string]attribute

// types are the names of the fields that are set.
func (v attribute) types() []string {
	var types []string
	for _, t := range []struct {
		name string
		set  bool
	}{
		{"S", v.S != nil}, {"N", v.N != nil}, {"B", v.B != nil}, {"BOOL", v.BOOL != nil}, {"NULL", v.NULL != nil},
		{"SS", v.SS != nil}, {"NS", v.NS != nil}, {"BS", v.BS != nil}, {"L", v.L != nil}, {"M", v.M != nil},
	} {
		if t.set {
			types = append(types, t.name)
		}
	}
	return types
}

// checked returns the value with its numbers in the form in which DynamoDB returns them, or why DynamoDB refuses the value.
func (v attribute) checked() (attribute, *apiError) {
	switch types := v.types(); {
	case len(types) == 0:
		return v, refuse("ValidationException", "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case len(types) > 1:
		return v, refuse("ValidationException",
			"Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	case v.NULL != nil && !*v.NULL:
		return v, refuse("ValidationException", "One or more parameter values were invalid: Null attribute value types must have the value of true")
	case v.N != nil:
		n, bad := canonical(*v.N)
		return attribute{N: &n}, bad
	case v.SS != nil || v.NS != nil || v.BS != nil:
		return v.checkedSet(types[0])
	case v.L != nil:
		list := make([]attribute, len(v.L))
		for i, e := range v.L {
			var bad *apiError
			if list[i], bad = e.checked(); bad != nil {
				return v, bad
			}
		}
		return attribute{L: list}, nil
	case v.M != nil:
		m, bad := item(v.M).checked()
		return attribute{M: m}, bad
	}
	return v, nil
}

func (v attribute) checkedSet(kind string) (attribute, *apiError) {
	members := slices.Concat(v.SS, v.NS, v.BS)
	if kind == "NS" {
		for i, n := range members {
			var bad *apiError
			if members[i], bad = canonical(n); bad != nil {
				return v, bad
			}
		}
		v.NS = members
	}
	sorted := slices.Sorted(slices.Values(members))
	switch {
	case len(members) == 0:
		return v, refuse("ValidationException", "One or more parameter values were invalid: An "+kind+" set may not be empty")
	case len(slices.Compact(sorted)) != len(members):
		return v, refuse("ValidationException", "One or more parameter values were invalid: Input collection contains duplicates.")
	}
	return v, nil
}

// checked is attribute.checked for each value.
func (in item) checked() (item, *apiError) {
	out := make(item, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		var bad *apiError
		if out[name], bad = in[name].checked(); bad != nil {
			return nil, bad
		}
	}
	return out, nil
}

var numberPattern = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$`)

// maxDigits is how many significant digits a number has at most.
const maxDigits = 38

// canonical is a number as DynamoDB returns it: without an exponent, a plus sign or zeros that mean nothing.
func canonical(n string) (string, *apiError) {
	if i, err := strconv.ParseInt(n, 10, 64); err == nil {
		return strconv.FormatInt(i, 10), nil
	}
	if !numberPattern.MatchString(n) {
		return "", refuse("ValidationException", "The parameter cannot be converted to a numeric value")
	}
	r, ok := new(big.Rat).SetString(n)
	if !ok {
		return "", refuse("ValidationException", "The parameter cannot be converted to a numeric value")
	}
	const smallest = 130 // digits after the point of the smallest number
	text := strings.TrimRight(r.FloatString(smallest+maxDigits), "0")
	text = strings.TrimSuffix(text, ".")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	digits := strings.Trim(whole+fraction, "0")
	switch {
	case len(whole) > 126:
		return "", refuse("ValidationException",
			"Number overflow. Attempting to store a number with magnitude larger than supported range")
	case r.Sign() != 0 && digits == "":
		return "", refuse("ValidationException",
			"Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(digits) > maxDigits:
		return "", refuse("ValidationException", "Attempting to store more than 38 significant digits in a Number")
	}
	return text, nil
}

// compareAttributes orders two values of one type that has an order: S, N or B.
func compareAttributes(a, b attribute) (order int, comparable bool) {
	switch {
	case a.N != nil && b.N != nil:
		x, okX := new(big.Rat).SetString(*a.N)
		y, okY := new(big.Rat).SetString(*b.N)
		if !okX || !okY {
			return 0, false
		}
		return x.Cmp(y), true
	case a.S != nil && b.S != nil:
		return strings.Compare(*a.S, *b.S), true
	case a.B != nil && b.B != nil:
		return strings.Compare(string(bytesOf(*a.B)), string(bytesOf(*b.B))), true
	}
	return 0, false
}

func bytesOf(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

// equal reports whether two values are the same. The members of a set have no order.
func (v attribute) equal(o attribute) bool {
	if !slices.Equal(v.types(), o.types()) {
		return false
	}
	switch {
	case v.BOOL != nil:
		return *v.BOOL == *o.BOOL
	case v.NULL != nil:
		return true
	case v.SS != nil || v.NS != nil || v.BS != nil:
		return slices.Equal(
			slices.Sorted(slices.Values(slices.Concat(v.SS, v.NS, v.BS))), slices.Sorted(slices.Values(slices.Concat(o.SS, o.NS, o.BS))))
	case v.L != nil:
		return slices.EqualFunc(v.L, o.L, attribute.equal)
	case v.M != nil:
		return maps.EqualFunc(v.M, o.M, attribute.equal)
	}
	order, comparable := compareAttributes(v, o)
	return comparable && order == 0
}

// size is what DynamoDB counts for an item: names and values in UTF-8 ("DynamoDB item sizes and formats", read 2026-11).
func (in item) size() int {
	total := 0
	for name, v := range in {
		total += len(name) + v.size()
	}
	return total
}

func (v attribute) size() int {
	switch {
	case v.S != nil:
		return len(*v.S)
	case v.N != nil:
		return len(*v.N)/2 + 1
	case v.B != nil:
		return len(bytesOf(*v.B))
	case v.M != nil:
		return 3 + len(v.M) + item(v.M).size()
	case v.L != nil:
		total := 3
		for _, e := range v.L {
			total += e.size() + 1
		}
		return total
	}
	total := 1
	for _, s := range slices.Concat(v.SS, v.NS, v.BS) {
		total += len(s)
	}
	return total
}

// clone copies an item with all maps in it. Lists and sets are never changed in place.
func (in item) clone() item {
	if in == nil {
		return nil
	}
	out := make(item, len(in))
	for name, v := range in {
		if v.M != nil {
			v.M = item(v.M).clone()
		}
		out[name] = v
	}
	return out
}
