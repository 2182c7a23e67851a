package awstest

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DirectStates is DirectSecrets for *dynamodb.Client.
type DirectStates struct {
	World  *World
	Around func(op Op, call func() error) error
}

func (d DirectStates) do(ctx context.Context, op Op, in input) (any, error) {
	return d.World.around(ctx, op, in, d.Around)
}

// UpdateItem is the operation of that name.
func (d DirectStates) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	result, err := d.do(ctx, UpdateItem, &updateItemInput{
		target: target{
			TableName: aws.ToString(in.TableName), Key: fromSDK(in.Key), ConditionExpression: aws.ToString(in.ConditionExpression),
			ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: fromSDK(in.ExpressionAttributeValues),
			ReturnValues: string(in.ReturnValues), ReturnValuesOnConditionCheckFailure: string(in.ReturnValuesOnConditionCheckFailure),
		},
		UpdateExpression: aws.ToString(in.UpdateExpression),
	})
	if err != nil {
		return nil, err
	}
	out, _ := result.(itemOutput)
	return &dynamodb.UpdateItemOutput{Attributes: toSDK(out.Attributes)}, nil
}

// DeleteItem is the operation of that name.
func (d DirectStates) DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	_, err := d.do(ctx, DeleteItem, &deleteItemInput{target{
		TableName: aws.ToString(in.TableName), Key: fromSDK(in.Key), ConditionExpression: aws.ToString(in.ConditionExpression),
		ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: fromSDK(in.ExpressionAttributeValues),
		ReturnValuesOnConditionCheckFailure: string(in.ReturnValuesOnConditionCheckFailure),
	}})
	if err != nil {
		return nil, err
	}
	return new(dynamodb.DeleteItemOutput), nil
}

// BatchGetItem is the operation of that name.
func (d DirectStates) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	request := &batchGetItemInput{RequestItems: map[string]struct{ Keys []item }{}}
	for table, keys := range in.RequestItems {
		list := make([]item, len(keys.Keys))
		for i, key := range keys.Keys {
			list[i] = fromSDK(key)
		}
		request.RequestItems[table] = struct{ Keys []item }{list}
	}
	result, err := d.do(ctx, BatchGetItem, request)
	if err != nil {
		return nil, err
	}
	found, _ := result.(batchGetItemOutput)
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{}}
	for table, items := range found.Responses {
		for _, i := range items {
			out.Responses[table] = append(out.Responses[table], toSDK(i))
		}
	}
	return out, nil
}

// Scan is the operation of that name.
func (d DirectStates) Scan(ctx context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	result, err := d.do(ctx, Scan, &scanInput{
		TableName: aws.ToString(in.TableName), Limit: int(aws.ToInt32(in.Limit)), ExclusiveStartKey: fromSDK(in.ExclusiveStartKey),
		Segment: int(aws.ToInt32(in.Segment)), TotalSegments: int(aws.ToInt32(in.TotalSegments)),
	})
	if err != nil {
		return nil, err
	}
	page, _ := result.(scanOutput)
	out := &dynamodb.ScanOutput{Count: int32(page.Count), ScannedCount: int32(page.ScannedCount), LastEvaluatedKey: toSDK(page.LastEvaluatedKey)} //nolint:gosec // at most a page
	for _, i := range page.Items {
		out.Items = append(out.Items, toSDK(i))
	}
	return out, nil
}

// SDKItem returns a copy of an item as the SDK has it, nil when there is none. It counts as no call.
func (w *World) SDKItem(key string) map[string]types.AttributeValue {
	defer w.lock()()
	return toSDK(w.items[key])
}

// fromSDK turns the SDK's attributes into a World's.
func fromSDK(in map[string]types.AttributeValue) item {
	if in == nil {
		return nil
	}
	out := make(item, len(in))
	for name, v := range in {
		out[name] = attributeOf(v)
	}
	return out
}

func attributeOf(v types.AttributeValue) attribute {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return attribute{S: &v.Value}
	case *types.AttributeValueMemberN:
		return attribute{N: &v.Value}
	case *types.AttributeValueMemberBOOL:
		return attribute{BOOL: &v.Value}
	case *types.AttributeValueMemberNULL:
		return attribute{NULL: &v.Value}
	case *types.AttributeValueMemberSS:
		return attribute{SS: v.Value}
	case *types.AttributeValueMemberM:
		return attribute{M: fromSDK(v.Value)}
	case *types.AttributeValueMemberL:
		list := make([]attribute, len(v.Value))
		for i, e := range v.Value {
			list[i] = attributeOf(e)
		}
		return attribute{L: list}
	}
	return attribute{}
}

// toSDK turns a World's attributes into the SDK's.
func toSDK(in map[string]attribute) map[string]types.AttributeValue {
	if in == nil {
		return nil
	}
	out := make(map[string]types.AttributeValue, len(in))
	for name, v := range in {
		out[name] = v.sdk()
	}
	return out
}

func (v attribute) sdk() types.AttributeValue {
	switch {
	case v.S != nil:
		return &types.AttributeValueMemberS{Value: *v.S}
	case v.N != nil:
		return &types.AttributeValueMemberN{Value: *v.N}
	case v.BOOL != nil:
		return &types.AttributeValueMemberBOOL{Value: *v.BOOL}
	case v.SS != nil:
		return &types.AttributeValueMemberSS{Value: v.SS}
	case v.M != nil:
		return &types.AttributeValueMemberM{Value: toSDK(v.M)}
	case v.L != nil:
		list := make([]types.AttributeValue, len(v.L))
		for i, e := range v.L {
			list[i] = e.sdk()
		}
		return &types.AttributeValueMemberL{Value: list}
	}
	return &types.AttributeValueMemberNULL{Value: true}
}
