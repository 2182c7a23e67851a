package refresh

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// mintedFor is a token of 24 h that was minted just now by AWSCURRENT.
func mintedFor(it *item, lifetime time.Duration, changes ...func(m *minted)) minted {
	m := minted{conn: &it.conn, stage: StageCurrent, document: Document{VersionID: testVersion, Created: testStart().Add(-time.Hour + time.Millisecond)},
		token: &oauth.Token{AccessToken: oauth.NewSecret("synthetic-token"), IssuedAt: testStart(), Lifetime: lifetime,
			Scope: "stats", ScopeSource: oauth.ScopeFromAnswer, Shape: "89abcdef"}}
	for _, change := range changes {
		change(&m)
	}
	return m
}

// The boundaries lie a second apart and no less, since records hold whole seconds.
func TestTheGate(t *testing.T) {
	const day = 24 * time.Hour
	floor := 21 * time.Minute
	// left changes how long the published token still lives; 18 h otherwise.
	left := func(d time.Duration) func(it *item) {
		return func(it *item) { it.facts.Record.ExpiresAt = testStart().Add(d) }
	}
	requires := func(scopes ...string) func(it *item) { return func(it *item) { it.conn.RequiredScope = scopes } }
	sameToken := func(m *minted) { m.token.AccessToken = oauth.NewSecret("published-token") }
	ofSize := func(n int) func(m *minted) {
		return func(m *minted) { m.token.AccessToken = oauth.NewSecret(strings.Repeat("t", n)) }
	}
	unscoped := func(m *minted) { m.token.Scope, m.token.ScopeSource = "", oauth.ScopeUnknown }
	for name, c := range map[string]struct {
		item     func(it *item)
		lifetime time.Duration
		token    func(m *minted)
		want     string // published, reissued, reissued unwritten, or a code
	}{
		"it ends later": {nil, day, nil, "published"},
		"it ends earlier but has more than the floor":                  {nil, floor + time.Second, nil, "published"},
		"it ends earlier and has exactly the floor":                    {nil, floor, nil, "shorter_than_published"},
		"it ends earlier and has a second less":                        {nil, floor - time.Second, nil, "shorter_than_published"},
		"it has less than the floor but ends a second later":           {left(10*time.Minute - time.Second), 10 * time.Minute, nil, "published"},
		"it has less than the floor and ends at the same time":         {left(10 * time.Minute), 10 * time.Minute, nil, "shorter_than_published"},
		"the published one is dead":                                    {left(-time.Hour), time.Minute, nil, "published"},
		"nothing is published":                                         {func(it *item) { it.facts.Record, it.facts.Version = nil, 0 }, time.Minute, nil, "published"},
		"another writer was there: whatever it is, it is AWSCURRENT's": {func(it *item) { it.decision.Reason = renew.ChangedByOther }, time.Minute, nil, "published"},
		"the run came back after another writer":                       {func(it *item) { it.repeats = 1 }, time.Minute, nil, "published"},
		"exactly 8,192 bytes":                                          {nil, day, ofSize(8192), "published"},
		"one byte more":                                                {nil, day, ofSize(8193), "token_too_large"},
		"it lacks a scope":                                             {requires("stats", "products"), day, nil, "missing_required_scope"},
		"it has them all":                                              {requires("stats"), day, nil, "published"},
		"nobody says what it may":                                      {requires("stats"), day, unscoped, "published"},
		"the same token, as long as before":                            {nil, 18 * time.Hour, sameToken, "reissued"},
		"the same token, five seconds longer":                          {nil, 18*time.Hour + 5*time.Second, sameToken, "reissued"},
		"the same token, six seconds longer":                           {nil, 18*time.Hour + 6*time.Second, sameToken, "published"},
		"the same token with exactly the floor left":                   {left(floor), floor, sameToken, "reissued unwritten"},
		"the same token with a second more":                            {left(floor + time.Second), floor + time.Second, sameToken, "reissued"},
		"the same token for a consumer that it does not serve":         {func(it *item) { it.decision.Reason = renew.RejectedByReader }, 18 * time.Hour, sameToken, "reissued unwritten"},
	} {
		t.Run(name, func(t *testing.T) {
			it := kiwifyItem(nil)
			if c.item != nil {
				c.item(it)
			}
			m := mintedFor(it, c.lifetime)
			if c.token != nil {
				c.token(&m)
			}
			if got := told(testRun().gate(it, m)); got != c.want {
				t.Errorf("the gate says %s, want %s", got, c.want)
			}
		})
	}
}

// told is a verdict in a word.
func told(v verdict) string {
	switch {
	case v.fault != nil && (v.record != nil || v.reissued != nil):
		return "a fault and a record"
	case v.fault != nil:
		return v.fault.code
	case v.reissued != nil && v.record == nil:
		return "reissued unwritten"
	case v.reissued != nil:
		return "reissued"
	case v.record != nil:
		return "published"
	default:
		return "nothing"
	}
}

func TestWhatThePublishedRecordSays(t *testing.T) {
	it := kiwifyItem(nil)
	v := testRun().gate(it, mintedFor(it, 24*time.Hour, func(m *minted) { m.stage, m.document.VersionID = StageBackup, "backup-version" }))
	if v.record == nil {
		t.Fatalf("verdict %+v", v)
	}
	r := v.record
	policy := renew.Policy{Period: 5 * time.Minute, ReaderCache: 5 * time.Minute, RefreshAt: 0.6}
	if r.Provider != "kiwify" || r.Endpoint != "public-api.kiwify.com" || r.Stage != StageBackup || r.Credential != "backup-version" || r.Current != testVersion ||
		!r.IssuedAt.Equal(testStart()) || !r.ExpiresAt.Equal(testStart().Add(24*time.Hour)) || !r.RenewAt.Equal(policy.At("kiwify/main", testStart(), 24*time.Hour)) ||
		!r.Since.Equal(testStart().Add(-time.Hour)) || r.Shape != "89abcdef" || len(r.TokenID) != 16 {
		t.Errorf("record %+v", r)
	}
}

func TestTheSameTokenGetsNoNewLife(t *testing.T) {
	it := kiwifyItem(nil)
	v := testRun().gate(it, mintedFor(it, 18*time.Hour-3*time.Second, func(m *minted) { m.token.AccessToken = oauth.NewSecret("published-token") }))
	if v.record == nil || !v.record.IssuedAt.Equal(testStart().Add(-6*time.Hour)) || !v.record.ExpiresAt.Equal(testStart().Add(18*time.Hour)) ||
		!v.record.RenewAt.Equal(testStart().Add(9*time.Hour)) {
		t.Errorf("record %+v, want the old life, and renewal in the middle of what is left", v.record)
	}
}

func TestNotices(t *testing.T) {
	for name, c := range map[string]struct {
		item  func(it *item)
		token func(m *minted)
		want  []string
	}{
		"nothing changed":                        {nil, nil, nil},
		"other scopes":                           {nil, func(m *minted) { m.token.Scope = "stats sales" }, []string{"scope_changed +sales"}},
		"another shape":                          {nil, func(m *minted) { m.token.Shape = "00000000" }, []string{"shape_changed"}},
		"another shape, with its fields":         {nil, func(m *minted) { m.token.Shape, m.token.Fields = "00000000", "access_token expires_in" }, []string{"shape_changed fields now: access_token expires_in"}},
		"a minute of difference in life is none": {nil, func(m *minted) { m.token.Lifetime -= time.Minute }, nil},
		"more than a minute":                     {nil, func(m *minted) { m.token.Lifetime -= time.Minute + time.Second }, []string{"lifetime_changed was 24h0m0s is 23h58m59s"}},
		"exactly 150 days of credential":         {nil, func(m *minted) { m.document.Created = testStart().Add(-150 * 24 * time.Hour) }, nil},
		"a second more":                          {nil, func(m *minted) { m.document.Created = testStart().Add(-150*24*time.Hour - time.Second) }, []string{"credential_old since 2025-08-05T03:04:04Z"}},
		"required scopes that nobody confirms": {func(it *item) { it.conn.RequiredScope, it.facts.Record.Credential = []string{"x"}, "another" },
			func(m *minted) { m.token.ScopeSource = oauth.ScopeUnknown }, []string{"scope_unverified"}},
		"which was said of this credential": {func(it *item) { it.conn.RequiredScope = []string{"x"} },
			func(m *minted) { m.token.ScopeSource = oauth.ScopeUnknown }, nil},
		"a pair that was too old at the last token": {func(it *item) { it.facts.Record.Since = testStart().Add(-151 * 24 * time.Hour) },
			func(m *minted) { m.document.Created = testStart().Add(-151 * 24 * time.Hour) }, nil},
		"and is so for another month": {func(it *item) { it.facts.Record.Since = testStart().Add(-180*24*time.Hour - time.Hour) },
			func(m *minted) { m.document.Created = testStart().Add(-180*24*time.Hour - time.Hour) }, []string{"credential_old since 2025-07-06T02:04:05Z"}},
		"a life that was too short before": {func(it *item) { it.facts.Record.ExpiresAt = it.facts.Record.IssuedAt.Add(41 * time.Minute) },
			func(m *minted) { m.token.Lifetime = 41 * time.Minute }, nil},
		"a life that is too short for the schedule": {func(it *item) { it.facts.Record = nil }, func(m *minted) { m.token.Lifetime = 41 * time.Minute },
			[]string{"lifetime_too_short_for_schedule lifetime 41m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			it := kiwifyItem(nil)
			it.facts.Record.Scope, it.facts.Record.Shape = "stats", "89abcdef"
			if c.item != nil {
				c.item(it)
			}
			m := mintedFor(it, 24*time.Hour)
			if c.token != nil {
				c.token(&m)
			}
			var got []string
			for _, n := range testRun().gate(it, m).notices {
				got = append(got, strings.Join(append([]string{n.name}, n.details...), " "))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("notices %q, want %q", got, c.want)
			}
		})
	}
}
