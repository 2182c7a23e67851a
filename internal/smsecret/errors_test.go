package smsecret

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/chaveiro/chaveiro/internal/store"
)

// canary is a secret that must not be in any error of this package.
const canary = "canary+secret/value&=0123456789"

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
	return responding(http.StatusBadRequest, encoded(map[string]string{"__type": code, "message": message}))
}

func encoded(v any) string {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// perOperation returns a response for each operation by its name.
func perOperation(responses map[string]wire, calls *[]string) wire {
	return func(r *http.Request) (*http.Response, error) {
		op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
		*calls = append(*calls, op)
		respond, ok := responses[op]
		if !ok {
			return nil, errors.New("unexpected " + op)
		}
		return respond(r)
	}
}

// over is a Store whose SDK client makes one attempt over the given wire.
func over(t *testing.T, rt http.RoundTripper) *Store {
	t.Helper()
	s, err := New(Config{Prefix: "oauth/", Client: secretsmanager.New(secretsmanager.Options{
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
			t.Errorf("error %v wraps %q: %v; want only %q", err, s, got, want)
		}
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	for _, form := range []string{
		canary, canary[:12], url.QueryEscape(canary), url.PathEscape(canary), base64.StdEncoding.EncodeToString([]byte(canary)),
	} {
		if strings.Contains(text, form) {
			t.Error("the error holds the secret's value")
		}
	}
}

const notThere = "Secrets Manager can't find the specified secret."

func TestWhatEachCodeMeans(t *testing.T) {
	tests := map[string]struct {
		code, message string
		want          error
	}{
		"no such secret": {"ResourceNotFoundException", notThere, store.ErrNotFound},
		"marked for deletion": {
			"InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", store.ErrDeleted,
		},
		"marked deleted, in older words": {
			"InvalidRequestException", "You tried to perform the operation on a secret that's currently marked deleted.", store.ErrDeleted,
		},
		"a state that is neither": {
			"InvalidRequestException", "A parameter is not valid for the current state of the resource.", store.ErrUnavailable,
		},
		"a key that is to be deleted": {
			"InvalidRequestException", "The KMS key arn:aws:kms:sa-east-1:1:key/2 is pending deletion.", store.ErrUndecryptable,
		},
		"IAM": {
			"AccessDeniedException",
			"User: arn:aws:sts::1:assumed-role/kms/x is not authorized to perform: secretsmanager:GetSecretValue on resource: oauth/kms-shop",
			store.ErrAccessDenied,
		},
		"KMS, in Secrets Manager's words": {"AccessDeniedException", "Access to KMS is not allowed", store.ErrUndecryptable},
		"KMS, in IAM's words": {
			"AccessDeniedException", "User: x is not authorized to perform: kms:Decrypt on resource: y", store.ErrUndecryptable,
		},
		"KMS, by its own code": {"KMSAccessDeniedException", "no", store.ErrUndecryptable},
		"a disabled key":       {"KMSDisabledException", "no", store.ErrUndecryptable},
		"the wrong key": {
			"DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.", store.ErrUndecryptable,
		},
		"a trouble of KMS, not a refusal": {"KMSInternalException", "no", store.ErrUnavailable},
		"throttled":                       {"ThrottlingException", "Rate exceeded", store.ErrUnavailable},
		"a fault of the service":          {"InternalServiceError", "An error occurred on the server side.", store.ErrUnavailable},
		"a session that ran out":          {"ExpiredTokenException", "The security token included in the request is expired", store.ErrUnavailable},
		"a code that is not known":        {"SomethingNewException", "new", store.ErrUnavailable},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			s := over(t, refusing(tt.code, tt.message))
			doc, err := s.ReadVersion(t.Context(), "x", "v1")
			wantOnly(t, err, tt.want)
			if text := "GetSecretValue oauth/x: " + tt.code + ": " + tt.message; err == nil || err.Error() != text || doc != (store.Document{}) {
				t.Errorf("ReadVersion = %v, %v; want %s", doc, err, text)
			}
			_, err = s.Describe(t.Context(), "x")
			wantOnly(t, err, tt.want)
		})
	}
}

func TestWhatEachErrorOfABatchMeans(t *testing.T) {
	tests := map[string]struct {
		code, message string
		want          error
		alone         bool // read again by itself
	}{
		"no such secret": {"ResourceNotFoundException", notThere, store.ErrNotFound, false},
		"no value": {
			"ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT", nil, false,
		},
		"marked for deletion": {
			"InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", store.ErrDeleted, false,
		},
		"IAM": {
			"AccessDeniedException", "User: x is not authorized to perform: secretsmanager:GetSecretValue", store.ErrAccessDenied, false,
		},
		"KMS":                    {"AccessDeniedException", "Access to KMS is not allowed", store.ErrUndecryptable, false},
		"the wrong key":          {"DecryptionFailure", "can't decrypt", store.ErrUndecryptable, false},
		"throttled":              {"ThrottlingException", "Rate exceeded", store.ErrUnavailable, true},
		"an internal error":      {"InternalServiceError", "again", store.ErrUnavailable, true},
		"an id it does not like": {"InvalidParameterException", "Invalid name.", store.ErrUnavailable, true},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			var calls []string
			s := over(t, perOperation(map[string]wire{
				"BatchGetSecretValue": responding(200, encoded(map[string]any{"Errors": []map[string]string{
					{"SecretId": "oauth/x", "ErrorCode": tt.code, "Message": tt.message}}})),
				"GetSecretValue": refusing(tt.code, tt.message),
			}, &calls))
			docs := s.ReadCurrent(t.Context(), []string{"x"})
			if len(docs) != 1 || docs[0].Connection != "x" || !docs[0].Value.IsZero() {
				t.Fatalf("ReadCurrent = %+v", docs)
			}
			if tt.want == nil {
				if docs[0].Err != nil {
					t.Errorf("Err = %v", docs[0].Err)
				}
			} else {
				wantOnly(t, docs[0].Err, tt.want)
			}
			want := []string{"BatchGetSecretValue"}
			if tt.alone {
				want = append(want, "GetSecretValue")
			}
			if !slices.Equal(calls, want) {
				t.Errorf("calls %v; want %v", calls, want)
			}
		})
	}
}

func TestAnErrorOfABatchMayNameAnARN(t *testing.T) {
	names := []string{"oauth/x", "oauth/x-abcdef", "oauth/y"}
	tests := map[string]struct{ id, want string }{
		"the name":                            {"oauth/x", "oauth/x"},
		"the ARN":                             {"arn:aws:secretsmanager:sa-east-1:123456789012:secret:oauth/y-a1B2c3", "oauth/y"},
		"the ARN of a name that has a hyphen": {"arn:aws:secretsmanager:sa-east-1:123456789012:secret:oauth/x-abcdef-a1B2c3", "oauth/x-abcdef"},
		"the ARN of a secret that was not requested": {"arn:aws:secretsmanager:sa-east-1:123456789012:secret:oauth/z-a1B2c3", ""},
		"an ARN without a name":                      {"arn:aws:secretsmanager:sa-east-1:123456789012:secret:", ""},
		"nothing":                                    {"", ""},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			if got := nameOf(tt.id, names); got != tt.want {
				t.Errorf("nameOf(%q) = %q, want %q", tt.id, got, tt.want)
			}
		})
	}
}

func TestAMissingPermissionForTheBatchIsNamed(t *testing.T) {
	var calls []string
	s := over(t, perOperation(map[string]wire{
		"BatchGetSecretValue": refusing("AccessDeniedException", "User: x is not authorized to perform: secretsmanager:BatchGetSecretValue"),
	}, &calls))
	docs := s.ReadCurrent(t.Context(), []string{"x", "y"})
	for i, c := range []string{"x", "y"} {
		wantOnly(t, docs[i].Err, store.ErrUnavailable) // of no one secret
		want := "BatchGetSecretValue oauth/" + c + ": AccessDeniedException: the role lacks the IAM action secretsmanager:BatchGetSecretValue"
		if docs[i].Connection != c || !strings.HasPrefix(docs[i].Err.Error(), want) {
			t.Errorf("document %d: %q, %v", i, docs[i].Connection, docs[i].Err)
		}
	}
	if len(calls) != 1 {
		t.Errorf("calls %v", calls)
	}
}

func TestABatchThatIsRefusedForItsFormIsReadOneByOne(t *testing.T) {
	for _, code := range []string{"ValidationException", "InvalidParameterException"} {
		t.Run(code, func(t *testing.T) {
			var calls []string
			s := over(t, perOperation(map[string]wire{
				"BatchGetSecretValue": refusing(code, "Value at 'secretIdList' is not valid"),
				"GetSecretValue":      responding(200, encoded(map[string]any{"Name": "ignored", "VersionId": "v1", "SecretString": "{}"})),
			}, &calls))
			for _, d := range s.ReadCurrent(t.Context(), []string{"x", "y"}) {
				if d.Err != nil || d.VersionID != "v1" || d.Value.Reveal() != "{}" {
					t.Errorf("document %+v", d)
				}
			}
			if len(calls) != 3 {
				t.Errorf("calls %v", calls)
			}
		})
	}
}

func TestAResponseMayBePartialInAnyOrderAndStale(t *testing.T) {
	entry := func(name, version, stage string) map[string]any {
		return map[string]any{
			"Name": name, "VersionId": version, "VersionStages": []string{stage}, "SecretString": "value of " + version, "CreatedDate": 1767322800,
		}
	}
	var calls []string
	s := over(t, perOperation(map[string]wire{
		"BatchGetSecretValue": responding(200, encoded(map[string]any{"NextToken": "more", "SecretValues": []map[string]any{
			entry("oauth/c", "c1", "AWSCURRENT"), entry("oauth/not-requested", "n1", "AWSCURRENT"),
			entry("oauth/b", "b0", "AWSPREVIOUS"), entry("oauth/a", "a1", "AWSCURRENT"),
		}})),
		"GetSecretValue": func(r *http.Request) (*http.Response, error) {
			var in struct {
				ID    string `json:"SecretId"`
				Stage string `json:"VersionStage"`
			}
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Stage != "AWSCURRENT" {
				return nil, fmt.Errorf("requested stage %q: %w", in.Stage, err)
			}
			return responding(200, encoded(entry(in.ID, strings.TrimPrefix(in.ID, "oauth/")+"1", "AWSCURRENT")))(r)
		},
	}, &calls))
	docs := s.ReadCurrent(t.Context(), []string{"a", "b", "c", "d", "a"})
	for i, c := range []string{"a", "b", "c", "d", "a"} {
		d := docs[i]
		isRequested := d.Connection == c && d.VersionID == c+"1" && d.Value.Reveal() == "value of "+c+"1" && d.Created.Unix() == 1767322800
		if !isRequested || d.Err != nil || d.Binary {
			t.Errorf("document %d: %+v", i, d)
		}
	}
	slices.Sort(calls)
	if want := []string{"BatchGetSecretValue", "GetSecretValue", "GetSecretValue"}; !slices.Equal(calls, want) {
		t.Errorf("calls %v", calls)
	}
}

func TestResponsesThatAreNotSecretsManagers(t *testing.T) {
	tests := map[string]struct {
		wire wire
		text string
	}{
		"a load balancer's 503":             {responding(503, "<html>"+canary+"</html>"), "HTTP 503: the response cannot be read"},
		"a 200 that is cut short":           {responding(200, `{"SecretString":"`+canary), "HTTP 200: the response cannot be read"},
		"a value that is not a string":      {responding(200, `{"SecretString":{"client_secret":"`+canary+`"}}`), "the response cannot be read"},
		"a binary value that is not base64": {responding(200, `{"SecretBinary":"`+canary+`"}`), "the response cannot be read"},
		"a connection that is refused": {
			func(*http.Request) (*http.Response, error) { return nil, errors.New("connect: refused") }, "no connection: connect: refused",
		},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			_, err := over(t, tt.wire).ReadVersion(t.Context(), "x", "v1")
			wantOnly(t, err, store.ErrUnavailable)
			if err == nil || !strings.HasPrefix(err.Error(), "GetSecretValue oauth/x: ") || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v; want %s in it", err, tt.text)
			}
		})
	}
}

func TestTheContextsErrorStaysInTheChain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	docs := over(t, responding(200, "{}")).ReadCurrent(ctx, []string{"x"})
	wantOnly(t, docs[0].Err, store.ErrUnavailable)
	if !errors.Is(docs[0].Err, context.Canceled) || docs[0].Err.Error() != "BatchGetSecretValue oauth/x: canceled" {
		t.Errorf("error %v", docs[0].Err)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	tests := map[string]struct {
		config Config
		want   []string
	}{
		"nothing is set":             {Config{}, []string{"client", "prefix"}},
		"a prefix without its slash": {Config{Prefix: "oauth"}, []string{"client", `prefix "oauth"`}},
		"a prefix with a space":      {Config{Prefix: "my oauth/"}, []string{`prefix "my oauth/"`}},
		"a prefix that would negate": {Config{Prefix: "!oauth/"}, []string{`prefix "!oauth/"`}},
		"a prefix that is too long":  {Config{Prefix: strings.Repeat("a", 256) + "/"}, []string{"prefix"}},
		"a negative time-out":        {Config{Prefix: "oauth/", CallTimeout: -1}, []string{"call time-out"}},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			s, err := New(tt.config)
			if err == nil || s != nil {
				t.Fatalf("New(%+v) = %v, %v", tt.config, s, err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not name %s", err, part)
				}
			}
		})
	}
}

func TestASecretWithoutAValueIsAnEmptyDocumentAlsoWhenReadAlone(t *testing.T) {
	var calls []string
	noValue := refusing("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")
	s := over(t, perOperation(map[string]wire{"BatchGetSecretValue": responding(200, "{}"), "GetSecretValue": noValue}, &calls))
	if d := s.ReadCurrent(t.Context(), []string{"x"})[0]; d != (store.Document{Connection: "x"}) {
		t.Errorf("ReadCurrent = %+v", d)
	}
	_, err := s.ReadVersion(t.Context(), "x", "v1")
	wantOnly(t, err, store.ErrNotFound)
}
