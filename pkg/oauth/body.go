package oauth

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxBody is how much of an answer is read, after decompression. The largest real ones hold a few kilobytes.
const maxBody = 64 << 10

// What can be wrong with a body other than what it says.
var (
	errBodyTooLarge = errors.New("the answer is larger than 64 KiB")
	errBodyEncoding = errors.New("the answer's content encoding cannot be undone")
)

// readBody reads at most maxBody bytes, and undoes gzip. On errBodyTooLarge it returns the beginning all the same. Any other
// error than the two above is the connection's.
func readBody(res *http.Response) ([]byte, error) {
	wire := &wireReader{r: res.Body, left: maxBody + gzipOverhead}
	var r io.Reader = wire
	switch encoding := strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(wire)
		if errors.Is(err, io.EOF) && wire.err == nil {
			return nil, nil // nothing at all: a 204, or an error without a body
		}
		if err != nil {
			return nil, wire.blame(errBodyEncoding)
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
		return body, wire.blame(errBodyEncoding)
	}
	return body, nil
}

// readAll is io.ReadAll, with room for as much as the answer is said to have, and for the read that finds its end.
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

// wireReader reads what came over the wire, within a limit, and remembers how that ended: a gzip reader turns every end into its own error.
type wireReader struct {
	r    io.Reader
	left int
	err  error // the connection's, or errBodyTooLarge
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

// blame returns the connection's error when there was one, else the given.
func (w *wireReader) blame(err error) error {
	if w.err != nil {
		return w.err
	}
	return err
}
