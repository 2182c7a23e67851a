// Command healthcheck is the Lambda function that says how the installation is: the runway of every token, and whether each token endpoint
// answers and how fast. It writes to no store.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/report"
)

func main() {
	function, err := wire(context.Background(), os.Getenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "healthcheck cannot start:\n%v\n", err)
		os.Exit(1)
	}
	lambda.Start(function)
}

// function handles events. It implements lambda.Handler, so that a malformed event meets our own message.
type function struct {
	config   probe.Config
	reporter *report.Reporter
}

// Invoke looks at what the event asks for, and answers in the form in which it was asked.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if isURLRequest(payload) {
		return urlAnswer(f.check(ctx, probe.Call{}))
	}
	call, err := probe.ParseCall(payload)
	if err != nil {
		return nil, err
	}
	return plainAnswer(f.check(ctx, call))
}

// check makes one report and tells it.
func (f *function) check(ctx context.Context, call probe.Call) (probe.Report, error) {
	id := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		id = lc.AwsRequestID
	}
	run := f.reporter.Run(id)
	config := f.config
	config.Observe = run.ObserveProbe
	checker, err := probe.New(config)
	if err != nil {
		return probe.Report{}, err
	}
	found, err := checker.Run(ctx, call)
	run.HealthDone(found, err)
	return found, err
}
