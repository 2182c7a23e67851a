package awstest

import (
	"math"
	"slices"
)

type getItemInput struct {
	TableName      string
	Key            item
	ConsistentRead bool // reads of a World are always consistent
}

func (in *getItemInput) names() []string { return []string{keyOf(in.Key)} }

type getItemOutput struct {
	Item item `json:",omitempty"`
}

func (in *getItemInput) run(w *World) (any, *apiError) {
	if in.TableName != StateTable {
		return nil, tableMissing()
	}
	if bad := checkKey(in.Key); bad != nil {
		return nil, bad
	}
	return getItemOutput{w.table.items[keyOf(in.Key)]}, nil
}

// keysToGet is the part of a BatchGetItem for one table.
type keysToGet struct {
	Keys           []item
	ConsistentRead bool `json:",omitempty"`
}

type batchGetItemInput struct{ RequestItems map[string]keysToGet }

func (in *batchGetItemInput) names() []string {
	var names []string
	for _, key := range in.RequestItems[StateTable].Keys {
		names = append(names, keyOf(key))
	}
	return names
}

type batchGetItemOutput struct {
	Responses       map[string][]item
	UnprocessedKeys map[string]keysToGet
}

// run answers in the order of the table, not of the request, and without what does not exist.
func (in *batchGetItemInput) run(w *World) (any, *apiError) {
	wanted, ours := in.RequestItems[StateTable]
	switch {
	case len(in.RequestItems) == 0:
		return nil, tooShort("requestItems", 1)
	case !ours || len(in.RequestItems) > 1:
		return nil, tableMissing()
	case len(wanted.Keys) == 0:
		return nil, tooShort("requestItems."+StateTable+".member.keys", 1)
	case len(wanted.Keys) > maxBatchGet:
		return nil, refuse("ValidationException", "Too many items requested for the BatchGetItem call")
	}
	var places []place
	for _, key := range wanted.Keys {
		if bad := checkKey(key); bad != nil {
			return nil, bad
		}
		places = append(places, placeOf(keyOf(key)))
	}
	slices.SortFunc(places, place.compare)
	if len(slices.Compact(slices.Clone(places))) != len(places) {
		return nil, refuse("ValidationException", "Provided list of item keys contains duplicates")
	}
	out := batchGetItemOutput{Responses: map[string][]item{StateTable: {}}, UnprocessedKeys: map[string]keysToGet{}}
	left := keysToGet{ConsistentRead: wanted.ConsistentRead}
	bytes := 0
	for _, p := range places {
		found, exists := w.table.items[p.key]
		if !exists {
			continue
		}
		if bytes += found.size(); bytes > maxBatchBytes || w.unprocessed && len(out.Responses[StateTable]) > 0 {
			left.Keys = append(left.Keys, item{StateKey: found[StateKey]})
			continue
		}
		out.Responses[StateTable] = append(out.Responses[StateTable], found)
	}
	if len(left.Keys) > 0 {
		out.UnprocessedKeys[StateTable] = left
	}
	return out, nil
}

type scanInput struct {
	placeholders

	TableName         string
	Limit             *int
	ExclusiveStartKey item
	Segment           *int
	TotalSegments     *int
	FilterExpression  *string
	ConsistentRead    bool // reads of a World are always consistent
}

func (in *scanInput) names() []string { return nil }

type scanOutput struct {
	Items            []item
	Count            int
	ScannedCount     int
	LastEvaluatedKey item `json:",omitempty"`
}

// run answers one page. It ends with the item that reaches a limit, also when that is the last one; the filter comes after.
func (in *scanInput) run(w *World) (any, *apiError) {
	if bad := in.check(in.FilterExpression); bad != nil {
		return nil, bad
	}
	segment, bad := in.segment()
	if bad != nil {
		return nil, bad
	}
	out := scanOutput{Items: []item{}}
	bytes := 0
	for _, p := range in.places(w, segment) {
		found := w.table.items[p.key]
		bytes += found.size()
		out.ScannedCount++
		if holds, bad := in.matches(found); bad != nil {
			return nil, bad
		} else if holds {
			out.Items = append(out.Items, found)
		}
		if bytes >= maxPage || in.Limit != nil && out.ScannedCount == *in.Limit {
			out.LastEvaluatedKey = item{StateKey: found[StateKey]}
			break
		}
	}
	out.Count = len(out.Items)
	return out, nil
}

func (in *scanInput) matches(found item) (bool, *apiError) {
	if in.FilterExpression == nil {
		return true, nil
	}
	p := in.parser("FilterExpression", *in.FilterExpression, found)
	holds := p.condition()
	return holds, p.bad
}

// hashes is a range of hashes: a segment of a parallel scan.
type hashes struct{ first, last uint64 }

// segment checks the request and returns the hashes that it is about.
func (in *scanInput) segment() (hashes, *apiError) {
	all := hashes{0, math.MaxUint64}
	switch {
	case in.TableName != StateTable:
		return all, tableMissing()
	case in.Limit != nil && *in.Limit < 1:
		return all, invalid("limit", "Member must have value greater than or equal to 1")
	case in.Segment == nil && in.TotalSegments == nil:
	case in.TotalSegments == nil:
		return all, refuse("ValidationException",
			"The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.Segment == nil:
		return all, refuse("ValidationException",
			"The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case *in.TotalSegments < 1 || *in.TotalSegments > 1000000:
		return all, invalid("totalSegments", "Member must have value between 1 and 1000000")
	case *in.Segment < 0 || *in.Segment >= *in.TotalSegments:
		return all, refuse("ValidationException", "The Segment parameter is zero-based and must be less than parameter TotalSegments")
	default:
		size := math.MaxUint64 / uint64(*in.TotalSegments)
		all.first = size * uint64(*in.Segment)
		if *in.Segment < *in.TotalSegments-1 {
			all.last = all.first + size - 1
		}
	}
	if in.ExclusiveStartKey == nil {
		return all, nil
	}
	if bad := checkKey(in.ExclusiveStartKey); bad != nil {
		bad.message = "The provided starting key is invalid: " + bad.message
		return all, bad
	}
	if h := placeOf(keyOf(in.ExclusiveStartKey)).hash; h < all.first || h > all.last {
		return all, refuse("ValidationException",
			"The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment.")
	}
	return all, nil
}

// places are the places of a segment after the start key.
func (in *scanInput) places(w *World, segment hashes) []place {
	order := w.table.order
	from, _ := slices.BinarySearchFunc(order, place{hash: segment.first}, place.compare)
	if in.ExclusiveStartKey != nil {
		var found bool
		if from, found = slices.BinarySearchFunc(order, placeOf(keyOf(in.ExclusiveStartKey)), place.compare); found {
			from++
		}
	}
	to := len(order)
	if segment.last != math.MaxUint64 {
		to, _ = slices.BinarySearchFunc(order, place{hash: segment.last + 1}, place.compare)
	}
	return order[from:max(from, to)]
}

type describeTableInput struct{ TableName string }

func (in *describeTableInput) names() []string { return nil }

func (in *describeTableInput) run(w *World) (any, *apiError) {
	if in.TableName != StateTable {
		return nil, tableMissing()
	}
	return map[string]any{"Table": map[string]any{
		"TableName": StateTable, "TableStatus": "ACTIVE", "TableArn": tableARN(), "ItemCount": len(w.table.items),
		"KeySchema":            []map[string]string{{"AttributeName": StateKey, "KeyType": "HASH"}},
		"AttributeDefinitions": []map[string]string{{"AttributeName": StateKey, "AttributeType": "S"}},
		"BillingModeSummary":   map[string]string{"BillingMode": "PAY_PER_REQUEST"},
	}}, nil
}

func tableARN() string { return "arn:aws:dynamodb:" + Region + ":" + Account + ":table/" + StateTable }
