package probe

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	// maxEndpoints is how many endpoints one run probes; where there are more, the next run continues with the next ones.
	maxEndpoints = 100
	// stagger is the longest time for which a probe delays the next one: many handshakes at once on a small processor would look like slow
	// providers.
	stagger = 100 * time.Millisecond
	// turn is the time after which another connection's document, and the next endpoints, are used: the period of the healthcheck's schedule.
	turn = 5 * time.Minute
	// maxHost is the longest name of a host with its port.
	maxHost = 253 + len(":65535")
)

// target is one token endpoint.
type target struct {
	host     string
	provider provider.Provider
	probe    Probe
	url      string   // of the token endpoint; "" when only a connection's document names it
	source   string   // connection whose document is read for the request; "" when none is needed
	version  string   // version id of that document
	healthy  []string // connections of this endpoint that do not fail
	others   []string // connections of this endpoint that fail or have no valid token
}

// targets are the endpoints that the connections use, by the hosts in their states, each once.
func (r *run) targets() []*target {
	byHost := map[string]*target{}
	for _, it := range r.items {
		host, id := it.endpoint()
		p, known := r.cfg.Catalogue.Get(id)
		if it.state == Paused || it.abandoned(r.now) || !isHost(host) || !known {
			continue
		}
		t := byHost[host]
		if t == nil {
			t = &target{host: host}
			byHost[host] = t
		}
		t.belongsTo(p)
		if it.failed || it.state == Expired || it.state == Missing {
			t.others = append(t.others, it.id)
		} else {
			t.healthy = append(t.healthy, it.id)
		}
	}
	hosts := slices.Sorted(maps.Keys(byHost))
	n := int(r.now.Unix() / int64(turn/time.Second))
	targets := make([]*target, 0, min(len(hosts), maxEndpoints))
	for i := range min(len(hosts), maxEndpoints) {
		t := byHost[hosts[(n*maxEndpoints+i)%len(hosts)]]
		t.choose(r.call.Probe, n)
		targets = append(targets, t)
	}
	return targets
}

// isHost reports whether a text of an item can be a host with its port. Any other text was edited by hand, and the report must not repeat it.
func isHost(text string) bool {
	return text != "" && len(text) <= maxHost && !strings.ContainsFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(".-:[]", c)
	})
}

// belongsTo sets the provider of the endpoint. Of several providers on one host it is the one whose endpoint is in the catalogue.
func (t *target) belongsTo(p provider.Provider) {
	url := catalogued(p, t.host)
	if t.provider.ID == "" || t.url == "" && (url != "" || p.ID < t.provider.ID) {
		t.provider, t.url = p, url
	}
}

// endpoint is the host of the connection's token endpoint and its provider, from the published token or else from the failure; "" when neither
// names one.
func (it *item) endpoint() (host, providerID string) {
	switch s := it.known; {
	case s.Token != nil && s.Token.Endpoint != "":
		return s.Token.Endpoint, s.Token.Provider
	case s.Failure != nil:
		return s.Failure.Endpoint, s.Failure.Provider
	}
	return "", ""
}

// catalogued returns the provider's token endpoint on this host, "" when the catalogue has none there.
func catalogued(p provider.Provider, host string) string {
	for _, endpoint := range []string{p.TokenEndpoint, p.SandboxTokenEndpoint} {
		if endpoint != "" && oauth.EndpointHost(endpoint) == host {
			return endpoint
		}
	}
	return ""
}

// choose sets the kind of the probe and the connection whose document is read for it: another connection in each turn.
func (t *target) choose(wanted Probe, turn int) {
	t.probe = cmp.Or(wanted, t.provider.Probe)
	if t.probe == provider.ProbeToken && (t.provider.IssueEffect != provider.IssueCoexists || len(t.healthy) == 0) {
		t.probe = provider.ProbeReachability
	}
	slices.Sort(t.healthy)
	slices.Sort(t.others)
	from := t.healthy
	if len(from) == 0 {
		from = t.others
	}
	if t.probe == provider.ProbeToken || t.url == "" {
		t.source = from[turn%len(from)]
	}
}

// measure probes every target and returns the results. A target for which too little time remains is left out, and so is one whose connection
// has moved to another endpoint.
func (r *run) measure(ctx context.Context, targets []*target) []Endpoint {
	rows := make([]*Endpoint, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && deadline.Sub(r.cfg.Now()) < r.cfg.TokenTimeout {
			r.observe(Event{Kind: EventLeftOut, Message: "the time is over before every endpoint was probed; the next run continues"})
			break
		}
		done := make(chan struct{})
		wg.Go(func() {
			defer close(done)
			rows[i] = r.probe(ctx, t)
		})
		r.pause(ctx, done)
	}
	wg.Wait()
	var probed []Endpoint
	for _, row := range rows {
		if row != nil {
			probed = append(probed, *row)
		}
	}
	return probed
}

// pause waits until a probe is done, for at most stagger.
func (r *run) pause(ctx context.Context, done <-chan struct{}) {
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// probe measures one endpoint; nil when there is nothing to report. A response that is slower than the threshold is requested again at once,
// within the rest of one time-out, and the faster one counts: a single lost packet says nothing about the provider. The first request has the
// Prober's own time-out.
func (r *run) probe(ctx context.Context, t *target) *Endpoint {
	row := &Endpoint{Provider: t.provider.ID, Host: t.host, Probe: t.probe, ThresholdMS: r.cfg.Threshold.Milliseconds()}
	within, cancel := context.WithDeadline(ctx, r.cfg.Now().Add(r.cfg.TokenTimeout))
	defer cancel()
	req, err := r.request(within, t)
	switch {
	case errors.Is(err, errMoved):
		return nil
	case err != nil: // this says nothing about the endpoint
		row.Status, row.Probe, row.Code = Degraded, None, codeOf(err)
		r.observe(Event{Kind: EventNotProbed, Provider: t.provider.ID, Endpoint: t.host, Connection: t.source, Code: row.Code, Message: err.Error()})
		return row
	}
	best := r.send(ctx, t, req, 1)
	if best.canceled() {
		return nil
	}
	if best.err == nil && best.latency.Total > r.cfg.Threshold {
		if second := r.send(within, t, req, 2); second.err == nil && second.latency.Total < best.latency.Total {
			best = second
		}
	}
	row.total, row.Latency, row.HTTPStatus, row.Code = best.latency.Total, millis(best.latency), best.status, best.code
	row.success = best.err == nil || best.err.Class == oauth.Credentials
	switch {
	case best.err != nil:
		row.Status = Unhealthy
	case best.latency.Total > r.cfg.Threshold:
		row.Status = Degraded
	default:
		row.Status = Healthy
	}
	return row
}

// errMoved is of a connection whose document names another endpoint than its state.
var errMoved = errors.New("the connection has another endpoint now")

// request is the token request for the endpoint. Where the catalogue knows the endpoint and no token is requested, no secret is read.
func (r *run) request(ctx context.Context, t *target) (oauth.TokenRequest, error) {
	if t.source == "" {
		bare := connection.Connection{Provider: t.provider, TokenEndpoint: t.url, AuthMethod: t.provider.DefaultAuthMethod()}
		return bare.TokenRequest(), nil
	}
	doc, err := r.cfg.Secrets.Read(ctx, t.source)
	if err != nil {
		return oauth.TokenRequest{}, err
	}
	t.version = doc.VersionID
	conn, err := connection.Parse(t.source, doc.Value, r.cfg.Catalogue, connection.Options{AllowLoopback: r.cfg.AllowLoopback})
	if err != nil {
		return oauth.TokenRequest{}, err
	}
	if conn.Host != t.host {
		return oauth.TokenRequest{}, errMoved
	}
	return conn.TokenRequest(), nil
}

// codeOf is the code of a document that could not be used, or that could not be read.
func codeOf(err error) string {
	var document *connection.Error
	if errors.As(err, &document) {
		return document.Code
	}
	return "secret_unreadable"
}

// isGatewayRefusal reports whether a gateway in front of an endpoint that is not in the catalogue refused a request without credentials with a bare
// 403. A firewall's block page is no such refusal.
func (t *target) isGatewayRefusal(e *oauth.Error) bool {
	return t.probe == provider.ProbeReachability && t.url == "" && e.Status == http.StatusForbidden && e.Code != oauth.CodeWAFBlocked
}

// response is the result of one request.
type response struct {
	latency oauth.Latency
	status  int
	code    string
	err     *oauth.Error
}

// canceled reports whether the invocation ended before the endpoint had its time.
func (a response) canceled() bool { return a.err != nil && errors.Is(a.err, oauth.ErrCanceled) }

// send makes one request and logs it.
func (r *run) send(ctx context.Context, t *target, req oauth.TokenRequest, attempt int) response {
	ev := Event{Kind: EventProbe, Provider: t.provider.ID, Endpoint: t.host, Probe: t.probe, Connection: t.source, Attempt: attempt}
	var a response
	var err error
	if t.probe == provider.ProbeToken {
		a, err = r.requestToken(ctx, t, req, &ev)
	} else {
		a, err = r.requestRefusal(ctx, req)
	}
	switch {
	case err == nil:
	case !errors.As(err, &a.err): // an error of another type must not look like a healthy endpoint
		a.err = &oauth.Error{Class: oauth.Malformed, Code: oauth.CodeUnexpectedStatus, Host: t.host}
		fallthrough
	default:
		a.status, a.code = a.err.Status, a.err.Code
	}
	if a.err != nil && t.isGatewayRefusal(a.err) {
		a.err = nil
	}
	if a.err != nil {
		ev.Class, ev.Message = a.err.Class, a.err.Error()
	}
	ev.HTTPStatus, ev.Code, ev.Latency = a.status, a.code, a.latency
	r.observe(ev)
	return a
}

// requestToken requests a token and drops it: choose allows this only where a new token does not end the published one.
func (r *run) requestToken(ctx context.Context, t *target, req oauth.TokenRequest, ev *Event) (response, error) {
	x, err := r.cfg.Prober.TokenWithRetry(ctx, req, oauth.Retry{Attempts: 1})
	if x.Token != nil {
		ev.Credential, ev.TokenID, ev.JTI, ev.Scope, ev.ExpiresAt = t.version, x.Token.ID(), x.Token.JTI, x.Token.Scope, x.Token.Expiry()
	}
	return response{latency: x.Latency, status: http.StatusOK}, err
}

// requestRefusal makes a request without client credentials, which a healthy endpoint refuses.
func (r *run) requestRefusal(ctx context.Context, req oauth.TokenRequest) (response, error) {
	result, err := r.cfg.Prober.Probe(ctx, req)
	return response{latency: result.Latency, status: result.Status, code: result.Code}, err
}
