// Command refresher is the scheduled Lambda function that renews tokens into SSM parameters well before they expire.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/wire"
)

func main() {
	refresher, env, err := wire.Refresher(context.Background(), os.Getenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "refresher cannot start:\n%v\n", err)
		os.Exit(1)
	}
	reporter := report.New(report.Config{Out: os.Stdout, Stack: env.StackName, ByProvider: env.MetricsByProvider, Level: env.LogLevel})
	lambda.Start(&function{refresher: refresher, reporter: reporter})
}

// function handles events. It implements lambda.Handler, so that a malformed event gets a message of this program.
type function struct {
	refresher *refresh.Refresher
	reporter  *report.Reporter
}

// Invoke renews what the event names.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	id := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		id = lc.AwsRequestID
	}
	run := f.reporter.Run(id)
	call, err := refresh.ParseCall(payload)
	if err != nil {
		run.Malformed(err)
		return nil, err
	}
	result, err := f.refresher.Run(ctx, call, refresh.Invocation{RequestID: id, Observe: run.Observe})
	run.Done(result, err)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}
