package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// same compares what both handlers write when tell is called with each.
func same(t *testing.T, tell func(slog.Handler)) {
	t.Helper()
	var ours, slogs bytes.Buffer
	tell(newHandler(&ours, slog.LevelInfo))
	tell(standardHandler(&slogs, slog.LevelInfo))
	if ours.String() != slogs.String() {
		t.Errorf("wrote\n%s\nslog.JSONHandler writes\n%s", ours.String(), slogs.String())
	}
	for line := range bytes.Lines(ours.Bytes()) {
		if !json.Valid(line) {
			t.Errorf("this is no JSON: %s", line)
		}
	}
}

func handle(h slog.Handler, level slog.Level, at time.Time, message string, attrs ...slog.Attr) {
	r := slog.NewRecord(at, level, message, 0)
	r.AddAttrs(attrs...)
	_ = h.Handle(context.Background(), r)
}

type marshaler struct{ text string }

func (m marshaler) MarshalJSON() ([]byte, error) { return []byte(m.text), nil }

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("cannot <say> it") }

type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("no") }

type valuer struct{ v slog.Value }

func (v valuer) LogValue() slog.Value { return v.v }

func oddTexts() []string {
	return []string{
		"", "plain", `quote " and \ backslash`, "<a href='x'>&amp;</a>", "\x00\x01\b\f\n\r\t\x1f\x7f", "ação, não", "é́", "\u2028 and \u2029", "\ufffd", "\xff\xfe", "a\xc3", "\xed\xa0\x80",
		"😀", "{", "}", "[1,2]", "null", `","injected":"x`, "\x1b[31mred", strings.Repeat("long ", 10_000),
	}
}

func TestTheLinesAreThoseOfSlog(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 60_000_000, time.UTC)
	values := map[string]slog.Value{
		"int": slog.IntValue(-7), "int64": slog.Int64Value(math.MinInt64), "uint64": slog.Uint64Value(math.MaxUint64), "true": slog.BoolValue(true), "false": slog.BoolValue(false),
		"duration": slog.DurationValue(90 * time.Minute), "time": slog.TimeValue(at), "time elsewhere": slog.TimeValue(at.In(time.FixedZone("BRT", -3*60*60))),
		"time in whole seconds": slog.TimeValue(at.Truncate(time.Second)), "no time": slog.TimeValue(time.Time{}),
		"list": slog.AnyValue([]string{"a<b", "é"}), "struct": slog.AnyValue(struct{ A, B int }{1, 2}), "map": slog.AnyValue(map[string]int{"b": 1, "a": 2}), "nil": slog.AnyValue(nil),
		"error": slog.AnyValue(errors.New("it <failed>")), "nil error": slog.AnyValue((*oauth.Error)(nil)), "marshaler": slog.AnyValue(marshaler{`{"x": "<y>"}`}), "marshaler of no JSON": slog.AnyValue(marshaler{`{`}),
		"failing": slog.AnyValue(failing{}), "panicking": slog.AnyValue(panicking{}), "channel": slog.AnyValue(make(chan int)),
		"valuer": slog.AnyValue(valuer{slog.StringValue("v")}), "valuer of a group": slog.AnyValue(valuer{slog.GroupValue(slog.Int("a", 1))}), "secret": slog.AnyValue(oauth.NewSecret("s3cr3t-text")),
		"group": slog.GroupValue(slog.Int("a", 1), slog.Group("b", slog.String("c", "d"), slog.Group("", slog.Int("inlined", 1)))), "empty group": slog.GroupValue(),
		"group that begins with an empty one": slog.GroupValue(slog.Attr{}, slog.Int("a", 1)),
		"text that ends like an object":       slog.StringValue("{"),
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 0.001, 12.345, -12.345, 1e-6, 9.99e-7, 1e20, 1e21, 123456789.125, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.NaN()} {
		values[fmt.Sprint("float ", f)] = slog.Float64Value(f)
	}
	for _, text := range oddTexts() {
		values[fmt.Sprintf("text %.30q", text)] = slog.StringValue(text)
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			same(t, func(h slog.Handler) {
				handle(h, slog.LevelInfo, at, "m", slog.String("before", "b"), slog.Attr{Key: "value", Value: v}, slog.String("after", "a"))
			})
			same(t, func(h slog.Handler) { handle(h, slog.LevelInfo, at, "m", slog.Attr{Key: "value", Value: v}) })
			same(t, func(h slog.Handler) {
				handle(h.WithAttrs([]slog.Attr{{Key: "value", Value: v}, slog.Int("n", 1)}), slog.LevelInfo, at, "m", slog.Int("n", 2))
			})
			same(t, func(h slog.Handler) {
				handle(h.WithGroup("g").WithAttrs([]slog.Attr{{Key: "value", Value: v}}).WithGroup("h"), slog.LevelInfo, at, "m", slog.Attr{Key: "value", Value: v})
			})
		})
	}
	for _, text := range oddTexts() {
		same(t, func(h slog.Handler) { handle(h, slog.LevelInfo, at, text) })
		same(t, func(h slog.Handler) { handle(h, slog.LevelInfo, at, "m", slog.String(text, "v")) })
		if text != "" { // a group without a name is none
			same(t, func(h slog.Handler) { handle(h.WithGroup(text), slog.LevelInfo, at, "m", slog.Int("a", 1)) })
		}
	}
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelInfo + 1, slog.LevelWarn, slog.LevelError, slog.LevelError + 4} {
		same(t, func(h slog.Handler) { handle(h, level, at, "m") })
	}
	for name, at := range map[string]time.Time{"none": {}, "whole": at.Truncate(time.Second), "of a zone": at.In(time.FixedZone("", 3600)), "of a clock": time.Now()} {
		t.Run("time "+name, func(t *testing.T) {
			same(t, func(h slog.Handler) { handle(h, slog.LevelInfo, at, "m", slog.Int("a", 1)) })
		})
	}
}

func TestGroupsOfWith(t *testing.T) {
	one, two := []slog.Attr{slog.Int("one", 1)}, []slog.Attr{slog.Int("two", 2)}
	for name, with := range map[string]func(slog.Handler) slog.Handler{
		"an empty group":           func(h slog.Handler) slog.Handler { return h.WithGroup("g") },
		"two empty groups":         func(h slog.Handler) slog.Handler { return h.WithGroup("g").WithGroup("h") },
		"attributes":               func(h slog.Handler) slog.Handler { return h.WithAttrs(one).WithAttrs(two) },
		"no attributes":            func(h slog.Handler) slog.Handler { return h.WithAttrs(nil).WithAttrs([]slog.Attr{{}}) },
		"before and in a group":    func(h slog.Handler) slog.Handler { return h.WithAttrs(one).WithGroup("g").WithAttrs(two) },
		"of the outer group alone": func(h slog.Handler) slog.Handler { return h.WithGroup("g").WithAttrs(one).WithGroup("h") },
		"of both groups, in turn": func(h slog.Handler) slog.Handler {
			return h.WithGroup("g").WithAttrs(one).WithGroup("h").WithAttrs(two).WithAttrs(one)
		},
		"of the inner group alone":     func(h slog.Handler) slog.Handler { return h.WithGroup("g").WithGroup("h").WithAttrs(two) },
		"a group among the attributes": func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.Group("x", slog.Int("y", 1))}) },
	} {
		t.Run(name, func(t *testing.T) {
			same(t, func(h slog.Handler) { handle(with(h), slog.LevelInfo, time.Time{}, "m") })
			same(t, func(h slog.Handler) { handle(with(h), slog.LevelInfo, time.Time{}, "m", slog.Int("a", 1)) })
		})
	}
}

// TestWhereSlogWritesNoJSON: slog.JSONHandler of Go 1.26 forgets a comma after a group of empty attributes, and writes a year of five digits twice.
func TestWhereSlogWritesNoJSON(t *testing.T) {
	empty := slog.Group("x", slog.Group("y"), slog.Attr{})
	for name, c := range map[string]struct {
		tell func(slog.Handler)
		want string
	}{
		"a group of empty ones": {
			func(h slog.Handler) {
				handle(h, slog.LevelInfo, time.Time{}, "m", slog.Int("a", 1), empty, slog.Int("b", 2))
			},
			`{"level":"INFO","message":"m","a":1,"b":2}`,
		},
		"a group of empty ones of With": {
			func(h slog.Handler) {
				handle(h.WithAttrs([]slog.Attr{{}, empty, slog.Int("b", 2)}), slog.LevelInfo, time.Time{}, "m")
			},
			`{"level":"INFO","message":"m","b":2}`,
		},
		"a year of five digits": {
			func(h slog.Handler) {
				handle(h, slog.LevelInfo, time.Time{}, "m", slog.Time("at", time.Date(10026, 1, 2, 3, 4, 5, 0, time.UTC)))
			},
			`{"level":"INFO","message":"m","at":"10026-01-02T03:04:05Z"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c.tell(newHandler(&out, slog.LevelInfo))
			if got := out.String(); got != c.want+"\n" {
				t.Errorf("wrote %s, want %s", got, c.want)
			}
		})
	}
}

// TestAHandlerIsNotChangedByThoseMadeOfIt: two that were made of one share nothing that either writes to.
func TestAHandlerIsNotChangedByThoseMadeOfIt(t *testing.T) {
	same(t, func(h slog.Handler) {
		base := h.WithAttrs([]slog.Attr{slog.Int("base", 0)})
		a, b := base.WithAttrs([]slog.Attr{slog.String("of", "a")}), base.WithAttrs([]slog.Attr{slog.String("of", "b")})
		for _, h := range []slog.Handler{a, b, base} {
			handle(h, slog.LevelInfo, time.Time{}, "m")
		}
	})
	same(t, func(h slog.Handler) {
		base := h.WithGroup("g").WithAttrs([]slog.Attr{slog.Int("base", 0)})
		a, b := base.WithAttrs([]slog.Attr{slog.String("of", "a")}), base.WithAttrs([]slog.Attr{slog.String("of", "b")})
		for _, h := range []slog.Handler{a, b, base} {
			handle(h.WithGroup("h"), slog.LevelInfo, time.Time{}, "m", slog.Int("x", 1))
		}
	})
}

func TestTheHandlerKeepsThePromisesOfSlog(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return newHandler(&out, slog.LevelInfo)
	}, func(t *testing.T) map[string]any {
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		for ours, slogs := range map[string]string{"timestamp": slog.TimeKey, "message": slog.MessageKey} {
			if v, ok := line[ours]; ok {
				line[slogs] = v
				delete(line, ours)
			}
		}
		return line
	})
}

func TestLevelsBelowAreNotEnabled(t *testing.T) {
	h := newHandler(io.Discard, slog.LevelWarn)
	for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelWarn - 1: false, slog.LevelWarn: true, slog.LevelError: true} {
		if h.Enabled(t.Context(), level) != want || h.WithGroup("g").WithAttrs(nil).Enabled(t.Context(), level) != want {
			t.Errorf("level %v: enabled must be %v", level, want)
		}
	}
}

// TestLinesOfManyGoroutinesStayWhole: each line is one Write, and the room for one is never used for two at once.
func TestLinesOfManyGoroutinesStayWhole(t *testing.T) {
	var out bytes.Buffer
	h := newHandler(&lineWriter{w: &out}, slog.LevelInfo)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			text := strings.Repeat(string(rune('a'+worker)), 100*worker)
			for range 200 {
				handle(h, slog.LevelInfo, time.Time{}, "m", slog.String("text", text), slog.Int("length", len(text)))
			}
		})
	}
	wg.Wait()
	lines := 0
	for line := range bytes.Lines(out.Bytes()) {
		var got struct {
			Text   string
			Length int
		}
		if err := json.Unmarshal(line, &got); err != nil || len(got.Text) != got.Length || len(strings.Trim(got.Text, got.Text[:min(1, len(got.Text))])) > 0 {
			t.Fatalf("%v: %s", err, line)
		}
		lines++
	}
	if lines != 8*200 {
		t.Errorf("%d lines", lines)
	}
}

func FuzzTheLineOfATextIsThatOfSlog(f *testing.F) {
	for _, text := range oddTexts() {
		f.Add(text, "key", 1.5)
		f.Add("text", text, -1e-9)
	}
	f.Fuzz(func(t *testing.T, text, key string, number float64) {
		if key == slog.TimeKey || key == slog.MessageKey || key == "" { // names that the standard one would replace, and an attribute of no name
			return
		}
		attr := slog.String(key, text)
		same(t, func(h slog.Handler) {
			handle(h.WithAttrs([]slog.Attr{attr}).WithGroup(key).WithAttrs([]slog.Attr{attr}), slog.LevelInfo, time.Time{}, text, attr, slog.Float64("number", number), slog.Group(key, attr))
		})
	})
}
