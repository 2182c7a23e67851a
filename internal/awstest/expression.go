package awstest

import (
	"strconv"
	"strings"
)

// attribute is a DynamoDB attribute value as AWS JSON 1.0 writes it.
type attribute struct {
	S    *string              `json:"S,omitempty"`
	N    *string              `json:"N,omitempty"`
	BOOL *bool                `json:"BOOL,omitempty"`
	NULL *bool                `json:"NULL,omitempty"`
	SS   []string             `json:"SS,omitempty"`
	L    []attribute          `json:"L,omitzero"`
	M    map[string]attribute `json:"M,omitzero"`
}

// item is one item of the table.
type item map[string]attribute

// expression is a condition or update expression with what its placeholders stand for.
type expression struct {
	tokens []string
	names  map[string]string
	values map[string]attribute
	item   item // that it is evaluated against; nil when there is none
	err    *apiError
}

func badExpression(kind, why string) *apiError {
	return refuse("ValidationException", "Invalid "+kind+": "+why)
}

// tokenize splits an expression into words, placeholders and signs.
func tokenize(text string) []string {
	var tokens []string
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\n' || c == '\t':
			i++
		case strings.HasPrefix(text[i:], "<=") || strings.HasPrefix(text[i:], ">=") || strings.HasPrefix(text[i:], "<>"):
			tokens = append(tokens, text[i:i+2])
			i += 2
		case strings.IndexByte("()=<>,+-.", c) >= 0:
			tokens = append(tokens, string(c))
			i++
		default:
			n := i
			for n < len(text) && strings.IndexByte(" \n\t()=<>,+-.", text[n]) < 0 {
				n++
			}
			tokens = append(tokens, text[i:n])
			i = n
		}
	}
	return tokens
}

func (x *expression) peek() string {
	if len(x.tokens) == 0 {
		return ""
	}
	return x.tokens[0]
}

func (x *expression) take() string {
	t := x.peek()
	if t != "" {
		x.tokens = x.tokens[1:]
	}
	return t
}

// accept takes a word, in any letter case, if it comes next.
func (x *expression) accept(word string) bool {
	if !strings.EqualFold(x.peek(), word) {
		return false
	}
	x.take()
	return true
}

func (x *expression) fail(why string) {
	if x.err == nil {
		x.err = badExpression("expression", why)
	}
}

func (x *expression) expect(sign string) {
	if !x.accept(sign) {
		x.fail("Syntax error; token: " + strconv.Quote(x.peek()) + ", expected " + strconv.Quote(sign))
	}
}

// condition evaluates a whole condition expression.
func (x *expression) condition() bool {
	ok := x.or()
	if x.peek() != "" {
		x.fail("Syntax error; token: " + strconv.Quote(x.peek()))
	}
	return ok
}

func (x *expression) or() bool {
	ok := x.and()
	for x.accept("OR") {
		right := x.and()
		ok = ok || right
	}
	return ok
}

func (x *expression) and() bool {
	ok := x.not()
	for x.accept("AND") {
		right := x.not()
		ok = ok && right
	}
	return ok
}

func (x *expression) not() bool {
	if x.accept("NOT") {
		return !x.not()
	}
	return x.term()
}

func (x *expression) term() bool {
	if x.accept("(") {
		ok := x.or()
		x.expect(")")
		return ok
	}
	for _, function := range []string{"attribute_exists", "attribute_not_exists"} {
		if !x.accept(function) {
			continue
		}
		x.expect("(")
		_, there := lookUp(x.item, x.path())
		x.expect(")")
		return there == (function == "attribute_exists")
	}
	left, leftThere := x.operand()
	sign := x.take()
	right, rightThere := x.operand()
	if !leftThere || !rightThere {
		return false // a comparison with an attribute that does not exist is never true
	}
	return x.compare(left, sign, right)
}

func (x *expression) compare(a attribute, sign string, b attribute) bool {
	order, comparable := compareAttributes(a, b)
	switch sign {
	case "=":
		return comparable && order == 0
	case "<>":
		return !comparable || order != 0
	case "<":
		return comparable && order < 0
	case "<=":
		return comparable && order <= 0
	case ">":
		return comparable && order > 0
	case ">=":
		return comparable && order >= 0
	}
	x.fail("Syntax error; token: " + strconv.Quote(sign))
	return false
}

// compareAttributes compares two values of one scalar type.
func compareAttributes(a, b attribute) (order int, comparable bool) {
	switch {
	case a.N != nil && b.N != nil:
		x, errX := strconv.ParseFloat(*a.N, 64)
		y, errY := strconv.ParseFloat(*b.N, 64)
		if errX != nil || errY != nil {
			return 0, false
		}
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	case a.S != nil && b.S != nil:
		return strings.Compare(*a.S, *b.S), true
	case a.BOOL != nil && b.BOOL != nil:
		if *a.BOOL == *b.BOOL {
			return 0, true
		}
		return 1, true
	}
	return 0, false
}

// operand is a value placeholder or a path.
func (x *expression) operand() (attribute, bool) {
	if strings.HasPrefix(x.peek(), ":") {
		name := x.take()
		v, ok := x.values[name]
		if !ok {
			x.fail("An expression attribute value used in expression is not defined; attribute value: " + name)
		}
		return v, ok
	}
	return lookUp(x.item, x.path())
}

// path is a document path: names with points between them.
func (x *expression) path() []string {
	var path []string
	for {
		name := x.take()
		if strings.HasPrefix(name, "#") {
			full, ok := x.names[name]
			if !ok {
				x.fail("An expression attribute name used in the document path is not defined; attribute name: " + name)
			}
			name = full
		} else if name == "" || strings.IndexByte("()=<>,+-.:", name[0]) >= 0 {
			x.fail("Syntax error; token: " + strconv.Quote(name))
		} else if reserved(name) {
			x.fail("Attribute name is a reserved keyword; reserved keyword: " + name)
		}
		path = append(path, name)
		if !x.accept(".") {
			return path
		}
	}
}

// reserved reports whether a name is a reserved word of DynamoDB: the part of AWS's list that an item of this project could use (2026-11).
func reserved(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "current", "owner", "until", "scope", "stage", "class", "code", "provider", "data", "token", "name", "status", "schema",
		"account", "message", "first", "last", "next", "key", "value", "values", "date", "time", "timestamp", "ttl", "state", "region", "user":
		return true
	}
	return false
}

func lookUp(in item, path []string) (attribute, bool) {
	level := map[string]attribute(in)
	for i, name := range path {
		v, ok := level[name]
		if !ok {
			return attribute{}, false
		}
		if i == len(path)-1 {
			return v, true
		}
		level = v.M
	}
	return attribute{}, false
}

// update applies an update expression to next, reading values from the item as it was.
func (x *expression) update(next item) {
	for x.err == nil && x.peek() != "" {
		switch {
		case x.accept("SET"):
			for more := true; more && x.err == nil; more = x.accept(",") {
				path := x.path()
				x.expect("=")
				x.assign(next, path, x.sum())
			}
		case x.accept("REMOVE"):
			for more := true; more && x.err == nil; more = x.accept(",") {
				remove(next, x.path())
			}
		default:
			x.fail("Syntax error; token: " + strconv.Quote(x.peek()))
		}
	}
}

// sum is an operand, or the sum or difference of two numbers.
func (x *expression) sum() attribute {
	left, there := x.operand()
	if !there {
		x.fail("The provided expression refers to an attribute that does not exist in the item")
	}
	sign := x.peek()
	if sign != "+" && sign != "-" {
		return left
	}
	x.take()
	right, there := x.operand()
	if !there || left.N == nil || right.N == nil {
		x.fail("Incorrect operand type for operator or function; operator or function: " + sign)
		return left
	}
	a, _ := strconv.ParseInt(*left.N, 10, 64)
	b, _ := strconv.ParseInt(*right.N, 10, 64)
	if sign == "-" {
		b = -b
	}
	n := strconv.FormatInt(a+b, 10)
	return attribute{N: &n}
}

func (x *expression) assign(in item, path []string, v attribute) {
	level := map[string]attribute(in)
	for _, name := range path[:len(path)-1] {
		if level = level[name].M; level == nil {
			x.fail("The document path provided in the update expression is invalid for update")
			return
		}
	}
	level[path[len(path)-1]] = v
}

func remove(in item, path []string) {
	level := map[string]attribute(in)
	for _, name := range path[:len(path)-1] {
		level = level[name].M
	}
	delete(level, path[len(path)-1])
}

// clone copies an item with all maps in it.
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
