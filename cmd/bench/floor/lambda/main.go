// Command lambda is the least that any Lambda function in Go is: it links aws-lambda-go and does nothing. It is printed beside the start of
// the refresher.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context) error { return nil })
}
