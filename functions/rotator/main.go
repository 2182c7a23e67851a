// Command rotator is the Lambda function that Secrets Manager invokes to rotate client credentials: they become AWSCURRENT only after the provider
// has issued a token for them.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/wire"
)

func main() {
	rotator, env, err := wire.Rotator(context.Background(), os.Getenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "rotator cannot start:\n%v\n", err)
		os.Exit(1)
	}
	reporter := report.New(report.Config{Out: os.Stdout, Stack: env.StackName, Level: env.LogLevel})
	lambda.Start(&function{rotator: rotator, reporter: reporter, local: env.SAMLocal})
}

// function handles the events of the four steps. It implements lambda.Handler, so that a malformed event gets a message of this program.
type function struct {
	rotator  *rotate.Rotator
	reporter *report.Reporter
	local    bool // sam local: the function has no ARN that a secret could name
}

// Invoke carries out one step. It returns nothing: Secrets Manager reads the error only.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var in rotate.Invocation
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		in.RequestID, in.FunctionARN = lc.AwsRequestID, lc.InvokedFunctionArn
	}
	if f.local {
		in.FunctionARN = ""
	}
	run := f.reporter.Run(in.RequestID)
	in.Observe = run.ObserveRotation
	ev, err := rotate.ParseEvent(payload)
	if err == nil {
		err = f.rotator.Handle(ctx, ev, in)
	}
	run.RotationDone(ev.Step, err)
	if err != nil {
		return nil, err
	}
	return []byte("null"), nil
}
