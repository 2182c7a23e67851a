package oauthtest

import (
	"time"
)

// Call is one call as the provider saw it. It never holds a secret or a token.
type Call struct {
	Time     time.Time // of arrival
	Endpoint Endpoint
	ClientID string // as presented, or as the token tells; "" when it was never registered here
	Auth     string // how credentials came: basic, form, query, json, several joined by "+", bearer, or none
	Status   int    // of the answer; 0 when there was none
	Fault    string // what was done to it, "" for a true answer
	TokenID  string // fingerprint of the token that was handed out (see oauth.Secret.Fingerprint), "" when none
	Reissued bool   // it was handed out before
}

// Endpoint is what a call was for.
type Endpoint string

// Endpoints.
const (
	TokenEndpoint Endpoint = "token"
	APIEndpoint   Endpoint = "api"
	NoEndpoint    Endpoint = "" // a path that the provider does not have: 404
)

// Stats counts calls.
type Stats struct {
	TokenCalls int // all calls of the token endpoint, whatever became of them
	Minted     int // new tokens handed out
	Reissued   int // tokens handed out again
	Refused    int // true answers with a status from 400, other than 429
	Limited    int // refused by a Limit
	Faulted    int // struck by a Fault (one that only adds latency counts here and as what it is)
	APICalls   int // all calls of the API
}

// Calls returns the latest calls, oldest first (Options.LogSize).
func (p *Provider) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.all()
}

// Stats returns the counters of one client since the start.
func (p *Provider) Stats(id string) Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.clients[id]; e != nil {
		return e.stats
	}
	return Stats{}
}

// Total returns the counters over all calls since the start, those of unknown clients included.
func (p *Provider) Total() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// callLog is a ring.
type callLog struct {
	calls []Call
	next  int
	size  int
}

func newCallLog(size int) callLog {
	if size == 0 {
		size = 4096
	}
	return callLog{size: max(size, 0)}
}

func (l *callLog) add(c Call) {
	switch {
	case l.size == 0:
	case len(l.calls) < l.size:
		l.calls = append(l.calls, c)
	default:
		l.calls[l.next] = c
		l.next = (l.next + 1) % l.size
	}
}

func (l *callLog) all() []Call {
	out := make([]Call, 0, len(l.calls))
	return append(append(out, l.calls[l.next:]...), l.calls[:l.next]...)
}

// outcome is what became of a call, beside its status.
type outcome struct {
	tokenID  string
	reissued bool
	limited  bool
}

// record writes a call down. e is nil for somebody unknown.
func (p *Provider) record(v *visit, status int, o outcome) {
	c := Call{
		Time: v.at, Endpoint: v.endpoint, Auth: v.auth, Status: status, Fault: v.fault.String(),
		TokenID: o.tokenID, Reissued: o.reissued,
	}
	if v.entry != nil && v.entry.everKnown {
		c.ClientID = v.entry.id
	}
	p.log.add(c)
	p.total.count(v, status, o)
	if v.entry != nil {
		v.entry.stats.count(v, status, o)
	}
}

func (s *Stats) count(v *visit, status int, o outcome) {
	switch v.endpoint {
	case TokenEndpoint:
		s.TokenCalls++
	case APIEndpoint:
		s.APICalls++
	case NoEndpoint:
		return
	}
	if v.fault.kind != "" {
		s.Faulted++
	}
	switch {
	case o.limited:
		s.Limited++
	case o.reissued:
		s.Reissued++
	case o.tokenID != "":
		s.Minted++
	case status >= 400 && !v.fault.decides():
		s.Refused++
	}
}
