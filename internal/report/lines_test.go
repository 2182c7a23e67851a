package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// TestLinesToTheByte: people search for these lines, and filters of CloudWatch match them.
func TestLinesToTheByte(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 999_999_999, time.FixedZone("BRT", -3*60*60))
	latency := oauth.Latency{DNS: 1500 * time.Microsecond, Connect: 2 * time.Millisecond, TLS: 30_001 * time.Microsecond, FirstByte: 1,
		Total: time.Second, Reused: true}
	for name, c := range map[string]struct {
		log  func(*report.Run)
		want string
	}{
		"everything": {
			func(r *report.Run) {
				r.Observe(refresh.Event{
					Kind: refresh.EventFailed, Connection: "a/b", Provider: "p", Endpoint: "h:8443", Reason: "due", Message: `it's "<not>" good & não`,
					Credential: "v1", Stage: "AWSCURRENT", TokenID: "0123", JTI: "j", Scope: "a b", ExpiresAt: at, RenewAt: at.Truncate(time.Second),
					Version: 7, Class: lifecycle.Transient, Code: "server_error", HTTPStatus: 503, NextAt: at, Attempt: 2, Latency: latency,
					Notice: "n", Details: []string{"one", "<two>"},
				})
			},
			`{"timestamp":"2026-01-02T12:00:00Z","level":"WARN","message":"refresh_failed","requestId":"request-1","connection":"a/b","provider":"p",` +
				`"endpoint":"h:8443","reason":"due","notice":"n","class":"transient","code":"server_error","http_status":503,` +
				`"detail":"it's \"<not>\" good & não","stage":"AWSCURRENT","credential":"v1","jti":"j","token_id":"0123","scope":"a b",` +
				`"expires_at":"2026-01-02T15:00:00Z","renew_at":"2026-01-02T15:00:00Z","next_at":"2026-01-02T15:00:00Z","version":7,"attempt":2,` +
				`"details":["one","<two>"],"latency_ms":{"dns":1.5,"connect":2,"tls":30.001,"first_byte":0,"total":1000,"reused":true}}`,
		},
		"nothing": {
			func(r *report.Run) { r.Observe(refresh.Event{Kind: refresh.EventRefreshed}) },
			`{"timestamp":"2026-01-02T12:00:00Z","level":"INFO","message":"refreshed","requestId":"request-1"}`,
		},
		"the end of a dry run": {
			func(r *report.Run) {
				r.Done(refresh.Result{Plan: []refresh.Planned{}, Connections: 3, Counts: refresh.Counts{Refreshed: 2}}, errors.New("x <y>"))
			},
			`{"timestamp":"2026-01-02T12:00:00Z","level":"ERROR","message":"run","requestId":"request-1","connections":3,` +
				`"counts":{"refreshed":2,"fresh":0,"reused":0,"failed":0,"deferred":0,"orphaned":0,"paused":0},"error":"x <y>"}`,
		},
		"a decision of a rotation": {
			func(r *report.Run) {
				r.ObserveRotation(rotate.Audit{Kind: rotate.EventPublished, Step: "finishSecret", Connection: "a/b", SecretARN: "arn", Version: "v2",
					Critical: true, ExpiresAt: at, Latency: latency})
			},
			`{"timestamp":"2026-01-02T12:00:00Z","level":"INFO","message":"` + string(rotate.EventPublished) + `","requestId":"request-1",` +
				`"step":"finishSecret","connection":"a/b","secret_arn":"arn","version_id":"v2","critical":true,"expires_at":"2026-01-02T15:00:00Z",` +
				`"latency_ms":{"dns":1.5,"connect":2,"tls":30.001,"first_byte":0,"total":1000,"reused":true}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c.log(report.New(report.Config{Out: &out, Stack: "chaveiro", Now: noon}).Run("request-1"))
			if got := out.String(); got != c.want+"\n" {
				t.Errorf("wrote\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestTheTimestampIsInUTC: the clock of a developer's machine has a time zone, and lines of several functions are sorted by this text.
func TestTheTimestampIsInUTC(t *testing.T) {
	var out bytes.Buffer
	clock := func() time.Time { return time.Date(2026, 1, 2, 22, 0, 0, 60_000_000, time.FixedZone("BRT", -3*60*60)) }
	report.New(report.Config{Out: &out, Stack: "chaveiro", Now: clock}).Run("").Observe(refresh.Event{Kind: refresh.EventRefreshed})
	if got, want := out.String(), `{"timestamp":"2026-01-03T01:00:00.06Z","level":"INFO","message":"refreshed"}`+"\n"; got != want {
		t.Errorf("wrote %s, want %s", got, want)
	}
}

// TestLinesOfManyGoroutinesStayWhole: connections are renewed side by side, and each line is one object.
func TestLinesOfManyGoroutinesStayWhole(t *testing.T) {
	var out bytes.Buffer
	run := report.New(report.Config{Out: &out, Stack: "chaveiro"}).Run("request-1")
	var wg sync.WaitGroup
	for worker := range 8 {
		text := strings.Repeat(string(rune('a'+worker)), 100*worker+1)
		wg.Go(func() {
			for range 200 {
				run.Observe(refresh.Event{Kind: refresh.EventRefreshed, Connection: text, Version: int64(len(text))})
			}
		})
	}
	wg.Wait()
	lines := 0
	for line := range bytes.Lines(out.Bytes()) {
		var got struct {
			Connection string
			Version    int
		}
		if err := json.Unmarshal(line, &got); err != nil || len(got.Connection) != got.Version || strings.Trim(got.Connection, got.Connection[:1]) != "" {
			t.Fatalf("%v: %s", err, line)
		}
		lines++
	}
	if lines != 8*200 {
		t.Errorf("%d lines, want %d", lines, 8*200)
	}
}
