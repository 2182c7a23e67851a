package scenario

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// listener is the network, with somebody who writes down every token that passes: each is a canary, and has a name by which a scenario
// tells whose it is and the how many-th of that client.
type listener struct{ w *World }

// RoundTrip implements http.RoundTripper.
func (l listener) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.w.network.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &overheard{ReadCloser: res.Body, done: func(body []byte) {
		l.w.overhear(body, res.Header.Get("Content-Encoding") == "gzip", l.w.network[r.URL.Host] != nil, r)
	}}
	return res, nil
}

// overheard keeps the beginning of a body that is read.
type overheard struct {
	io.ReadCloser

	kept bytes.Buffer
	done func([]byte)
}

// maxKept is more than any token answer holds.
const maxKept = 64 << 10

// Read implements io.Reader.
func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	o.kept.Write(p[:min(n, max(maxKept-o.kept.Len(), 0))])
	return n, err
}

// Close implements io.Closer.
func (o *overheard) Close() error {
	o.done(o.kept.Bytes())
	return o.ReadCloser.Close()
}

// accessToken finds a token in a body that may be cut.
var accessToken = regexp.MustCompile(`"access_token"\s*:\s*("(?:[^"\\]|\\.)+"?)`)

func (w *World) overhear(body []byte, zipped, known bool, r *http.Request) {
	if zipped {
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(io.LimitReader(z, maxKept)) // what can be read of it
		}
	}
	found := accessToken.FindSubmatch(body)
	if found == nil || !known {
		return
	}
	var text string
	if err := json.Unmarshal(found[1], &text); err != nil {
		text = strings.Trim(string(found[1]), `"`)
	}
	client := "?"
	if issued, ok := w.network[r.URL.Host].Inspect(text); ok {
		w.mu.Lock()
		client = w.clients[issued.ClientID]
		w.mu.Unlock()
	}
	w.nameToken(client, text)
}

func (w *World) nameToken(client, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tokens[text] != "" {
		return
	}
	w.issued[client]++
	w.tokens[text] = fmt.Sprintf("%s/%d", client, w.issued[client])
	if len(text) >= 8 {
		w.canaries[text] = "token " + w.tokens[text]
	}
}
