package dynamostate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
)

const (
	// segments are the readers of a long table.
	segments = 4
	// shortTable is how many pages one reader reads before a table counts as long: a page of 1 MB has about 1,500 items, so 20,000 items.
	shortTable = 13
)

// Scan gives all items to page, part by part and not concurrently. A table of more than about 20,000 items is read by four readers at once, and
// then an item may come twice. Reads are eventually consistent. An error means that the items were not complete.
func (s *Store) Scan(ctx context.Context, page func([]lifecycle.State)) error {
	complete, err := s.scanSegment(ctx, 0, 1, shortTable, page)
	if err != nil || complete {
		return err
	}
	var mu sync.Mutex
	locked := func(states []lifecycle.State) {
		mu.Lock()
		defer mu.Unlock()
		page(states)
	}
	var wg sync.WaitGroup
	var faults [segments]error
	for i := range segments {
		wg.Go(func() { _, faults[i] = s.scanSegment(ctx, i, segments, 0, locked) })
	}
	wg.Wait()
	return errors.Join(faults[:]...)
}

// scanSegment reads one segment, at most so many pages; 0 means all. It reports whether it reached the end.
func (s *Store) scanSegment(ctx context.Context, segment, of, most int, page func([]lifecycle.State)) (complete bool, err error) {
	in := &dynamodb.ScanInput{TableName: &s.table, Segment: aws.Int32(int32(segment)), TotalSegments: aws.Int32(int32(of))} //nolint:gosec // at most 4
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
		if len(out.LastEvaluatedKey) == 0 {
			return true, nil
		}
		if n == most {
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
	itemsPerGet = 100
	// unprocessedPause is the first wait before the keys that DynamoDB left out are requested again.
	unprocessedPause = 50 * time.Millisecond
	longestPause     = time.Second
)

// Get returns the items of connections as they are now, by connection. A connection without an item is not in it.
func (s *Store) Get(ctx context.Context, connections []string) (map[string]lifecycle.State, error) {
	names := slices.Compact(slices.Sorted(slices.Values(connections)))
	found := make(map[string]lifecycle.State, len(names))
	for chunk := range slices.Chunk(names, itemsPerGet) {
		keys := make([]map[string]types.AttributeValue, len(chunk))
		for i, name := range chunk {
			keys[i] = key(name)
		}
		if err := s.getKeys(ctx, keys, found); err != nil {
			return nil, s.failed("BatchGetItem", chunk[0], err)
		}
	}
	return found, nil
}

// getKeys reads up to 100 items. DynamoDB may leave keys out; they are requested again.
func (s *Store) getKeys(ctx context.Context, keys []map[string]types.AttributeValue, found map[string]lifecycle.State) error {
	for pause := unprocessedPause; len(keys) > 0; pause = min(2*pause, longestPause) {
		out, err := s.getBatch(ctx, keys)
		if err != nil {
			return err
		}
		for _, item := range out.Responses[s.table] {
			state := Decode(item)
			found[state.ID] = state
		}
		if keys = out.UnprocessedKeys[s.table].Keys; len(keys) > 0 {
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) getBatch(ctx context.Context, keys []map[string]types.AttributeValue) (*dynamodb.BatchGetItemOutput, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{s.table: {Keys: keys, ConsistentRead: aws.Bool(true)}},
	})
}

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
