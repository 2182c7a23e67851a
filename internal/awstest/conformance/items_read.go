package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func (e *env) getBatch(names ...string) (*dynamodb.BatchGetItemOutput, error) {
	keys := make([]map[string]types.AttributeValue, len(names))
	for i, name := range names {
		keys[i] = e.key(name)
	}
	return e.states.BatchGetItem(background(), &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{e.table: {Keys: keys, ConsistentRead: aws.Bool(true)}},
	})
}

// itemNames are the names of items of this behaviour, without its prefix. Items of others are left out.
func (e *env) itemNames(items []map[string]types.AttributeValue) []string {
	var names []string
	for _, item := range items {
		if key, ok := item["connection"].(*types.AttributeValueMemberS); ok {
			if name, ours := strings.CutPrefix(key.Value, e.item("")); ours {
				names = append(names, name)
			}
		}
	}
	return names
}

// writeMany writes items of about a size.
func (e *env) writeMany(t *testing.T, n, bytes int) []string {
	t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("i%03d", i)
		e.write(t, names[i], attributes{"padding": text(strings.Repeat("x", bytes)), "n": number(fmt.Sprint(i))})
	}
	return names
}

func itemReads() []behaviour {
	return []behaviour{
		{sentence: "GetItem of what does not exist is no error", aws: func(t *testing.T, e *env) {
			sameItem(t, "item", e.stored(t, "none"), nil)
		}},
		{sentence: "BatchGetItem leaves out what does not exist", aws: func(t *testing.T, e *env) {
			names := e.writeMany(t, 60, 10)
			out, err := e.getBatch(append(names, "none", "nor-this")...)
			ok(t, err)
			same(t, "items", e.itemNames(out.Responses[e.table]), names)
			equal(t, "unprocessed", len(out.UnprocessedKeys), 0)
			out, err = e.getBatch("none")
			ok(t, err)
			equal(t, "items", len(out.Responses[e.table]), 0)
		}},
		{sentence: "BatchGetItem refuses more than 100 keys", aws: func(t *testing.T, e *env) {
			var names []string
			for i := range 101 {
				names = append(names, fmt.Sprint("n", i))
			}
			_, err := e.getBatch(names[:100]...)
			ok(t, err)
			_, err = e.getBatch(names...)
			refused(t, err, "ValidationException", "")
		}},
		{sentence: "BatchGetItem refuses a key twice", aws: func(t *testing.T, e *env) {
			_, err := e.getBatch("a", "b", "a")
			refused(t, err, "ValidationException", "Provided list of item keys contains duplicates")
		}},
		{
			sentence: "BatchGetItem refuses no keys",
			aws: func(t *testing.T, e *env) {
				_, err := e.getBatch()
				refused(t, err, "ValidationException", "")
			},
			moto: func(t *testing.T, e *env) { // answers nothing
				_, err := e.getBatch()
				ok(t, err)
			},
		},
		{sentence: "BatchGetItem refuses an unknown table", aws: func(t *testing.T, e *env) {
			_, err := e.states.BatchGetItem(background(), &dynamodb.BatchGetItemInput{
				RequestItems: map[string]types.KeysAndAttributes{e.table + "-not": {Keys: []map[string]types.AttributeValue{e.key("a")}}},
			})
			refused(t, err, "ResourceNotFoundException", "")
		}},
		{
			sentence: "BatchGetItem stops at 16 MB and names the keys that it left",
			aws: func(t *testing.T, e *env) {
				names := e.writeMany(t, 45, 390<<10)
				out, err := e.getBatch(names...)
				ok(t, err)
				got, left := e.itemNames(out.Responses[e.table]), e.itemNames(out.UnprocessedKeys[e.table].Keys)
				if len(got) == 0 || len(left) == 0 {
					t.Fatalf("%d items, %d left", len(got), len(left))
				}
				same(t, "items and keys", append(got, left...), names)
			},
		},
	}
}

// scan reads all pages and returns the names of this behaviour's items and the sizes of all pages.
func (e *env) scan(t *testing.T, change func(*dynamodb.ScanInput)) (names []string, scanned []int32) {
	t.Helper()
	in := &dynamodb.ScanInput{TableName: &e.table}
	if change != nil {
		change(in)
	}
	for {
		out, err := e.states.Scan(background(), in)
		ok(t, err)
		equal(t, "Count", int(out.Count), len(out.Items))
		names = append(names, e.itemNames(out.Items)...)
		scanned = append(scanned, out.ScannedCount)
		if len(out.LastEvaluatedKey) == 0 {
			return names, scanned
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func segment(n, of int32) func(*dynamodb.ScanInput) {
	return func(in *dynamodb.ScanInput) { in.Segment, in.TotalSegments = aws.Int32(n), aws.Int32(of) }
}

func justSegment(in *dynamodb.ScanInput) { in.Segment = aws.Int32(0) }

// badScan is a scan that is refused.
func badScan(text string, change func(*dynamodb.ScanInput)) func(t *testing.T, e *env) {
	return func(t *testing.T, e *env) {
		in := &dynamodb.ScanInput{TableName: &e.table}
		change(in)
		_, err := e.states.Scan(background(), in)
		refused(t, err, "ValidationException", text)
	}
}

// wrongSegments counts in how many of two segments a key is refused as the start.
func (e *env) wrongSegments(t *testing.T) int {
	t.Helper()
	e.writeMany(t, 2, 10)
	refusals := 0
	for n := range int32(2) {
		in := &dynamodb.ScanInput{TableName: &e.table, ExclusiveStartKey: e.key("i000")}
		segment(n, 2)(in)
		if _, err := e.states.Scan(background(), in); err != nil {
			refused(t, err, "ValidationException", "The provided starting key is invalid")
			refusals++
		}
	}
	return refusals
}

func itemScans() []behaviour {
	return []behaviour{
		{sentence: "Scan gives every item once, whatever the size of a page", aws: func(t *testing.T, e *env) {
			want := e.writeMany(t, 20, 10)
			for _, limit := range []int32{1, 7, 1000} {
				names, scanned := e.scan(t, func(in *dynamodb.ScanInput) { in.Limit = aws.Int32(limit) })
				same(t, fmt.Sprint("items with Limit ", limit), names, want)
				if slices.Max(scanned) > limit {
					t.Errorf("pages of %v", scanned)
				}
			}
		}},
		{sentence: "Scan ends a page at 1 MB", aws: func(t *testing.T, e *env) {
			want := e.writeMany(t, 12, 200<<10)
			names, scanned := e.scan(t, nil)
			same(t, "items", names, want)
			if len(scanned) < 3 {
				t.Errorf("pages of %v", scanned)
			}
		}},
		{sentence: "The segments of a Scan give every item once", aws: func(t *testing.T, e *env) {
			want := e.writeMany(t, 60, 10)
			var all []string
			for n := range int32(4) {
				names, _ := e.scan(t, func(in *dynamodb.ScanInput) {
					segment(n, 4)(in)
					in.Limit = aws.Int32(9)
				})
				if len(names) == len(want) {
					t.Errorf("segment %d has all items", n)
				}
				all = append(all, names...)
			}
			same(t, "items", all, want)
		}},
		{sentence: "Scan filters after it has cut the page", aws: func(t *testing.T, e *env) {
			e.writeMany(t, 20, 10)
			names, scanned := e.scan(t, func(in *dynamodb.ScanInput) {
				in.Limit = aws.Int32(5)
				in.FilterExpression = aws.String("attribute_exists(padding) AND n < :two")
				in.ExpressionAttributeValues = attributes{":two": number("2")}
			})
			same(t, "items", names, []string{"i000", "i001"})
			if len(scanned) < 4 {
				t.Errorf("pages of %v", scanned)
			}
		}},
		{sentence: "Scan refuses a segment that does not exist", aws: badScan("must be less than parameter TotalSegments", segment(4, 4))},
		{
			sentence: "Scan refuses a segment without their number",
			aws:      badScan("TotalSegments parameter is required", justSegment),
			dynalite: func(t *testing.T, e *env) { // scans everything
				e.scan(t, justSegment)
			},
		},
		{sentence: "Scan refuses a number of segments without the segment", aws: badScan("Segment parameter is required", func(in *dynamodb.ScanInput) {
			in.TotalSegments = aws.Int32(4)
		})},
		{sentence: "Scan refuses an unknown table", aws: func(t *testing.T, e *env) {
			_, err := e.states.Scan(background(), &dynamodb.ScanInput{TableName: aws.String(e.table + "-not")})
			refused(t, err, "ResourceNotFoundException", "")
		}},
		{
			sentence: "Scan refuses a start key of another segment",
			aws:      func(t *testing.T, e *env) { equal(t, "segments that refuse", e.wrongSegments(t), 1) },
			moto:     func(t *testing.T, e *env) { equal(t, "segments that refuse", e.wrongSegments(t), 0) }, // accepts it
		},
		{sentence: "DescribeTable names the key and that the table is active", aws: func(t *testing.T, e *env) {
			out, err := e.states.DescribeTable(background(), &dynamodb.DescribeTableInput{TableName: &e.table})
			ok(t, err)
			equal(t, "status", out.Table.TableStatus, types.TableStatusActive)
			equal(t, "keys", len(out.Table.KeySchema), 1)
			equal(t, "key", aws.ToString(out.Table.KeySchema[0].AttributeName), "connection")
		}},
	}
}
