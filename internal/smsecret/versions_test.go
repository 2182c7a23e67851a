package smsecret_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func versionsOf(t *testing.T, client smsecret.VersionsAPI) *smsecret.Versions {
	t.Helper()
	v, err := smsecret.NewVersions(smsecret.VersionsConfig{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func pendingID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// TestVersionsOverAnyServer is a rotation as its calls, over awstest and over moto alike, twice in a row.
func TestVersionsOverAnyServer(t *testing.T) {
	t.Run("awstest", func(t *testing.T) {
		rotateTwice(t, secretsmanager.NewFromConfig(new(awstest.World).Config()))
	})
	t.Run("awstest without HTTP", func(t *testing.T) {
		w := new(awstest.World)
		name := "direct"
		first := create(t, w.SecretsManager(), name, canary)
		moveThrough(t, versionsOf(t, awstest.DirectSecrets{World: w}), name, first, pendingID(1))
	})
	t.Run("moto", func(t *testing.T) {
		url := os.Getenv("CHAVEIRO_MOTO_URL")
		if url == "" {
			t.Skip("CHAVEIRO_MOTO_URL is not set: there is no moto_server to run against")
		}
		rotateTwice(t, secretsmanager.NewFromConfig(aws.Config{
			Region: "sa-east-1",
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-key"}, nil
			}),
			BaseEndpoint: &url,
		}))
	})
}

func rotateTwice(t *testing.T, client *secretsmanager.Client) {
	t.Helper()
	name := "t-" + strings.ToLower(rand.Text()) + "/rotated"
	first := create(t, client, name, canary)
	v := versionsOf(t, client)
	moveThrough(t, v, name, first, pendingID(1))
	moveThrough(t, v, name, pendingID(1), pendingID(2))
}

// moveThrough puts a pending version, reads it, promotes it and takes AWSPENDING off.
func moveThrough(t *testing.T, v *smsecret.Versions, name, old, id string) {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := v.Describe(t.Context(), name)
	ok(err)
	put := store.VersionWrite{SecretID: s.ARN, VersionID: id, Value: oauth.NewSecret("new-" + id), Stages: []string{store.StagePending}}
	ok(v.Put(t.Context(), put))
	ok(v.Put(t.Context(), put)) // once more changes nothing
	doc, err := v.Read(t.Context(), s.ARN, id, store.StagePending)
	ok(err)
	if doc.VersionID != id || doc.Value.Reveal() != "new-"+id || doc.Created.IsZero() {
		t.Fatalf("read %+v", doc)
	}
	if _, err := v.Read(t.Context(), s.ARN, id, store.StageCurrent); !errors.Is(err, store.ErrStageMismatch) {
		t.Errorf("read under another stage: %v", err)
	}
	if _, err := v.Read(t.Context(), s.ARN, pendingID(99), ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("read of no version: %v", err)
	}
	wrong := store.StageMove{SecretID: s.ARN, Stage: store.StageCurrent, From: id, To: id}
	if err := v.MoveStage(t.Context(), wrong); !errors.Is(err, store.ErrStageMoved) {
		t.Errorf("a compare-and-swap from the wrong version: %v", err)
	}
	ok(v.MoveStage(t.Context(), store.StageMove{SecretID: s.ARN, Stage: store.StageCurrent, From: old, To: id}))
	ok(v.MoveStage(t.Context(), store.StageMove{SecretID: s.ARN, Stage: store.StagePending, From: id}))
	s, err = v.Describe(t.Context(), s.ARN)
	ok(err)
	if s.Name != name || !slices.Equal(s.Versions[id], []string{store.StageCurrent}) || !slices.Equal(s.Versions[old], []string{store.StagePrevious}) {
		t.Errorf("%+v", s)
	}
}

func TestAVersionWithAnotherValueIsNotOverwritten(t *testing.T) {
	w := new(awstest.World)
	create(t, w.SecretsManager(), "a", canary)
	v := versionsOf(t, w.SecretsManager())
	put := store.VersionWrite{SecretID: "a", VersionID: pendingID(1), Value: oauth.NewSecret("one"), Stages: []string{store.StagePending}}
	if err := v.Put(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	put.Value = oauth.NewSecret("two")
	if err := v.Put(t.Context(), put); !errors.Is(err, store.ErrVersionExists) {
		t.Error(err)
	}
}

func TestDescribeReturnsAllThatARotationNeeds(t *testing.T) {
	w := new(awstest.World)
	id := create(t, w.SecretsManager(), "oauth/a", canary, "chaveiro:paused", "soon")
	if err := w.ScheduleDeletion("oauth/a"); err != nil {
		t.Fatal(err)
	}
	got, err := versionsOf(t, w.SecretsManager()).Describe(t.Context(), "oauth/a")
	if err != nil || !got.Deleted || got.Name != "oauth/a" || got.Connection != "" || got.Holder(store.StageCurrent) != id || got.PausedTag != "soon" {
		t.Errorf("Describe = %+v, %v", got, err)
	}
	replica := versionsOf(t, respondingClient(http.StatusOK, `{"ARN":"arn:aws:secretsmanager:sa-east-1:1:secret:a-abcdef","Name":"a",
		"RotationEnabled":true,"RotationLambdaARN":"arn:f","OwningService":"rds","PrimaryRegion":"us-east-1",
		"Tags":[{"Key":"chaveiro:paused","Value":"true"}]}`))
	got, err = replica.Describe(t.Context(), "a")
	want := store.Secret{
		ARN: "arn:aws:secretsmanager:sa-east-1:1:secret:a-abcdef", Name: "a", RotationOn: true, RotationLambda: "arn:f", OwningService: "rds",
		PrimaryRegion: "us-east-1", Paused: true, Versions: map[string][]string{},
	}
	if got.Created, got.Changed = want.Created, want.Changed; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Describe = %+v, %v; want %+v", got, err, want)
	}
}

func TestWhatEachCodeMeansForAVersion(t *testing.T) {
	const arn = "arn:aws:secretsmanager:sa-east-1:123456789012:secret:oauth/x-a1B2c3"
	describe := func(v *smsecret.Versions) error { _, err := v.Describe(t.Context(), arn); return err }
	read := func(v *smsecret.Versions) error {
		_, err := v.Read(t.Context(), arn, pendingID(1), store.StagePending)
		return err
	}
	put := func(v *smsecret.Versions) error {
		return v.Put(t.Context(), store.VersionWrite{SecretID: arn, VersionID: pendingID(1), Value: oauth.NewSecret(canary)})
	}
	move := func(v *smsecret.Versions) error {
		return v.MoveStage(t.Context(), store.StageMove{SecretID: arn, Stage: store.StageCurrent, From: pendingID(1), To: pendingID(2)})
	}
	tests := map[string]struct {
		call          func(v *smsecret.Versions) error
		code, message string
		want          error
	}{
		"describe: no such secret": {describe, "ResourceNotFoundException", "no", store.ErrNotFound},
		"describe: no permission":  {describe, "AccessDeniedException", "no", store.ErrAccessDenied},
		"read: the stage is on another version": {
			read, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.", store.ErrStageMismatch,
		},
		"read: scheduled for deletion":            {read, "InvalidRequestException", "it was marked for deletion.", store.ErrDeleted},
		"read: no such version":                   {read, "ResourceNotFoundException", "no", store.ErrNotFound},
		"read: no right to the key":               {read, "AccessDeniedException", "Access to KMS is not allowed", store.ErrUndecryptable},
		"put: the version has another value":      {put, "ResourceExistsException", "no", store.ErrVersionExists},
		"put: too many versions":                  {put, "LimitExceededException", "no", store.ErrLimitExceeded},
		"put: throttled":                          {put, "ThrottlingException", "Rate exceeded", store.ErrUnavailable},
		"move: the stage is on another version":   {move, "InvalidParameterException", "no", store.ErrStageMoved},
		"move: too many stages":                   {move, "LimitExceededException", "no", store.ErrLimitExceeded},
		"move: a code that nobody knows":          {move, "SomethingNewException", "no", store.ErrUnavailable},
		"put: a parameter that AWS does not like": {put, "InvalidParameterException", "no", store.ErrUnavailable},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"__type": tt.code, "message": tt.message})
			if err != nil {
				t.Fatal(err)
			}
			err = tt.call(versionsOf(t, respondingClient(http.StatusBadRequest, string(body))))
			wantError(t, err, tt.want, " oauth/x-a1B2c3: "+tt.code+": ")
		})
	}
}

func TestAWriteWithoutAVersionIDIsNotSent(t *testing.T) {
	w := new(awstest.World)
	err := versionsOf(t, w.SecretsManager()).Put(t.Context(), store.VersionWrite{SecretID: "a", Value: oauth.NewSecret(canary)})
	wantError(t, err, store.ErrInvalidWrite, "PutSecretValue a: the version id is missing")
	if n := w.Counts(); len(n) != 0 {
		t.Errorf("calls %v", n)
	}
}

func TestAResponseAboutAnotherVersionIsNotTaken(t *testing.T) {
	v := versionsOf(t, respondingClient(http.StatusOK, `{"VersionId":"`+pendingID(2)+`","SecretString":"`+canary+`"}`))
	doc, err := v.Read(t.Context(), "a", pendingID(1), "")
	wantError(t, err, store.ErrUnavailable, "GetSecretValue a: the response is about another version")
	if doc != (store.Document{}) {
		t.Errorf("Read = %+v", doc)
	}
}

// TestWhatAWSQuotesIsNotRepeated: AWS's message for a field that it refuses repeats the field.
func TestWhatAWSQuotesIsNotRepeated(t *testing.T) {
	const secret, token = "CANARY-SECRET", "CANARY-ROTATION-TOKEN"
	for _, code := range []string{"ValidationException", "InvalidParameterException", "MalformedPolicyDocumentException"} {
		for _, quoted := range []string{secret, token} {
			client := respondingClient(http.StatusBadRequest, `{"__type":"`+code+`","message":"Value '`+quoted+`' failed to satisfy constraint"}`)
			w := store.VersionWrite{SecretID: "a", VersionID: pendingID(1), Value: oauth.NewSecret(secret), RotationToken: oauth.NewSecret(token)}
			err := versionsOf(t, client).Put(t.Context(), w)
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "CANARY") {
				t.Errorf("%s: %v", code, err)
			}
		}
	}
}

func TestAShortSecretThatAWSQuotesAloneIsNotRepeated(t *testing.T) {
	client := respondingClient(http.StatusBadRequest, `{"__type":"ValidationException","message":"Value 'hunter2' is not valid"}`)
	w := store.VersionWrite{SecretID: "a", VersionID: pendingID(1), Value: oauth.NewSecret(`{"client_secret": "hunter2"}`)}
	err := versionsOf(t, client).Put(t.Context(), w)
	if want := "PutSecretValue a: ValidationException: a field of the request is invalid"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// respondingClient is a client of the real SDK, with one attempt, whose server returns one response to everything.
func respondingClient(status int, body string) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: "sa-east-1", Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{},
		HTTPClient: &http.Client{Transport: response{status, body}},
	})
}

type response struct {
	status int
	body   string
}

func (a response) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}
