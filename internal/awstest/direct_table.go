package awstest

import (
	"context"
	"encoding/base64"
	"slices"

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
func (d DirectStates) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	result, err := d.do(ctx, UpdateItem, &updateItemInput{
		target: target{
			placeholders: placeholders{in.ExpressionAttributeNames, fromSDK(in.ExpressionAttributeValues)},
			TableName:    aws.ToString(in.TableName), Key: fromSDK(in.Key), ConditionExpression: in.ConditionExpression,
			ReturnValues: string(in.ReturnValues), ReturnValuesOnConditionCheckFailure: string(in.ReturnValuesOnConditionCheckFailure),
		},
		UpdateExpression: in.UpdateExpression,
	})
	if err != nil {
		return nil, err
	}
	out, _ := result.(itemOutput)
	return &dynamodb.UpdateItemOutput{Attributes: toSDK(out.Attributes)}, nil
}

// DeleteItem is the operation of that name.
func (d DirectStates) DeleteItem(
	ctx context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.DeleteItemOutput, error) {
	result, err := d.do(ctx, DeleteItem, &deleteItemInput{target{
		placeholders: placeholders{in.ExpressionAttributeNames, fromSDK(in.ExpressionAttributeValues)},
		TableName:    aws.ToString(in.TableName), Key: fromSDK(in.Key), ConditionExpression: in.ConditionExpression,
		ReturnValues: string(in.ReturnValues), ReturnValuesOnConditionCheckFailure: string(in.ReturnValuesOnConditionCheckFailure),
	}})
	if err != nil {
		return nil, err
	}
	out, _ := result.(itemOutput)
	return &dynamodb.DeleteItemOutput{Attributes: toSDK(out.Attributes)}, nil
}

// BatchGetItem is the operation of that name.
func (d DirectStates) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	request := &batchGetItemInput{RequestItems: map[string]keysToGet{}}
	for table, wanted := range in.RequestItems {
		keys := make([]item, len(wanted.Keys))
		for i, key := range wanted.Keys {
			keys[i] = fromSDK(key)
		}
		request.RequestItems[table] = keysToGet{keys, aws.ToBool(wanted.ConsistentRead)}
	}
	result, err := d.do(ctx, BatchGetItem, request)
	if err != nil {
		return nil, err
	}
	found, _ := result.(batchGetItemOutput)
	out := &dynamodb.BatchGetItemOutput{
		Responses: map[string][]map[string]types.AttributeValue{}, UnprocessedKeys: map[string]types.KeysAndAttributes{},
	}
	for table, items := range found.Responses {
		out.Responses[table] = listToSDK(items)
	}
	for table, left := range found.UnprocessedKeys {
		out.UnprocessedKeys[table] = types.KeysAndAttributes{Keys: listToSDK(left.Keys), ConsistentRead: &left.ConsistentRead}
	}
	return out, nil
}

// Scan is the operation of that name.
func (d DirectStates) Scan(
	ctx context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options),
) (*dynamodb.ScanOutput, error) {
	result, err := d.do(ctx, Scan, &scanInput{
		placeholders: placeholders{in.ExpressionAttributeNames, fromSDK(in.ExpressionAttributeValues)},
		TableName:    aws.ToString(in.TableName), Limit: toInt(in.Limit), ExclusiveStartKey: fromSDK(in.ExclusiveStartKey),
		Segment: toInt(in.Segment), TotalSegments: toInt(in.TotalSegments), FilterExpression: in.FilterExpression,
	})
	if err != nil {
		return nil, err
	}
	page, _ := result.(scanOutput)
	return &dynamodb.ScanOutput{
		Items: listToSDK(page.Items), LastEvaluatedKey: toSDK(page.LastEvaluatedKey),
		Count: int32(page.Count), ScannedCount: int32(page.ScannedCount), //nolint:gosec // at most a page
	}, nil
}

func toInt(n *int32) *int {
	if n == nil {
		return nil
	}
	return aws.Int(int(*n))
}

// SDKItem returns a copy of an item as the SDK has it, nil when there is none. It counts as no call.
func (w *World) SDKItem(key string) map[string]types.AttributeValue {
	defer w.lock()()
	return toSDK(w.table.items[key])
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

// attributeOf copies a value, so that the caller may change its own.
func attributeOf(v types.AttributeValue) attribute {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return attribute{S: aws.String(v.Value)}
	case *types.AttributeValueMemberN:
		return attribute{N: aws.String(v.Value)}
	case *types.AttributeValueMemberB:
		return attribute{B: aws.String(base64.StdEncoding.EncodeToString(v.Value))}
	case *types.AttributeValueMemberBOOL:
		return attribute{BOOL: aws.Bool(v.Value)}
	case *types.AttributeValueMemberNULL:
		return attribute{NULL: aws.Bool(v.Value)}
	case *types.AttributeValueMemberSS:
		return attribute{SS: append([]string{}, v.Value...)}
	case *types.AttributeValueMemberNS:
		return attribute{NS: append([]string{}, v.Value...)}
	case *types.AttributeValueMemberBS:
		set := make([]string, len(v.Value))
		for i, b := range v.Value {
			set[i] = base64.StdEncoding.EncodeToString(b)
		}
		return attribute{BS: set}
	case *types.AttributeValueMemberM:
		if v.Value == nil {
			return attribute{M: item{}}
		}
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

func listToSDK(items []item) []map[string]types.AttributeValue {
	out := make([]map[string]types.AttributeValue, len(items))
	for i, in := range items {
		out[i] = toSDK(in)
	}
	return out
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
	case v.B != nil:
		return &types.AttributeValueMemberB{Value: bytesOf(*v.B)}
	case v.BOOL != nil:
		return &types.AttributeValueMemberBOOL{Value: *v.BOOL}
	case v.SS != nil:
		return &types.AttributeValueMemberSS{Value: slices.Clone(v.SS)}
	case v.NS != nil:
		return &types.AttributeValueMemberNS{Value: slices.Clone(v.NS)}
	case v.BS != nil:
		set := make([][]byte, len(v.BS))
		for i, text := range v.BS {
			set[i] = bytesOf(text)
		}
		return &types.AttributeValueMemberBS{Value: set}
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
