package ssmstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const canary = "canary-token-eyJhbGciOiJIUzI1NiJ9"

func open(t *testing.T, client ssmstore.API, prefix string) *ssmstore.Store {
	t.Helper()
	s, err := ssmstore.New(ssmstore.Config{Client: client, Prefix: prefix, KMSKeyID: "alias/aws/ssm"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newWorld is an empty account, its client and a Store over both.
func newWorld(t *testing.T) (*awstest.World, *ssm.Client, *ssmstore.Store) {
	t.Helper()
	w := new(awstest.World)
	client := ssm.NewFromConfig(w.Config())
	return w, client, open(t, client, "/oauth")
}

func write(connection string, kind refresh.Kind, value, description string) refresh.Write {
	return refresh.Write{Connection: connection, Kind: kind, Value: oauth.NewSecret(value), Description: description}
}

func mustPut(t *testing.T, s *ssmstore.Store, w refresh.Write) int64 {
	t.Helper()
	version, err := s.Put(t.Context(), w)
	if err != nil {
		t.Fatalf("Put %s %s: %v", w.Connection, w.Kind, err)
	}
	return version
}

// raw writes a parameter as somebody else would.
func raw(t *testing.T, client *ssm.Client, name string, kind types.ParameterType) {
	t.Helper()
	_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &name, Value: aws.String("v"), Type: kind})
	if err != nil {
		t.Fatalf("PutParameter %s: %v", name, err)
	}
}

func describe(t *testing.T, client *ssm.Client, name string) types.ParameterMetadata {
	t.Helper()
	out, err := client.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{name}}},
	})
	if err != nil || len(out.Parameters) != 1 {
		t.Fatalf("DescribeParameters %s: %v, %v", name, out, err)
	}
	return out.Parameters[0]
}

func summary(params []refresh.Parameter) []string {
	var out []string
	for _, p := range params {
		out = append(out, fmt.Sprintf("%s %s %s v%d %s", p.Connection, p.Kind, p.Type, p.Version, p.Description))
	}
	return out
}

func wantSummary(t *testing.T, got []refresh.Parameter, want ...string) {
	t.Helper()
	if s := summary(got); !slices.Equal(s, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(s, "\n  "), strings.Join(want, "\n  "))
	}
}

func wantError(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v; want one that wraps %q and says %q", err, kind, text)
	}
	if s := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(s, canary) {
		t.Error("the error holds the value that was written")
	}
}

func TestPutWritesEachKindAsTheContractSays(t *testing.T) {
	_, client, s := newWorld(t)
	for _, w := range []refresh.Write{
		write("kiwify/main", refresh.KindToken, canary, `{"v":1,"seq":1}`),
		write("kiwify/main", refresh.KindAccount, "acc-1", ""),
		write("kiwify/main", refresh.KindFailure, "Kiwify refuses this pair.", `{"v":1,"class":"credentials"}`),
	} {
		if version := mustPut(t, s, w); version != 1 {
			t.Errorf("the first write of %s is version %d", w.Kind, version)
		}
	}
	got, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/oauth/kiwify/main/access_token"), WithDecryption: aws.Bool(true)})
	if err != nil || aws.ToString(got.Parameter.Value) != canary {
		t.Errorf("the token is not there byte for byte: %v", err)
	}
	tok := describe(t, client, "/oauth/kiwify/main/access_token")
	if tok.Type != types.ParameterTypeSecureString || aws.ToString(tok.KeyId) != "alias/aws/ssm" || aws.ToString(tok.Description) != `{"v":1,"seq":1}` {
		t.Errorf("token: %s, key %q, description %q", tok.Type, aws.ToString(tok.KeyId), aws.ToString(tok.Description))
	}
	fail := describe(t, client, "/oauth/kiwify/main/refresh_failure")
	if fail.Type != types.ParameterTypeString || fail.KeyId != nil || aws.ToString(fail.Description) != `{"v":1,"class":"credentials"}` {
		t.Errorf("failure: %s, key %q, description %q", fail.Type, aws.ToString(fail.KeyId), aws.ToString(fail.Description))
	}
	if account := describe(t, client, "/oauth/kiwify/main/account_id"); account.Type != types.ParameterTypeString || account.KeyId != nil {
		t.Errorf("account: %s, key %q", account.Type, aws.ToString(account.KeyId))
	}
	if version := mustPut(t, s, write("kiwify/main", refresh.KindToken, canary+"2", "{}")); version != 2 {
		t.Errorf("the second write of the token is version %d", version)
	}
}

func TestPutTurnsToTheAdvancedTierWhenTheStandardOneIsFull(t *testing.T) {
	w, client, s := newWorld(t)
	w.StandardLimit = 1
	mustPut(t, s, write("a", refresh.KindToken, "token-a", "{}"))
	mustPut(t, s, write("a", refresh.KindFailure, "sentence", "{}"))
	mustPut(t, s, write("b", refresh.KindToken, strings.Repeat("x", 8192), "{}"))
	if tier := describe(t, client, "/oauth/a/refresh_failure").Tier; tier != types.ParameterTierAdvanced {
		t.Errorf("the failure record beyond the limit is %s", tier)
	}
}

func TestPutIsRefused(t *testing.T) {
	const name = "/oauth/x/access_token"
	tests := map[string]struct {
		prepare func(t *testing.T, w *awstest.World, client *ssm.Client)
		write   refresh.Write
		kind    error
		text    string
	}{
		"a value of 9,000 bytes": {nil, write("x", refresh.KindToken, strings.Repeat(canary, 300)[:9000], "{}"), refresh.ErrRefusesValue, "PutParameter " + name + ": ValidationException: "},
		"a description of 1,025 characters": {
			nil, write("x", refresh.KindToken, canary, strings.Repeat("d", 1025)), refresh.ErrRefusesValue, "ValidationException"},
		"a String in the way of a token": {func(t *testing.T, _ *awstest.World, client *ssm.Client) {
			t.Helper()
			raw(t, client, name, types.ParameterTypeString)
		}, write("x", refresh.KindToken, canary, "{}"), refresh.ErrTypeConflict, "HierarchyTypeMismatchException"},
		"throttled":                 {inject(awstest.Throttled), write("x", refresh.KindToken, canary, "{}"), refresh.ErrThrottled, "PutParameter " + name + ": ThrottlingException: Rate exceeded"},
		"another writer at work":    {inject(awstest.TooManyUpdates), write("x", refresh.KindToken, canary, "{}"), refresh.ErrThrottled, "TooManyUpdates"},
		"no permission":             {inject(awstest.AccessDenied), write("x", refresh.KindToken, canary, "{}"), refresh.ErrStoreRefuses, "ssm:PutParameter"},
		"no permission on the key":  {inject(awstest.KMSAccessDenied), write("x", refresh.KindToken, canary, "{}"), refresh.ErrStoreRefuses, "AccessDeniedException"},
		"a key that is not there":   {inject(awstest.DecryptionFailure), write("x", refresh.KindToken, canary, "{}"), refresh.ErrStoreRefuses, "InvalidKeyId"},
		"too many parameters":       {inject(awstest.ParameterLimit), write("x", refresh.KindToken, canary, "{}"), refresh.ErrStoreRefuses, "ParameterLimitExceeded"},
		"a labelled oldest version": {inject(awstest.ParameterVersionLimit), write("x", refresh.KindToken, canary, "{}"), refresh.ErrRefusesValue, "ParameterMaxVersionLimitExceeded"},
		"a fault of the service":    {inject(awstest.InternalError), write("x", refresh.KindToken, canary, "{}"), refresh.ErrUnavailable, "InternalServerError"},
		"a connection that breaks":  {inject(awstest.ConnectionReset), write("x", refresh.KindToken, canary, "{}"), refresh.ErrUnavailable, "no connection"},
		"a name that cannot be":     {nil, write("x@y", refresh.KindToken, canary, "{}"), refresh.ErrRefusesValue, "PutParameter /oauth/x@y/access_token: "},
		"a kind that nobody knows":  {nil, write("x", "token", canary, "{}"), refresh.ErrRefusesValue, "PutParameter /oauth/x/token: "},
		"an empty value":            {nil, write("x", refresh.KindToken, "", "{}"), refresh.ErrRefusesValue, "empty"},
	}
	for sentence, tt := range tests {
		t.Run(sentence, func(t *testing.T) {
			w, client, s := newWorld(t)
			if tt.prepare != nil {
				tt.prepare(t, w, client)
			}
			w.ResetCalls()
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

func inject(e awstest.Effect) func(*testing.T, *awstest.World, *ssm.Client) {
	return func(_ *testing.T, w *awstest.World, _ *ssm.Client) {
		w.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: e})
	}
}

func TestAWriteWhoseAnswerIsLostMayHaveHappened(t *testing.T) {
	w, client, s := newWorld(t)
	w.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.LostResponse})
	_, err := s.Put(t.Context(), write("x", refresh.KindToken, canary, "{}"))
	wantError(t, err, refresh.ErrUnavailable, "PutParameter /oauth/x/access_token: no connection")
	if v := describe(t, client, "/oauth/x/access_token").Version; v != 1 {
		t.Errorf("version %d", v)
	}
}

func TestEveryCallHasADeadlineOfItsOwn(t *testing.T) {
	calls := map[awstest.Op]func(ctx context.Context, s *ssmstore.Store) error{
		awstest.PutParameter: func(ctx context.Context, s *ssmstore.Store) error {
			_, err := s.Put(ctx, write("x", refresh.KindToken, canary, "{}"))
			return err
		},
		awstest.DescribeParameters: func(ctx context.Context, s *ssmstore.Store) error {
			_, err := s.List(ctx)
			return err
		},
		awstest.GetParameters: func(ctx context.Context, s *ssmstore.Store) error {
			_, err := s.Lookup(ctx, []string{"x"})
			return err
		},
		awstest.DeleteParameters: func(ctx context.Context, s *ssmstore.Store) error {
			return s.Delete(ctx, []refresh.Name{{Connection: "x", Kind: refresh.KindToken}})
		},
	}
	for op, call := range calls {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _, s := newWorld(t)
				w.Inject(awstest.Fault{Op: op, Effect: awstest.Hang})
				start := time.Now()
				err := call(context.WithoutCancel(t.Context()), s)
				wantError(t, err, refresh.ErrUnavailable, "no answer in time")
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
		w, _, s := newWorld(t)
		mustPut(t, s, write("x", refresh.KindToken, canary, "{}"))
		w.Inject(awstest.Fault{Op: awstest.DescribeParameters, Effect: awstest.Throttled, Times: 2})
		got, err := s.List(t.Context())
		if err != nil || len(got) != 1 || w.Count(awstest.DescribeParameters).Calls != 3 {
			t.Errorf("List = %v, %v after %d calls", got, err, w.Count(awstest.DescribeParameters).Calls)
		}
		w.ResetCalls()
		w.Inject(awstest.Fault{Op: awstest.DescribeParameters, Effect: awstest.Throttled})
		_, err = s.List(t.Context())
		wantError(t, err, refresh.ErrThrottled, "DescribeParameters /oauth: ThrottlingException: Rate exceeded")
		if n := w.Count(awstest.DescribeParameters).Calls; n != 3 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestListTellsTokensAndFailuresUnderThePrefixOnly(t *testing.T) {
	w, client, s := newWorld(t)
	mustPut(t, s, write("a/b/c/d", refresh.KindToken, canary, "four"))
	mustPut(t, s, write("access_token", refresh.KindAccount, "acc", ""))
	mustPut(t, s, write("access_token", refresh.KindToken, canary, "named like a kind"))
	mustPut(t, s, write("x", refresh.KindToken, canary, "one"))
	mustPut(t, s, write("x", refresh.KindToken, canary, "two"))
	mustPut(t, s, write("x", refresh.KindFailure, "sentence", "failed"))
	mustPut(t, s, write("x", refresh.KindAccount, "acc", ""))
	raw(t, client, "/oauthx/y/access_token", types.ParameterTypeString)
	raw(t, client, "/oauth/y/another", types.ParameterTypeString)
	raw(t, client, "/oauth/access_token_2", types.ParameterTypeString)
	raw(t, client, "/oauth/y/my_access_token", types.ParameterTypeString)
	raw(t, client, "/oauth/z/access_token", types.ParameterTypeString)

	got, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b refresh.Parameter) int {
		return strings.Compare(a.Connection+string(a.Kind), b.Connection+string(b.Kind))
	})
	wantSummary(t, got,
		"a/b/c/d access_token SecureString v1 four",
		"access_token access_token SecureString v1 named like a kind",
		"x access_token SecureString v2 two",
		"x refresh_failure String v1 failed",
		"z access_token String v1 ",
	)
	if got[0].Modified.IsZero() || got[0].Modified.Location() != time.UTC {
		t.Errorf("Modified %v", got[0].Modified)
	}
	if n := w.Decrypted(); n != 0 {
		t.Errorf("a listing decrypted %d values", n)
	}
}

// seed puts a parameter into the World without the SDK, which would take most of the time of a large test.
func seed(t *testing.T, w *awstest.World, name string, kind types.ParameterType) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"Name": name, "Value": "v", "Type": kind, "Tier": types.ParameterTierIntelligentTiering, "Description": "{}"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ssm.test/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonSSM.PutParameter")
	resp, err := w.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("PutParameter %s: HTTP %d", name, resp.StatusCode)
	}
}

func TestAccountIDsCostNoPages(t *testing.T) {
	w, _, s := newWorld(t)
	const connections = 10_000
	for i := range connections {
		seed(t, w, fmt.Sprintf("/oauth/kiwify/c%05d/access_token", i), types.ParameterTypeSecureString)
		seed(t, w, fmt.Sprintf("/oauth/kiwify/c%05d/account_id", i), types.ParameterTypeString)
	}
	w.ResetCalls()
	got, err := s.List(t.Context())
	if err != nil || len(got) != connections {
		t.Fatalf("List = %d parameters, %v", len(got), err)
	}
	if n := w.Count(awstest.DescribeParameters).Calls; n > connections/50+1 {
		t.Errorf("%d calls for %d connections; at most %d", n, connections, connections/50+1)
	}
	if n := w.Decrypted(); n != 0 {
		t.Errorf("a listing decrypted %d values", n)
	}
}

func TestListFollowsPagesThatAreShortOrEmpty(t *testing.T) {
	w, _, s := newWorld(t)
	w.ScanLimit = 3
	for i := range 20 {
		mustPut(t, s, write(fmt.Sprintf("c%02d", i), refresh.KindAccount, "acc", ""))
	}
	mustPut(t, s, write("z", refresh.KindToken, canary, "{}"))
	got, err := s.List(t.Context())
	if err != nil || len(got) != 1 {
		t.Errorf("List = %v, %v", summary(got), err)
	}
}

func TestListIsAllOrNothing(t *testing.T) {
	w, _, s := newWorld(t)
	for i := range 120 {
		seed(t, w, fmt.Sprintf("/oauth/c%03d/access_token", i), types.ParameterTypeSecureString)
	}
	w.Inject(awstest.Fault{Op: awstest.DescribeParameters, Effect: awstest.AccessDenied, Skip: 2})
	got, err := s.List(t.Context())
	wantError(t, err, refresh.ErrAccessDenied, "DescribeParameters /oauth: AccessDeniedException: ")
	if got != nil {
		t.Errorf("%d parameters of a listing that failed", len(got))
	}
}

// picky is a client that refuses or changes what DescribeParameters answers.
type picky struct {
	ssmstore.API

	refuse func(*ssm.DescribeParametersInput) error
	change func(*ssm.DescribeParametersOutput)
	calls  int
}

func (p *picky) DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput, opts ...func(*ssm.Options)) (*ssm.DescribeParametersOutput, error) {
	p.calls++
	if p.refuse != nil {
		if err := p.refuse(in); err != nil {
			return nil, err
		}
	}
	out, err := p.API.DescribeParameters(ctx, in, opts...)
	if err == nil && p.change != nil {
		p.change(out)
	}
	return out, err
}

func TestAStoreThatRefusesTheTwoFiltersIsListedByPathAlone(t *testing.T) {
	refusals := map[string]error{
		"InvalidFilterKey":    &types.InvalidFilterKey{},
		"InvalidFilterOption": &types.InvalidFilterOption{},
		"InvalidFilterValue":  &types.InvalidFilterValue{},
	}
	for sentence, refusal := range refusals {
		t.Run(sentence, func(t *testing.T) {
			_, client, s := newWorld(t)
			mustPut(t, s, write("x", refresh.KindToken, canary, "{}"))
			mustPut(t, s, write("x", refresh.KindAccount, "acc", ""))
			api := &picky{API: client, refuse: func(in *ssm.DescribeParametersInput) error {
				if len(in.ParameterFilters) > 1 {
					return refusal
				}
				return nil
			}}
			got, err := open(t, api, "/oauth").List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			wantSummary(t, got, "x access_token SecureString v1 {}")
			if api.calls != 2 {
				t.Errorf("%d calls", api.calls)
			}
		})
	}
	t.Run("refused either way, it is an error", func(t *testing.T) {
		_, client, _ := newWorld(t)
		api := &picky{API: client, refuse: func(*ssm.DescribeParametersInput) error { return &types.InvalidFilterValue{} }}
		got, err := open(t, api, "/oauth").List(t.Context())
		wantError(t, err, refresh.ErrUnavailable, "InvalidFilterValue")
		if got != nil || api.calls != 2 {
			t.Errorf("List = %v after %d calls", got, api.calls)
		}
	})
}

func TestATokenThatComesTwiceEndsTheListing(t *testing.T) {
	w, client, _ := newWorld(t)
	for i := range 120 {
		seed(t, w, fmt.Sprintf("/oauth/c%03d/access_token", i), types.ParameterTypeSecureString)
	}
	var firstToken *string
	api := &picky{API: client, change: func(out *ssm.DescribeParametersOutput) {
		if firstToken == nil {
			firstToken = out.NextToken
		}
		out.NextToken = firstToken
	}}
	got, err := open(t, api, "/oauth").List(t.Context())
	wantError(t, err, refresh.ErrUnavailable, "NextToken came twice")
	if got != nil || api.calls != 2 {
		t.Errorf("List = %d parameters after %d calls", len(got), api.calls)
	}
}

func TestAParameterOnTwoPagesIsToldOnceAsTheNewerOne(t *testing.T) {
	_, client, s := newWorld(t)
	mustPut(t, s, write("x", refresh.KindToken, canary, "old"))
	api := &picky{API: client}
	api.change = func(out *ssm.DescribeParametersOutput) {
		if api.calls == 1 {
			mustPut(t, s, write("x", refresh.KindToken, canary, "new"))
			again := describe(t, client, "/oauth/x/access_token")
			out.Parameters = append(out.Parameters, again, out.Parameters[0])
		}
	}
	got, err := open(t, api, "/oauth").List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, got, "x access_token SecureString v2 new")
}

func TestLookupTellsWhatIsThereNow(t *testing.T) {
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := &awstest.World{Now: func() time.Time { return clock }, ListLag: time.Minute}
	client := ssm.NewFromConfig(w.Config())
	s := open(t, client, "/oauth")
	mustPut(t, s, write("a", refresh.KindToken, canary, "a1"))
	mustPut(t, s, write("b", refresh.KindToken, canary, "b1"))
	mustPut(t, s, write("b", refresh.KindFailure, "sentence", "bf"))
	clock = clock.Add(2 * time.Minute)
	mustPut(t, s, write("a", refresh.KindToken, canary, "a2"))
	mustPut(t, s, write("c", refresh.KindToken, canary, "c1"))

	listed, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, listed, "a access_token SecureString v1 a1", "b access_token SecureString v1 b1", "b refresh_failure String v1 bf")
	got, err := s.Lookup(t.Context(), []string{"c", "none", "b", "a", "c"})
	if err != nil {
		t.Fatal(err)
	}
	// The listing is behind for a and c: their records are not told, rather than those of an older token.
	wantSummary(t, got,
		"c access_token SecureString v1 ", "b access_token SecureString v1 b1", "b refresh_failure String v1 bf", "a access_token SecureString v2 ")
	clock = clock.Add(2 * time.Minute)
	got, err = s.Lookup(t.Context(), []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, got, "a access_token SecureString v2 a2")
	if n := w.Decrypted(); n != 0 {
		t.Errorf("%d values decrypted", n)
	}
}

func TestLookupAsksForTenNamesACallAndDescribesFiftyACall(t *testing.T) {
	w, _, s := newWorld(t)
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("c%02d", i))
		mustPut(t, s, write(names[i], refresh.KindToken, canary, names[i]))
	}
	w.ResetCalls()
	got, err := s.Lookup(t.Context(), names)
	if err != nil || len(got) != 60 {
		t.Fatalf("Lookup = %d, %v", len(got), err)
	}
	for i, p := range got {
		if p.Connection != names[i] || p.Description != names[i] {
			t.Errorf("place %d: %s %q", i, p.Connection, p.Description)
		}
	}
	if get, list := w.Count(awstest.GetParameters).Calls, w.Count(awstest.DescribeParameters).Calls; get != 12 || list != 2 {
		t.Errorf("%d calls of GetParameters and %d of DescribeParameters; want 12 and 2", get, list)
	}
}

func TestLookupOfNothingAsksNothing(t *testing.T) {
	w, _, s := newWorld(t)
	for _, connections := range [][]string{nil, {"not@possible", "", "a//b"}} {
		if got, err := s.Lookup(t.Context(), connections); err != nil || len(got) != 0 {
			t.Errorf("Lookup(%q) = %v, %v", connections, got, err)
		}
	}
	if n := w.Counts(); len(n) != 0 {
		t.Errorf("calls: %v", n)
	}
	if got, err := s.Lookup(t.Context(), []string{"none"}); err != nil || len(got) != 0 || w.Count(awstest.DescribeParameters).Calls != 0 {
		t.Errorf("Lookup = %v, %v; and nothing is described that does not exist", got, err)
	}
}

func TestLookupFailsAsAWhole(t *testing.T) {
	for _, op := range []awstest.Op{awstest.GetParameters, awstest.DescribeParameters} {
		t.Run(string(op), func(t *testing.T) {
			w, _, s := newWorld(t)
			mustPut(t, s, write("x", refresh.KindToken, canary, "{}"))
			w.Inject(awstest.Fault{Op: op, Effect: awstest.AccessDenied})
			got, err := s.Lookup(t.Context(), []string{"x"})
			wantError(t, err, refresh.ErrAccessDenied, string(op)+" /oauth/x/access_token: AccessDeniedException: ")
			if got != nil {
				t.Errorf("Lookup = %v", got)
			}
		})
	}
}

func TestAccounts(t *testing.T) {
	w, client, s := newWorld(t)
	var names []string
	for i := range 23 {
		names = append(names, fmt.Sprintf("c%02d", i))
		mustPut(t, s, write(names[i], refresh.KindAccount, fmt.Sprintf("acc-%d", i), ""))
	}
	mustPut(t, s, write("token-only", refresh.KindToken, canary, "{}"))
	raw(t, client, "/oauth/y/account_id", types.ParameterTypeSecureString)
	got, err := s.Accounts(t.Context(), append(names, names[0], "none", "token-only", "not@possible", "y"))
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, got["y"].Err, refresh.ErrTypeConflict, "GetParameters /oauth/y/account_id: it is a SecureString")
	delete(got, "y")
	for i, name := range names {
		if want := (refresh.Account{ID: fmt.Sprintf("acc-%d", i)}); got[name] != want {
			t.Errorf("the account of %s is %v, want %v", name, got[name], want)
		}
	}
	if len(got) != len(names) {
		t.Errorf("accounts of %d connections, want %d: %v", len(got), len(names), got)
	}
	if n := w.Count(awstest.GetParameters).Calls; n != 3 {
		t.Errorf("%d calls for 26 names", n)
	}
	w.Inject(awstest.Fault{Op: awstest.GetParameters, Name: "/oauth/c11/account_id", Effect: awstest.AccessDenied})
	got, err = s.Accounts(t.Context(), names)
	wantError(t, err, refresh.ErrAccessDenied, "GetParameters /oauth/c10/account_id: AccessDeniedException: ")
	if got != nil {
		t.Errorf("a part is returned: %v", got)
	}
}

func TestDelete(t *testing.T) {
	w, _, s := newWorld(t)
	var names []refresh.Name
	for i := range 23 {
		n := refresh.Name{Connection: fmt.Sprintf("c%02d", i), Kind: refresh.KindToken}
		names = append(names, n)
		mustPut(t, s, write(n.Connection, n.Kind, canary, "{}"))
	}
	names = append(names, names[0], refresh.Name{Connection: "none", Kind: refresh.KindFailure}, refresh.Name{Connection: "not@possible", Kind: refresh.KindToken})
	mustPut(t, s, write("stays", refresh.KindToken, canary, "{}"))

	w.Inject(awstest.Fault{Op: awstest.DeleteParameters, Name: "/oauth/c05/access_token", Effect: awstest.AccessDenied, Times: 1})
	err := s.Delete(t.Context(), names)
	wantError(t, err, refresh.ErrStoreRefuses, "DeleteParameters /oauth/c00/access_token: AccessDeniedException: ")
	if n := w.Count(awstest.DeleteParameters).Calls; n != 3 {
		t.Errorf("%d calls for 24 names", n)
	}
	if left, err := s.List(t.Context()); err != nil || len(left) != 11 {
		t.Errorf("left: %v, %v; want the ten of the call that failed and one", summary(left), err)
	}
	if err := s.Delete(t.Context(), names); err != nil {
		t.Errorf("Delete of what is partly gone: %v", err)
	}
	left, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, left, "stays access_token SecureString v1 {}")
}
