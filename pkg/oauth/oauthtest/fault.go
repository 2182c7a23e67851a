package oauthtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault is one way to misbehave, made by a constructor and refined by its methods, which return a changed copy. It strikes a token
// call, or with [Fault.OnAPI] a call of the API, before the provider looks at credentials or counts against a limit, as a firewall or
// an outage would; only [CutBody] and [Gzip] alter a true answer.
type Fault struct {
	kind   faultKind
	delay  time.Duration
	status int
	header http.Header
	body   []byte
	size   int64
	err    error

	times  int // 0: once; forever: until cleared
	chance float64
	api    bool
}

type faultKind string

const (
	faultLatency faultKind = "latency"
	faultHang    faultKind = "hang"
	faultReset   faultKind = "reset"
	faultFail    faultKind = "fail"
	faultCut     faultKind = "cut body"
	faultGzip    faultKind = "gzip"
	faultStatus  faultKind = "status"
	faultRespond faultKind = "respond"
)

const forever = -1

// Latency answers truly, after d.
func Latency(d time.Duration) Fault { return Fault{kind: faultLatency, delay: d} }

// Hang never answers: the call ends with its context (on a port, when the caller hangs up or the server is closed).
func Hang() Fault { return Fault{kind: faultHang} }

// Reset breaks the connection after the request was read (ECONNRESET). No token is minted; [CutBody] loses one that was.
func Reset() Fault { return Fault{kind: faultReset} }

// Fail makes the call fail with err before anything is sent: a refused connection, an unknown certificate authority. In process only;
// on a port it is a Reset.
func Fail(err error) Fault { return Fault{kind: faultFail, err: err} }

// CutBody ends the connection after n bytes of the true answer's body. The token in it has been minted and is lost.
func CutBody(n int) Fault { return Fault{kind: faultCut, size: int64(max(n, 0))} }

// Gzip compresses the true answer, whether asked to or not.
func Gzip() Fault { return Fault{kind: faultGzip} }

// GzipBomb answers 200 with n bytes of JSON white space in a small compressed body. The constructor does the compressing, so make it
// once.
func GzipBomb(n int64) Fault {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	// Writing to a bytes.Buffer cannot fail.
	_, _ = io.CopyN(z, filler{}, n)
	_ = z.Close()
	h := http.Header{"Content-Type": {jsonType}, "Content-Encoding": {"gzip"}}
	return Fault{kind: faultRespond, status: http.StatusOK, header: h, body: b.Bytes()}
}

// HugeBody answers 200 with n bytes that begin like a token answer and never end it.
func HugeBody(n int64) Fault {
	return Fault{
		kind: faultRespond, status: http.StatusOK, header: http.Header{"Content-Type": {jsonType}},
		body: []byte(`{"access_token": "T", "token_type": "bearer", "padding": "`), size: n,
	}
}

// TooMany answers 429 with the profile's own body. A positive retryAfter is sent as Retry-After, in whole seconds.
func TooMany(retryAfter time.Duration) Fault {
	f := Status(http.StatusTooManyRequests)
	if retryAfter > 0 {
		f.header = http.Header{"Retry-After": {seconds(retryAfter)}}
	}
	return f
}

// Status answers with a status and the profile's own body for it: 500, 502, 503, 429 and so on.
func Status(code int) Fault { return Fault{kind: faultStatus, status: code} }

// BlockPage is Cloudflare's challenge: 403 with HTML.
func BlockPage() Fault {
	return Respond(http.StatusForbidden, http.Header{
		"Content-Type": {"text/html; charset=UTF-8"}, "Server": {"cloudflare"}, "Cf-Mitigated": {"challenge"}, "Cf-Ray": {"8x-GRU"},
	}, `<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head></html>`)
}

// Redirect answers 307 to another place: a client that follows it hands the secret over.
func Redirect(location string) Fault {
	return Respond(http.StatusTemporaryRedirect, http.Header{"Location": {location}}, "")
}

// Respond answers with exactly this.
func Respond(status int, header http.Header, body string) Fault {
	h := make(http.Header, len(header))
	for k, v := range header {
		h[http.CanonicalHeaderKey(k)] = slices.Clone(v)
	}
	return Fault{kind: faultRespond, status: status, header: h, body: []byte(body)}
}

// Times strikes n calls instead of one.
func (f Fault) Times(n int) Fault { f.times = max(n, 1); return f }

// Always strikes every call until cleared, once no fault that was scripted for a number of calls is left.
func (f Fault) Always() Fault { f.times = forever; return f }

// Chance strikes with probability p (0 to 1), drawn from Options.Seed. It implies Always; give Times afterwards for a number of
// strikes.
func (f Fault) Chance(p float64) Fault {
	f.chance = min(max(p, 0), 1)
	if f.chance == 0 {
		f.chance = -1 // 0 means certain
	}
	f.times = forever
	return f
}

// After delays the fault by d.
func (f Fault) After(d time.Duration) Fault { f.delay += d; return f }

// OnAPI strikes calls of the API instead of token calls.
func (f Fault) OnAPI() Fault { f.api = true; return f }

// String names the fault for a log; it holds nothing of its body.
func (f Fault) String() string {
	switch f.kind {
	case faultStatus, faultRespond:
		return fmt.Sprintf("%s %d", f.kind, f.status)
	case faultLatency, faultHang, faultReset, faultFail, faultCut, faultGzip:
	}
	return string(f.kind)
}

// Inject scripts faults for calls of every client, in order, after those of the client itself.
func (p *Provider) Inject(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, faults...)
}

// InjectFor scripts faults for the calls of one client, registered or not, in order.
func (p *Provider) InjectFor(id string, faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entry(id)
	e.scripted = append(e.scripted, faults...)
}

// ClearFaults forgets all faults, also those of single clients. Calls that hang or wait already go on doing so.
func (p *Provider) ClearFaults() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
	for _, e := range p.clients {
		e.scripted = nil
	}
}

// ClearFaultsFor forgets the faults of one client.
func (p *Provider) ClearFaultsFor(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.clients[id]; e != nil {
		e.scripted = nil
	}
}

// queue holds faults in the order in which they were scripted.
type queue []Fault

// next takes the first fault of a number of calls that strikes.
func (q *queue) next(api bool, roll func() float64) (Fault, bool) {
	for i, f := range *q {
		if f.times == forever || f.api != api || !f.strikes(roll) {
			continue
		}
		if f.times > 1 {
			(*q)[i].times--
		} else {
			*q = slices.Delete(*q, i, i+1)
		}
		return f, true
	}
	return Fault{}, false
}

// standing adds the permanent faults that strike to f: delays add up, and the first fault that is more than a delay decides.
func (q queue) standing(f *Fault, api bool, roll func() float64) {
	for _, s := range q {
		if s.times != forever || s.api != api || (f.kind != "" && f.kind != faultLatency) || !s.strikes(roll) {
			continue
		}
		s.delay += f.delay
		*f = s
	}
}

func (f Fault) strikes(roll func() float64) bool {
	return f.chance == 0 || roll() < f.chance
}

// fault decides what befalls a call of e (nil: of nobody known).
func (p *Provider) fault(e *entry, api bool) Fault {
	if e != nil {
		if f, ok := e.scripted.next(api, p.roll); ok {
			return f
		}
	}
	if f, ok := p.faults.next(api, p.roll); ok {
		return f
	}
	var f Fault
	if e != nil {
		e.scripted.standing(&f, api, p.roll)
	}
	p.faults.standing(&f, api, p.roll)
	return f
}

// filler is endless JSON white space.
type filler struct{}

func (filler) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// seconds spells d in whole seconds, rounded up: a wait that ends too early is refused again.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
