package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/report"
)

// Names under which the capacity of the lines "run" is kept, beside the metrics' own.
const (
	capacityNeeded  = "capacity_needed"
	capacityAllowed = "capacity_allowed"
)

// sample is one value of a metric.
type sample struct {
	at    time.Time
	value float64
}

// lines are what the functions have printed, by the name of the metric.
type lines struct {
	samples     map[string][]sample
	count       int // lines with something in them
	first, last time.Time
}

func newLines() *lines { return &lines{samples: map[string][]sample{}} }

func (l *lines) readFile(name string) error {
	file, err := os.Open(name) //nolint:gosec // the person who starts it names the file
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := l.read(file); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// read takes every JSON object of the input. What stands before one on its line, such as the time that the AWS command line prints, is passed
// over, and so is a line without one.
func (l *lines) read(r io.Reader) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<24) // the messages of a whole day may come on one line
	for scanner.Scan() {
		_, text, ok := strings.Cut(scanner.Text(), "{")
		if !ok {
			continue
		}
		dec := json.NewDecoder(strings.NewReader("{" + text))
		for {
			var object map[string]json.RawMessage
			if dec.Decode(&object) != nil { // the end, or somebody else's words
				break
			}
			if err := l.take(object); err != nil {
				return err
			}
		}
	}
	return scanner.Err()
}

// take reads one object: a line of metrics, or the line "run". Any other says nothing that is drawn.
func (l *lines) take(object map[string]json.RawMessage) error {
	if object["_aws"] != nil {
		return l.takeMetrics(object)
	}
	var run struct {
		Message   string    `json:"message"`
		Timestamp time.Time `json:"timestamp"`
		Needed    *float64  `json:"capacity_needed"`
		Allowed   *float64  `json:"capacity_allowed"`
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return err
	}
	if json.Unmarshal(raw, &run) != nil || run.Message != "run" || run.Needed == nil || run.Allowed == nil {
		return nil
	}
	l.add(capacityNeeded, run.Timestamp, *run.Needed)
	l.add(capacityAllowed, run.Timestamp, *run.Allowed)
	l.count++
	return nil
}

// takeMetrics reads a line of the embedded metric format, as CloudWatch does: the values that its metadata names. Those by provider are parts of
// the same, and left out.
func (l *lines) takeMetrics(object map[string]json.RawMessage) error {
	var meta struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name string }
		}
	}
	if err := json.Unmarshal(object["_aws"], &meta); err != nil {
		return fmt.Errorf("a line's _aws: %w", err)
	}
	at := time.UnixMilli(meta.Timestamp).UTC()
	for _, d := range meta.CloudWatchMetrics {
		if d.Namespace != report.Namespace || !slices.ContainsFunc(d.Dimensions, func(set []string) bool { return len(set) == 1 }) {
			continue
		}
		l.count++
		for _, m := range d.Metrics {
			values, err := valuesOf(object[m.Name])
			if err != nil {
				return fmt.Errorf("the metric %s of a line: %w", m.Name, err)
			}
			for _, v := range values {
				l.add(m.Name, at, v)
			}
		}
	}
	return nil
}

// valuesOf reads one number, or a list of them.
func valuesOf(raw json.RawMessage) ([]float64, error) {
	var many []float64
	if json.Unmarshal(raw, &many) == nil {
		return many, nil
	}
	var one float64
	err := json.Unmarshal(raw, &one)
	return []float64{one}, err
}

func (l *lines) add(name string, at time.Time, value float64) {
	l.samples[name] = append(l.samples[name], sample{at, value})
	if l.first.IsZero() || at.Before(l.first) {
		l.first = at
	}
	if at.After(l.last) {
		l.last = at
	}
}

// period of the statistics: that of the stack's dashboard.
const period = 5 * time.Minute

// point is one statistic of one period, at its beginning.
type point struct {
	at    time.Time
	value float64
}

// each makes one point of the samples of each period. A period without one has none.
func (l *lines) each(name string, statistic func([]float64) float64) []point {
	byPeriod := map[time.Time][]float64{}
	for _, s := range l.samples[name] {
		at := s.at.Truncate(period)
		byPeriod[at] = append(byPeriod[at], s.value)
	}
	points := make([]point, 0, len(byPeriod))
	for at, values := range byPeriod {
		slices.Sort(values) // so that a sum does not depend on the order in which requests ended
		points = append(points, point{at, statistic(values)})
	}
	slices.SortFunc(points, func(a, b point) int { return a.at.Compare(b.at) })
	return points
}

// The statistics get sorted values, at least one.

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

func average(values []float64) float64 { return sum(values) / float64(len(values)) }
func least(values []float64) float64   { return values[0] }
func most(values []float64) float64    { return values[len(values)-1] }
func median(values []float64) float64  { return values[(len(values)-1)/2] }
func number(values []float64) float64  { return float64(len(values)) }

// times multiplies all points.
func times(points []point, factor float64) []point {
	scaled := make([]point, len(points))
	for i, p := range points {
		scaled[i] = point{p.at, p.value * factor}
	}
	return scaled
}
