package event_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/event"
)

func TestWhatAScheduleSendsHasNoFields(t *testing.T) {
	for _, raw := range []string{"", " ", "null", "{}", `{"source":"aws.scheduler","detail-type":"Scheduled Event","detail":{},"connections":["a/b"]}`} {
		if fields, err := event.Read([]byte(raw)); len(fields) != 0 || err != nil {
			t.Errorf("%q: %v, %v", raw, fields, err)
		}
	}
	if fields, err := event.Read([]byte(`{"source":1,"detail-type":"x"}`)); len(fields) != 2 || err != nil {
		t.Errorf("%v, %v", fields, err)
	}
	for _, raw := range []string{"[]", `"x"`, "7", "{", `{"a":}`} {
		if _, err := event.Read([]byte(raw)); err == nil || !strings.HasPrefix(err.Error(), "event: ") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestTheFirstFaultNamesItsField(t *testing.T) {
	fields, err := event.Read([]byte(`{"b":1,"a":2,"c":3}`))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	err = fields.Each(func(name string, _ json.RawMessage) error {
		seen = append(seen, name)
		if name == "b" {
			return errors.New("is wrong")
		}
		return nil
	})
	if err == nil || err.Error() != `event: field "b": is wrong` || !slices.Equal(seen, []string{"a", "b"}) {
		t.Errorf("%v, seen %v", err, seen)
	}
}

func TestUnknownNamesWhatMayBeMeant(t *testing.T) {
	for name, want := range map[string]string{
		"connection": `did you mean "connections"?`, "Dry-Run": `did you mean "dry_run"?`, "colour": "known are connections, dry_run",
	} {
		if got := event.Unknown(name, "connections", "dry_run").Error(); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestNames(t *testing.T) {
	got, err := event.Names(json.RawMessage(`["a/b","c","a/b"]`), "do all")
	if err != nil || !slices.Equal(got, []string{"a/b", "c"}) {
		t.Errorf("%v, %v", got, err)
	}
	for raw, want := range map[string]string{`[]`: "leave the field out to do all", `[" "]`: "empty name", `"a"`: "must be a list", `null`: "must be a list", `[1]`: "must be a list"} {
		if _, err := event.Names(json.RawMessage(raw), "do all"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
