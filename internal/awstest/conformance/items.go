package conformance

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// attributes are what an item has beside its key.
type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func number(n string) types.AttributeValue { return &types.AttributeValueMemberN{Value: n} }
func fields(m attributes) types.AttributeValue {
	return &types.AttributeValueMemberM{Value: m}
}

func (e *env) key(name string) attributes { return attributes{"connection": text(e.item(name))} }

// update makes an UpdateItem; change alters the call.
func (e *env) update(name, expression string, change ...func(*dynamodb.UpdateItemInput)) (*dynamodb.UpdateItemOutput, error) {
	in := &dynamodb.UpdateItemInput{TableName: &e.table, Key: e.key(name), UpdateExpression: &expression}
	for _, f := range change {
		f(in)
	}
	return e.states.UpdateItem(background(), in)
}

func provided(condition string) func(*dynamodb.UpdateItemInput) {
	return func(in *dynamodb.UpdateItemInput) { in.ConditionExpression = &condition }
}

func where(values attributes) func(*dynamodb.UpdateItemInput) {
	return func(in *dynamodb.UpdateItemInput) { in.ExpressionAttributeValues = values }
}

func naming(names map[string]string) func(*dynamodb.UpdateItemInput) {
	return func(in *dynamodb.UpdateItemInput) { in.ExpressionAttributeNames = names }
}

func returning(v types.ReturnValue) func(*dynamodb.UpdateItemInput) {
	return func(in *dynamodb.UpdateItemInput) { in.ReturnValues = v }
}

func returningOld(in *dynamodb.UpdateItemInput) {
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
}

// write stores an item with these attributes.
func (e *env) write(t *testing.T, name string, want attributes) {
	t.Helper()
	var sets []string
	values := attributes{}
	for attr, v := range want {
		sets = append(sets, attr+" = :"+attr)
		values[":"+attr] = v
	}
	_, err := e.update(name, "SET "+strings.Join(sets, ", "), where(values))
	ok(t, err)
}

// stored returns an item without its key; nil when there is none.
func (e *env) stored(t *testing.T, name string) attributes {
	t.Helper()
	out, err := e.states.GetItem(background(), &dynamodb.GetItemInput{TableName: &e.table, Key: e.key(name), ConsistentRead: aws.Bool(true)})
	ok(t, err)
	if out.Item == nil {
		return nil
	}
	delete(out.Item, "connection")
	return out.Item
}

func sameItem(t *testing.T, what string, got, want attributes) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: got %s, want %s", what, shown(got), shown(want))
	}
}

// shown is an item as text.
func shown(item attributes) string {
	if item == nil {
		return "no item"
	}
	var parts []string
	for name, v := range item {
		parts = append(parts, fmt.Sprintf("%s:%T%+v", name, v, reflect.ValueOf(v).Elem().Field(0)))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, " ") + "}"
}

// failedWith is the item that a failed condition returned.
func failedWith(t *testing.T, err error) attributes {
	t.Helper()
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want a failed condition", err)
	}
	return failed.Item
}

func itemConditions() []behaviour {
	claim := []func(*dynamodb.UpdateItemInput){provided("revision = :was"), where(attributes{":was": number("1"), ":next": number("2")})}
	return []behaviour{
		{sentence: "UpdateItem with attribute_not_exists creates an item once", aws: func(t *testing.T, e *env) {
			set := []func(*dynamodb.UpdateItemInput){provided("attribute_not_exists(revision)"), where(attributes{":one": number("1")})}
			_, err := e.update("a", "SET revision = :one", set...)
			ok(t, err)
			_, err = e.update("a", "SET revision = :one", set...)
			refused(t, err, "ConditionalCheckFailedException", "The conditional request failed")
			sameItem(t, "item", e.stored(t, "a"), attributes{"revision": number("1")})
		}},
		{sentence: "UpdateItem on a revision wins once, and a lost condition changes nothing", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"revision": number("1")})
			_, err := e.update("a", "SET revision = :next", claim...)
			ok(t, err)
			_, err = e.update("a", "SET revision = :next, note = :next", claim...)
			refused(t, err, "ConditionalCheckFailedException", "")
			_, err = e.update("none", "SET revision = :next", claim...)
			refused(t, err, "ConditionalCheckFailedException", "")
			sameItem(t, "item", e.stored(t, "a"), attributes{"revision": number("2")})
			sameItem(t, "the other", e.stored(t, "none"), nil)
		}},
		{sentence: "Of twenty equal writes on a revision at once one wins", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"revision": number("1")})
			var won atomic.Int32
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if _, err := e.update("a", "SET revision = :next", claim...); err == nil {
						won.Add(1)
					}
				})
			}
			wg.Wait()
			equal(t, "won", won.Load(), 1)
		}},
		{
			sentence: "A lost condition returns the item if ALL_OLD is wanted, and only then",
			aws: func(t *testing.T, e *env) {
				item := attributes{"revision": number("7"), "lease": fields(attributes{"owner_id": text("x")})}
				e.write(t, "a", item)
				_, err := e.update("a", "SET revision = :next", append(claim, returningOld)...)
				old := failedWith(t, err)
				equal(t, "key", old["connection"].(*types.AttributeValueMemberS).Value, e.item("a"))
				delete(old, "connection")
				sameItem(t, "item returned", old, item)
				_, err = e.update("a", "SET revision = :next", claim...)
				equal(t, "attributes returned", len(failedWith(t, err)), 0)
				_, err = e.update("none", "SET revision = :next", append(claim, returningOld)...)
				equal(t, "attributes of no item", len(failedWith(t, err)), 0)
			},
			dynalite: func(t *testing.T, e *env) { // knows no ReturnValuesOnConditionCheckFailure
				e.write(t, "a", attributes{"revision": number("7")})
				_, err := e.update("a", "SET revision = :next", append(claim, returningOld)...)
				equal(t, "attributes returned", len(failedWith(t, err)), 0)
			},
		},
		{sentence: "Conditions compare, nest and combine", aws: everyCondition()},
		{
			sentence: "An order between values of two types is false",
			aws: func(t *testing.T, e *env) {
				for _, sign := range []string{"<", "<=", ">", ">="} {
					refused(t, e.compareTypes(t, sign), "ConditionalCheckFailedException", "")
				}
			},
			moto: func(t *testing.T, e *env) { // breaks
				equal(t, "status", status(e.compareTypes(t, "<")), 500)
			},
		},
		{sentence: "DeleteItem with a condition deletes only if that holds, and deletes a missing item", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"revision": number("1")})
			drop := func(name, revision string) (*dynamodb.DeleteItemOutput, error) {
				return e.states.DeleteItem(background(), &dynamodb.DeleteItemInput{
					TableName: &e.table, Key: e.key(name), ConditionExpression: aws.String("revision = :was"),
					ExpressionAttributeValues: attributes{":was": number(revision)}, ReturnValues: types.ReturnValueAllOld,
				})
			}
			_, err := drop("a", "2")
			refused(t, err, "ConditionalCheckFailedException", "")
			out, err := drop("a", "1")
			ok(t, err)
			equal(t, "attributes returned", len(out.Attributes), 2)
			sameItem(t, "item", e.stored(t, "a"), nil)
			_, err = drop("a", "1")
			refused(t, err, "ConditionalCheckFailedException", "")
			_, err = e.states.DeleteItem(background(), &dynamodb.DeleteItemInput{TableName: &e.table, Key: e.key("a")})
			ok(t, err)
		}},
		{
			sentence: "A lost condition of DeleteItem returns the item if ALL_OLD is wanted",
			aws: func(t *testing.T, e *env) {
				sameItem(t, "item returned", e.lostDelete(t), attributes{"connection": text(e.item("a")), "revision": number("1")})
			},
			dynalite: func(t *testing.T, e *env) { sameItem(t, "item returned", e.lostDelete(t), nil) }, // never does
		},
	}
}

func (e *env) lostDelete(t *testing.T) attributes {
	t.Helper()
	e.write(t, "a", attributes{"revision": number("1")})
	_, err := e.states.DeleteItem(background(), &dynamodb.DeleteItemInput{
		TableName: &e.table, Key: e.key("a"), ConditionExpression: aws.String("attribute_not_exists(revision)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return failedWith(t, err)
}

// compareTypes compares a number with a text.
func (e *env) compareTypes(t *testing.T, sign string) error {
	t.Helper()
	e.write(t, "a", attributes{"n": number("10")})
	_, err := e.update("a", "REMOVE m", provided("n "+sign+" :b"), where(attributes{":b": text("b")}))
	return err
}

// everyCondition tries all conditions on one item.
func everyCondition() func(t *testing.T, e *env) {
	list := &types.AttributeValueMemberL{Value: []types.AttributeValue{text("x")}}
	item := attributes{
		"ten": number("10"), "word": text("b"), "yes": &types.AttributeValueMemberBOOL{Value: true}, "blank": text(""),
		"box": fields(attributes{"inside": fields(attributes{"n": number("5")}), "list_of": list}),
	}
	values := attributes{
		":one": number("1"), ":nine": number("9"), ":ten": number("10.0"), ":b": text("b"), ":aa": text("aa"), ":N": text("N"), ":M": text("M"),
		":yes": &types.AttributeValueMemberBOOL{Value: true}, ":text10": text("10"),
	}
	return func(t *testing.T, e *env) {
		e.write(t, "a", item)
		for _, row := range conditionRows() {
			change := []func(*dynamodb.UpdateItemInput){provided(row.condition)}
			if used := usedIn(row.condition, values); len(used) > 0 {
				change = append(change, where(used))
			}
			_, err := e.update("a", "REMOVE nothing_there", change...)
			var failed *types.ConditionalCheckFailedException
			switch {
			case err != nil && !errors.As(err, &failed):
				t.Errorf("%s: %v", row.condition, err)
			case (err == nil) != row.holds:
				t.Errorf("%s: got %v, want %v", row.condition, err == nil, row.holds)
			}
		}
	}
}

// usedIn are the values that a condition names.
func usedIn(condition string, values attributes) attributes {
	words := strings.FieldsFunc(condition, func(r rune) bool { return strings.ContainsRune(" ,()", r) })
	used := attributes{}
	for _, word := range words {
		if v, ok := values[word]; ok {
			used[word] = v
		}
	}
	return used
}

type conditionRow struct {
	condition string
	holds     bool
}

func conditionRows() []conditionRow {
	return []conditionRow{
		{"ten = :ten", true},
		{"ten = :text10", false},
		{"ten > :nine", true}, // as numbers, not as text
		{"ten < :nine", false},
		{"ten >= :ten", true},
		{"ten <= :ten", true},
		{"ten <> :ten", false},
		{"ten <> :text10", true},
		{":nine < ten", true},
		{"word = :b", true},
		{"word > :aa", true},
		{"word < :aa", false},
		{"yes = :yes", true},
		{"absent = :one", false},
		{"absent < :one", false},
		{"absent > :one", false},
		{"absent <> :one", true},
		{"NOT absent <> :one", false},
		{"NOT absent = :one", true},
		{"NOT absent < :one", true},
		{"box.inside.n < :nine", true},
		{"box.inside.n = :nine", false},
		{"box.inside.deep.x <> :one", true},
		{"word.inside < :one", false},
		{"attribute_exists(box.inside)", true},
		{"attribute_exists(box.inside.absent)", false},
		{"attribute_exists(word.inside)", false},
		{"attribute_not_exists(absent)", true},
		{"attribute_not_exists(absent.inside)", true},
		{"attribute_not_exists(ten)", false},
		{"attribute_exists(blank)", true},
		{"attribute_type(ten, :N)", true},
		{"attribute_type(word, :N)", false},
		{"attribute_type(box, :M)", true},
		{"attribute_type(box.inside.n, :N)", true},
		{"attribute_type(absent, :N)", false},
		{"NOT attribute_type(absent, :N)", true},
		{"NOT attribute_type(word.inside, :N)", true},
		{"NOT attribute_type(ten, :N) OR ten < :nine", false},
		{"NOT attribute_type(ten, :N) OR ten > :nine", true},
		{"attribute_exists(absent) OR attribute_exists(ten) AND attribute_exists(absent)", false},
		{"attribute_exists(ten) OR attribute_exists(absent) AND attribute_exists(absent)", true},
		{"(attribute_exists(ten) OR attribute_exists(absent)) AND attribute_exists(absent)", false},
		{"NOT attribute_exists(absent) AND attribute_exists(ten)", true},
		{"NOT (attribute_exists(absent) OR attribute_exists(ten))", false},
		{"not attribute_exists(absent) and (ten = :ten or ten = :one)", true},
	}
}
