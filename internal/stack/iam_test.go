package stack_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statement is one statement of a policy.
type statement struct {
	sid        string
	effect     string
	actions    []string
	resources  []string
	conditions map[string]any // operator -> key -> value or values
}

// policy is all that one identity may do.
type policy []statement

// request is one call as IAM sees it.
type request struct {
	action   string
	resource string
	keys     map[string]string // condition keys
}

// grant is the part of a statement that allowed a request.
type grant struct{ sid, action, resource string }

// allows reports whether the policy allows a request, and by which of its parts. A statement that denies wins, as in IAM.
func (p policy) allows(t *testing.T, r request) (grant, bool) {
	t.Helper()
	var by grant
	allowed := false
	for _, s := range p {
		action, resource := firstMatch(s.actions, r.action, false), firstMatch(s.resources, r.resource, true)
		if action == "" || resource == "" || !s.meets(t, r.keys) {
			continue
		}
		if s.effect != "Allow" {
			return grant{}, false
		}
		by, allowed = grant{s.sid, action, resource}, true
	}
	return by, allowed
}

// grants are the parts of all statements that allow something.
func (p policy) grants() []grant {
	var all []grant
	for _, s := range p {
		for _, action := range s.actions {
			for _, resource := range s.resources {
				if s.effect == "Allow" {
					all = append(all, grant{s.sid, action, resource})
				}
			}
		}
	}
	return all
}

// firstMatch is the first pattern that a text matches, "" if none does. Names of actions are matched without regard to case (exact false).
func firstMatch(patterns []string, s string, exact bool) string {
	for _, p := range patterns {
		if wild(p, s, exact) {
			return p
		}
	}
	return ""
}

// wild matches IAM's * and ?; a * matches slashes and colons too.
func wild(pattern, s string, exact bool) bool {
	e := regexp.QuoteMeta(pattern)
	e = strings.ReplaceAll(strings.ReplaceAll(e, `\*`, `.*`), `\?`, `.`)
	if !exact {
		e = `(?i)` + e
	}
	return regexp.MustCompile(`^(?s:` + e + `)$`).MatchString(s)
}

// meets reports whether all conditions of the statement hold.
func (s statement) meets(t *testing.T, keys map[string]string) bool {
	t.Helper()
	for operator, conditions := range s.conditions {
		for key, want := range mapping(conditions) {
			value, known := keys[key]
			ok := false
			switch operator {
			case "StringEqualsIfExists":
				ok = !known || slices.Contains(texts(want), value)
				known = true
			case "StringEquals":
				ok = slices.Contains(texts(want), value)
			case "StringLike", "ArnLike":
				ok = firstMatch(texts(want), value, true) != ""
			default:
				t.Fatalf("the condition operator %s is not known here", operator)
			}
			if !known || !ok {
				return false
			}
		}
	}
	return true
}

// policyOf reads a policy document.
func policyOf(document any) policy {
	var p policy
	for _, item := range list(at(document, "Statement")) {
		m := mapping(item)
		p = append(p, statement{
			sid: text(m["Sid"]), effect: text(m["Effect"]), actions: texts(m["Action"]), resources: texts(m["Resource"]),
			conditions: mapping(m["Condition"]),
		})
	}
	return p
}

// roleOf is everything that a role may do by the policies in it.
func (s *stack) roleOf(id string) policy {
	s.t.Helper()
	var all policy
	properties := s.properties(id)
	for _, inline := range list(properties["Policies"]) {
		all = append(all, policyOf(at(inline, "PolicyDocument"))...)
	}
	if extra := properties["ManagedPolicyArns"]; extra != nil {
		s.t.Errorf("%s has managed policies, which this test does not read: %v", id, extra)
	}
	return all
}

// functionRole is the role of a function, which is found by the function and not by its name.
func (s *stack) functionRole(function string) policy {
	s.t.Helper()
	arn := text(s.properties(function)["Role"])
	for _, id := range s.ofType("AWS::IAM::Role") {
		if s.attribute(id, "Arn") == arn {
			return s.roleOf(id)
		}
	}
	s.t.Fatalf("%s has no role of this stack: %s", function, arn)
	return nil
}

func TestTheEvaluatorDecidesAsIAMDoes(t *testing.T) {
	keyConditions := map[string]any{
		"StringEquals": map[string]any{"kms:ViaService": []any{"ssm", "secretsmanager"}}, "StringLike": map[string]any{"ctx": "a?c*"},
	}
	p := policy{
		{sid: "Read", effect: "Allow", actions: []string{"ssm:Get*"}, resources: []string{"arn:a/oauth/*/x"}},
		{sid: "Never", effect: "Deny", actions: []string{"ssm:GetParameter"}, resources: []string{"arn:a/oauth/secret/*"}},
		{sid: "Key", effect: "Allow", actions: []string{"kms:Decrypt"}, resources: []string{"*"}, conditions: keyConditions},
		{
			sid: "Rotate", effect: "Allow", actions: []string{"sm:Rotate"}, resources: []string{"*"},
			conditions: map[string]any{"StringEqualsIfExists": map[string]any{"lambda": "ours"}},
		},
	}
	for name, c := range map[string]struct {
		request request
		want    bool
	}{
		"a star matches slashes":              {request{action: "ssm:GetParameter", resource: "arn:a/oauth/b/c/x"}, true},
		"an action in another case":           {request{action: "SSM:getparameter", resource: "arn:a/oauth/b/x"}, true},
		"a resource in another case":          {request{action: "ssm:GetParameter", resource: "arn:a/OAUTH/b/x"}, false},
		"an action that is not named":         {request{action: "ssm:PutParameter", resource: "arn:a/oauth/b/x"}, false},
		"a resource with a longer prefix":     {request{action: "ssm:GetParameter", resource: "arn:a/oauth2/b/x"}, false},
		"a denial wins":                       {request{action: "ssm:GetParameter", resource: "arn:a/oauth/secret/x"}, false},
		"all conditions hold":                 {request{"kms:Decrypt", "k", map[string]string{"kms:ViaService": "ssm", "ctx": "abcd"}}, true},
		"one condition does not hold":         {request{"kms:Decrypt", "k", map[string]string{"kms:ViaService": "ssm", "ctx": "ac"}}, false},
		"a required key is absent":            {request{"kms:Decrypt", "k", map[string]string{"ctx": "abcd"}}, false},
		"an optional key is absent":           {request{action: "sm:Rotate", resource: "k"}, true},
		"an optional key has its value":       {request{"sm:Rotate", "k", map[string]string{"lambda": "ours"}}, true},
		"an optional key has another value":   {request{"sm:Rotate", "k", map[string]string{"lambda": "theirs"}}, false},
		"a request with nothing of the table": {request{action: "s3:GetObject", resource: "k"}, false},
	} {
		if _, got := p.allows(t, c.request); got != c.want {
			t.Errorf("%s: allowed %v, want %v", name, got, c.want)
		}
	}
}
