package refresh

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func TestAnEmptyResultHasListsNotNulls(t *testing.T) {
	var r Result
	r.finish()
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"connections":0,"counts":{"refreshed":0,"fresh":0,"reused":0,"failed":0,"deferred":0,"orphaned":0,"paused":0},` +
		`"refreshed":[],"fresh":[],"reused":[],"failed":[],"deferred":[],"orphaned":[],"capacity":{"needed":0,"allowed":0}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAResultHasTheContractsShape(t *testing.T) {
	at := resultStart()
	r := Result{
		Connections: 7,
		Refreshed:   []Refreshed{{"hotmart/loja-a", at, "AWSCURRENT", 8}},
		Fresh:       []Kept{{"kiwify/main", at, "fresh until 2026-01-02T03:04:05Z"}},
		Reused:      []Kept{{"hotmart/loja-b", at, "reused"}},
		Failed: []Failed{{Connection: "a", Class: "credentials", Code: "invalid_client", Message: "no", NextAt: at, TokenExpiresAt: at},
			{Connection: "b", Class: "configuration", Code: "unknown_connection", Message: "no"}},
		Deferred: []Deferred{{"c", "run_ended"}},
		Orphaned: []string{"d"},
		Capacity: Capacity{0.02, 3},
		Plan:     []Planned{{"e", "refresh", "due", at}, {"f", "refresh", "missing", time.Time{}}},
	}
	r.Counts.Paused = 1
	r.finish()
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const stamp = `"2026-01-02T03:04:05Z"`
	const want = `{"connections":7,"counts":{"refreshed":1,"fresh":1,"reused":1,"failed":2,"deferred":1,"orphaned":1,"paused":1},` +
		`"refreshed":[{"connection":"hotmart/loja-a","expires_at":` + stamp + `,"stage":"AWSCURRENT","version":8}],` +
		`"fresh":[{"connection":"kiwify/main","expires_at":` + stamp + `,"reason":"fresh until 2026-01-02T03:04:05Z"}],` +
		`"reused":[{"connection":"hotmart/loja-b","expires_at":` + stamp + `,"reason":"reused"}],` +
		`"failed":[{"connection":"b","class":"configuration","code":"unknown_connection","message":"no"},` +
		`{"connection":"a","class":"credentials","code":"invalid_client","message":"no","next_at":` + stamp + `,"token_expires_at":` + stamp + `}],` +
		`"deferred":[{"connection":"c","reason":"run_ended"}],"orphaned":["d"],"capacity":{"needed":0.02,"allowed":3},` +
		`"plan":[{"connection":"e","action":"refresh","reason":"due","renew_at":` + stamp + `},{"connection":"f","action":"refresh","reason":"missing"}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestADryRunOverNothingHasAnEmptyPlan(t *testing.T) {
	r := Result{Plan: []Planned{}}
	r.finish()
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]json.RawMessage
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	if string(back["plan"]) != "[]" {
		t.Errorf("plan is %s in %s", back["plan"], got)
	}
}

func TestListsAreCutToTheMostUrgentHundredAndCountsAreComplete(t *testing.T) {
	for name, n := range map[string]int{"one less": 99, "exactly": 100, "one more": 101, "many": 10_000} {
		t.Run(name, func(t *testing.T) {
			r := Result{Plan: []Planned{}}
			for i := n - 1; i >= 0; i-- { // the most urgent last
				id, at := fmt.Sprintf("tenant-%05d", i), resultStart().Add(time.Duration(i)*time.Second)
				r.Refreshed = append(r.Refreshed, Refreshed{Connection: id, ExpiresAt: at})
				r.Fresh = append(r.Fresh, Kept{Connection: id, ExpiresAt: at})
				r.Reused = append(r.Reused, Kept{Connection: id, ExpiresAt: at})
				r.Failed = append(r.Failed, Failed{Connection: id, TokenExpiresAt: at})
				r.Orphaned = append(r.Orphaned, id)
			}
			for i := range n { // these come in the order of the run
				id := fmt.Sprintf("tenant-%05d", i)
				r.Deferred = append(r.Deferred, Deferred{Connection: id})
				r.Plan = append(r.Plan, Planned{Connection: id})
			}
			r.finish()
			if want := (Counts{Refreshed: n, Fresh: n, Reused: n, Failed: n, Deferred: n, Orphaned: n}); r.Counts != want {
				t.Errorf("counts %+v, want %+v", r.Counts, want)
			}
			kept := min(n, 100)
			last := fmt.Sprintf("tenant-%05d", kept-1)
			for list, got := range map[string]struct {
				length      int
				first, last string
			}{
				"refreshed": {len(r.Refreshed), r.Refreshed[0].Connection, r.Refreshed[kept-1].Connection},
				"fresh":     {len(r.Fresh), r.Fresh[0].Connection, r.Fresh[kept-1].Connection},
				"reused":    {len(r.Reused), r.Reused[0].Connection, r.Reused[kept-1].Connection},
				"failed":    {len(r.Failed), r.Failed[0].Connection, r.Failed[kept-1].Connection},
				"deferred":  {len(r.Deferred), r.Deferred[0].Connection, r.Deferred[kept-1].Connection},
				"orphaned":  {len(r.Orphaned), r.Orphaned[0], r.Orphaned[kept-1]},
				"plan":      {len(r.Plan), r.Plan[0].Connection, r.Plan[kept-1].Connection},
			} {
				if got.length != kept || got.first != "tenant-00000" || got.last != last {
					t.Errorf("%s: %d entries from %s to %s, want %d to %s", list, got.length, got.first, got.last, kept, last)
				}
			}
		})
	}
}

func TestThoseWithoutALiveTokenAreTheMostUrgentFailures(t *testing.T) {
	r := Result{Failed: []Failed{{Connection: "lives", TokenExpiresAt: resultStart()}, {Connection: "b-dead"}, {Connection: "a-dead"}}}
	r.finish()
	if r.Failed[0].Connection != "a-dead" || r.Failed[1].Connection != "b-dead" || r.Failed[2].Connection != "lives" {
		t.Errorf("order %+v", r.Failed)
	}
}

func resultStart() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
