package awstest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// StateTable is the name of the one DynamoDB table of a World. It always exists, with the partition key StateKey of type S.
const (
	StateTable = "StateTable"
	StateKey   = "connection"
)

// The operations of DynamoDB that a World knows.
const (
	UpdateItem    Op = "UpdateItem"
	DeleteItem    Op = "DeleteItem"
	BatchGetItem  Op = "BatchGetItem"
	Scan          Op = "Scan"
	DescribeTable Op = "DescribeTable"
)

// targetTable is the prefix of X-Amz-Target for DynamoDB.
const targetTable = "DynamoDB_20120810."

const (
	maxItem     = 400 << 10 // bytes of one item
	maxPage     = 1 << 20   // bytes of one page of a scan
	maxBatchGet = 100
)

// newTableInput is newParameterInput for DynamoDB.
func newTableInput(op Op) (input, Group) {
	switch op {
	case UpdateItem:
		return new(updateItemInput), StateWrites
	case DeleteItem:
		return new(deleteItemInput), StateWrites
	case BatchGetItem:
		return new(batchGetItemInput), StateReads
	case Scan:
		return new(scanInput), StateReads
	case DescribeTable:
		return new(describeTableInput), StateReads
	default:
		return nil, ""
	}
}

func (op Op) ofTable() bool {
	in, _ := newTableInput(op)
	return in != nil
}

// target is what every operation on one item has.
type target struct {
	TableName                           string
	Key                                 item
	ConditionExpression                 string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]attribute
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
}

func (in *target) names() []string { return []string{keyOf(in.Key)} }

func keyOf(key item) string {
	if k, ok := key[StateKey]; ok && k.S != nil {
		return *k.S
	}
	return ""
}

// check looks at table and key, and at the condition against the item that is there.
func (in *target) check(w *World) (item, *apiError) {
	if in.TableName != StateTable {
		return nil, refuse("ResourceNotFoundException", "Requested resource not found")
	}
	if len(in.Key) != 1 || in.Key[StateKey].S == nil {
		return nil, refuse("ValidationException", "The provided key element does not match the schema")
	}
	if keyOf(in.Key) == "" {
		return nil, refuse("ValidationException", "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: "+StateKey)
	}
	was := w.items[keyOf(in.Key)]
	if in.ConditionExpression == "" {
		return was, nil
	}
	x := in.expression(in.ConditionExpression, was)
	ok := x.condition()
	if x.err != nil {
		return nil, x.err
	}
	if ok {
		return was, nil
	}
	failed := refuse("ConditionalCheckFailedException", "The conditional request failed")
	if in.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
		failed.item = was.clone()
	}
	return nil, failed
}

func (in *target) expression(text string, against item) *expression {
	return &expression{tokens: tokenize(text), names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, item: against}
}

// unused is the error of a placeholder that no expression names.
func (in *target) unused(expressions ...string) *apiError {
	used := map[string]bool{}
	for _, text := range expressions {
		for _, t := range tokenize(text) {
			used[t] = true
		}
	}
	for name := range in.ExpressionAttributeNames {
		if !used[name] {
			return refuse("ValidationException", "Value provided in ExpressionAttributeNames unused in expressions: keys: {"+name+"}")
		}
	}
	for name := range in.ExpressionAttributeValues {
		if !used[name] {
			return refuse("ValidationException", "Value provided in ExpressionAttributeValues unused in expressions: keys: {"+name+"}")
		}
	}
	return nil
}

type updateItemInput struct {
	target
	UpdateExpression string
}

type itemOutput struct {
	Attributes item `json:"Attributes,omitempty"`
}

func (in *updateItemInput) run(w *World) (any, *apiError) {
	if bad := in.unused(in.ConditionExpression, in.UpdateExpression); bad != nil {
		return nil, bad
	}
	was, bad := in.check(w)
	if bad != nil {
		return nil, bad
	}
	next := was.clone()
	if next == nil {
		next = in.Key.clone()
	}
	x := in.expression(in.UpdateExpression, was)
	if was == nil {
		x.item = in.Key
	}
	x.update(next)
	if x.err != nil {
		return nil, x.err
	}
	if keyOf(next) != keyOf(in.Key) {
		return nil, refuse("ValidationException", "Cannot update attribute "+StateKey+". This attribute is part of the key")
	}
	if size(next) > maxItem {
		return nil, refuse("ValidationException", "Item size to update has exceeded the maximum allowed size")
	}
	w.itemsChanged = w.itemsChanged || was == nil
	w.items[keyOf(next)] = next
	switch in.ReturnValues {
	case "ALL_NEW":
		return itemOutput{next.clone()}, nil
	case "ALL_OLD":
		return itemOutput{was.clone()}, nil
	}
	return itemOutput{}, nil
}

type deleteItemInput struct{ target }

func (in *deleteItemInput) run(w *World) (any, *apiError) {
	if bad := in.unused(in.ConditionExpression); bad != nil {
		return nil, bad
	}
	was, bad := in.check(w)
	if bad != nil {
		return nil, bad
	}
	delete(w.items, keyOf(in.Key))
	w.itemsChanged = true
	if in.ReturnValues == "ALL_OLD" {
		return itemOutput{was}, nil
	}
	return itemOutput{}, nil
}

type batchGetItemInput struct {
	RequestItems map[string]struct{ Keys []item }
}

func (in *batchGetItemInput) names() []string {
	var names []string
	for _, key := range in.RequestItems[StateTable].Keys {
		names = append(names, keyOf(key))
	}
	return names
}

type batchGetItemOutput struct {
	Responses       map[string][]item
	UnprocessedKeys map[string]struct{ Keys []item }
}

func (in *batchGetItemInput) run(w *World) (any, *apiError) {
	if len(in.RequestItems) != 1 || in.RequestItems[StateTable].Keys == nil {
		return nil, refuse("ResourceNotFoundException", "Requested resource not found")
	}
	keys := in.RequestItems[StateTable].Keys
	if len(keys) > maxBatchGet {
		return nil, refuse("ValidationException", "Too many items requested for the BatchGetItem call")
	}
	seen := map[string]bool{}
	out := batchGetItemOutput{Responses: map[string][]item{StateTable: {}}, UnprocessedKeys: map[string]struct{ Keys []item }{}}
	for _, key := range keys {
		name := keyOf(key)
		if seen[name] {
			return nil, refuse("ValidationException", "Provided list of item keys contains duplicates")
		}
		seen[name] = true
		if found := w.items[name]; found != nil {
			out.Responses[StateTable] = append(out.Responses[StateTable], found.clone())
		}
	}
	return out, nil
}

type scanInput struct {
	TableName         string
	Limit             int
	ExclusiveStartKey item
	Segment           int
	TotalSegments     int
}

func (in *scanInput) names() []string { return nil }

type scanOutput struct {
	Items            []item
	Count            int
	ScannedCount     int
	LastEvaluatedKey item `json:"LastEvaluatedKey,omitempty"`
}

func (in *scanInput) run(w *World) (any, *apiError) {
	if in.TableName != StateTable {
		return nil, refuse("ResourceNotFoundException", "Requested resource not found")
	}
	if in.TotalSegments < 0 || in.TotalSegments > 0 && in.Segment >= in.TotalSegments {
		return nil, refuse("ValidationException", "The Segment parameter is zero-based and must be less than parameter TotalSegments")
	}
	start := keyOf(in.ExclusiveStartKey)
	out := scanOutput{Items: []item{}}
	bytes := 0
	for _, name := range w.itemNames() {
		if name <= start || in.TotalSegments > 1 && segmentOf(name, in.TotalSegments) != in.Segment {
			continue
		}
		found := w.items[name]
		out.Items = append(out.Items, found.clone())
		bytes += size(found)
		if bytes >= maxPage || in.Limit > 0 && len(out.Items) >= in.Limit {
			out.LastEvaluatedKey = item{StateKey: found[StateKey]}
			break
		}
	}
	out.Count, out.ScannedCount = len(out.Items), len(out.Items)
	return out, nil
}

// itemNames are the keys of all items, sorted. w.mu is held.
func (w *World) itemNames() []string {
	if len(w.sortedItems) != len(w.items) || w.itemsChanged {
		w.sortedItems = slices.Sorted(maps.Keys(w.items))
		w.itemsChanged = false
	}
	return w.sortedItems
}

// segmentOf spreads keys over the segments of a parallel scan.
func segmentOf(name string, segments int) int {
	h := 0
	for _, c := range []byte(name) {
		h = (h*31 + int(c)) & 0x7fffffff
	}
	return h % segments
}

type describeTableInput struct{ TableName string }

func (in *describeTableInput) names() []string { return nil }

func (in *describeTableInput) run(w *World) (any, *apiError) {
	if in.TableName != StateTable {
		return nil, refuse("ResourceNotFoundException", "Requested resource not found")
	}
	return map[string]any{"Table": map[string]any{"TableName": StateTable, "TableStatus": "ACTIVE", "ItemCount": len(w.items)}}, nil
}

// size is about what DynamoDB counts for an item: names and values in UTF-8.
func size(in item) int {
	total := 0
	for name, v := range in {
		total += len(name) + sizeOf(v)
	}
	return total
}

func sizeOf(v attribute) int {
	switch {
	case v.S != nil:
		return len(*v.S)
	case v.N != nil:
		return len(*v.N)/2 + 2
	case v.M != nil:
		return size(v.M) + 3
	case v.L != nil:
		total := 3
		for _, e := range v.L {
			total += sizeOf(e) + 1
		}
		return total
	}
	total := 1
	for _, s := range v.SS {
		total += len(s)
	}
	return total
}

// Item returns a copy of an item of the state table as AWS JSON writes its attributes, and whether it exists.
func (w *World) Item(key string) (map[string]json.RawMessage, bool) {
	defer w.lock()()
	found, ok := w.items[key]
	if !ok {
		return nil, false
	}
	out := make(map[string]json.RawMessage, len(found))
	for name, v := range found {
		out[name] = encode(v)
	}
	return out, true
}

// PutItem writes an item by hand: attributes as AWS JSON, without the key. Text that is no attribute is an error.
func (w *World) PutItem(key string, attributes map[string]json.RawMessage) error {
	next := item{StateKey: attribute{S: &key}}
	for name, raw := range attributes {
		var v attribute
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		next[name] = v
	}
	defer w.lock()()
	w.items[key] = next
	w.itemsChanged = true
	return nil
}

// DropItem removes an item, or with an empty key all of them: the table is lost.
func (w *World) DropItem(key string) {
	defer w.lock()()
	w.itemsChanged = true
	if key == "" {
		clear(w.items)
		return
	}
	delete(w.items, key)
}

// ItemKeys returns the keys of all items, sorted.
func (w *World) ItemKeys() []string {
	defer w.lock()()
	return slices.Sorted(maps.Keys(w.items))
}

// Text is the text of a string or number attribute, "" for anything else: for assertions.
func Text(raw json.RawMessage) string {
	var v attribute
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	switch {
	case v.S != nil:
		return *v.S
	case v.N != nil:
		return *v.N
	case v.BOOL != nil:
		return strconv.FormatBool(*v.BOOL)
	}
	return ""
}
