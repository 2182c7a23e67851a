package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

const metricLine = `{"Stack":"chaveiro","AuthLatency":[200,900.5],"AuthSuccess":[1,0],"message":"metrics","_aws":{"Timestamp":1767312000000,"CloudWatchMetrics":[{"Namespace":"Chaveiro","Dimensions":[["Stack"]],"Metrics":[{"Name":"AuthLatency","Unit":"Milliseconds"},{"Name":"AuthSuccess","Unit":"Count"}]}]}}`

func TestTheLinesThatAreRead(t *testing.T) {
	runLine := `{"message":"run","timestamp":"2026-01-02T00:00:00.25Z","capacity_needed":0.5,"capacity_allowed":3}`
	for name, c := range map[string]struct {
		text string
		want map[string][]float64
	}{
		"metrics":                                {metricLine, map[string][]float64{"AuthLatency": {200, 900.5}, "AuthSuccess": {1, 0}}},
		"one value":                              {strings.Replace(metricLine, "[1,0]", "7", 1), map[string][]float64{"AuthLatency": {200, 900.5}, "AuthSuccess": {7}}},
		"what the AWS command line puts before":  {"2026-01-02T00:00:00 " + metricLine, map[string][]float64{"AuthLatency": {200, 900.5}, "AuthSuccess": {1, 0}}},
		"all of them on one line, as text":       {metricLine + "\t" + runLine, map[string][]float64{"AuthLatency": {200, 900.5}, "AuthSuccess": {1, 0}, capacityNeeded: {0.5}, capacityAllowed: {3}}},
		"the end of a run":                       {runLine, map[string][]float64{capacityNeeded: {0.5}, capacityAllowed: {3}}},
		"metrics of another namespace":           {strings.Replace(metricLine, `"Chaveiro"`, `"Other"`, 1), nil},
		"metrics by provider":                    {strings.Replace(metricLine, `["Stack"]`, `["Stack","Provider"]`, 1), nil},
		"a run that does not know its capacity":  {`{"message":"run","timestamp":"2026-01-02T00:00:00Z"}`, nil},
		"an event":                               {`{"message":"refreshed","capacity_needed":0.5,"capacity_allowed":3}`, nil},
		"what Lambda says about itself, in text": {"START RequestId: 1 Version: $LATEST\n{not JSON", nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLines()
			must(t, l.read(strings.NewReader(c.text+"\n")))
			if len(l.samples) != len(c.want) {
				t.Errorf("read %v", l.samples)
			}
			for metric, want := range c.want {
				var got []float64
				for _, s := range l.samples[metric] {
					got = append(got, s.value)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s is %v, want %v", metric, got, want)
				}
			}
		})
	}
}

func TestALineOfMetricsWithoutItsValueIsAnError(t *testing.T) {
	if err := newLines().read(strings.NewReader(strings.Replace(metricLine, `"AuthSuccess":[1,0],`, "", 1))); err == nil {
		t.Error("no error")
	}
}

func TestNothingToDrawIsAnError(t *testing.T) {
	for name, args := range map[string][]string{"no metrics": nil, "no such file": {"nowhere.log"}, "a mark without a time": {"-mark", "rain"}} {
		if err := run(args, strings.NewReader("{}"), io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTheStatisticsOfFiveMinutes(t *testing.T) {
	l := newLines()
	at := time.Date(2026, 1, 2, 0, 4, 59, 0, time.UTC)
	for i, v := range []float64{3, 1, 8, 2} {
		l.add("x", at.Add(-time.Duration(i)*time.Minute), v)
	}
	l.add("x", at.Add(time.Second), 5) // the next five minutes
	for name, c := range map[string]struct {
		statistic func([]float64) float64
		want      float64
	}{"sum": {sum, 14}, "average": {average, 3.5}, "least": {least, 1}, "most": {most, 8}, "median": {median, 2}, "number": {number, 4}} {
		points := l.each("x", c.statistic)
		if len(points) != 2 || points[0].value != c.want || !points[1].at.Equal(points[0].at.Add(period)) {
			t.Errorf("%s: %v, want %v", name, points, c.want)
		}
	}
}

func TestTheAxisHoldsItsValues(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		whole     bool
		want      []float64
	}{
		{0, 100, false, []float64{0, 20, 40, 60, 80, 100}},
		{-3.2, 11, false, []float64{-5, 0, 5, 10, 15}},
		{0, 1, true, []float64{0, 1}},
		{0, 0, true, []float64{0, 1}},
		{0, 1234, false, []float64{0, 500, 1000, 1500}},
	} {
		a := newAxis(c.low, c.high, c.whole)
		if a.low > c.low || a.high < c.high || len(a.ticks) > 9 || !slices.Equal(a.ticks, c.want) {
			t.Errorf("%v to %v: %+v, want %v", c.low, c.high, a, c.want)
		}
	}
}

// TestThePictureIsWellFormed, whatever its words are, and says where no value is.
func TestThePictureIsWellFormed(t *testing.T) {
	var out bytes.Buffer
	must(t, run([]string{"-title", "a < b & c", "-mark", "rain & wind=2026-01-02T00:00:00Z/2026-01-02T00:05:00Z"}, strings.NewReader(metricLine+"\n"), &out))
	dec := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a &lt; b &amp; c", "rain &amp; wind", "renewed (no value)", ">slowest that counts<", "AuthSlow: above 1000 ms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the picture does not say %s", want)
		}
	}
}
