package oauthtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// visit is one call on its way through the provider.
type visit struct {
	in       *wire
	at       time.Time // arrival
	endpoint Endpoint
	auth     string
	creds    credentials // of a token call
	bearer   string      // of an API call
	entry    *entry      // whom it comes from; nil: nobody known
	fault    Fault
}

// decides reports whether the fault answers in the provider's place.
func (f Fault) decides() bool {
	switch f.kind {
	case faultHang, faultReset, faultFail, faultStatus, faultRespond:
		return true
	case faultLatency, faultCut, faultGzip:
	}
	return false
}

// arrive routes a call and decides what will befall it.
func (p *Provider) arrive(in *wire) *visit {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := &visit{in: in, at: p.now(), auth: "none"}
	f := &p.facts
	switch {
	case in.path == f.path:
		v.endpoint = TokenEndpoint
		v.creds = p.profile.present(&p.settings, in)
		v.auth = v.creds.style
		v.entry = p.clients[v.creds.id()]
	case slices.Contains(f.apiPaths, in.path):
		v.endpoint = APIEndpoint
		if bearer, ok := authorization(in.header, "bearer"); ok {
			v.auth, v.bearer = "bearer", bearer
			if t := p.tokens[bearer]; t != nil {
				v.entry = p.clients[t.clientID]
			}
		}
	default:
		return v
	}
	v.fault = p.fault(v.entry, v.endpoint == APIEndpoint)
	return v
}

// finish waits as the fault wants, and answers. Its error is the context's.
func (p *Provider) finish(ctx context.Context, v *visit) (answer, error) {
	if err := p.wait(ctx, v.fault); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.record(v, 0, outcome{})
		return answer{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a, o := p.answer(v)
	if a.header == nil {
		a.header = make(http.Header)
	}
	if a.header.Get("Date") == "" {
		a.header.Set("Date", p.now().UTC().Format(http.TimeFormat))
	}
	p.record(v, a.status, o)
	return a, nil
}

func (p *Provider) wait(ctx context.Context, f Fault) error {
	if f.kind == faultHang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if f.delay <= 0 {
		return nil
	}
	t := time.NewTimer(f.delay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *Provider) answer(v *visit) (answer, outcome) {
	switch f := v.fault; f.kind {
	case faultReset, faultFail:
		return answer{reset: true}, outcome{}
	case faultStatus:
		a := p.profile.failure(f.status)
		for k, values := range f.header {
			a.header[k] = slices.Clone(values)
		}
		return a, outcome{}
	case faultRespond:
		return answer{status: f.status, header: f.header.Clone(), body: f.body, size: f.size}, outcome{}
	case faultCut:
		a, o := p.truth(v)
		a.isCut, a.cut = true, min(f.size, int64(len(a.body)))
		return a, o
	case faultGzip:
		a, o := p.truth(v)
		return a.compress(), o
	case faultLatency, faultHang:
	}
	return p.truth(v)
}

// truth is what the provider answers when nothing is wrong with it.
func (p *Provider) truth(v *visit) (answer, outcome) {
	if v.endpoint == NoEndpoint {
		return answer{
			status: http.StatusNotFound, header: http.Header{"Content-Type": {"text/html"}},
			body: []byte("<html><body>404 Not Found</body></html>"),
		}, outcome{}
	}
	if a, limited := p.limit(v); limited {
		return a, outcome{limited: true}
	}
	if v.endpoint == APIEndpoint {
		return p.profile.api(p, v, p.tokens[v.bearer]), outcome{}
	}
	return p.profile.token(p, v)
}

func (a answer) compress() answer {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	// Writing to a bytes.Buffer cannot fail.
	_, _ = z.Write(a.body)
	_ = z.Close()
	a.body = b.Bytes()
	return a.with("Content-Encoding", "gzip")
}

// window counts calls against a Limit.
type window struct {
	start time.Time
	calls int
}

// take counts a call and reports how long the window still lasts when the call is one too many, 0 when it is not.
func (w *window) take(now time.Time, l Limit) time.Duration {
	end := w.start.Add(l.Window)
	if w.calls == 0 || !now.Before(end) {
		*w = window{start: now}
		end = now.Add(l.Window)
	}
	if w.calls >= l.Calls {
		return end.Sub(now)
	}
	w.calls++
	return 0
}

func (p *Provider) limit(v *visit) (answer, bool) {
	now, l, w := p.now(), p.settings.Limit, &p.unknown
	if v.entry != nil {
		w = &v.entry.window
		if c := v.entry.settle(now); c != nil && c.Limit != (Limit{}) {
			l = c.Limit
		}
	}
	if l == (Limit{}) || (v.endpoint == APIEndpoint && !l.CountAPI) {
		return answer{}, false
	}
	if l.Shared {
		w = &p.shared
	}
	if l.Window == 0 {
		l.Window = time.Minute
	}
	if rest := w.take(now, l); rest > 0 {
		return p.profile.tooMany(l, rest), true
	}
	return answer{}, false
}

func itoa(n int) string { return strconv.Itoa(n) }
