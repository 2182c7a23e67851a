package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// tape stands between a client and a fake in process. While it records it passes everything on and keeps the answers; then it gives the
// same answers without the fake, for next to nothing, so that what is measured is the client's work and not the fake's.
type tape struct {
	fake http.RoundTripper

	inTurn bool // a request that is made several times gets its answers in turn, and then from the first again; else always the last

	playing atomic.Bool
	mu      sync.RWMutex
	answers map[string][]recorded
	played  map[string]int // how often, of requests that get their answers in turn
}

type recorded struct {
	status int
	header http.Header
	body   []byte
}

func newTape(fake http.RoundTripper) *tape {
	return &tape{fake: fake, answers: map[string][]recorded{}, played: map[string]int{}}
}

// errNotRecorded is what a request meets that was not made while the tape recorded: then something else is measured than was meant.
var errNotRecorded = errors.New("bench: a request that was not recorded")

// RoundTrip implements http.RoundTripper.
func (t *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = readAll(r.Body, r.ContentLength); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	key := keyOf(r, body)
	if !t.playing.Load() {
		return t.record(r, key, body)
	}
	a, ok := t.answer(key)
	if !ok {
		return nil, fmt.Errorf("%w: %s %s", errNotRecorded, r.URL.Host, r.Header.Get(targetHeader))
	}
	return a.response(r), nil
}

func (t *tape) answer(key string) (recorded, bool) {
	if !t.inTurn {
		t.mu.RLock()
		defer t.mu.RUnlock()
		all := t.answers[key]
		if len(all) == 0 {
			return recorded{}, false
		}
		return all[len(all)-1], true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.answers[key]
	if len(all) == 0 {
		return recorded{}, false
	}
	n := t.played[key]
	t.played[key] = n + 1
	return all[n%len(all)], true
}

// readAll reads a body whose length is mostly known, so that the reading costs one piece of memory.
func readAll(body io.Reader, length int64) ([]byte, error) {
	if length <= 0 {
		return io.ReadAll(body)
	}
	text := make([]byte, length)
	_, err := io.ReadFull(body, text)
	return text, err
}

func (t *tape) record(r *http.Request, key string, body []byte) (*http.Response, error) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	res, err := t.fake.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	a := recorded{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers[key] = append(t.answers[key], a)
	return a.response(r), nil
}

func (a recorded) response(r *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}
}

const targetHeader = "X-Amz-Target"

// keyOf is what an answer depends on. A PutParameter is known by its name, and an UpdateItem by its key and by what it sets, since both hold
// the time.
func keyOf(r *http.Request, body []byte) string {
	target := r.Header.Get(targetHeader)
	switch target {
	case "":
		return r.URL.String() + "|" + r.Header.Get("Authorization") + "|" + string(body)
	case "AmazonSSM.PutParameter":
		return target + "|" + textIn(body, "Name")
	case "DynamoDB_20120810.UpdateItem":
		return target + "|" + textIn(itemKey(body), "S") + "|" + textIn(body, "UpdateExpression")
	default:
		return target + "|" + string(body)
	}
}

// textIn finds a string field of a request's JSON body. Inside of another value the field's name would have its quotes escaped.
func textIn(body []byte, field string) string {
	_, rest, found := bytes.Cut(body, []byte(`"`+field+`":"`))
	if !found {
		return ""
	}
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(text)
}

// itemKey is the rest of an UpdateItem's body from its Key on.
func itemKey(body []byte) []byte {
	_, rest, _ := bytes.Cut(body, []byte(`"Key":{`))
	return rest
}
