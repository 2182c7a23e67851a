package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/wire"
)

// newFunction is the function as main builds it, over stores in process. It writes its lines to out.
func newFunction(t *testing.T, world *awstest.World, out *bytes.Buffer) *function {
	t.Helper()
	server, err := world.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return newFunctionAt(t, server.URL, out)
}

// newFunctionAt is newFunction over the stores at an address, with further variables.
func newFunctionAt(t *testing.T, url string, out *bytes.Buffer, more ...string) *function {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none") // no configuration of this machine counts
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-key",
		"AWS_ENDPOINT_URL_SSM": url, "AWS_ENDPOINT_URL_SECRETS_MANAGER": url, "AWS_ENDPOINT_URL_DYNAMODB": url,
	} {
		t.Setenv(name, value)
	}
	given := []string{"SECRET_PREFIX", "oauth/", "PARAMETER_PREFIX", "/oauth", "STATE_TABLE", awstest.StateTable}
	variables := environ(append(given, more...)...)
	refresher, env, err := wire.Refresher(t.Context(), variables)
	if err != nil {
		t.Fatal(err)
	}
	return &function{refresher: refresher, reporter: report.New(report.Config{Out: out, Stack: env.StackName})}
}

// lines parses what the function wrote since the last call.
func lines(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range bytes.Lines(out.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, m)
	}
	out.Reset()
	return all
}

func TestAMalformedEventIsOneLogLineAndOneMetric(t *testing.T) {
	var out bytes.Buffer
	f := newFunction(t, new(awstest.World), &out)
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	result, err := f.Invoke(ctx, []byte(`{"connection":["a"]}`))
	if err == nil || result != nil || !strings.Contains(err.Error(), `did you mean "connections"?`) {
		t.Fatalf("%s, %v", result, err)
	}
	got := lines(t, &out)
	if len(got) != 2 {
		t.Fatalf("lines %v", got)
	}
	if m := got[0]; m["_aws"] == nil || m["Notices"] != 1.0 || m["Refreshed"] != nil {
		t.Errorf("metric %v", m)
	}
	if l := got[1]; l["message"] != "run" || l["level"] != "ERROR" || l["error"] != err.Error() || l["requestId"] != "request-1" {
		t.Errorf("log line %v", l)
	}
}

// TestOneRefresherServesEveryInvocation: each invocation writes its own lines, with its own request id.
func TestOneRefresherServesEveryInvocation(t *testing.T) {
	var out bytes.Buffer
	world := new(awstest.World)
	if _, err := world.PutSecret("oauth/kiwify/main", `{"provider":"kiwify"}`); err != nil {
		t.Fatal(err)
	}
	f := newFunction(t, world, &out)
	for _, id := range []string{"request-1", "request-2"} {
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: id})
		raw, err := f.Invoke(ctx, []byte(`{"dry_run":true}`))
		var result struct{ Connections int }
		if err != nil || json.Unmarshal(raw, &result) != nil || result.Connections != 1 {
			t.Errorf("%s, %v", raw, err)
		}
		if got := lines(t, &out); len(got) != 1 || got[0]["message"] != "run" || got[0]["requestId"] != id {
			t.Errorf("lines %v", got)
		}
	}
}
