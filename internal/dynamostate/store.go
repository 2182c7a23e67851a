// Package dynamostate keeps the state of connections in one DynamoDB table: one item for each connection, changed by conditional writes only
// (contract.md section 2). An item holds no secret.
//
// Each write may be repeated by the SDK after its response was lost. DynamoDB then returns the item beside the failed condition
// (ReturnValuesOnConditionCheckFailure), and a write that finds exactly what it was to write has succeeded.
package dynamostate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// API is the part of *dynamodb.Client that a Store uses.
type API interface {
	UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	Scan(ctx context.Context, in *dynamodb.ScanInput, opts ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// Config is what a Store needs.
type Config struct {
	Client      API              // usually a *dynamodb.Client, whose retryer serves every call
	Table       string           // name or ARN
	Now         func() time.Time // nil means time.Now
	CallTimeout time.Duration    // of one call with all its attempts, also when the caller's context has no end; 0 means 10 s
}

// Store reads and writes items. It keeps nothing between calls and is safe for concurrent use.
type Store struct {
	client  API
	table   string
	timeout time.Duration
	now     func() time.Time
}

const defaultCallTimeout = 10 * time.Second

var tablePattern = regexp.MustCompile(`^[a-zA-Z0-9_.:/-]{3,}$`)

// New returns a Store, or every fault of the configuration at once.
func New(c Config) (*Store, error) {
	var faults []error
	if c.Client == nil {
		faults = append(faults, errors.New("the client is missing"))
	}
	if !tablePattern.MatchString(c.Table) {
		faults = append(faults, fmt.Errorf("table %q must be the name or ARN of a table", c.Table))
	}
	if c.CallTimeout < 0 {
		faults = append(faults, fmt.Errorf("call time-out %v must not be negative", c.CallTimeout))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("configure dynamostate: %w", err)
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = defaultCallTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Store{client: c.Client, table: c.Table, timeout: c.CallTimeout, now: c.Now}, nil
}

// within bounds one call.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}
