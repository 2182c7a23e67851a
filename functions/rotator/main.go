// Command rotator is the Lambda function that Secrets Manager invokes to rotate a pair of credentials: it goes live only after it has proved itself.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/rotate"
)

func main() {
	function, err := wire(context.Background(), os.Getenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "rotator cannot start:\n%v\n", err)
		os.Exit(1)
	}
	lambda.Start(function)
}

// function handles the events of the four steps. It implements lambda.Handler, so that a malformed event meets our own message.
type function struct {
	parts    parts
	reporter *report.Reporter
}

// Invoke carries out one step. It returns nothing: Secrets Manager looks at the error alone.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	id, arn := "", ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		id, arn = lc.AwsRequestID, lc.InvokedFunctionArn
	}
	run := f.reporter.Run(id)
	ev, err := rotate.ParseEvent(payload)
	if err == nil {
		var rotator *rotate.Rotator
		if rotator, err = f.parts.rotator(run, arn); err == nil {
			err = rotator.Handle(ctx, ev)
		}
	}
	run.RotationDone(ev.Step, err)
	if err != nil {
		return nil, err
	}
	return []byte("null"), nil
}
