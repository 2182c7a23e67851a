package oauth

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// Instants outside of these are no dates: a lifetime in seconds that somebody named expires_at, or noise.
	minEpoch = 1_000_000_000       // 2001-09-09
	maxEpoch = 100_000_000_000     // the year 5138; what is above is in milliseconds
	maxMilli = 100_000_000_000_000 // above that it is nothing

	disagreement = time.Minute
)

// stated is what an answer says of a token's life, each part as far as it is believable.
type stated struct {
	in       time.Duration // expires_in, when hasIn
	hasIn    bool
	inTooBig bool      // expires_in is a number beyond MaxLifetime
	at       time.Time // expires_at or expires_on, zero when absent
	from     time.Time // what at is compared to: the answer's Date, else the instant before the request
	issued   time.Time
	claims   Claims
}

func (a *answer) stated(claims Claims) stated {
	s := stated{issued: a.at, from: a.at, claims: claims}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		s.from = date
	}
	unit := a.dialect.ExpiresInUnit
	if unit == 0 {
		unit = time.Second
	}
	s.in, s.hasIn, s.inTooBig = parseExpiresIn(scalar(a.field("expires_in")), unit)
	for _, name := range []string{"expires_at", "expires_on"} {
		if at, ok := parseInstant(scalar(a.field(name))); ok {
			s.at = at
			break
		}
	}
	return s
}

// parseExpiresIn reads a number of units, whole or not, in any notation. ok is false for what is none; tooBig is set, and ok is
// not, for one beyond MaxLifetime. The result may be 0 or negative.
func parseExpiresIn(s string, unit time.Duration) (d time.Duration, ok, tooBig bool) {
	f, isNumber := parseNumber(s)
	if !isNumber {
		return 0, false, false
	}
	f *= float64(unit)
	switch {
	case f > float64(MaxLifetime):
		return 0, false, true
	case f < -float64(MaxLifetime):
		return -MaxLifetime, true, false
	}
	return time.Duration(f).Truncate(time.Second), true, false
}

// parseNumber is strict about the characters, because strconv takes "NaN", "Infinity", "0x1p4" and "1_000" for numbers, and lenient about
// the size: what overflows is infinite.
func parseNumber(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// parseEpoch reads seconds or milliseconds since 1970.
func parseEpoch(s string) (time.Time, bool) {
	f, ok := parseNumber(s)
	switch {
	case !ok || f < minEpoch || f >= maxMilli:
		return time.Time{}, false
	case f >= maxEpoch:
		return time.UnixMilli(int64(f)).UTC().Truncate(time.Second), true
	}
	return time.Unix(int64(f), 0).UTC(), true
}

// parseInstant reads seconds or milliseconds since 1970, RFC 3339, or ISO 8601 with a zone. Without a zone a time is a guess of up to 14 hours,
// more than most tokens live: it is not taken.
func parseInstant(s string) (time.Time, bool) {
	if t, ok := parseEpoch(s); ok {
		return t, true
	}
	if s == "" {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700", "20060102T150405Z0700", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil && t.Unix() >= minEpoch {
			return t.UTC().Truncate(time.Second), true
		}
	}
	return time.Time{}, false
}

// jwtLife is exp - iat.
func (s stated) jwtLife() (time.Duration, bool) {
	if s.claims.ExpiresAt.IsZero() || s.claims.IssuedAt.IsZero() {
		return 0, false
	}
	return s.claims.ExpiresAt.Sub(s.claims.IssuedAt), true
}

// jwtLeft is exp - issued_at, when positive: a server whose clock is wrong, or a sample, says nothing.
func (s stated) jwtLeft() (time.Duration, bool) {
	left := s.claims.ExpiresAt.Sub(s.issued)
	return left, !s.claims.ExpiresAt.IsZero() && left > 0
}

// all returns every lifetime that the answer names (contract.md section 5). The Sub of two far instants saturates, so none overflows.
func (s stated) all() []time.Duration {
	var all []time.Duration
	if s.hasIn {
		all = append(all, s.in)
	}
	if !s.at.IsZero() {
		all = append(all, s.at.Sub(s.from))
	}
	if d, ok := s.jwtLife(); ok {
		all = append(all, d)
	}
	if d, ok := s.jwtLeft(); ok {
		all = append(all, d)
	}
	return all
}

// expiresIn is Token.ExpiresIn.
func (s stated) expiresIn() time.Duration {
	life, ok := s.jwtLife()
	ok = ok && life > 0 && life <= MaxLifetime
	switch {
	case s.hasIn && ok:
		return min(s.in, life)
	case s.hasIn:
		return s.in
	case ok:
		return life
	}
	return 0
}

// lifetime is Token.Lifetime. ok is false when the response states none; otherwise 0 or less means that nothing is left.
func (s stated) lifetime() (d time.Duration, ok bool) {
	all := s.all()
	if s.inTooBig {
		all = append(all, MaxLifetime)
	}
	if len(all) == 0 {
		return 0, false
	}
	return min(slices.Min(all), MaxLifetime).Truncate(time.Second), true
}

func (s stated) notes() []Note {
	var notes []Note
	all := s.all()
	if len(all) == 0 && !s.inTooBig {
		notes = append(notes, NoteTTLUnknown)
	}
	if s.inTooBig || len(all) > 0 && slices.Min(all) > MaxLifetime {
		notes = append(notes, NoteTTLCapped)
	}
	_, hasLife := s.jwtLife()
	_, hasLeft := s.jwtLeft()
	if !s.at.IsZero() && !s.hasIn && !hasLife && !hasLeft {
		notes = append(notes, NoteTTLAbsolute)
	}
	if s.disagrees() {
		notes = append(notes, NoteTTLDisagrees)
	}
	return notes
}

// disagrees compares expires_in to the JWT. A token that is handed out again has less left than its JWT's whole life: no disagreement,
// as long as it is what the JWT has left.
func (s stated) disagrees() bool {
	life, ok := s.jwtLife()
	if !ok || !s.hasIn && !s.inTooBig {
		return false
	}
	if s.inTooBig {
		return true
	}
	left, ok := s.jwtLeft()
	return (life-s.in).Abs() > disagreement && (!ok || (left-s.in).Abs() > disagreement)
}
