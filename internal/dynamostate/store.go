// Package dynamostate keeps the state of connections in one DynamoDB table: one item for each connection, changed by conditional writes only
// (contract.md section 2). An item holds no secret.
package dynamostate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
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
	Client      API           // usually a *dynamodb.Client, with its own retryer
	Table       string        // name or ARN
	CallTimeout time.Duration // of one call with all its attempts; 0 means 10 s
	Now         func() time.Time
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
		faults = append(faults, fmt.Errorf("call time-out %v is negative", c.CallTimeout))
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

func (s *Store) failed(op, connection string, err error) error {
	return awserr.New(op, s.table+" "+connection, err, meaning)
}

// meaning is the table of what DynamoDB's error codes mean.
func meaning(r awserr.Response) error {
	switch {
	case r.Throttled(), r.Code == "RequestLimitExceeded":
		return store.ErrThrottled
	case r.Code == (&types.ResourceNotFoundException{}).ErrorCode():
		return store.ErrNotFound
	case r.Code == "AccessDeniedException", r.Code == "AccessDenied":
		return store.ErrAccessDenied
	}
	return store.ErrUnavailable
}
