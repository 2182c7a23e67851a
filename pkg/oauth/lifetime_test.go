package oauth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// jwtOf makes an unsigned token with these claims.
func jwtOf(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"HS256"}`)) + "." + enc([]byte(claims)) + ".c2ln"
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	issued := testNow.Truncate(time.Second).Unix()
	epoch := func(offset int64) string { return fmt.Sprint(issued + offset) }
	jwt := func(exp, iat int64) string {
		return `"access_token":"` + jwtOf(`{"exp":`+epoch(exp)+`,"iat":`+epoch(iat)+`}`) + `"`
	}
	const plain = `"access_token":"T"`
	const hour, none = time.Hour, time.Duration(-1)
	var (
		unknown   = []Note{NoteTTLUnknown}
		capped    = []Note{NoteTTLCapped}
		absolute  = []Note{NoteTTLAbsolute}
		disagrees = []Note{NoteTTLDisagrees}
	)
	for name, tc := range map[string]struct {
		body   string
		date   string
		change func(*TokenRequest)
		life   time.Duration // 0: zero_lifetime; none: not stated
		in     time.Duration
		notes  []Note
	}{
		"an integer":                              {body: plain + `,"expires_in":3600`, life: hour, in: hour},
		"a string":                                {body: plain + `,"expires_in":"3600"`, life: hour, in: hour},
		"a fraction is cut to whole seconds":      {body: plain + `,"expires_in":3600.9`, life: hour, in: hour},
		"less than a second is nothing":           {body: plain + `,"expires_in":0.9`},
		"one second":                              {body: plain + `,"expires_in":1`, life: time.Second, in: time.Second},
		"zero":                                    {body: plain + `,"expires_in":0`},
		"zero as a string":                        {body: plain + `,"expires_in":"0"`},
		"negative":                                {body: plain + `,"expires_in":-1`},
		"negative beyond measure":                 {body: plain + `,"expires_in":-1e300`},
		"400 days exactly":                        {body: plain + `,"expires_in":34560000`, life: MaxLifetime, in: MaxLifetime},
		"400 days and a second":                   {body: plain + `,"expires_in":34560001`, life: MaxLifetime, notes: capped},
		"1e309 overflows and is not for ever":     {body: plain + `,"expires_in":1e309`, life: MaxLifetime, notes: capped},
		"1e309 as a string":                       {body: plain + `,"expires_in":"1e309"`, life: MaxLifetime, notes: capped},
		"nothing":                                 {body: plain, life: none, notes: unknown},
		"a word":                                  {body: plain + `,"expires_in":"never"`, life: none, notes: unknown},
		"NaN":                                     {body: plain + `,"expires_in":"NaN"`, life: none, notes: unknown},
		"Infinity":                                {body: plain + `,"expires_in":"Infinity"`, life: none, notes: unknown},
		"hexadecimal":                             {body: plain + `,"expires_in":"0xe10"`, life: none, notes: unknown},
		"true":                                    {body: plain + `,"expires_in":true`, life: none, notes: unknown},
		"an object":                               {body: plain + `,"expires_in":{"s":1}`, life: none, notes: unknown},
		"two numbers":                             {body: plain + `,"expires_in":"1-2"`, life: none, notes: unknown},
		"milliseconds by dialect":                 {body: plain + `,"expires_in":3600000`, change: func(r *TokenRequest) { r.Endpoint.Dialect.ExpiresInUnit = time.Millisecond }, life: hour, in: hour},
		"expires_at against the answer's Date":    {body: plain + `,"expires_at":` + epoch(7200), date: "+1h", life: hour, notes: absolute},
		"expires_at without a Date":               {body: plain + `,"expires_at":` + epoch(7200), life: 2 * hour, notes: absolute},
		"expires_at in the past":                  {body: plain + `,"expires_at":` + epoch(-1)},
		"expires_at in milliseconds as a string":  {body: plain + `,"expires_at":"` + epoch(60) + `999"`, life: time.Minute, notes: absolute},
		"expires_at in nanoseconds is no date":    {body: plain + `,"expires_at":` + epoch(60) + `000000000`, life: none, notes: unknown},
		"expires_at that is a lifetime":           {body: plain + `,"expires_at":3600`, life: none, notes: unknown},
		"expires_at with a zone":                  {body: plain + `,"expires_at":"2026-01-02T01:04:05.123-03:00"`, life: hour, notes: absolute},
		"expires_at with a zone without colon":    {body: plain + `,"expires_at":"2026-01-02 04:04:05+0000"`, life: hour, notes: absolute},
		"expires_at without a zone is a guess":    {body: plain + `,"expires_at":"2026-01-02T04:04:05"`, life: none, notes: unknown},
		"expires_on beside a useless expires_at":  {body: plain + `,"expires_at":0,"expires_on":"` + epoch(60) + `"`, life: time.Minute, notes: absolute},
		"expires_in and a nearer expires_at":      {body: plain + `,"expires_in":3600,"expires_at":` + epoch(60), life: time.Minute, in: hour},
		"the JWT's exp - iat":                     {body: jwt(7200, 0), life: 2 * hour, in: 2 * hour},
		"the JWT's exp - iat on a late clock":     {body: jwt(-86400, -90000), life: hour, in: hour},
		"the JWT's end is nearer":                 {body: jwt(60, -3540) + `,"expires_in":3600`, life: time.Minute, in: hour},
		"the JWT without iat":                     {body: `"access_token":"` + jwtOf(`{"exp":`+epoch(90)+`}`) + `"`, life: 90 * time.Second},
		"the JWT with an exp that is no date":     {body: `"access_token":"` + jwtOf(`{"exp":3600,"iat":0}`) + `"`, life: none, notes: unknown},
		"the JWT born dead":                       {body: jwt(0, 0)},
		"the JWT agrees to a minute":              {body: jwt(3660, 0) + `,"expires_in":3600`, life: hour, in: hour},
		"the JWT disagrees by a minute and one":   {body: jwt(3661, 0) + `,"expires_in":3600`, life: hour, in: hour, notes: disagrees},
		"the JWT of a token handed out again":     {body: jwt(3600, -82800) + `,"expires_in":3599`, life: 3599 * time.Second, in: 3599 * time.Second},
		"the JWT's million years":                 {body: jwt(40_000_000, 0), life: MaxLifetime, notes: capped},
		"the JWT's million years beside an hour":  {body: jwt(40_000_000, 0) + `,"expires_in":3600`, life: hour, in: hour, notes: disagrees},
		"the JWT saves an unbelievable number":    {body: jwt(3600, 0) + `,"expires_in":1e20`, life: hour, in: hour, notes: []Note{NoteTTLCapped, NoteTTLDisagrees}},
		"expires_at saves an unbelievable number": {body: plain + `,"expires_in":1e20,"expires_at":` + epoch(60), life: time.Minute, notes: []Note{NoteTTLCapped, NoteTTLAbsolute}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := testRequest()
			if tc.change != nil {
				tc.change(&req)
			}
			h := http.Header{}
			if tc.date != "" {
				offset, err := time.ParseDuration(tc.date)
				if err != nil {
					t.Fatal(err)
				}
				h.Set("Date", testNow.Add(offset).Format(http.TimeFormat))
			}
			token, e := exchange(t, req, 200, h, "{"+tc.body+"}")
			if tc.life == 0 {
				wantError(t, e, Transient, CodeZeroLifetime)
				if e.RetryAfter != 2*time.Second {
					t.Errorf("retry after %v", e.RetryAfter)
				}
				return
			}
			if e != nil {
				t.Fatal(e)
			}
			life, expiry := tc.life, testNow.Truncate(time.Second).Add(tc.life)
			if tc.life == none {
				life, expiry = 0, time.Time{}
			}
			if token.Lifetime != life || token.ExpiresIn != tc.in || !slices.Equal(token.Notes, tc.notes) {
				t.Errorf("lifetime %v, expires in %v, notes %v; want %v, %v, %v", token.Lifetime, token.ExpiresIn, token.Notes, life, tc.in, tc.notes)
			}
			if want := testNow.Truncate(time.Second); !token.IssuedAt.Equal(want) || token.IssuedAt.Location() != time.UTC || !token.Expiry().Equal(expiry) {
				t.Errorf("issued at %v, expires %v", token.IssuedAt, token.Expiry())
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	at := func(offset time.Duration) string {
		return testNow.Add(offset).Truncate(time.Second).Format(http.TimeFormat)
	}
	now := testNow.Truncate(time.Second)
	for name, tc := range map[string]struct {
		status int
		header []string
		want   time.Duration
	}{
		"seconds":                              {429, []string{"Retry-After", "30"}, 30 * time.Second},
		"blanks around":                        {429, []string{"Retry-After", " 30 "}, 30 * time.Second},
		"a fraction is rounded up":             {429, []string{"Retry-After", "1.2"}, 2 * time.Second},
		"an hour":                              {429, []string{"Retry-After", "3600"}, time.Hour},
		"over an hour":                         {429, []string{"Retry-After", "3601"}, time.Hour},
		"beyond every number":                  {429, []string{"Retry-After", "9" + fmt.Sprintf("%0400d", 0)}, time.Hour},
		"zero":                                 {429, []string{"Retry-After", "0"}, 0},
		"negative":                             {429, []string{"Retry-After", "-5"}, 0},
		"a word":                               {429, []string{"Retry-After", "soon"}, 0},
		"dots":                                 {429, []string{"Retry-After", "1.2.3"}, 0},
		"a date by our clock":                  {429, []string{"Retry-After", at(90 * time.Second)}, 90 * time.Second},
		"a date by its own clock":              {429, []string{"Retry-After", at(time.Hour), "Date", at(time.Hour - time.Minute)}, time.Minute},
		"a date in the past":                   {429, []string{"Retry-After", at(-time.Minute)}, 0},
		"a date far away":                      {429, []string{"Retry-After", at(30 * time.Hour)}, time.Hour},
		"also on 503":                          {503, []string{"Retry-After", "30"}, 30 * time.Second},
		"also on 408":                          {408, []string{"Retry-After", "30"}, 30 * time.Second},
		"RateLimit-Reset on 429":               {429, []string{"RateLimit-Reset", "42"}, 42 * time.Second},
		"RateLimit-Reset on 503":               {503, []string{"RateLimit-Reset", "42"}, 42 * time.Second},
		"RateLimit-Reset on 500 says nothing":  {500, []string{"RateLimit-Reset", "42"}, 0},
		"Retry-After before RateLimit-Reset":   {429, []string{"RateLimit-Reset", "42", "Retry-After", "7"}, 7 * time.Second},
		"a useless Retry-After leaves it":      {429, []string{"RateLimit-Reset", "42", "Retry-After", "x"}, 42 * time.Second},
		"X-RateLimit-Reset in seconds":         {429, []string{"X-RateLimit-Reset", "42"}, 42 * time.Second},
		"X-RateLimit-Reset as an instant":      {429, []string{"X-RateLimit-Reset", "1767323045"}, 0},
		"X-RateLimit-Reset behind a bad other": {429, []string{"RateLimit-Reset", "-1", "X-RateLimit-Reset", "42"}, 42 * time.Second},
	} {
		h := http.Header{}
		for i := 0; i < len(tc.header); i += 2 {
			h.Set(tc.header[i], tc.header[i+1])
		}
		if got := retryAfter(tc.status, h, now); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
