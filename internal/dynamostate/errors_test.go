package dynamostate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

func once(cfg aws.Config) aws.Config {
	cfg.RetryMaxAttempts = 1
	return cfg
}

func TestErrorsNameTheCallTheTableAndTheConnection(t *testing.T) {
	leased := lifecycle.State{ID: "kiwify/main", Revision: 1, Lease: &lifecycle.Lease{Owner: "run-1"}}
	operations := map[string]string{
		"Claim": "UpdateItem", "Commit": "UpdateItem", "Release": "UpdateItem", "Update": "UpdateItem", "Delete": "DeleteItem",
		"Get": "BatchGetItem", "Scan": "Scan",
	}
	for sentence, tt := range map[string]struct {
		effect awstest.Effect
		table  string
		want   error
		parts  []string
	}{
		"throttled":               {awstest.Throttled, awstest.StateTable, store.ErrThrottled, []string{"ThrottlingException", "Rate exceeded"}},
		"no permission":           {awstest.AccessDenied, awstest.StateTable, store.ErrAccessDenied, []string{"AccessDeniedException", "allow this call"}},
		"broken":                  {awstest.InternalError, awstest.StateTable, store.ErrUnavailable, []string{"InternalServerError"}},
		"a connection that broke": {awstest.ConnectionReset, awstest.StateTable, store.ErrUnavailable, []string{"no connection"}},
		"no such table": {0, "Another", store.ErrNotFound,
			[]string{"ResourceNotFoundException", "does not exist in this account and region; set STATE_TABLE"}},
	} {
		for method, call := range calls() {
			t.Run(sentence+": "+method, func(t *testing.T) {
				w := new(awstest.World)
				s := open(t, dynamostate.Config{Client: dynamodb.NewFromConfig(once(w.Config())), Table: tt.table})
				w.Inject(awstest.Fault{Effect: tt.effect})
				err := call(t.Context(), s, leased)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				want := operations[method] + " " + tt.table + " kiwify/main: "
				if method == "Scan" {
					want = "Scan " + tt.table + ": "
				}
				if !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%v does not begin with %q", err, want)
				}
				for _, part := range tt.parts {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%v does not have %q", err, part)
					}
				}
			})
		}
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := dynamostate.New(dynamostate.Config{Table: "a b", CallTimeout: -1})
	for _, part := range []string{"client is missing", `table "a b"`, "time-out -1ns"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}

func TestATableMayBeAnARN(t *testing.T) {
	arn := "arn:aws:dynamodb:sa-east-1:123456789012:table/chaveiro-StateTable-1ABC"
	open(t, dynamostate.Config{Client: awstest.DirectStates{World: new(awstest.World)}, Table: arn})
}
