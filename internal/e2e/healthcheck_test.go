package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const healthEvents = "../../events/healthcheck"

// erp is a connection of a provider that the catalogue does not know, with an endpoint of its own.
const erp = "erp/filial-1"

// healthStory is the installation of the refresher's story and one connection more. The built refresher publishes, the built healthcheck is
// what is looked at.
type healthStory struct {
	*story

	erp       listening
	refresher *lambdatest.Function
	asked     int // requests to all token endpoints until the last look
}

func TestTheBuiltHealthcheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	built := map[string]string{}
	for _, name := range []string{"refresher", "healthcheck"} {
		bootstrap, err := lambdatest.Build(t.Context(), "../../functions/"+name, filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		built[name] = bootstrap
	}
	t.Run("against awstest", func(t *testing.T) {
		t.Parallel()
		server := serve(t, new(awstest.World))
		s := newHealthStory(t, newStores(server.URL), built["refresher"])
		f, err := lambdatest.Start(t.Context(), s.healthLambda(built["healthcheck"]))
		if err != nil {
			t.Fatal(err)
		}
		s.tell(t, f)
	})
	t.Run("against moto", func(t *testing.T) {
		t.Parallel()
		moto := os.Getenv("CHAVEIRO_MOTO_URL")
		if moto == "" {
			t.Skip("CHAVEIRO_MOTO_URL names no moto_server; make test and make e2e start one")
		}
		s := newHealthStory(t, newMotoStores(t, moto), built["refresher"])
		f, err := lambdatest.Start(t.Context(), s.healthLambda(built["healthcheck"]))
		if err != nil {
			t.Fatal(err)
		}
		s.tell(t, f)
	})
	t.Run("without its listings it knows nothing, and says so", func(t *testing.T) {
		t.Parallel()
		noListings(t, built["healthcheck"])
	})
}

func serve(t *testing.T, world *awstest.World) *awstest.Server {
	t.Helper()
	server, err := world.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func newHealthStory(t *testing.T, at *stores, refresher string) *healthStory {
	t.Helper()
	s := &healthStory{story: newStory(t, at), erp: listen(t, "generic", oauthtest.Generic(oauthtest.Options{}))}
	s.connect(t, erp, s.erp, "filial-1-client", "")
	// This provider repeats in its refusal what it was sent: the sentence that the refresher writes down must not have it, and so the report.
	s.kiwify.provider.InjectFor("loja-b-client", oauthtest.Respond(http.StatusUnauthorized, http.Header{"Content-Type": {"application/json"}},
		fmt.Sprintf(`{"error":"invalid_client","error_description":"no client has the secret %s"}`, s.canaries["client_secret of loja-b-client"])).Always())
	f, err := lambdatest.Start(t.Context(), s.lambda(refresher))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	s.refresher = f
	return s
}

func (s *story) healthLambda(bootstrap string) lambdatest.Config {
	config := s.lambda(bootstrap)
	config.Name = "chaveiro-healthcheck"
	return config
}

func (s *healthStory) tell(t *testing.T, f *lambdatest.Function) {
	t.Cleanup(f.Close)
	s.function = f
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"before the first token every connection is missing, and there is nobody to ask", s.nothingYet},
		{"the schedule reports three fresh tokens, three endpoints, and the words of the one that fails", s.usual},
		{"a named connection is reported alone, and its endpoint", s.one},
		{"without a probe nobody is asked", s.runwayOnly},
		{"reachability, by event", s.reachability},
		{"a token is not minted where that may end another", s.noToken},
		{"the request of a Function URL is answered 200", s.url},
		{"a slow phase is told from the others", s.slow},
		{"an endpoint that answers 503 is unhealthy, and so the answer to a URL request is 503", s.down},
		{"a document that cannot be used keeps its endpoint from being asked, and no other", s.brokenDocument},
		{"a token that expired an hour ago is unhealthy, and 503", s.expired},
		{"a mistyped event is an error that names the field", s.mistypedEvent},
		{"a probe that does not exist is an error that names those that do", s.mistypedProbe},
		{"every event file was sent", s.allSent},
		{"what it measured is a metric", s.measured},
		{"no secret, token or sentence with one was printed or returned", s.nothingPrinted},
	} {
		if !t.Run(c.name, c.run) {
			t.Fatalf("the story ends here; the function's logs:\n%s", s.censor(f.Logs()))
		}
	}
}

// look sends an event file to the healthcheck, which must write nothing and have no token minted.
func (s *healthStory) look(t *testing.T, file string) probe.Report {
	t.Helper()
	var r probe.Report
	if err := json.Unmarshal(s.answer(t, file), &r); err != nil {
		t.Fatalf("the answer to %s is no report: %v", file, err)
	}
	return r
}

// lookByURL is look as an HTTP client does it.
func (s *healthStory) lookByURL(t *testing.T, status int) probe.Report {
	t.Helper()
	var answer struct {
		StatusCode int
		Headers    map[string]string
		Body       string
	}
	if err := json.Unmarshal(s.answer(t, "url.json"), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != status || answer.Headers["content-type"] != "application/json" {
		t.Errorf("status %d, want %d; headers %v", answer.StatusCode, status, answer.Headers)
	}
	var r probe.Report
	if err := json.Unmarshal([]byte(answer.Body), &r); err != nil {
		t.Fatalf("the body is no report: %v", err)
	}
	return r
}

func (s *healthStory) answer(t *testing.T, file string) []byte {
	t.Helper()
	event, err := os.ReadFile(filepath.Join(healthEvents, file))
	if err != nil {
		t.Fatal(err)
	}
	s.sent[file] = true
	before, minted, asked := s.stored(t), s.minted(), s.tokenCalls()
	answer, err := s.function.Invoke(t.Context(), event)
	s.results.Write(answer.Payload)
	if err != nil {
		s.results.WriteString(err.Error())
		t.Fatalf("%s: %s", file, s.censor(err.Error()))
	}
	if now := s.stored(t); now != before {
		t.Errorf("%s changed what is stored, from\n%s\nto\n%s", file, before, now)
	}
	if now := s.minted(); now != minted {
		t.Errorf("%s had %d tokens minted", file, now-minted)
	}
	s.asked = s.tokenCalls() - asked
	return answer.Payload
}

// stored is which version each parameter has and on which version each label of each secret is.
func (s *healthStory) stored(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	names := s.stores.parameters(t)
	slices.Sort(names)
	for _, name := range names {
		rest := strings.TrimPrefix(name, s.stores.parameterPrefix+"/")
		i := strings.LastIndex(rest, "/")
		fmt.Fprintln(&b, name, s.stores.parameter(t, rest[:i], store.Kind(rest[i+1:])).version)
	}
	for _, connection := range []string{hotmart, kiwify, typo, erp} {
		fmt.Fprintln(&b, connection, s.stores.labels(t, connection))
	}
	return b.String()
}

func (s *healthStory) providers() []*oauthtest.Provider {
	return []*oauthtest.Provider{s.hotmart.provider, s.kiwify.provider, s.erp.provider}
}

func (s *healthStory) minted() (n int) {
	for _, p := range s.providers() {
		n += p.Total().Minted
	}
	return n
}

func (s *healthStory) tokenCalls() (n int) {
	for _, p := range s.providers() {
		n += p.Total().TokenCalls
	}
	return n
}

// wantEndpoints wants each provider's endpoint once. One that is healthy has refused a request without credentials; what the others did is for
// the caller to judge.
func wantEndpoints(t *testing.T, r probe.Report, providers ...string) {
	t.Helper()
	var got []string
	for _, e := range r.Endpoints {
		got = append(got, e.Provider)
		if e.Status == probe.Healthy && (e.Probe != "reachability" || e.HTTPStatus < 400 || e.HTTPStatus > 499 || e.Code == "" || e.ThresholdMS != 1000) {
			t.Errorf("a healthy endpoint refuses: %+v", e)
		}
	}
	slices.Sort(got)
	slices.Sort(providers)
	if !slices.Equal(got, providers) {
		t.Errorf("endpoints of %v, want %v", got, providers)
	}
}

func wantReport(t *testing.T, r probe.Report, status probe.Status, counts probe.Counts) {
	t.Helper()
	if r.Status != status || r.Connections != counts {
		t.Errorf("%s, %+v; want %s, %+v", r.Status, r.Connections, status, counts)
	}
	if age := time.Since(r.CheckedAt); age < -time.Second || age > time.Minute {
		t.Errorf("checked at %s", r.CheckedAt)
	}
}

func (s *healthStory) endpoint(t *testing.T, r probe.Report, provider string) probe.Endpoint {
	t.Helper()
	for _, e := range r.Endpoints {
		if e.Provider == provider {
			return e
		}
	}
	t.Fatalf("no endpoint of %s in %+v", provider, r.Endpoints)
	return probe.Endpoint{}
}

func (s *healthStory) nothingYet(t *testing.T) {
	r := s.look(t, "schedule.json")
	wantReport(t, r, probe.Degraded, probe.Counts{Total: 4, Missing: 4})
	if len(r.Endpoints) != 0 || len(r.Attention) != 4 || !strings.HasPrefix(r.Attention[0].Reason, "no token yet") || s.asked != 0 {
		t.Errorf("endpoints %+v, attention %+v, %d token calls", r.Endpoints, r.Attention, s.asked)
	}
	answer, err := s.refresher.Invoke(t.Context(), []byte("{}"))
	if err != nil || !strings.Contains(string(answer.Payload), `"refreshed":3`) {
		t.Fatalf("the refresher, which has to publish: %s, %v", s.censor(string(answer.Payload)), err)
	}
	for connection, client := range map[string]string{hotmart: "loja-a-client", kiwify: "main-client"} {
		s.wantToken(t, connection, client, 1)
	}
	s.canaries["token of "+erp] = s.stores.parameter(t, erp, store.KindToken).value
	if sentence := s.stores.parameter(t, typo, store.KindFailure).value; !strings.Contains(sentence, "no client has the secret") {
		t.Errorf("the provider's words are not in the sentence, so that no secret can be in them: %s", s.censor(sentence))
	}
}

func (s *healthStory) usual(t *testing.T) {
	r := s.look(t, "schedule.json")
	wantReport(t, r, probe.Degraded, probe.Counts{Total: 4, Fresh: 3, Missing: 1})
	wantEndpoints(t, r, "hotmart", "kiwify", "generic")
	if s.asked != 3 {
		t.Errorf("%d token calls", s.asked)
	}
	sentence := s.stores.parameter(t, typo, store.KindFailure).value
	if len(r.Attention) != 1 || r.Attention[0].Connection != typo || r.Attention[0].State != probe.Missing || r.Attention[0].Reason != sentence {
		t.Errorf("attention %+v, want %s with %q", r.Attention, typo, sentence)
	}
}

func (s *healthStory) one(t *testing.T) {
	r := s.look(t, "one-connection.json")
	wantReport(t, r, probe.Healthy, probe.Counts{Total: 1, Fresh: 1})
	wantEndpoints(t, r, "hotmart")
}

func (s *healthStory) runwayOnly(t *testing.T) {
	r := s.look(t, "runway-only.json")
	wantReport(t, r, probe.Degraded, probe.Counts{Total: 4, Fresh: 3, Missing: 1})
	if len(r.Endpoints) != 0 || s.asked != 0 {
		t.Errorf("endpoints %+v, %d token calls", r.Endpoints, s.asked)
	}
}

func (s *healthStory) reachability(t *testing.T) {
	wantEndpoints(t, s.look(t, "reachability.json"), "hotmart", "kiwify", "generic")
}

func (s *healthStory) noToken(t *testing.T) {
	wantEndpoints(t, s.look(t, "token.json"), "hotmart", "kiwify", "generic") // and nothing was minted, which look sees
	if s.asked != 3 {
		t.Errorf("%d token calls", s.asked)
	}
}

func (s *healthStory) url(t *testing.T) {
	r := s.lookByURL(t, http.StatusOK)
	wantReport(t, r, probe.Degraded, probe.Counts{Total: 4, Fresh: 3, Missing: 1})
	wantEndpoints(t, r, "hotmart", "kiwify", "generic")
}

func (s *healthStory) slow(t *testing.T) {
	const delay = 300 * time.Millisecond // below the threshold: nobody is asked twice
	s.erp.provider.Inject(oauthtest.Latency(delay).Always())
	defer s.erp.provider.ClearFaults()
	e := s.endpoint(t, s.look(t, "schedule.json"), "generic")
	if ms := delay.Milliseconds(); e.Status != probe.Healthy || e.Latency.FirstByte < ms-10 || e.Latency.Total < ms || e.Latency.DNS+e.Latency.Connect+e.Latency.TLS > ms/2 {
		t.Errorf("%+v", e)
	}
}

func (s *healthStory) down(t *testing.T) {
	s.hotmart.provider.Inject(oauthtest.Status(http.StatusServiceUnavailable).Always())
	defer s.hotmart.provider.ClearFaults()
	r := s.lookByURL(t, http.StatusServiceUnavailable)
	wantReport(t, r, probe.Unhealthy, probe.Counts{Total: 4, Fresh: 3, Missing: 1})
	wantEndpoints(t, r, "hotmart", "kiwify", "generic")
	if e := r.Endpoints[0]; e.Provider != "hotmart" || e.Status != probe.Unhealthy || e.HTTPStatus != http.StatusServiceUnavailable || e.Code != "server_error" {
		t.Errorf("the worst comes first: %+v", e)
	}
}

// brokenDocument misspells a field in the document of the only connection of an endpoint, whose URL nothing else tells.
func (s *healthStory) brokenDocument(t *testing.T) {
	secret := s.canaries["client_secret of filial-1-client"]
	s.stores.putSecret(t, erp, fmt.Sprintf(`{"provider":"generic","client_id":"filial-1-client","client_secret":%q,"tokn_endpoint":%q}`, secret, s.erp.endpoint))
	r := s.look(t, "schedule.json")
	wantEndpoints(t, r, "hotmart", "kiwify", "generic")
	if e := s.endpoint(t, r, "generic"); e.Status != probe.Degraded || e.Probe != probe.None || e.Code != "invalid_document" || e.Latency != (probe.Latency{}) || s.asked != 2 {
		t.Errorf("%+v, %d token calls", e, s.asked)
	}
	if c := r.Connections; c.Due != 1 || c.Fresh != 2 {
		t.Errorf("a changed secret is due: %+v", c)
	}
}

func (s *healthStory) expired(t *testing.T) {
	s.age(t, kiwify, 25*time.Hour) // its token lives 24
	r := s.lookByURL(t, http.StatusServiceUnavailable)
	wantReport(t, r, probe.Unhealthy, probe.Counts{Total: 4, Fresh: 1, Due: 1, Expired: 1, Missing: 1})
	if len(r.Attention) != 2 || r.Attention[0].Connection != kiwify || r.Attention[0].State != probe.Expired {
		t.Fatalf("attention %+v", r.Attention)
	}
	if a := r.Attention[0]; a.SecondsToExpiry > -3500 || a.SecondsToExpiry < -3700 || !strings.Contains(a.Reason, "does the refresher run?") {
		t.Errorf("%+v", a)
	}
}

func (s *healthStory) mistypedProbe(t *testing.T) {
	_, err := s.function.Invoke(t.Context(), []byte(`{"probe":"fast"}`))
	var failure *lambdatest.FunctionError
	if !errors.As(err, &failure) || !strings.Contains(failure.Message, "token, reachability or none") {
		t.Errorf("got %v", err)
	}
}

func (s *healthStory) allSent(t *testing.T) { wantAllSent(t, healthEvents, s.sent) }

func (s *healthStory) measured(t *testing.T) {
	logs := s.function.Logs()
	for _, want := range []string{`"Namespace":"Chaveiro"`, `"AuthLatency"`, `"AuthSuccess"`} {
		if !strings.Contains(logs, want) {
			t.Errorf("no %s in the logs", want)
		}
	}
}

func (s *healthStory) nothingPrinted(t *testing.T) {
	logs := s.function.Logs()
	for _, said := range []string{hotmart, "no client has the secret", "tokn_endpoint", `"probe"`} {
		if !strings.Contains(logs, said) {
			t.Fatalf("the logs do not even say %s: this chapter would see nothing", said)
		}
	}
	if len(s.canaries) != 7 { // four client secrets, three tokens
		t.Fatalf("%d secrets and tokens to look for", len(s.canaries))
	}
	for what, text := range map[string]string{"logs": logs, "results": s.results.String()} {
		if leaked := s.leaks(text); len(leaked) > 0 {
			t.Errorf("the %s hold %v", what, leaked)
		}
	}
}

// noListings: the role lacks the right to list secrets. A part of the truth is not reported as all of it, and what AWS said goes to the log,
// not to whoever asks by HTTP.
func noListings(t *testing.T, bootstrap string) {
	t.Helper()
	world := new(awstest.World)
	server := serve(t, world)
	world.Inject(awstest.Fault{Op: awstest.ListSecrets, Effect: awstest.AccessDenied})
	s := &healthStory{story: &story{stores: newStores(server.URL), sent: map[string]bool{}, canaries: map[string]string{}}}
	f, err := lambdatest.Start(t.Context(), s.healthLambda(bootstrap))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	_, err = f.Invoke(t.Context(), []byte("{}"))
	var failure *lambdatest.FunctionError
	if !errors.As(err, &failure) || !strings.Contains(failure.Message, "list secrets") {
		t.Errorf("by the schedule: %v", err)
	}
	event, err := os.ReadFile(filepath.Join(healthEvents, "url.json"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.Invoke(t.Context(), event)
	if text := string(answer.Payload); err != nil || !strings.Contains(text, `"statusCode":503`) || !strings.Contains(text, `\"status\":\"unhealthy\"`) || strings.Contains(text, "AccessDenied") {
		t.Errorf("by HTTP: %s, %v", text, err)
	}
	if !strings.Contains(answer.Logs, "AccessDenied") {
		t.Errorf("the log does not say why: %s", answer.Logs)
	}
}
