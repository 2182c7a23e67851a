package awstest

import (
	_ "embed" // reserved.txt
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parser reads one expression and evaluates it at the same time, with no short cuts, so that what is wrong in it is always found.
type parser struct {
	kind   string // ConditionExpression, …: for messages
	tokens []string
	at     int // index of the next token
	names  map[string]string
	values map[string]attribute
	item   item // that the expression is about; nil when there is none
	bad    *apiError
}

// tokenize splits an expression into words, placeholders and signs.
func tokenize(text string) []string {
	const signs, space = "()=<>,+-.", " \t\r\n"
	var tokens []string
	for {
		text = strings.TrimLeft(text, space)
		if text == "" {
			return tokens
		}
		n := strings.IndexAny(text, signs+space)
		switch {
		case n < 0:
			n = len(text)
		case n == 0 && len(text) > 1 && slices.Contains([]string{"<=", ">=", "<>"}, text[:2]):
			n = 2
		case n == 0:
			n = 1
		}
		tokens = append(tokens, text[:n])
		text = text[n:]
	}
}

// fail keeps the first fault.
func (p *parser) fail(why string) {
	if p.bad == nil {
		p.bad = refuse("ValidationException", "Invalid "+p.kind+": "+why)
	}
}

func (p *parser) syntaxError() {
	token := "<EOF>"
	if p.peek() != "" {
		token = strconv.Quote(p.peek())
	}
	p.fail("Syntax error; token: " + token)
}

func (p *parser) peek() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	return p.tokens[p.at]
}

func (p *parser) take() string {
	t := p.peek()
	if t != "" {
		p.at++
	}
	return t
}

// accept takes a word, in any letter case, if it comes next.
func (p *parser) accept(word string) bool {
	if !strings.EqualFold(p.peek(), word) {
		return false
	}
	p.at++
	return true
}

func (p *parser) expect(word string) {
	if !p.accept(word) {
		p.syntaxError()
	}
}

// condition evaluates a whole condition.
func (p *parser) condition() bool {
	holds := p.or()
	if p.peek() != "" {
		p.syntaxError()
	}
	return holds
}

func (p *parser) or() bool {
	holds := p.and()
	for p.accept("OR") {
		right := p.and()
		holds = holds || right
	}
	return holds
}

func (p *parser) and() bool {
	holds := p.not()
	for p.accept("AND") {
		right := p.not()
		holds = holds && right
	}
	return holds
}

func (p *parser) not() bool {
	if p.accept("NOT") {
		return !p.not()
	}
	return p.term()
}

func (p *parser) term() bool {
	if p.accept("(") {
		inner := p.at
		holds := p.or()
		if p.peek() == ")" && p.enclosed(inner, p.at) {
			p.fail("The expression has redundant parentheses;")
		}
		p.expect(")")
		return holds
	}
	if p.at+1 < len(p.tokens) && p.tokens[p.at+1] == "(" {
		return p.function()
	}
	from := p.at
	left, leftExists := p.operand()
	operand := p.tokens[from:p.at]
	sign := p.peek()
	if !slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, sign) {
		p.syntaxError()
		return false
	}
	p.take()
	from = p.at
	right, rightExists := p.operand()
	if slices.Equal(operand, p.tokens[from:p.at]) {
		p.fail("The first operand must be distinct from the remaining operands for this operator or function; operator: " + sign)
	}
	if !leftExists || !rightExists {
		return sign == "<>" // of an attribute that does not exist nothing else is true
	}
	return compares(left, sign, right)
}

// enclosed reports whether the tokens from one index to another are one pair of parentheses with everything between them.
func (p *parser) enclosed(from, to int) bool {
	depth := 0
	for i, t := range p.tokens[from:to] {
		switch t {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 {
			return i > 0 && from+i == to-1
		}
	}
	return false
}

// function evaluates a function that is a condition.
func (p *parser) function() bool {
	name := p.take()
	p.expect("(")
	v, exists := lookUp(p.item, p.path())
	holds := false
	switch name { // in lower case only
	case "attribute_exists":
		holds = exists
	case "attribute_not_exists":
		holds = !exists
	case "attribute_type":
		p.expect(",")
		kind, _ := p.operand()
		if kind.S == nil || !slices.Contains([]string{"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"}, *kind.S) {
			p.fail("Invalid attribute type name found; type: …, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}")
			return false
		}
		holds = exists && v.types()[0] == *kind.S
	default:
		p.fail("Invalid function name; function: " + name)
	}
	p.expect(")")
	return holds
}

func compares(a attribute, sign string, b attribute) bool {
	order, comparable := compareAttributes(a, b)
	switch sign {
	case "=":
		return a.equal(b)
	case "<>":
		return !a.equal(b)
	case "<":
		return comparable && order < 0
	case "<=":
		return comparable && order <= 0
	case ">":
		return comparable && order > 0
	default: // ">="
		return comparable && order >= 0
	}
}

// operand is the value of a placeholder or of a path, and whether there is one.
func (p *parser) operand() (attribute, bool) {
	if !strings.HasPrefix(p.peek(), ":") {
		return lookUp(p.item, p.path())
	}
	name := p.take()
	v, ok := p.values[name]
	if !ok {
		p.fail("An expression attribute value used in expression is not defined; attribute value: " + name)
	}
	return v, ok
}

var bareName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)

// path is a document path: names with points between them. Indexes of lists are not supported.
func (p *parser) path() []string {
	var path []string
	for {
		name := p.peek()
		full, defined := p.names[name]
		switch {
		case strings.HasPrefix(name, "#") && !defined:
			p.fail("An expression attribute name used in the document path is not defined; attribute name: " + name)
		case strings.HasPrefix(name, "#"):
			name = full
		case !bareName.MatchString(name):
			p.syntaxError()
		case reserved(name):
			p.fail("Attribute name is a reserved keyword; reserved keyword: " + name)
		}
		p.take()
		path = append(path, name)
		if !p.accept(".") {
			return path
		}
	}
}

// reservedWords are DynamoDB's 573 ("Reserved words in DynamoDB", read 2026-11), one a line, in upper case.
//
//go:embed reserved.txt
var reservedWords string

// reserved reports whether a name must not stand in an expression.
func reserved(name string) bool {
	return strings.Contains("\n"+reservedWords, "\n"+strings.ToUpper(name)+"\n")
}

func lookUp(in map[string]attribute, path []string) (attribute, bool) {
	for _, name := range path[:len(path)-1] {
		in = in[name].M
	}
	v, ok := in[path[len(path)-1]]
	return v, ok
}
