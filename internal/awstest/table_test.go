package awstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

// states is the SDK's client without retries.
func states(w *awstest.World) *dynamodb.Client {
	cfg := w.Config()
	cfg.RetryMaxAttempts = 1
	return dynamodb.NewFromConfig(cfg)
}

func itemKey(key string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{awstest.StateKey: &types.AttributeValueMemberS{Value: key}}
}

// count adds one to the attribute n of an item, or creates the item with n = 1.
func count(c interface {
	UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}, key string, exists bool) error {
	expression := "SET n = :one"
	if exists {
		expression = "SET n = n + :one"
	}
	_, err := c.UpdateItem(bg, &dynamodb.UpdateItemInput{
		TableName: aws.String(awstest.StateTable), Key: itemKey(key), UpdateExpression: &expression,
		ExpressionAttributeValues: map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}},
	})
	return err
}

func scannedKeys(t *testing.T, w *awstest.World) []string {
	t.Helper()
	var keys []string
	p := dynamodb.NewScanPaginator(states(w), &dynamodb.ScanInput{TableName: aws.String(awstest.StateTable), Limit: aws.Int32(2)})
	for p.HasMorePages() {
		for _, item := range must[*dynamodb.ScanOutput](t)(p.NextPage(bg)).Items {
			keys = append(keys, item[awstest.StateKey].(*types.AttributeValueMemberS).Value)
		}
	}
	return keys
}

func n(t *testing.T, w *awstest.World, key string) string {
	t.Helper()
	item, ok := w.Item(key)
	if !ok {
		return "no item"
	}
	return awstest.Text(item["n"])
}

func TestFaultsOfTheTable(t *testing.T) {
	for sentence, tt := range map[string]struct {
		effect awstest.Effect
		code   string
		n      string // afterwards
	}{
		"access denied":         {awstest.AccessDenied, "AccessDeniedException", "1"},
		"an error of DynamoDB":  {awstest.InternalError, "InternalServerError", "1"},
		"throttled":             {awstest.Throttled, "ThrottlingException", "1"},
		"the connection breaks": {awstest.ConnectionReset, "", "1"},
		"the response is lost":  {awstest.LostResponse, "", "2"},
	} {
		t.Run(sentence, func(t *testing.T) {
			for name, client := range map[string]func(w *awstest.World) error{
				"sdk":    func(w *awstest.World) error { return count(states(w), "a/b", true) },
				"direct": func(w *awstest.World) error { return count(awstest.DirectStates{World: w}, "a/b", true) },
			} {
				w := new(awstest.World)
				check(t, count(states(w), "a/b", false))
				w.Inject(awstest.Fault{Op: awstest.UpdateItem, Name: "c/d", Effect: awstest.AccessDenied}) // of another item
				w.Inject(awstest.Fault{Op: awstest.UpdateItem, Name: "a/b", Effect: tt.effect, Times: 1})
				w.ResetCalls()
				if err := client(w); err == nil || code(err) != tt.code {
					t.Errorf("%s: got %v, want %q", name, err, tt.code)
				}
				if got := n(t, w, "a/b"); got != tt.n {
					t.Errorf("%s: n is %s, want %s", name, got, tt.n)
				}
				check(t, client(w))
				if c := w.Count(awstest.UpdateItem); c.Calls != 2 || c.Failed+c.Lost != 1 {
					t.Errorf("%s: %+v", name, c)
				}
				if calls := w.Calls(); len(calls) != 2 || !slices.Equal(calls[0].Names, []string{"a/b"}) {
					t.Errorf("%s: %+v", name, calls)
				}
			}
		})
	}
}

func TestTheTableHasNoQuotaUntilOneIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(awstest.World)
		w.SetQuotas(awstest.AWSQuotas())
		for i := range 200 {
			check(t, count(states(w), fmt.Sprint("c", i), false))
		}
		w.SetQuota(awstest.StateWrites, awstest.Quota{PerSecond: 1})
		check(t, count(states(w), "a", false))
		if err := count(states(w), "a", true); code(err) != "ThrottlingException" {
			t.Errorf("got %v", err)
		}
		scannedKeys(t, w) // reads have a quota of their own
		time.Sleep(time.Second)
		check(t, count(states(w), "a", true))
	})
}

func TestDescribeParametersIsThrottledAfterTwentyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(awstest.World)
		w.SetQuotas(awstest.AWSQuotas())
		params, _ := clients(w)
		for range 20 {
			parametersListed(t, params)
		}
		if _, err := params.DescribeParameters(bg, nil); code(err) != "ThrottlingException" {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		parametersListed(t, params)
	})
}

func TestItemsByHand(t *testing.T) {
	w := new(awstest.World)
	for name, attributes := range map[string]string{
		"":        `{}`,
		"no-type": `{"x":{}}`,
		"unknown": `{"x":{"T":"text"}}`,
		"two":     `{"x":{"S":"a","N":"1"}}`,
		"number":  `{"x":{"N":"one"}}`,
		"large":   `{"x":{"S":"` + strings.Repeat("x", 400<<10) + `"}}`,
		"no-json": `{"x":1}`,
	} {
		var raw map[string]json.RawMessage
		check(t, json.Unmarshal([]byte(attributes), &raw))
		if w.PutItem(name, raw) == nil {
			t.Errorf("%q was stored: %.40s", name, attributes)
		}
	}
	for i := range 9 {
		check(t, w.PutItem(fmt.Sprint("c", i), map[string]json.RawMessage{"n": json.RawMessage(`{"N":"007"}`)}))
	}
	if got := n(t, w, "c3"); got != "7" {
		t.Errorf("n is %s", got)
	}
	want := []string{"c0", "c1", "c2", "c4", "c5", "c6", "c7", "c8"}
	w.DropItem("c3")
	got := scannedKeys(t, w)
	if slices.IsSorted(got) {
		t.Error("a scan must not come in the order of the keys, on which nobody may count")
	}
	if slices.Sort(got); !slices.Equal(got, want) || !slices.Equal(w.ItemKeys(), want) {
		t.Errorf("scanned %v, keys %v, want %v", got, w.ItemKeys(), want)
	}
	if !strings.Contains(w.Snapshot(false), `item c0 {"connection":{"S":"c0"},"n":{"N":"7"}}`) {
		t.Error(w.Snapshot(false))
	}
	w.DropItem("")
	if got := scannedKeys(t, w); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestWhatTheFakeDoesNotSupportIsRefused(t *testing.T) {
	w := new(awstest.World)
	_, err := states(w).Scan(bg, &dynamodb.ScanInput{TableName: aws.String(awstest.StateTable), ProjectionExpression: aws.String("n")})
	if code(err) != "SerializationException" {
		t.Errorf("a projection: %v", err)
	}
	_, err = states(w).Query(bg, &dynamodb.QueryInput{TableName: aws.String(awstest.StateTable)})
	if code(err) != "UnknownOperationException" {
		t.Errorf("a query: %v", err)
	}
}

// The SDK compares the checksum, so the header is not only there.
func TestTheProtocolOfDynamoDB(t *testing.T) {
	w := new(awstest.World)
	call := func(body string) (*http.Response, string) {
		req := must[*http.Request](t)(http.NewRequestWithContext(bg, http.MethodPost, "http://fake/", strings.NewReader(body)))
		req.Header.Set("X-Amz-Target", "DynamoDB_20120810.DescribeTable")
		resp := must[*http.Response](t)(w.Transport().RoundTrip(req))
		answer := must[[]byte](t)(io.ReadAll(resp.Body))
		check(t, resp.Body.Close())
		return resp, string(answer)
	}
	resp, _ := call(`{"TableName":"StateTable"}`)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/x-amz-json-1.0" || resp.Header.Get("X-Amz-Crc32") == "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	resp, body := call(`{"TableName":"Another"}`)
	if resp.StatusCode != 400 || resp.Header.Get("X-Amzn-Errortype") != "" ||
		!strings.Contains(body, `"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"`) {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	var missing *types.ResourceNotFoundException
	if _, err := states(w).DescribeTable(bg, &dynamodb.DescribeTableInput{TableName: aws.String("Another")}); !errors.As(err, &missing) {
		t.Errorf("the SDK read %v", err)
	}
}
