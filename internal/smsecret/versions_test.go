package smsecret_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/smsecret"
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
		name, first := "direct", ""
		first = create(t, w.SecretsManager(), name, canary)
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
	put := rotate.Put{SecretID: s.ARN, VersionID: id, Value: oauth.NewSecret("new-" + id), Stages: []string{refresh.StagePending}}
	ok(v.Put(t.Context(), put))
	ok(v.Put(t.Context(), put)) // once more changes nothing
	doc, err := v.Read(t.Context(), s.ARN, id, refresh.StagePending)
	ok(err)
	if doc.VersionID != id || doc.Value.Reveal() != "new-"+id || doc.Created.IsZero() {
		t.Fatalf("read %+v", doc)
	}
	if _, err := v.Read(t.Context(), s.ARN, id, refresh.StageCurrent); !errors.Is(err, rotate.ErrStageMismatch) {
		t.Errorf("read under another label: %v", err)
	}
	if _, err := v.Read(t.Context(), s.ARN, pendingID(99), ""); !errors.Is(err, refresh.ErrNotFound) {
		t.Errorf("read of no version: %v", err)
	}
	wrong := rotate.Move{SecretID: s.ARN, Label: refresh.StageCurrent, From: id, To: id}
	if err := v.MoveLabel(t.Context(), wrong); !errors.Is(err, rotate.ErrLabelMoved) {
		t.Errorf("a compare-and-swap from the wrong version: %v", err)
	}
	ok(v.MoveLabel(t.Context(), rotate.Move{SecretID: s.ARN, Label: refresh.StageCurrent, From: old, To: id}))
	ok(v.MoveLabel(t.Context(), rotate.Move{SecretID: s.ARN, Label: refresh.StagePending, From: id}))
	s, err = v.Describe(t.Context(), s.ARN)
	ok(err)
	if s.Name != name || !slices.Equal(s.Versions[id], []string{refresh.StageCurrent}) || !slices.Equal(s.Versions[old], []string{refresh.StagePrevious}) {
		t.Errorf("%+v", s)
	}
}

func TestAVersionThatHoldsAnotherValueIsNotOverwritten(t *testing.T) {
	w := new(awstest.World)
	create(t, w.SecretsManager(), "a", canary)
	v := versionsOf(t, w.SecretsManager())
	put := rotate.Put{SecretID: "a", VersionID: pendingID(1), Value: oauth.NewSecret("one"), Stages: []string{refresh.StagePending}}
	if err := v.Put(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	put.Value = oauth.NewSecret("two")
	if err := v.Put(t.Context(), put); !errors.Is(err, rotate.ErrVersionExists) {
		t.Error(err)
	}
}

// TestWhatAWSQuotesIsNotTold: AWS's words for a field that it refuses repeat the field.
func TestWhatAWSQuotesIsNotTold(t *testing.T) {
	const secret, token = "CANARY-SECRET", "CANARY-ROTATION-TOKEN"
	for _, code := range []string{"ValidationException", "InvalidParameterException"} {
		client := secretsmanager.New(secretsmanager.Options{Region: "sa-east-1", Credentials: aws.AnonymousCredentials{}, HTTPClient: &http.Client{Transport: answer(
			`{"__type":"` + code + `","message":"Value '` + token + `' at 'rotationToken' failed to satisfy constraint"}`)}})
		err := versionsOf(t, client).Put(t.Context(), rotate.Put{SecretID: "a", VersionID: pendingID(1), Value: oauth.NewSecret(secret), RotationToken: oauth.NewSecret(token)})
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "CANARY") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// answer is a server that refuses everything with one body.
type answer string

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}
