package lambdatest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	apiPrefix = "/2018-06-01/runtime"

	// maxResponse is Lambda's limit of a synchronous answer: 6 MiB and a little for the envelope, as the runtime emulator counts it.
	maxResponse = 6*1024*1024 + 100
)

// invocation is an event on its way to the function.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
}

// outcome is the function's answer to it.
type outcome struct {
	payload []byte
	failure *FunctionError
}

// runtimeAPI is the side of the Lambda Runtime API that one process talks to.
type runtimeAPI struct {
	arn      string
	events   chan invocation     // to the process
	polls    chan struct{}       // it asked for work: the start, or the invocation before, is complete
	outcomes chan outcome        // from the process, at most one for each invocation
	initErr  chan *FunctionError // at most one
	expect   chan string         // holds the id of the running invocation, until it is answered
}

func newRuntimeAPI(arn string) *runtimeAPI {
	return &runtimeAPI{
		arn:      arn,
		events:   make(chan invocation),
		polls:    make(chan struct{}, 1),
		outcomes: make(chan outcome, 1),
		initErr:  make(chan *FunctionError, 1),
		expect:   make(chan string, 1),
	}
}

func (a *runtimeAPI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiPrefix+"/invocation/next", a.next)
	mux.HandleFunc("POST "+apiPrefix+"/invocation/{id}/response", a.response)
	mux.HandleFunc("POST "+apiPrefix+"/invocation/{id}/error", a.invocationError)
	mux.HandleFunc("POST "+apiPrefix+"/init/error", a.initError)
	return mux
}

func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	select {
	case a.polls <- struct{}{}:
	default:
	}
	select {
	case inv := <-a.events:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", a.arn)
		_, _ = w.Write(inv.event)
	case <-r.Context().Done(): // the process is gone, or we are
	}
}

func (a *runtimeAPI) response(w http.ResponseWriter, r *http.Request) {
	if !a.claim(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResponse))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse)
		a.outcomes <- outcome{failure: &FunctionError{Type: TypeResponseTooLarge, Message: message}}
		reply(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", message)
		return
	}
	if err != nil {
		a.outcomes <- outcome{failure: &FunctionError{Type: "Runtime.TruncatedResponse", Message: err.Error()}}
		return
	}
	a.outcomes <- outcome{payload: body}
	w.WriteHeader(http.StatusAccepted)
}

func (a *runtimeAPI) invocationError(w http.ResponseWriter, r *http.Request) {
	if !a.claim(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResponse))
	if err != nil {
		a.outcomes <- outcome{failure: &FunctionError{Type: "Runtime.TruncatedResponse", Message: err.Error()}}
		return
	}
	a.outcomes <- outcome{failure: parseError(body)}
	w.WriteHeader(http.StatusAccepted)
}

func (a *runtimeAPI) initError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResponse))
	if err != nil {
		reply(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	select {
	case a.initErr <- parseError(body):
	default: // the first one counts
	}
	w.WriteHeader(http.StatusAccepted)
}

// claim takes the running invocation, so that it is answered once and under its own id.
func (a *runtimeAPI) claim(w http.ResponseWriter, r *http.Request) bool {
	select {
	case id := <-a.expect:
		if id == r.PathValue("id") {
			return true
		}
		a.expect <- id
	default:
	}
	reply(w, http.StatusBadRequest, "InvalidRequestID", "no invocation of that id is running")
	return false
}

// reply writes the error document of the Runtime API.
func reply(w http.ResponseWriter, status int, errorType, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errorType":%q,"errorMessage":%q}`, errorType, message)
}

// newRequestID is a random UUID (version 4).
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
