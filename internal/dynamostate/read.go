package dynamostate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

const (
	// segments are read at the same time when a table is long.
	segments = 4
	// longTable is how many pages one after the other make a table long. A page of 1 MB has about 1,500 items, so that are 20,000 items.
	longTable = 13
)

// Scan gives every item to page once, part by part and never concurrently. Reads are eventually consistent. An error means that the items
// were not complete; it wraps [store.ErrThrottled], [store.ErrAccessDenied], [store.ErrNotFound] (the table) or [store.ErrUnavailable].
//
// A table of up to longTable pages is read page by page. The pages of a longer one begin again in four segments at once, since the position in
// a scan says nothing about a segment; what page has already is left out. So only long tables cost more calls, at most longTable of them.
func (s *Store) Scan(ctx context.Context, page func([]lifecycle.State)) error {
	first := map[string]bool{}
	complete, err := s.scanPages(ctx, &dynamodb.ScanInput{TableName: &s.table}, longTable, func(states []lifecycle.State) {
		for i := range states {
			first[states[i].ID] = true
		}
		page(states)
	})
	if err != nil || complete {
		return err
	}
	return s.scanSegments(ctx, func(states []lifecycle.State) {
		page(slices.DeleteFunc(states, func(state lifecycle.State) bool { return first[state.ID] }))
	})
}

// scanSegments reads the whole table with four readers. The first error ends all of them.
func (s *Store) scanSegments(ctx context.Context, page func([]lifecycle.State)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu    sync.Mutex // for page and first
		first error
		wg    sync.WaitGroup
	)
	for i := range int32(segments) {
		wg.Go(func() {
			in := &dynamodb.ScanInput{TableName: &s.table, Segment: aws.Int32(i), TotalSegments: aws.Int32(segments)}
			_, err := s.scanPages(ctx, in, 0, func(states []lifecycle.State) {
				mu.Lock()
				defer mu.Unlock()
				page(states)
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
				cancel()
			}
		})
	}
	wg.Wait()
	return first
}

// scanPages reads at most so many pages; 0 means all. It reports whether it reached the end.
func (s *Store) scanPages(ctx context.Context, in *dynamodb.ScanInput, most int, page func([]lifecycle.State)) (complete bool, err error) {
	for n := 1; ; n++ {
		out, err := s.scanPage(ctx, in)
		if err != nil {
			return false, s.failed("Scan", "", err)
		}
		states := make([]lifecycle.State, len(out.Items))
		for i, item := range out.Items {
			states[i] = Decode(item)
		}
		page(states)
		switch {
		case len(out.LastEvaluatedKey) == 0:
			return true, nil
		case n == most:
			return false, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func (s *Store) scanPage(ctx context.Context, in *dynamodb.ScanInput) (*dynamodb.ScanOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.client.Scan(ctx, in)
}

const (
	itemsPerGet = 100 // BatchGetItem
	// firstPause is the wait before the keys that DynamoDB left unprocessed are requested again. It doubles up to longestPause.
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// Get returns the items of connections as they are now, by connection. A connection without an item is not in the map. 100 items are read in a
// call. The errors are those of Scan; then no item is returned.
func (s *Store) Get(ctx context.Context, ids []string) (map[string]lifecycle.State, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	found := make(map[string]lifecycle.State, len(ids))
	for part := range slices.Chunk(ids, itemsPerGet) {
		if err := s.getItems(ctx, part, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// getItems reads up to 100 items. What DynamoDB leaves unprocessed is requested again until ctx ends.
func (s *Store) getItems(ctx context.Context, ids []string, found map[string]lifecycle.State) error {
	keys := make([]map[string]types.AttributeValue, len(ids))
	for i, id := range ids {
		keys[i] = key(id)
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		out, err := s.getBatch(ctx, keys)
		if err != nil {
			return s.failed("BatchGetItem", ids[0], err)
		}
		for _, items := range out.Responses { // of one table
			for _, item := range items {
				state := Decode(item)
				found[state.ID] = state
			}
		}
		keys = nil
		for _, left := range out.UnprocessedKeys {
			keys = append(keys, left.Keys...)
		}
		if len(keys) == 0 {
			return nil
		}
		if sleep(ctx, pause) != nil {
			return awserr.Local("BatchGetItem", s.subject(ids[0]), store.ErrThrottled,
				fmt.Sprintf("%d of %d items were not read before the deadline, because the table is throttled", len(keys), len(ids)))
		}
	}
}

func (s *Store) getBatch(ctx context.Context, keys []map[string]types.AttributeValue) (*dynamodb.BatchGetItemOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{s.table: {Keys: keys, ConsistentRead: aws.Bool(true)}},
	})
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
