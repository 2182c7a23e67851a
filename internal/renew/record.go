package renew

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxRecord is how many characters the Description of an SSM parameter holds.
const MaxRecord = 1024

const (
	recordVersion = 1
	// maxText is how many characters of a text that a provider chose may stand in a record before it is replaced by a hash.
	maxText = 64
	// hashLength is how many hex digits a hash has in a record.
	hashLength = 16
)

// Record says what the published token is. It is the Description of the token's parameter, so that token and record change in one write
// (contract.md section 2).
type Record struct {
	V           int       `json:"v"`
	Provider    string    `json:"provider"`
	Endpoint    string    `json:"endpoint"` // host of the token endpoint, with the port if it is not 443
	IssuedAt    time.Time `json:"issued_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	RenewAt     time.Time `json:"renew_at"`
	Scope       string    `json:"scope,omitempty"`
	ScopeSHA256 string    `json:"scope_sha256,omitempty"` // in place of a scope that does not fit
	JTI         string    `json:"jti,omitempty"`
	StoreID     string    `json:"store_id,omitempty"`
	TokenID     string    `json:"token_id"`   // 16 hex digits of the token's SHA-256
	Shape       string    `json:"shape"`      // 8 hex digits over the answer's field names
	Credential  string    `json:"credential"` // version id that minted it
	Stage       string    `json:"stage"`      // its label then: AWSCURRENT, BACKUP, AWSPREVIOUS
	Current     string    `json:"current"`    // version id that was AWSCURRENT then
	Since       time.Time `json:"since"`      // creation of the credential's version
	Seq         int64     `json:"seq"`        // the parameter version that this write expects to become
}

// Lifetime is the whole life of the token.
func (r *Record) Lifetime() time.Duration { return r.ExpiresAt.Sub(r.IssuedAt) }

// Failure says why a connection fails. It is the Description of its refresh_failure parameter.
type Failure struct {
	V          int       `json:"v"`
	Class      string    `json:"class"`
	Code       string    `json:"code"`
	Provider   string    `json:"provider,omitempty"`
	Endpoint   string    `json:"endpoint,omitempty"`
	HTTPStatus int       `json:"http_status,omitempty"`
	Attempts   int       `json:"attempts"` // consecutive runs that failed in the same class with the same AWSCURRENT
	FirstAt    time.Time `json:"first_at"`
	LastAt     time.Time `json:"last_at"`
	NextAt     time.Time `json:"next_at"`
	RetryAt    time.Time `json:"retry_at,omitzero"` // end of a Retry-After, which nothing overrides; absent without one
	Current    string    `json:"current"`           // version id of AWSCURRENT
}

// errUnreadable is what the parsers wrap.
var errUnreadable = errors.New("unreadable record")

// ParseRecord reads a token parameter's Description. The record's texts keep nothing else of what the Description may be a part of.
func ParseRecord(text string) (*Record, error) {
	var r Record
	if !r.readPlain(strings.Clone(text)) || r.V != recordVersion {
		r = Record{}
		if err := decode(text, &r, func() int { return r.V }); err != nil {
			return nil, err
		}
	}
	if !sane(r.IssuedAt) || !sane(r.ExpiresAt) || !sane(r.RenewAt) || !r.ExpiresAt.After(r.IssuedAt) {
		return nil, fmt.Errorf("%w: its times make no sense", errUnreadable)
	}
	return &r, nil
}

// ParseFailure reads a refresh_failure parameter's Description.
func ParseFailure(text string) (*Failure, error) {
	var f Failure
	if err := decode(text, &f, func() int { return f.V }); err != nil {
		return nil, err
	}
	if !sane(f.FirstAt) || !sane(f.LastAt) || f.Class == "" {
		return nil, fmt.Errorf("%w: class is missing, or first_at or last_at makes no sense", errUnreadable)
	}
	return &f, nil
}

// sane reports whether an instant lies in this century or the next ones: others were typed by somebody, and cannot be calculated with.
func sane(t time.Time) bool { return t.Year() >= 1990 && t.Year() < 3000 }

func decode(text string, into any, version func() int) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("%w: it is no JSON record", errUnreadable)
	}
	if v := version(); v != recordVersion {
		return fmt.Errorf("%w: version %d, this program knows %d", errUnreadable, v, recordVersion)
	}
	return nil
}

// Encode writes the record in at most MaxRecord characters: a scope that does not fit is replaced by its hash, and so are a jti and a
// store that are too long, or that JSON makes too long (a control character takes six).
func (r Record) Encode() string {
	r.V = recordVersion
	r.JTI, r.StoreID = shorten(r.JTI, maxText), shorten(r.StoreID, maxText)
	if text, ok := r.appendPlain(make([]byte, 0, 3*MaxRecord/4)); ok && len(text) <= MaxRecord {
		return string(text)
	}
	text := encode(r)
	if len(text) > MaxRecord && r.Scope != "" {
		r.Scope, r.ScopeSHA256 = "", scopeHash(r.Scope)
		text = encode(r)
	}
	if len(text) > MaxRecord {
		r.JTI, r.StoreID = shorten(r.JTI, hashLength), shorten(r.StoreID, hashLength)
		text = encode(r)
	}
	return text
}

// Encode writes the failure's record.
func (f Failure) Encode() string {
	f.V = recordVersion
	return encode(f)
}

// SameScope reports whether the record's scope has the same members as granted, in any order; a scope that did not fit is compared by hash.
func (r *Record) SameScope(granted string) bool {
	if r.ScopeSHA256 != "" {
		return r.ScopeSHA256 == scopeHash(granted)
	}
	return len(ScopeDiff(r.Scope, granted)) == 0
}

// ScopeDiff lists what changed since the record, as the function of that name does; nothing where only a hash of the scope is kept.
func (r *Record) ScopeDiff(granted string) []string {
	if r.ScopeSHA256 != "" {
		return nil
	}
	return ScopeDiff(r.Scope, granted)
}

// scopeHash is the SHA-256 of a scope's members in sorted order, separated by single spaces.
func scopeHash(scope string) string {
	members := strings.Fields(scope)
	slices.Sort(members)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(members), " ")))
	return hex.EncodeToString(sum[:])
}

// SameStore reports whether the record names the given store; a record or a token without one says nothing.
func (r *Record) SameStore(store string) bool {
	return r.StoreID == "" || store == "" || r.StoreID == store || r.StoreID == hash(store)
}

func encode(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // only a year beyond 9999 can fail, and no token lives that long
		return ""
	}
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}

// shorten replaces a text of more than most characters by its hash.
func shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return hash(text)
}

// hash is the first 16 hex digits of the text's SHA-256.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:hashLength/2])
}
