package smsecret_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/store"
)

const canary = "canary-client-secret-0123456789"

func open(t *testing.T, client smsecret.API, prefix string) *smsecret.Store {
	t.Helper()
	s, err := smsecret.New(smsecret.Config{Client: client, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newWorld is an empty account, its client and a Store over both.
func newWorld(t *testing.T) (*awstest.World, *secretsmanager.Client, *smsecret.Store) {
	t.Helper()
	w := new(awstest.World)
	client := secretsmanager.NewFromConfig(w.Config())
	return w, client, open(t, client, "oauth/")
}

// create makes a secret and returns the id of its version.
func create(t *testing.T, client *secretsmanager.Client, name, value string, tags ...string) string {
	t.Helper()
	in := &secretsmanager.CreateSecretInput{Name: &name}
	if value != "" {
		in.SecretString = &value
	}
	for i := 0; i+1 < len(tags); i += 2 {
		in.Tags = append(in.Tags, types.Tag{Key: &tags[i], Value: &tags[i+1]})
	}
	out, err := client.CreateSecret(t.Context(), in)
	if err != nil {
		t.Fatalf("CreateSecret %s: %v", name, err)
	}
	return aws.ToString(out.VersionId)
}

func put(t *testing.T, client *secretsmanager.Client, name, value string, stages ...string) string {
	t.Helper()
	out, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &value, VersionStages: stages})
	if err != nil {
		t.Fatalf("PutSecretValue %s: %v", name, err)
	}
	return aws.ToString(out.VersionId)
}

func remove(t *testing.T, client *secretsmanager.Client, name string) {
	t.Helper()
	if _, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &name, RecoveryWindowInDays: aws.Int64(7)}); err != nil {
		t.Fatalf("DeleteSecret %s: %v", name, err)
	}
}

// list returns the whole listing, by connection. What it returns beside an error is what came before the error.
func list(t *testing.T, s *smsecret.Store) (map[string]store.Secret, error) {
	t.Helper()
	found := map[string]store.Secret{}
	err := s.List(t.Context(), func(page []store.Secret) {
		for _, secret := range page {
			if _, twice := found[secret.Connection]; twice {
				t.Errorf("%s came twice", secret.Connection)
			}
			found[secret.Connection] = secret
		}
	})
	return found, err
}

func wantError(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v; want one that wraps %q and says %q", err, kind, text)
	}
	if s := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(s, canary) {
		t.Error("the error holds the secret's value")
	}
}

func TestListReturnsWhatIsUnderThePrefix(t *testing.T) {
	w, client, s := newWorld(t)
	first := create(t, client, "oauth/hotmart/loja-a", canary)
	second := put(t, client, "oauth/hotmart/loja-a", canary)
	backup := put(t, client, "oauth/hotmart/loja-a", canary, store.StageBackup)
	create(t, client, "oauth/Hotmart/Loja-A", canary, "chaveiro:paused", "false")
	create(t, client, "oauth/paused", canary, "other", "x", "chaveiro:paused", "True")
	create(t, client, "oauth/not-paused", canary, "chaveiro:paused", "yes")
	create(t, client, "oauth/without-value", "")
	create(t, client, "oauth/gone", canary)
	remove(t, client, "oauth/gone")
	create(t, client, "oauthx/a", canary)
	create(t, client, "OAuth/a", canary)
	create(t, client, "x/oauth/a", canary)

	got, err := list(t, s)
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(got))
	if want := []string{"Hotmart/Loja-A", "hotmart/loja-a", "not-paused", "paused", "without-value"}; !slices.Equal(names, want) {
		t.Fatalf("connections %v, want %v", names, want)
	}
	for c, secret := range got {
		if secret.Paused != (c == "paused") || (secret.PausedTag == "yes") != (c == "not-paused") {
			t.Errorf("%s: paused %v, tag %q", c, secret.Paused, secret.PausedTag)
		}
		described, err := s.Describe(t.Context(), c)
		if err != nil || described.Name != "oauth/"+c || !strings.HasPrefix(described.ARN, "arn:aws:secretsmanager:") {
			t.Errorf("Describe = %+v, %v", described, err)
		}
		described.ARN, described.Name = "", "" // a listing has neither
		if fmt.Sprint(described) != fmt.Sprint(secret) {
			t.Errorf("Describe = %v; the listing says %v", described, secret)
		}
	}
	versions := map[string][]string{first: {store.StagePrevious}, second: {store.StageCurrent}, backup: {store.StageBackup}}
	if stages := got["hotmart/loja-a"].Versions; fmt.Sprint(stages) != fmt.Sprint(versions) {
		t.Errorf("versions %v, want %v", stages, versions)
	}
	if n := len(got["without-value"].Versions); n != 0 {
		t.Errorf("%d versions of a secret without a value", n)
	}
	if created := got["paused"].Created; created.IsZero() || created.Location() != time.UTC || got["paused"].Changed.Before(created) {
		t.Errorf("created %v, changed %v", created, got["paused"].Changed)
	}
	if n := w.Decrypted(); n != 0 {
		t.Errorf("a listing decrypted %d values", n)
	}
}

func TestListStreamsPagesOfAHundred(t *testing.T) {
	w, client, s := newWorld(t)
	for i := range 250 {
		create(t, client, fmt.Sprintf("oauth/c%03d", i), canary)
		create(t, client, fmt.Sprintf("other/c%03d", i), canary)
	}
	w.ResetCalls()
	var sizes, calls []int
	err := s.List(t.Context(), func(page []store.Secret) {
		sizes, calls = append(sizes, len(page)), append(calls, w.Count(awstest.ListSecrets).Calls)
	})
	if err != nil || !slices.Equal(sizes, []int{100, 100, 50}) || !slices.Equal(calls, []int{1, 2, 3}) {
		t.Errorf("pages of %v after %v calls, %v; each page must come before the next is requested", sizes, calls, err)
	}
	w.ScanLimit = 7
	if got, err := list(t, s); err != nil || len(got) != 250 {
		t.Errorf("over short pages: List = %d, %v", len(got), err)
	}
}

func TestAListingThatBreaksOffIsAnError(t *testing.T) {
	w, client, s := newWorld(t)
	for i := range 120 {
		create(t, client, fmt.Sprintf("oauth/c%03d", i), canary)
	}
	w.Inject(awstest.Fault{Op: awstest.ListSecrets, Effect: awstest.AccessDenied, Skip: 1})
	got, err := list(t, s)
	wantError(t, err, store.ErrAccessDenied, "ListSecrets oauth/: AccessDeniedException: ")
	if len(got) != 100 {
		t.Errorf("%d secrets before the error, want the first page", len(got))
	}
}

// looping is a client whose listing never ends.
type looping struct {
	smsecret.API

	first *string
	calls int
}

func (l *looping) ListSecrets(ctx context.Context, in *secretsmanager.ListSecretsInput,
	opts ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error) {
	l.calls++
	out, err := l.API.ListSecrets(ctx, in, opts...)
	if err == nil {
		if l.first == nil {
			l.first = out.NextToken
		}
		out.NextToken = l.first
	}
	return out, err
}

func TestATokenThatComesTwiceEndsTheListing(t *testing.T) {
	_, client, _ := newWorld(t)
	for i := range 120 {
		create(t, client, fmt.Sprintf("oauth/c%03d", i), canary)
	}
	api := &looping{API: client}
	_, err := list(t, open(t, api, "oauth/"))
	wantError(t, err, store.ErrUnavailable, "NextToken came twice")
	if api.calls != 2 {
		t.Errorf("%d calls", api.calls)
	}
}

func TestDescribeSeesWhatTheListingDoesNotYet(t *testing.T) {
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := &awstest.World{Now: func() time.Time { return clock }, ListLag: 5 * time.Minute}
	client := secretsmanager.NewFromConfig(w.Config())
	s := open(t, client, "oauth/")
	version := create(t, client, "oauth/new", canary)
	if got, err := list(t, s); err != nil || len(got) != 0 {
		t.Errorf("List = %v, %v", got, err)
	}
	got, err := s.Describe(t.Context(), "new")
	if err != nil || got.Connection != "new" || got.Holder(store.StageCurrent) != version || !got.Created.Equal(clock) {
		t.Errorf("Describe = %+v, %v", got, err)
	}
	clock = clock.Add(6 * time.Minute)
	remove(t, client, "oauth/new")
	if got, err := list(t, s); err != nil || len(got) != 1 {
		t.Errorf("List = %v, %v; want the secret that is already gone", got, err)
	}
	_, err = s.Describe(t.Context(), "new")
	wantError(t, err, store.ErrNotFound, "DescribeSecret oauth/new: the secret is scheduled for deletion")
	wantError(t, err, store.ErrDeleted, "")
	_, err = s.Describe(t.Context(), "never-was")
	wantError(t, err, store.ErrNotFound, "DescribeSecret oauth/never-was: ResourceNotFoundException: ")
	if errors.Is(err, store.ErrDeleted) {
		t.Error("a secret that never was is not scheduled for deletion")
	}
}

func TestReadCurrentReturnsEachSecretsOwnFault(t *testing.T) {
	w, client, s := newWorld(t)
	good := create(t, client, "oauth/good", canary)
	for _, name := range []string{"oauth/gone", "oauth/denied", "oauth/key-denied", "oauth/wrong-key"} {
		create(t, client, name, canary)
	}
	remove(t, client, "oauth/gone")
	create(t, client, "oauth/without-value", "")
	binary, err := w.PutSecretBinary("oauth/binary", []byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	for name, effect := range map[string]awstest.Effect{
		"oauth/denied": awstest.AccessDenied, "oauth/key-denied": awstest.KMSAccessDenied, "oauth/wrong-key": awstest.DecryptionFailure} {
		w.Inject(awstest.Fault{Op: awstest.GetSecretValue, Name: name, Effect: effect})
	}
	tests := []struct {
		connection, version string
		binary              bool
		kind                error
	}{
		{"never-was", "", false, store.ErrNotFound},
		{"gone", "", false, store.ErrDeleted},
		{"good", good, false, nil},
		{"denied", "", false, store.ErrAccessDenied},
		{"key-denied", "", false, store.ErrUndecryptable},
		{"wrong-key", "", false, store.ErrUndecryptable},
		{"binary", binary, true, nil},
		{"without-value", "", false, nil},
	}
	var ask []string
	for _, tt := range tests {
		ask = append(ask, tt.connection)
	}
	docs := s.ReadCurrent(t.Context(), ask)
	if len(docs) != len(ask) {
		t.Fatalf("%d documents for %d connections", len(docs), len(ask))
	}
	for i, tt := range tests {
		d := docs[i]
		if d.Connection != tt.connection || d.VersionID != tt.version || d.Binary != tt.binary {
			t.Errorf("%s: document of %q, version %q, binary %v", tt.connection, d.Connection, d.VersionID, d.Binary)
		}
		if (d.Value.Reveal() == canary) != (tt.connection == "good") {
			t.Errorf("%s: wrong value", tt.connection)
		}
		if tt.kind != nil {
			wantError(t, d.Err, tt.kind, "SecretValue oauth/"+tt.connection+": ")
		} else if d.Err != nil {
			t.Errorf("%s: %v", tt.connection, d.Err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", d, d, d), canary) {
			t.Errorf("%s: the document prints its value", tt.connection)
		}
	}
	if n := w.Count(awstest.BatchGetSecretValue).Calls; n != 1 {
		t.Errorf("%d batches", n)
	}
}

func TestReadCurrentReadsTwentyACall(t *testing.T) {
	w, client, s := newWorld(t)
	var ask []string
	for i := range 45 {
		ask = append(ask, fmt.Sprintf("c%02d", i))
		create(t, client, "oauth/"+ask[i], fmt.Sprintf("%s-%d", canary, i))
	}
	w.ResetCalls()
	for i, d := range s.ReadCurrent(t.Context(), ask) {
		if d.Err != nil || d.Connection != ask[i] || d.Value.Reveal() != fmt.Sprintf("%s-%d", canary, i) {
			t.Errorf("place %d: %q, %v", i, d.Connection, d.Err)
		}
	}
	if batch, single := w.Count(awstest.BatchGetSecretValue).Calls, w.Count(awstest.GetSecretValue).Calls; batch != 3 || single != 0 {
		t.Errorf("%d batches and %d single reads", batch, single)
	}
	if docs := s.ReadCurrent(t.Context(), nil); len(docs) != 0 || w.Count(awstest.BatchGetSecretValue).Calls != 3 {
		t.Errorf("reading nothing: %v", docs)
	}
}

func TestABatchThatCannotBeReachedIsUnavailableForEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, client, s := newWorld(t)
		var ask []string
		for i := range 25 {
			ask = append(ask, fmt.Sprintf("c%02d", i))
			create(t, client, "oauth/"+ask[i], canary)
		}
		w.Inject(awstest.Fault{Op: awstest.BatchGetSecretValue, Effect: awstest.InternalError, Times: 3})
		docs := s.ReadCurrent(t.Context(), ask)
		for i, d := range docs {
			if i < 20 {
				wantError(t, d.Err, store.ErrUnavailable, "BatchGetSecretValue oauth/"+ask[i]+": InternalServiceError: ")
			} else if d.Err != nil {
				t.Errorf("%s is in the second batch: %v", ask[i], d.Err)
			}
		}
		if n := w.Count(awstest.BatchGetSecretValue).Calls; n != 4 {
			t.Errorf("%d calls; want three attempts and the second batch", n)
		}
	})
}

// TestReadUsesGetSecretValueAlone: the role of the healthcheck has no right to the batch.
func TestReadUsesGetSecretValueAlone(t *testing.T) {
	w, client, s := newWorld(t)
	create(t, client, "oauth/a", "old")
	id := put(t, client, "oauth/a", "new")
	create(t, client, "oauth/without-value", "")
	w.ResetCalls()
	got, err := s.Read(t.Context(), "a")
	if err != nil || got.Connection != "a" || got.VersionID != id || got.Value.Reveal() != "new" {
		t.Errorf("Read = %+v, %v", got, err)
	}
	if n := w.Count(awstest.GetSecretValue).Calls; n != 1 || len(w.Counts()) != 1 {
		t.Errorf("calls %v", w.Counts())
	}
	if got, err := s.Read(t.Context(), "without-value"); err != nil || got != (store.Document{Connection: "without-value"}) {
		t.Errorf("Read = %+v, %v", got, err)
	}
	_, err = s.Read(t.Context(), "none")
	wantError(t, err, store.ErrNotFound, "GetSecretValue oauth/none: ")
	w.Inject(awstest.Fault{Op: awstest.GetSecretValue, Effect: awstest.DecryptionFailure})
	_, err = s.Read(t.Context(), "a")
	wantError(t, err, store.ErrUndecryptable, "GetSecretValue oauth/a: DecryptionFailure")
}

func TestReadVersion(t *testing.T) {
	_, client, s := newWorld(t)
	first := create(t, client, "oauth/x", canary+"-1")
	second := put(t, client, "oauth/x", canary+"-2")
	for id, want := range map[string]string{first: canary + "-1", second: canary + "-2"} {
		got, err := s.ReadVersion(t.Context(), "x", id)
		if err != nil || got.Connection != "x" || got.VersionID != id || got.Value.Reveal() != want || got.Created.IsZero() {
			t.Errorf("ReadVersion = %v, %v", got, err)
		}
	}
	_, err := s.ReadVersion(t.Context(), "x", "00000000-0000-0000-0000-000000000000")
	wantError(t, err, store.ErrNotFound, "GetSecretValue oauth/x: ResourceNotFoundException: ")
}

func TestEveryCallHasADeadlineOfItsOwn(t *testing.T) {
	calls := map[awstest.Op]func(ctx context.Context, s *smsecret.Store) error{
		awstest.ListSecrets: func(ctx context.Context, s *smsecret.Store) error {
			return s.List(ctx, func([]store.Secret) {})
		},
		awstest.DescribeSecret: func(ctx context.Context, s *smsecret.Store) error {
			_, err := s.Describe(ctx, "x")
			return err
		},
		awstest.BatchGetSecretValue: func(ctx context.Context, s *smsecret.Store) error {
			return s.ReadCurrent(ctx, []string{"x"})[0].Err
		},
		awstest.GetSecretValue: func(ctx context.Context, s *smsecret.Store) error {
			_, err := s.ReadVersion(ctx, "x", "00000000-0000-0000-0000-000000000000")
			return err
		},
	}
	for op, call := range calls {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _, s := newWorld(t)
				w.Inject(awstest.Fault{Op: op, Effect: awstest.Hang})
				start := time.Now()
				err := call(context.WithoutCancel(t.Context()), s)
				wantError(t, err, store.ErrUnavailable, "no response in time")
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error("the deadline is not in the chain")
				}
				if took := time.Since(start); took != 10*time.Second {
					t.Errorf("gave up after %v", took)
				}
			})
		})
	}
}
