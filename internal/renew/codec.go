package renew

import (
	"strconv"
	"strings"
	"time"
)

// A sweep reads the record of every connection and writes one for each token. Nearly all are plain: texts of printable ASCII without quotes
// and backslashes, instants in UTC and whole seconds. Those are written and read here, without reflection; every other one by encoding/json,
// which decides what is right (docs/adr/0016).

// appendPlain adds the record's JSON, as encoding/json writes it; ok is false for one that is not plain.
func (r *Record) appendPlain(b []byte) (text []byte, ok bool) {
	w := plainWriter{b: append(b, '{'), ok: true}
	w.number("v", int64(r.V))
	w.text("provider", r.Provider)
	w.text("endpoint", r.Endpoint)
	w.instant("issued_at", r.IssuedAt)
	w.instant("expires_at", r.ExpiresAt)
	w.instant("renew_at", r.RenewAt)
	w.optional("scope", r.Scope)
	w.optional("scope_sha256", r.ScopeSHA256)
	w.optional("jti", r.JTI)
	w.optional("store_id", r.StoreID)
	w.text("token_id", r.TokenID)
	w.text("shape", r.Shape)
	w.text("credential", r.Credential)
	w.text("stage", r.Stage)
	w.text("current", r.Current)
	w.instant("since", r.Since)
	w.number("seq", r.Seq)
	return append(w.b, '}'), w.ok
}

// readPlain reads what appendPlain wrote, with the fields in the same order; false for anything else, and then the record may hold part of it.
func (r *Record) readPlain(text string) bool {
	p := plainReader{rest: text, ok: true}
	p.open()
	r.V = int(p.number("v"))
	r.Provider = p.text("provider")
	r.Endpoint = p.text("endpoint")
	r.IssuedAt = p.instant("issued_at")
	r.ExpiresAt = p.instant("expires_at")
	r.RenewAt = p.instant("renew_at")
	r.Scope = p.optional("scope")
	r.ScopeSHA256 = p.optional("scope_sha256")
	r.JTI = p.optional("jti")
	r.StoreID = p.optional("store_id")
	r.TokenID = p.text("token_id")
	r.Shape = p.text("shape")
	r.Credential = p.text("credential")
	r.Stage = p.text("stage")
	r.Current = p.text("current")
	r.Since = p.instant("since")
	r.Seq = p.number("seq")
	return p.ok && p.rest == "}"
}

type plainWriter struct {
	b  []byte
	ok bool
}

// key adds a field's name, and the comma after the field before.
func (w *plainWriter) key(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.quote(name)
	w.b = append(w.b, ':')
}

func (w *plainWriter) quote(text string) {
	w.ok = w.ok && isPlain(text)
	w.b = append(w.b, '"')
	w.b = append(w.b, text...)
	w.b = append(w.b, '"')
}

func (w *plainWriter) number(name string, n int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *plainWriter) text(name, text string) {
	w.key(name)
	w.quote(text)
}

func (w *plainWriter) optional(name, text string) {
	if text != "" {
		w.text(name, text)
	}
}

func (w *plainWriter) instant(name string, t time.Time) {
	w.ok = w.ok && t.Location() == time.UTC && t.Nanosecond() == 0 && t.Year() >= 0 && t.Year() <= 9999
	w.text(name, t.Format(time.RFC3339))
}

// isPlain reports whether a text is its own JSON between quotes.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// plainReader goes through a record once. After the first thing that is not as expected it is not ok, and what it returns means nothing.
type plainReader struct {
	rest  string
	inner bool // a field was read
	ok    bool
}

func (p *plainReader) open() { p.skip("{") }

func (p *plainReader) skip(text string) {
	rest, ok := strings.CutPrefix(p.rest, text)
	p.rest, p.ok = rest, p.ok && ok
}

// at reports whether the field of that name comes next, and goes on to its value.
func (p *plainReader) at(name string) bool {
	rest := p.rest
	if p.inner {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return false
		}
	}
	n := len(name)
	if len(rest) < n+3 || rest[0] != '"' || rest[1:n+1] != name || rest[n+1] != '"' || rest[n+2] != ':' {
		return false
	}
	p.rest, p.inner = rest[n+3:], true
	return true
}

func (p *plainReader) number(name string) int64 {
	if p.ok = p.ok && p.at(name); !p.ok {
		return 0
	}
	end := strings.IndexAny(p.rest, ",}")
	if end < 1 || end > 18 || end > 1 && p.rest[0] == '0' || strings.Trim(p.rest[:end], "0123456789") != "" {
		p.ok = false // a sign, a fraction, or what an int64 may not hold
		return 0
	}
	n, err := strconv.ParseInt(p.rest[:end], 10, 64)
	p.rest, p.ok = p.rest[end:], err == nil
	return n
}

func (p *plainReader) text(name string) string {
	if p.ok = p.ok && p.at(name); !p.ok {
		return ""
	}
	return p.quoted()
}

func (p *plainReader) optional(name string) string {
	if !p.ok || !p.at(name) {
		return ""
	}
	return p.quoted()
}

func (p *plainReader) quoted() string {
	p.skip(`"`)
	end := strings.IndexByte(p.rest, '"')
	if !p.ok || end < 0 || !isPlain(p.rest[:end]) {
		p.ok = false
		return ""
	}
	text := p.rest[:end]
	p.rest = p.rest[end+1:]
	return text
}

// instant reads one in UTC and whole seconds, which has 20 characters; encoding/json is stricter with others than time.Parse.
func (p *plainReader) instant(name string) time.Time {
	text := p.text(name)
	if !p.ok || len(text) != len("2006-01-02T15:04:05Z") || text[len(text)-1] != 'Z' {
		p.ok = false
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	p.ok = err == nil
	return t
}
