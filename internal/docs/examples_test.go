package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// TestJSONExamplesAreUnderstood: each block is read by what it is marked as, and one without a reader of its own must be valid JSON.
func TestJSONExamplesAreUnderstood(t *testing.T) {
	readers := map[string]func(text string) error{
		"":           parseConnection(t), // docs/providers has no other
		"connection": parseConnection(t),
		"result":     strictly[refresh.Result],
		"plan":       strictly[[]refresh.Planned],
		"health":     strictly[probe.Report],
		"line":       func(text string) error { return checkLine(events(t, "refresher"), []byte(text)) },
	}
	seen := map[string]bool{}
	for _, name := range pages(t) {
		for _, f := range readPage(t, name).fences {
			language, kind, _ := strings.Cut(f.info, " ")
			if language != "json" {
				continue
			}
			seen[kind] = true
			reader, ok := readers[kind]
			if !ok {
				reader = strictly[any]
			}
			if err := reader(f.text); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, f.text)
			}
		}
	}
	for kind := range readers {
		if !seen[kind] {
			t.Errorf("no example is marked %q", kind)
		}
	}
}

// parseConnection reads a connection document whose "…" stand for credentials.
func parseConnection(t *testing.T) func(string) error {
	t.Helper()
	catalogue, err := provider.Load()
	must(t, err)
	return func(text string) error {
		for n := 0; strings.Contains(text, `"…"`); n++ { // each its own: an id and a secret that are equal are an error
			text = strings.Replace(text, `"…"`, fmt.Sprintf(`"3f1c7d5%d"`, n), 1)
		}
		_, err := connection.Parse("a/b", oauth.NewSecret(text), catalogue, connection.Options{})
		return err
	}
}

func strictly[T any](text string) error {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	return dec.Decode(new(T))
}

// TestEventsInPagesAreAccepted: code spans that are JSON objects with a field of an event.
func TestEventsInPagesAreAccepted(t *testing.T) {
	found := 0
	for _, names := range translations {
		for _, s := range slices.Concat(readPage(t, names[0]).sections, readPage(t, names[1]).sections) {
			for _, span := range s.code() {
				if !strings.HasPrefix(span, `{"connections"`) && !strings.HasPrefix(span, `{"dry_run"`) && !strings.HasPrefix(span, `{"force"`) {
					continue
				}
				found++
				_, err := refresh.ParseCall([]byte(span))
				if _, health := probe.ParseCall([]byte(span)); err != nil && health != nil {
					t.Errorf("%s: %s: %v", names[0], span, err)
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("found only %d events", found)
	}
}
