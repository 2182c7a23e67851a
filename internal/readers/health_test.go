package readers_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/probe"
)

// TestTheStandInForLambdaKnowsTheHealthcheck: what the pages have typed for it is answered with the real report of this world.
func TestTheStandInForLambdaKnowsTheHealthcheck(t *testing.T) {
	w := published(t)
	invoke := func(name, event string) (int, string, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/2015-03-31/functions/"+name+"/invocations", strings.NewReader(event))
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp.StatusCode, resp.Header.Get("X-Amz-Function-Error"), string(text)
	}
	status, failed, text := invoke(healthName, `{}`)
	var report probe.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil || status != http.StatusOK || failed != "" {
		t.Fatalf("%d %s: %s, %v", status, failed, text, err)
	}
	if report.Status != probe.Healthy || report.Connections != (probe.Counts{Total: 2, Fresh: 2}) || len(report.Endpoints) != 2 {
		t.Errorf("%+v", report)
	}
	if _, failed, text := invoke(healthName, `{"probe":"fast"}`); failed == "" || !strings.Contains(text, "reachability") {
		t.Errorf("a mistyped event: %s", text)
	}
	if status, _, _ := invoke("chaveiro-nothing", `{}`); status != http.StatusNotFound {
		t.Errorf("a function that is not: %d", status)
	}
	if events := w.invocations(); len(events) != 0 {
		t.Errorf("these are taken for the refresher's: %v", events)
	}
}
