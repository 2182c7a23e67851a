package oauthtest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"syscall"
)

// transport answers requests in process.
type transport struct{ p *Provider }

// RoundTrip implements http.RoundTripper with the hooks, errors and transparent decompression of http.Transport.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	in, err := readWire(r)
	if r.Body != nil {
		_ = r.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v := t.p.arrive(in)
	trace := httptrace.ContextClientTrace(ctx)
	if v.fault.kind != faultFail {
		written(trace, in.host)
	}
	a, err := t.p.finish(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case v.fault.kind == faultFail:
		return nil, v.fault.err
	case a.reset:
		return nil, resetError("read")
	}
	if trace != nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	return a.response(r), nil
}

// written calls the hooks up to the last byte of the request, as for a warm connection.
func written(trace *httptrace.ClientTrace, host string) {
	if trace == nil {
		return
	}
	if trace.GetConn != nil {
		trace.GetConn(host)
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: true, WasIdle: true})
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
}

func resetError(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, syscall.ECONNRESET)}
}

// response is the answer as http.Transport would hand it over.
func (a answer) response(r *http.Request) *http.Response {
	header := a.header // this answer's own
	res := &http.Response{
		Status: itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Request: r, ContentLength: a.length(),
	}
	body := a.reader()
	if header.Get("Content-Encoding") == "gzip" && r.Header.Get("Accept-Encoding") == "" {
		// http.Transport asked for gzip on its own account, and so takes it off again.
		header.Del("Content-Encoding")
		res.ContentLength, res.Uncompressed = -1, true
		body = &gunzip{src: body}
	} else {
		header.Set("Content-Length", itoa(int(res.ContentLength)))
	}
	res.Body = io.NopCloser(body)
	return res
}

// length is the length that the answer claims.
func (a answer) length() int64 { return max(a.size, int64(len(a.body))) }

// reader is the body, filled up or cut.
func (a answer) reader() io.Reader {
	body := io.Reader(bytes.NewReader(a.body))
	switch {
	case a.isCut:
		return io.MultiReader(io.LimitReader(body, a.cut), cutOff{})
	case a.size > int64(len(a.body)):
		return io.MultiReader(body, io.LimitReader(filler{}, a.size-int64(len(a.body))))
	}
	return body
}

// cutOff is where a connection ended before the body did.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// gunzip opens the stream at the first Read, so that a broken one is an error of the body, as with http.Transport.
type gunzip struct {
	src io.Reader
	z   *gzip.Reader
}

func (g *gunzip) Read(b []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.src)
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(b)
}

// Network is a RoundTripper over several providers, by host name: a world in which nothing else resolves. Do not change it while it is
// used.
type Network map[string]*Provider

// NewNetwork puts each provider under all the host names of the real one.
func NewNetwork(providers ...*Provider) Network {
	n := make(Network)
	for _, p := range providers {
		for _, h := range p.Hosts() {
			n[h] = p
		}
	}
	return n
}

// RoundTrip implements http.RoundTripper. A host is looked up with its port first, then without; an unknown one fails with a
// *net.DNSError.
func (n Network) RoundTrip(r *http.Request) (*http.Response, error) {
	p := n[r.URL.Host]
	if p == nil {
		p = n[r.URL.Hostname()]
	}
	if p == nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, unresolved(r)
	}
	return p.Transport().RoundTrip(r)
}

func unresolved(r *http.Request) error {
	err := &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		if trace.DNSStart != nil {
			trace.DNSStart(httptrace.DNSStartInfo{Host: err.Name})
		}
		if trace.DNSDone != nil {
			trace.DNSDone(httptrace.DNSDoneInfo{Err: err})
		}
	}
	return &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

// Refused is the error of a port where nobody listens, for [Fail].
func Refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// errNotLoopback keeps a provider that says yes to everything off the network.
var errNotLoopback = errors.New("oauthtest: not a loopback address")
