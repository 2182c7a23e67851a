package probe

import (
	"cmp"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Status of an endpoint, or of all.
type Status string

// Statuses, best first.
const (
	Healthy   Status = "healthy"
	Degraded  Status = "degraded"
	Unhealthy Status = "unhealthy"
)

func (s Status) rank() int { return slices.Index([]Status{Healthy, Degraded, Unhealthy}, s) }

// Report is what a run returns (contract.md section 7). It stays far below the 256 KB that an asynchronous invocation may answer.
type Report struct {
	Status      Status      `json:"status"`
	CheckedAt   time.Time   `json:"checked_at"`
	Endpoints   []Endpoint  `json:"endpoints"` // that were asked in this run, the worst first
	Connections Counts      `json:"connections"`
	Attention   []Attention `json:"attention"` // the worst 20 connections
}

// Endpoint is what one token endpoint answered.
type Endpoint struct {
	Provider    string  `json:"provider"`
	Host        string  `json:"host"` // with the port if it is not 443
	Status      Status  `json:"status"`
	Probe       Probe   `json:"probe"` // how it was asked; none when it could not be
	Latency     Latency `json:"latency_ms"`
	ThresholdMS int64   `json:"threshold_ms"`
	HTTPStatus  int     `json:"http_status"` // 0 when there was no answer
	Code        string  `json:"code"`        // why it is not healthy, or how it refused a request without credentials (contract.md section 3)

	total    time.Duration // of the request that counts
	answered bool          // as it should, or by refusing the pair of a token probe, which is that connection's trouble
}

// Measured reports whether the endpoint was asked, how long the request that counts took, and whether it did its work.
func (e Endpoint) Measured() (total time.Duration, answered, ok bool) {
	return e.total, e.answered, e.Probe != None
}

// Latency is where the time of a request went, in whole milliseconds. A phase that did not happen is 0: a warm connection (reused) needs no
// DNS, connect and TLS.
type Latency struct {
	DNS       int64 `json:"dns"`
	Connect   int64 `json:"connect"`
	TLS       int64 `json:"tls"`
	FirstByte int64 `json:"first_byte"`
	Total     int64 `json:"total"`
	Reused    bool  `json:"reused"`
}

func millis(l oauth.Latency) Latency {
	ms := func(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }
	return Latency{DNS: ms(l.DNS), Connect: ms(l.Connect), TLS: ms(l.TLS), FirstByte: ms(l.FirstByte), Total: ms(l.Total), Reused: l.Reused}
}

// Counts are how many connections are in which state. Total counts the secrets, paused ones included, and names in the event for which there
// is none; orphans have no secret and stand beside it.
type Counts struct {
	Total    int `json:"total"`
	Fresh    int `json:"fresh"`
	Due      int `json:"due"`
	Overdue  int `json:"overdue"`
	Expired  int `json:"expired"`
	Failing  int `json:"failing"`
	Missing  int `json:"missing"`
	Orphaned int `json:"orphaned"`
	Paused   int `json:"paused"`
}

// Attention is a connection that a person should look at.
type Attention struct {
	Connection      string `json:"connection"`
	State           State  `json:"state"`
	SecondsToExpiry int64  `json:"seconds_to_expiry"` // of the published token, negative when it is over; 0 when there is none
	Reason          string `json:"reason"`            // the failure's own words, or what is known without one
}

// judge sums up: one dead tenant does not hide the next, so a token that expired over a day ago no longer makes all of it unhealthy.
func (r *Report) judge(expiredLately bool) {
	c := r.Connections
	r.Status = Healthy
	if c.Missing+c.Expired+c.Failing+c.Overdue > 0 {
		r.Status = Degraded
	}
	for _, e := range r.Endpoints {
		if e.Status.rank() > r.Status.rank() {
			r.Status = e.Status
		}
	}
	if expiredLately {
		r.Status = Unhealthy
	}
	slices.SortStableFunc(r.Endpoints, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(b.Status.rank(), a.Status.rank()), cmp.Compare(a.Host, b.Host))
	})
	if r.Endpoints == nil {
		r.Endpoints = []Endpoint{}
	}
	if r.Attention == nil {
		r.Attention = []Attention{}
	}
}
