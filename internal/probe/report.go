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

// Report is what a run returns (contract.md section 7). It stays far below 256 KB, the limit of an asynchronous invocation.
type Report struct {
	Status      Status      `json:"status"`
	CheckedAt   time.Time   `json:"checked_at"`
	Endpoints   []Endpoint  `json:"endpoints"` // of this run, the worst first
	Connections Counts      `json:"connections"`
	Attention   []Attention `json:"attention"` // the worst 20 connections
}

// Endpoint is the result of one token endpoint.
type Endpoint struct {
	Provider    string  `json:"provider"`
	Host        string  `json:"host"` // with the port if it is not 443
	Status      Status  `json:"status"`
	Probe       Probe   `json:"probe"` // the kind of the probe; none when the endpoint could not be probed
	Latency     Latency `json:"latency_ms"`
	ThresholdMS int64   `json:"threshold_ms"`
	HTTPStatus  int     `json:"http_status"` // 0 without a response
	Code        string  `json:"code"`        // why it is not healthy, or how it refused a request without credentials (contract.md section 3)

	total   time.Duration // of the request that counts
	success bool          // the expected response, or a refusal of a token probe's client credentials: the endpoint works then
}

// Measured returns the time of the request that counts and whether the endpoint works; ok is false when it was not probed.
func (e Endpoint) Measured() (total time.Duration, success, ok bool) {
	return e.total, e.success, e.Probe != None
}

// Latency is the time of a request by phase, in whole milliseconds. A phase that did not happen is 0: a warm connection (reused) has no DNS,
// connect and TLS.
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
	Reason          string `json:"reason"`            // the sentence of the recorded failure, or what is known without one
}

// judge sets the status. A token that expired over a day ago no longer makes the report unhealthy: one dead connection must not hide the next.
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
