package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// written runs f on a Run and returns the lines that came out, each a JSON object.
func written(t *testing.T, cfg report.Config, f func(*report.Run)) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	cfg.Out, cfg.Now = &out, noon
	if cfg.Stack == "" {
		cfg.Stack = "chaveiro"
	}
	f(report.New(cfg).Run("request-1"))
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, m)
	}
	return lines
}

// metricLine is a line of the embedded metric format, checked against its specification.
type metricLine struct {
	dimensions []string
	values     map[string]any
	raw        map[string]any
}

func metricLines(t *testing.T, lines []map[string]any) []metricLine {
	t.Helper()
	var found []metricLine
	for _, m := range lines {
		meta, ok := m["_aws"].(map[string]any)
		if !ok {
			continue
		}
		if meta["Timestamp"] != float64(noon().UnixMilli()) {
			t.Errorf("Timestamp %v is not in milliseconds since 1970", meta["Timestamp"])
		}
		for _, d := range meta["CloudWatchMetrics"].([]any) {
			directive := d.(map[string]any)
			if directive["Namespace"] != "Chaveiro" {
				t.Errorf("namespace %v", directive["Namespace"])
			}
			l := metricLine{values: map[string]any{}, raw: m}
			for _, name := range directive["Dimensions"].([]any)[0].([]any) {
				l.dimensions = append(l.dimensions, name.(string))
				if _, ok := m[name.(string)].(string); !ok {
					t.Errorf("dimension %v has no text value", name)
				}
			}
			for _, metric := range directive["Metrics"].([]any) {
				name := metric.(map[string]any)["Name"].(string)
				value, ok := m[name]
				if !ok {
					t.Errorf("metric %s has no value", name)
				}
				if list, ok := value.([]any); ok && len(list) > 100 {
					t.Errorf("metric %s has %d values in one line", name, len(list))
				}
				l.values[name] = value
			}
			found = append(found, l)
		}
	}
	return found
}

func TestARunWithoutAnyConnectionStillEmitsRefreshed(t *testing.T) {
	lines := metricLines(t, written(t, report.Config{}, func(r *report.Run) {
		r.Done(refresh.Result{Health: refresh.Health{Known: true}}, nil)
	}))
	if len(lines) != 1 {
		t.Fatalf("%d metric lines", len(lines))
	}
	for _, name := range []string{"Refreshed", "RefreshFailed", "Failing", "RenewalOverdue", "FallbackActive", "Notices"} {
		if lines[0].values[name] != 0.0 {
			t.Errorf("%s is %v, want 0", name, lines[0].values[name])
		}
	}
	if _, ok := lines[0].values["MinSecondsToExpiry"]; ok {
		t.Error("MinSecondsToExpiry without any token would ring an alarm")
	}
	if lines[0].raw["Stack"] != "chaveiro" || len(lines[0].dimensions) != 1 {
		t.Errorf("dimensions %v", lines[0].dimensions)
	}
}

func TestMetricsOfASweep(t *testing.T) {
	lines := metricLines(t, written(t, report.Config{}, func(r *report.Run) {
		r.Done(refresh.Result{
			Counts: refresh.Counts{Refreshed: 4, Reused: 2, Deferred: 1},
			Health: refresh.Health{Known: true, HasTokens: true, MinSecondsToExpiry: -60, Failing: 3, Attempted: 5,
				RenewalOverdue: 6, FallbackActive: 7, Notices: 8},
		}, nil)
	}))
	want := map[string]float64{"Refreshed": 4, "RefreshFailed": 5, "Failing": 3, "MinSecondsToExpiry": -60,
		"RenewalOverdue": 6, "FallbackActive": 7, "Notices": 8}
	for name, value := range want {
		if lines[0].values[name] != value {
			t.Errorf("%s is %v, want %v", name, lines[0].values[name], value)
		}
	}
	if len(lines[0].values) != len(want) {
		t.Errorf("metrics %v", lines[0].values)
	}
	if lines[0].raw["reused"] != 2.0 || lines[0].raw["deferred"] != 1.0 {
		t.Error("reused and deferred are properties of the line")
	}
}

func TestARunOverNamedConnectionsSaysNothingOfTheOthers(t *testing.T) {
	lines := metricLines(t, written(t, report.Config{}, func(r *report.Run) { r.Done(refresh.Result{}, nil) }))
	for _, name := range []string{"Failing", "MinSecondsToExpiry", "RenewalOverdue", "FallbackActive"} {
		if _, ok := lines[0].values[name]; ok {
			t.Errorf("%s is emitted by a run that does not know it", name)
		}
	}
}

func TestADryRunEmitsNoMetrics(t *testing.T) {
	lines := written(t, report.Config{}, func(r *report.Run) { r.Done(refresh.Result{Plan: []refresh.Planned{}}, nil) })
	if got := metricLines(t, lines); len(got) != 0 {
		t.Errorf("%d metric lines", len(got))
	}
	if len(lines) != 1 || lines[0]["message"] != "run" {
		t.Errorf("lines %v", lines)
	}
}

func attempt(provider string, took time.Duration, code string) refresh.Event {
	return refresh.Event{Kind: refresh.EventRequest, Connection: "a/b", Provider: provider, Endpoint: provider + ".example",
		Attempt: 1, Code: code, Latency: oauth.Latency{Total: took}}
}

func TestRequestsAreMeasuredAHundredALine(t *testing.T) {
	lines := metricLines(t, written(t, report.Config{ByProvider: true}, func(r *report.Run) {
		for range 250 {
			r.Observe(attempt("kiwify", 250*time.Millisecond, ""))
		}
		r.Observe(attempt("hotmart", 1500*time.Microsecond, "server_error"))
		r.Observe(refresh.Event{Kind: refresh.EventRequest, Provider: "hotmart", Code: "standby_unusable"}) // no request was made
		r.Done(refresh.Result{}, nil)
	}))
	latencies, successes := map[string]int{}, map[string]int{}
	for _, l := range lines {
		by := strings.Join(l.dimensions, ",")
		if list, ok := l.values["AuthLatency"].([]any); ok {
			latencies[by] += len(list)
		}
		list, _ := l.values["AuthSuccess"].([]any)
		successes[by] += len(list)
		for _, s := range list {
			if s == 0.0 {
				successes[by+" failed"]++
			}
		}
	}
	// Of 251 the slowest 26 do not count as latency; by provider 25 of the 250, and not the only one of the other.
	for by, want := range map[string]int{"Stack": 225, "Stack,Provider": 226} {
		if latencies[by] != want || successes[by] != 251 || successes[by+" failed"] != 1 {
			t.Errorf("%s: %d latencies, %d successes, %d of them 0", by, latencies[by], successes[by], successes[by+" failed"])
		}
	}
}

// TestWhatTheLatencyLeavesOut: the slowest tenth, begun, but never the only one, nor more than half of several to one endpoint.
func TestWhatTheLatencyLeavesOut(t *testing.T) {
	for _, c := range []struct {
		requests string // endpoint and ms
		want     []any  // the slowest first
	}{
		{"a1500", []any{1500.0}},
		{"a1500 b200", []any{200.0}},
		{"a1500 a200", []any{200.0}},
		{"a200 b1500 c1400", []any{1400.0, 200.0}},
		{"a1 a2 a3 a4 a5 a6 a7 a8 a9 a1000", []any{9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0}},
		{"a1 a2 a3 a4 a5 a6 a7 a8 a9 b1000 c1001", []any{9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0}},
		{"a1 a2 a3 a4 a5 a6 a7 a8 a9 b1000 b1001", []any{1000.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0}}, // b is slow: both of its two
	} {
		lines := metricLines(t, written(t, report.Config{}, func(r *report.Run) {
			for _, one := range strings.Fields(c.requests) {
				ms, err := strconv.Atoi(one[1:])
				if err != nil {
					t.Fatal(err)
				}
				r.Observe(attempt(one[:1], time.Duration(ms)*time.Millisecond, ""))
			}
			r.Done(refresh.Result{}, nil)
		}))
		if got := lines[len(lines)-1].values["AuthLatency"].([]any); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.requests, got, c.want)
		}
	}
}

// TestRejectedCredentialsAreNoFailureOfTheEndpoint, nor is a failure whose repetition succeeds.
func TestRejectedCredentialsAreNoFailureOfTheEndpoint(t *testing.T) {
	event := func(connection string, number int, code string, class lifecycle.Class) refresh.Event {
		ev := attempt("kiwify", time.Second, code)
		ev.Connection, ev.Attempt, ev.Class = connection, number, class
		return ev
	}
	outage := event("a", 1, "server_error", lifecycle.Transient)
	for name, c := range map[string]struct {
		events []refresh.Event
		want   []any
	}{
		"rejected client credentials": {[]refresh.Event{event("a", 1, "invalid_client", lifecycle.Credentials)}, []any{1.0}},
		"a scope that is not there":   {[]refresh.Event{event("a", 1, "invalid_scope", lifecycle.Configuration)}, []any{1.0}},
		"an outage":                   {[]refresh.Event{outage}, []any{0.0}},
		"an answer without a token":   {[]refresh.Event{event("a", 1, "empty_body", lifecycle.Malformed)}, []any{0.0}},
		"a retry that succeeds":       {[]refresh.Event{outage, event("b", 1, "", ""), event("a", 2, "", "")}, []any{1.0, 1.0}},
		"a retry that fails as well":  {[]refresh.Event{outage, event("a", 2, "network", lifecycle.Transient)}, []any{0.0}},
		"a standby after AWSCURRENT":  {[]refresh.Event{event("a", 1, "invalid_client", lifecycle.Credentials), event("a", 1, "", "")}, []any{1.0, 1.0}},
	} {
		t.Run(name, func(t *testing.T) {
			lines := metricLines(t, written(t, report.Config{}, func(r *report.Run) {
				for _, ev := range c.events {
					r.Observe(ev)
				}
				r.Done(refresh.Result{}, nil)
			}))
			if got := lines[len(lines)-1].values["AuthSuccess"].([]any); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestMetricsByProviderAreAnOption(t *testing.T) {
	observe := func(r *report.Run) {
		r.Observe(refresh.Event{Kind: refresh.EventRefreshed, Connection: "a/b", Provider: "kiwify"})
		r.Observe(refresh.Event{Kind: refresh.EventFailed, Connection: "a/c", Provider: "hotmart"})
		r.Done(refresh.Result{}, nil)
	}
	if got := len(metricLines(t, written(t, report.Config{}, observe))); got != 1 {
		t.Errorf("%d metric lines without the option", got)
	}
	seen := map[string]float64{}
	for _, l := range metricLines(t, written(t, report.Config{ByProvider: true}, observe)) {
		if name, ok := l.raw["Provider"].(string); ok {
			seen[name+" refreshed"] = l.values["Refreshed"].(float64)
			seen[name+" failed"] = l.values["RefreshFailed"].(float64)
		}
	}
	want := map[string]float64{"kiwify refreshed": 1, "kiwify failed": 0, "hotmart refreshed": 0, "hotmart failed": 1}
	for key, value := range want {
		if got, ok := seen[key]; !ok || got != value {
			t.Errorf("%s: %v, want %v", key, got, value)
		}
	}
}

func TestMetricsComeOutAtAnyLogLevel(t *testing.T) {
	lines := written(t, report.Config{Level: slog.LevelError}, func(r *report.Run) {
		r.Observe(refresh.Event{Kind: refresh.EventRefreshed, Connection: "a/b"})
		r.Done(refresh.Result{}, nil)
	})
	if len(lines) != 1 || len(metricLines(t, lines)) != 1 {
		t.Errorf("lines %v", lines)
	}
	if lines[0]["level"] == nil {
		t.Error("a metric line without a level is dropped by Lambda's filter")
	}
}

func TestEventsBecomeLinesWithLambdasNames(t *testing.T) {
	ev := refresh.Event{Kind: refresh.EventFailed, Connection: "kiwify/main", Provider: "kiwify", Endpoint: "public-api.kiwify.com", Reason: "due",
		Message: "a sentence", Credential: "v1", Stage: "AWSCURRENT", Class: lifecycle.Credentials, Code: "invalid_client", HTTPStatus: 400,
		NextAt: noon().Add(time.Minute), Attempt: 2}
	lines := written(t, report.Config{}, func(r *report.Run) { r.Observe(ev) })
	want := map[string]any{"level": "WARN", "message": "refresh_failed", "timestamp": "2026-01-02T12:00:00Z", "requestId": "request-1",
		"connection": "kiwify/main", "provider": "kiwify", "endpoint": "public-api.kiwify.com", "reason": "due", "detail": "a sentence",
		"credential": "v1", "stage": "AWSCURRENT", "class": "credentials", "code": "invalid_client", "http_status": 400.0,
		"next_at": "2026-01-02T12:01:00Z", "attempt": 2.0}
	for key, value := range want {
		if lines[0][key] != value {
			t.Errorf("%s is %v, want %v", key, lines[0][key], value)
		}
	}
	if len(lines[0]) != len(want) {
		t.Errorf("the line has %d fields, want %d: %v", len(lines[0]), len(want), lines[0])
	}
}

func TestLevelsOfEvents(t *testing.T) {
	for kind, want := range map[refresh.EventKind]string{
		refresh.EventRefreshed: "INFO", refresh.EventReused: "INFO", refresh.EventOrphanGone: "INFO", refresh.EventRequest: "INFO",
		refresh.EventRejected: "INFO", refresh.EventFailed: "WARN", refresh.EventNotice: "WARN", refresh.EventFallback: "WARN",
		refresh.EventUnrecorded: "WARN", refresh.EventEndpoint: "WARN", refresh.EventUnverified: "WARN",
		refresh.EventDiscovery: "WARN", refresh.EventUnwritable: "ERROR",
	} {
		lines := written(t, report.Config{Level: slog.LevelDebug}, func(r *report.Run) { r.Observe(refresh.Event{Kind: kind}) })
		if lines[0]["level"] != want {
			t.Errorf("%s is logged at %v, want %s", kind, lines[0]["level"], want)
		}
	}
}

func TestAFailedRunIsAnError(t *testing.T) {
	lines := written(t, report.Config{}, func(r *report.Run) { r.Done(refresh.Result{}, errors.New("read the state table: throttled")) })
	last := lines[len(lines)-1]
	if last["level"] != "ERROR" || last["error"] != "read the state table: throttled" {
		t.Errorf("last line %v", last)
	}
}

// TestAFailedListingIsAWarning: known connections were renewed, and the function returns no error.
func TestAFailedListingIsAWarning(t *testing.T) {
	const text = "Could not list secrets: ListSecrets oauth/: ThrottlingException: Rate exceeded"
	lines := written(t, report.Config{}, func(r *report.Run) {
		r.Observe(refresh.Event{Kind: refresh.EventDiscovery, Message: text + ". Known connections were still renewed", Attempt: 2})
		r.Done(refresh.Result{DiscoveryFailed: text, Counts: refresh.Counts{Refreshed: 1}}, nil)
	})
	detail := text + ". Known connections were still renewed"
	if l := lines[0]; l["level"] != "WARN" || l["message"] != "discovery_failed" || l["detail"] != detail || l["attempt"] != 2.0 {
		t.Errorf("%v", l)
	}
	last := lines[len(lines)-1]
	if last["message"] != "run" || last["level"] != "WARN" || last["discovery_failed"] != text || last["error"] != nil {
		t.Errorf("last line %v", last)
	}
	if metrics := metricLines(t, lines); len(metrics) != 1 || metrics[0].values["Refreshed"] != 1.0 {
		t.Errorf("metrics %v", metrics)
	}
	lines = written(t, report.Config{}, func(r *report.Run) { r.Done(refresh.Result{DiscoveryFailed: text}, errors.New("the third time")) })
	if last := lines[len(lines)-1]; last["level"] != "ERROR" || last["discovery_failed"] != text || last["error"] != "the third time" {
		t.Errorf("last line %v", last)
	}
}

// TestAMalformedEventIsOneLineAndOneMetric: without them nobody would see that a program's reports of rejected tokens are not understood.
func TestAMalformedEventIsOneLineAndOneMetric(t *testing.T) {
	bad := errors.New(`event: field "connection": is unknown; did you mean "connections"?`)
	for message, malformed := range map[string]func(*report.Run){
		"run":    func(r *report.Run) { r.Malformed(bad) },
		"health": func(r *report.Run) { r.HealthMalformed(bad) },
		"step":   func(r *report.Run) { r.RotationDone("", bad) },
	} {
		t.Run(message, func(t *testing.T) {
			lines := written(t, report.Config{}, malformed)
			if len(lines) != 2 {
				t.Fatalf("lines %v", lines)
			}
			if last := lines[1]; last["message"] != message || last["level"] != "ERROR" || last["error"] != bad.Error() {
				t.Errorf("log line %v", last)
			}
			metrics := metricLines(t, lines)
			if len(metrics) != 1 {
				t.Fatalf("metric lines %v", metrics)
			}
			name := "Notices"
			if message == "step" {
				name = "RotationFailed"
			}
			if got := metrics[0].values[name]; got != 1.0 {
				t.Errorf("%s is %v, want 1", name, got)
			}
			if _, there := metrics[0].values["Refreshed"]; there {
				t.Error("Refreshed counts runs that did their work")
			}
		})
	}
}

func TestOnlyARunThatDidSomeWorkCountsInRefreshed(t *testing.T) {
	denied := errors.New("read the state table: AccessDeniedException")
	for name, c := range map[string]struct {
		refreshed int
		err       error
		want      any
	}{
		"a run that succeeds with nothing to do":             {0, nil, 0.0},
		"a run that succeeds":                                {3, nil, 3.0},
		"a run that fails after it has renewed something":    {3, denied, 3.0},
		"a run that fails and has renewed nothing: no value": {0, denied, nil},
	} {
		t.Run(name, func(t *testing.T) {
			lines := metricLines(t, written(t, report.Config{}, func(r *report.Run) {
				r.Done(refresh.Result{Counts: refresh.Counts{Refreshed: c.refreshed}}, c.err)
			}))
			if len(lines) != 1 || lines[0].values["RefreshFailed"] != 0.0 {
				t.Fatalf("metric lines %v", lines)
			}
			if got := lines[0].values["Refreshed"]; got != c.want {
				t.Errorf("Refreshed is %v, want %v", got, c.want)
			}
			if _, there := lines[0].raw["Refreshed"]; there != (c.want != nil) {
				t.Errorf("the line has Refreshed: %v", there)
			}
		})
	}
}
