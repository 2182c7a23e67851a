package refresh

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func TestEveryErrorHasItsClassAndCode(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("PutParameter /oauth/a: %w", err) }
	for name, c := range map[string]struct {
		err        error
		class      oauth.Class
		code       string
		unrecorded bool
	}{
		"the provider's refusal": {&oauth.Error{Class: oauth.Credentials, Code: "invalid_client", Status: 401}, oauth.Credentials, "invalid_client", false},
		"a document":             {&connection.Error{Connection: "a", Code: "invalid_document", Message: "no"}, oauth.Configuration, "invalid_document", false},
		"access denied":          {wrapped(ErrAccessDenied), oauth.Configuration, "secret_access_denied", false},
		"undecryptable":          {wrapped(ErrUndecryptable), oauth.Configuration, "secret_undecryptable", false},
		"another type":           {wrapped(ErrTypeConflict), oauth.Configuration, "parameter_type_conflict", false},
		"a refused value":        {wrapped(ErrRefusesValue), oauth.Configuration, "parameter_refused", false},
		"throttled":              {wrapped(ErrThrottled), oauth.Transient, "aws_unavailable", true},
		"unavailable":            {wrapped(ErrUnavailable), oauth.Transient, "aws_unavailable", true},
		"anything else":          {errors.New("what"), oauth.Transient, "aws_unavailable", true},
	} {
		t.Run(name, func(t *testing.T) {
			if f := faultOf(c.err); f.class != c.class || f.code != c.code || f.unrecorded != c.unrecorded || f.text == "" {
				t.Errorf("faultOf = %+v", f)
			}
		})
	}
	f := faultOf(&oauth.Error{Class: oauth.Transient, Code: "rate_limited", Status: 429, RetryAfter: time.Minute})
	if f.status != 429 || f.retryAfter != time.Minute {
		t.Errorf("status or wait were lost: %+v", f)
	}
}

const testVersion = "22222222-2222-2222-2222-222222222222"

// kiwifyItem is a connection whose token lives for another 18 of its 24 h.
func kiwifyItem(was *renew.Failure) *item {
	it := &item{id: "kiwify/main"}
	it.conn.Host = "public-api.kiwify.com"
	it.conn.Provider = provider.Provider{ID: "kiwify", Name: "Kiwify", AccountClaim: "store_id"}
	it.facts = renew.Facts{Connection: it.id, Current: testVersion, Version: 8, Failure: was, Record: &renew.Record{
		IssuedAt: testStart().Add(-6 * time.Hour), ExpiresAt: testStart().Add(18 * time.Hour), RenewAt: testStart(),
		Stage: StageCurrent, Credential: testVersion, Current: testVersion, Seq: 8, TokenID: oauth.NewSecret("published-token").Fingerprint()}}
	return it
}

func TestTheFailureRecordThatFollows(t *testing.T) {
	now := testStart()
	first := now.Add(-70 * time.Minute)
	was := func(class oauth.Class, code string, attempts int) *renew.Failure {
		return &renew.Failure{V: 1, Class: string(class), Code: code, Attempts: attempts, FirstAt: first, LastAt: now.Add(-time.Hour), Current: testVersion}
	}
	of := func(version string, f *renew.Failure) *renew.Failure { f.Current = version; return f }
	for name, c := range map[string]struct {
		was      *renew.Failure
		fault    *fault
		attempts int
		first    time.Time
		next     time.Duration // after now
		retry    time.Duration // after now; 0: none
		class    oauth.Class
		write    bool
	}{
		"the first":                       {nil, down(), 1, now, 5 * time.Minute, 0, oauth.Transient, true},
		"the second of its class":         {was(oauth.Transient, "network", 1), down(), 2, first, 10 * time.Minute, 0, oauth.Transient, true},
		"the third":                       {was(oauth.Transient, "network", 2), down(), 3, first, 20 * time.Minute, 0, oauth.Transient, true},
		"the tenth":                       {was(oauth.Transient, "network", 9), down(), 10, first, 30 * time.Minute, 0, oauth.Transient, true},
		"another class begins anew":       {was(oauth.Transient, "network", 9), refusal(), 1, now, 5 * time.Minute, 0, oauth.Credentials, true},
		"another credential begins anew":  {of("other", was(oauth.Credentials, "invalid_client", 3)), refusal(), 1, now, 5 * time.Minute, 0, oauth.Credentials, true},
		"the refusal before the latch":    {was(oauth.Credentials, "invalid_client", 1), refusal(), 2, first, 10 * time.Minute, 0, oauth.Credentials, true},
		"the refusal that latches":        {was(oauth.Credentials, "invalid_client", 2), refusal(), 3, first, 50 * time.Minute, 0, oauth.Credentials, true},
		"a latched one is not written":    {was(oauth.Credentials, "invalid_client", 3), refusal(), 3, first, 50 * time.Minute, 0, oauth.Credentials, false},
		"unless its code is another":      {was(oauth.Credentials, "access_denied", 3), refusal(), 3, first, 50 * time.Minute, 0, oauth.Credentials, true},
		"unless it is told to wait":       {was(oauth.Credentials, "invalid_client", 3), &fault{class: oauth.Credentials, code: "invalid_client", retryAfter: time.Minute}, 3, first, 50 * time.Minute, time.Minute, oauth.Credentials, true},
		"a bad line keeps the latch":      {was(oauth.Credentials, "invalid_client", 3), down(), 3, first, 50 * time.Minute, 0, oauth.Credentials, false},
		"a limit keeps the latch":         {was(oauth.Configuration, "invalid_scope", 1), limited(55 * time.Minute), 1, first, 55 * time.Minute, 55 * time.Minute, oauth.Configuration, true},
		"configuration latches at once":   {nil, &fault{class: oauth.Configuration, code: "invalid_scope"}, 1, now, time.Hour, 0, oauth.Configuration, true},
		"a short Retry-After":             {nil, limited(time.Minute), 1, now, 5 * time.Minute, time.Minute, oauth.Transient, true},
		"a long one moves next_at":        {nil, limited(time.Hour), 1, now, time.Hour, time.Hour, oauth.Transient, true},
		"a fault that says nothing of it": {nil, &fault{class: oauth.Transient, code: "aws_unavailable", unrecorded: true}, 1, now, 5 * time.Minute, 0, oauth.Transient, false},
	} {
		t.Run(name, func(t *testing.T) {
			rec, write := testRun().nextRecord(kiwifyItem(c.was), c.fault, now)
			retry := time.Time{}
			if c.retry != 0 {
				retry = now.Add(c.retry)
			}
			if write != c.write || rec.Attempts != c.attempts || !rec.FirstAt.Equal(c.first) || !rec.NextAt.Equal(now.Add(c.next)) ||
				!rec.RetryAt.Equal(retry) || rec.Class != string(c.class) || rec.Current != testVersion {
				t.Errorf("write %t, %+v", write, rec)
			}
		})
	}
}

func TestBackoffOfADyingTokenIsAnEighthOfWhatIsLeft(t *testing.T) {
	it := kiwifyItem(nil)
	it.facts.Record.ExpiresAt = testStart().Add(16 * time.Minute)
	rec, _ := testRun().nextRecord(it, down(), testStart())
	if want := testStart().Add(2 * time.Minute); !rec.NextAt.Equal(want) {
		t.Errorf("next_at %s, want %s", rec.NextAt, want)
	}
}

func TestSentences(t *testing.T) {
	valid := " Token valid until 2026-01-02T21:04:05Z."
	refused := &fault{class: oauth.Credentials, code: "invalid_client", status: 401, words: "Bad credentials",
		text: "invalid_client: Bad credentials (HTTP 401 from public-api.kiwify.com)"}
	for name, c := range map[string]struct {
		fault    *fault
		attempts int
		change   func(it *item)
		want     string
	}{
		"a refused pair": {refused, 2, nil, "kiwify/main: Kiwify refuses this pair (HTTP 401: Bad credentials), attempt 2 of 3." + valid +
			" Copy both values again from the provider's panel; a changed secret is tried at once."},
		"a refused pair of an unnamed provider": {refused, 9, func(it *item) { it.conn.Provider.Name = "" },
			"kiwify/main: The provider refuses this pair (HTTP 401: Bad credentials)." + valid +
				" Copy both values again from the provider's panel; a changed secret is tried at once."},
		"a refused pair without a word of why": {&fault{class: oauth.Credentials, status: 403}, 3, nil, "kiwify/main: Kiwify refuses this pair (HTTP 403), attempt 3 of 3." + valid +
			" Copy both values again from the provider's panel; a changed secret is tried at once."},
		"an outage": {&fault{class: oauth.Transient, text: "server_error (HTTP 503)"}, 1, nil,
			"kiwify/main: server_error (HTTP 503)." + valid + " Nothing to do for now, it is tried again by itself."},
		"a document, whose text names the connection": {&fault{class: oauth.Configuration, text: "kiwify/main: client_id is missing"}, 1, nil,
			"kiwify/main: client_id is missing." + valid + " Mend it and store the secret again; a changed secret is tried at once."},
		"advice of its own": {&fault{class: oauth.Configuration, text: "too large", advice: "Ask for less"}, 1, nil,
			"kiwify/main: too large." + valid + " Ask for less."},
		"no token": {&fault{class: oauth.Malformed, text: "no token"}, 1, func(it *item) { it.facts.Record = nil },
			"kiwify/main: no token. There is no valid token. Nothing to do for now, it is tried again by itself."},
		"an expired token": {&fault{class: oauth.Malformed, text: "no token"}, 1, func(it *item) { it.facts.Record.ExpiresAt = testStart() },
			"kiwify/main: no token. There is no valid token. Nothing to do for now, it is tried again by itself."},
	} {
		t.Run(name, func(t *testing.T) {
			it := kiwifyItem(nil)
			if c.change != nil {
				c.change(it)
			}
			if got := testRun().sentence(it, c.fault, renew.Failure{Attempts: c.attempts}); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if got := adviceFor(&fault{class: oauth.Canceled}); got != "" {
		t.Errorf("advice for what is no outcome: %q", got)
	}
	if f := conflictFault("StringList"); f.class != oauth.Configuration || f.code != "parameter_type_conflict" || !strings.Contains(f.text, "is a StringList, not a SecureString") {
		t.Errorf("conflict %+v", f)
	}
}

// What the failure's parameter holds must fit, whatever the provider says.
func TestAFailureRecordFitsItsParameter(t *testing.T) {
	it := kiwifyItem(nil)
	it.conn.Host = strings.Repeat("h", 255) + ":65535"
	it.facts.Current = strings.Repeat("v", 64)
	rec, _ := testRun().nextRecord(it, limited(time.Hour), testStart())
	if text := rec.Encode(); len(text) > renew.MaxRecord || text == "" {
		t.Errorf("%d characters", len(text))
	}
}
