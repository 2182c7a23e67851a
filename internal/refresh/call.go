package refresh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Call is what the function is asked to do. The zero Call is a sweep over all connections.
type Call struct {
	Connections     []string // nil: all
	Force           bool     // renew whatever their state; never against a Retry-After
	RejectedVersion int64    // a consumer's parameter version that the provider's API refused; 0 when none
	DryRun          bool     // plan only
}

// eventFields are the fields of an event made by hand, for the message about one that is not among them.
var eventFields = [...]string{"connections", "force", "dry_run", "rejected_version"}

// ParseCall reads a Lambda event (contract.md section 4): null, {}, an EventBridge object, or an object made by hand. Every error names the
// field.
func ParseCall(raw []byte) (Call, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return Call{}, nil
	}
	if raw[0] != '{' {
		return Call{}, errors.New("event: must be a JSON object, null, or an EventBridge event")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return Call{}, errors.New("event: is not valid JSON")
	}
	if isText(fields["source"]) && isText(fields["detail-type"]) {
		return Call{}, nil
	}
	return parseFields(fields)
}

func isText(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '"' }

func parseFields(fields map[string]json.RawMessage) (Call, error) {
	var ev Call
	for _, name := range sortedKeys(fields) {
		var err error
		switch raw := fields[name]; name {
		case "connections":
			ev.Connections, err = parseNames(raw)
		case "force":
			err = strict(raw, &ev.Force, "true or false")
		case "dry_run":
			err = strict(raw, &ev.DryRun, "true or false")
		case "rejected_version":
			err = strict(raw, &ev.RejectedVersion, "a whole number from 1, the version that the consumer read")
			if err == nil && ev.RejectedVersion < 1 {
				err = errors.New("must be a whole number from 1, the version that the consumer read")
			}
		default:
			err = unknownField(name)
		}
		if err != nil {
			return Call{}, fmt.Errorf("event: field %q: %w", clip(name), err)
		}
	}
	if _, given := fields["force"]; given && ev.Connections == nil {
		return Call{}, errors.New(`event: field "force": needs "connections": name what is to be renewed`)
	}
	return ev, ev.check()
}

func (ev Call) check() error {
	switch {
	case ev.RejectedVersion != 0 && len(ev.Connections) != 1:
		return errors.New(`event: field "rejected_version": needs "connections" with exactly one name`)
	case ev.RejectedVersion != 0 && ev.Force:
		return errors.New(`event: field "rejected_version": cannot stand beside "force": leave one of them out`)
	}
	return nil
}

// parseNames accepts a list of non-empty texts without repetition.
func parseNames(raw json.RawMessage) ([]string, error) {
	const want = `a list of connection names, like ["hotmart/loja-a"]`
	var names []string
	if err := strict(raw, &names, want); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("must not be empty: leave the field out to renew all that is due")
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

// strict decodes one value of exactly the type of into: null and values of other types are refused.
func strict(raw json.RawMessage, into any, want string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if string(raw) == "null" || dec.Decode(into) != nil {
		return errors.New("must be " + want)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("must be " + want)
	}
	return nil
}

func unknownField(name string) error {
	fold := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	for _, known := range eventFields {
		k := strings.ReplaceAll(known, "_", "")
		if fold == k || fold+"s" == k || strings.HasPrefix(k, fold) && len(fold) > 3 || strings.HasPrefix(fold, k) {
			return fmt.Errorf("is unknown; did you mean %q?", known)
		}
	}
	return fmt.Errorf("is unknown; known are %s", strings.Join(eventFields[:], ", "))
}

// clip keeps a name that came from outside short enough for an error.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
