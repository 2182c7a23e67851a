package ssmstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// canary is a token that must not be in any error of this package. It has characters that each encoding writes differently.
const canary = "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnki/+OiJ0b2tlbiJ9==.c2lnbmF0dXJl&q=1"

// wire returns the response to every request of the real SDK client.
type wire func(r *http.Request) (*http.Response, error)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func responding(status int, body string) wire {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

func refusing(code, message string) wire {
	body, err := json.Marshal(map[string]string{"__type": code, "message": message})
	if err != nil {
		panic(err)
	}
	return responding(http.StatusBadRequest, string(body))
}

// over is a Store whose SDK client makes one attempt over the given wire.
func over(t *testing.T, rt http.RoundTripper) *Store {
	t.Helper()
	s, err := New(Config{Prefix: "/oauth", Client: ssm.New(ssm.Options{
		Region: "sa-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-key"}, nil
		}),
		HTTPClient: &http.Client{Transport: rt},
		Retryer:    aws.NopRetryer{},
	})})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func token(connection, value string) store.Write {
	return store.Write{Name: store.Name{Connection: connection, Kind: store.KindToken}, Value: oauth.NewSecret(value)}
}

// sentinels are all that a failure may wrap, so that a test can require exactly one.
var sentinels = []error{
	store.ErrNotFound, store.ErrDeleted, store.ErrAccessDenied, store.ErrUndecryptable, store.ErrUnavailable, store.ErrThrottled,
	store.ErrUnwritable, store.ErrTypeConflict, store.ErrInvalidWrite, store.ErrStageMismatch, store.ErrVersionExists, store.ErrStageMoved,
	store.ErrLimitExceeded,
}

func wantOnly(t *testing.T, err, want error) {
	t.Helper()
	for _, s := range sentinels {
		if got := errors.Is(err, s); got != errors.Is(want, s) {
			t.Errorf("error %q wraps %q: %v; want only %q", err, s, got, want)
		}
	}
}

func wantNoCanary(t *testing.T, err error) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err)
	for _, form := range []string{canary[:12], canary[len(canary)-12:], url.QueryEscape(canary)} {
		if strings.Contains(text, form) {
			t.Error("the error holds the token")
		}
	}
}

func TestWhatEachCodeMeansForAWrite(t *testing.T) {
	tests := map[string]error{
		"ThrottlingException":                      store.ErrThrottled,
		"Throttling":                               store.ErrThrottled,
		"RequestLimitExceeded":                     store.ErrThrottled,
		"TooManyUpdates":                           store.ErrThrottled,
		"AccessDeniedException":                    store.ErrUnwritable,
		"KMSAccessDeniedException":                 store.ErrUnwritable,
		"InvalidKeyId":                             store.ErrUnwritable,
		"ParameterLimitExceeded":                   store.ErrUnwritable,
		"ExpiredTokenException":                    store.ErrUnwritable,
		"UnrecognizedClientException":              store.ErrUnwritable,
		"InvalidSignatureException":                store.ErrUnwritable,
		"HierarchyTypeMismatchException":           store.ErrTypeConflict,
		"ValidationException":                      store.ErrInvalidWrite,
		"ParameterMaxVersionLimitExceeded":         store.ErrInvalidWrite,
		"HierarchyLevelLimitExceededException":     store.ErrInvalidWrite,
		"ParameterPatternMismatchException":        store.ErrInvalidWrite,
		"UnsupportedParameterType":                 store.ErrInvalidWrite,
		"SomethingThatAWSInventsNextYearException": store.ErrInvalidWrite,
		"InternalServerError":                      store.ErrUnavailable,
	}
	for code, want := range tests {
		t.Run(code, func(t *testing.T) {
			version, err := over(t, refusing(code, "says AWS")).Put(t.Context(), token("x", canary))
			wantOnly(t, err, want)
			if text := "PutParameter /oauth/x/access_token: " + code + ": says AWS"; err == nil || err.Error() != text || version != 0 {
				t.Errorf("Put = %d, %v; want 0, %s", version, err, text)
			}
		})
	}
}

func TestWhatEachCodeMeansForARead(t *testing.T) {
	tests := map[string]error{
		"ThrottlingException":         store.ErrThrottled,
		"AccessDeniedException":       store.ErrAccessDenied,
		"ParameterNotFound":           store.ErrNotFound,
		"InternalServerError":         store.ErrUnavailable,
		"ExpiredTokenException":       store.ErrUnavailable,
		"ValidationException":         store.ErrUnavailable,
		"UnknownOperationException":   store.ErrUnavailable,
		"UnrecognizedClientException": store.ErrUnavailable,
	}
	for code, want := range tests {
		t.Run(code, func(t *testing.T) {
			got, err := over(t, refusing(code, "says AWS")).Get(t.Context(), []store.Name{{Connection: "x", Kind: store.KindToken}})
			wantOnly(t, err, want)
			if text := "GetParameters /oauth/x/access_token: " + code + ": says AWS"; err == nil || err.Error() != text || got != nil {
				t.Errorf("Get = %v, %v; want %s", got, err, text)
			}
		})
	}
}

func TestResponsesToAWriteThatAreNotSSMs(t *testing.T) {
	tests := map[string]struct {
		wire wire
		want error
		text string
	}{
		"a load balancer's 503":          {responding(503, "<html>"+canary+"</html>"), store.ErrUnavailable, "HTTP 503: the response cannot be read"},
		"a 429 without a code":           {responding(429, "{}"), store.ErrThrottled, "UnknownError"},
		"a proxy's 403":                  {responding(403, "<html>no</html>"), store.ErrUnwritable, "HTTP 403: the response cannot be read"},
		"a 200 that is cut short":        {responding(200, `{"Version`), store.ErrUnavailable, "the response cannot be read"},
		"a connection that is refused":   {breaking("connect: refused"), store.ErrUnavailable, "no connection: connect: refused"},
		"an error that repeats the body": {breaking("cannot send " + canary), store.ErrUnavailable, "no connection: cannot send [redacted]"},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			_, err := over(t, tt.wire).Put(t.Context(), token("x", canary))
			wantOnly(t, err, tt.want)
			wantNoCanary(t, err)
			if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.HasPrefix(err.Error(), "PutParameter /oauth/x/access_token: ") {
				t.Errorf("error %v; want %s in it", err, tt.text)
			}
		})
	}
}

func breaking(text string) wire {
	return func(*http.Request) (*http.Response, error) { return nil, errors.New(text) }
}

func TestARefusalNeverRepeatsTheValue(t *testing.T) {
	message := "1 validation error detected: Value '" + canary + "' at 'value' failed to satisfy constraint"
	_, err := over(t, refusing("ValidationException", message)).Put(t.Context(), token("x", canary))
	wantOnly(t, err, store.ErrInvalidWrite)
	wantNoCanary(t, err)
	if err == nil || !strings.Contains(err.Error(), "Value '[redacted]' at 'value' failed") {
		t.Errorf("error %v", err)
	}
}

func TestTheContextsErrorStaysInTheChain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := over(t, responding(200, "{}")).Put(ctx, token("x", canary))
	wantOnly(t, err, store.ErrUnavailable)
	if !errors.Is(err, context.Canceled) || err.Error() != "PutParameter /oauth/x/access_token: canceled" {
		t.Errorf("error %q", err)
	}
}
