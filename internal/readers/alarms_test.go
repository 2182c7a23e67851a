package readers_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/probe"
)

func alarmCommands() []command {
	return []command{
		{
			text: `aws lambda invoke --function-name chaveiro-healthcheck --cli-binary-format raw-in-base64-out --payload '{}' out.json && cat out.json`,
			before: func(w *world) {
				for name, document := range map[string]string{hotmartShop: w.document(w.hotmart, "a"), kiwifyMain: w.document(w.kiwify, "a")} {
					_, err := w.aws.PutSecret(secretPrefix+name, document)
					must(w.t, err)
				}
				w.sweep()
			},
			run: func(r *run) { r.wantHealth(probe.Healthy, 2) },
		},
		{
			text: `aws lambda invoke --function-name chaveiro-healthcheck --cli-binary-format raw-in-base64-out --payload '{"connections":["kiwify/main"],"probe":"none"}' out.json && cat out.json`,
			run: func(r *run) {
				if found := r.wantHealth(probe.Healthy, 1); len(found.Endpoints) != 0 {
					r.t.Errorf("it asked %v", found.Endpoints)
				}
			},
		},
		{
			text: "sam deploy --parameter-overrides StatusUrl=on", left: "it needs an AWS account",
			check: func(t *testing.T) {
				wantConfigured(t, "deploy", "stack_name", "capabilities", "resolve_s3")
				wantParameters(t, "StatusUrl=on")
			},
		},
		{
			text: `aws cloudformation describe-stacks --stack-name chaveiro --query "Stacks[0].Outputs[?OutputKey=='StatusUrl'].OutputValue" --output text`,
			run: func(r *run) {
				r.wantForm("Action=DescribeStacks", "StackName=chaveiro")
				wantInTemplate(r.t, "  StatusUrl:\n    Condition: HasStatusUrl\n")
			},
		},
		{
			text:   `curl --silent --aws-sigv4 aws:amz:sa-east-1:lambda --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --header "x-amz-security-token: $AWS_SESSION_TOKEN" --output out.json --write-out '%{http_code}\n' STATUS-URL`,
			before: func(w *world) { find(w.t, "curl", "every Linux has a package for it") },
			fill:   func(w *world) map[string]string { return map[string]string{"STATUS-URL": w.url + "/"} },
			run:    func(r *run) { r.wantHealth(probe.Healthy, 2) },
		},
		{
			text: `aws logs describe-query-definitions --query-definition-name-prefix chaveiro/ --query "queryDefinitions[].[name,queryString]" --output text`, valid: true,
			left:  "awstest has no CloudWatch Logs",
			check: func(t *testing.T) { wantInTemplate(t, "Name: !Sub '${AWS::StackName}/audit-of-one-connection'") },
		},
	}
}

// wantHealth checks the report that a command has left in out.json.
func (r *run) wantHealth(status probe.Status, connections int) probe.Report {
	r.t.Helper()
	file := filepath.Join(r.dir, "out.json")
	raw, err := os.ReadFile(file)
	must(r.t, err)
	must(r.t, os.Remove(file)) // so that the next command cannot be taken for this one
	var found probe.Report
	must(r.t, json.Unmarshal(raw, &found))
	if found.Status != status || found.Connections.Total != connections {
		r.t.Errorf("the report is %s", raw)
	}
	return found
}

// signed is a request by Signature Version 4 for Lambda in the region (AWS IAM user guide, "Signature Version 4 for API requests").
var signed = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/ ]+/\d{8}/sa-east-1/lambda/aws4_request, ?SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, ?Signature=[0-9a-f]{64}$`)

// serveStatus stands in for the healthcheck's Function URL with IAM authentication. It looks at the form of the signature: only AWS could check it.
func (w *world) serveStatus(rw http.ResponseWriter, r *http.Request) {
	if !signed.MatchString(r.Header.Get("Authorization")) || r.Header.Get("X-Amz-Date") == "" {
		http.Error(rw, `{"Message":"Forbidden"}`, http.StatusForbidden)
		return
	}
	report, err := w.health(r.Context(), []byte("{}"))
	if err != nil || strings.Contains(string(report), `"status":"unhealthy","checked_at"`) {
		rw.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = rw.Write(report)
}

func TestTheStandInForTheStatusLetsNobodyInUnsigned(t *testing.T) {
	w := published(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/", http.NoBody)
	must(t, err)
	for authorization, want := range map[string]int{"": http.StatusForbidden, "Bearer x": http.StatusForbidden} {
		req.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("with %q: %d", authorization, resp.StatusCode)
		}
	}
}
