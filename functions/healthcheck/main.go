// Command healthcheck is the Lambda function that measures the health of an installation: the remaining time of every token, and whether each
// token endpoint responds and how fast. It writes to no store.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/wire"
)

func main() {
	checker, env, err := wire.Healthcheck(context.Background(), os.Getenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "healthcheck cannot start:\n%v\n", err)
		os.Exit(1)
	}
	reporter := report.New(report.Config{Out: os.Stdout, Stack: env.StackName, ByProvider: env.MetricsByProvider, Level: env.LogLevel})
	lambda.Start(&function{checker: checker, reporter: reporter})
}

// function handles events. It implements lambda.Handler, so that a malformed event gets a message of this program.
type function struct {
	checker  *probe.Checker
	reporter *report.Reporter
}

// Invoke measures what the event names. A request of a Function URL gets an HTTP response, any other event the report.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if isURLRequest(payload) {
		return urlResponse(f.check(ctx, probe.Call{}))
	}
	call, err := probe.ParseCall(payload)
	if err != nil {
		f.reporter.Run(requestID(ctx)).HealthMalformed(err)
		return nil, err
	}
	return plainResponse(f.check(ctx, call))
}

// check makes one report and logs it.
func (f *function) check(ctx context.Context, call probe.Call) (probe.Report, error) {
	run := f.reporter.Run(requestID(ctx))
	found, err := f.checker.Run(ctx, call, probe.Invocation{Observe: run.ObserveProbe})
	run.HealthDone(found, err)
	return found, err
}

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
