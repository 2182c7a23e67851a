package stack_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// datum is one value of one metric.
type datum struct {
	at    time.Time
	value float64
}

// metrics are all values that were written, by namespace, name and dimensions.
type metrics map[string][]datum

// metricKey names one metric: CloudWatch takes each set of dimensions for a metric of its own.
func metricKey(namespace, name string, dimensions map[string]string) string {
	key := namespace + " " + name
	for _, d := range slices.Sorted(maps.Keys(dimensions)) {
		key += " " + d + "=" + dimensions[d]
	}
	return key
}

// parseEMF reads the lines of the embedded metric format among lines of a log, as CloudWatch Logs does.
func parseEMF(t *testing.T, log string) metrics {
	t.Helper()
	found := metrics{}
	for line := range strings.Lines(log) {
		var fields map[string]json.RawMessage
		must(t, json.Unmarshal([]byte(line), &fields))
		var meta struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name string }
			}
		}
		if fields["_aws"] == nil {
			continue
		}
		must(t, json.Unmarshal(fields["_aws"], &meta))
		for _, directive := range meta.CloudWatchMetrics {
			for _, set := range directive.Dimensions {
				dimensions := map[string]string{}
				for _, d := range set {
					var value string
					must(t, json.Unmarshal(fields[d], &value))
					dimensions[d] = value
				}
				for _, m := range directive.Metrics {
					key := metricKey(directive.Namespace, m.Name, dimensions)
					for _, v := range numbers(t, fields[m.Name]) {
						found[key] = append(found[key], datum{time.UnixMilli(meta.Timestamp).UTC(), v})
					}
				}
			}
		}
	}
	return found
}

// numbers reads a value of a metric, which is a number or a list of them.
func numbers(t *testing.T, raw json.RawMessage) []float64 {
	t.Helper()
	var one float64
	if json.Unmarshal(raw, &one) == nil {
		return []float64{one}
	}
	var many []float64
	must(t, json.Unmarshal(raw, &many))
	return many
}

// alarm is one alarm of the template.
type alarm struct {
	metric     string // as metricKey writes it
	statistic  string
	comparison string
	threshold  float64
	period     time.Duration
	of         int // EvaluationPeriods
	needed     int // DatapointsToAlarm
	missing    string
	lookBack   int           // how many data points CloudWatch looks at beyond EvaluationPeriods, see state
	late       time.Duration // how long after it was logged a value is seen: seconds as a rule, minutes at worst
}

// alarm reads an alarm from the stack.
func (s *stack) alarm(id string) alarm {
	s.t.Helper()
	p := s.properties(id)
	a := alarm{
		comparison: text(p["ComparisonOperator"]), threshold: s.number(p["Threshold"]), missing: text(p["TreatMissingData"]),
		of: int(s.number(p["EvaluationPeriods"])), needed: int(s.number(p["DatapointsToAlarm"])),
	}
	if p["Metrics"] != nil {
		s.t.Fatalf("%s is an alarm on an expression, which costs as much as alarms on all its metrics, and is not modelled", id)
	}
	a.metric, a.statistic, a.period = s.metric(p), text(p["Statistic"]), time.Duration(s.number(p["Period"]))*time.Second
	if a.period <= 0 || a.period%time.Minute != 0 || a.of < 1 || a.needed < 1 || a.needed > a.of || time.Duration(a.of)*a.period > 24*time.Hour {
		s.t.Errorf("%s: %d of %d periods of %v", id, a.needed, a.of, a.period)
	}
	return a
}

// metric is the key of what an alarm watches.
func (s *stack) metric(p any) string {
	dimensions := map[string]string{}
	for _, d := range list(at(p, "Dimensions")) {
		dimensions[text(at(d, "Name"))] = text(at(d, "Value"))
	}
	return metricKey(text(at(p, "Namespace")), text(at(p, "MetricName")), dimensions)
}

func (s *stack) number(v any) float64 {
	s.t.Helper()
	n, err := strconv.ParseFloat(text(v), 64)
	must(s.t, err)
	return n
}

// point is a data point of an alarm: the statistic over one period.
type point struct {
	missing, breaching bool
}

// state decides over data points, the newest first. It follows the CloudWatch user guide, "How alarm state is evaluated when data is
// missing" (read 2026-11-22): an alarm looks at more points than EvaluationPeriods; real ones are taken first, and only as many missing
// ones are filled in as are needed. How many more it looks at is not documented but for one example, three points and two more.
func (a alarm) state(t *testing.T, points []point) string {
	t.Helper()
	var evaluated []point
	for _, p := range points {
		if !p.missing && len(evaluated) < a.of {
			evaluated = append(evaluated, p)
		}
	}
	breaching := 0
	for _, p := range evaluated {
		if p.breaching {
			breaching++
		}
	}
	switch a.missing {
	case "breaching":
		breaching += a.of - len(evaluated)
	case "notBreaching":
	default:
		t.Fatalf("TreatMissingData %q is not modelled: no alarm of the template had it", a.missing)
	}
	if breaching >= a.needed {
		return "ALARM"
	}
	return "OK"
}

// points are the data points at an instant, the newest first.
func (a alarm) points(t *testing.T, data []datum, now time.Time) []point {
	all := make([]point, a.of+a.lookBack)
	for i := range all {
		end := now.Add(-time.Duration(i) * a.period)
		all[i] = a.point(t, data, end.Add(-a.period), end, now)
	}
	return all
}

// point is the data point from one instant to another, as it is seen at now.
func (a alarm) point(t *testing.T, data []datum, from, to, now time.Time) point {
	i, _ := slices.BinarySearchFunc(data, from, func(d datum, at time.Time) int { return d.at.Compare(at) })
	var values []float64
	for ; i < len(data) && data[i].at.Before(to); i++ {
		if !data[i].at.Add(a.late).After(now) {
			values = append(values, data[i].value)
		}
	}
	if len(values) == 0 {
		return point{missing: true}
	}
	var value float64
	switch a.statistic {
	case "SampleCount":
		value = float64(len(values))
	case "Sum":
		for _, v := range values {
			value += v
		}
	case "Minimum":
		value = slices.Min(values)
	case "Maximum":
		value = slices.Max(values)
	default:
		t.Fatalf("the statistic %q is not modelled: no alarm of the template had it", a.statistic)
	}
	switch a.comparison {
	case "LessThanThreshold":
		return point{breaching: value < a.threshold}
	case "GreaterThanThreshold":
		return point{breaching: value > a.threshold}
	default:
		t.Fatalf("the comparison %q is not modelled: no alarm of the template had it", a.comparison)
		return point{}
	}
}

// change is one change of state, for which an alarm mails.
type change struct {
	at time.Time
	to string
}

// changes evaluates the alarm every minute from its making to an end. It begins in INSUFFICIENT_DATA.
func (a alarm) changes(t *testing.T, all metrics, made, end time.Time) []change {
	t.Helper()
	data := slices.SortedStableFunc(slices.Values(all[a.metric]), func(x, y datum) int { return x.at.Compare(y.at) })
	var found []change
	state := "INSUFFICIENT_DATA"
	for now := made.Add(time.Minute); !now.After(end); now = now.Add(time.Minute) {
		if next := a.state(t, a.points(t, data, now)); next != state {
			state = next
			found = append(found, change{now, state})
		}
	}
	return found
}

// rang are the instants at which the alarm began.
func rang(changes []change) []time.Time {
	var at []time.Time
	for _, c := range changes {
		if c.to == "ALARM" {
			at = append(at, c.at)
		}
	}
	return at
}

// TestTheModelAgreesWithTheTablesOfTheUserGuide has the rows of both tables that the CloudWatch user guide shows. Points are written as
// there: the oldest first, 0 within the threshold, X breaching, - missing.
func TestTheModelAgreesWithTheTablesOfTheUserGuide(t *testing.T) {
	for _, c := range []struct {
		needed                  int
		points                  string
		breaching, notBreaching string
	}{
		{3, "0-X-X", "OK", "OK"},
		{3, "0----", "OK", "OK"},
		{3, "-----", "ALARM", "OK"},
		{3, "0XX-X", "ALARM", "ALARM"},
		{3, "----X", "ALARM", "OK"},
		{3, "X----", "ALARM", "OK"},
		{2, "0-X-X", "ALARM", "ALARM"},
		{2, "00X0X", "ALARM", "ALARM"},
		{2, "0-X--", "ALARM", "OK"},
		{2, "----0", "ALARM", "OK"},
		{2, "----X", "ALARM", "OK"},
	} {
		var points []point
		for _, r := range c.points {
			points = append(points, point{missing: r == '-', breaching: r == 'X'})
		}
		slices.Reverse(points)
		for missing, want := range map[string]string{"breaching": c.breaching, "notBreaching": c.notBreaching} {
			if got := (alarm{of: 3, needed: c.needed, missing: missing}).state(t, points); got != want {
				t.Errorf("%d of 3, %s, %s: %s, want %s", c.needed, c.points, missing, got, want)
			}
		}
	}
}
