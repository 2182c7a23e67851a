package publish_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/publish"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	shop   = "hotmart/loja-a"
	secret = "token-that-nobody-may-see"
)

func expiry() time.Time { return time.Date(2026, 1, 3, 23, 59, 59, 0, time.FixedZone("", -3*3600)) }

// publisher over a store, at a number of writes a second.
func publisher(s *parameterStore, perSecond float64) (*publish.Publisher, *publish.Pacer) {
	pacer := publish.NewPacer(perSecond, time.Now)
	return publish.New(s, pacer), pacer
}

func TestATokenIsWrittenWithASentenceForPeople(t *testing.T) {
	s := newStore()
	p, _ := publisher(s, 1000)
	for version := int64(1); version <= 2; version++ {
		got, err := p.Token(until(t, time.Minute), shop, oauth.NewSecret(secret), expiry())
		if err != nil || got != version {
			t.Fatalf("version %d, %v, want %d", got, err, version)
		}
	}
	want := stored{"SecureString", secret, "Access token of hotmart/loja-a, renewed by chaveiro. Valid until 2026-01-04T02:59:59Z.", 2}
	if got := s.get(shop, store.KindToken); got != want {
		t.Errorf("stored %+v, want %+v", got, want)
	}
}

func TestWhatBecomesOfATokenWhenWritesFail(t *testing.T) {
	n := func(e effect, times int) []effect { return slices.Repeat([]effect{e}, times) }
	for name, c := range map[string]struct {
		effects []effect
		version int64 // 0: an error
		err     error
		puts    int // 0: not checked
		took    time.Duration
		held    int64 // version in the store at the end
	}{
		"one response is lost: the same value again":         {[]effect{lost}, 2, nil, 2, time.Second, 2},
		"four responses are lost":                            {n(lost, 4), 5, nil, 5, 8 * time.Second, 5},
		"internal errors are repeated":                       {n(broken, 3), 1, nil, 4, 4 * time.Second, 1},
		"throttled writes are repeated at a lower rate":      {n(throttled, 3), 1, nil, 4, 0, 1},
		"a request hangs until the adapter's time-out":       {[]effect{hang, lost}, 2, nil, 3, 0, 2},
		"throttled, lost, broken, in turns":                  {[]effect{throttled, lost, broken, throttled, lost}, 3, nil, 6, 0, 3},
		"responses are lost until the deadline":              {n(lost, 1000), 0, store.ErrUnavailable, 11, time.Minute, 11},
		"the store is broken until the deadline":             {n(broken, 1000), 0, store.ErrUnavailable, 11, time.Minute, 0},
		"throttled until the deadline":                       {n(throttled, 1000), 0, store.ErrThrottled, 0, time.Minute, 0},
		"requests hang until the deadline":                   {n(hang, 1000), 0, store.ErrUnavailable, 0, time.Minute, 0},
		"the installation may not write: no repetition":      {[]effect{unwritable}, 0, store.ErrUnwritable, 1, 0, 0},
		"this write is invalid: no repetition":               {[]effect{invalid}, 0, store.ErrInvalidWrite, 1, 0, 0},
		"the installation may not write after a lost answer": {[]effect{lost, unwritable}, 0, store.ErrUnwritable, 2, time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.perWrite = first(c.effects...)
				p, _ := publisher(s, 1)
				start := time.Now()
				version, err := p.Token(until(t, time.Minute), shop, oauth.NewSecret(secret), expiry())
				took := time.Since(start)
				if version != c.version || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
					t.Errorf("version %d, %v, want %d, %v", version, err, c.version, c.err)
				}
				if c.puts > 0 && len(s.puts) != c.puts || c.took > 0 && took != c.took || took > time.Minute {
					t.Errorf("%d requests in %s, want %d in %s", len(s.puts), took, c.puts, c.took)
				}
				held := s.get(shop, store.KindToken)
				if held.Version != c.held || held.Version > 0 && held.Value != secret {
					t.Errorf("the store holds version %d with the right token: %t", held.Version, held.Value == secret)
				}
				wantMessage(t, err, "access_token of "+shop)
			})
		})
	}
}

// wantMessage checks that an error names the parameter and not its value.
func wantMessage(t *testing.T, err error, name string) {
	t.Helper()
	if err == nil {
		return
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		if strings.Contains(text, secret) {
			t.Errorf("the error holds the value: %s", text)
		}
	}
	if !strings.Contains(err.Error(), name) {
		t.Errorf("the error %q does not name %s", err, name)
	}
}

func TestATokenThatGetsNoTurnIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		p, _ := publisher(s, 0.01)
		_, _ = p.Token(until(t, time.Minute), shop, oauth.NewSecret(secret), expiry())
		_, err := p.Token(until(t, time.Minute), "hotmart/loja-b", oauth.NewSecret(secret), expiry())
		if !errors.Is(err, store.ErrUnavailable) || len(s.puts) != 1 {
			t.Errorf("error %v after %d requests", err, len(s.puts))
		}
		want := "access_token of hotmart/loja-b was not written before the deadline, the next run tries again: unavailable; " +
			"no turn to write before the deadline, at 0.01 writes a second: context deadline exceeded"
		if err == nil || err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
	})
}

func TestATokenOverAParameterOfAnotherTypeIsAConflict(t *testing.T) {
	s := newStore()
	s.set(shop, store.KindToken, stored{Type: "String", Value: "by hand", Version: 7})
	p, _ := publisher(s, 1000)
	_, err := p.Token(until(t, time.Minute), shop, oauth.NewSecret(secret), expiry())
	if !errors.Is(err, store.ErrTypeConflict) || len(s.puts) != 1 || len(s.deletes) != 0 {
		t.Errorf("error %v, %d requests, %d deletions: what readers read is not deleted", err, len(s.puts), len(s.deletes))
	}
}

func TestAnAccountIsWritten(t *testing.T) {
	s := newStore()
	p, _ := publisher(s, 1000)
	if err := p.Account(until(t, time.Minute), shop, "store-1", "Kiwify"); err != nil || len(s.puts) != 1 {
		t.Fatalf("%d requests, %v", len(s.puts), err)
	}
	want := stored{"String", "store-1", "Account at Kiwify. Its API calls need it beside the access token.", 1}
	if got := s.get(shop, store.KindAccount); got != want {
		t.Errorf("stored %+v, want %+v", got, want)
	}
}

func TestAnAccountThatCannotBeWrittenLeavesTimeForTheToken(t *testing.T) {
	for _, e := range []effect{broken, lost, hang, invalid} {
		t.Run(string(e), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.perWrite = always(store.KindAccount, e)
				p, _ := publisher(s, 3)
				ctx := until(t, time.Minute)
				err := p.Account(ctx, shop, "store-1", "Kiwify")
				if err == nil {
					t.Error("no error")
				}
				wantMessage(t, err, "account_id of "+shop)
				if version, err := p.Token(ctx, shop, oauth.NewSecret(secret), expiry()); err != nil || version != 1 {
					t.Errorf("the token after it: version %d, %v", version, err)
				}
			})
		})
	}
}

func TestEveryKindOfWriteSlowsThePacerDownAndSpeedsItUp(t *testing.T) {
	kinds := map[store.Kind]func(*testing.T, *publish.Publisher) error{
		store.KindToken: func(t *testing.T, p *publish.Publisher) error {
			_, err := p.Token(until(t, time.Minute), shop, oauth.NewSecret(secret), expiry())
			return err
		},
		store.KindAccount: func(t *testing.T, p *publish.Publisher) error {
			return p.Account(until(t, time.Minute), shop, "store-1", "Kiwify")
		},
		store.KindFailure: func(t *testing.T, p *publish.Publisher) error {
			return p.Failure(until(t, time.Minute), shop, "hotmart refuses the client secret")
		},
	}
	for kind, write := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.perWrite = first(throttled)
				p, pacer := publisher(s, 10)
				err := write(t, p)
				if kind == store.KindFailure {
					if !errors.Is(err, store.ErrThrottled) || len(s.puts) != 1 {
						t.Fatalf("a throttled notice: %v, %d requests; want one, since the next run can write it", err, len(s.puts))
					}
					if pacer.Rate() != 9 {
						t.Errorf("after a throttled notice: %g a second, want 9", pacer.Rate())
					}
					err = write(t, p)
				}
				if err != nil || len(s.puts) != 2 {
					t.Fatalf("%v after %d requests", err, len(s.puts))
				}
				if got := pacer.Rate(); got <= 9 || got >= 10 {
					t.Errorf("after a throttled write and a success: %g a second, want a little more than 9", got)
				}
			})
		})
	}
}

func TestAFailureNoticeIsASentence(t *testing.T) {
	s := newStore()
	p, _ := publisher(s, 1000)
	if err := p.Failure(until(t, time.Minute), shop, "hotmart refuses the client secret"); err != nil {
		t.Fatal(err)
	}
	// The description repeats the value, since the event that starts the mail carries only the description.
	want := stored{"String", "hotmart refuses the client secret", "hotmart refuses the client secret", 1}
	if got := s.get(shop, store.KindFailure); got != want {
		t.Errorf("stored %+v, want %+v", got, want)
	}
}

func TestAFailureNoticeIsTriedOnce(t *testing.T) {
	for e, want := range map[effect]error{lost: store.ErrUnavailable, broken: store.ErrUnavailable, throttled: store.ErrThrottled,
		unwritable: store.ErrUnwritable, invalid: store.ErrInvalidWrite, hang: store.ErrUnavailable} {
		t.Run(string(e), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.perWrite = always(store.KindFailure, e)
				p, _ := publisher(s, 10)
				err := p.Failure(until(t, time.Minute), shop, secret)
				if !errors.Is(err, want) || len(s.puts) != 1 {
					t.Errorf("error %v after %d requests", err, len(s.puts))
				}
				wantMessage(t, err, "refresh_failure of "+shop)
			})
		})
	}
}

func TestAFailureNoticeThatGetsNoTurnIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		p, _ := publisher(s, 0.01)
		_ = p.Failure(until(t, time.Minute), shop, "first")
		err := p.Failure(until(t, time.Minute), shop, "second")
		if !errors.Is(err, store.ErrUnavailable) || len(s.puts) != 1 {
			t.Errorf("error %v after %d requests", err, len(s.puts))
		}
		wantMessage(t, err, "refresh_failure of "+shop)
	})
}

func TestAFailureNoticeOfAnotherTypeIsDeletedAndWrittenByTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.set(shop, store.KindFailure, stored{Type: "SecureString", Value: "by hand", Version: 3})
		p, _ := publisher(s, 10)
		err := p.Failure(until(t, time.Minute), shop, "hotmart refuses the client secret")
		if !errors.Is(err, store.ErrTypeConflict) || len(s.puts) != 1 {
			t.Errorf("error %v after %d requests", err, len(s.puts))
		}
		if got := s.get(shop, store.KindFailure); got.Version != 0 {
			t.Errorf("the store holds %+v", got)
		}
		time.Sleep(5 * time.Minute)
		if err := p.Failure(until(t, time.Minute), shop, "hotmart refuses the client secret"); err != nil {
			t.Errorf("the next run: %v", err)
		}
		if got := s.get(shop, store.KindFailure); got.Type != "String" || got.Version != 1 {
			t.Errorf("the store holds %+v", got)
		}

		s.set("hotmart/loja-b", store.KindFailure, stored{Type: "SecureString"})
		s.refuse["hotmart/loja-b"] = fmt.Errorf("DeleteParameters: %w", store.ErrUnwritable)
		err = p.Failure(until(t, time.Minute), "hotmart/loja-b", "x")
		if !errors.Is(err, store.ErrUnwritable) || !strings.Contains(fmt.Sprint(err), "delete refresh_failure of hotmart/loja-b, which has another type") {
			t.Errorf("error %v", err)
		}
	})
}

func TestClearFailuresDeletesTenACallAndGoesOnAfterAnError(t *testing.T) {
	s := newStore()
	p, _ := publisher(s, 1000)
	var all []string
	for i := range 25 {
		id := fmt.Sprintf("kiwify/t-%02d", i)
		all = append(all, id)
		s.set(id, store.KindFailure, stored{Type: "String"})
		s.set(id, store.KindToken, stored{Type: "SecureString"})
	}
	s.refuse["kiwify/t-12"] = fmt.Errorf("DeleteParameters: %w", store.ErrThrottled)
	err := p.ClearFailures(until(t, time.Minute), all)
	const message = "delete refresh_failure of kiwify/t-10 and 9 more, the next run repeats it: "
	if !errors.Is(err, store.ErrThrottled) || !strings.Contains(err.Error(), message) {
		t.Errorf("error %v", err)
	}
	if len(s.deletes) != 3 || len(s.deletes[0]) != 10 || len(s.deletes[2]) != 5 {
		t.Errorf("%d deletions: %v", len(s.deletes), s.deletes)
	}
	if len(s.params) != 25+10 {
		t.Errorf("%d parameters are left, want 25 tokens and the 10 notices of the call that failed", len(s.params))
	}
	clear(s.refuse)
	if err := p.ClearFailures(until(t, time.Minute), all); err != nil || len(s.params) != 25 {
		t.Errorf("again: %v, %d parameters are left", err, len(s.params))
	}
	if err := p.ClearFailures(until(t, time.Minute), nil); err != nil || len(s.deletes) != 6 {
		t.Errorf("nothing to clear: %v, %d deletions", err, len(s.deletes))
	}
}

func TestRemoveDeletesAllThatAConnectionHas(t *testing.T) {
	s := newStore()
	p, _ := publisher(s, 1000)
	for _, id := range []string{shop, "hotmart/loja-b"} {
		for _, kind := range []store.Kind{store.KindToken, store.KindAccount, store.KindFailure} {
			s.set(id, kind, stored{Type: "String"})
		}
	}
	if err := p.Remove(until(t, time.Minute), shop); err != nil || len(s.params) != 3 || len(s.deletes) != 1 {
		t.Errorf("%v, %d parameters are left after %d deletions", err, len(s.params), len(s.deletes))
	}
	s.refuse[shop] = fmt.Errorf("DeleteParameters: %w", store.ErrUnavailable)
	if err := p.Remove(until(t, time.Minute), shop); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), shop) {
		t.Errorf("error %v", err)
	}
}

func TestNoTokenIsLostToAQuota(t *testing.T) {
	const tokens, perSecond = 300, 10.0
	for _, others := range []float64{0, 0.3} {
		t.Run(fmt.Sprintf("others use %.0f%% of the quota", others*100), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.rate, s.latency = perSecond*(1-others), 20*time.Millisecond
				p, _ := publisher(s, perSecond)
				ids := make(chan string, tokens)
				for i := range tokens {
					ids <- fmt.Sprintf("hotmart/t-%03d", i)
				}
				close(ids)
				var wg sync.WaitGroup
				start := time.Now()
				for range 16 {
					wg.Go(func() {
						for id := range ids {
							if version, err := p.Token(until(t, 4*time.Minute), id, oauth.NewSecret(secret), expiry()); err != nil || version != 1 {
								t.Errorf("%s: version %d, %v", id, version, err)
							}
						}
					})
				}
				wg.Wait()
				ratio := time.Since(start).Seconds() / (tokens / s.rate)
				t.Logf("%.3f times the bound, %d throttled", ratio, s.throttled)
				if len(s.params) != tokens {
					t.Errorf("%d tokens were lost", tokens-len(s.params))
				}
				limit := 1.06
				if others > 0 {
					limit = 1.2 // the pacer has to find out what they use, and when they stop
				}
				if ratio > limit {
					t.Errorf("took %.3f times the bound, want at most %.2f", ratio, limit)
				}
				if others == 0 && s.throttled > 0 {
					t.Errorf("%d writes were throttled although nobody else uses the quota", s.throttled)
				}
			})
		})
	}
}
