package oauthtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// ServeHTTP implements http.Handler. A reset or cut answer needs a ResponseWriter that can be hijacked; where it cannot, it panics with
// http.ErrAbortHandler, which net/http turns into a broken connection.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, err := readWire(r)
	if err != nil {
		http.Error(w, "the request could not be read", http.StatusBadRequest)
		return
	}
	a, err := p.finish(r.Context(), p.arrive(in))
	switch {
	case err != nil:
		panic(http.ErrAbortHandler) // the caller is gone
	case a.reset:
		breakOff(w, answer{})
	case a.isCut:
		breakOff(w, a)
	default:
		a.write(w)
	}
}

func (a answer) write(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if a.header.Get("Content-Type") == "" {
		w.Header()["Content-Type"] = nil // net/http would guess one
	}
	w.Header().Set("Content-Length", itoa(int(a.length())))
	w.WriteHeader(a.status)
	_, _ = io.Copy(w, a.reader()) // the caller may hang up at any time
}

// breakOff writes as much of the answer as is to be seen and ends the connection: with a reset when that is nothing.
func breakOff(w http.ResponseWriter, a answer) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = conn.Close() }()
	if !a.isCut {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // makes Close send RST instead of FIN
		}
		return
	}
	a.writeCut(buf.Writer)
}

func (a answer) writeCut(w *bufio.Writer) {
	// Errors mean that the caller is gone, which is what is about to happen anyway.
	_, _ = fmt.Fprintf(w, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", a.status, http.StatusText(a.status), a.length())
	_ = a.header.Write(w)
	_, _ = w.WriteString("\r\n")
	_, _ = w.Write(a.body[:a.cut])
	_ = w.Flush()
}

// Listen serves p on a loopback address such as "127.0.0.1:0" (also the meaning of ""), and returns the URL to put [Provider.TokenPath]
// behind. closer ends the server and every call that still hangs in it, and waits until it is gone.
func (p *Provider) Listen(addr string) (url string, closer func(), err error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, fmt.Errorf("oauthtest: listen: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", nil, fmt.Errorf("listen on %q: %w", addr, errNotLoopback)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("oauthtest: listen: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are the point here
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with http.ErrServerClosed
	}()
	return "http://" + l.Addr().String(), func() {
		cancel()
		_ = s.Close()
		<-done
	}, nil
}
