package awstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// The content types of AWS JSON 1.1 and, for DynamoDB, 1.0.
const (
	contentType      = "application/x-amz-json-1.1"
	tableContentType = "application/x-amz-json-1.0"
)

// maxBody is the largest request that is read, in bytes: above the largest that Systems Manager and Secrets Manager take.
const maxBody = 1 << 20

// Config is an aws.Config under which NewFromConfig of ssm, secretsmanager and dynamodb work in process against the World: static
// dummy credentials, Region, the SDK's own retries.
func (w *World) Config() aws.Config {
	return aws.Config{
		Region:      Region,
		Credentials: aws.CredentialsProviderFunc(dummyCredentials),
		HTTPClient:  &http.Client{Transport: w.Transport()},
	}
}

// SSM is a Systems Manager client of the real SDK on the World, in process.
func (w *World) SSM() *ssm.Client { return ssm.NewFromConfig(w.Config()) }

// SecretsManager is a Secrets Manager client of the real SDK on the World, in process.
func (w *World) SecretsManager() *secretsmanager.Client {
	return secretsmanager.NewFromConfig(w.Config())
}

// DynamoDB is a DynamoDB client of the real SDK on the World, in process.
func (w *World) DynamoDB() *dynamodb.Client { return dynamodb.NewFromConfig(w.Config()) }

func dummyCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-key", Source: "awstest"}, nil
}

// Transport answers requests in process, whatever host they are for: no socket and no goroutine, so that it works inside a
// testing/synctest bubble.
func (w *World) Transport() http.RoundTripper { return roundTripper{w} }

type roundTripper struct{ w *World }

// RoundTrip serves one request.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	out, err := t.w.serve(r.Context(), r.Header.Get("X-Amz-Target"), body)
	if err != nil {
		return nil, err
	}
	if out.reset {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	header := make(http.Header, 6)
	out.writeHeader(header)
	return &http.Response{
		Status: strconv.Itoa(out.status) + " " + http.StatusText(out.status), StatusCode: out.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(out.body)), ContentLength: int64(len(out.body)), Request: r,
	}, nil
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	return body, nil
}

func (o outcome) writeHeader(h http.Header) {
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(o.body)))
	h.Set("X-Amzn-Requestid", o.request)
	h.Set("Date", o.now.UTC().Format(http.TimeFormat))
	switch {
	case o.table: // DynamoDB names the error in the body only
		h.Set("Content-Type", tableContentType)
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(o.body)), 10))
	case o.errType != "":
		h.Set("X-Amzn-Errortype", o.errType)
	}
}

// ServeHTTP serves one request over a socket. A World is an http.Handler.
func (w *World) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		breakConnection(rw)
		return
	}
	out, err := w.serve(r.Context(), r.Header.Get("X-Amz-Target"), body)
	if err != nil || out.reset {
		breakConnection(rw)
		return
	}
	out.writeHeader(rw.Header())
	rw.WriteHeader(out.status)
	_, _ = rw.Write(out.body)
}

// breakConnection ends the connection with a reset, so that the client sees no answer.
func breakConnection(rw http.ResponseWriter) {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the documented way to end a response that cannot be hijacked
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Server is a World on a port.
type Server struct {
	// URL is the address to give the SDK as AWS_ENDPOINT_URL_SSM, AWS_ENDPOINT_URL_SECRETS_MANAGER and AWS_ENDPOINT_URL_DYNAMODB, without a
	// slash at the end.
	URL string

	http *http.Server
	done chan error
}

// Listen serves the World on addr ("127.0.0.1:0" picks a free port) until Close.
func (w *World) Listen(addr string) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{
		URL:  "http://" + l.Addr().String(),
		http: &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second},
		done: make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// Close ends the server and every connection to it, and reports why it ended if not for this.
func (s *Server) Close() error {
	closing := s.http.Close()
	if err := <-s.done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	if closing != nil {
		return fmt.Errorf("close server: %w", closing)
	}
	return nil
}
