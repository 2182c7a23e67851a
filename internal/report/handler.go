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
// for byte, those of slog.JSONHandler with the names of time and message replaced, for a tenth of its work (docs/adr/0019). Only values that
// are the same in every notation are written here; whatever else there is, slog.JSONHandler writes. It is safe for concurrent use.
type handler struct {
	out   io.Writer // gets each line in one Write
	level slog.Level
	lines *sync.Pool // *[]byte, of this handler and of those made of it

	fixed  []byte  // attributes of With that are in no group, written
	groups []group // of WithGroup, the outermost first
}

// group is one group that WithGroup opened, with the attributes of With in it.
type group struct {
	name  string
	attrs []slog.Attr
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
	if n := len(h.groups); n > 0 {
		with.groups = slices.Clone(h.groups)
		with.groups[n-1].attrs = slices.Concat(h.groups[n-1].attrs, attrs)
		return &with
	}
	with.fixed = slices.Clone(h.fixed)
	for _, a := range attrs {
		with.fixed = appendAttr(with.fixed, a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.groups = append(slices.Clone(h.groups), group{name: name})
	return &with
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
	b = appendGroups(b, h.groups, r)
	return append(b, '}', '\n')
}

// appendGroups adds the record's attributes inside of the groups. A group with nothing in it is left out.
func appendGroups(b []byte, groups []group, r *slog.Record) []byte {
	if len(groups) == 0 {
		r.Attrs(func(a slog.Attr) bool {
			b = appendAttr(b, a)
			return true
		})
		return b
	}
	return appendGroup(b, groups[0].name, func(b []byte) []byte {
		for _, a := range groups[0].attrs {
			b = appendAttr(b, a)
		}
		return appendGroups(b, groups[1:], r)
	})
}

// appendGroup adds a group of what inside adds, unless that is nothing.
func appendGroup(b []byte, name string, inside func([]byte) []byte) []byte {
	start := len(b)
	b = append(appendKey(b, name), '{')
	open := len(b)
	b = inside(b)
	if len(b) == open {
		return b[:start]
	}
	return append(b, '}')
}

// appendAttr adds an attribute. An empty one adds nothing, the attributes of a group without a name stand where it does.
func appendAttr(b []byte, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" && v.Equal(slog.Value{}) {
			return b
		}
		return appendValue(appendKey(b, a.Key), v)
	}
	inside := func(b []byte) []byte {
		for _, a := range v.Group() {
			b = appendAttr(b, a)
		}
		return b
	}
	if a.Key == "" {
		return inside(b)
	}
	return appendGroup(b, a.Key, inside)
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
