package report

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"
)

// handler writes JSON lines with the names that Lambda's own JSON log format uses, so that its level filter understands them. They are, byte
// for byte, those of slog.JSONHandler with the names of time and message replaced, for a tenth of its work (docs/adr/0016). Only values that
// are the same in every notation are written here; whatever else there is, slog.JSONHandler writes. It is safe for concurrent use.
type handler struct {
	out   io.Writer // gets each line in one Write
	level slog.Level
	lines *sync.Pool // *[]byte, of this handler and of those made of it

	attrs []slog.Attr // of With
	fixed []byte      // the same, written
}

// newHandler returns a handler that leaves out what is below the level.
func newHandler(out io.Writer, level slog.Level) *handler {
	return &handler{out: out, level: level, lines: &sync.Pool{New: func() any {
		line := make([]byte, 0, 1<<10)
		return &line
	}}}
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs, with.fixed = slices.Concat(h.attrs, attrs), nil
	for _, a := range with.attrs {
		with.fixed = appendAttr(with.fixed, a)
	}
	return &with
}

// WithGroup implements slog.Handler. No line has a group around all, so that it is left to slog.JSONHandler.
func (h *handler) WithGroup(name string) slog.Handler {
	return standardHandler(h.out, h.level).WithAttrs(h.attrs).WithGroup(name)
}

// standardHandler is the handler of which ours writes the same lines.
func standardHandler(out io.Writer, level slog.Level) slog.Handler {
	return slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) > 0:
		case a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime:
			return slog.Time("timestamp", a.Value.Time().UTC())
		case a.Key == slog.MessageKey:
			a.Key = "message"
		}
		return a
	}})
}

// maxKept is the capacity in bytes above which the room for a line is not kept for the next.
const maxKept = 16 << 10

// Handle implements slog.Handler.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	line, _ := h.lines.Get().(*[]byte)
	*line = h.appendLine((*line)[:0], &r)
	_, err := h.out.Write(*line)
	if cap(*line) <= maxKept {
		h.lines.Put(line)
	}
	return err
}

func (h *handler) appendLine(b []byte, r *slog.Record) []byte {
	b = append(b, '{')
	if !r.Time.IsZero() {
		b = appendTime(appendKey(b, "timestamp"), r.Time.UTC())
	}
	b = appendText(appendKey(b, slog.LevelKey), r.Level.String())
	b = appendText(appendKey(b, "message"), r.Message)
	b = append(b, h.fixed...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, a)
		return true
	})
	return append(b, '}', '\n')
}

// appendAttr adds an attribute. An empty one adds nothing, nor does a group of nothing, and the attributes of a group without a name stand where
// it does.
func appendAttr(b []byte, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
			return b
		}
		return appendValue(appendKey(b, a.Key), v)
	}
	start := len(b)
	if a.Key != "" {
		b = append(appendKey(b, a.Key), '{')
	}
	open := len(b)
	for _, inner := range v.Group() {
		b = appendAttr(b, inner)
	}
	switch {
	case len(b) == open:
		return b[:start]
	case a.Key != "":
		b = append(b, '}')
	}
	return b
}

// appendKey adds a key, with a comma in front of it unless it is the first of its object.
func appendKey(b []byte, key string) []byte {
	if len(b) == 0 || b[len(b)-1] != '{' { // of no bytes at all: what With has written follows the message
		b = append(b, ',')
	}
	return append(appendText(b, key), ':')
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendText(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindTime:
		return appendTime(b, v.Time())
	case slog.KindFloat64:
		if f := v.Float64(); f == 0 && !math.Signbit(f) || f >= 1e-6 && f < 1e21 { // JSON writes others with an exponent, or not at all
			return strconv.AppendFloat(b, f, 'f', -1, 64)
		}
		return appendBySlog(b, v)
	default:
		return appendBySlog(b, v)
	}
}

// appendTime adds an instant, also one of a year that RFC 3339 does not know: then slog writes what is no JSON.
func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendText(b []byte, text string) []byte {
	if !isPlain(text) {
		return appendBySlog(b, slog.StringValue(text))
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// isPlain reports whether a text is its own JSON between quotes: printable ASCII without quotes and backslashes.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// slogsValue is where the value of appendBySlog begins.
const slogsValue = `{"level":"INFO","msg":"","value":`

// appendBySlog adds a value as slog.JSONHandler writes it.
func appendBySlog(b []byte, v slog.Value) []byte {
	var line bytes.Buffer
	r := slog.NewRecord(time.Time{}, slog.LevelInfo, "", 0)
	r.AddAttrs(slog.Attr{Key: "value", Value: v})
	_ = slog.NewJSONHandler(&line, nil).Handle(context.Background(), r) // a Buffer takes everything
	text, ok := bytes.CutPrefix(line.Bytes(), []byte(slogsValue))
	if !ok { // an empty *slog.Source, which slog leaves out
		return append(b, "null"...)
	}
	return append(b, bytes.TrimSuffix(text, []byte("}\n"))...)
}
