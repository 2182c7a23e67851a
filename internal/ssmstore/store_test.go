package ssmstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const canary = "canary-token-eyJhbGciOiJIUzI1NiJ9"

func open(t *testing.T, client ssmstore.API, prefix string) *ssmstore.Store {
	t.Helper()
	s, err := ssmstore.New(ssmstore.Config{Client: client, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newWorld is an empty account and a Store over it.
func newWorld(t *testing.T) (*awstest.World, *ssmstore.Store) {
	t.Helper()
	w := new(awstest.World)
	return w, open(t, w.SSM(), "/oauth")
}

func token(connection string) store.Name {
	return store.Name{Connection: connection, Kind: store.KindToken}
}
func account(connection string) store.Name {
	return store.Name{Connection: connection, Kind: store.KindAccount}
}
func failure(connection string) store.Name {
	return store.Name{Connection: connection, Kind: store.KindFailure}
}

func write(n store.Name, value, description string) store.Write {
	return store.Write{Name: n, Value: oauth.NewSecret(value), Description: description}
}

func mustPut(t *testing.T, s *ssmstore.Store, w store.Write) int64 {
	t.Helper()
	version, err := s.Put(t.Context(), w)
	if err != nil {
		t.Fatalf("Put %s %s: %v", w.Connection, w.Kind, err)
	}
	return version
}

// byHand writes a parameter as somebody else would.
func byHand(t *testing.T, w *awstest.World, name string, kind types.ParameterType, value string) {
	t.Helper()
	if _, err := w.WriteParameter(name, awstest.ParameterWrite{Type: string(kind), Value: value}); err != nil {
		t.Fatal(err)
	}
}

// stored returns a parameter of the World, which must exist.
func stored(t *testing.T, w *awstest.World, name string) awstest.ParameterState {
	t.Helper()
	p, ok := w.Parameter(name)
	if !ok {
		t.Fatalf("%s does not exist", name)
	}
	return p
}

func wantSummary(t *testing.T, got []store.Parameter, want ...string) {
	t.Helper()
	var lines []string
	for _, p := range got {
		lines = append(lines, fmt.Sprintf("%s %s %s v%d %q", p.Connection, p.Kind, p.Type, p.Version, p.Text))
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(lines, "\n  "), strings.Join(want, "\n  "))
	}
}

func wantError(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v; want an error that wraps %q and says %q", err, kind, text)
	}
	if s := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(s, canary) {
		t.Error("the error holds the value that was written")
	}
}

func TestPutWritesEachKindAsTheContractSays(t *testing.T) {
	w, s := newWorld(t)
	for _, w := range []store.Write{
		write(token("kiwify/main"), canary, "Access token of kiwify/main."),
		write(account("kiwify/main"), "acc-1", ""),
		write(failure("kiwify/main"), "Kiwify rejects these credentials.", ""),
	} {
		if version := mustPut(t, s, w); version != 1 {
			t.Errorf("the first write of %s is version %d", w.Kind, version)
		}
	}
	tests := map[string]struct{ typ, value, description, keyID string }{
		"/oauth/kiwify/main/access_token":    {"SecureString", canary, "Access token of kiwify/main.", "alias/aws/ssm"},
		"/oauth/kiwify/main/account_id":      {"String", "acc-1", "", ""},
		"/oauth/kiwify/main/refresh_failure": {"String", "Kiwify rejects these credentials.", "", ""},
	}
	for name, want := range tests {
		p := stored(t, w, name)
		if p.Type != want.typ || p.Value.Reveal() != want.value || p.Description != want.description || p.KeyID != want.keyID {
			t.Errorf("%s: %s with description %q and key %q; want %+v", name, p.Type, p.Description, p.KeyID, want)
		}
	}
	if version := mustPut(t, s, write(token("kiwify/main"), canary+"2", "")); version != 2 {
		t.Errorf("the second write of the token is version %d", version)
	}
}

// recorder keeps the requests to write.
type recorder struct {
	ssmstore.API

	puts []*ssm.PutParameterInput
}

func (r *recorder) PutParameter(ctx context.Context, in *ssm.PutParameterInput, opts ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	r.puts = append(r.puts, in)
	return r.API.PutParameter(ctx, in, opts...)
}

func TestTheKeyAndTheTierOfAWrite(t *testing.T) {
	tests := map[string]struct {
		key  string
		want string // KeyId of the token's request, "" when the request has none
	}{
		"no key: the request has no KeyId, so SSM takes its own": {"", ""},
		"the alias of SSM's own key may not exist yet":           {"alias/aws/ssm", ""},
		"another key is named":                                   {"alias/mine", "alias/mine"},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			r := &recorder{API: new(awstest.World).SSM()}
			s, err := ssmstore.New(ssmstore.Config{Client: r, Prefix: "/oauth", KMSKeyID: tt.key})
			if err != nil {
				t.Fatal(err)
			}
			mustPut(t, s, write(token("x"), canary, ""))
			mustPut(t, s, write(account("x"), "acc", ""))
			mustPut(t, s, write(failure("x"), "sentence", ""))
			if got := r.puts[0].KeyId; aws.ToString(got) != tt.want || (got == nil) != (tt.want == "") {
				t.Errorf("KeyId %v of the token, want %q", got, tt.want)
			}
			for _, in := range r.puts {
				if in.Tier != types.ParameterTierIntelligentTiering || !aws.ToBool(in.Overwrite) {
					t.Errorf("%s: tier %q, overwrite %v", *in.Name, in.Tier, aws.ToBool(in.Overwrite))
				}
				if in.Type == types.ParameterTypeString && in.KeyId != nil {
					t.Errorf("%s is a String with a KeyId", *in.Name)
				}
			}
		})
	}
}

func TestPutUsesTheAdvancedTierWhenTheStandardOneIsFull(t *testing.T) {
	w, s := newWorld(t)
	w.StandardLimit = 1
	mustPut(t, s, write(token("a"), "token-a", ""))
	mustPut(t, s, write(failure("a"), "sentence", ""))
	mustPut(t, s, write(token("b"), strings.Repeat("x", 8192), ""))
	if tier := stored(t, w, "/oauth/a/refresh_failure").Tier; tier != "Advanced" {
		t.Errorf("the failure beyond the limit is %s", tier)
	}
}

func TestPutIsRefused(t *testing.T) {
	const name = "/oauth/x/access_token"
	tok := write(token("x"), canary, "")
	tests := map[string]struct {
		prepare func(t *testing.T, w *awstest.World)
		write   store.Write
		kind    error
		text    string
	}{
		"a value of 9,000 bytes": {
			nil, write(token("x"), strings.Repeat(canary, 300)[:9000], ""), store.ErrInvalidWrite, "PutParameter " + name + ": ValidationException: ",
		},
		"a description of 1,025 characters": {nil, write(token("x"), canary, strings.Repeat("d", 1025)), store.ErrInvalidWrite, "ValidationException"},
		"a String in the way of a token": {func(t *testing.T, w *awstest.World) {
			t.Helper()
			byHand(t, w, name, types.ParameterTypeString, "v")
		}, tok, store.ErrTypeConflict, "HierarchyTypeMismatchException"},
		"throttled":                 {inject(awstest.Throttled), tok, store.ErrThrottled, "PutParameter " + name + ": ThrottlingException: Rate exceeded"},
		"another writer at work":    {inject(awstest.TooManyUpdates), tok, store.ErrThrottled, "TooManyUpdates"},
		"no permission":             {inject(awstest.AccessDenied), tok, store.ErrUnwritable, "ssm:PutParameter"},
		"no permission on the key":  {inject(awstest.KMSAccessDenied), tok, store.ErrUnwritable, "AccessDeniedException"},
		"a key that does not exist": {inject(awstest.DecryptionFailure), tok, store.ErrUnwritable, "InvalidKeyId"},
		"too many parameters":       {inject(awstest.ParameterLimit), tok, store.ErrUnwritable, "ParameterLimitExceeded"},
		"a labelled oldest version": {inject(awstest.ParameterVersionLimit), tok, store.ErrInvalidWrite, "ParameterMaxVersionLimitExceeded"},
		"a fault of the service":    {inject(awstest.InternalError), tok, store.ErrUnavailable, "InternalServerError"},
		"a connection that breaks":  {inject(awstest.ConnectionReset), tok, store.ErrUnavailable, "no connection"},
		"an impossible name":        {nil, write(token("x@y"), canary, ""), store.ErrInvalidWrite, "PutParameter /oauth/x@y/access_token: "},
		"an unknown kind": {
			nil, write(store.Name{Connection: "x", Kind: "token"}, canary, ""), store.ErrInvalidWrite, "PutParameter /oauth/x/token: ",
		},
		"an empty value": {nil, write(token("x"), "", ""), store.ErrInvalidWrite, "empty"},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			w, s := newWorld(t)
			if tt.prepare != nil {
				tt.prepare(t, w)
			}
			version, err := s.Put(t.Context(), tt.write)
			wantError(t, err, tt.kind, tt.text)
			if version != 0 {
				t.Errorf("version %d of a write that failed", version)
			}
			if n := w.Count(awstest.PutParameter).Calls; n > 1 {
				t.Errorf("%d calls of PutParameter; the caller's pacing knows of one", n)
			}
		})
	}
}

func inject(e awstest.Effect) func(*testing.T, *awstest.World) {
	return func(_ *testing.T, w *awstest.World) { w.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: e}) }
}

func TestAWriteWhoseResponseIsLostMayHaveHappened(t *testing.T) {
	w, s := newWorld(t)
	w.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.LostResponse})
	_, err := s.Put(t.Context(), write(token("x"), canary, ""))
	wantError(t, err, store.ErrUnavailable, "PutParameter /oauth/x/access_token: no connection")
	if v := stored(t, w, "/oauth/x/access_token").Version; v != 1 {
		t.Errorf("version %d", v)
	}
}

func TestEveryCallHasADeadlineOfItsOwn(t *testing.T) {
	calls := map[awstest.Op]func(ctx context.Context, s *ssmstore.Store) error{
		awstest.PutParameter: func(ctx context.Context, s *ssmstore.Store) error {
			_, err := s.Put(ctx, write(token("x"), canary, ""))
			return err
		},
		awstest.GetParameters: func(ctx context.Context, s *ssmstore.Store) error {
			_, err := s.Get(ctx, []store.Name{token("x")})
			return err
		},
		awstest.DeleteParameters: func(ctx context.Context, s *ssmstore.Store) error {
			return s.Delete(ctx, []store.Name{token("x")})
		},
	}
	for op, call := range calls {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWorld(t)
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

func TestReadsAreTriedThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t)
		mustPut(t, s, write(token("x"), canary, ""))
		w.Inject(awstest.Fault{Op: awstest.GetParameters, Effect: awstest.Throttled, Times: 2})
		got, err := s.Get(t.Context(), []store.Name{token("x")})
		if n := w.Count(awstest.GetParameters).Calls; err != nil || len(got) != 1 || n != 3 {
			t.Errorf("Get = %v, %v after %d calls", got, err, n)
		}
		w.ResetCalls()
		w.Inject(awstest.Fault{Op: awstest.GetParameters, Effect: awstest.Throttled})
		_, err = s.Get(t.Context(), []store.Name{token("x")})
		wantError(t, err, store.ErrThrottled, "GetParameters /oauth/x/access_token: ThrottlingException: Rate exceeded")
		if n := w.Count(awstest.GetParameters).Calls; n != 3 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestGetReturnsWhatIsThereNow(t *testing.T) {
	w := &awstest.World{ListLag: time.Minute}
	s := open(t, w.SSM(), "/oauth")
	mustPut(t, s, write(token("a"), canary, ""))
	mustPut(t, s, write(token("a"), canary+"2", ""))
	mustPut(t, s, write(account("a"), "acc-a", ""))
	mustPut(t, s, write(failure("b"), "It fails.", ""))
	byHand(t, w, "/oauth/c/account_id", types.ParameterTypeSecureString, canary)
	byHand(t, w, "/oauth/c/refresh_failure", types.ParameterTypeStringList, "one,two")
	byHand(t, w, "/oauth/c/access_token", types.ParameterTypeString, canary)
	got, err := s.Get(t.Context(), []store.Name{
		failure("c"), token("none"), failure("b"), token("a"), account("a"), token("a"), token("a@b"), account("c"), token("c"),
	})
	if err != nil {
		t.Fatal(err)
	}
	// In the order of the names, each once. Only a String has a text, and a token's parameter never has one.
	wantSummary(t, got,
		`c refresh_failure StringList v1 ""`, `b refresh_failure String v1 "It fails."`, `a access_token SecureString v2 ""`,
		`a account_id String v1 "acc-a"`, `c account_id SecureString v1 ""`, `c access_token String v1 ""`)
	if strings.Contains(fmt.Sprintf("%+v", got), canary) || w.Decrypted() != 0 {
		t.Errorf("%d values decrypted, or a token was kept", w.Decrypted())
	}
	if at := got[0].Modified; at.IsZero() || at.Location() != time.UTC {
		t.Errorf("Modified %v", at)
	}
}

func TestGetReadsTenNamesACall(t *testing.T) {
	w, s := newWorld(t)
	var names []store.Name
	for i := range 23 {
		names = append(names, account(fmt.Sprintf("c%02d", 22-i)))
		mustPut(t, s, write(names[i], names[i].Connection, ""))
	}
	got, err := s.Get(t.Context(), append(slices.Clone(names), names...))
	if err != nil || len(got) != 23 {
		t.Fatalf("Get = %d, %v", len(got), err)
	}
	for i, p := range got {
		if p.Name != names[i] || p.Text != names[i].Connection {
			t.Errorf("place %d: %+v", i, p)
		}
	}
	if n := w.Count(awstest.GetParameters).Calls; n != 3 || len(w.Counts()) != 2 {
		t.Errorf("%d calls of GetParameters, all calls %v", n, w.Counts())
	}
}

func TestGetOfNothingMakesNoCall(t *testing.T) {
	w, s := newWorld(t)
	for _, names := range [][]store.Name{nil, {token("not@possible"), token(""), token("a//b")}} {
		if got, err := s.Get(t.Context(), names); err != nil || len(got) != 0 {
			t.Errorf("Get(%v) = %v, %v", names, got, err)
		}
	}
	if n := w.Counts(); len(n) != 0 {
		t.Errorf("calls: %v", n)
	}
}

func TestGetFailsAsAWhole(t *testing.T) {
	w, s := newWorld(t)
	var names []store.Name
	for i := range 12 {
		names = append(names, token(fmt.Sprintf("c%02d", i)))
		mustPut(t, s, write(names[i], canary, ""))
	}
	w.Inject(awstest.Fault{Op: awstest.GetParameters, Name: "/oauth/c11/access_token", Effect: awstest.AccessDenied})
	got, err := s.Get(t.Context(), names)
	wantError(t, err, store.ErrAccessDenied, "GetParameters /oauth/c10/access_token: AccessDeniedException: ")
	if got != nil {
		t.Errorf("a part is returned: %v", got)
	}
}

func TestDelete(t *testing.T) {
	w, s := newWorld(t)
	var names []store.Name
	for i := range 23 {
		names = append(names, token(fmt.Sprintf("c%02d", i)))
		mustPut(t, s, write(names[i], canary, ""))
	}
	names = append(names, names[0], failure("none"), token("not@possible"))
	mustPut(t, s, write(token("stays"), canary, ""))

	w.Inject(awstest.Fault{Op: awstest.DeleteParameters, Name: "/oauth/c05/access_token", Effect: awstest.AccessDenied, Times: 1})
	err := s.Delete(t.Context(), names)
	wantError(t, err, store.ErrUnwritable, "DeleteParameters /oauth/c00/access_token: AccessDeniedException: ")
	if n := w.Count(awstest.DeleteParameters).Calls; n != 3 {
		t.Errorf("%d calls for 24 names", n)
	}
	if left := w.ParameterNames(); len(left) != 11 {
		t.Errorf("left: %v; want the ten of the call that failed and one", left)
	}
	if err := s.Delete(t.Context(), names); err != nil {
		t.Errorf("Delete of what is partly gone: %v", err)
	}
	if left := w.ParameterNames(); !slices.Equal(left, []string{"/oauth/stays/access_token"}) {
		t.Errorf("left: %v", left)
	}
}
