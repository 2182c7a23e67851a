// Package ssmstore writes tokens, account ids and failure sentences to AWS Systems Manager Parameter Store and reads back what is there.
//
// Names are <prefix>/<connection>/<kind> (contract.md section 2). Nothing here decrypts, and the value of a token is never kept.
package ssmstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Limits of the API, from its reference (read 2026-11-22).
const (
	namesPerGet    = 10 // GetParameters
	namesPerDelete = 10 // DeleteParameters
	maxName        = 1011
	maxLevels      = 15
)

const defaultCallTimeout = 10 * time.Second

// API is the part of *ssm.Client that the store uses.
type API interface {
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
	// KMSKeyID encrypts the tokens: the id, ARN or alias of a key. "" means the key that SSM takes by itself, alias/aws/ssm.
	KMSKeyID string
	// CallTimeout bounds each call with all its attempts, also when the caller's context has no end. Zero means 10 seconds.
	CallTimeout time.Duration
}

// Store reads and writes the parameters under one prefix. It keeps no state between calls and may be used by many goroutines.
type Store struct {
	client  API
	prefix  string
	keyID   string // "": requests have no KeyId
	timeout time.Duration
}

var (
	prefixPattern = regexp.MustCompile(`^(/[a-zA-Z0-9_.-]+)+$`)
	keyPattern    = regexp.MustCompile(`^[a-zA-Z0-9:/_-]*$`) // and maxKeyID: compiling {0,256} takes 0.2 ms of every cold start
)

// maxKeyID is the highest number of characters of a key's id, ARN or alias.
const maxKeyID = 256

// defaultKey is the alias of the key that SSM takes when a request has no KeyId. The alias does not exist in a region where that key was
// never used, so a request that names it could fail there.
const defaultKey = "alias/aws/ssm"

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
		faults = append(faults, fmt.Errorf("key %q must be a key id, ARN or alias", c.KMSKeyID))
	}
	if c.CallTimeout < 0 {
		faults = append(faults, fmt.Errorf("call time-out %v must not be negative", c.CallTimeout))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("configure ssmstore: %w", err)
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = defaultCallTimeout
	}
	if c.KMSKeyID == defaultKey {
		c.KMSKeyID = ""
	}
	return &Store{client: c.Client, prefix: c.Prefix, keyID: c.KMSKeyID, timeout: c.CallTimeout}, nil
}

// checkPrefix returns an error for a prefix that SSM would refuse in every name.
func checkPrefix(prefix string) error {
	if !prefixPattern.MatchString(prefix) {
		return fmt.Errorf("prefix %q must begin with / and not end with one, with a-z A-Z 0-9 _ . - between", prefix)
	}
	if strings.Count(prefix, "/") > maxPrefixLevels {
		return fmt.Errorf("prefix %q must have at most %d levels", prefix, maxPrefixLevels)
	}
	if first := strings.ToLower(prefix[1:]); strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm") {
		return fmt.Errorf("prefix %q must not begin with aws or ssm, which AWS reserves", prefix)
	}
	return nil
}

// within bounds one call. The deadline is the store's own, because a write under context.WithoutCancel has no other.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}
