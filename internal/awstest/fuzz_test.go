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
	for _, op := range []string{"UpdateItem", "DeleteItem", "GetItem", "BatchGetItem", "Scan", "DescribeTable"} {
		f.Add("DynamoDB_20120810."+op, []byte(`null`))
		f.Add("DynamoDB_20120810."+op, []byte(`{"TableName":"StateTable","Key":{"connection":{"S":"a"}}}`))
	}
	for body, op := range map[string]string{
		`{"TableName":"StateTable","Key":{"connection":{"S":"a"}},"UpdateExpression":"SET #a.b = n + :v, c = :m REMOVE d",` +
			`"ConditionExpression":"(NOT attribute_type(n, :t) OR n < :v) AND attribute_not_exists(x)",` +
			`"ExpressionAttributeNames":{"#a":"m"},"ExpressionAttributeValues":{` +
			`":v":{"N":"1e2"},":m":{"M":{"l":{"L":[{"NULL":true},{"BS":["AA=="]}]}}},":t":{"S":"N"}}}`: "UpdateItem",
		`{"RequestItems":{"StateTable":{"Keys":[{"connection":{"S":"a"}},{"connection":{"S":"b"}}],"ConsistentRead":true}}}`: "BatchGetItem",
		`{"TableName":"StateTable","Limit":1,"Segment":0,"TotalSegments":2,"ExclusiveStartKey":{"connection":{"S":"a"}}}`:    "Scan",
	} {
		f.Add("DynamoDB_20120810."+op, []byte(body))
	}
	f.Fuzz(func(t *testing.T, target string, body []byte) {
		w := new(awstest.World)
		must[string](t)(w.PutSecret("a", "v"))
		must[int64](t)(w.WriteParameter("/a", awstest.ParameterWrite{Value: "v", Type: "String"}))
		check(t, w.PutItem("a", map[string]json.RawMessage{"n": json.RawMessage(`{"N":"1"}`), "m": json.RawMessage(`{"M":{}}`)}))
		req := must[*http.Request](t)(http.NewRequestWithContext(bg, http.MethodPost, "http://fake/", bytes.NewReader(body)))
		req.Header["X-Amz-Target"] = []string{target}
		resp := must[*http.Response](t)(w.Transport().RoundTrip(req))
		answer := must[[]byte](t)(io.ReadAll(resp.Body))
		check(t, resp.Body.Close())
		if !json.Valid(answer) {
			t.Errorf("%d: not JSON", resp.StatusCode)
		}
		kind := resp.Header.Get("X-Amzn-Errortype")
		if resp.Header.Get("X-Amz-Crc32") != "" { // DynamoDB names the error in the body only
			var named struct {
				Kind string `json:"__type"`
			}
			check(t, json.Unmarshal(answer, &named))
			kind = named.Kind
		}
		if (resp.StatusCode == http.StatusOK) == (kind != "") {
			t.Errorf("%d with error type %q", resp.StatusCode, kind)
		}
		params, secrets := clients(w)
		parametersListed(t, params)
		secretNames(t, secrets)
		scannedKeys(t, w)
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
