package oauth

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxBody is how much of a response is read, after decompression. Real ones have at most some kilobytes.
const maxBody = 64 << 10

// Faults of a body apart from its content.
var (
	errBodyTooLarge = errors.New("the response is larger than 64 KiB")
	errBodyEncoding = errors.New("the content encoding of the response cannot be decoded")
)

// readBody reads at most maxBody bytes, and decodes gzip. With errBodyTooLarge it returns the beginning. Any error other than the two above
// is a failure of the connection.
func readBody(res *http.Response) ([]byte, error) {
	wire := &wireReader{r: res.Body, left: maxBody + gzipOverhead}
	var r io.Reader = wire
	switch encoding := strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(wire)
		if errors.Is(err, io.EOF) && wire.err == nil {
			return nil, nil // empty: a 204, or an error without a body
		}
		if err != nil {
			return nil, wire.cause(errBodyEncoding)
		}
		r = z
	default: // only gzip was offered
		return nil, errBodyEncoding
	}
	body, err := readAll(io.LimitReader(r, maxBody+1), res.ContentLength)
	switch {
	case len(body) > maxBody:
		return body[:maxBody], errBodyTooLarge
	case err != nil:
		return body, wire.cause(errBodyEncoding)
	}
	return body, nil
}

// readAll is io.ReadAll with a buffer of the stated length, so that a response fits without copying.
func readAll(r io.Reader, length int64) ([]byte, error) {
	b := make([]byte, 0, max(512, min(length, maxBody)+1))
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// gzipOverhead is more than gzip ever adds: a body that fits decompressed fits compressed.
const gzipOverhead = 1 << 10

// wireReader reads from the connection, within a limit, and keeps its error: a gzip reader replaces it by an error of its own.
type wireReader struct {
	r    io.Reader
	left int
	err  error // of the connection, or errBodyTooLarge
}

func (w *wireReader) Read(p []byte) (int, error) {
	if w.left <= 0 {
		w.err = errBodyTooLarge
		return 0, w.err
	}
	if len(p) > w.left {
		p = p[:w.left]
	}
	n, err := w.r.Read(p)
	w.left -= n
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		w.err = err
	}
	return n, err
}

// cause returns the connection's error when there was one, else the given error.
func (w *wireReader) cause(err error) error {
	if w.err != nil {
		return w.err
	}
	return err
}
