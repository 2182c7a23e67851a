package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"testing"
)

// readerPolicy checks the policy that the READMEs give to the readers of one tenant: it allows both reads of that tenant's parameters and
// nothing of a tenant whose name begins alike.
func readerPolicy(text string) error {
	var policy struct {
		Version   string
		Statement []struct {
			Effect   string
			Action   []string
			Resource string
		}
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&policy); err != nil {
		return err
	}
	if policy.Version != "2012-10-17" || len(policy.Statement) != 1 || policy.Statement[0].Effect != "Allow" {
		return errors.New("not one statement that allows, in the language of 2012-10-17")
	}
	s := policy.Statement[0]
	if !slices.Equal(s.Action, []string{"ssm:GetParameter", "ssm:GetParameters"}) {
		return fmt.Errorf("it allows %q", s.Action)
	}
	const store = "arn:aws:ssm:sa-east-1:123456789012:parameter/"
	for name, want := range map[string]bool{
		"oauth/tenant-42/access_token": true, "oauth/tenant-42/kiwify/main/access_token": true, "oauth/tenant-421/access_token": false,
		"oauth/tenant-4/access_token": false, "oauth/access_token": false,
	} {
		if wildcard(s.Resource, store+name) != want {
			return fmt.Errorf("it allows %s: %t", name, !want)
		}
	}
	return nil
}

// keyStatement checks the statement for a key of one's own: both services that write to the topic, both actions, and no condition, with which
// EventBridge delivers nothing.
func keyStatement(text string) error {
	var s struct {
		Sid, Effect, Resource string
		Principal             struct{ Service []string }
		Action                []string
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields() // a Condition too
	if err := dec.Decode(&s); err != nil {
		return err
	}
	if s.Effect != "Allow" || s.Resource != "*" || !slices.Equal(s.Principal.Service, []string{"cloudwatch.amazonaws.com", "events.amazonaws.com"}) ||
		!slices.Equal(s.Action, []string{"kms:GenerateDataKey*", "kms:Decrypt"}) {
		return fmt.Errorf("it says %+v", s)
	}
	return nil
}

// wildcard matches a resource of IAM that ends with a star; the star of IAM goes over slashes.
func wildcard(pattern, name string) bool {
	star := len(pattern) - 1
	return star >= 0 && pattern[star] == '*' && len(name) > star && name[:star] == pattern[:star]
}

func TestTheCheckOfThePolicySeesTheTrap(t *testing.T) {
	trap := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssm:GetParameter","ssm:GetParameters"],"Resource":"arn:aws:ssm:sa-east-1:123456789012:parameter/oauth/%s"}]}`
	for end, sound := range map[string]bool{"tenant-42/*": true, "tenant-42*": false, "*": false, "tenant-42": false} {
		if err := readerPolicy(fmt.Sprintf(trap, end)); (err == nil) != sound {
			t.Errorf("%s: %v", path.Base(end), err)
		}
	}
}
