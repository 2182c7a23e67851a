package main

import (
	"encoding/json"
	"net/http"

	"github.com/chaveiro/chaveiro/internal/probe"
)

// isURLRequest recognises a request of a Lambda Function URL (payload format 2.0) by the part that no other event has.
func isURLRequest(payload []byte) bool {
	var ev struct {
		RequestContext struct {
			HTTP struct {
				Method string `json:"method"`
			} `json:"http"`
		} `json:"requestContext"`
	}
	return json.Unmarshal(payload, &ev) == nil && ev.RequestContext.HTTP.Method != ""
}

// plainAnswer is the report itself.
func plainAnswer(found probe.Report, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(found)
}

// urlResponse is what a Function URL makes an HTTP answer of (payload format 2.0).
type urlResponse struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

// urlAnswer is 200, or 503 when unhealthy, and when nothing is known: whoever asks by HTTP looks at the status. The error is in the log, with
// all that AWS said; outside goes that there was one.
func urlAnswer(found probe.Report, err error) ([]byte, error) {
	status, body := http.StatusOK, any(found)
	switch {
	case err != nil:
		status = http.StatusServiceUnavailable
		body = map[string]string{"status": string(probe.Unhealthy), "error": "the stores could not be listed; the function's log says why"}
	case found.Status == probe.Unhealthy:
		status = http.StatusServiceUnavailable
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(urlResponse{status, map[string]string{"content-type": "application/json", "cache-control": "no-store"}, string(text)})
}
