package report

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// maxValues is how many values one metric may have in one line of the embedded metric format.
const maxValues = 100

// metric is one metric of a line.
type metric struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// directive is the metadata of a line, as the embedded metric format specifies it.
type directive struct {
	Namespace  string     `json:"Namespace"`
	Dimensions [][]string `json:"Dimensions"`
	Metrics    []metric   `json:"Metrics"`
}

// line is one line of metrics: names and values in the order in which they were added.
type line struct {
	metrics []metric
	values  map[string]any
}

func newLine() *line { return &line{values: map[string]any{}} }

func (l *line) add(name, unit string, value any) {
	l.metrics = append(l.metrics, metric{name, unit})
	l.values[name] = value
}

// Done logs the end of an invocation and writes its metrics. err is what the function returns.
func (r *Run) Done(result refresh.Result, err error) {
	level, attrs := slog.LevelInfo, []slog.Attr{slog.Int("connections", result.Connections), slog.Any("counts", result.Counts)}
	if result.Health.Known {
		attrs = append(attrs, slog.Float64("capacity_needed", result.Capacity.Needed), slog.Float64("capacity_allowed", result.Capacity.Allowed))
	}
	if result.DiscoveryFailed != "" {
		level, attrs = slog.LevelWarn, append(attrs, slog.String("discovery_failed", result.DiscoveryFailed))
	}
	if err != nil {
		level, attrs = slog.LevelError, append(attrs, slog.String("error", err.Error()))
	}
	if result.Plan == nil {
		r.writeMetrics(result, err)
	}
	r.line(level, "run", attrs...)
}

// Malformed logs an event that cannot be read, as the end of its invocation, and counts it as a notice: the sender got an error that it may not
// read. err is what the function returns.
func (r *Run) Malformed(err error) {
	r.Done(refresh.Result{Health: refresh.Health{Notices: 1}}, err)
}

// writeMetrics leaves Refreshed out when the run failed and renewed nothing: the dead man's switch counts the values of Refreshed, and a run
// that could do no work must not keep it quiet (contract.md section 8).
func (r *Run) writeMetrics(result refresh.Result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := newLine()
	if err == nil || result.Counts.Refreshed > 0 {
		total.add("Refreshed", "Count", result.Counts.Refreshed)
	}
	total.add("RefreshFailed", "Count", result.Health.Attempted)
	if h := result.Health; h.Known {
		total.add("Failing", "Count", h.Failing)
		if h.HasTokens {
			total.add("MinSecondsToExpiry", "Seconds", h.MinSecondsToExpiry)
		}
		total.add("RenewalOverdue", "Count", h.RenewalOverdue)
		total.add("FallbackActive", "Count", h.FallbackActive)
	}
	total.add("Notices", "Count", result.Health.Notices)
	total.values["reused"], total.values["deferred"] = result.Counts.Reused, result.Counts.Deferred
	r.write(total, "")
	r.writeAttempts(r.attempts, "")
	if r.reporter.cfg.ByProvider {
		r.writeByProvider()
	}
}

func (r *Run) writeByProvider() {
	names := map[string]bool{}
	for _, m := range []map[string]int{r.failed, r.fresh} {
		for name := range m {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name == "" { // the attempt failed before the document was read
			continue
		}
		l := newLine()
		l.add("Refreshed", "Count", r.fresh[name])
		l.add("RefreshFailed", "Count", r.failed[name])
		r.write(l, name)
	}
	r.writeAttemptsByProvider()
}

func (r *Run) writeAttemptsByProvider() {
	byProvider := map[string][]attempt{}
	for _, a := range r.attempts {
		byProvider[a.provider] = append(byProvider[a.provider], a)
	}
	for _, name := range slices.Sorted(maps.Keys(byProvider)) {
		r.writeAttempts(byProvider[name], name)
	}
}

// writeAttempts writes the latency and success of the requests to token endpoints, a hundred a line.
func (r *Run) writeAttempts(attempts []attempt, provider string) {
	latencies := latenciesOf(attempts)
	successes := make([]int, len(attempts))
	for i, a := range attempts {
		if a.success {
			successes[i] = 1
		}
	}
	for len(successes) > 0 {
		l := newLine()
		if n := min(len(latencies), maxValues); n > 0 {
			l.add("AuthLatency", "Milliseconds", latencies[:n])
			latencies = latencies[n:]
		}
		n := min(len(successes), maxValues)
		l.add("AuthSuccess", "Count", successes[:n])
		successes = successes[n:]
		r.write(l, provider)
	}
}

// latenciesOf returns the times of all probes, and of the requests of the refresher and the rotator without the slowest tenth, rounded up; but
// never without all of them, nor without more than half of several to one endpoint (contract.md section 8). The alarm AuthSlow compares the
// maximum, so that one slow endpoint of many is seen, at least by its probe. With every request a busy installation would raise the alarm for the
// one request in fifty that is slow anywhere.
func latenciesOf(attempts []attempt) []float64 {
	times, spare := make([]float64, 0, len(attempts)), 0
	requests, droppable := make([]*attempt, 0, len(attempts)), map[string]int{}
	for i := range attempts {
		a := &attempts[i]
		if a.probe {
			times = append(times, a.millis)
			continue
		}
		requests = append(requests, a)
		droppable[a.endpoint]++
	}
	slices.SortFunc(requests, func(a, b *attempt) int { return cmp.Compare(b.millis, a.millis) })
	if len(requests) > 1 {
		spare = (len(requests) + 9) / 10
	}
	for endpoint, n := range droppable {
		droppable[endpoint] = max(1, n/2) // of several to one endpoint at most half
	}
	for _, a := range requests {
		if spare > 0 && droppable[a.endpoint] > 0 {
			spare--
			droppable[a.endpoint]--
			continue
		}
		times = append(times, a.millis)
	}
	return times
}

// write sends one line, whatever the log level: an alarm rests on it. It carries a level since Lambda's filter drops lines without.
func (r *Run) write(l *line, provider string) {
	cfg := r.reporter.cfg
	dimensions := []string{"Stack"}
	l.values["Stack"] = cfg.Stack
	if provider != "" {
		dimensions = append(dimensions, "Provider")
		l.values["Provider"] = provider
	}
	now := cfg.Now().UTC()
	l.values["level"], l.values["message"], l.values["timestamp"] = "INFO", "metrics", now.Format(time.RFC3339Nano)
	l.values["_aws"] = map[string]any{
		"Timestamp":         now.UnixMilli(),
		"CloudWatchMetrics": []directive{{Namespace, [][]string{dimensions}, l.metrics}},
	}
	raw, err := json.Marshal(l.values)
	if err != nil { // numbers and texts only: cannot happen
		r.line(slog.LevelError, "metrics", slog.String("error", err.Error()))
		return
	}
	_, _ = r.reporter.out.Write(append(raw, '\n'))
}
