package dynamostate

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
)

// failed makes the error of a call. connection is empty for a call about the whole table.
func (s *Store) failed(op, connection string, err error) error {
	fault := awserr.New(op, s.subject(connection), err, kindOf)
	switch {
	case errors.Is(fault, store.ErrNotFound):
		return fault.Explain("the table does not exist in this account and region; set STATE_TABLE to the table of the stack")
	case errors.Is(fault, store.ErrAccessDenied):
		return fault.Explain("allow this call on the table in the role of the function, and the use of the table's KMS key if it has one")
	}
	return fault
}

// subject names the table, and the connection if there is one.
func (s *Store) subject(connection string) string {
	if connection == "" {
		return s.table
	}
	return s.table + " " + connection
}

// kindOf says what a response of DynamoDB means. Anything that it does not name is tried again later.
func kindOf(r awserr.Response) error {
	switch {
	case r.Throttled():
		return store.ErrThrottled
	case r.Code == (&types.ResourceNotFoundException{}).ErrorCode():
		return store.ErrNotFound
	case r.Code == "AccessDeniedException", r.Code == "AccessDenied":
		return store.ErrAccessDenied
	}
	return store.ErrUnavailable
}

func inFlight(what, connection string) error {
	return fmt.Errorf("%s %s: %w", what, connection, store.ErrInFlight)
}

func leaseLost(what, connection string) error {
	return fmt.Errorf("%s %s: %w", what, connection, store.ErrLeaseLost)
}

func newer(connection string) error {
	return fmt.Errorf("item of %s: %w; update this function", connection, store.ErrNewer)
}

// conditionFailed reports whether the condition of a write was false, and returns the item that is there; nil when there is none.
func conditionFailed(err error) (map[string]types.AttributeValue, bool) {
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return nil, false
	}
	return failed.Item, true
}
