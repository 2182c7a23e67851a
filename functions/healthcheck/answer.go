package main

import (
	"encoding/json"
	"net/http"

	"github.com/chaveiro/chaveiro/internal/probe"
)

// isURLRequest reports whether the event is a request of a Lambda Function URL (payload format 2.0), by a field that no other event has.
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

// plainResponse is the report itself.
func plainResponse(found probe.Report, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(found)
}

// httpResponse is the response of a Function URL (payload format 2.0).
type httpResponse struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

// urlResponse has status 200, or 503 when the report is unhealthy or nothing is known: a monitor reads the status only. The text of the error is
// in the log; it holds names of the account, so the response does not repeat it.
func urlResponse(found probe.Report, err error) ([]byte, error) {
	status, body := http.StatusOK, any(found)
	switch {
	case err != nil:
		status = http.StatusServiceUnavailable
		const unknown = "the state table or the secrets could not be read; see the log of the function"
		body = map[string]string{"status": string(probe.Unhealthy), "error": unknown}
	case found.Status == probe.Unhealthy:
		status = http.StatusServiceUnavailable
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(httpResponse{status, map[string]string{"content-type": "application/json", "cache-control": "no-store"}, string(text)})
}
