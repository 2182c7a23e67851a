package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const (
	healthSchedule = "events/healthcheck/schedule.json"
	healthURL      = "events/healthcheck/url.json" // as a status page asks
)

// slowness of a provider in the story, over the second that LATENCY_THRESHOLD allows.
const slowness = 1200 * time.Millisecond

// health is what the healthchecks of the story did beside answering.
type health struct {
	reports int
	beside  []string // forbidden effects
	leaks   int      // logs and answers that hold a secret
}

// inDanger shows what the healthcheck reports of a slow provider, of an expired token and of a refresher that does not run.
func (d *demo) inDanger(ctx context.Context) error {
	d.chapter("A slow provider, an expired token, a refresher that does not run: what the healthcheck reports")
	d.say("  It lists the secrets, scans the state table and probes each token endpoint once, without credentials: a healthy one refuses that, so no token is issued.")
	seen := new(health)
	for _, part := range []func(context.Context, *health) error{d.wellToday, d.slowProvider, d.expiredToken, d.silentRefresher} {
		if err := part(ctx, seen); err != nil {
			return err
		}
	}
	for _, what := range seen.beside {
		d.say("  a healthcheck that %s", what)
	}
	d.expect(fmt.Sprintf("the %d healthchecks wrote nothing, read no token, and no provider issued one for them", seen.reports), len(seen.beside) == 0)
	d.expect("no secret and no token is in their logs and results", seen.leaks == 0)
	return nil
}

func (d *demo) wellToday(ctx context.Context, seen *health) error {
	r, _, err := d.look(ctx, seen, healthSchedule)
	if err != nil {
		return err
	}
	d.expect("healthy: three connections are fresh", r.Status == probe.Healthy && r.Connections == probe.Counts{Total: 3, Fresh: 3} && len(r.Attention) == 0)
	d.expect("both endpoints refused the request without credentials, as they should, and in time", len(r.Endpoints) == 2 &&
		answered(r, "hotmart", probe.Healthy, http.StatusUnauthorized) && answered(r, "kiwify", probe.Healthy, http.StatusBadRequest))
	return nil
}

// slowProvider makes every request to Kiwify slow, the repetition too: one slow response is not enough.
func (d *demo) slowProvider(ctx context.Context, seen *health) error {
	d.say("\n  Kiwify takes %.1f s for every request.", slowness.Seconds())
	kiwify := d.world.kiwify
	kiwify.Inject(oauthtest.Latency(slowness).Always())
	before := kiwify.Total().TokenCalls
	r, _, err := d.look(ctx, seen, healthSchedule)
	kiwify.ClearFaults()
	if err != nil {
		return err
	}
	slow, ms := row(r, "kiwify"), slowness.Milliseconds()
	d.expect("degraded: Kiwify's endpoint, and Hotmart's is not", r.Status == probe.Degraded && slow.Status == probe.Degraded && answered(r, "hotmart", probe.Healthy, http.StatusUnauthorized))
	d.expect("the phases say where the time went: the provider, not the network", slow.Latency.FirstByte >= ms-50 && slow.Latency.Total >= ms && slow.Latency.DNS+slow.Latency.Connect+slow.Latency.TLS < 100)
	d.expect("it was probed a second time before it was reported", kiwify.Total().TokenCalls == before+2)
	d.expect("no token is in danger yet", r.Connections == probe.Counts{Total: 3, Fresh: 3})
	return nil
}

// expiredToken deletes a connection's credentials, and lets its token expire.
func (d *demo) expiredToken(ctx context.Context, seen *health) error {
	d.say("\n  Somebody deletes the credentials of %s in Kiwify's panel, and nobody reads the mails about it for 25 hours. A token is valid for 24.", typo)
	d.world.kiwify.Remove("loja-b-client")
	if err := d.world.letTimePass(25*time.Hour, typo); err != nil {
		return err
	}
	if err := d.sweep(ctx); err != nil {
		return err
	}
	r, status, err := d.look(ctx, seen, healthURL)
	if err != nil {
		return err
	}
	d.expect("unhealthy, and 503 for whoever asks by HTTP: a token expired within the last day", r.Status == probe.Unhealthy && status == http.StatusServiceUnavailable)
	d.expect("it is one of three, and named, an hour after its end", r.Connections == probe.Counts{Total: 3, Fresh: 2, Expired: 1} && len(r.Attention) == 1 &&
		needs(r, typo, probe.Expired, -time.Hour))
	d.expect("the reason begins with the expiry; the rest is the message of the refresher", len(r.Attention) == 1 &&
		strings.HasPrefix(r.Attention[0].Reason, "expired 20") && strings.HasSuffix(r.Attention[0].Reason, ". "+d.world.state(typo).Failure.Message) &&
		strings.Contains(r.Attention[0].Reason, "rejects these client credentials"))
	d.say("\n  Another day later nothing has changed.")
	if err := d.world.letTimePass(24*time.Hour, typo); err != nil {
		return err
	}
	if r, status, err = d.look(ctx, seen, healthURL); err != nil {
		return err
	}
	d.expect("degraded, and 200: one tenant without a token does not hide the next", r.Status == probe.Degraded && status == http.StatusOK && needs(r, typo, probe.Expired, -25*time.Hour))
	return nil
}

// silentRefresher corrects the connection and then invokes nothing for 15 hours: Kiwify's tokens were due after 9.6 to 14.4 hours, Hotmart's is not.
func (d *demo) silentRefresher(ctx context.Context, seen *health) error {
	w := d.world
	d.say("\n  New credentials are stored for %s, and it has a token in the next run. Then somebody disables the schedule, and 15 hours pass.", typo)
	if err := w.store(typo, "kiwify", w.kiwifyURL, newCredential(w.kiwify, "loja-b-client-2", "acc-loja-b")); err != nil {
		return err
	}
	if err := d.sweep(ctx); err != nil {
		return err
	}
	if err := d.world.letTimePass(15*time.Hour, shop, course, typo); err != nil {
		return err
	}
	r, _, err := d.look(ctx, seen, healthSchedule)
	if err != nil {
		return err
	}
	d.expect("degraded, though every token works: two are overdue, 9 hours before their end", r.Status == probe.Degraded && d.valid(course) && d.valid(typo) &&
		r.Connections == probe.Counts{Total: 3, Fresh: 1, Overdue: 2} && needs(r, course, probe.Overdue, 9*time.Hour) && needs(r, typo, probe.Overdue, 9*time.Hour))
	d.expect("the reason names the likely cause: does the refresher run?", len(r.Attention) == 2 &&
		!slices.ContainsFunc(r.Attention, func(a probe.Attention) bool {
			return !strings.HasSuffix(a.Reason, "no failure is recorded: does the refresher run?")
		}))
	d.say("\n  The schedule is enabled again.")
	if err := d.sweep(ctx); err != nil {
		return err
	}
	if r, _, err = d.look(ctx, seen, healthSchedule); err != nil {
		return err
	}
	d.expect("healthy again, by itself", r.Status == probe.Healthy && r.Connections == probe.Counts{Total: 3, Fresh: 3} && len(r.Attention) == 0)
	return nil
}

// sweep invokes the refresher and prints the counts.
func (d *demo) sweep(ctx context.Context) error {
	result, logs, err := invoke(ctx, d.function, schedule)
	if err != nil {
		return err
	}
	d.say("  > invoke chaveiro-refresher with %s: %d refreshed, %d fresh, %d failed", schedule, result.Counts.Refreshed, result.Counts.Fresh, result.Counts.Failed)
	return d.searchLogs(logs)
}

// look invokes the healthcheck, shows its report, and notes every other effect. status is that of the response to an HTTP request, else 0.
func (d *demo) look(ctx context.Context, seen *health, eventFile string) (r probe.Report, status int, err error) {
	event, err := os.ReadFile(eventFile) //nolint:gosec // the path is a constant of this program
	if err != nil {
		return r, 0, err
	}
	w := d.world
	before, issued := w.aws.Snapshot(true), w.hotmart.Total().Minted+w.kiwify.Total().Minted
	w.aws.ResetCalls()
	answer, err := d.healthcheck.Invoke(ctx, event)
	if err != nil {
		return r, 0, fmt.Errorf("invoke with %s: %w\n%s", eventFile, err, answer.Logs)
	}
	seen.reports++
	if w.aws.Snapshot(true) != before {
		seen.beside = append(seen.beside, "changed what is stored")
	}
	if w.hotmart.Total().Minted+w.kiwify.Total().Minted != issued {
		seen.beside = append(seen.beside, "had a token issued")
	}
	if r, status, err = reportIn(answer.Payload); err != nil {
		return r, 0, fmt.Errorf("the answer to %s: %w", eventFile, err)
	}
	seen.watch(w.aws.Calls(), len(r.Endpoints))
	d.showReport(eventFile, answer.Took, r, status)
	if d.searchLogs(answer.Logs+string(answer.Payload)) != nil {
		seen.leaks++
	}
	return r, status, nil
}

// reportIn reads a report, or the HTTP answer that holds one.
func reportIn(payload []byte) (r probe.Report, status int, err error) {
	var answer struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(payload, &answer); err == nil && answer.StatusCode != 0 {
		return r, answer.StatusCode, json.Unmarshal([]byte(answer.Body), &r)
	}
	return r, 0, json.Unmarshal(payload, &r)
}

// watch notes calls that a healthcheck must not make. It scans the state table and lists the secrets; it reads one secret for each endpoint where the
// catalogue does not know how to probe it, as on this machine.
func (h *health) watch(calls []awstest.Call, endpoints int) {
	secrets := 0
	for _, c := range calls {
		listing := c.Op == awstest.ListSecrets || c.Op == awstest.Scan
		if c.Op == awstest.GetSecretValue {
			secrets++
		}
		if !listing && (c.Op != awstest.GetSecretValue || secrets > endpoints) {
			h.beside = append(h.beside, fmt.Sprintf("called %s %s", c.Op, strings.Join(c.Names, " ")))
		}
	}
	if len(calls) == 0 {
		h.beside = append(h.beside, "was not seen: its calls are not counted")
	}
}

func (d *demo) showReport(eventFile string, took time.Duration, r probe.Report, status int) {
	d.say("  > invoke chaveiro-healthcheck with %s", eventFile)
	byHTTP, c := "", r.Connections
	if status != 0 {
		byHTTP = fmt.Sprintf(" (HTTP %d)", status)
	}
	d.say("    answered in %d ms: %s%s; %s: %d fresh, %d due, %d overdue, %d expired, %d failing, %d missing", took.Milliseconds(),
		strings.ToUpper(string(r.Status)), byHTTP, plural(c.Total, "connection"), c.Fresh, c.Due, c.Overdue, c.Expired, c.Failing, c.Missing)
	for _, e := range r.Endpoints {
		l := e.Latency
		d.say("    endpoint   %-15s %s, %d ms: dns %d, connect %d, tls %d, first byte %d (threshold %d); by %s: HTTP %d %s", e.Provider, e.Status,
			l.Total, l.DNS, l.Connect, l.TLS, l.FirstByte, e.ThresholdMS, e.Probe, e.HTTPStatus, e.Code)
	}
	for _, a := range r.Attention {
		d.say("    attention  %-15s %s, %s", a.Connection, a.State, untilExpiry(a.SecondsToExpiry))
		d.say("               %s", a.Reason)
	}
}

func untilExpiry(seconds int64) string {
	hours := (time.Duration(seconds) * time.Second).Hours()
	if seconds < 0 {
		return fmt.Sprintf("its token ended %.1f h ago", -hours)
	}
	return fmt.Sprintf("its token works for another %.1f h", hours)
}

// row is that of a provider; the zero row when the report has none, or more than one.
func row(r probe.Report, provider string) probe.Endpoint {
	var found []probe.Endpoint
	for _, e := range r.Endpoints {
		if e.Provider == provider {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		return probe.Endpoint{}
	}
	return found[0]
}

// answered reports whether a provider's endpoint was asked without credentials, refused with this status and is judged so.
func answered(r probe.Report, provider string, status probe.Status, code int) bool {
	e := row(r, provider)
	return e.Status == status && e.HTTPStatus == code && e.Probe == "reachability" && e.Code != "" && e.Latency.Total <= e.ThresholdMS
}

// needs reports whether a connection is in attention with this state, and its token's end is so far away, give or take five minutes.
func needs(r probe.Report, connection string, state probe.State, left time.Duration) bool {
	return slices.ContainsFunc(r.Attention, func(a probe.Attention) bool {
		return a.Connection == connection && a.State == state && (time.Duration(a.SecondsToExpiry)*time.Second-left).Abs() < 5*time.Minute
	})
}
