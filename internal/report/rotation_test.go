package report_test

import (
	"errors"
	"testing"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func TestAStepOfARotationIsLogged(t *testing.T) {
	lines := written(t, report.Config{}, func(r *report.Run) {
		r.ObserveRotation(rotate.Audit{Kind: rotate.EventAttempt, Step: rotate.TestSecret, Connection: "hotmart/loja-a", Provider: "hotmart", Attempt: 1,
			OAuthCode: "invalid_client", HTTPStatus: 401, Latency: oauth.Latency{Total: 1e6}})
		r.ObserveRotation(rotate.Audit{Kind: rotate.EventFailed, Code: rotate.CodeRejected, CurrentOK: rotate.No, Critical: true, Version: "v-2"})
		r.RotationDone(rotate.TestSecret, errors.New("ERR_CREDENTIALS_REJECTED: x"))
	})
	if got := lines[0]; got["message"] != "token_request" || got["code"] != "invalid_client" || got["http_status"] != 401.0 ||
		got["step"] != "testSecret" || got["level"] != "WARN" {
		t.Errorf("%v", got)
	}
	if got := lines[1]; got["message"] != "rotation.failed" || got["error_code"] != "ERR_CREDENTIALS_REJECTED" || got["current_ok"] != "false" ||
		!isTrue(got["critical"]) || got["level"] != "ERROR" || got["version_id"] != "v-2" {
		t.Errorf("%v", got)
	}
	metrics := metricLines(t, lines)
	if len(metrics) != 2 || metrics[0].values["RotationFailed"] != 1.0 {
		t.Fatalf("%+v", metrics)
	}
	if last := lines[len(lines)-1]; last["message"] != "step" || last["error"] != "ERR_CREDENTIALS_REJECTED: x" {
		t.Errorf("%v", last)
	}
}

func isTrue(v any) bool {
	b, ok := v.(bool)
	return ok && b
}

func TestAStepThatSucceedsCountsNoFailure(t *testing.T) {
	lines := written(t, report.Config{}, func(r *report.Run) { r.RotationDone(rotate.SetSecret, nil) })
	if metrics := metricLines(t, lines); len(metrics) != 1 || metrics[0].values["RotationFailed"] != 0.0 {
		t.Errorf("%+v", metrics)
	}
}

// TestANoticeOfARotationCounts: scopes and lifetimes change with a rotation, and the refresher then compares with the new token. A notice without a
// name is about this rotation only.
func TestANoticeOfARotationCounts(t *testing.T) {
	lines := written(t, report.Config{}, func(r *report.Run) {
		r.ObserveRotation(rotate.Audit{Kind: rotate.EventNotice, Notice: lifecycle.NoticeLifetimeChanged, Details: []string{"was 24h0m0s", "is 1h0m0s"},
			Connection: "hotmart/loja-a"})
		r.ObserveRotation(rotate.Audit{Kind: rotate.EventNotice, Message: "AWSCURRENT was moved by somebody else"})
		r.RotationDone(rotate.FinishSecret, nil)
	})
	if got := lines[0]; got["message"] != "rotation.notice" || got["level"] != "WARN" || got["notice"] != "lifetime_changed" || got["details"] == nil {
		t.Errorf("%v", got)
	}
	if metrics := metricLines(t, lines); len(metrics) != 1 || metrics[0].values["Notices"] != 1.0 || metrics[0].values["RotationFailed"] != 0.0 {
		t.Errorf("%+v", metrics)
	}
}
