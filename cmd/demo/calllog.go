package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// callLog prints a line for each call that arrives: when, whom it is for, what it asks, and how it was answered. It takes nothing from a
// request but the operation and the names that it is about, and nothing from an answer but its status: no secret and no token passes here.
type callLog struct {
	out io.Writer
	now func() time.Time
	mu  sync.Mutex // a line at a time
}

const (
	maxLogged = 3       // names of a batch that are printed
	maxCall   = 1 << 20 // bytes of a request: more than AWS takes
)

var (
	awsTarget = regexp.MustCompile(`^(AmazonSSM|secretsmanager)\.([A-Za-z]{1,60})$`)
	plainName = regexp.MustCompile(`^[A-Za-z0-9/_.+=@:-]{1,300}$`)
	awsCode   = regexp.MustCompile(`^[A-Za-z]{1,60}$`)
)

// stores logs the calls of AWS's two stores.
func (l *callLog) stores(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxCall))
		if err != nil {
			http.Error(rw, "the request could not be read", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		service, call := storeCall(r.Header.Get("X-Amz-Target"), body)
		l.serve(next, rw, r, service, call)
	})
}

// provider logs the calls of one provider.
func (l *callLog) provider(name string, known []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		l.serve(next, rw, r, name, providerCall(r.Method, r.URL.Path, known))
	})
}

func (l *callLog) serve(next http.Handler, rw http.ResponseWriter, r *http.Request, service, call string) {
	answer := &watchedAnswer{ResponseWriter: rw}
	defer func() { l.line(service, call, answer.outcome()) }() // also when the connection is broken off
	next.ServeHTTP(answer, r)
}

func (l *callLog) line(service, call, outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.out, "%s  %-15s %s  %s\n", l.now().Format(time.TimeOnly), service, call, outcome)
}

// storeCall names a call of AWS's JSON protocol: the service, and the operation with what it is about.
func storeCall(target string, body []byte) (service, call string) {
	match := awsTarget.FindStringSubmatch(target)
	if match == nil {
		return "aws", "an operation that is unknown here"
	}
	if service = "ssm"; match[1] == "secretsmanager" {
		service = match[1]
	}
	var about struct {
		Name, SecretID      string
		Names, SecretIDList []string
	}
	if json.Unmarshal(body, &about) != nil { // names match whatever their case
		return service, match[2]
	}
	names := append(about.Names, about.SecretIDList...)
	for _, one := range []string{about.Name, about.SecretID} {
		if one != "" {
			names = append(names, one)
		}
	}
	return service, strings.Join(append([]string{match[2]}, printable(names)...), " ")
}

// printable are the first of some names, and how many more there are. What has not the form of a name is not printed.
func printable(names []string) []string {
	var list []string
	for i, name := range names {
		if i == maxLogged {
			return append(list, fmt.Sprintf("and %d more", len(names)-maxLogged))
		}
		if !plainName.MatchString(name) {
			name = "(not a name)"
		}
		list = append(list, name)
	}
	return list
}

// providerCall names a call of a provider. Only paths that it has are printed, and never a query: some providers are sent secrets in it.
func providerCall(method, path string, known []string) string {
	for _, k := range known {
		if path == k && (method == http.MethodGet || method == http.MethodPost) {
			return method + " " + path
		}
	}
	return "a call that it does not have"
}

// watchedAnswer remembers the status of an answer, and the error code that AWS's stores put beside it.
type watchedAnswer struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (w *watchedAnswer) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets a handler take the connection over.
func (w *watchedAnswer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watchedAnswer) outcome() string {
	if w.status == 0 {
		return "no answer"
	}
	if code := w.Header().Get("X-Amzn-Errortype"); awsCode.MatchString(code) {
		return fmt.Sprintf("%d %s", w.status, code)
	}
	return fmt.Sprint(w.status)
}
