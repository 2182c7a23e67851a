// Command echo is the function that the tests of lambdatest run. The environment variable ECHO_INIT chooses how it starts, the event's
// "do" what an invocation does.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do  string `json:"do"`
	Say string `json:"say"`
	Env string `json:"env"`
}

type answer struct {
	Said        string `json:"said"`
	Env         string `json:"env"`
	RequestID   string `json:"request_id"`
	ARN         string `json:"arn"`
	RemainingMS int64  `json:"remaining_ms"`
	PID         int    `json:"pid"`
}

type teapotError struct{}

func (teapotError) Error() string { return "short and stout" }

func main() {
	switch os.Getenv("ECHO_INIT") {
	case "exit":
		log.Fatal("SECRET_PREFIX is missing")
	case "return":
		return
	case "report":
		reportInitError()
	case "hang":
		time.Sleep(time.Minute)
	}
	lambda.Start(handle)
}

func reportInitError() {
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
	body := `{"errorType":"Echo.Config","errorMessage":"two faults"}`
	resp, err := http.Post(url, "application/json", strings.NewReader(body)) //nolint:noctx // the program ends here
	if err != nil {
		log.Fatal(err)
	}
	_ = resp.Body.Close()
	os.Exit(3)
}

func handle(ctx context.Context, ev event) (answer, error) {
	fmt.Println("stdout:", ev.Say)
	fmt.Fprintln(os.Stderr, "stderr:", ev.Say)
	switch ev.Do {
	case "fail":
		return answer{}, teapotError{}
	case "panic":
		panic("kettle")
	case "exit":
		os.Exit(4)
	case "hang":
		time.Sleep(time.Minute)
	case "wait":
		<-ctx.Done()
		return answer{}, errors.New("saw the deadline")
	case "big":
		return answer{Said: strings.Repeat("x", 7<<20)}, nil
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return answer{
		Said: ev.Say, Env: os.Getenv(ev.Env), RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn,
		RemainingMS: time.Until(deadline).Milliseconds(), PID: os.Getpid(),
	}, nil
}
