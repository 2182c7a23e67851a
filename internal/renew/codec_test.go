package renew

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func plainRecord() Record {
	return Record{
		V: 1, Provider: "kiwify", Endpoint: "public-api.kiwify.com",
		IssuedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ExpiresAt: time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC), RenewAt: time.Date(2026, 1, 2, 13, 0, 2, 0, time.UTC),
		Scope: "stats products", JTI: "7f", StoreID: "store-1", TokenID: "0123456789abcdef", Shape: "89abcdef",
		Credential: "11111111", Stage: "AWSCURRENT", Current: "22222222", Since: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC), Seq: 8,
	}
}

// records are plain ones, and ones that are not.
func records() map[string]Record {
	all := map[string]Record{"plain": plainRecord(), "zero": {}}
	change := func(name string, f func(*Record)) {
		r := plainRecord()
		f(&r)
		all[name] = r
	}
	for _, text := range []string{"", " ", "~", "<a&b>", `"`, `\`, "\x00", "\t", "\x7f", "ã", "\u2028", "\xff", "{", "}", ",", `","seq":9,"x":"`, strings.Repeat("s", 2000)} {
		change("scope "+text, func(r *Record) { r.Scope = text })
		change("jti "+text, func(r *Record) { r.JTI = text })
		change("stage "+text, func(r *Record) { r.Stage = text })
		change("provider "+text, func(r *Record) { r.Provider = text })
	}
	zones := map[string]*time.Location{"UTC": time.UTC, "UTC by another name": time.FixedZone("", 0), "BRT": time.FixedZone("BRT", -3*60*60), "of seconds": time.FixedZone("odd", 61), "too far": time.FixedZone("far", 25*60*60)}
	for name, zone := range zones {
		change("issued in "+name, func(r *Record) { r.IssuedAt = r.IssuedAt.In(zone) })
		change("since in "+name, func(r *Record) { r.Since = r.Since.In(zone) })
	}
	for _, year := range []int{-1, 0, 1, 9999, 10000} {
		change("year", func(r *Record) { r.ExpiresAt = time.Date(year, 1, 2, 3, 4, 5, 0, time.UTC) })
	}
	change("nanoseconds", func(r *Record) { r.RenewAt = r.RenewAt.Add(1) })
	change("tenths", func(r *Record) { r.RenewAt = r.RenewAt.Add(100 * time.Millisecond) })
	change("no instants", func(r *Record) {
		r.IssuedAt, r.ExpiresAt, r.RenewAt, r.Since = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	})
	change("a hashed scope", func(r *Record) { r.Scope, r.ScopeSHA256 = "", strings.Repeat("0a", 32) })
	change("the largest number", func(r *Record) { r.Seq = math.MaxInt64 })
	change("the smallest number", func(r *Record) { r.Seq = math.MinInt64 })
	change("a version of others", func(r *Record) { r.V = -7 })
	return all
}

func TestARecordIsWrittenAsEncodingJSONWritesIt(t *testing.T) {
	plain := 0
	for name, r := range records() {
		got, ok := r.appendPlain(nil)
		if !ok {
			continue
		}
		plain++
		if want := encode(r); string(got) != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
	if all := len(records()); plain < 20 || plain > all-20 {
		t.Errorf("%d of %d records are plain", plain, all)
	}
}

func TestWhatASweepReadsAndWritesIsPlain(t *testing.T) {
	r := plainRecord()
	text := r.Encode()
	if _, ok := r.appendPlain(nil); !ok || !new(Record).readPlain(text) {
		t.Errorf("plain as written: %v, as read: %v: every token would cost the reflection", ok, new(Record).readPlain(text))
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseRecord(text) }); n > 2 {
		t.Errorf("%v pieces of memory to read a record", n)
	}
}

// sameAsJSON compares readPlain with encoding/json.
func sameAsJSON(t *testing.T, text string) {
	t.Helper()
	var got, want Record
	if !got.readPlain(text) {
		return // encoding/json decides
	}
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatalf("%q was read, encoding/json says %v", text, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\n%+v\nencoding/json:\n%+v", text, got, want)
	}
}

func TestARecordIsReadAsEncodingJSONReadsIt(t *testing.T) {
	for _, r := range records() {
		sameAsJSON(t, encode(r))
	}
	r := plainRecord()
	whole := encode(r)
	for i := range len(whole) { // cut off, and with each character another
		sameAsJSON(t, whole[:i])
		for _, c := range `"\,:{}[]0-9.eEtZ+ x` + "\x00\x7f\xff" {
			sameAsJSON(t, whole[:i]+string(c)+whole[i:])
			sameAsJSON(t, whole[:i]+string(c)+whole[i+1:])
		}
		sameAsJSON(t, whole[:i]+whole[i+1:])
	}
	if new(Record).readPlain(whole+" ") || new(Record).readPlain(whole[:len(whole)-1]) {
		t.Error("something before or behind the record was not seen")
	}
}

func FuzzReadPlain(f *testing.F) {
	for _, r := range records() {
		f.Add(encode(r))
	}
	f.Fuzz(func(t *testing.T, text string) {
		sameAsJSON(t, text)
		var want Record
		got, err := ParseRecord(text)
		if jsonErr := decode(text, &want, func() int { return want.V }); jsonErr != nil && err == nil {
			t.Fatalf("%q was read, encoding/json says %v", text, jsonErr)
		} else if err == nil && !reflect.DeepEqual(*got, want) {
			t.Fatalf("%q:\n%+v\nencoding/json:\n%+v", text, *got, want)
		}
	})
}
