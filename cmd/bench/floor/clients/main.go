// Command clients is the floor under the start, the memory and the size of the refresher: it links the same AWS clients and aws-lambda-go,
// makes the three clients as the refresher does, and does nothing with them.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// calls are those operations that the refresher makes. They are linked because the handler could make them, as the refresher could: the
// linker drops what nothing can reach.
func calls(ctx context.Context, secrets *secretsmanager.Client, parameters *ssm.Client, states *dynamodb.Client) error {
	for _, call := range []func() error{
		func() error { _, err := secrets.ListSecrets(ctx, nil); return err },
		func() error { _, err := secrets.DescribeSecret(ctx, nil); return err },
		func() error { _, err := secrets.BatchGetSecretValue(ctx, nil); return err },
		func() error { _, err := secrets.GetSecretValue(ctx, nil); return err },
		func() error { _, err := parameters.GetParameters(ctx, nil); return err },
		func() error { _, err := parameters.PutParameter(ctx, nil); return err },
		func() error { _, err := parameters.DeleteParameters(ctx, nil); return err },
		func() error { _, err := states.Scan(ctx, nil); return err },
		func() error { _, err := states.BatchGetItem(ctx, nil); return err },
		func() error { _, err := states.UpdateItem(ctx, nil); return err },
		func() error { _, err := states.DeleteItem(ctx, nil); return err },
	} {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	ctx := context.Background()
	config, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	secrets, parameters, states := secretsmanager.NewFromConfig(config), ssm.NewFromConfig(config), dynamodb.NewFromConfig(config)
	lambda.Start(func(ctx context.Context) error { return calls(ctx, secrets, parameters, states) })
}
