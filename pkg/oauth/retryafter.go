package oauth

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxRetryAfterSeconds = int(MaxRetryAfter / time.Second)

// retryAfter returns the wait that the headers of a response state, 0 for none. It reads Retry-After as seconds or as a date (RFC 9110 section
// 10.2.3), and on 429 and 503 also RateLimit-Reset (seconds) and X-RateLimit-Reset when it is not an instant.
func retryAfter(status int, h http.Header, now time.Time) time.Duration {
	if wait, ok := retryAfterHeader(h, now); ok {
		return wait
	}
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return 0
	}
	for _, name := range []string{"RateLimit-Reset", "X-RateLimit-Reset"} {
		// More than a day: an instant in seconds since 1970, by an unknown clock.
		if s, ok := parseSeconds(h.Get(name)); ok && s <= 24*3600 {
			return seconds(s)
		}
	}
	return 0
}

func retryAfterHeader(h http.Header, now time.Time) (time.Duration, bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if s, ok := parseSeconds(value); ok {
		return seconds(s), true
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	// By the response's own clock, which made the date.
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), MaxRetryAfter), true
}

// parseSeconds accepts digits with an optional fraction, without sign, exponent or word.
func parseSeconds(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 1) {
		return 0, false
	}
	return f, true
}

// seconds rounds up, and caps.
func seconds(s float64) time.Duration {
	return time.Duration(math.Min(math.Ceil(s), float64(maxRetryAfterSeconds))) * time.Second
}
