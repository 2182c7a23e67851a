package report_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// healthReport is a report of the package probe: Kiwify responds within a quarter of a second, Hotmart not at all; both tokens expired an hour ago.
func healthReport(t *testing.T, observe func(probe.Event)) probe.Report {
	t.Helper()
	catalogue, err := provider.Load()
	if err != nil {
		t.Fatal(err)
	}
	checker, err := probe.New(probe.Config{
		Secrets: secrets{}, States: states{}, Prober: prober{}, Catalogue: catalogue, SecretPrefix: "oauth/", Now: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := checker.Run(t.Context(), probe.Call{}, probe.Invocation{Observe: observe})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type secrets struct{}

func (secrets) List(_ context.Context, page func([]store.Secret)) error {
	page([]store.Secret{{Connection: "kiwify/main"}, {Connection: "hotmart/loja-a"}})
	return nil
}

func (secrets) Read(context.Context, string) (store.Document, error) {
	return store.Document{}, errors.New("no document is needed")
}

type states struct{ probe.States }

func (states) Scan(_ context.Context, page func([]lifecycle.State)) error {
	for connection, token := range map[string]lifecycle.Token{
		"kiwify/main":    {Provider: "kiwify", Endpoint: "public-api.kiwify.com"},
		"hotmart/loja-a": {Provider: "hotmart", Endpoint: "api-sec-vlc.hotmart.com"},
	} {
		token.IssuedAt, token.RenewAt, token.ExpiresAt = noon().Add(-9*time.Hour), noon().Add(-5*time.Hour), noon().Add(-time.Hour)
		page([]lifecycle.State{{ID: connection, Revision: 1, Token: &token}})
	}
	return nil
}

type prober struct{ probe.Prober }

func (prober) Probe(_ context.Context, req oauth.TokenRequest) (oauth.ProbeResult, error) {
	if req.Endpoint.URL == "https://public-api.kiwify.com/v1/oauth/token" {
		latency := oauth.Latency{FirstByte: 240 * time.Millisecond, Total: 250 * time.Millisecond}
		return oauth.ProbeResult{Status: 400, Code: "client_auth_not_seen", Latency: latency}, nil
	}
	return oauth.ProbeResult{Latency: oauth.Latency{Total: 10 * time.Second}},
		&oauth.Error{Class: oauth.Transient, Code: oauth.CodeNetworkAmbiguous, Description: "no response"}
}

func TestAReportIsLoggedAndMeasured(t *testing.T) {
	for _, byProvider := range []bool{false, true} {
		lines := written(t, report.Config{ByProvider: byProvider}, func(r *report.Run) {
			r.HealthDone(healthReport(t, r.ObserveProbe), nil)
		})
		var probes, attention, health []map[string]any
		for _, l := range lines {
			switch l["message"] {
			case "probe":
				probes = append(probes, l)
			case "attention":
				attention = append(attention, l)
			case "health":
				health = append(health, l)
			}
		}
		for _, p := range probes {
			latency, _ := p["latency_ms"].(map[string]any)
			switch p["provider"] {
			case "kiwify":
				if p["level"] != "INFO" || p["endpoint"] != "public-api.kiwify.com" || p["code"] != "client_auth_not_seen" || p["http_status"] != 400.0 ||
					p["probe"] != "reachability" || p["requestId"] != "request-1" || latency["total"] != 250.0 || latency["first_byte"] != 240.0 ||
					isTrue(latency["reused"]) {
					t.Errorf("%v", p)
				}
			case "hotmart":
				if p["level"] != "WARN" || p["class"] != "transient" || p["code"] != "network_ambiguous" || p["detail"] == nil || latency["total"] != 10000.0 {
					t.Errorf("%v", p)
				}
			}
		}
		if len(probes) != 2 || len(attention) != 2 || len(health) != 1 {
			t.Fatalf("lines %v", lines)
		}
		if a := attention[0]; a["level"] != "WARN" || a["connection"] != "hotmart/loja-a" || a["state"] != "expired" ||
			a["seconds_to_expiry"] != -3600.0 || a["reason"] == "" {
			t.Errorf("%v", a)
		}
		counts, _ := health[0]["connections"].(map[string]any)
		if h := health[0]; h["level"] != "WARN" || h["status"] != "unhealthy" || counts["expired"] != 2.0 || h["endpoints"] != 2.0 {
			t.Errorf("%v", h)
		}
		seen := map[string][]any{}
		for _, l := range metricLines(t, lines) {
			name, _ := l.raw["Provider"].(string)
			seen[name] = append(append(seen[name], l.values["AuthLatency"].([]any)...), l.values["AuthSuccess"].([]any)...)
		}
		want := map[string][]any{"": {10000.0, 250.0, 0.0, 1.0}}
		if byProvider {
			want["hotmart"], want["kiwify"] = []any{10000.0, 0.0}, []any{250.0, 1.0}
		}
		if !reflect.DeepEqual(seen, want) {
			t.Errorf("measured %v, want %v", seen, want)
		}
	}
}

// TestHealthIsMeasuredAtAnyLogLevel, and a run that knows nothing measures nothing.
func TestHealthIsMeasuredAtAnyLogLevel(t *testing.T) {
	lines := written(t, report.Config{Level: slog.LevelError}, func(r *report.Run) { r.HealthDone(healthReport(t, r.ObserveProbe), nil) })
	if len(lines) != 1 || len(metricLines(t, lines)) != 1 {
		t.Errorf("%v", lines)
	}
	lines = written(t, report.Config{}, func(r *report.Run) { r.HealthDone(probe.Report{}, errors.New("probe: list secrets: denied")) })
	if len(lines) != 1 || lines[0]["level"] != "ERROR" || lines[0]["message"] != "health" || lines[0]["error"] != "probe: list secrets: denied" {
		t.Errorf("%v", lines)
	}
}

func TestAnEndpointThatIsNotProbedIsAWarning(t *testing.T) {
	lines := written(t, report.Config{}, func(r *report.Run) {
		r.ObserveProbe(probe.Event{Kind: probe.EventNotProbed, Provider: "generic", Endpoint: "auth.example.com", Connection: "a/b",
			Code: "invalid_document", Message: "x"})
	})
	if l := lines[0]; l["level"] != "WARN" || l["message"] != "not_probed" || l["connection"] != "a/b" || l["detail"] != "x" {
		t.Errorf("%v", l)
	}
}
