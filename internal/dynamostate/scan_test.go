package dynamostate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// large is a world whose table has so many items of 300 kB, four to a page of a scan.
func large(t *testing.T, items int) *awstest.World {
	t.Helper()
	w := new(awstest.World)
	padding := fmt.Appendf(nil, `{"S":"%s"}`, strings.Repeat("x", 300<<10))
	for i := range items {
		if err := w.PutItem(fmt.Sprint("tenant-", i), map[string]json.RawMessage{"padding": padding}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// scan counts how often each item comes. It fails the test if page is called concurrently.
func scan(ctx context.Context, t *testing.T, s *dynamostate.Store) (map[string]int, error) {
	t.Helper()
	seen := map[string]int{}
	busy := make(chan struct{}, 1)
	err := s.Scan(ctx, func(states []lifecycle.State) {
		select {
		case busy <- struct{}{}:
		default:
			t.Error("page was called while it was running")
		}
		for _, state := range states {
			seen[state.ID]++
		}
		<-busy
	})
	return seen, err
}

func TestScan(t *testing.T) {
	for sentence, tt := range map[string]struct{ items, calls int }{
		"an empty table costs one call":                                                   {0, 1},
		"a short table is read page by page":                                              {41, 11},
		"a table of 13 full pages is not long":                                            {51, 13},
		"the pages of a long table begin again in four segments, and no item comes twice": {80, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := large(t, tt.items)
			seen, err := scan(t.Context(), t, open(t, dynamostate.Config{Client: awstest.DirectStates{World: w}, Table: awstest.StateTable}))
			if err != nil || len(seen) != tt.items {
				t.Fatalf("%d of %d items, %v", len(seen), tt.items, err)
			}
			for id, times := range seen {
				if times != 1 {
					t.Errorf("%s came %d times", id, times)
				}
			}
			switch calls := w.Count(awstest.Scan).Calls; {
			case tt.calls > 0 && calls != tt.calls:
				t.Errorf("%d calls, want %d", calls, tt.calls)
			case tt.calls == 0 && (calls < 13+20 || calls > 13+24): // each segment may end with a part of a page
				t.Errorf("%d calls", calls)
			}
		})
	}
}

func TestOneBrokenSegmentEndsTheScan(t *testing.T) {
	w := large(t, 80)
	w.Inject(awstest.Fault{Op: awstest.Scan, Effect: awstest.InternalError, Skip: 14, Times: 1})
	_, err := scan(t.Context(), t, open(t, dynamostate.Config{Client: awstest.DirectStates{World: w}, Table: awstest.StateTable}))
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, store.ErrUnavailable)
	}
}

// bubble runs a test in virtual time, over the SDK's client.
func bubble(t *testing.T, test func(t *testing.T, w *awstest.World, s *dynamostate.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := new(awstest.World)
		for i := range 5 {
			if err := w.PutItem(fmt.Sprint("tenant-", i), nil); err != nil {
				t.Fatal(err)
			}
		}
		test(t, w, open(t, dynamostate.Config{Client: w.DynamoDB(), Table: awstest.StateTable}))
	})
}

var five = []string{"tenant-0", "tenant-1", "tenant-2", "tenant-3", "tenant-4"}

func TestGetRequestsUnprocessedKeysAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *awstest.World, s *dynamostate.Store) {
		w.Inject(awstest.Fault{Op: awstest.BatchGetItem, Effect: awstest.Unprocessed})
		began := time.Now()
		found, err := s.Get(t.Context(), five)
		if err != nil || len(found) != 5 {
			t.Errorf("%d items, %v", len(found), err)
		}
		if took := time.Since(began); took != (50+100+200+400)*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestGetGivesUpAtTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, w *awstest.World, s *dynamostate.Store) {
		w.Inject(awstest.Fault{Op: awstest.BatchGetItem, Effect: awstest.Unprocessed})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		found, err := s.Get(ctx, five)
		if found != nil || !errors.Is(err, store.ErrThrottled) || !strings.Contains(err.Error(), "2 of 5 items were not read") {
			t.Errorf("%v, %v", found, err)
		}
	})
}

func TestEveryCallHasADeadline(t *testing.T) {
	leased := lifecycle.State{ID: "a/b", Lease: &lifecycle.Lease{Owner: "run-1"}}
	for name, call := range calls() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *awstest.World, s *dynamostate.Store) {
				w.Inject(awstest.Fault{Effect: awstest.Hang})
				began := time.Now()
				err := call(context.Background(), s, leased)
				if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != 10*time.Second {
					t.Errorf("it took %v, want 10 s", took)
				}
			})
		})
	}
}

// calls are all methods of a Store.
func calls() map[string]func(context.Context, *dynamostate.Store, lifecycle.State) error {
	owner := lifecycle.Owner{ID: "run-1", HardEnd: start}
	return map[string]func(context.Context, *dynamostate.Store, lifecycle.State) error{
		"Claim": func(ctx context.Context, s *dynamostate.Store, state lifecycle.State) error {
			_, err := s.Claim(ctx, state, owner)
			return err
		},
		"Commit": func(ctx context.Context, s *dynamostate.Store, state lifecycle.State) error {
			return s.Commit(ctx, state)
		},
		"Release": func(ctx context.Context, s *dynamostate.Store, state lifecycle.State) error {
			return s.Release(ctx, state)
		},
		"Update": func(ctx context.Context, s *dynamostate.Store, state lifecycle.State) error {
			_, err := s.Update(ctx, state)
			return err
		},
		"Delete": func(ctx context.Context, s *dynamostate.Store, state lifecycle.State) error {
			return s.Delete(ctx, state)
		},
		"Get": func(ctx context.Context, s *dynamostate.Store, state lifecycle.State) error {
			_, err := s.Get(ctx, []string{state.ID})
			return err
		},
		"Scan": func(ctx context.Context, s *dynamostate.Store, _ lifecycle.State) error {
			return s.Scan(ctx, func([]lifecycle.State) {})
		},
	}
}
