package stack_test

import (
	"encoding/json"
	"maps"
	"slices"
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

// metricKey names one metric: for CloudWatch each set of dimensions is a metric of its own.
func metricKey(namespace, name string, dimensions map[string]string) string {
	key := namespace + " " + name
	for _, d := range slices.Sorted(maps.Keys(dimensions)) {
		key += " " + d + "=" + dimensions[d]
	}
	return key
}

// parseEMF reads the lines of the embedded metric format among the lines of a log, as CloudWatch Logs does.
func parseEMF(t *testing.T, log string) metrics {
	t.Helper()
	found := metrics{}
	for line := range strings.Lines(log) {
		var fields map[string]json.RawMessage
		must(t, json.Unmarshal([]byte(line), &fields))
		if fields["_aws"] == nil {
			continue
		}
		var meta struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name string }
			}
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

// numbers reads a value of a metric, which is a number or a list of numbers.
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
	lookBack   int // points beyond EvaluationPeriods that CloudWatch looks at, see state
}

// alarm reads an alarm from the stack.
func (s *stack) alarm(id string) alarm {
	s.t.Helper()
	p := s.properties(id)
	dimensions := map[string]string{}
	for _, d := range list(p["Dimensions"]) {
		dimensions[text(at(d, "Name"))] = text(at(d, "Value"))
	}
	a := alarm{
		metric: metricKey(text(p["Namespace"]), text(p["MetricName"]), dimensions), statistic: text(p["Statistic"]),
		comparison: text(p["ComparisonOperator"]), threshold: s.number(p["Threshold"]), missing: text(p["TreatMissingData"]),
		period: s.seconds(p["Period"]), of: int(s.number(p["EvaluationPeriods"])), needed: int(s.number(p["DatapointsToAlarm"])),
	}
	if a.period < time.Minute || a.period%time.Minute != 0 || a.needed < 1 || a.needed > a.of || time.Duration(a.of)*a.period > 24*time.Hour {
		s.t.Errorf("%s: %d of %d periods of %v", id, a.needed, a.of, a.period)
	}
	return a
}

// point is a data point of an alarm: the statistic over one period.
type point struct{ missing, breaching bool }

// state decides over data points, the newest first. It follows the CloudWatch user guide, "How alarm state is evaluated when data is
// missing" (read 2026-11-22): an alarm looks at more points than EvaluationPeriods. Real points are taken first, and only as many missing
// ones are filled in as are needed. The number of additional points is documented for one example only: three points and two more.
func (a alarm) state(t *testing.T, points []point) string {
	t.Helper()
	seen, breaching := 0, 0
	for _, p := range points {
		if p.missing || seen == a.of {
			continue
		}
		if seen++; p.breaching {
			breaching++
		}
	}
	switch a.missing {
	case "breaching":
		breaching += a.of - seen
	case "notBreaching":
	default:
		t.Fatalf("TreatMissingData %q is not modelled", a.missing)
	}
	if breaching >= a.needed {
		return "ALARM"
	}
	return "OK"
}

// point is the data point of the period that ends at an instant.
func (a alarm) point(t *testing.T, data []datum, end time.Time) point {
	i, _ := slices.BinarySearchFunc(data, end.Add(-a.period), func(d datum, at time.Time) int { return d.at.Compare(at) })
	var values []float64
	for ; i < len(data) && data[i].at.Before(end); i++ {
		values = append(values, data[i].value)
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
		t.Fatalf("the statistic %q is not modelled", a.statistic)
	}
	switch a.comparison {
	case "LessThanThreshold":
		return point{breaching: value < a.threshold}
	case "GreaterThanThreshold":
		return point{breaching: value > a.threshold}
	}
	t.Fatalf("the comparison %q is not modelled", a.comparison)
	return point{}
}

// change is one change of state, for which an alarm mails.
type change struct {
	at time.Time
	to string
}

// changes evaluates the alarm every minute from its creation to an end. It begins in INSUFFICIENT_DATA.
func (a alarm) changes(t *testing.T, all metrics, created, end time.Time) []change {
	t.Helper()
	data := slices.SortedStableFunc(slices.Values(all[a.metric]), func(x, y datum) int { return x.at.Compare(y.at) })
	var found []change
	state := "INSUFFICIENT_DATA"
	known := map[time.Time]point{}
	for now := created.Add(time.Minute); !now.After(end); now = now.Add(time.Minute) {
		var points []point
		for i := range a.of + a.lookBack {
			ends := now.Add(-time.Duration(i) * a.period)
			p, computed := known[ends]
			if !computed {
				p = a.point(t, data, ends)
				known[ends] = p
			}
			points = append(points, p)
		}
		if next := a.state(t, points); next != state {
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

// each evaluates an alarm for several numbers of additional points, since AWS documents none: an alarm must be right for each.
func (s *stack) each(id string, all metrics, created, end time.Time, check func(changes []change)) {
	s.t.Helper()
	for _, lookBack := range []int{0, 1, 2, 5} {
		a := s.alarm(id)
		a.lookBack = lookBack
		check(a.changes(s.t, all, created, end))
	}
}

// TestStateAgreesWithTheUserGuide has the rows of both tables of the CloudWatch user guide. Points are written as there: the oldest first, 0
// within the threshold, X breaching, - missing.
func TestStateAgreesWithTheUserGuide(t *testing.T) {
	for _, c := range []struct {
		needed                          int
		points, breaching, notBreaching string
	}{
		{3, "0-X-X", "OK", "OK"}, {3, "0----", "OK", "OK"}, {3, "-----", "ALARM", "OK"}, {3, "0XX-X", "ALARM", "ALARM"}, {3, "----X", "ALARM", "OK"},
		{3, "X----", "ALARM", "OK"}, {2, "0-X-X", "ALARM", "ALARM"}, {2, "00X0X", "ALARM", "ALARM"}, {2, "0-X--", "ALARM", "OK"},
		{2, "----0", "ALARM", "OK"}, {2, "----X", "ALARM", "OK"},
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
