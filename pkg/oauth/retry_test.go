package oauth

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// attempts answers each attempt with the next of the answers, the last again and again, and notes when it was asked.
type attempts struct {
	start   time.Time
	at      []time.Duration
	answers []transportFunc
}

func (a *attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	a.at = append(a.at, time.Since(a.start))
	return a.answers[min(len(a.at), len(a.answers))-1](r)
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestRetry(t *testing.T) {
	t.Parallel()
	var (
		good    = answering(200, nil, goodBody)
		down    = answering(503, nil, "")
		refused = answering(401, nil, "")
		odd     = answering(200, nil, "{}")
		wait    = func(s string) transportFunc { return answering(429, http.Header{"Retry-After": {s}}, "") }
	)
	const s = time.Second
	for name, tc := range map[string]struct {
		answers []transportFunc
		retry   Retry
		rand    float64
		limit   time.Duration // of the context
		at      []time.Duration
		code    string // "" is success
	}{
		"success at once":                            {answers: []transportFunc{good}, at: []time.Duration{0}},
		"four attempts in doubling windows":          {answers: []transportFunc{down}, rand: 1, at: []time.Duration{0, s, 3 * s, 7 * s}, code: CodeServerError},
		"full jitter reaches down to no wait":        {answers: []transportFunc{down}, rand: 0, at: []time.Duration{0, 0, 0, 0}, code: CodeServerError},
		"success in the end":                         {answers: []transportFunc{down, down, good}, rand: 0.5, at: []time.Duration{0, s / 2, 3 * s / 2}},
		"credentials are not tried again":            {answers: []transportFunc{refused}, at: []time.Duration{0}, code: CodeUnauthorized},
		"malformed is not tried again":               {answers: []transportFunc{odd}, at: []time.Duration{0}, code: CodeMissingAccessToken},
		"Retry-After is the floor":                   {answers: []transportFunc{wait("5"), good}, rand: 1, at: []time.Duration{0, 5 * s}},
		"jitter above the floor":                     {answers: []transportFunc{wait("1"), wait("1"), good}, rand: 1, at: []time.Duration{0, s, 3 * s}},
		"two attempts, another base":                 {answers: []transportFunc{down}, retry: Retry{Attempts: 2, Base: 4 * s}, rand: 0.5, at: []time.Duration{0, 2 * s}, code: CodeServerError},
		"a window never passes an hour":              {answers: []transportFunc{down}, retry: Retry{Attempts: 3, Base: 50 * time.Minute}, rand: 1, at: []time.Duration{0, 50 * time.Minute, 110 * time.Minute}, code: CodeServerError},
		"a wait of exactly MaxWait":                  {answers: []transportFunc{wait("5"), good}, retry: Retry{MaxWait: 5 * s}, at: []time.Duration{0, 5 * s}},
		"a longer wait than MaxWait":                 {answers: []transportFunc{wait("6"), good}, retry: Retry{MaxWait: 5 * s}, at: []time.Duration{0}, code: CodeRateLimited},
		"a wait that ends just before the deadline":  {answers: []transportFunc{wait("5"), good}, limit: 5*s + 1, at: []time.Duration{0, 5 * s}},
		"a wait that ends at the deadline":           {answers: []transportFunc{wait("5"), good}, limit: 5 * s, at: []time.Duration{0}, code: CodeRateLimited},
		"a wait far beyond the deadline":             {answers: []transportFunc{wait("3600"), good}, limit: s, at: []time.Duration{0}, code: CodeRateLimited},
		"an attempt that hangs takes ten seconds":    {answers: []transportFunc{hang, good}, at: []time.Duration{0, 10 * s}},
		"an attempt that the caller's deadline ends": {answers: []transportFunc{hang}, limit: 3 * s, at: []time.Duration{0}, code: CodeCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := &attempts{start: time.Now(), answers: tc.answers}
				c := newTestClient(t, Config{Transport: script, Now: time.Now, Rand: func() float64 { return tc.rand }})
				ctx := t.Context()
				if tc.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.limit)
					defer cancel()
				}
				var seen []int
				tc.retry.OnAttempt = func(ex Attempt, _ error) { seen = append(seen, ex.Number) }
				began := time.Now()
				ex, err := c.TokenWithRetry(ctx, testRequest(), tc.retry)
				if e := asError(t, err); (e == nil) != (tc.code == "") || e != nil && e.Code != tc.code {
					t.Errorf("error %v, want %q", err, tc.code)
				}
				if len(script.at) != len(tc.at) || len(seen) != len(tc.at) || ex.Number != len(tc.at) {
					t.Fatalf("attempts at %v, reported %v; want %v", script.at, seen, tc.at)
				}
				for i, at := range script.at {
					if at != tc.at[i] || seen[i] != i+1 {
						t.Errorf("attempt %d at %v, want %v", seen[i], at, tc.at[i])
					}
				}
				if last := tc.at[len(tc.at)-1]; tc.code != "" && tc.code != CodeCancelled && time.Since(began) != last {
					t.Errorf("gave up after %v, the last attempt was at %v", time.Since(began), last)
				}
				if (ex.Token == nil) != (err != nil) {
					t.Errorf("token %v, error %v", ex.Token, err)
				}
			})
		})
	}
}

func TestRetryEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		script := &attempts{start: time.Now(), answers: []transportFunc{answering(429, http.Header{"Retry-After": {"60"}}, "")}}
		c := newTestClient(t, Config{Transport: script, Now: time.Now})
		time.AfterFunc(7*time.Second, cancel)
		_, err := c.TokenWithRetry(ctx, testRequest(), Retry{})
		wantError(t, asError(t, err), Transient, CodeRateLimited)
		if waited := time.Since(script.start); waited != 7*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestLatencyOfATransportThatTellsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t, Config{Now: time.Now, Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			time.Sleep(700 * time.Millisecond)
			return answering(200, nil, goodBody)(r)
		})})
		ex, err := attemptOnce(t.Context(), c, testRequest())
		if err != nil || ex.Latency != (Latency{Total: 700 * time.Millisecond}) || ex.Number != 1 {
			t.Errorf("%+v, %v", ex, err)
		}
	})
}
