package dynamostate_test

import (
	"net/http"
	"sync/atomic"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// losing loses responses after the server has served their requests. The SDK then repeats the call.
type losing struct {
	next aws.HTTPClient
	left atomic.Int32
	lost atomic.Int32
}

// Do sends a request.
func (l *losing) Do(r *http.Request) (*http.Response, error) {
	resp, err := l.next.Do(r)
	if err != nil || l.left.Add(-1) < 0 {
		return resp, err
	}
	l.lost.Add(1)
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	return nil, syscall.ECONNRESET
}

// lose makes the next call lose its first response.
func (b *bench) lose() { b.losing.left.Store(1) }

func (b *bench) lost(want int32) {
	b.t.Helper()
	if got := b.losing.lost.Load(); got != want {
		b.t.Errorf("%d responses were lost, want %d", got, want)
	}
}

func lostResponses() map[string]func(*bench) {
	return map[string]func(*bench){
		"a claim whose response was lost has won": func(b *bench) {
			was := b.write(b.full())
			b.lose()
			leased, err := b.store.Claim(b.ctx(), was, b.owner("run-1"))
			b.lost(1)
			if b.server.noOld {
				b.wantErr(err, store.ErrInFlight)
				return
			}
			b.ok(err)
			b.same(leased, b.get())
		},
		"a claim whose request was lost, while another run won, has lost": func(b *bench) {
			b.claim(lifecycle.State{ID: b.id}, "run-2")
			b.lose()
			_, err := b.store.Claim(b.ctx(), lifecycle.State{ID: b.id}, b.owner("run-1"))
			b.wantErr(err, store.ErrInFlight)
		},
		"a release whose response was lost has released": func(b *bench) {
			leased := b.claim(lifecycle.State{ID: b.id}, "run-1")
			b.lose()
			if err := b.store.Release(b.ctx(), leased); b.server.noOld {
				b.wantErr(err, store.ErrLeaseLost)
			} else {
				b.ok(err)
			}
			b.lost(1)
			b.same(b.get(), lifecycle.State{ID: b.id, Revision: 2})
		},
		"a commit whose response was lost is written": func(b *bench) {
			leased := b.claim(lifecycle.State{ID: b.id}, "run-1")
			next := b.full()
			next.Revision, next.Lease = leased.Revision, leased.Lease
			b.lose()
			if err := b.store.Commit(b.ctx(), next); b.server.noOld {
				b.wantErr(err, store.ErrLeaseLost)
			} else {
				b.ok(err)
			}
			b.lost(1)
			next.Revision, next.Lease = 2, nil
			b.same(b.get(), next)
		},
		"an update whose response was lost is written": func(b *bench) {
			was := b.write(b.full())
			was.Paused, was.Failure = false, nil
			b.lose()
			written, err := b.store.Update(b.ctx(), was)
			b.lost(1)
			if b.server.noOld {
				b.wantErr(err, store.ErrInFlight)
				return
			}
			b.ok(err)
			b.same(written, b.get())
		},
		"a deletion whose response was lost has deleted": func(b *bench) {
			was := b.write(b.full())
			b.lose()
			b.ok(b.store.Delete(b.ctx(), was))
			b.lost(1)
			b.same(b.get(), lifecycle.State{})
		},
	}
}
