package oauth

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// Latency is the duration of the phases of one attempt. A phase that did not happen (a warm connection, a failure before it) is 0.
type Latency struct {
	DNS, Connect, TLS time.Duration
	FirstByte         time.Duration // from the request written to the first byte of the response
	Total             time.Duration
	Reused            bool // the connection was open already
}

// stopwatch measures one attempt. net/http may call its hooks from other goroutines, also after RoundTrip has returned.
type stopwatch struct {
	now func() time.Time

	mu                        sync.Mutex
	start, dns, connect, tls  time.Time
	written                   time.Time
	lat                       Latency
	asked, wrote, firstByteOK bool
	certAsked                 bool
	tlsErr                    error
}

func newStopwatch(now func() time.Time) *stopwatch { return &stopwatch{now: now, start: now()} }

type stopwatchKey struct{}

// watch returns a context whose requests the stopwatch measures.
func (w *stopwatch) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, stopwatchKey{}, w), w.trace())
}

// stopwatchOf returns the stopwatch of a context, nil for none.
func stopwatchOf(ctx context.Context) *stopwatch {
	w, _ := ctx.Value(stopwatchKey{}).(*stopwatch)
	return w
}

// requested records that the server requested a client certificate.
func (w *stopwatch) requested() { w.do(func(time.Time) { w.certAsked = true }) }

func (w *stopwatch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			// Called again when net/http repeats a request on a new connection, because the server had closed the old one.
			w.do(func(time.Time) { w.asked, w.wrote = true, false })
		},
		GotConn: func(i httptrace.GotConnInfo) {
			w.do(func(time.Time) {
				if i.Reused { // a dial may have begun that was not needed
					w.lat = Latency{Reused: true}
				}
			})
		},
		DNSStart: func(httptrace.DNSStartInfo) { w.do(func(t time.Time) { w.dns = t }) },
		DNSDone:  func(httptrace.DNSDoneInfo) { w.do(func(t time.Time) { w.lat.DNS = t.Sub(w.dns) }) },
		ConnectStart: func(string, string) { // called for each address
			w.do(func(t time.Time) {
				if w.connect.IsZero() {
					w.connect = t
				}
			})
		},
		ConnectDone: func(_, _ string, err error) {
			w.do(func(t time.Time) {
				if err == nil {
					w.lat.Connect = t.Sub(w.connect)
				}
			})
		},
		TLSHandshakeStart: func() { w.do(func(t time.Time) { w.tls = t }) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			w.do(func(t time.Time) { w.lat.TLS, w.tlsErr = t.Sub(w.tls), err })
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			w.do(func(t time.Time) { w.written, w.wrote = t, i.Err == nil })
		},
		GotFirstResponseByte: func() {
			w.do(func(t time.Time) {
				w.firstByteOK = true
				if !w.written.IsZero() {
					w.lat.FirstByte = t.Sub(w.written)
				}
			})
		},
	}
}

func (w *stopwatch) do(f func(now time.Time)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.now())
}

// stop returns the times so far, with the total until now.
func (w *stopwatch) stop() Latency {
	w.mu.Lock()
	defer w.mu.Unlock()
	lat := w.lat
	lat.Total = w.now().Sub(w.start)
	return lat
}

// mayHaveArrived reports whether the server may have received the whole request. Without trace events (a custom RoundTripper) assume that the
// request was sent.
func (w *stopwatch) mayHaveArrived() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.asked || w.wrote || w.firstByteOK
}

// handshakeFailed reports whether the TLS handshake was tried and failed.
func (w *stopwatch) handshakeFailed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tlsErr != nil
}

// certificateWasRequested reports whether the server requested a client certificate in this handshake.
func (w *stopwatch) certificateWasRequested() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.certAsked
}
