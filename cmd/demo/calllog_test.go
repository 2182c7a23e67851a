package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

func TestACallOfTheStoresIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ target, body, service, call string }{
		"a parameter":            {"AmazonSSM.PutParameter", `{"Name":"/oauth/a/access_token","Value":"s3cret"}`, "ssm", "PutParameter /oauth/a/access_token"},
		"a secret":               {"secretsmanager.GetSecretValue", `{"SecretId":"oauth/a"}`, "secretsmanager", "GetSecretValue oauth/a"},
		"a listing":              {"secretsmanager.ListSecrets", `{"MaxResults":100}`, "secretsmanager", "ListSecrets"},
		"a batch":                {"secretsmanager.BatchGetSecretValue", `{"SecretIdList":["a","b"]}`, "secretsmanager", "BatchGetSecretValue a b"},
		"a large batch":          {"AmazonSSM.GetParameters", `{"Names":["/a","/b","/c","/d","/e"]}`, "ssm", "GetParameters /a /b /c and 2 more"},
		"a body that is no JSON": {"AmazonSSM.GetParameter", `s3cret`, "ssm", "GetParameter"},
		"what is not a name":     {"AmazonSSM.GetParameter", "{\"Name\":\"a\\nb s3cret\"}", "ssm", "GetParameter (not a name)"},
		"another protocol":       {"s3cret\n", `{}`, "aws", "an operation that is unknown here"},
	} {
		t.Run(name, func(t *testing.T) {
			if service, call := storeCall(c.target, []byte(c.body)); service != c.service || call != c.call {
				t.Errorf("%q, %q", service, call)
			}
		})
	}
}

// TestALineHoldsOnlyWhatWasAsked sends secrets in every place that a call has, and looks at the lines.
func TestALineHoldsOnlyWhatWasAsked(t *testing.T) {
	const secret = "s3cr3t-that-nobody-may-see"
	var out strings.Builder
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	log := &callLog{out: &out, now: func() time.Time { return noon }}
	stores := log.stores(new(awstest.World))
	hotmart := oauthtest.Hotmart(oauthtest.Options{})
	provider := log.provider("hotmart", []string{hotmart.TokenPath()}, hotmart)

	send := func(handler http.Handler, method, path, target, body string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Basic "+secret)
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	send(stores, "POST", "/", "secretsmanager.CreateSecret", `{"Name":"oauth/a","SecretString":"`+secret+`"}`)
	send(stores, "POST", "/", "AmazonSSM.GetParameter", `{"Name":"/oauth/a/access_token"}`)
	send(provider, "POST", hotmart.TokenPath()+"?client_secret="+secret, "", "client_secret="+secret)
	send(provider, "POST", "/"+secret, "", "")
	send(provider, secret, hotmart.TokenPath(), "", "")

	const want = "12:00:00  secretsmanager  CreateSecret oauth/a  200\n" +
		"12:00:00  ssm             GetParameter /oauth/a/access_token  400 ParameterNotFound\n" +
		"12:00:00  hotmart         POST /security/oauth/token  "
	if !strings.HasPrefix(out.String(), want) || strings.Count(out.String(), "\n") != 5 {
		t.Errorf("the log:\n%s", out.String())
	}
	if strings.Contains(out.String(), secret) {
		t.Errorf("a secret is in the log:\n%s", out.String())
	}
}
