package dynamostate_test

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// A good item, by the attributes that it needs to have a token and a failure.
func goodItem() map[string]string {
	return map[string]string{
		"schema": `{"N":"1"}`, "revision": `{"N":"4"}`, "parameter_version": `{"N":"7"}`,
		"issued_at": `{"S":"2026-01-02T03:04:05Z"}`, "renew_at": `{"S":"2026-01-02T15:04:05Z"}`, "expires_at": `{"S":"2026-01-03T03:04:05Z"}`,
		"failure": `{"M":{"class":{"S":"transient"},"first_at":{"S":"2026-01-02T03:04:05Z"},"last_at":{"S":"2026-01-02T03:04:05Z"}}}`,
	}
}

// edited is an item in a world of its own.
func edited(t *testing.T, item map[string]string) (*awstest.World, *dynamostate.Store) {
	t.Helper()
	w := new(awstest.World)
	raw := map[string]json.RawMessage{}
	for name, value := range item {
		raw[name] = json.RawMessage(value)
	}
	if err := w.PutItem("a/b", raw); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return start }
	return w, open(t, dynamostate.Config{Client: awstest.DirectStates{World: w}, Table: awstest.StateTable, Now: now})
}

// scanned is the only item, read by a scan and by a get.
func scanned(t *testing.T, s *dynamostate.Store) lifecycle.State {
	t.Helper()
	var all []lifecycle.State
	if err := s.Scan(t.Context(), func(page []lifecycle.State) { all = append(all, page...) }); err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	found, err := s.Get(t.Context(), []string{"a/b"})
	if err != nil || !reflect.DeepEqual(found["a/b"], all[0]) {
		t.Fatalf("%v, %v; a scan gave %v", found, err, all[0])
	}
	return all[0]
}

func TestAnEditedItemIsReadAsFarAsItCanBeReadAndClaimed(t *testing.T) {
	type kept struct{ token, failure, lease bool }
	for sentence, tt := range map[string]struct {
		name, value string
		kept        kept
	}{
		"as the program writes it":                    {"", "", kept{true, true, false}},
		"an attribute of somebody else":               {"note", `{"S":"ask Maria"}`, kept{true, true, false}},
		"an instant that is none":                     {"expires_at", `{"S":"tomorrow"}`, kept{false, true, false}},
		"an instant as a number":                      {"expires_at", `{"N":"1767409445"}`, kept{false, true, false}},
		"an instant with a fraction and another zone": {"expires_at", `{"S":"2026-01-03T03:04:05.9-03:00"}`, kept{true, true, false}},
		"an instant after the year 2999":              {"expires_at", `{"S":"3000-01-01T00:00:00Z"}`, kept{false, true, false}},
		"an instant before the year 1990":             {"issued_at", `{"S":"1989-12-31T23:59:59Z"}`, kept{false, true, false}},
		"an expiry that is not after the issue":       {"expires_at", `{"S":"2026-01-02T03:04:05Z"}`, kept{false, true, false}},
		"no renewal":                                  {"renew_at", `{"NULL":true}`, kept{false, true, false}},
		"a version of the parameter below 1":          {"parameter_version", `{"N":"0"}`, kept{false, true, false}},
		"a version that is no whole number":           {"parameter_version", `{"N":"7.5"}`, kept{false, true, false}},
		"a version that is binary":                    {"parameter_version", `{"B":"AAAA"}`, kept{false, true, false}},
		"a failure that is a text":                    {"failure", `{"S":"broken"}`, kept{true, false, false}},
		"a failure without instants":                  {"failure", `{"M":{"class":{"S":"transient"}}}`, kept{true, false, false}},
		"a deletion in the year 50000":                {"delete_at", `{"N":"1515659472000"}`, kept{true, true, false}},
		"notices that are numbers":                    {"told", `{"M":{"scope_unverified":{"N":"1"}}}`, kept{true, true, false}},
		"a revision that is a text":                   {"revision", `{"S":"four"}`, kept{true, true, false}},
		"a revision of 0":                             {"revision", `{"N":"0"}`, kept{true, true, false}},
		"a revision below 0":                          {"revision", `{"N":"-4"}`, kept{true, true, false}},
		"a lease that is a text":                      {"lease", `{"S":"mine"}`, kept{true, true, false}},
		"a lease without an end":                      {"lease", `{"M":{"owner":{"S":"run-1"}}}`, kept{true, true, false}},
		"a lease whose end is a text":                 {"lease", `{"M":{"until":{"S":"2027-01-01T00:00:00Z"}}}`, kept{true, true, false}},
		"a lease that ends in the year 50000":         {"lease", `{"M":{"owner":{"S":"run-1"},"until":{"N":"1515659472000"}}}`, kept{true, true, false}},
		"a lease that is over":                        {"lease", `{"M":{"owner":{"S":"run-1"},"until":{"N":"1767312000"}}}`, kept{true, true, true}},
	} {
		t.Run(sentence, func(t *testing.T) {
			item := goodItem()
			if tt.name != "" {
				item[tt.name] = tt.value
			}
			_, s := edited(t, item)
			got := scanned(t, s)
			if is := (kept{got.Token != nil, got.Failure != nil, got.Lease != nil}); is != tt.kept {
				t.Errorf("got token, failure and lease %v, want %v: %+v", is, tt.kept, got)
			}
			leased, err := s.Claim(t.Context(), got, lifecycle.Owner{ID: "run-2", HardEnd: start.Add(time.Minute)})
			if err != nil || leased.Revision != got.Revision+1 {
				t.Fatalf("the item cannot be claimed: %v, %+v", err, leased)
			}
			if err := s.Commit(t.Context(), leased); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnItemWithoutARevisionCanBeClaimedUpdatedAndDeleted(t *testing.T) {
	none := map[string]string{"note": `{"S":"ask Maria"}`}
	_, s := edited(t, none)
	if _, err := s.Claim(t.Context(), scanned(t, s), lifecycle.Owner{ID: "run-1", HardEnd: start}); err != nil {
		t.Error(err)
	}
	_, s = edited(t, none)
	if _, err := s.Update(t.Context(), scanned(t, s)); err != nil {
		t.Error(err)
	}
	w, s := edited(t, none)
	if err := s.Delete(t.Context(), scanned(t, s)); err != nil || len(w.ItemKeys()) != 0 {
		t.Errorf("%v, left: %v", err, w.ItemKeys())
	}
}

func TestAnItemWithALiveLeaseWithoutAnOwnerIsLeased(t *testing.T) {
	item := goodItem()
	item["lease"] = `{"M":{"until":{"N":"1767326400"}}}` // 2026-01-02T04:00:00Z
	_, s := edited(t, item)
	got := scanned(t, s)
	if !got.Leased(start) {
		t.Errorf("%+v", got)
	}
	if _, err := s.Claim(t.Context(), got, lifecycle.Owner{ID: "run-1", HardEnd: start}); !errors.Is(err, store.ErrInFlight) {
		t.Errorf("got %v, want %v", err, store.ErrInFlight)
	}
}

func TestAnItemOfANewerSchemaIsLeftAlone(t *testing.T) {
	item := goodItem()
	item["schema"] = `{"N":"2"}`
	w, s := edited(t, item)
	got := scanned(t, s)
	if want := (lifecycle.State{ID: "a/b", Revision: 4, Newer: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.ResetCalls()
	_, claim := s.Claim(t.Context(), got, lifecycle.Owner{ID: "run-1", HardEnd: start})
	_, update := s.Update(t.Context(), got)
	for _, err := range []error{claim, update, s.Delete(t.Context(), got)} {
		if !errors.Is(err, store.ErrNewer) {
			t.Errorf("got %v, want %v", err, store.ErrNewer)
		}
	}
	if calls := w.Calls(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestACommitLeavesAttributesOfSomebodyElseAlone(t *testing.T) {
	item := goodItem()
	item["note"] = `{"S":"ask Maria"}`
	w, s := edited(t, item)
	leased, err := s.Claim(t.Context(), scanned(t, s), lifecycle.Owner{ID: "run-1", HardEnd: start})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second is what the SDK does after a lost response
		if err := s.Commit(t.Context(), leased); err != nil {
			t.Error(err)
		}
	}
	if stored, _ := w.Item("a/b"); awstest.Text(stored["note"]) != "ask Maria" || awstest.Text(stored["revision"]) != "6" {
		t.Errorf("stored: %s", stored)
	}
}

func TestAnItemHasOnlyTheAttributesOfTheContract(t *testing.T) {
	w := new(awstest.World)
	b := newBench(t, server{direct: awstest.DirectStates{World: w}, world: w, table: awstest.StateTable}, "a/b")
	b.claim(b.write(b.full()), "run-1")
	stored, _ := w.Item("a/b")
	want := map[string]string{
		"connection": "S", "schema": "N", "revision": "N", "current": "S", "changed_at": "S", "paused": "BOOL", "configuration": "S", "notice": "S",
		"delete_at": "N", "provider": "S", "endpoint": "S", "issued_at": "S", "expires_at": "S", "renew_at": "S", "scope": "S", "jti": "S",
		"account": "S", "account_id": "S", "token_id": "S", "shape": "S", "credential": "S", "stage": "S", "since": "S", "parameter_version": "N",
		"failure": "M", "lease": "M", "told": "M",
	}
	got := map[string]string{}
	for name, raw := range stored {
		var v map[string]json.RawMessage
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		for kind := range v {
			got[name] = kind
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if lease := string(stored["lease"]); lease != `{"M":{"owner":{"S":"run-1"},"since":{"S":"2026-01-02T03:04:05Z"},"until":{"N":"1767323291"}}}` {
		t.Errorf("lease %s", lease)
	}
	if at := awstest.Text(stored["issued_at"]); at != "2026-01-02T03:04:05Z" {
		t.Errorf("issued_at %s", at)
	}
}

// FuzzItem reads an item that anybody may have written, and writes it back.
func FuzzItem(f *testing.F) {
	good, err := json.Marshal(map[string]any{
		"schema": map[string]string{"N": "1"}, "revision": map[string]string{"N": "4"}, "parameter_version": map[string]string{"N": "7"},
		"issued_at": map[string]string{"S": "2026-01-02T03:04:05Z"}, "renew_at": map[string]string{"S": "2026-01-02T15:04:05Z"},
		"expires_at": map[string]string{"S": "2026-01-03T03:04:05Z"}, "delete_at": map[string]string{"N": "1767409445"},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, seed := range []string{
		`{}`, `{"revision":{"N":"1e30"}}`, `{"lease":{"M":{"until":{"N":"-1"}}}}`, `{"told":{"M":{"":{"S":"x"}}}}`, `{"delete_at":{"N":"0.5"}}`,
		`{"failure":{"M":{"class":{"S":"transient"},"first_at":{"S":"2026-01-02T03:04:05Z"},` +
			`"last_at":{"S":"2026-01-02T03:04:05+14:00"},"rejected_standbys":{"L":[{"S":""},{"N":"1"}]}}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var attributes map[string]json.RawMessage
		if json.Unmarshal(text, &attributes) != nil {
			t.Skip("no item")
		}
		delete(attributes, "connection")
		w := new(awstest.World)
		if w.PutItem("a/b", attributes) != nil {
			t.Skip("DynamoDB would not store it")
		}
		s := open(t, dynamostate.Config{Client: awstest.DirectStates{World: w}, Table: awstest.StateTable, Now: func() time.Time { return start }})
		got := scanned(t, s)
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("it has an instant that cannot be written: %v", err)
		}
		if got.Newer || got.Leased(start.Add(time.Second)) {
			return
		}
		written, err := s.Update(t.Context(), got)
		if errors.Is(err, store.ErrInFlight) && got.Revision == 0 {
			return // the revision is a number of at least 1 that is not whole, or too large
		}
		if err != nil {
			t.Fatal(err)
		}
		if is := scanned(t, s); !reflect.DeepEqual(is, written) {
			t.Errorf("written %+v\nread    %+v", written, is)
		}
	})
}
