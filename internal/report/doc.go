// Package report writes what the functions did: structured log lines for people, and metrics for CloudWatch in the embedded metric format. Its
// input holds no secret (refresh.Event and refresh.Result have no field for one), and it adds none.
package report

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Namespace is the CloudWatch namespace of all metrics (contract.md section 8).
const Namespace = "Chaveiro"

// Config of a Reporter.
type Config struct {
	Out        io.Writer  // one JSON object a line; required
	Stack      string     // the dimension Stack; required
	ByProvider bool       // also with the dimensions Stack and Provider
	Level      slog.Level // of log lines; metrics are never dropped
	Now        func() time.Time
}

// Reporter makes one Run for each invocation. It is safe for concurrent use.
type Reporter struct {
	cfg Config
	out *lineWriter
	log slog.Handler
}

// New returns a Reporter.
func New(cfg Config) *Reporter {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	out := &lineWriter{w: cfg.Out}
	options := &slog.HandlerOptions{Level: cfg.Level, ReplaceAttr: lambdaNames}
	return &Reporter{cfg: cfg, out: out, log: slog.NewJSONHandler(out, options)}
}

// lambdaNames renames time and message to the names of Lambda's JSON log format, which its level filter reads:
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html. lambdacontext.ReplaceAttr does the same, but keeps
// the clock's time zone, and docs/audit.md promises UTC.
func lambdaNames(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attr
	}
	switch {
	case attr.Key == slog.TimeKey && attr.Value.Kind() == slog.KindTime:
		return slog.Time("timestamp", attr.Value.Time().UTC())
	case attr.Key == slog.MessageKey:
		attr.Key = "message"
	}
	return attr
}

// Run collects what one invocation did.
type Run struct {
	reporter *Reporter
	log      slog.Handler

	mu       sync.Mutex
	attempts []attempt
	failed   map[string]int // provider -> connections that failed in this run
	fresh    map[string]int // provider -> tokens published
	notices  int            // of a rotation; those of the refresher are in its result
}

// attempt is one request to a token endpoint, as the metrics AuthLatency and AuthSuccess count it.
type attempt struct {
	connection string
	provider   string
	endpoint   string
	millis     float64
	success    bool
	probe      bool // of a healthcheck
}

// attemptOf says whether the endpoint worked. To reject client credentials or a request is the endpoint's proper response: Failing and
// RefreshFailed count those. So a connection with bad client credentials, which makes one trial an hour, does not look like an outage.
func attemptOf(connection, provider, endpoint string, took time.Duration, code string, class lifecycle.Class) attempt {
	success := code == "" || class == lifecycle.Credentials || class == lifecycle.Configuration
	return attempt{connection: connection, provider: provider, endpoint: endpoint, millis: float64(took) / float64(time.Millisecond), success: success}
}

// attempted adds a request. A repeated request counts once, with its last result.
func (r *Run) attempted(number int, a attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number > 1 {
		for i, was := range slices.Backward(r.attempts) {
			if was.connection == a.connection && was.endpoint == a.endpoint {
				r.attempts[i] = a
				return
			}
		}
	}
	r.attempts = append(r.attempts, a)
}

// Run begins an invocation with the given request id, "" outside Lambda.
func (r *Reporter) Run(requestID string) *Run {
	log := r.log
	if requestID != "" {
		log = log.WithAttrs([]slog.Attr{slog.String("requestId", requestID)})
	}
	return &Run{reporter: r, log: log, failed: map[string]int{}, fresh: map[string]int{}}
}

// lineWriter keeps the lines of several goroutines whole.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Observe logs one event and keeps what the metrics need. It fits refresh.Invocation.Observe.
func (r *Run) Observe(ev refresh.Event) {
	r.accumulate(ev)
	r.line(levelOf(ev), string(ev.Kind), appendAttrs(nil, ev)...)
}

// line writes one log line. It is what slog.Logger does, without looking for the line of the program that calls it: no line names that.
func (r *Run) line(level slog.Level, message string, attrs ...slog.Attr) {
	ctx := context.Background()
	if !r.log.Enabled(ctx, level) {
		return
	}
	record := slog.NewRecord(r.reporter.cfg.Now(), level, message, 0)
	record.AddAttrs(attrs...)
	_ = r.log.Handle(ctx, record) // a log that cannot be written has nowhere to report it
}

func (r *Run) accumulate(ev refresh.Event) {
	if ev.Kind == refresh.EventRequest {
		if ev.Attempt > 0 { // else no request was made
			r.attempted(ev.Attempt, attemptOf(ev.Connection, ev.Provider, ev.Endpoint, ev.Latency.Total, ev.Code, ev.Class))
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch ev.Kind {
	case refresh.EventFailed:
		if ev.Stage == "" || ev.Stage == store.StageCurrent { // not a standby that failed after AWSCURRENT
			r.failed[ev.Provider]++
		}
	case refresh.EventRefreshed:
		r.fresh[ev.Provider]++
	case refresh.EventRequest, refresh.EventReused, refresh.EventFallback, refresh.EventNotice, refresh.EventUnrecorded, refresh.EventUnverified,
		refresh.EventDiscovery, refresh.EventOrphanGone, refresh.EventEndpoint, refresh.EventUnwritable, refresh.EventRejected:
	}
}

func levelOf(ev refresh.Event) slog.Level {
	switch ev.Kind {
	case refresh.EventUnwritable:
		return slog.LevelError
	case refresh.EventFailed, refresh.EventNotice, refresh.EventUnrecorded, refresh.EventUnverified, refresh.EventDiscovery, refresh.EventEndpoint,
		refresh.EventFallback:
		return slog.LevelWarn
	case refresh.EventRequest:
		if ev.Code != "" {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case refresh.EventRefreshed, refresh.EventReused, refresh.EventOrphanGone, refresh.EventRejected:
		return slog.LevelInfo
	}
	return slog.LevelInfo
}

// appendAttrs adds the fields of an event with the names of docs/audit.md; empty fields are left out.
func appendAttrs(attrs []slog.Attr, ev refresh.Event) []slog.Attr {
	f := fields{attrs}
	f.texts([]field{
		{"connection", ev.Connection}, {"provider", ev.Provider}, {"endpoint", ev.Endpoint}, {"reason", ev.Reason}, {"notice", ev.Notice},
		{"class", string(ev.Class)}, {"code", ev.Code},
	})
	f.number("http_status", int64(ev.HTTPStatus))
	f.texts([]field{
		{"detail", ev.Message}, {"stage", ev.Stage}, {"credential", ev.Credential}, {"jti", ev.JTI}, {"token_id", ev.TokenID}, {"scope", ev.Scope},
	})
	f.when("expires_at", ev.ExpiresAt)
	f.when("renew_at", ev.RenewAt)
	f.when("next_at", ev.NextAt)
	f.number("version", ev.Version)
	f.number("attempt", int64(ev.Attempt))
	if len(ev.Details) > 0 {
		f.attrs = append(f.attrs, slog.Any("details", ev.Details))
	}
	if ev.Latency.Total > 0 {
		f.attrs = append(f.attrs, latencyAttr(ev.Latency))
	}
	return f.attrs
}

// fields gathers attributes, without those that are empty.
type fields struct{ attrs []slog.Attr }

// field is a text with its key.
type field struct{ key, value string }

func (f *fields) texts(list []field) {
	for _, t := range list {
		if t.value != "" {
			f.attrs = append(f.attrs, slog.String(t.key, t.value))
		}
	}
}

func (f *fields) number(key string, value int64) {
	if value != 0 {
		f.attrs = append(f.attrs, slog.Int64(key, value))
	}
}

func (f *fields) when(key string, t time.Time) {
	if !t.IsZero() {
		f.attrs = append(f.attrs, slog.Time(key, t.UTC().Truncate(time.Second)))
	}
}

// latencyAttr is the time of a request by phase, in milliseconds.
func latencyAttr(l oauth.Latency) slog.Attr {
	ms := func(key string, d time.Duration) slog.Attr { return slog.Float64(key, float64(d.Microseconds())/1000) }
	return slog.Attr{Key: "latency_ms", Value: slog.GroupValue(ms("dns", l.DNS), ms("connect", l.Connect), ms("tls", l.TLS),
		ms("first_byte", l.FirstByte), ms("total", l.Total), slog.Bool("reused", l.Reused))}
}
