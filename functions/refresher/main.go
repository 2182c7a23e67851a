// Command refresher is the scheduled Lambda function that renews tokens into SSM parameters well ahead of their expiry.
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
)

func main() {
	function, err := wire(context.Background(), os.Getenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "refresher cannot start:\n%v\n", err)
		os.Exit(1)
	}
	lambda.Start(function)
}

// function handles events. It implements lambda.Handler, so that a malformed event meets our own message.
type function struct {
	config   refresh.Config
	reporter *report.Reporter
}

// Invoke renews what the event asks for.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	call, err := refresh.ParseCall(payload)
	if err != nil {
		return nil, err
	}
	run := f.reporter.Run(requestID(ctx))
	config := f.config
	config.Observe = run.Observe
	refresher, err := refresh.New(config)
	if err != nil {
		return nil, err
	}
	result, err := refresher.Run(ctx, call)
	run.Done(result, err)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
