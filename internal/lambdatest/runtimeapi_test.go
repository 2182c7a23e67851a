package lambdatest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAnInvocationIsAnsweredOnceAndUnderItsOwnID(t *testing.T) {
	api := newRuntimeAPI("arn")
	post := func(path string) int {
		w := httptest.NewRecorder()
		api.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, apiPrefix+path, strings.NewReader(`"x"`)))
		return w.Code
	}
	steps := []struct {
		when, path string
		want       int
	}{
		{"another id", "/invocation/two/response", http.StatusBadRequest},
		{"its id", "/invocation/one/response", http.StatusAccepted},
		{"its id again", "/invocation/one/response", http.StatusBadRequest},
		{"an error after the answer", "/invocation/one/error", http.StatusBadRequest},
		{"a path that the Runtime API does not have", "/invocation/one", http.StatusNotFound},
	}
	api.expect <- "one"
	for _, step := range steps {
		if got := post(step.path); got != step.want {
			t.Errorf("%s: status %d, want %d", step.when, got, step.want)
		}
	}
	if got := <-api.outcomes; string(got.payload) != `"x"` || got.failure != nil {
		t.Errorf("outcome %+v", got)
	}
}

func TestAnErrorDocumentOfAnyFormIsKept(t *testing.T) {
	tests := []struct{ name, body, wantType, wantMessage string }{
		{"as documented", `{"errorType":"T","errorMessage":"m","stackTrace":[]}`, "T", "m"},
		{"without a type", `{"errorMessage":"m"}`, "", "m"},
		{"no JSON", `oops`, "Runtime.Unknown", "oops"},
		{"JSON of another form", `{"error":"m"}`, "Runtime.Unknown", `{"error":"m"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := parseError([]byte(tt.body))
			if got.Type != tt.wantType || got.Message != tt.wantMessage || string(got.Payload) != tt.body {
				t.Errorf("got %+v", got)
			}
		})
	}
}
