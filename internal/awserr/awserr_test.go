package awserr_test

import (
	"context"
	"encoding/base64"
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

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// planted must not be in any error. It has characters that each encoding writes differently.
const planted = "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnki/+OiJ0b2tlbiJ9==.c2lnbmF0dXJl&q=1"

// table is that of a service with two codes. A response without a code comes from something else, such as a proxy.
func table(r awserr.Response) error {
	switch {
	case r.Throttled():
		return store.ErrThrottled
	case r.Code == "AccessDeniedException", r.Status == http.StatusForbidden:
		return store.ErrAccessDenied
	case r.Code == "ValidationException":
		return store.ErrInvalidWrite
	}
	return store.ErrUnavailable
}

type transport func(r *http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func responding(status int, body string) transport {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

func refusing(t *testing.T, code, message string) transport {
	t.Helper()
	body, err := json.Marshal(map[string]string{"__type": code, "message": message})
	if err != nil {
		t.Fatal(err)
	}
	return responding(http.StatusBadRequest, string(body))
}

func breaking(text string) transport {
	return func(*http.Request) (*http.Response, error) { return nil, errors.New(text) }
}

// sdkError is the error of a call of the real SDK, which makes one attempt.
func sdkError(ctx context.Context, t *testing.T, rt http.RoundTripper) error {
	t.Helper()
	client := ssm.New(ssm.Options{
		Region: "sa-east-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-key"}, nil
		}),
		HTTPClient: &http.Client{Transport: rt}, Retryer: aws.NopRetryer{},
	})
	_, err := client.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/oauth/x/access_token"), Value: aws.String(planted), Type: "String"})
	if err == nil {
		t.Fatal("the call succeeded")
	}
	return err
}

func newError(ctx context.Context, t *testing.T, rt http.RoundTripper) *awserr.Error {
	t.Helper()
	return awserr.New("PutParameter", "/oauth/x/access_token", sdkError(ctx, t, rt), table, oauth.NewSecret(planted))
}

// leakedForm returns the first form in which text holds the planted secret, "" when it holds none.
func leakedForm(text string) string {
	for form, s := range map[string]string{
		"plain": planted, "query-encoded": url.QueryEscape(planted), "path-encoded": url.PathEscape(planted),
		"base64": base64.StdEncoding.EncodeToString([]byte(planted)), "base64url": base64.RawURLEncoding.EncodeToString([]byte(planted)),
		"its beginning": planted[:12], "its end": planted[len(planted)-12:],
	} {
		if strings.Contains(text, s) {
			return form
		}
	}
	return ""
}

func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, format := range []string{"%v", "%+v", "%#v", "%q"} {
		if form := leakedForm(fmt.Sprintf(format, err)); form != "" {
			t.Errorf("the error printed with %s holds the secret (%s)", format, form)
		}
	}
}

func TestWhatAnErrorSaysAndMatches(t *testing.T) {
	tests := map[string]struct {
		transport transport
		want      error
		text      string // the whole text after the operation and the subject
	}{
		"a code of the service's table": {
			refusing(t, "AccessDeniedException", "not authorized"), store.ErrAccessDenied, "AccessDeniedException: not authorized",
		},
		"a throttling code":        {refusing(t, "ThrottlingException", "Rate exceeded"), store.ErrThrottled, "ThrottlingException: Rate exceeded"},
		"a code without a message": {refusing(t, "SomethingNewException", ""), store.ErrUnavailable, "SomethingNewException: UnknownError"},
		"a 503 of a load balancer": {responding(503, "<html>"+planted+"</html>"), store.ErrUnavailable, "HTTP 503: the response cannot be read"},
		"a 403 of a proxy":         {responding(403, "<html>no</html>"), store.ErrAccessDenied, "HTTP 403: the response cannot be read"},
		"a 429 without a code":     {responding(429, "{}"), store.ErrThrottled, "UnknownError: UnknownError"},
		"a 200 that is cut short":  {responding(200, `{"Version":"`+planted), store.ErrUnavailable, "HTTP 200: the response cannot be read"},
		"a refused connection":     {breaking("connect: refused"), store.ErrUnavailable, "no connection: connect: refused"},
		"an error with the body":   {breaking("cannot send " + planted), store.ErrUnavailable, "no connection: cannot send [redacted]"},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			err := newError(t.Context(), t, tt.transport)
			if want := "PutParameter /oauth/x/access_token: " + tt.text; err.Error() != want {
				t.Errorf("error %q, want %q", err, want)
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("error %q does not match %q", err, tt.want)
			}
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %q matches an error of the context", err)
			}
			wantNoSecret(t, err)
		})
	}
}

func TestTheErrorOfTheContextStaysInTheChain(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	tests := map[string]struct {
		ctx  context.Context
		want error
		text string
	}{
		"canceled": {canceled, context.Canceled, "PutParameter /oauth/x/access_token: canceled"},
		"too late": {late, context.DeadlineExceeded, "PutParameter /oauth/x/access_token: no response in time"},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			err := newError(tt.ctx, t, responding(200, "{}"))
			if !errors.Is(err, tt.want) || !errors.Is(err, store.ErrUnavailable) || err.Error() != tt.text {
				t.Errorf("error %q, want %q that matches %v and ErrUnavailable", err, tt.text, tt.want)
			}
		})
	}
}

func TestAMessageNeverRepeatsTheSecret(t *testing.T) {
	tests := map[string]string{
		"quoted whole":        "Value '" + planted + "' at 'value' failed to satisfy constraint: Member must have length less than or equal to 8192",
		"cut short":           "Value '" + planted[:40] + "...' is too long",
		"only its end":        "Value '..." + planted[30:] + "' is too long",
		"URL-encoded":         "cannot parse value=" + url.QueryEscape(planted),
		"path-encoded":        "cannot parse /" + url.PathEscape(planted),
		"base64":              "body " + base64.StdEncoding.EncodeToString([]byte(planted)),
		"base64url":           "body " + base64.RawURLEncoding.EncodeToString([]byte(planted)),
		"twice":               planted + " and " + planted,
		"in the middle, long": strings.Repeat("words ", 60) + planted,
		"far behind":          strings.Repeat(" ", 8180) + planted,
	}
	for sentence, message := range tests {
		t.Run(sentence, func(t *testing.T) {
			err := newError(t.Context(), t, refusing(t, "ValidationException", message))
			if !errors.Is(err, store.ErrInvalidWrite) {
				t.Errorf("error %q does not match ErrInvalidWrite", err)
			}
			wantNoSecret(t, err)
		})
	}
	err := newError(t.Context(), t, refusing(t, "ValidationException", "Value '"+planted+"' at 'value' failed"))
	if want := "PutParameter /oauth/x/access_token: ValidationException: Value '[redacted]' at 'value' failed"; err.Error() != want {
		t.Errorf("error %q; want the rest of the message unchanged: %q", err, want)
	}
}

func TestEachOfSeveralSecretsIsRemoved(t *testing.T) {
	other := oauth.NewSecret("rotation-token-0123456789")
	r := awserr.Response{Code: "ValidationException", Message: planted + " or " + other.Reveal() + " is invalid"}
	err := awserr.FromResponse("PutSecretValue", "a", r, table, oauth.NewSecret(planted), oauth.Secret{}, other)
	if want := "PutSecretValue a: ValidationException: [redacted] or [redacted] is invalid"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	r = awserr.Response{Code: "Invalid:" + planted}
	if err := awserr.FromResponse("PutSecretValue", "a", r, table, oauth.NewSecret(planted)); err.Error() != "PutSecretValue a: Invalid:[redacted]" {
		t.Errorf("error %q", err)
	}
}

func TestAMessageIsOneShortLine(t *testing.T) {
	long := "one\r\n\ttwo\x1b[31m " + strings.Repeat("é", 400)
	errs := map[string]*awserr.Error{
		"of a response":       newError(t.Context(), t, refusing(t, "ValidationException", long)),
		"of the adapter":      awserr.Local("PutParameter", "/oauth/x/access_token", store.ErrInvalidWrite, long),
		"with an explanation": awserr.Local("PutParameter", "/x", store.ErrInvalidWrite, long).Explain("one two [31m é"),
	}
	for sentence, err := range errs {
		t.Run(sentence, func(t *testing.T) {
			if strings.ContainsAny(err.Message, "\r\n\t\x1b") || len([]rune(err.Message)) != 300 {
				t.Errorf("message %q has %d characters", err.Message, len([]rune(err.Message)))
			}
			if !strings.HasPrefix(err.Message, "one two [31m é") || !strings.HasSuffix(err.Message, "…") {
				t.Errorf("message %q", err.Message)
			}
		})
	}
}

func TestCopiesLeaveTheErrorUnchanged(t *testing.T) {
	batch := awserr.Local("BatchGetSecretValue", "oauth/", store.ErrUnavailable, "denied")
	one := batch.For("oauth/x").Explain("grant the action")
	if want := "BatchGetSecretValue oauth/x: grant the action (denied)"; one.Error() != want || !errors.Is(one, store.ErrUnavailable) {
		t.Errorf("error %q, want %q", one, want)
	}
	if want := "BatchGetSecretValue oauth/: a field is invalid"; batch.WithMessage("a field is invalid").Error() != want {
		t.Errorf("error %q, want %q", batch.WithMessage("a field is invalid"), want)
	}
	if want := "BatchGetSecretValue oauth/: denied"; batch.Error() != want {
		t.Errorf("the original is now %q, want %q", batch, want)
	}
}
