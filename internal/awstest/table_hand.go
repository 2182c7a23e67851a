package awstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Item returns a copy of an item of the state table as AWS JSON writes its attributes, and whether it exists.
func (w *World) Item(key string) (map[string]json.RawMessage, bool) {
	defer w.lock()()
	found, ok := w.table.items[key]
	if !ok {
		return nil, false
	}
	out := make(map[string]json.RawMessage, len(found))
	for name, v := range found {
		out[name] = encode(v)
	}
	return out, true
}

// PutItem writes an item by hand: attributes as AWS JSON, without the key. What DynamoDB would refuse is an error.
func (w *World) PutItem(key string, attributes map[string]json.RawMessage) error {
	next := item{StateKey: attribute{S: &key}}
	for name, raw := range attributes {
		var v attribute
		if err := decodeStrictly(raw, &v); err != nil {
			return fmt.Errorf("put item %q: attribute %q: %w", key, name, err)
		}
		next[name] = v
	}
	bad := checkKey(item{StateKey: next[StateKey]})
	if bad == nil {
		next, bad = next.checked()
	}
	if bad != nil {
		return bad.asError("put item", key)
	}
	if next.size() > maxItem {
		return errors.New("put item: the item has more than 400 kB")
	}
	defer w.lock()()
	w.table.put(key, next)
	return nil
}

// DropItem removes an item, or with an empty key all of them: the table is lost.
func (w *World) DropItem(key string) {
	defer w.lock()()
	if key == "" {
		w.table = table{}
		return
	}
	w.table.remove(key)
}

// ItemKeys returns the keys of all items, sorted.
func (w *World) ItemKeys() []string {
	defer w.lock()()
	return slices.Sorted(maps.Keys(w.table.items))
}

// Text is the text of a string, number or boolean attribute, "" for anything else: for assertions.
func Text(raw json.RawMessage) string {
	var v attribute
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	switch {
	case v.S != nil:
		return *v.S
	case v.N != nil:
		return *v.N
	case v.BOOL != nil:
		return strconv.FormatBool(*v.BOOL)
	}
	return ""
}
