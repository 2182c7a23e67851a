package awstest

import (
	"cmp"
	"crypto/md5" //nolint:gosec // see placeOf
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// StateTable is the name of the one DynamoDB table of a World. It always exists, on demand, with the partition key StateKey of type S.
const (
	StateTable = "StateTable"
	StateKey   = "connection"
)

// The operations of DynamoDB that a World knows.
const (
	UpdateItem    Op = "UpdateItem"
	DeleteItem    Op = "DeleteItem"
	GetItem       Op = "GetItem"
	BatchGetItem  Op = "BatchGetItem"
	Scan          Op = "Scan"
	DescribeTable Op = "DescribeTable"
)

// targetTable is the prefix of X-Amz-Target for DynamoDB.
const targetTable = "DynamoDB_20120810."

// What DynamoDB allows ("Quotas in Amazon DynamoDB", read 2026-11).
const (
	maxItem       = 400 << 10 // bytes of one item
	maxPage       = 1 << 20   // bytes of one page of a scan
	maxBatchBytes = 16 << 20  // bytes of one BatchGetItem
	maxBatchGet   = 100       // keys of one BatchGetItem
	maxKeyBytes   = 2048
)

// newTableInput is newParameterInput for DynamoDB.
func newTableInput(op Op) (input, Group) {
	switch op {
	case UpdateItem:
		return new(updateItemInput), StateWrites
	case DeleteItem:
		return new(deleteItemInput), StateWrites
	case GetItem:
		return new(getItemInput), StateReads
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

// table is the state table. Its items are in the order of a scan, which is that of the hashes of their keys.
type table struct {
	items map[string]item
	order []place
}

// place is where a scan finds an item.
type place struct {
	hash uint64
	key  string
}

func placeOf(key string) place {
	sum := md5.Sum([]byte(key)) //nolint:gosec // spreads keys, and protects nothing
	return place{binary.BigEndian.Uint64(sum[:]), key}
}

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), strings.Compare(a.key, b.key))
}

// put stores an item, which nobody may change afterwards.
func (t *table) put(key string, next item) {
	if t.items == nil {
		t.items = make(map[string]item)
	}
	if _, exists := t.items[key]; !exists {
		i, _ := slices.BinarySearchFunc(t.order, placeOf(key), place.compare)
		t.order = slices.Insert(t.order, i, placeOf(key))
	}
	t.items[key] = next
}

func (t *table) remove(key string) {
	if _, exists := t.items[key]; !exists {
		return
	}
	delete(t.items, key)
	i, _ := slices.BinarySearchFunc(t.order, placeOf(key), place.compare)
	t.order = slices.Delete(t.order, i, i+1)
}

func tableMissing() *apiError {
	return refuse("ResourceNotFoundException", "Requested resource not found")
}

// keyOf is the value of a key; empty if the key has none.
func keyOf(key item) string {
	if k := key[StateKey]; k.S != nil {
		return *k.S
	}
	return ""
}

// checkKey refuses what is not a key of the table.
func checkKey(key item) *apiError {
	text := keyOf(key)
	switch {
	case len(key) != 1 || key[StateKey].S == nil:
		return refuse("ValidationException", "The provided key element does not match the schema")
	case text == "":
		return refuse("ValidationException", "One or more parameter values are not valid. "+
			"The AttributeValue for a key attribute cannot contain an empty string value. Key: "+StateKey)
	case len(text) > maxKeyBytes:
		return refuse("ValidationException", "One or more parameter values were invalid: "+
			"Size of hashkey has exceeded the maximum size limit of2048 bytes")
	}
	return nil
}

// placeholders are the names and values that the expressions of a request use.
type placeholders struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues item
}

// check puts the values into DynamoDB's form, and refuses placeholders that no expression has.
func (in *placeholders) check(expressions ...*string) *apiError {
	used := map[string]bool{}
	for _, text := range expressions {
		if text == nil {
			continue
		}
		if *text == "" {
			return refuse("ValidationException", "Invalid expression: The expression can not be empty;")
		}
		for _, t := range tokenize(*text) {
			used[t] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.ExpressionAttributeNames)) {
		if !used[name] {
			return refuse("ValidationException", "Value provided in ExpressionAttributeNames unused in expressions: keys: {"+name+"}")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.ExpressionAttributeValues)) {
		if !used[name] {
			return refuse("ValidationException", "Value provided in ExpressionAttributeValues unused in expressions: keys: {"+name+"}")
		}
	}
	if in.ExpressionAttributeNames != nil && len(in.ExpressionAttributeNames) == 0 {
		return refuse("ValidationException", "ExpressionAttributeNames must not be empty")
	}
	if in.ExpressionAttributeValues != nil && len(in.ExpressionAttributeValues) == 0 {
		return refuse("ValidationException", "ExpressionAttributeValues must not be empty")
	}
	values, bad := in.ExpressionAttributeValues.checked()
	in.ExpressionAttributeValues = values
	return bad
}

func (in *placeholders) parser(kind, text string, about item) *parser {
	return &parser{kind: kind, tokens: tokenize(text), names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, item: about}
}

// target is what every write of one item has.
type target struct {
	placeholders

	TableName                           string
	Key                                 item
	ConditionExpression                 *string
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
}

func (in *target) names() []string { return []string{keyOf(in.Key)} }

// admit returns the item as it is, or why the write must not happen.
func (in *target) admit(w *World, returns ...string) (item, *apiError) {
	if !slices.Contains(append(returns, "", "NONE", "ALL_OLD"), in.ReturnValues) {
		return nil, refuse("ValidationException", "Return values set to invalid value")
	}
	if in.TableName != StateTable {
		return nil, tableMissing()
	}
	if bad := checkKey(in.Key); bad != nil {
		return nil, bad
	}
	was := w.table.items[keyOf(in.Key)]
	if in.ConditionExpression == nil {
		return was, nil
	}
	p := in.parser("ConditionExpression", *in.ConditionExpression, was)
	holds := p.condition()
	switch {
	case p.bad != nil:
		return nil, p.bad
	case holds:
		return was, nil
	}
	failed := refuse("ConditionalCheckFailedException", "The conditional request failed")
	if in.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
		failed.item = was
	}
	return nil, failed
}

type itemOutput struct {
	Attributes item `json:"Attributes,omitempty"`
}

type updateItemInput struct {
	target

	UpdateExpression *string
}

func (in *updateItemInput) run(w *World) (any, *apiError) {
	if bad := in.check(in.ConditionExpression, in.UpdateExpression); bad != nil {
		return nil, bad
	}
	was, bad := in.admit(w, "ALL_NEW")
	if bad != nil {
		return nil, bad
	}
	next := was.clone()
	if next == nil {
		next = in.Key.clone()
	}
	if in.UpdateExpression != nil {
		p := in.parser("UpdateExpression", *in.UpdateExpression, was)
		if p.update(next); p.bad != nil {
			return nil, p.bad
		}
	}
	if next.size() > maxItem {
		return nil, refuse("ValidationException", "Item size to update has exceeded the maximum allowed size")
	}
	w.table.put(keyOf(next), next)
	switch in.ReturnValues {
	case "ALL_NEW":
		return itemOutput{next}, nil
	case "ALL_OLD":
		return itemOutput{was}, nil
	}
	return itemOutput{}, nil
}

type deleteItemInput struct{ target }

func (in *deleteItemInput) run(w *World) (any, *apiError) {
	if bad := in.check(in.ConditionExpression); bad != nil {
		return nil, bad
	}
	was, bad := in.admit(w)
	if bad != nil {
		return nil, bad
	}
	w.table.remove(keyOf(in.Key))
	if in.ReturnValues == "ALL_OLD" {
		return itemOutput{was}, nil
	}
	return itemOutput{}, nil
}
