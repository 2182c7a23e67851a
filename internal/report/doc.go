// Package report tells people and CloudWatch what the functions did: structured log lines, and metrics in the embedded metric format. What
// it is given holds no secret (refresh.Event and refresh.Result have no field for one), and it adds none.
package report

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chaveiro/internal/refresh"
	"chaveiro/pkg/oauth"
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
	log *slog.Logger
}

// New returns a Reporter.
func New(cfg Config) *Reporter {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	out := &lineWriter{w: cfg.Out}
	return &Reporter{cfg: cfg, out: out, log: slog.New(newHandler(out, cfg.Level, cfg.Now))}
}

// Run collects what one invocation did.
type Run struct {
	reporter *Reporter
	log      *slog.Logger

	mu       sync.Mutex
	attempts []attempt
	failed   map[string]int // provider -> connections that failed in this run
	fresh    map[string]int // provider -> tokens published
}

// attempt is one request to a token endpoint, as the metrics AuthLatency and AuthSuccess count it.
type attempt struct {
	connection string
	provider   string
	endpoint   string
	millis     float64
	success    bool
}

// attemptOf judges a request. A pair or a request that is refused is the endpoint's proper answer, which says nothing against it: that is what
// Failing and RefreshFailed are for. So a tenant with a dead pair, which is asked for once an hour, does not hide an outage.
func attemptOf(connection, provider, endpoint string, took time.Duration, code string, class oauth.Class) attempt {
	success := code == "" || class == oauth.Credentials || class == oauth.Configuration
	return attempt{connection, provider, endpoint, float64(took) / float64(time.Millisecond), success}
}

// attempted notes a request. One that is repeated counts once, as it ended.
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
		log = log.With("requestId", requestID)
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

// newHandler writes JSON lines with the names that Lambda's own JSON log format uses, so that its level filter understands them.
func newHandler(w io.Writer, level slog.Level, now func() time.Time) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			return slog.String("timestamp", now().UTC().Format(time.RFC3339Nano))
		case slog.MessageKey:
			a.Key = "message"
		}
		return a
	}})
}

// Observe logs one event and remembers what the metrics need. It is what refresh.Config.Observe wants.
func (r *Run) Observe(ev refresh.Event) {
	r.remember(ev)
	r.log.LogAttrs(context.Background(), levelOf(ev), string(ev.Kind), attrsOf(ev)...)
}

func (r *Run) remember(ev refresh.Event) {
	if ev.Kind == refresh.EventAttempt {
		if ev.Attempt > 0 { // else no request was made
			r.attempted(ev.Attempt, attemptOf(ev.Connection, ev.Provider, ev.Endpoint, ev.Latency.Total, ev.Code, ev.Class))
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch ev.Kind {
	case refresh.EventFailed:
		if ev.Stage == "" || ev.Stage == refresh.StageCurrent {
			r.failed[ev.Provider]++
		}
	case refresh.EventRefreshed:
		r.fresh[ev.Provider]++
	case refresh.EventAttempt, refresh.EventReissued, refresh.EventFallback, refresh.EventNotice, refresh.EventUnrecorded,
		refresh.EventOrphanGone, refresh.EventEndpoint, refresh.EventStoreRefuse, refresh.EventRejected:
	}
}

func levelOf(ev refresh.Event) slog.Level {
	switch ev.Kind {
	case refresh.EventStoreRefuse:
		return slog.LevelError
	case refresh.EventFailed, refresh.EventNotice, refresh.EventUnrecorded, refresh.EventEndpoint, refresh.EventFallback:
		return slog.LevelWarn
	case refresh.EventAttempt:
		if ev.Code != "" {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case refresh.EventRefreshed, refresh.EventReissued, refresh.EventOrphanGone, refresh.EventRejected:
		return slog.LevelInfo
	}
	return slog.LevelInfo
}

// attrsOf names the fields of an event as contract.md section 8 lists them; empty ones are left out.
func attrsOf(ev refresh.Event) []slog.Attr {
	var attrs []slog.Attr
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	number := func(key string, value int64) {
		if value != 0 {
			attrs = append(attrs, slog.Int64(key, value))
		}
	}
	when := func(key string, t time.Time) {
		if !t.IsZero() {
			attrs = append(attrs, slog.String(key, t.UTC().Format(time.RFC3339)))
		}
	}
	text("connection", ev.Connection)
	text("provider", ev.Provider)
	text("endpoint", ev.Endpoint)
	text("reason", ev.Reason)
	text("notice", ev.Notice)
	text("class", string(ev.Class))
	text("code", ev.Code)
	number("http_status", int64(ev.HTTPStatus))
	text("detail", ev.Message)
	text("stage", ev.Stage)
	text("credential", ev.Credential)
	text("jti", ev.JTI)
	text("token_id", ev.TokenID)
	text("scope", ev.Scope)
	when("expires_at", ev.ExpiresAt)
	when("renew_at", ev.RenewAt)
	when("next_at", ev.NextAt)
	number("version", ev.Version)
	number("attempt", int64(ev.Attempt))
	if len(ev.Details) > 0 {
		attrs = append(attrs, slog.Any("details", ev.Details))
	}
	if ev.Latency.Total > 0 {
		attrs = append(attrs, latencyAttr(ev.Latency))
	}
	return attrs
}

// latencyAttr tells where the time went, in milliseconds.
func latencyAttr(l oauth.Latency) slog.Attr {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return slog.Group("latency_ms", "dns", ms(l.DNS), "connect", ms(l.Connect), "tls", ms(l.TLS), "first_byte", ms(l.FirstByte),
		"total", ms(l.Total), "reused", l.Reused)
}
