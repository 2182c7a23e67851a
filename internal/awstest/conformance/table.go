package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// CreateTable makes a table like the StateTable of template.yaml, with a name of its own, and waits until it is active.
func CreateTable(ctx context.Context, cfg aws.Config) (name string, err error) {
	client := dynamodb.NewFromConfig(cfg)
	name = "state-" + rand.Text()
	_, err = client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("connection"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("connection"), AttributeType: types.ScalarAttributeTypeS}},
	})
	if err != nil {
		return "", fmt.Errorf("create table: %w", err)
	}
	active := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
	if err := active.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, 30*time.Second); err != nil {
		return "", fmt.Errorf("wait for table: %w", err)
	}
	return name, nil
}
