package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/probe"
)

func TestARequestByHTTPIsRecognised(t *testing.T) {
	url, err := os.ReadFile("../../events/healthcheck/url.json")
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[string]bool{
		string(url): true, `{}`: false, `null`: false, ``: false, `[]`: false, `{"probe":"none"}`: false, `{"requestContext":7}`: false,
		`{"requestContext":{}}`: false, `{"source":"aws.scheduler","detail-type":"Scheduled Event","requestContext":{}}`: false,
	} {
		if got := isURLRequest([]byte(payload)); got != want {
			t.Errorf("%.60s: %v", payload, got)
		}
	}
}

func TestTheResponseByHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		report probe.Report
		err    error
		status int
		body   string
	}{
		"healthy":   {probe.Report{Status: probe.Healthy}, nil, 200, `"status":"healthy"`},
		"degraded":  {probe.Report{Status: probe.Degraded}, nil, 200, `"status":"degraded"`},
		"unhealthy": {probe.Report{Status: probe.Unhealthy}, nil, 503, `"status":"unhealthy"`},
		"nothing is known: the reason stays inside": {
			probe.Report{}, errors.New("User: arn:aws:sts::123456789012:assumed-role/x is not authorized"), 503,
			`{"error":"the state table or the secrets could not be read; see the log of the function","status":"unhealthy"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := urlResponse(c.report, c.err)
			if err != nil {
				t.Fatal(err)
			}
			var got httpResponse
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatal(err)
			}
			if got.StatusCode != c.status || !strings.Contains(got.Body, c.body) || got.Headers["content-type"] != "application/json" ||
				got.Headers["cache-control"] != "no-store" {
				t.Errorf("%+v", got)
			}
			if !json.Valid([]byte(got.Body)) || strings.Contains(got.Body, "arn:") {
				t.Errorf("body %s", got.Body)
			}
		})
	}
}

func TestTheResponseToAnEventIsTheReportOrTheError(t *testing.T) {
	raw, err := plainResponse(probe.Report{Status: probe.Unhealthy}, nil)
	if err != nil || !strings.HasPrefix(string(raw), `{"status":"unhealthy"`) {
		t.Errorf("%s, %v", raw, err)
	}
	failed := errors.New("list secrets: AccessDeniedException")
	if _, err := plainResponse(probe.Report{}, failed); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}
