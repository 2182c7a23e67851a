package dynamostate_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

func updates() map[string]func(*bench) {
	return map[string]func(*bench){
		"an update writes every field and removes what the state does not have": func(b *bench) {
			written := b.write(b.full())
			want := b.full()
			want.Revision = 1
			b.same(written, want)
			b.same(b.get(), want)
			b.same(b.write(lifecycle.State{ID: b.id, Revision: 1}), lifecycle.State{ID: b.id, Revision: 2})
			b.same(b.get(), lifecycle.State{ID: b.id, Revision: 2})
		},
		"an update of an item that changed since it was read loses": func(b *bench) {
			was := b.write(b.full())
			b.write(was)
			for _, revision := range []int64{0, 1} {
				_, err := b.store.Update(b.ctx(), lifecycle.State{ID: b.id, Revision: revision})
				b.wantErr(err, store.ErrInFlight)
			}
			was.Revision = 2
			b.same(b.get(), was)
		},
		"an update or deletion of a leased item loses until the lease is over": func(b *bench) {
			leased := b.claim(lifecycle.State{ID: b.id}, "run-1")
			b.now = leased.Lease.Until
			_, err := b.store.Update(b.ctx(), leased)
			b.wantErr(err, store.ErrInFlight)
			if !b.server.noOld { // without the item a lost condition looks like a missing item
				b.wantErr(b.store.Delete(b.ctx(), leased), store.ErrInFlight)
			}
			b.same(b.get(), leased)
			b.now = leased.Lease.Until.Add(time.Second)
			b.same(b.write(leased), lifecycle.State{ID: b.id, Revision: 2})
		},
		"a deletion removes the item, and a missing item is no error": func(b *bench) {
			was := b.write(b.full())
			b.ok(b.store.Delete(b.ctx(), was))
			b.same(b.get(), lifecycle.State{})
			b.ok(b.store.Delete(b.ctx(), was))
			b.ok(b.store.Delete(b.ctx(), lifecycle.State{ID: b.id}))
		},
		"a deletion of an item that changed since it was read loses": func(b *bench) {
			was := b.write(b.full())
			changed := b.write(was)
			if !b.server.noOld {
				b.wantErr(b.store.Delete(b.ctx(), was), store.ErrInFlight)
			}
			b.same(b.get(), changed)
		},
	}
}

func reads() map[string]func(*bench) {
	return map[string]func(*bench){
		"a scan gives each of 3,000 items once, and a get 250 of them": func(b *bench) {
			const n = 3000
			want := b.fill(n)
			seen := map[string]int{}
			b.ok(b.store.Scan(b.ctx(), func(page []lifecycle.State) {
				for _, s := range page {
					if strings.HasPrefix(s.ID, b.id+"-") {
						seen[s.ID]++
						b.same(s, want[s.ID])
					}
				}
			}))
			if len(seen) != n {
				b.t.Errorf("%d of %d items", len(seen), n)
			}
			for id, times := range seen {
				if times != 1 {
					b.t.Errorf("%s came %d times", id, times)
				}
			}
			ids := slices.Sorted(maps.Keys(want))[:250]
			found, err := b.store.Get(b.ctx(), append(slices.Clone(ids), b.id+"-missing", ids[0]))
			b.ok(err)
			if len(found) != 250 {
				b.t.Errorf("%d items, want 250", len(found))
			}
			for _, id := range ids {
				b.same(found[id], want[id])
			}
		},
		"a get of nothing makes no call": func(b *bench) {
			found, err := b.store.Get(b.ctx(), nil)
			b.ok(err)
			if len(found) != 0 {
				b.t.Errorf("%v", found)
			}
		},
	}
}

// fill writes items of 400 bytes: one with the store, and copies of it under other keys without it. They have few attributes, because moto takes
// 100 ms for an UpdateItem with all of them.
func (b *bench) fill(n int) map[string]lifecycle.State {
	b.t.Helper()
	first := lifecycle.State{ID: b.id + "-0000", Token: &lifecycle.Token{
		IssuedAt: start, ExpiresAt: start.Add(24 * time.Hour), RenewAt: start.Add(12 * time.Hour), Scope: strings.Repeat("s", 300), Version: 7,
	}}
	first = b.write(first)
	written := map[string]lifecycle.State{first.ID: first}
	for i := 1; i < n; i++ {
		s := first.Clone()
		s.ID = fmt.Sprintf("%s-%04d", b.id, i)
		written[s.ID] = s
	}
	b.server.copyItem(b.t, first.ID, slices.Sorted(maps.Keys(written)))
	return written
}
