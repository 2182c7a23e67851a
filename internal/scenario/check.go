package scenario

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
)

// Check invokes the healthcheck, and checks what holds for each of its runs: it writes nothing, and decrypts nothing that was published.
func (w *World) Check(ctx context.Context, event string) Invocation {
	in := Invocation{Began: w.Now()}
	calls, ops, before := w.TokenCalls(), w.AWS.Counts(), w.AWS.Snapshot(true)
	report, _, err := w.Health(ctx, event)
	in.Health, in.Err, in.Took = &report, err, w.Now().Sub(in.Began)
	in.count(w, calls, ops)
	if w.AWS.Snapshot(true) != before {
		in.broken("the healthcheck changed what is stored")
	}
	for op, n := range in.AWS {
		switch op {
		case awstest.ListSecrets, awstest.Scan, awstest.BatchGetItem, awstest.GetSecretValue:
		default:
			if n > 0 {
				in.broken("the healthcheck made %d calls of %s, which its role does not allow", n, op)
			}
		}
	}
	return in
}

// check EVENT: a run of the healthcheck.
func (p *player) check(l line) error {
	if p.last != nil {
		return l.errorf("there is a run in this step already")
	}
	event := "{}"
	if l.rest != "" {
		var err error
		if event, err = p.expand(l.rest); err != nil {
			return l.errorf("%w", err)
		}
	}
	in := p.w.Check(p.ctx, event)
	p.last = &in
	return nil
}

// ofCheck is an expectation of a run of the healthcheck.
func ofCheck(want func(p *player, report *probe.Report, args []string) error) expectation {
	return ofRun(func(p *player, args []string) error {
		if p.last.Health == nil {
			return errors.New("the run of this step is the refresher's: this wants a check")
		}
		return want(p, p.last.Health, args)
	})
}

// wantReport: report status=… and counts; those that are not named are 0.
func wantReport(p *player, report *probe.Report, args []string) error {
	want, err := conditions(args)
	if err != nil {
		return err
	}
	v := p.w.viewOf(report.Connections)
	named := map[string]bool{}
	for _, c := range want {
		named[c.field] = true
	}
	for _, name := range sortedKeys(v) {
		if !named[name] && name != "total" {
			want = append(want, condition{field: name, op: "=", want: "0"})
		}
	}
	v["status"] = string(report.Status)
	v["endpoints"], v["attention"] = strconv.Itoa(len(report.Endpoints)), strconv.Itoa(len(report.Attention))
	return v.meets(want)
}

// wantEndpoint: endpoint HOST conditions; total and reused are those of its latency.
func wantEndpoint(_ *player, report *probe.Report, args []string) error {
	head, want, err := subject(args)
	if err != nil {
		return err
	}
	for _, e := range report.Endpoints {
		if e.Host != head {
			continue
		}
		v := view{
			"provider": e.Provider, "status": string(e.Status), "probe": string(e.Probe), "code": e.Code, "http_status": strconv.Itoa(e.HTTPStatus),
			"total": strconv.FormatInt(e.Latency.Total, 10), "threshold_ms": strconv.FormatInt(e.ThresholdMS, 10),
		}
		return v.meets(want)
	}
	return fmt.Errorf("%s is not among %d endpoints of the report", head, len(report.Endpoints))
}

// wantAttention: attention CONNECTION conditions.
func wantAttention(p *player, report *probe.Report, args []string) error {
	head, want, err := subject(args)
	if err != nil {
		return err
	}
	for _, a := range report.Attention {
		if a.Connection == head {
			return p.w.viewOf(a).meets(want)
		}
	}
	return fmt.Errorf("%s is not among the %d that need attention", head, len(report.Attention))
}
