// Package stack_test reads template.yaml as CloudFormation does and compares it with what the functions do: which calls they make (IAM), which
// environment they accept, which metrics they write (alarms). sam validate, cfn-lint and checkov check the rest.
package stack_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

// root of the repository.
const root = "../.."

// stackName is what the stack is called in these tests. It is not the default, so that a name which the template should have made of it
// is not found by chance.
const stackName = "shop-tokens"

// call is an intrinsic function of CloudFormation in its short form: !Ref, !Sub and so on.
type call struct {
	name string // without the exclamation mark
	arg  any
}

// noValue is what AWS::NoValue stands for: the property is not there.
type noValue struct{}

// template is template.yaml as it is written.
type template map[string]any

// parsed is template.yaml, parsed once: nearly every test of this package reads it, some a dozen times. What is made of it is each test's own.
var parsed = sync.OnceValues(func() (*yaml.Node, error) {
	raw, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		return nil, err
	}
	var node yaml.Node
	return &node, yaml.Unmarshal(raw, &node)
})

func readTemplate(t *testing.T) template {
	t.Helper()
	node, err := parsed()
	must(t, err)
	value, ok := plain(t, node.Content[0]).(map[string]any)
	if !ok {
		t.Fatal("template.yaml is no mapping")
	}
	return value
}

// plain is a node as maps, lists, scalars and calls.
func plain(t *testing.T, n *yaml.Node) any {
	t.Helper()
	value := func() any {
		switch n.Kind {
		case yaml.MappingNode:
			m := map[string]any{}
			for i := 0; i < len(n.Content); i += 2 {
				m[n.Content[i].Value] = plain(t, n.Content[i+1])
			}
			return m
		case yaml.SequenceNode:
			list := make([]any, len(n.Content))
			for i, item := range n.Content {
				list[i] = plain(t, item)
			}
			return list
		case yaml.ScalarNode:
			if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
				return n.Value
			}
			var v any
			must(t, n.Decode(&v))
			return v
		default:
			t.Fatalf("template.yaml:%d: anchors and aliases are not read here", n.Line)
			return nil
		}
	}()
	if name, short := strings.CutPrefix(n.Tag, "!"); short && !strings.HasPrefix(name, "!") {
		return call{name, value}
	}
	return value
}

// parameters are the names under Parameters.
func (tpl template) parameters() map[string]any { return mapping(tpl["Parameters"]) }

// stack is the template with values for its parameters: what CloudFormation would make. Resources whose condition does not hold are not
// there.
type stack struct {
	t         *testing.T
	tpl       template
	params    map[string]string
	resources map[string]any // logical id -> resource, everything in it resolved
	outputs   map[string]any // those whose condition holds
}

// deploy resolves the template. What is not given has its default, and the pseudo parameters are those of awstest.
func deploy(t *testing.T, given map[string]string) *stack {
	t.Helper()
	s := &stack{t: t, tpl: readTemplate(t), resources: map[string]any{}, outputs: map[string]any{}, params: map[string]string{
		"AWS::Region": awstest.Region, "AWS::AccountId": awstest.Account, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackName": stackName,
	}}
	for name, p := range s.tpl.parameters() {
		s.params[name] = text(mapping(p)["Default"])
	}
	for name, value := range given {
		if _, known := s.params[name]; !known {
			t.Fatalf("the template has no parameter %s", name)
		}
		s.params[name] = value
	}
	for id, r := range mapping(s.tpl["Resources"]) {
		if condition, ok := mapping(r)["Condition"]; !ok || s.holds(text(condition)) {
			s.resources[id] = s.value(r)
		}
	}
	for id, o := range mapping(s.tpl["Outputs"]) {
		if condition, ok := mapping(o)["Condition"]; !ok || s.holds(text(condition)) {
			s.outputs[id] = s.value(o)
		}
	}
	return s
}

// holds reports whether a condition is true.
func (s *stack) holds(name string) bool {
	condition, ok := mapping(s.tpl["Conditions"])[name].(call)
	if !ok {
		s.t.Fatalf("no condition %s", name)
	}
	return s.truth(condition)
}

func (s *stack) truth(c call) bool {
	args, _ := c.arg.([]any)
	switch {
	case c.name == "Not" && len(args) == 1:
		return !s.truth(args[0].(call))
	case c.name == "Equals" && len(args) == 2:
		return text(s.value(args[0])) == text(s.value(args[1]))
	}
	s.t.Fatalf("condition !%s is not read here", c.name)
	return false
}

// value resolves a value and everything below it.
func (s *stack) value(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for key, item := range v {
			if item := s.value(item); !isNoValue(item) {
				m[key] = item
			}
		}
		return m
	case []any:
		var list []any
		for _, item := range v {
			if item := s.value(item); !isNoValue(item) {
				list = append(list, item)
			}
		}
		return list
	case call:
		return s.intrinsic(v)
	}
	return v
}

func isNoValue(v any) bool {
	_, is := v.(noValue)
	return is
}

func (s *stack) intrinsic(c call) any {
	args, _ := c.arg.([]any)
	switch c.name {
	case "Ref":
		return s.ref(text(c.arg))
	case "GetAtt":
		id, attribute, _ := strings.Cut(text(c.arg), ".")
		return s.attribute(id, attribute)
	case "Sub":
		body, given := c.arg, map[string]any(nil)
		if len(args) == 2 {
			body, given = args[0], mapping(args[1])
		}
		return placeholder.ReplaceAllStringFunc(text(body), func(m string) string {
			name := m[2 : len(m)-1]
			if value, ok := given[name]; ok {
				return text(s.value(value))
			}
			if id, attribute, dotted := strings.Cut(name, "."); dotted {
				return s.attribute(id, attribute)
			}
			return text(s.ref(name))
		})
	case "If":
		if s.holds(text(args[0])) {
			return s.value(args[1])
		}
		return s.value(args[2])
	case "FindInMap":
		row := mapping(mapping(mapping(s.tpl["Mappings"])[text(s.value(args[0]))])[text(s.value(args[1]))])
		v, ok := row[text(s.value(args[2]))]
		if !ok {
			s.t.Fatalf("the mapping has no %v", args)
		}
		return v
	}
	s.t.Fatalf("!%s is not read here", c.name)
	return nil
}

var placeholder = regexp.MustCompile(`\$\{[^}!]+\}`)

// ref is what !Ref gives: a parameter's value, or what the type of a resource says.
func (s *stack) ref(name string) any {
	if name == "AWS::NoValue" {
		return noValue{}
	}
	if value, ok := s.params[name]; ok {
		return value
	}
	resource := s.written(name)
	switch text(resource["Type"]) {
	case "AWS::Serverless::Function":
		return s.property(resource, "FunctionName")
	case "AWS::Logs::LogGroup":
		return s.property(resource, "LogGroupName")
	case "AWS::SNS::Topic":
		return s.arn("sns", stackName+"-"+name)
	case "AWS::IAM::ManagedPolicy":
		return "arn:aws:iam::" + awstest.Account + ":policy/" + stackName + "-" + name
	case "AWS::DynamoDB::Table":
		return stackName + "-" + name
	}
	s.t.Fatalf("!Ref %s: the value of a %s is not known here", name, resource["Type"])
	return nil
}

func (s *stack) attribute(id, name string) string {
	resource := s.written(id)
	switch typ := text(resource["Type"]); typ + " " + name {
	case "AWS::Serverless::Function Arn":
		return s.arn("lambda", "function:"+s.property(resource, "FunctionName"))
	case "AWS::Logs::LogGroup Arn":
		return s.arn("logs", "log-group:"+s.property(resource, "LogGroupName")+":*")
	case "AWS::IAM::Role Arn":
		return "arn:aws:iam::" + awstest.Account + ":role/" + stackName + "-" + id
	case "AWS::SQS::Queue Arn":
		return s.arn("sqs", stackName+"-"+id)
	case "AWS::SQS::Queue QueueName":
		return stackName + "-" + id
	case "AWS::DynamoDB::Table Arn":
		return s.arn("dynamodb", "table/"+stackName+"-"+id)
	case "AWS::CloudWatch::Alarm Arn":
		return s.arn("cloudwatch", "alarm:"+s.property(resource, "AlarmName"))
	case "AWS::Lambda::Url FunctionUrl":
		return "https://" + strings.ToLower(id) + ".lambda-url." + awstest.Region + ".on.aws/"
	default:
		s.t.Fatalf("!GetAtt %s.%s: the attribute of a %s is not known here", id, name, typ)
		return ""
	}
}

func (s *stack) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + awstest.Region + ":" + awstest.Account + ":" + resource
}

// written is a resource as the template has it.
func (s *stack) written(id string) map[string]any {
	resource, ok := mapping(s.tpl["Resources"])[id]
	if !ok {
		s.t.Fatalf("the template has no resource or parameter %s", id)
	}
	return mapping(resource)
}

func (s *stack) property(resource map[string]any, name string) string {
	return text(s.value(mapping(resource["Properties"])[name]))
}

// properties of a resource, resolved.
func (s *stack) properties(id string) map[string]any {
	s.t.Helper()
	resource, ok := s.resources[id]
	if !ok {
		s.t.Fatalf("the stack has no resource %s", id)
	}
	return mapping(mapping(resource)["Properties"])
}

// ofType are the logical ids of all resources of a type, in order.
func (s *stack) ofType(typ string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(s.resources)) {
		if mapping(s.resources[id])["Type"] == typ {
			ids = append(ids, id)
		}
	}
	return ids
}

// output is the value of an output.
func (s *stack) output(id string) string { return text(mapping(s.outputs[id])["Value"]) }

// at walks down a value by keys; a step that is not there gives nil.
func at(v any, keys ...string) any {
	for _, key := range keys {
		v = mapping(v)[key]
	}
	return v
}

func mapping(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// list is a value that may also be written without a list around it, as policies allow.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// texts is a list of texts.
func texts(v any) []string {
	var all []string
	for _, item := range list(v) {
		all = append(all, text(item))
	}
	return all
}

// text is a scalar as CloudFormation hands it on.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	must(t, err)
	return string(raw)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keyArn is a customer managed key.
const keyArn = "arn:aws:kms:" + awstest.Region + ":" + awstest.Account + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"

// variants are the stacks whose roles differ.
func variants(t *testing.T) map[string]*stack {
	return map[string]*stack{
		"with the account's key":      deploy(t, nil),
		"with a customer managed key": deploy(t, map[string]string{"KmsKeyArn": keyArn}),
	}
}
