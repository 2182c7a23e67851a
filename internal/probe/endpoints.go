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
	// maxEndpoints is how many are asked in one run; where there are more, the next run goes on with the next.
	maxEndpoints = 100
	// stagger is how long a request keeps the next from being made, so that many handshakes at once on a small processor do not look like slow
	// providers. One that hangs keeps nobody longer.
	stagger = 100 * time.Millisecond
	// turn is the time after which another connection, and the next endpoints, take their turn: the period of the healthcheck's schedule.
	turn = 5 * time.Minute
	// maxHost is the longest name of a host with its port.
	maxHost = 253 + len(":65535")
)

// target is one token endpoint.
type target struct {
	host     string
	provider provider.Provider
	probe    Probe
	url      string   // of the token endpoint; "" when only a connection's document tells it
	reader   string   // the connection whose document is read, when one has to be
	version  string   // of that document
	healthy  []string // connections of this endpoint that do not fail, in order
	others   []string
}

// targets are the endpoints that the connections use, by the hosts in their records, each once.
func (r *run) targets() []*target {
	byHost := map[string]*target{}
	for _, it := range r.items {
		host, id := it.endpoint()
		p, known := r.cfg.Catalogue.Get(id)
		if it.state == Paused || it.givenUp(r.now) || !isHost(host) || !known {
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

// isHost reports whether a text of a record can be a host with its port: what cannot was written by somebody else, and is not repeated.
func isHost(text string) bool {
	return text != "" && len(text) <= maxHost && !strings.ContainsFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(".-:[]", c)
	})
}

// belongsTo names the provider of the endpoint. Of several on one host it is the one whose endpoint the catalogue knows.
func (t *target) belongsTo(p provider.Provider) {
	url := catalogued(p, t.host)
	if t.provider.ID == "" || t.url == "" && (url != "" || p.ID < t.provider.ID) {
		t.provider, t.url = p, url
	}
}

// endpoint is where the connection gets its tokens, and from whom, as far as its records tell.
func (it *item) endpoint() (host, providerID string) {
	switch {
	case it.facts.Record != nil:
		return it.facts.Record.Endpoint, it.facts.Record.Provider
	case it.facts.Failure != nil:
		return it.facts.Failure.Endpoint, it.facts.Failure.Provider
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

// choose decides how the endpoint is asked and whose document is read for it: another connection's in each turn.
func (t *target) choose(asked Probe, turn int) {
	t.probe = cmp.Or(asked, t.provider.Probe)
	if t.probe == provider.ProbeToken && (t.provider.MintEffect != provider.MintCoexists || len(t.healthy) == 0) {
		t.probe = provider.ProbeReachability
	}
	slices.Sort(t.healthy)
	slices.Sort(t.others)
	from := t.healthy
	if len(from) == 0 {
		from = t.others
	}
	if t.probe == provider.ProbeToken || t.url == "" {
		t.reader = from[turn%len(from)]
	}
}

// measure asks every target and returns what each answered. One for which the time no longer suffices is left out, and so is one whose
// connection has moved to another endpoint.
func (r *run) measure(ctx context.Context, targets []*target) []Endpoint {
	rows := make([]*Endpoint, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && deadline.Sub(r.cfg.Now()) < r.cfg.TokenTimeout {
			r.cfg.Observe(Event{Kind: EventLeftOut, Message: "the time of the function is over before every endpoint was asked; the next run goes on"})
			break
		}
		done := make(chan struct{})
		wg.Go(func() {
			defer close(done)
			rows[i] = r.ask(ctx, t)
		})
		r.pause(ctx, done)
	}
	wg.Wait()
	var asked []Endpoint
	for _, row := range rows {
		if row != nil {
			asked = append(asked, *row)
		}
	}
	return asked
}

// pause waits for an answer, but not for long.
func (r *run) pause(ctx context.Context, answered <-chan struct{}) {
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// ask makes the request of one endpoint. An answer that is slower than the threshold is asked for once more at once, in what is left of one
// time-out, and the faster one counts: a single lost packet says nothing about the provider. The first request has the Asker's own time-out.
func (r *run) ask(ctx context.Context, t *target) *Endpoint {
	row := &Endpoint{Provider: t.provider.ID, Host: t.host, Probe: t.probe, ThresholdMS: r.cfg.Threshold.Milliseconds()}
	within, cancel := context.WithDeadline(ctx, r.cfg.Now().Add(r.cfg.TokenTimeout))
	defer cancel()
	req, err := r.request(within, t)
	switch {
	case errors.Is(err, errMoved):
		return nil
	case err != nil: // this says nothing about the endpoint
		row.Status, row.Probe, row.Code = Degraded, None, codeOf(err)
		r.cfg.Observe(Event{Kind: EventUnasked, Provider: t.provider.ID, Endpoint: t.host, Connection: t.reader, Code: row.Code, Message: err.Error()})
		return row
	}
	first := r.once(ctx, t, req, 1)
	if first.cancelled() {
		return nil
	}
	if first.err == nil && first.latency.Total > r.cfg.Threshold {
		if second := r.once(within, t, req, 2); second.err == nil && second.latency.Total < first.latency.Total {
			first = second
		}
	}
	row.total, row.Latency, row.HTTPStatus, row.Code = first.latency.Total, millis(first.latency), first.status, first.code
	row.answered = first.err == nil || first.err.Class == oauth.Credentials
	switch {
	case first.err != nil:
		row.Status = Unhealthy
	case first.latency.Total > r.cfg.Threshold:
		row.Status = Degraded
	default:
		row.Status = Healthy
	}
	return row
}

// errMoved is of a connection whose document names another endpoint than its record.
var errMoved = errors.New("the connection has another endpoint now")

// request is what the endpoint is asked. Where the catalogue knows the endpoint and no token is asked for, no secret is read.
func (r *run) request(ctx context.Context, t *target) (oauth.TokenRequest, error) {
	if t.reader == "" {
		bare := connection.Connection{Provider: t.provider, TokenEndpoint: t.url, AuthMethod: t.provider.DefaultAuthMethod()}
		return bare.TokenRequest(), nil
	}
	doc, err := r.cfg.Secrets.Read(ctx, t.reader)
	if err != nil {
		return oauth.TokenRequest{}, err
	}
	t.version = doc.VersionID
	conn, err := connection.Parse(t.reader, doc.Value, r.cfg.Catalogue, connection.Options{AllowLoopback: r.cfg.AllowLoopback})
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

// refusedInItsWay reports whether the endpoint, of which no catalogue knows how it speaks, has refused a request without credentials by its status
// alone, as a gateway in front of it does. What is known to be a firewall's page is none.
func (t *target) refusedInItsWay(e *oauth.Error) bool {
	return t.probe == provider.ProbeReachability && t.url == "" && e.Status == http.StatusForbidden && e.Code != oauth.CodeWAFBlocked
}

// reply is what one request came to.
type reply struct {
	latency oauth.Latency
	status  int
	code    string
	err     *oauth.Error
}

// cancelled reports whether the invocation ended before the endpoint had its time.
func (a reply) cancelled() bool { return a.err != nil && a.err.Class == oauth.Canceled }

// once makes one request and tells it.
func (r *run) once(ctx context.Context, t *target, req oauth.TokenRequest, attempt int) reply {
	ev := Event{Kind: EventProbe, Provider: t.provider.ID, Endpoint: t.host, Probe: t.probe, Connection: t.reader, Attempt: attempt}
	var a reply
	var err error
	if t.probe == provider.ProbeToken {
		a, err = r.fetch(ctx, t, req, &ev)
	} else {
		a, err = r.reach(ctx, req)
	}
	switch {
	case err == nil:
	case !errors.As(err, &a.err): // an Asker that breaks its promise must not look like a healthy endpoint
		a.err = &oauth.Error{Class: oauth.Malformed, Code: oauth.CodeUnexpectedStatus, Host: t.host}
		fallthrough
	default:
		a.status, a.code = a.err.Status, a.err.Code
	}
	if a.err != nil && t.refusedInItsWay(a.err) {
		a.err = nil
	}
	if a.err != nil {
		ev.Class, ev.Message = a.err.Class, a.err.Error()
	}
	ev.HTTPStatus, ev.Code, ev.Latency = a.status, a.code, a.latency
	r.cfg.Observe(ev)
	return a
}

// fetch asks for a token, and drops it: the published one stays as good as it is.
func (r *run) fetch(ctx context.Context, t *target, req oauth.TokenRequest, ev *Event) (reply, error) {
	x, err := r.cfg.Asker.TokenWithRetry(ctx, req, oauth.Retry{Attempts: 1})
	if x.Token != nil {
		ev.Credential, ev.TokenID, ev.JTI, ev.Scope, ev.ExpiresAt = t.version, x.Token.ID(), x.Token.JTI, x.Token.Scope, x.Token.Expiry()
	}
	return reply{latency: x.Latency, status: http.StatusOK}, err
}

// reach asks to be refused.
func (r *run) reach(ctx context.Context, req oauth.TokenRequest) (reply, error) {
	refusal, err := r.cfg.Asker.Probe(ctx, req)
	return reply{latency: refusal.Latency, status: refusal.Status, code: refusal.Code}, err
}
