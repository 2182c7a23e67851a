package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func itemUpdates() []behaviour {
	return []behaviour{
		{sentence: "SET and REMOVE in one expression, and removing what is not there", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"keep": text("k"), "former": text("o")})
			_, err := e.update("a", "SET fresh = :f REMOVE former, never", where(attributes{":f": text("f")}))
			ok(t, err)
			sameItem(t, "item", e.stored(t, "a"), attributes{"keep": text("k"), "fresh": text("f")})
		}},
		{sentence: "An update without an item makes one", aws: func(t *testing.T, e *env) {
			_, err := e.update("a", "REMOVE never")
			ok(t, err)
			sameItem(t, "item", e.stored(t, "a"), attributes{})
		}},
		{sentence: "Values come from the item as it was", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"x": text("1"), "y": text("2")})
			_, err := e.update("a", "SET x = y, y = x")
			ok(t, err)
			sameItem(t, "item", e.stored(t, "a"), attributes{"x": text("2"), "y": text("1")})
		}},
		{sentence: "SET adds and subtracts numbers", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"n": number("40"), "m": number("0.5")})
			_, err := e.update("a", "SET n = n + :two, m = :two - m", where(attributes{":two": number("2")}))
			ok(t, err)
			sameItem(t, "item", e.stored(t, "a"), attributes{"n": number("42"), "m": number("1.5")})
		}},
		{
			sentence: "SET refuses sums with what is no number",
			aws: func(t *testing.T, e *env) {
				e.write(t, "a", attributes{"w": text("x")})
				_, err := e.update("a", "SET w = w + :two", where(attributes{":two": number("2")}))
				refused(t, err, "ValidationException", "An operand in the update expression has an incorrect data type")
			},
			moto: func(t *testing.T, e *env) { // says what AWS says of a value of the request
				e.write(t, "a", attributes{"w": text("x")})
				_, err := e.update("a", "SET w = w + :two", where(attributes{":two": number("2")}))
				refused(t, err, "ValidationException", "Incorrect operand type for operator or function; operator or function: +")
			},
		},
		{sentence: "SET refuses what does not exist", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"w": text("x")})
			_, err := e.update("a", "SET n = n + :two", where(attributes{":two": number("2")}))
			refused(t, err, "ValidationException", "refers to an attribute that does not exist in the item")
			_, err = e.update("a", "SET w = v")
			refused(t, err, "ValidationException", "refers to an attribute that does not exist in the item")
		}},
		{sentence: "SET and REMOVE reach into maps", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"lease": fields(attributes{"id": text("x"), "end": number("1")})})
			_, err := e.update("a", "SET lease.id = :y REMOVE lease.#end", where(attributes{":y": text("y")}), naming(map[string]string{"#end": "end"}))
			ok(t, err)
			sameItem(t, "item", e.stored(t, "a"), attributes{"lease": fields(attributes{"id": text("y")})})
		}},
		{
			sentence: "SET and REMOVE refuse a path into a text",
			aws: func(t *testing.T, e *env) {
				e.write(t, "a", attributes{"w": text("x")})
				for _, expression := range []string{"SET w.inside = w", "REMOVE w.inside"} {
					_, err := e.update("a", expression)
					refused(t, err, "ValidationException", "The document path provided in the update expression is invalid for update")
				}
			},
			moto: func(t *testing.T, e *env) { // leaves the text alone
				e.write(t, "a", attributes{"w": text("x")})
				_, err := e.update("a", "SET w.inside = w")
				ok(t, err)
				sameItem(t, "item", e.stored(t, "a"), attributes{"w": text("x")})
			},
		},
		{sentence: "SET refuses a path into what does not exist", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"w": text("x")})
			_, err := e.update("a", "SET absent.inside = w")
			refused(t, err, "ValidationException", "The document path provided in the update expression is invalid for update")
		}},
		{sentence: "UpdateItem returns the item before or after, or nothing", aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"n": number("1")})
			before, err := e.update("a", "SET n = :v", where(attributes{":v": number("2")}), returning(types.ReturnValueAllOld))
			ok(t, err)
			after, err := e.update("a", "SET n = :v", where(attributes{":v": number("3")}), returning(types.ReturnValueAllNew))
			ok(t, err)
			nothing, err := e.update("a", "SET n = :v", where(attributes{":v": number("4")}))
			ok(t, err)
			key := text(e.item("a"))
			sameItem(t, "before", before.Attributes, attributes{"connection": key, "n": number("1")})
			sameItem(t, "after", after.Attributes, attributes{"connection": key, "n": number("3")})
			equal(t, "attributes", len(nothing.Attributes), 0)
		}},
		{
			sentence: "Numbers come back without zeros and exponents that mean nothing",
			aws:      normalNumbers("7", "100", "1.5", "-0.001"),
			moto:     normalNumbers("007", "1e2", "1.50", "-1E-3"), // keeps them as they were written
		},
		{sentence: "Values of every type come back as they were written", aws: func(t *testing.T, e *env) {
			item := attributes{
				"s": text("é\n\"<&>"), "blank": text(""), "n": number("-5"), "b": &types.AttributeValueMemberB{Value: []byte{0, 255}},
				"yes": &types.AttributeValueMemberBOOL{Value: true}, "nay": &types.AttributeValueMemberBOOL{},
				"nothing": &types.AttributeValueMemberNULL{Value: true},
				"ss":      &types.AttributeValueMemberSS{Value: []string{"only"}}, "ns": &types.AttributeValueMemberNS{Value: []string{"5"}},
				"list_of": &types.AttributeValueMemberL{Value: []types.AttributeValue{text("x"), number("1"), fields(attributes{})}},
				"m":       fields(attributes{"m": fields(attributes{"s": text("deep")})}),
			}
			e.write(t, "a", item)
			sameItem(t, "item", e.stored(t, "a"), item)
		}},
	}
}

func normalNumbers(want ...string) func(t *testing.T, e *env) {
	return func(t *testing.T, e *env) {
		written, read := attributes{}, attributes{}
		for i, n := range []string{"007", "1e2", "1.50", "-1E-3"} {
			written[fmt.Sprint("n", i)], read[fmt.Sprint("n", i)] = number(n), number(want[i])
		}
		e.write(t, "a", written)
		sameItem(t, "item", e.stored(t, "a"), read)
	}
}

// How a backend may differ where AWS refuses a write; any other text is a part of the message that it has instead.
const (
	accepts = "accepts it"
	breaks  = "answers with status 500"
)

// fault is a write that is refused.
type fault struct {
	what           string
	code, text     string
	write          func(e *env) error
	moto, dynalite string // how they differ; "" where they do not
}

func itemFaults() []behaviour {
	var rows []behaviour
	for _, f := range faults() {
		row := behaviour{sentence: "Refused: " + f.what, aws: func(t *testing.T, e *env) {
			e.write(t, "a", attributes{"n": number("1")})
			refused(t, f.write(e), f.code, f.text)
		}}
		if f.moto != "" {
			row.moto = f.differently(f.moto)
		}
		if f.dynalite != "" {
			row.dynalite = f.differently(f.dynalite)
		}
		rows = append(rows, row)
	}
	return rows
}

func (f fault) differently(how string) func(t *testing.T, e *env) {
	return func(t *testing.T, e *env) {
		e.write(t, "a", attributes{"n": number("1")})
		err := f.write(e)
		switch how {
		case accepts:
			ok(t, err)
		case breaks:
			equal(t, "status", status(err), 500)
		default:
			refused(t, err, f.code, how)
		}
	}
}

// attempt is an UpdateItem whose result does not matter.
func attempt(expression string, change ...func(*dynamodb.UpdateItemInput)) func(e *env) error {
	return func(e *env) error {
		_, err := e.update("a", expression, change...)
		return err
	}
}

func withKey(key attributes) func(*dynamodb.UpdateItemInput) {
	return func(in *dynamodb.UpdateItemInput) { in.Key = key }
}

func faults() []fault {
	v := where(attributes{":v": number("1")})
	const validation = "ValidationException"
	return []fault{
		{what: "an unknown table", code: "ResourceNotFoundException", text: "Requested resource not found",
			write: attempt("SET m = :v", v, func(in *dynamodb.UpdateItemInput) { *in.TableName += "-not" })},
		{what: "a key of another type", code: validation, moto: "Type mismatch for key connection expected: S actual: N", text: "does not match the schema",
			write: attempt("SET m = :v", v, withKey(attributes{"connection": number("1")}))},
		{what: "a key with another name", code: validation, text: "does not match the schema",
			write: attempt("SET m = :v", v, withKey(attributes{"other": text("a")}))},
		{what: "a key with two attributes", code: validation, text: "does not match the schema",
			write: attempt("SET m = :v", v, withKey(attributes{"connection": text("a"), "other": text("a")}))},
		{what: "an empty key", code: validation, moto: accepts, text: "cannot contain an empty string value. Key: connection",
			write: attempt("SET m = :v", v, withKey(attributes{"connection": text("")}))},
		{what: "an item over 400 kB", code: validation, text: "Item size to update has exceeded the maximum allowed size",
			write: attempt("SET m = :v", where(attributes{":v": text(strings.Repeat("x", 400<<10))}))},
		{what: "the key as what is updated", code: validation, text: "Cannot update attribute connection. This attribute is part of the key",
			write: attempt("SET #c = :v", v, naming(map[string]string{"#c": "connection"}))},
		{what: "a value that no expression uses", code: validation, text: "Value provided in ExpressionAttributeValues unused in expressions",
			write: attempt("SET m = :v", where(attributes{":v": number("1"), ":w": number("1")}))},
		{what: "a name that no expression uses", code: validation, text: "Value provided in ExpressionAttributeNames unused in expressions",
			write: attempt("SET m = :v", v, naming(map[string]string{"#n": "n"}))},
		{what: "a value that is not given", code: validation, text: "attribute value: :w",
			write: attempt("SET m = :v, o = :w", v)},
		{what: "a name that is not given", code: validation, moto: breaks, text: "attribute name: #m", write: attempt("SET #m = :v", v)},
		{what: "a value in a condition that is not given", code: validation, moto: breaks, text: "attribute value: :w",
			write: attempt("SET m = :v", v, provided("n = :w"))},
		{what: "no values at all", code: validation, text: "ExpressionAttributeValues must not be empty",
			write: attempt("REMOVE m", where(attributes{}))},
		{what: "an empty expression", code: validation, text: "The expression can not be empty", write: attempt("")},
		{what: "a reserved word as a name", code: validation, text: "reserved keyword: owner", write: attempt("SET owner = :v", v)},
		{what: "a reserved word in a condition", code: validation, text: "reserved keyword: schema",
			write: attempt("REMOVE m", provided("attribute_exists(schema)"))},
		{what: "SET twice", code: validation, text: "section can only be used once", write: attempt("SET m = :v SET o = :v", v)},
		{what: "a path twice", code: validation, text: "Two document paths overlap", write: attempt("SET m = :v REMOVE m", v)},
		{what: "a path within another", code: validation, text: "Two document paths overlap", write: attempt("SET m.x = :v, m = :v", v)},
		{what: "an update that is no expression", code: validation, text: "Syntax error", write: attempt("m = :v", v)},
		{what: "an update that ends early", code: validation, text: "Syntax error", write: attempt("SET m =")},
		{what: "a condition that ends early", code: validation, moto: breaks, text: "Syntax error",
			write: attempt("REMOVE m", provided("attribute_exists(n) AND"))},
		{what: "a condition with too much", code: validation, moto: breaks, text: "Syntax error",
			write: attempt("REMOVE m", provided("attribute_exists(n) n"))},
		{what: "a condition without a comparison", code: validation, moto: breaks, text: "Syntax error", write: attempt("REMOVE m", provided("n"))},
		{what: "a comparison with itself", code: validation, moto: accepts, text: "The first operand must be distinct from the remaining operands",
			write: attempt("REMOVE m", provided("n = n"))},
		{what: "parentheses that mean nothing", code: validation, text: "redundant parentheses",
			write: attempt("REMOVE m", provided("((attribute_exists(n)))"))},
		{what: "a function that does not exist", code: validation, moto: breaks, text: "Invalid function name; function: attribute_exist",
			write: attempt("REMOVE m", provided("attribute_exist(n)"))},
		{what: "a number that is none", code: validation, moto: accepts, text: "cannot be converted to a numeric value",
			write: attempt("SET m = :v", where(attributes{":v": number("one")}))},
		{what: "a number of 39 digits", code: validation, moto: accepts, text: "more than 38 significant digits",
			write: attempt("SET m = :v", where(attributes{":v": number(strings.Repeat("1", 39))}))},
		{what: "a number that is too large", code: validation, moto: accepts, text: "Number overflow",
			write: attempt("SET m = :v", where(attributes{":v": number("1e126")}))},
		{what: "an empty set", code: validation, moto: accepts, text: "may not be empty",
			write: attempt("SET m = :v", where(attributes{":v": &types.AttributeValueMemberSS{Value: []string{}}}))},
		{what: "a set with a member twice", code: validation, moto: accepts, text: "contains duplicates",
			write: attempt("SET m = :v", where(attributes{":v": &types.AttributeValueMemberSS{Value: []string{"x", "x"}}}))},
		{what: "a DeleteItem that is to return what there is after it", code: validation, text: "Return values set to invalid value",
			dynalite: accepts, write: func(e *env) error {
				_, err := e.states.DeleteItem(background(), &dynamodb.DeleteItemInput{
					TableName: &e.table, Key: e.key("a"), ReturnValues: types.ReturnValueAllNew,
				})
				return err
			}},
	}
}
