// Package event reads what people and schedules invoke the functions with: a JSON object whose every fault is told by the name of its field
// (contract.md sections 4 and 7).
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Fields are the fields of an event made by hand, undecoded.
type Fields map[string]json.RawMessage

// Read splits an event into its fields. It returns none for what a schedule sends: nothing, null, {}, or an EventBridge object, which is
// known by its texts source and detail-type.
func Read(raw []byte) (Fields, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, errors.New("event: must be a JSON object, null, or an EventBridge event")
	}
	var fields Fields
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, errors.New("event: is not valid JSON")
	}
	if isText(fields["source"]) && isText(fields["detail-type"]) {
		return nil, nil
	}
	return fields, nil
}

func isText(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '"' }

// Each calls take for every field in alphabetical order, and names the field of the first error. A field that take does not know it
// answers with [Unknown].
func (f Fields) Each(take func(name string, raw json.RawMessage) error) error {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if err := take(name, f[name]); err != nil {
			return fmt.Errorf("event: field %q: %w", clip(name), err)
		}
	}
	return nil
}

// Unknown is the error for a field that is none of the known ones, with the one that may be meant.
func Unknown(name string, known ...string) error {
	fold := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	for _, candidate := range known {
		k := strings.ReplaceAll(candidate, "_", "")
		if fold == k || fold+"s" == k || strings.HasPrefix(k, fold) && len(fold) > 3 || strings.HasPrefix(fold, k) {
			return fmt.Errorf("is unknown; did you mean %q?", candidate)
		}
	}
	return fmt.Errorf("is unknown; known are %s", strings.Join(known, ", "))
}

// Names reads the field connections: a list of non-empty texts, each of which is kept once. without says what leaving it out means.
func Names(raw json.RawMessage, without string) ([]string, error) {
	const want = `a list of connection names, like ["hotmart/loja-a"]`
	var names []string
	if err := Strict(raw, &names, want); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("must not be empty: leave the field out to " + without)
	}
	var unique []string
	for _, n := range names {
		if strings.TrimSpace(n) == "" {
			return nil, errors.New("holds an empty name")
		}
		if !slices.Contains(unique, n) {
			unique = append(unique, n)
		}
	}
	return unique, nil
}

// Strict decodes one value of exactly the type of into: null and values of other types are refused with what was wanted.
func Strict(raw json.RawMessage, into any, want string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if string(raw) == "null" || dec.Decode(into) != nil {
		return errors.New("must be " + want)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("must be " + want)
	}
	return nil
}

// clip keeps a name that came from outside short enough for an error.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
