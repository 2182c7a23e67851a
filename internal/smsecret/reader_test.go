package smsecret_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/smsecret"
)

func reader(t *testing.T, w *awstest.World) smsecret.Reader {
	t.Helper()
	s, err := smsecret.New(smsecret.Config{Client: w.SecretsManager(), Prefix: "oauth/"})
	if err != nil {
		t.Fatal(err)
	}
	return s.Reader()
}

func TestAReaderListsSecrets(t *testing.T) {
	w := new(awstest.World)
	id, err := w.PutSecret("oauth/a/b", "{}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.PutSecret("other/x", "{}"); err != nil {
		t.Fatal(err)
	}
	if err := w.TagSecret("oauth/a/b", "chaveiro:paused", "true"); err != nil {
		t.Fatal(err)
	}
	got, err := reader(t, w).List(t.Context())
	if err != nil || len(got) != 1 || got[0].Connection != "a/b" || got[0].Current != id || !got[0].Paused || time.Since(got[0].Created) > time.Minute {
		t.Errorf("%+v, %v", got, err)
	}
	w.Inject(awstest.Fault{Op: awstest.ListSecrets, Effect: awstest.AccessDenied})
	if got, err := reader(t, w).List(t.Context()); !errors.Is(err, refresh.ErrAccessDenied) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestAReaderReadsOneByGetSecretValueAlone: its role has no right to the batch.
func TestAReaderReadsOneByGetSecretValueAlone(t *testing.T) {
	w := new(awstest.World)
	if _, err := w.PutSecret("oauth/a", "old"); err != nil {
		t.Fatal(err)
	}
	id, err := w.PutSecret("oauth/a", "new")
	if err != nil {
		t.Fatal(err)
	}
	w.ResetCalls()
	got, err := reader(t, w).Read(t.Context(), "a")
	if err != nil || got.VersionID != id || got.Value.Reveal() != "new" {
		t.Errorf("%+v, %v", got, err)
	}
	if n := w.Count(awstest.GetSecretValue).Calls; n != 1 || len(w.Counts()) != 1 {
		t.Errorf("calls %v", w.Counts())
	}
	if _, err := reader(t, w).Read(t.Context(), "none"); !errors.Is(err, refresh.ErrNotFound) {
		t.Errorf("%v", err)
	}
	w.Inject(awstest.Fault{Op: awstest.GetSecretValue, Effect: awstest.DecryptionFailure})
	if _, err := reader(t, w).Read(t.Context(), "a"); !errors.Is(err, refresh.ErrUndecryptable) {
		t.Errorf("%v", err)
	}
}
