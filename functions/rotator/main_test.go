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

// TestAMalformedEventIsOneLogLineAndOneMetric, and it reaches no store.
func TestAMalformedEventIsOneLogLineAndOneMetric(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none") // no configuration of this machine counts
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_PROFILE", "")
	variables := map[string]string{
		"SECRET_PREFIX": "oauth/", "PARAMETER_PREFIX": "/oauth", "STATE_TABLE": awstest.StateTable, "STACK_NAME": "chaveiro", "AWS_REGION": awstest.Region,
	}
	rotator, env, err := wire.Rotator(t.Context(), func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := &function{rotator: rotator, reporter: report.New(report.Config{Out: &out, Stack: env.StackName})}
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	result, err := f.Invoke(ctx, []byte(`{"Step":"rotate"}`))
	if err == nil || result != nil || !strings.HasPrefix(err.Error(), "ERR_EVENT_INVALID") {
		t.Fatalf("%s, %v", result, err)
	}
	var got []map[string]any
	for line := range bytes.Lines(out.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		got = append(got, m)
	}
	if len(got) != 2 {
		t.Fatalf("lines %v", got)
	}
	if m := got[0]; m["_aws"] == nil || m["RotationFailed"] != 1.0 {
		t.Errorf("metric %v", m)
	}
	if l := got[1]; l["message"] != "step" || l["level"] != "ERROR" || l["error"] != err.Error() || l["requestId"] != "request-1" {
		t.Errorf("log line %v", l)
	}
}
