// Package ssmstore publishes tokens as SSM parameters and reads back what was published: the implementation of
// [refresh.Parameters] over AWS Systems Manager Parameter Store.
//
// Names are <prefix>/<connection>/<kind> (contract.md section 2). Nothing here decrypts, and no value that was read is kept,
// but for the account id, which is no secret.
package ssmstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// Limits of the API, from its reference (read 2026-11-22).
const (
	pageSize      = 50 // DescribeParameters, MaxResults
	namesPerGet   = 10 // GetParameters
	namesPerQuery = 50 // values of one filter of DescribeParameters
	namesPerDrop  = 10 // DeleteParameters
)

const defaultCallTimeout = 10 * time.Second

// API is the part of *ssm.Client that the store uses.
type API interface {
	DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput, opts ...func(*ssm.Options)) (*ssm.DescribeParametersOutput, error)
	GetParameters(ctx context.Context, in *ssm.GetParametersInput, opts ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
	PutParameter(ctx context.Context, in *ssm.PutParameterInput, opts ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
	DeleteParameters(ctx context.Context, in *ssm.DeleteParametersInput, opts ...func(*ssm.Options)) (*ssm.DeleteParametersOutput, error)
}

// Config is what a Store needs.
type Config struct {
	// Client makes the calls, usually an *ssm.Client. Its retryer serves every call but PutParameter, which is made once.
	Client API
	// Prefix begins every name: "/oauth". It begins with a slash and does not end with one.
	Prefix string
	// KMSKeyID encrypts the tokens: "alias/aws/ssm", or the id, ARN or alias of another key.
	KMSKeyID string
	// CallTimeout bounds each call with all its attempts, also when the caller's context has no end. Zero means 10 seconds.
	CallTimeout time.Duration
}

// Store reads and writes the parameters under one prefix. It holds no state between calls and may be used by many goroutines.
type Store struct {
	client  API
	prefix  string
	keyID   string
	timeout time.Duration
}

var _ refresh.Parameters = (*Store)(nil)

var (
	prefixPattern = regexp.MustCompile(`^(/[a-zA-Z0-9_.-]+)+$`)
	keyPattern    = regexp.MustCompile(`^[a-zA-Z0-9:/_-]+$`) // and maxKeyID: a repetition of 256 costs every cold start
)

// maxKeyID is the most characters of a key's id, ARN or alias.
const maxKeyID = 256

// A name has at most 15 levels, of which a connection takes up to four and the kind one.
const maxPrefixLevels = 10

// New returns a Store, or every fault of the configuration at once.
func New(c Config) (*Store, error) {
	var faults []error
	if c.Client == nil {
		faults = append(faults, errors.New("the client is missing"))
	}
	faults = append(faults, checkPrefix(c.Prefix))
	if !keyPattern.MatchString(c.KMSKeyID) || len(c.KMSKeyID) > maxKeyID {
		faults = append(faults, fmt.Errorf("key %q is no key id, ARN or alias", c.KMSKeyID))
	}
	if c.CallTimeout < 0 {
		faults = append(faults, fmt.Errorf("call time-out %v is negative", c.CallTimeout))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("configure ssmstore: %w", err)
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = defaultCallTimeout
	}
	return &Store{client: c.Client, prefix: c.Prefix, keyID: c.KMSKeyID, timeout: c.CallTimeout}, nil
}

// checkPrefix refuses what SSM would refuse in every name that begins with it.
func checkPrefix(prefix string) error {
	if !prefixPattern.MatchString(prefix) {
		return fmt.Errorf("prefix %q: it begins with / and does not end with one, with a-z A-Z 0-9 _ . - between", prefix)
	}
	if strings.Count(prefix, "/") > maxPrefixLevels {
		return fmt.Errorf("prefix %q has more than %d levels", prefix, maxPrefixLevels)
	}
	if first := strings.ToLower(prefix[1:]); strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm") {
		return fmt.Errorf("prefix %q: names that begin with aws or ssm are reserved", prefix)
	}
	return nil
}

// within bounds one call. The deadline is the store's own, because a write under context.WithoutCancel has no other.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}
