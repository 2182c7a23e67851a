// Package conformance is one table of what Parameter Store, Secrets Manager and DynamoDB do, run through the real AWS SDK against a backend:
// the project's own fake, moto, and for DynamoDB dynalite too. A fake that passes where the others pass can be trusted where they have nothing.
//
// Where moto 5.2.1 or dynalite 4.0.0 is known to be wrong, the entry says so and asserts for it that it is still wrong in that way, so that a
// version which was put right is noticed.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Backend is what the table is run against.
type Backend struct {
	// Config reaches it: region, credentials, HTTP client, and BaseEndpoint if it is on a port.
	Config aws.Config

	// Prefix sets the names of this run apart from those of any other on the same backend: letters and digits.
	Prefix string

	// Table is a DynamoDB table that exists, with the partition key "connection" of type S. Other runs may have items in it.
	Table string

	// Moto and Dynalite say what the backend is. Its known differences are then asserted instead.
	Moto, Dynalite bool
}

// behaviour is one entry of the table.
type behaviour struct {
	sentence string
	aws      func(t *testing.T, e *env)

	// moto and dynalite assert how they differ; nil where they do not.
	moto, dynalite func(t *testing.T, e *env)
}

// Run runs the table, one subtest per behaviour.
func Run(t *testing.T, b Backend) {
	t.Helper()
	run(t, b, slices.Concat(parameterWrites(), parameterReads(), parameterListings(), secretVersions(), secretStages(), secretReads(), secretLives()))
	RunTable(t, b)
}

// RunTable runs the part of the table that is about DynamoDB.
func RunTable(t *testing.T, b Backend) {
	t.Helper()
	run(t, b, slices.Concat(itemConditions(), itemUpdates(), itemReads(), itemScans(), itemFaults()))
}

func run(t *testing.T, b Backend, rows []behaviour) {
	t.Helper()
	for i, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			e := newEnv(t, b, i)
			switch {
			case b.Moto && row.moto != nil:
				row.moto(t, e)
			case b.Dynalite && row.dynalite != nil:
				row.dynalite(t, e)
			default:
				row.aws(t, e)
			}
		})
	}
}

// env is what one behaviour works with: clients, and names of its own.
type env struct {
	ssm     *ssm.Client
	secrets *secretsmanager.Client
	states  *dynamodb.Client
	table   string
	id      string
	last    *recorder
}

func newEnv(t *testing.T, b Backend, i int) *env {
	t.Helper()
	cfg := b.Config.Copy()
	client := cfg.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	rec := &recorder{next: client}
	cfg.HTTPClient = rec
	cfg.RetryMaxAttempts = 1
	return &env{
		ssm: ssm.NewFromConfig(cfg), secrets: secretsmanager.NewFromConfig(cfg), states: dynamodb.NewFromConfig(cfg),
		table: b.Table, id: fmt.Sprintf("%sx%d", b.Prefix, i), last: rec,
	}
}

// parameter, secret and item name something of this behaviour's own.
func (e *env) parameter(name string) string { return "/conf/" + e.id + "/" + name }
func (e *env) secret(name string) string    { return "conf/" + e.id + "/" + name }
func (e *env) item(name string) string      { return "conf/" + e.id + "/" + name }

// recorder keeps the bodies of all responses: what the SDK drops is part of a behaviour too.
type recorder struct {
	next aws.HTTPClient

	mu   sync.Mutex
	body []byte
}

// Do sends the request and reads the answer.
func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	resp, err := r.next.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return nil, fmt.Errorf("close answer: %w", err)
	}
	r.mu.Lock()
	r.body = append(r.body, body...)
	r.mu.Unlock()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// ok fails the test on an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// refused fails the test unless the error is AWS's with this code and its message holds text.
func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Fatalf("got %s: %s; want %s: …%s…", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}

// status is the HTTP status of an error.
func status(err error) int {
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) {
		return resp.HTTPStatusCode()
	}
	return 0
}

// equal fails the test unless both are the same.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// same is equal for lists, in any order.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	g, w := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(g, w) {
		t.Fatalf("%s: got %q, want %q", what, g, w)
	}
}

func background() context.Context { return context.Background() }
