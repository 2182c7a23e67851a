package awstest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

const canary = "canary-7f3a9c"

var bg = context.Background()

// clients are the SDK's, without retries, so that each call is seen once.
func clients(w *awstest.World) (*ssm.Client, *secretsmanager.Client) {
	cfg := w.Config()
	cfg.RetryMaxAttempts = 1
	return ssm.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg)
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func put(c *ssm.Client, name string) error {
	_, err := c.PutParameter(bg, &ssm.PutParameterInput{
		Name: aws.String(name), Value: aws.String(canary), Type: ssmtypes.ParameterTypeSecureString, Overwrite: aws.Bool(true),
	})
	return err
}

func readParameter(c *ssm.Client, name string, decrypt bool) error {
	_, err := c.GetParameter(bg, &ssm.GetParameterInput{Name: aws.String(name), WithDecryption: aws.Bool(decrypt)})
	return err
}

func readSecret(c *secretsmanager.Client, name string) (string, error) {
	out, err := c.GetSecretValue(bg, &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.SecretString), nil
}

func secretNames(t *testing.T, c *secretsmanager.Client) []string {
	t.Helper()
	names := []string{}
	p := secretsmanager.NewListSecretsPaginator(c, &secretsmanager.ListSecretsInput{})
	for p.HasMorePages() {
		for _, s := range must[*secretsmanager.ListSecretsOutput](t)(p.NextPage(bg)).SecretList {
			names = append(names, aws.ToString(s.Name))
		}
	}
	return names
}

func parametersListed(t *testing.T, c *ssm.Client) map[string]int64 {
	t.Helper()
	versions := map[string]int64{}
	p := ssm.NewDescribeParametersPaginator(c, &ssm.DescribeParametersInput{MaxResults: aws.Int32(50)})
	for p.HasMorePages() {
		for _, v := range must[*ssm.DescribeParametersOutput](t)(p.NextPage(bg)).Parameters {
			versions[aws.ToString(v.Name)] = v.Version
		}
	}
	return versions
}

func TestAListingLagsAndAReadByNameDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &awstest.World{ListLag: 5 * time.Minute}
		params, secrets := clients(w)
		must[string](t)(w.PutSecret("oauth/a", "v1"))
		check(t, put(params, "/oauth/a/access_token"))

		if got := secretNames(t, secrets); len(got) != 0 {
			t.Errorf("listed at once: %v", got)
		}
		if got := parametersListed(t, params); len(got) != 0 {
			t.Errorf("listed at once: %v", got)
		}
		must[string](t)(readSecret(secrets, "oauth/a"))
		check(t, readParameter(params, "/oauth/a/access_token", true))

		time.Sleep(5*time.Minute - 1)
		if got := parametersListed(t, params); len(got) != 0 {
			t.Errorf("listed a nanosecond early: %v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := secretNames(t, secrets); !slices.Equal(got, []string{"oauth/a"}) {
			t.Errorf("listed after the lag: %v", got)
		}
		check(t, put(params, "/oauth/a/access_token"))
		if got := parametersListed(t, params)["/oauth/a/access_token"]; got != 1 {
			t.Errorf("version listed at once after a change: %d, want the old 1", got)
		}
		check(t, w.DropSecret("oauth/a"))
		check(t, w.DropParameter("/oauth/a/access_token"))
		if got := secretNames(t, secrets); !slices.Equal(got, []string{"oauth/a"}) {
			t.Errorf("listed at once after deletion: %v", got)
		}
		time.Sleep(5 * time.Minute)
		if s, p := secretNames(t, secrets), parametersListed(t, params); len(s)+len(p) != 0 {
			t.Errorf("listed long after deletion: %v %v", s, p)
		}
	})
}

func TestAWriteIsThrottledByTheBucketOfItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(awstest.World)
		w.SetQuota(awstest.ParameterWrites, awstest.Quota{PerSecond: 3})
		params, _ := clients(w)
		for i := range 3 {
			if err := put(params, "/a"); err != nil {
				t.Fatalf("write %d of the burst: %v", i, err)
			}
		}
		err := put(params, "/a")
		if code(err) != "ThrottlingException" {
			t.Fatalf("fourth write: %v", err)
		}
		check(t, readParameter(params, "/a", false)) // another group
		time.Sleep(time.Second / 3)
		check(t, put(params, "/a"))
		if code(put(params, "/a")) != "ThrottlingException" {
			t.Error("a third of a second is one write, not two")
		}
		if got := w.Count(awstest.PutParameter); got != (awstest.Counter{Calls: 6, Failed: 2, Throttled: 2}) {
			t.Errorf("counted %+v", got)
		}
		if p, _ := w.Parameter("/a"); p.Version != 4 {
			t.Errorf("version %d after four writes that passed", p.Version)
		}
	})
}

func TestOthersTakeTheirShareOfAQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(awstest.World)
		w.SetQuota(awstest.ParameterWrites, awstest.Quota{PerSecond: 10, Burst: 1, Others: 0.8})
		params, _ := clients(w)
		passed := 0
		for range 100 { // ten seconds
			if put(params, "/a") == nil {
				passed++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if passed != 20 {
			t.Errorf("%d writes in ten seconds at 2 a second", passed)
		}
	})
}

func TestTheSDKRetriesAThrottledCallInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(awstest.World)
		w.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.Throttled, Times: 2})
		if err := put(ssm.NewFromConfig(w.Config()), "/a"); err != nil {
			t.Fatal(err)
		}
		if got := w.Count(awstest.PutParameter).Calls; got != 3 {
			t.Errorf("%d calls", got)
		}
	})
}

func TestFaultsAreAnsweredWithTheCodeOfTheService(t *testing.T) {
	for _, row := range []struct {
		effect       awstest.Effect
		ssm, secrets string
	}{
		{awstest.AccessDenied, "AccessDeniedException", "AccessDeniedException"},
		{awstest.KMSAccessDenied, "AccessDeniedException", "AccessDeniedException"},
		{awstest.DecryptionFailure, "InvalidKeyId", "DecryptionFailure"},
		{awstest.InternalError, "InternalServerError", "InternalServiceError"},
		{awstest.Throttled, "ThrottlingException", "ThrottlingException"},
		{awstest.TooManyUpdates, "TooManyUpdates", "TooManyUpdates"},
		{awstest.ParameterLimit, "ParameterLimitExceeded", "ParameterLimitExceeded"},
		{awstest.ParameterVersionLimit, "ParameterMaxVersionLimitExceeded", "ParameterMaxVersionLimitExceeded"},
	} {
		t.Run(row.ssm, func(t *testing.T) {
			w := new(awstest.World)
			must[string](t)(w.PutSecret("a", canary))
			params, secrets := clients(w)
			clearFault := w.Inject(awstest.Fault{Effect: row.effect})
			_, err := readSecret(secrets, "a")
			if code(err) != row.secrets {
				t.Errorf("Secrets Manager: %v", err)
			}
			if err := put(params, "/a"); code(err) != row.ssm {
				t.Errorf("Systems Manager: %v", err)
			}
			if _, there := w.Parameter("/a"); there {
				t.Error("a refused write was done")
			}
			clearFault()
			must[string](t)(readSecret(secrets, "a"))
			check(t, put(params, "/a"))
		})
	}
}

func TestAFaultMeetsItsNameAfterItsSkipAndSoManyTimes(t *testing.T) {
	w := new(awstest.World)
	params, _ := clients(w)
	w.Inject(awstest.Fault{Op: awstest.PutParameter, Name: "/b", Effect: awstest.InternalError, Skip: 1, Times: 2})
	var got []bool
	for range 4 {
		check(t, put(params, "/a"))
		got = append(got, put(params, "/b") == nil)
	}
	if want := []bool{true, false, false, true}; !slices.Equal(got, want) {
		t.Errorf("passed %v, want %v", got, want)
	}
}

func TestAFaultOfOneSecretIsItsEntryInABatch(t *testing.T) {
	w := new(awstest.World)
	for _, name := range []string{"a", "b", "c"} {
		must[string](t)(w.PutSecret(name, canary))
	}
	_, secrets := clients(w)
	w.Inject(awstest.Fault{Op: awstest.GetSecretValue, Name: "b", Effect: awstest.KMSAccessDenied})
	w.Inject(awstest.Fault{Op: awstest.BatchGetSecretValue, Name: "c", Effect: awstest.DecryptionFailure})
	b, _ := w.Secret("b")
	out := must[*secretsmanager.BatchGetSecretValueOutput](t)(secrets.BatchGetSecretValue(bg, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{b.ARN, "c", "a"}}))
	if len(out.SecretValues) != 1 || aws.ToString(out.SecretValues[0].Name) != "a" {
		t.Errorf("%d values", len(out.SecretValues))
	}
	got := map[string]string{}
	for _, e := range out.Errors {
		got[aws.ToString(e.SecretId)] = aws.ToString(e.ErrorCode)
	}
	if got[b.ARN] != "AccessDeniedException" || got["c"] != "DecryptionFailure" || len(got) != 2 {
		t.Errorf("errors %v", got)
	}
}

func TestALostResponseIsAWriteThatHappened(t *testing.T) {
	for _, where := range []string{"in process", "on a port"} {
		t.Run(where, func(t *testing.T) {
			w := new(awstest.World)
			cfg := w.Config()
			cfg.RetryMaxAttempts = 1
			if where == "on a port" {
				server := must[*awstest.Server](t)(w.Listen("127.0.0.1:0"))
				defer func() { check(t, server.Close()) }()
				cfg.HTTPClient, cfg.BaseEndpoint = &http.Client{}, aws.String(server.URL)
			}
			params := ssm.NewFromConfig(cfg)
			w.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.LostResponse, Times: 1})
			if err := put(params, "/a"); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("lost response: %v", err)
			}
			if p, _ := w.Parameter("/a"); p.Version != 1 {
				t.Errorf("version %d", p.Version)
			}
			w.Inject(awstest.Fault{Op: awstest.PutParameter, Effect: awstest.ConnectionReset, Times: 1})
			if err := put(params, "/a"); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("reset: %v", err)
			}
			if p, _ := w.Parameter("/a"); p.Version != 1 {
				t.Errorf("a call that was reset did something: version %d", p.Version)
			}
			if got := w.Count(awstest.PutParameter); got != (awstest.Counter{Calls: 2, Lost: 2}) {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

func TestACallHangsUntilItsCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(awstest.World)
		params, _ := clients(w)
		w.Inject(awstest.Fault{Effect: awstest.Hang})
		ctx, cancel := context.WithTimeout(bg, 7*time.Second)
		defer cancel()
		start := time.Now()
		_, err := params.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/a")})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 7*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestLatencyTakesTheTimeOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &awstest.World{Latency: func(op awstest.Op, name string) time.Duration {
			if op == awstest.PutParameter && name == "/a" {
				return 80 * time.Millisecond
			}
			return 0
		}}
		params, _ := clients(w)
		start := time.Now()
		check(t, put(params, "/a"))
		check(t, put(params, "/b"))
		if got := time.Since(start); got != 80*time.Millisecond {
			t.Errorf("took %v", got)
		}
	})
}

func TestAHookMayChangeTheWorldBetweenAListingAndARead(t *testing.T) {
	w := new(awstest.World)
	must[string](t)(w.PutSecret("oauth/a", canary))
	_, secrets := clients(w)
	var seen []string
	w.OnCall(func(op awstest.Op, name string) {
		seen = append(seen, fmt.Sprintf("before %s %q", op, name))
		if op == awstest.GetSecretValue {
			check(t, w.DropSecret(name))
		}
	})
	w.AfterCall(func(op awstest.Op, name string) { seen = append(seen, fmt.Sprintf("after %s %q", op, name)) })
	if got := secretNames(t, secrets); len(got) != 1 {
		t.Fatalf("listed %v", got)
	}
	if _, err := readSecret(secrets, "oauth/a"); code(err) != "ResourceNotFoundException" {
		t.Errorf("read: %v", err)
	}
	want := []string{`before ListSecrets ""`, `after ListSecrets ""`, `before GetSecretValue "oauth/a"`, `after GetSecretValue "oauth/a"`}
	if !slices.Equal(seen, want) {
		t.Errorf("hooks ran as %q", seen)
	}
}

func TestDecryptingReadsAreCountedApart(t *testing.T) {
	w := new(awstest.World)
	must[string](t)(w.PutSecret("a", canary))
	params, secrets := clients(w)
	check(t, put(params, "/a"))
	parametersListed(t, params)
	secretNames(t, secrets)
	check(t, readParameter(params, "/a", false))
	if got := w.Decrypted(); got != 0 {
		t.Errorf("%d values given out by calls that ask for none", got)
	}
	check(t, readParameter(params, "/a", true))
	must[string](t)(readSecret(secrets, "a"))
	if got := w.Decrypted(); got != 2 {
		t.Errorf("%d values given out, want 2", got)
	}
	calls := w.Calls()
	last := calls[len(calls)-1]
	if last.Op != awstest.GetSecretValue || !slices.Equal(last.Names, []string{"a"}) || !last.Decrypts || calls[0].Decrypts {
		t.Errorf("logged %+v … %+v", calls[0], last)
	}
	w.ResetCalls()
	if len(w.Calls())+len(w.Counts()) != 0 {
		t.Error("the log is not empty after ResetCalls")
	}
}

func TestTheLogKeepsTheLastCalls(t *testing.T) {
	w := new(awstest.World)
	client := &http.Client{Transport: w.Transport()}
	for range 10_010 {
		req := must[*http.Request](t)(http.NewRequestWithContext(bg, http.MethodPost, "http://fake/", strings.NewReader("{}")))
		req.Header.Set("X-Amz-Target", "secretsmanager.ListSecrets")
		check(t, must[*http.Response](t)(client.Do(req)).Body.Close())
	}
	calls := w.Calls()
	if len(calls) != 10_000 || !slices.IsSortedFunc(calls, func(a, b awstest.Call) int { return a.At.Compare(b.At) }) {
		t.Errorf("%d calls kept, or out of order", len(calls))
	}
}

func TestNothingPrintsAValue(t *testing.T) {
	w := new(awstest.World)
	params, secrets := clients(w)
	must[string](t)(w.PutSecret("a", canary))
	check(t, put(params, "/a"))
	var printed strings.Builder
	for _, err := range []error{
		func() error {
			_, err := params.PutParameter(bg, &ssm.PutParameterInput{Name: aws.String("/a"), Value: aws.String(canary + "{{x}}"), Overwrite: aws.Bool(true)})
			return err
		}(),
		func() error {
			_, err := params.PutParameter(bg, &ssm.PutParameterInput{Name: aws.String("/b"), Value: aws.String(strings.Repeat(canary, 1000)), Type: ssmtypes.ParameterTypeString})
			return err
		}(),
		func() error {
			_, err := secrets.CreateSecret(bg, &secretsmanager.CreateSecretInput{Name: aws.String("b c"), SecretString: aws.String(canary)})
			return err
		}(),
		func() error { _, err := w.PutSecret("bad name", canary); return err }(),
		func() error {
			_, err := w.WriteParameter("/aws/x", awstest.ParameterWrite{Value: canary})
			return err
		}(),
	} {
		if err == nil {
			t.Error("accepted")
			continue
		}
		_, _ = fmt.Fprintf(&printed, "%v %+v %#v\n", err, err, err)
	}
	s, _ := w.Secret("a")
	p, _ := w.Parameter("/a")
	for _, v := range []any{w, w.Calls(), w.Counts(), s, p, &s, &p, w.Values(), w.Snapshot(false), awstest.ParameterWrite{Value: canary}} {
		_, _ = fmt.Fprintf(&printed, "%v %+v %#v %s\n", v, v, v, v)
	}
	if strings.Contains(printed.String(), canary) {
		t.Error("a value was printed")
	}
	if !strings.Contains(w.Snapshot(true), canary) {
		t.Error("Snapshot(true) does not show values")
	}
}

func TestSnapshot(t *testing.T) {
	w := new(awstest.World)
	must[string](t)(w.PutSecret("oauth/kiwify/main", `{"provider":"kiwify"}`))
	must[string](t)(w.StageSecret("oauth/kiwify/main", "CANDIDATE", "x"))
	must[string](t)(w.PutSecret("oauth/kiwify/main", "y"))
	must[string](t)(w.EmptyVersion("oauth/kiwify/main"))
	check(t, w.TagSecret("oauth/kiwify/main", "chaveiro:paused", "true"))
	must[int64](t)(w.WriteParameter("/oauth/kiwify/main/access_token", awstest.ParameterWrite{Value: "t", Description: `{"v":1}`, Tier: "Intelligent-Tiering"}))
	must[int64](t)(w.ChangeParameter("/oauth/kiwify/main/access_token", "by hand"))
	want := `secret oauth/kiwify/main
  tag chaveiro:paused=true
  version 1 AWSPREVIOUS [redacted]
  version 2 CANDIDATE [redacted]
  version 3 AWSCURRENT [redacted]
  version 4 AWSPENDING (empty)
parameter /oauth/kiwify/main/access_token
  SecureString version 2 Standard [redacted]
  description {"v":1}
`
	if got := w.Snapshot(false); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestPagesMayBeShortAndEmpty(t *testing.T) {
	w := &awstest.World{ScanLimit: 3}
	for i := range 10 {
		must[string](t)(w.PutSecret(fmt.Sprint("s", i), "x"))
	}
	_, secrets := clients(w)
	p := secretsmanager.NewListSecretsPaginator(secrets, &secretsmanager.ListSecretsInput{
		Filters: []smtypes.Filter{{Key: smtypes.FilterNameStringTypeName, Values: []string{"s9"}}},
	})
	var sizes []int
	for p.HasMorePages() {
		sizes = append(sizes, len(must[*secretsmanager.ListSecretsOutput](t)(p.NextPage(bg)).SecretList))
	}
	if !slices.Equal(sizes, []int{0, 0, 0, 1}) {
		t.Errorf("pages of %v", sizes)
	}
}

func TestGetParametersAnswersInAlphabeticalOrder(t *testing.T) {
	w := new(awstest.World)
	params, _ := clients(w)
	for _, name := range []string{"/b", "/c", "/a"} {
		check(t, put(params, name))
	}
	out := must[*ssm.GetParametersOutput](t)(params.GetParameters(bg, &ssm.GetParametersInput{Names: []string{"/c", "/a", "/b"}}))
	var got []string
	for _, p := range out.Parameters {
		got = append(got, aws.ToString(p.Name))
	}
	if !slices.Equal(got, []string{"/a", "/b", "/c"}) {
		t.Errorf("order %v", got)
	}
}

func TestTheStandardTierHasALimit(t *testing.T) {
	w := &awstest.World{StandardLimit: 2}
	params, _ := clients(w)
	check(t, put(params, "/a"))
	check(t, put(params, "/b"))
	if err := put(params, "/c"); code(err) != "ParameterLimitExceeded" {
		t.Errorf("third: %v", err)
	}
	check(t, put(params, "/b"))
	must[int64](t)(w.WriteParameter("/c", awstest.ParameterWrite{Value: "x", Tier: "Intelligent-Tiering"}))
	if c, _ := w.Parameter("/c"); c.Tier != "Advanced" {
		t.Errorf("tier %s", c.Tier)
	}
	check(t, w.DropParameter("/a"))
	check(t, put(params, "/d"))
}

func TestHistoryIsKeptAsFarAsItIsAsked(t *testing.T) {
	w := &awstest.World{HistoryLimit: 2}
	params, _ := clients(w)
	for range 5 {
		check(t, put(params, "/a"))
	}
	p, _ := w.Parameter("/a")
	if p.Version != 5 || len(p.History) != 1 || p.History[0].Version != 4 {
		t.Errorf("version %d, %d before it", p.Version, len(p.History))
	}
}

func TestAScheduledDeletionComesDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(awstest.World)
		must[string](t)(w.PutSecret("a", "x"))
		check(t, w.ScheduleDeletion("a"))
		if s, there := w.Secret("a"); !there || s.DeleteAt.IsZero() {
			t.Error("not scheduled")
		}
		time.Sleep(30*24*time.Hour - 1)
		if _, there := w.Secret("a"); !there {
			t.Error("gone early")
		}
		time.Sleep(time.Nanosecond)
		if _, there := w.Secret("a"); there {
			t.Error("still there")
		}
		must[string](t)(w.PutSecret("a", "y"))
	})
}

func TestAnUnknownOperationAndAMalformedBodyAreRefused(t *testing.T) {
	w := new(awstest.World)
	client := &http.Client{Transport: w.Transport()}
	for _, row := range []struct{ target, body, code string }{
		{"AmazonSSM.SendCommand", "{}", "UnknownOperationException"},
		{"AmazonSSM.GetSecretValue", "{}", "UnknownOperationException"},
		{"", "{}", "UnknownOperationException"},
		{"AmazonSSM.PutParameter", `{"Value":`, "SerializationException"},
		{"AmazonSSM.PutParameter", `{"Value":1}`, "SerializationException"},
	} {
		req := must[*http.Request](t)(http.NewRequestWithContext(bg, http.MethodPost, "http://fake/", strings.NewReader(row.body)))
		req.Header.Set("X-Amz-Target", row.target)
		resp := must[*http.Response](t)(client.Do(req))
		check(t, resp.Body.Close())
		if resp.StatusCode != 400 || resp.Header.Get("X-Amzn-Errortype") != row.code {
			t.Errorf("%s %s: %d %s", row.target, row.body, resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"))
		}
	}
}
