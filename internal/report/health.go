package report

import (
	"log/slog"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/refresh"
)

// ObserveProbe logs one event of a healthcheck. It fits probe.Invocation.Observe. The metrics come from the report: of a repeated request the
// faster one counts.
func (r *Run) ObserveProbe(ev probe.Event) {
	level := slog.LevelInfo
	if ev.Kind != probe.EventProbe || ev.Class != "" {
		level = slog.LevelWarn
	}
	attrs := appendAttrs(nil, refresh.Event{
		Connection: ev.Connection, Provider: ev.Provider, Endpoint: ev.Endpoint, Class: lifecycle.Class(ev.Class), Code: ev.Code, HTTPStatus: ev.HTTPStatus,
		Message: ev.Message, Attempt: ev.Attempt, Latency: ev.Latency,
		Credential: ev.Credential, TokenID: ev.TokenID, JTI: ev.JTI, Scope: ev.Scope, ExpiresAt: ev.ExpiresAt,
	})
	if ev.Probe != "" {
		attrs = append(attrs, slog.String("probe", string(ev.Probe)))
	}
	r.line(level, string(ev.Kind), attrs...)
}

// HealthMalformed logs an event of a healthcheck that cannot be read, and counts it as a notice, as Malformed does.
func (r *Run) HealthMalformed(err error) {
	l := newLine()
	l.add("Notices", "Count", 1)
	r.write(l, "")
	r.HealthDone(probe.Report{}, err)
}

// HealthDone logs a report and writes the metrics of its endpoints. err is what the function returns.
func (r *Run) HealthDone(found probe.Report, err error) {
	if err != nil {
		r.line(slog.LevelError, "health", slog.String("error", err.Error()))
		return
	}
	for _, e := range found.Endpoints {
		if took, success, ok := e.Measured(); ok {
			r.mu.Lock()
			r.attempts = append(r.attempts, attempt{
				provider: e.Provider, endpoint: e.Host, millis: float64(took) / float64(time.Millisecond), success: success, probe: true,
			})
			r.mu.Unlock()
		}
	}
	r.mu.Lock()
	r.writeAttempts(r.attempts, "")
	if r.reporter.cfg.ByProvider {
		r.writeAttemptsByProvider()
	}
	r.mu.Unlock()
	for _, a := range found.Attention {
		r.line(slog.LevelWarn, "attention", slog.String("connection", a.Connection), slog.String("state", string(a.State)),
			slog.Int64("seconds_to_expiry", a.SecondsToExpiry), slog.String("reason", a.Reason))
	}
	level := slog.LevelInfo
	if found.Status != probe.Healthy {
		level = slog.LevelWarn
	}
	r.line(level, "health", slog.String("status", string(found.Status)), slog.Any("connections", found.Connections),
		slog.Int("endpoints", len(found.Endpoints)))
}
