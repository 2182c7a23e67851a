package awstest

import (
	"math/big"
	"slices"
	"strings"
)

// assignment is one part of an update expression; without a value it removes.
type assignment struct {
	path  []string
	value *attribute
}

// update carries out an update expression on next, which is a copy of the item as it was. All values come from the item as it was.
func (p *parser) update(next item) {
	var all []assignment
	seen := map[string]bool{}
	for p.bad == nil && p.peek() != "" {
		section := strings.ToUpper(p.take())
		if section != "SET" && section != "REMOVE" {
			p.at--
			p.syntaxError() // ADD and DELETE are not supported
			return
		}
		if seen[section] {
			p.fail("The \"" + section + "\" section can only be used once in an update expression;")
		}
		seen[section] = true
		for more := true; more && p.bad == nil; more = p.accept(",") {
			a := assignment{path: p.path()}
			if section == "SET" {
				p.expect("=")
				a.value = p.sum()
			}
			all = append(all, a)
		}
	}
	p.checkPaths(all)
	for _, a := range all {
		if p.bad == nil {
			p.apply(next, a)
		}
	}
}

// checkPaths refuses the key, and two paths of which one contains the other.
func (p *parser) checkPaths(all []assignment) {
	for i, a := range all {
		if a.path[0] == StateKey && p.bad == nil {
			p.bad = refuse("ValidationException",
				"One or more parameter values were invalid: Cannot update attribute "+StateKey+". This attribute is part of the key")
		}
		for _, b := range all[:i] {
			n := min(len(a.path), len(b.path))
			if slices.Equal(a.path[:n], b.path[:n]) {
				p.fail("Two document paths overlap with each other; must remove or rewrite one of these paths;")
			}
		}
	}
}

// sum is an operand, or the sum or difference of two numbers.
func (p *parser) sum() *attribute {
	if p.at+1 < len(p.tokens) && p.tokens[p.at+1] == "(" {
		p.fail("Invalid function name; function: " + p.peek()) // if_not_exists and list_append are not supported
		return nil
	}
	left, exists := p.operand()
	sign := p.peek()
	if sign != "+" && sign != "-" {
		p.needs(exists)
		return &left
	}
	p.take()
	right, rightExists := p.operand()
	p.needs(exists && rightExists)
	if p.bad != nil {
		return nil
	}
	if left.N == nil || right.N == nil {
		p.bad = refuse("ValidationException", "An operand in the update expression has an incorrect data type")
		return nil
	}
	a, _ := new(big.Rat).SetString(*left.N)
	b, _ := new(big.Rat).SetString(*right.N)
	if sign == "-" {
		b.Neg(b)
	}
	n, bad := canonical(a.Add(a, b).FloatString(maxDigits))
	if bad != nil {
		p.bad = bad
	}
	return &attribute{N: &n}
}

func (p *parser) needs(exists bool) {
	if !exists && p.bad == nil {
		p.bad = refuse("ValidationException", "The provided expression refers to an attribute that does not exist in the item")
	}
}

func (p *parser) apply(next item, a assignment) {
	parent := map[string]attribute(next)
	for _, name := range a.path[:len(a.path)-1] {
		parent = parent[name].M
	}
	if parent == nil {
		p.bad = refuse("ValidationException", "The document path provided in the update expression is invalid for update")
		return
	}
	last := a.path[len(a.path)-1]
	if a.value == nil {
		delete(parent, last)
		return
	}
	parent[last] = *a.value
}
