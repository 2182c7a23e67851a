// Package smsecret reads and changes secrets of AWS Secrets Manager: [Store] reads connections, [Versions] changes versions for a rotation.
//
// A connection is the secret <prefix><connection> (contract.md section 1).
package smsecret

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Limits of the API, from its reference (read 2026-11-22).
const (
	pageSize        = 100 // ListSecrets, MaxResults
	secretsPerBatch = 20  // BatchGetSecretValue, SecretIdList
)

const defaultCallTimeout = 10 * time.Second

// API is the part of *secretsmanager.Client that the store uses.
type API interface {
	ListSecrets(ctx context.Context, in *secretsmanager.ListSecretsInput,
		opts ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error)
	DescribeSecret(ctx context.Context, in *secretsmanager.DescribeSecretInput,
		opts ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	BatchGetSecretValue(ctx context.Context, in *secretsmanager.BatchGetSecretValueInput,
		opts ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error)
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput,
		opts ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Config is what a Store needs.
type Config struct {
	// Client makes the calls, usually a *secretsmanager.Client, with its own retryer.
	Client API
	// Prefix begins every name: "oauth/". It ends with a slash.
	Prefix string
	// CallTimeout bounds each call with all its attempts, also when the caller's context has no end. Zero means 10 seconds.
	CallTimeout time.Duration
}

// Store reads the secrets under one prefix. It keeps no state between calls and may be used by many goroutines.
type Store struct {
	client  API
	prefix  string
	timeout time.Duration
}

// prefixPattern is what both a secret's name and a filter of ListSecrets allow, in front of the connection's 255 characters; and
// maxPrefix: compiling {0,255} takes 0.2 ms of every cold start.
var prefixPattern = regexp.MustCompile(`^[a-zA-Z0-9/_+=.@-]*/$`)

const maxPrefix = 256

// New returns a Store, or every fault of the configuration at once.
func New(c Config) (*Store, error) {
	var faults []error
	if c.Client == nil {
		faults = append(faults, errors.New("the client is missing"))
	}
	if !prefixPattern.MatchString(c.Prefix) || len(c.Prefix) > maxPrefix {
		faults = append(faults, fmt.Errorf("prefix %q must end with /, with a-z A-Z 0-9 / _ + = . @ - before", c.Prefix))
	}
	if c.CallTimeout < 0 {
		faults = append(faults, fmt.Errorf("call time-out %v must not be negative", c.CallTimeout))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("configure smsecret: %w", err)
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = defaultCallTimeout
	}
	return &Store{client: c.Client, prefix: c.Prefix, timeout: c.CallTimeout}, nil
}

// within bounds one call.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}
