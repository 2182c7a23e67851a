package awstest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

// FuzzCall sends any body to any operation: no panic, an answer that is JSON, and a World that still works.
func FuzzCall(f *testing.F) {
	for _, op := range []string{
		"AmazonSSM.PutParameter", "AmazonSSM.DescribeParameters", "AmazonSSM.GetParameterHistory", "AmazonSSM.DeleteParameters",
		"secretsmanager.CreateSecret", "secretsmanager.PutSecretValue", "secretsmanager.UpdateSecretVersionStage",
		"secretsmanager.BatchGetSecretValue", "secretsmanager.ListSecrets", "secretsmanager.RotateSecret", "secretsmanager.DeleteSecret",
	} {
		f.Add(op, []byte(`{"Name":"/a","SecretId":"a","Value":"v","SecretString":"v","Type":"String","Overwrite":true,"Names":["/a"],"NextToken":"cDF8L2E"}`))
		f.Add(op, []byte(`{"MaxResults":-1,"Filters":[{}],"ParameterFilters":[{"Key":"Path","Values":[""]}],"VersionStages":null,"SecretBinary":"!"}`))
		f.Add(op, []byte(`null`))
	}
	f.Fuzz(func(t *testing.T, target string, body []byte) {
		w := new(awstest.World)
		must[string](t)(w.PutSecret("a", "v"))
		must[int64](t)(w.WriteParameter("/a", awstest.ParameterWrite{Value: "v", Type: "String"}))
		req := must[*http.Request](t)(http.NewRequestWithContext(bg, http.MethodPost, "http://fake/", bytes.NewReader(body)))
		req.Header["X-Amz-Target"] = []string{target}
		resp := must[*http.Response](t)(w.Transport().RoundTrip(req))
		answer := must[[]byte](t)(io.ReadAll(resp.Body))
		check(t, resp.Body.Close())
		if !json.Valid(answer) {
			t.Errorf("%d: not JSON", resp.StatusCode)
		}
		if (resp.StatusCode == http.StatusOK) == (resp.Header.Get("X-Amzn-Errortype") != "") {
			t.Errorf("%d with error type %q", resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"))
		}
		params, secrets := clients(w)
		parametersListed(t, params)
		secretNames(t, secrets)
	})
}

func TestManyAtOnce(t *testing.T) {
	w := new(awstest.World)
	params, secrets := clients(w)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			name := fmt.Sprint("s", i%5)
			for range 10 {
				if err := put(params, "/"+name); err != nil {
					t.Error(err)
				}
				if _, err := w.PutSecret(name, canary); err != nil {
					t.Error(err)
				}
				parametersListed(t, params)
				secretNames(t, secrets)
				w.Snapshot(false)
			}
		})
	}
	all.Wait()
	total := int64(0)
	for _, name := range w.ParameterNames() {
		p, _ := w.Parameter(name)
		total += p.Version
	}
	if total != 200 {
		t.Errorf("%d versions of 200 writes", total)
	}
}
