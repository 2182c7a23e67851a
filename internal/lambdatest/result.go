package lambdatest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrClosed is returned for an invocation of a function that was closed, before or during it.
var ErrClosed = errors.New("the function is closed")

// Error types that Lambda itself reports; others come from the function.
const (
	TypeTimeout          = "Sandbox.Timedout"
	TypeExit             = "Runtime.ExitError"
	TypeResponseTooLarge = "Function.ResponseSizeTooLarge"
)

// Result is what one invocation gave.
type Result struct {
	Payload   json.RawMessage // the function's answer, as it wrote it; nil if it failed
	RequestID string          // random
	Logs      string          // what the process wrote to stdout and stderr from the start of the invocation to its end, a cold start included
	Took      time.Duration   // a cold start included
}

// FunctionError is a failed invocation, as Lambda reports it to the caller.
type FunctionError struct {
	Type    string          `json:"errorType"`
	Message string          `json:"errorMessage"`
	Payload json.RawMessage `json:"-"` // the whole error document, with a stack trace after a panic
}

// Error says type and message.
func (e *FunctionError) Error() string {
	return fmt.Sprintf("function error %s: %s", e.Type, e.Message)
}

// InitError is a function that did not start: it ended, reported an error or asked for no work in time.
type InitError struct {
	Reason string         // "exit status 1", "no call for work within 10s", …
	Report *FunctionError // what the function told the Runtime API; nil if it told nothing
	Output string         // what the process wrote to stdout and stderr
}

// Error says everything that is known of the failed start.
func (e *InitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "function did not start: %s", e.Reason)
	if e.Report != nil {
		fmt.Fprintf(&b, "; it reported %s: %s", e.Report.Type, e.Report.Message)
	}
	if e.Output == "" {
		b.WriteString("; it printed nothing")
	} else {
		fmt.Fprintf(&b, "; it printed:\n%s", strings.TrimRight(e.Output, "\n"))
	}
	return b.String()
}

// parseError reads an error document. One that is not of the documented form is kept whole as the message.
func parseError(body []byte) *FunctionError {
	e := &FunctionError{Payload: body}
	if err := json.Unmarshal(body, e); err != nil || (e.Type == "" && e.Message == "") {
		e.Type, e.Message = "Runtime.Unknown", string(body)
	}
	return e
}
