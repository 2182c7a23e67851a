package report

import (
	"log/slog"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
)

// ObserveRotation logs one decision of a rotation and keeps what the metrics need. It fits rotate.Invocation.Observe.
func (r *Run) ObserveRotation(a rotate.Audit) {
	if a.Kind == rotate.EventAttempt {
		r.attempted(a.Attempt, attemptOf(a.Connection, a.Provider, a.Endpoint, a.Latency.Total, a.OAuthCode, lifecycle.Class(a.Class)))
	}
	if a.Kind == rotate.EventNotice && a.Notice != "" {
		r.mu.Lock()
		r.notices++
		r.mu.Unlock()
	}
	r.line(auditLevel(a), string(a.Kind), auditAttrs(a)...)
}

func auditLevel(a rotate.Audit) slog.Level {
	switch a.Kind {
	case rotate.EventFailed, rotate.EventRolledBack, rotate.EventRejected:
		if a.Transient {
			return slog.LevelWarn
		}
		return slog.LevelError
	case rotate.EventCleanupFailed, rotate.EventNotice:
		return slog.LevelWarn
	case rotate.EventAttempt:
		if a.OAuthCode != "" {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case rotate.EventPending, rotate.EventTested, rotate.EventPromoted, rotate.EventStage, rotate.EventPublished, rotate.EventSucceeded:
		return slog.LevelInfo
	}
	return slog.LevelInfo
}

// auditAttrs names the fields of a decision; empty ones are left out. The rotation's own version is "version_id", the parameter's "version".
func auditAttrs(a rotate.Audit) []slog.Attr {
	var f fields
	f.texts([]field{
		{"step", string(a.Step)}, {"connection", a.Connection}, {"secret_arn", a.SecretARN}, {"version_id", a.Version}, {"error_code", string(a.Code)},
		{"client_id_fingerprint", a.ClientID}, {"current_ok", string(a.CurrentOK)}, {"stage", a.Stage}, {"from", a.From}, {"to", a.To},
	})
	if a.Critical {
		f.attrs = append(f.attrs, slog.Bool("critical", true))
	}
	return appendAttrs(f.attrs, refresh.Event{
		Notice: a.Notice, Details: a.Details,
		Provider: a.Provider, Endpoint: a.Endpoint, Class: lifecycle.Class(a.Class), Code: a.OAuthCode, HTTPStatus: a.HTTPStatus, Message: a.Message,
		Credential: a.Credential, TokenID: a.TokenID, JTI: a.JTI, Scope: a.Scope, ExpiresAt: a.ExpiresAt, Version: a.Parameter,
		Attempt: a.Attempt, Latency: a.Latency,
	})
}

// RotationDone logs the end of a step and writes its metrics: RotationFailed is 1 for a step that failed, whether or not Secrets Manager's next
// try may succeed. err is what the function returns.
func (r *Run) RotationDone(step rotate.Step, err error) {
	failed, level, attrs := 0, slog.LevelInfo, []slog.Attr{slog.String("step", string(step))}
	if err != nil {
		failed, level = 1, slog.LevelError
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	r.mu.Lock()
	l := newLine()
	l.add("RotationFailed", "Count", failed)
	l.add("Notices", "Count", r.notices)
	r.write(l, "")
	r.writeAttempts(r.attempts, "")
	r.mu.Unlock()
	r.line(level, "step", attrs...)
}
