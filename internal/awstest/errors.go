package awstest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// errNotAString keeps encoding/json from quoting a value in its own error.
var errNotAString = errors.New("not a string")

// apiError is an error as AWS JSON 1.1 sends it.
type apiError struct {
	status        int
	code, message string
	item          item // of a ConditionalCheckFailedException, when the caller wants it
}

// refuse is an error of status 400, which is what both services answer to every fault of the caller.
func refuse(code, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: message}
}

// invalid is the ValidationException of a constraint of the service's model. AWS quotes the value; a fake that is handed secrets does not.
func invalid(field, constraint string) *apiError {
	return refuse("ValidationException", "1 validation error detected: Value at '"+field+"' failed to satisfy constraint: "+constraint)
}

func tooLong(field string, limit int) *apiError {
	return invalid(field, "Member must have length less than or equal to "+strconv.Itoa(limit))
}

func tooShort(field string, limit int) *apiError {
	return invalid(field, "Member must have length greater than or equal to "+strconv.Itoa(limit))
}

func throttled() *apiError { return refuse("ThrottlingException", "Rate exceeded") }

// encode writes the body of the error. DynamoDB puts a name space before the code.
func (e *apiError) encode(table bool) []byte {
	body := map[string]any{"__type": e.code, "message": e.message}
	if table {
		body["__type"] = tableErrorSpace(e.code) + e.code
	}
	if e.item != nil {
		body["Item"] = e.item
	}
	b, err := json.Marshal(body)
	if err != nil {
		return []byte(`{}`)
	}
	return b
}

func tableErrorSpace(code string) string {
	switch code {
	case "ValidationException":
		return "com.amazon.coral.validate#"
	case "AccessDeniedException", "SerializationException", "ThrottlingException", "UnknownOperationException":
		return "com.amazon.coral.service#"
	}
	return "com.amazonaws.dynamodb.v20120810#"
}
