package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/chaveiro/chaveiro/internal/environment"
	"github.com/chaveiro/chaveiro/internal/wire"
)

// environ is a complete environment with some variables replaced.
func environ(changes ...string) func(string) string {
	env := map[string]string{"STACK_NAME": "chaveiro", "AWS_REGION": "sa-east-1", "STATE_TABLE": "chaveiro-state"}
	for i := 0; i+1 < len(changes); i += 2 {
		env[changes[i]] = changes[i+1]
	}
	return func(name string) string { return env[name] }
}

// prefixParameter is the parameter Prefix of template.yaml, of which both SECRET_PREFIX and PARAMETER_PREFIX are made.
func prefixParameter(t *testing.T) (accepts func(string) bool) {
	t.Helper()
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Parameters struct {
			Prefix struct {
				AllowedPattern string `yaml:"AllowedPattern"`
				MaxLength      int    `yaml:"MaxLength"`
			} `yaml:"Prefix"`
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(raw, &template); err != nil {
		t.Fatal(err)
	}
	p := template.Parameters.Prefix
	if !strings.HasPrefix(p.AllowedPattern, "^") || !strings.HasSuffix(p.AllowedPattern, "$") || p.MaxLength == 0 {
		t.Fatalf("the pattern of Prefix is %q, its length %d", p.AllowedPattern, p.MaxLength)
	}
	pattern := regexp.MustCompile(p.AllowedPattern)
	return func(value string) bool { return len(value) <= p.MaxLength && pattern.MatchString(value) }
}

// starts reports whether the function would start with a prefix.
func starts(t *testing.T, prefix string) bool {
	t.Helper()
	_, _, err := wire.Refresher(t.Context(), environ("SECRET_PREFIX", prefix+"/", "PARAMETER_PREFIX", "/"+prefix))
	return err == nil
}

func TestTheTemplateRefusesEveryPrefixThatTheFunctionRefuses(t *testing.T) {
	accepts := prefixParameter(t)
	for _, good := range []string{
		"oauth", "OAuth", "prod/oauth", "a", "s", "aw", "ss", "a/ws", "s/sm", "aw/s", "away", "ssh", "sales", "apps", "b/aws", "x/ssm",
		"_aws", ".ssm", "-aws",
		"0aws", "team-1.tokens_eu", "a1", "a/b/c/d/e/f/g/h/i/j",
	} {
		if !accepts(good) || !starts(t, good) {
			t.Errorf("%q: the template accepts it: %v, the function starts: %v", good, accepts(good), starts(t, good))
		}
	}
	for _, bad := range []string{
		"", "/", "/oauth", "oauth/", "a//b", "aws", "AWS", "aWs", "aws/oauth", "awsome", "Aws-tokens", "ssm", "SSM", "ssmtokens", "sSm/x",
		"o auth", "oauth ", "\toauth",
		"oauth\n", "o*", "o?", "${AWS::StackName}", "o:auth", "oáuth", "o$", `o\`, `o"`, "o'", "<o>", "o,p", "a/b/c/d/e/f/g/h/i/j/k",
	} {
		if accepts(bad) || starts(t, bad) {
			t.Errorf("%q: the template accepts it: %v, the function starts: %v", bad, accepts(bad), starts(t, bad))
		}
	}
	// Narrower on purpose: a prefix longer than anybody needs leaves too little of a parameter's name to the connection.
	if long := strings.Repeat("o", 101); accepts(long) {
		t.Error("the template accepts a prefix of 101 characters")
	}
}

// TestThePatternOfThePrefixIsExact tries every text of up to four of the signs on which the pattern turns.
func TestThePatternOfThePrefixIsExact(t *testing.T) {
	accepts := prefixParameter(t)
	tried, accepted := 0, 0
	var try func(text string)
	try = func(text string) {
		_, err := environment.Read(environ("SECRET_PREFIX", text+"/", "PARAMETER_PREFIX", "/"+text))
		if got, want := accepts(text), err == nil; got != want {
			t.Fatalf("%q: the template accepts it: %v, the function: %v", text, got, want)
		}
		tried++
		if err == nil {
			accepted++
		}
		if len(text) < 4 {
			for _, sign := range "aAwWsSmMb/-*" {
				try(text + string(sign))
			}
		}
	}
	try("")
	if tried < 20_000 || accepted < 5_000 || accepted == tried {
		t.Errorf("tried %d, accepted %d", tried, accepted)
	}
}
