package publish_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/store"
)

// effect is what happens to one request.
type effect string

const (
	lost       effect = "lost response"  // the write happens, the response does not arrive
	broken     effect = "internal error" // the write does not happen
	throttled  effect = "throttled"
	unwritable effect = "unwritable"
	invalid    effect = "invalid"
	hang       effect = "hang" // until the adapter's time-out; the write does not happen
)

// stored is one parameter.
type stored struct {
	Type, Value, Description string
	Version                  int64
}

// call is one request that arrived.
type call struct {
	at    time.Time
	write store.Write
}

// parameterStore keeps parameters as SSM does: versions count up, a type cannot change, a deleted name cannot be created again for 30 s, and
// a quota throttles.
type parameterStore struct {
	latency  time.Duration
	perWrite func(n int, w store.Write) effect // of the n-th PutParameter, from 1; nil: no effects
	refuse   map[string]error                  // connection -> error of a deletion that names it

	mu      sync.Mutex
	params  map[store.Name]stored
	deleted map[store.Name]time.Time
	puts    []call
	deletes [][]store.Name

	rate, level float64 // token bucket of one call; rate 0: no quota
	filled      time.Time
	throttled   int
}

func newStore() *parameterStore {
	return &parameterStore{params: map[store.Name]stored{}, deleted: map[store.Name]time.Time{}, refuse: map[string]error{}}
}

// first gives the first requests their effects.
func first(effects ...effect) func(int, store.Write) effect {
	return func(n int, _ store.Write) effect {
		if n <= len(effects) {
			return effects[n-1]
		}
		return ""
	}
}

// always gives every request of a kind of parameter the same effect.
func always(kind store.Kind, e effect) func(int, store.Write) effect {
	return func(_ int, w store.Write) effect {
		if w.Kind == kind {
			return e
		}
		return ""
	}
}

// adapterTimeout is the deadline that the adapter gives to each request.
const adapterTimeout = 10 * time.Second

func (s *parameterStore) Put(ctx context.Context, w store.Write) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, adapterTimeout)
	defer cancel()
	e, err := s.arrive(w)
	if err != nil {
		return 0, err
	}
	wait := s.latency
	if e == hang {
		wait = time.Hour
	}
	var version int64
	switch e {
	case throttled:
		err = fmt.Errorf("PutParameter: ThrottlingException: %w", store.ErrThrottled)
	case unwritable:
		err = fmt.Errorf("PutParameter: AccessDeniedException: %w", store.ErrUnwritable)
	case invalid:
		err = fmt.Errorf("PutParameter: ValidationException: %w", store.ErrInvalidWrite)
	case broken:
		err = fmt.Errorf("PutParameter: InternalServerError: %w", store.ErrUnavailable)
	case lost:
		if _, err = s.apply(w); err == nil {
			err = fmt.Errorf("PutParameter: connection reset: %w", store.ErrUnavailable)
		}
	case hang:
	default:
		version, err = s.apply(w)
	}
	select {
	case <-time.After(wait):
		return version, err
	case <-ctx.Done():
		return 0, fmt.Errorf("PutParameter: no response in time: %w: %w", store.ErrUnavailable, ctx.Err())
	}
}

// arrive notes a request and applies the quota.
func (s *parameterStore) arrive(w store.Write) (effect, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.puts = append(s.puts, call{now, w})
	if s.rate > 0 {
		if s.filled.IsZero() {
			s.level, s.filled = 1, now
		}
		s.level = min(1, s.level+now.Sub(s.filled).Seconds()*s.rate)
		s.filled = now
		if s.level < 1-1e-9 {
			s.throttled++
			return "", fmt.Errorf("PutParameter: ThrottlingException: %w", store.ErrThrottled)
		}
		s.level--
	}
	if s.perWrite == nil {
		return "", nil
	}
	return s.perWrite(len(s.puts), w), nil
}

func (s *parameterStore) apply(w store.Write) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "String"
	if w.Kind == store.KindToken {
		kind = "SecureString"
	}
	was, exists := s.params[w.Name]
	if exists && was.Type != kind {
		return 0, fmt.Errorf("PutParameter: HierarchyTypeMismatchException: %w", store.ErrTypeConflict)
	}
	if at, gone := s.deleted[w.Name]; gone && !exists && time.Since(at) < 30*time.Second {
		return 0, fmt.Errorf("PutParameter: deleted %s ago: %w", time.Since(at), store.ErrInvalidWrite)
	}
	s.params[w.Name] = stored{kind, w.Value.Reveal(), w.Description, was.Version + 1}
	return was.Version + 1, nil
}

func (s *parameterStore) Delete(_ context.Context, names []store.Name) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deletes = append(s.deletes, names)
	for _, name := range names {
		if err := s.refuse[name.Connection]; err != nil {
			return err
		}
	}
	for _, name := range names {
		if _, exists := s.params[name]; exists {
			delete(s.params, name)
			s.deleted[name] = time.Now()
		}
	}
	return nil
}

func (s *parameterStore) get(id string, kind store.Kind) stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.params[store.Name{Connection: id, Kind: kind}]
}

func (s *parameterStore) set(id string, kind store.Kind, p stored) {
	s.params[store.Name{Connection: id, Kind: kind}] = p
}

// until is a context that ends after d.
func until(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
