package ssmstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
)

func reader(t *testing.T, w *awstest.World) ssmstore.Reader {
	t.Helper()
	s, err := ssmstore.New(ssmstore.Config{Client: w.SSM(), Prefix: "/oauth", KMSKeyID: "alias/aws/ssm"})
	if err != nil {
		t.Fatal(err)
	}
	return s.Reader()
}

func put(t *testing.T, w *awstest.World, name, kind, value string) {
	t.Helper()
	if _, err := w.WriteParameter("/oauth/"+name, awstest.ParameterWrite{Type: kind, Value: value, Description: "record of " + name}); err != nil {
		t.Fatal(err)
	}
}

func TestAReaderListsTokensAndFailures(t *testing.T) {
	w := new(awstest.World)
	put(t, w, "a/access_token", "SecureString", "canary")
	put(t, w, "a/refresh_failure", "String", "sentence")
	put(t, w, "a/account_id", "String", "acc")
	got, err := reader(t, w).List(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, p := range got {
		want := probe.Parameter{Connection: "a", Type: "SecureString", Version: 1, Description: "record of a/access_token", Modified: p.Modified}
		if p.Failure {
			want.Failure, want.Type, want.Description = true, "String", "record of a/refresh_failure"
		}
		if p != want || p.Modified.IsZero() {
			t.Errorf("%+v, want %+v", p, want)
		}
	}
	if w.Decrypted() != 0 {
		t.Error("something was decrypted")
	}
	w.Inject(awstest.Fault{Op: awstest.DescribeParameters, Effect: awstest.AccessDenied})
	if got, err := reader(t, w).List(t.Context()); !errors.Is(err, refresh.ErrAccessDenied) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestTheSentencesOfFailures: ten a call, without those that are missing, impossible, or no String, which would be somebody's secret.
func TestTheSentencesOfFailures(t *testing.T) {
	w := new(awstest.World)
	var names []string
	for i := range 23 {
		name := fmt.Sprintf("c%d", i)
		names = append(names, name)
		if i < 21 {
			put(t, w, name+"/refresh_failure", "String", "sentence of "+name)
		}
	}
	put(t, w, "c21/refresh_failure", "SecureString", "canary")
	w.ResetCalls()
	got, err := reader(t, w).Failures(t.Context(), append(names, "no name", "c0"))
	if err != nil || len(got) != 21 || got["c20"] != "sentence of c20" {
		t.Errorf("%v, %v", got, err)
	}
	if c := w.Count(awstest.GetParameters); c.Calls != 3 || w.Decrypted() != 0 {
		t.Errorf("%+v", c)
	}
	w.Inject(awstest.Fault{Op: awstest.GetParameters, Effect: awstest.AccessDenied})
	if got, err := reader(t, w).Failures(t.Context(), names[:1]); !errors.Is(err, refresh.ErrAccessDenied) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := reader(t, new(awstest.World)).Failures(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if strings.Contains(fmt.Sprint(got), "canary") {
		t.Error("a secret was read")
	}
}
