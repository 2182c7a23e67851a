package ssmstore

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

	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// canary is a token that must not be in anything that this package says. It has characters that each encoding writes differently.
const canary = "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnki/+OiJ0b2tlbiJ9==.c2lnbmF0dXJl&q=1"

// wire answers every request of the real SDK client with what it returns.
type wire func(r *http.Request) (*http.Response, error)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answering(status int, body string) wire {
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
	return answering(http.StatusBadRequest, string(body))
}

// over is a Store whose SDK client makes one attempt over the given wire.
func over(t *testing.T, rt http.RoundTripper) *Store {
	t.Helper()
	return newStore(t, ssm.New(ssm.Options{
		Region: "sa-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-key"}, nil
		}),
		HTTPClient: &http.Client{Transport: rt},
		Retryer:    aws.NopRetryer{},
	}))
}

func newStore(t *testing.T, api API) *Store {
	t.Helper()
	s, err := New(Config{Client: api, Prefix: "/oauth", KMSKeyID: "alias/aws/ssm"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func token(connection, value string) refresh.Write {
	return refresh.Write{Connection: connection, Kind: refresh.KindToken, Value: oauth.NewSecret(value), Description: `{"v":1}`}
}

// sentinels are all that a failure may wrap, so that a test can ask for exactly one.
var sentinels = []error{
	refresh.ErrNotFound, refresh.ErrAccessDenied, refresh.ErrUndecryptable, refresh.ErrUnavailable, refresh.ErrThrottled,
	refresh.ErrStoreRefuses, refresh.ErrTypeConflict, refresh.ErrRefusesValue,
}

func wantOnly(t *testing.T, err, want error) {
	t.Helper()
	for _, s := range sentinels {
		if got := errors.Is(err, s); got != errors.Is(want, s) {
			t.Errorf("error %q wraps %q: %v; want only %q", err, s, got, want)
		}
	}
}

// leaks reports the first form in which text holds secret.
func leaks(text, secret string) string {
	for form, s := range map[string]string{
		"plain": secret, "query-encoded": url.QueryEscape(secret), "path-encoded": url.PathEscape(secret),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"its beginning": secret[:12], "its end": secret[len(secret)-12:],
	} {
		if strings.Contains(text, s) {
			return form
		}
	}
	return ""
}

func wantNoCanary(t *testing.T, err error) {
	t.Helper()
	for _, format := range []string{"%v", "%+v", "%#v", "%q"} {
		if form := leaks(fmt.Sprintf(format, err), canary); form != "" {
			t.Errorf("the error printed with %s holds the token (%s)", format, form)
		}
	}
}

func TestWhatEachCodeMeansForAWrite(t *testing.T) {
	tests := map[string]error{
		"ThrottlingException":                      refresh.ErrThrottled,
		"Throttling":                               refresh.ErrThrottled,
		"RequestLimitExceeded":                     refresh.ErrThrottled,
		"TooManyUpdates":                           refresh.ErrThrottled,
		"AccessDeniedException":                    refresh.ErrStoreRefuses,
		"KMSAccessDeniedException":                 refresh.ErrStoreRefuses,
		"InvalidKeyId":                             refresh.ErrStoreRefuses,
		"ParameterLimitExceeded":                   refresh.ErrStoreRefuses,
		"ExpiredTokenException":                    refresh.ErrStoreRefuses,
		"UnrecognizedClientException":              refresh.ErrStoreRefuses,
		"InvalidSignatureException":                refresh.ErrStoreRefuses,
		"HierarchyTypeMismatchException":           refresh.ErrTypeConflict,
		"ValidationException":                      refresh.ErrRefusesValue,
		"ParameterMaxVersionLimitExceeded":         refresh.ErrRefusesValue,
		"HierarchyLevelLimitExceededException":     refresh.ErrRefusesValue,
		"ParameterPatternMismatchException":        refresh.ErrRefusesValue,
		"UnsupportedParameterType":                 refresh.ErrRefusesValue,
		"SomethingThatAWSInventsNextYearException": refresh.ErrRefusesValue,
		"InternalServerError":                      refresh.ErrUnavailable,
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
		"ThrottlingException":         refresh.ErrThrottled,
		"AccessDeniedException":       refresh.ErrAccessDenied,
		"ParameterNotFound":           refresh.ErrNotFound,
		"InternalServerError":         refresh.ErrUnavailable,
		"ExpiredTokenException":       refresh.ErrUnavailable,
		"InvalidNextToken":            refresh.ErrUnavailable,
		"ValidationException":         refresh.ErrUnavailable,
		"UnknownOperationException":   refresh.ErrUnavailable,
		"UnrecognizedClientException": refresh.ErrUnavailable,
	}
	for code, want := range tests {
		t.Run(code, func(t *testing.T) {
			got, err := over(t, refusing(code, "says AWS")).Lookup(t.Context(), []string{"x"})
			wantOnly(t, err, want)
			if text := "GetParameters /oauth/x/access_token: " + code + ": says AWS"; err == nil || err.Error() != text || got != nil {
				t.Errorf("Lookup = %v, %v; want %s", got, err, text)
			}
		})
	}
}

func TestAnswersThatAreNotSSMs(t *testing.T) {
	tests := map[string]struct {
		wire wire
		want error
		text string
	}{
		"a load balancer's 503":          {answering(503, "<html>"+canary+"</html>"), refresh.ErrUnavailable, "HTTP 503: the answer cannot be read"},
		"a 429 without a code":           {answering(429, "{}"), refresh.ErrThrottled, "UnknownError"},
		"a proxy's 403":                  {answering(403, "<html>no</html>"), refresh.ErrStoreRefuses, "HTTP 403: the answer cannot be read"},
		"a 200 that is cut short":        {answering(200, `{"Version`), refresh.ErrUnavailable, "the answer cannot be read"},
		"a connection that is refused":   {func(*http.Request) (*http.Response, error) { return nil, errors.New("connect: refused") }, refresh.ErrUnavailable, "no connection: connect: refused"},
		"an error that repeats the body": {func(*http.Request) (*http.Response, error) { return nil, errors.New("cannot send " + canary) }, refresh.ErrUnavailable, "no connection: cannot send [redacted]"},
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

func TestARefusalNeverRepeatsTheValue(t *testing.T) {
	tests := map[string]string{
		"quoted whole":        "1 validation error detected: Value '" + canary + "' at 'value' failed to satisfy constraint: Member must have length less than or equal to 8192",
		"cut short":           "Value '" + canary[:40] + "...' is too long",
		"only its end":        "Value '..." + canary[30:] + "' is too long",
		"URL-encoded":         "cannot parse value=" + url.QueryEscape(canary),
		"path-encoded":        "cannot parse /" + url.PathEscape(canary),
		"base64":              "body " + base64.StdEncoding.EncodeToString([]byte(canary)),
		"base64url":           "body " + base64.RawURLEncoding.EncodeToString([]byte(canary)),
		"twice":               canary + " and " + canary,
		"in the middle, long": strings.Repeat("words ", 60) + canary,
	}
	for sentence, message := range tests {
		t.Run(sentence, func(t *testing.T) {
			_, err := over(t, refusing("ValidationException", message)).Put(t.Context(), token("x", canary))
			wantOnly(t, err, refresh.ErrRefusesValue)
			wantNoCanary(t, err)
		})
	}
	_, err := over(t, refusing("ValidationException", "Value '"+canary+"' at 'value' failed")).Put(t.Context(), token("x", canary))
	if want := "PutParameter /oauth/x/access_token: ValidationException: Value '[redacted]' at 'value' failed"; err.Error() != want {
		t.Errorf("error %q; want the rest of the message as it was: %q", err, want)
	}
}

func TestAMessageIsOneShortLine(t *testing.T) {
	_, err := over(t, refusing("ValidationException", "one\r\n\ttwo\x1b[31m "+strings.Repeat("é", 400))).Put(t.Context(), token("x", canary))
	text := err.Error()
	if strings.ContainsAny(text, "\r\n\t\x1b") || len([]rune(text)) > 400 || !strings.HasSuffix(text, "…") || !strings.Contains(text, "one two [31m é") {
		t.Errorf("error %q", text)
	}
}

func TestTheContextsErrorStaysInTheChain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := over(t, answering(200, "{}")).Put(ctx, token("x", canary))
	wantOnly(t, err, refresh.ErrUnavailable)
	if !errors.Is(err, context.Canceled) || err.Error() != "PutParameter /oauth/x/access_token: cancelled" {
		t.Errorf("error %q", err)
	}
}
