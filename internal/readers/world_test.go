package readers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// The installation that the README tells of.
const (
	secretPrefix    = "oauth/"
	parameterPrefix = "/oauth"
	functionName    = "chaveiro-refresher"
	healthName      = "chaveiro-healthcheck"
	hotmartShop     = "hotmart/loja-a"
	kiwifyMain      = "kiwify/main"
)

// world is one installation: both stores and the Lambda API on one loopback port, as AWS_ENDPOINT_URL tells every AWS SDK, the real
// refresher and healthcheck, and two providers in process.
type world struct {
	t               *testing.T
	aws             *awstest.World
	url             string
	dir             string // where a person types; empty at first
	hotmart, kiwify *oauthtest.Provider
	refresher       *refresh.Refresher
	checker         *probe.Checker
	driver          *awstest.Rotator // plays Secrets Manager, with the real rotator
	cli             string           // major version of the AWS command line, once it is known

	mu     sync.Mutex
	events []string     // that the refresher was invoked with
	forms  []url.Values // what the services that have stand-ins here were asked
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, aws: new(awstest.World), dir: t.TempDir()}
	w.hotmart, w.kiwify = oauthtest.Hotmart(oauthtest.Options{}), oauthtest.Kiwify(oauthtest.Options{})
	cfg := w.aws.Config()
	secrets, err := smsecret.New(smsecret.Config{Client: secretsmanager.NewFromConfig(cfg), Prefix: secretPrefix})
	must(t, err)
	parameters, err := ssmstore.New(ssmstore.Config{Client: ssm.NewFromConfig(cfg), Prefix: parameterPrefix, KMSKeyID: "alias/aws/ssm"})
	must(t, err)
	client, err := oauth.New(oauth.Config{Transport: oauthtest.NewNetwork(w.hotmart, w.kiwify)})
	must(t, err)
	catalogue, err := provider.Load()
	must(t, err)
	w.refresher, err = refresh.New(refresh.Config{
		Secrets: secrets, Parameters: parameters, Exchanger: client, Catalogue: catalogue,
		SecretPrefix: secretPrefix, Region: awstest.Region, MaxWritesPerSecond: 1000,
	})
	must(t, err)
	w.checker, err = probe.New(probe.Config{
		Secrets: secrets.Reader(), Parameters: parameters.Reader(), Asker: client, Catalogue: catalogue, SecretPrefix: secretPrefix, Region: awstest.Region,
	})
	must(t, err)
	w.driver = w.newDriver(client, catalogue)
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// ServeHTTP is the AWS of this world.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/"); ok {
		w.serveLambda(rw, r, strings.TrimSuffix(name, "/invocations"))
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		w.serveQuery(rw, r)
		return
	}
	if r.Method == http.MethodGet && r.URL.Path == "/" {
		w.serveStatus(rw, r)
		return
	}
	if r.Header.Get("X-Amz-Target") == "secretsmanager.CancelRotateSecret" {
		w.serveCancel(rw, r)
		return
	}
	w.aws.ServeHTTP(rw, r)
}

// serveCancel stands in for the one operation of Secrets Manager on the pages that awstest does not have, as serveQuery does for other services.
func (w *world) serveCancel(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		SecretID string `json:"SecretId"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(rw, "", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	w.forms = append(w.forms, url.Values{"Action": {"CancelRotateSecret"}, "SecretId": {in.SecretID}})
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = io.WriteString(rw, "{}")
}

// serveQuery stands in for IAM and CloudFormation, which awstest does not have: it notes what it is asked and answers with nothing but success,
// and with the one output of the stack. So the real AWS command line checks the arguments, and the test what is sent.
func (w *world) serveQuery(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(rw, "", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	w.forms = append(w.forms, r.PostForm)
	w.mu.Unlock()
	name := r.PostForm.Get("Action")
	rw.Header().Set("Content-Type", "text/xml")
	if name == "DescribeStacks" {
		_, _ = fmt.Fprintf(rw, stackAnswer, r.PostForm.Get("StackName"), rotatorARN)
		return
	}
	_, _ = fmt.Fprintf(rw, "<%[1]sResponse><%[1]sResult></%[1]sResult></%[1]sResponse>", name)
}

// lastForm is what IAM or CloudFormation was asked last.
func (w *world) lastForm() url.Values {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.forms) == 0 {
		return nil
	}
	return w.forms[len(w.forms)-1]
}

// serveLambda stands in for the operation Invoke of Lambda's API (version 2015-03-31): it hands the payload to the refresher or to the
// healthcheck and answers with its result, or with a function error.
func (w *world) serveLambda(rw http.ResponseWriter, r *http.Request, name string) {
	run := map[string]func(context.Context, []byte) ([]byte, error){functionName: w.run, healthName: w.health}[name]
	if run == nil {
		rw.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		http.Error(rw, `{"Message":"Function not found: `+name+`"}`, http.StatusNotFound)
		return
	}
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, "", http.StatusBadRequest)
		return
	}
	if name == functionName {
		w.mu.Lock()
		w.events = append(w.events, string(payload))
		w.mu.Unlock()
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("X-Amz-Executed-Version", "$LATEST")
	result, err := run(r.Context(), payload)
	if err != nil {
		rw.Header().Set("X-Amz-Function-Error", "Unhandled")
		result, err = json.Marshal(map[string]string{"errorType": "errorString", "errorMessage": err.Error()})
	}
	if err == nil {
		_, _ = rw.Write(result)
	}
}

func (w *world) run(ctx context.Context, event []byte) ([]byte, error) {
	call, err := refresh.ParseCall(event)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	result, err := w.refresher.Run(ctx, call)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// health is what functions/healthcheck answers to an event that is no HTTP request.
func (w *world) health(ctx context.Context, event []byte) ([]byte, error) {
	call, err := probe.ParseCall(event)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	found, err := w.checker.Run(ctx, call)
	if err != nil {
		return nil, err
	}
	return json.Marshal(found)
}

// sweep runs the refresher as the schedule does.
func (w *world) sweep() {
	w.t.Helper()
	answer, err := w.run(w.t.Context(), []byte("{}"))
	must(w.t, err)
	var result refresh.Result
	must(w.t, json.Unmarshal(answer, &result))
	if result.Counts.Refreshed != result.Connections {
		w.t.Fatalf("the sweep did not give every connection a token: %s", answer)
	}
}

// invocations are the events of the refresher so far.
func (w *world) invocations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// document makes a pair in a provider's panel and returns the connection document that holds it.
func (w *world) document(p *oauthtest.Provider, name string) string {
	w.t.Helper()
	id, secret := "3f1c7d52-0a4b-4c7e-9d2f-"+name, "q8ZrLw2vN5tYx7Kp3-"+name
	p.Add(oauthtest.Client{ID: id, Secret: oauth.NewSecret(secret), AccountID: "acc-" + p.Name()})
	raw, err := json.Marshal(map[string]string{"provider": p.Name(), "client_id": id, "client_secret": secret})
	must(w.t, err)
	return string(raw)
}

// published makes a world in which both connections have a token, version 2 of its parameter and an hour old, and forgets the calls that
// it took. The hour is in the record, which is moved back: nobody waits.
func published(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	connections := map[string]*oauthtest.Provider{hotmartShop: w.hotmart, kiwifyMain: w.kiwify}
	for name, p := range connections {
		_, err := w.aws.PutSecret(secretPrefix+name, w.document(p, "a"))
		must(t, err)
	}
	w.sweep()
	for name := range connections {
		p, _ := w.aws.Parameter(parameterName(name))
		record, err := renew.ParseRecord(p.Description)
		must(t, err)
		for _, at := range []*time.Time{&record.IssuedAt, &record.RenewAt, &record.ExpiresAt} {
			*at = at.Add(-time.Hour)
		}
		record.Seq = p.Version + 1
		_, err = w.aws.SetParameterDescription(parameterName(name), record.Encode())
		must(t, err)
	}
	w.aws.ResetCalls()
	return w
}

func parameterName(connection string) string {
	return parameterPrefix + "/" + connection + "/access_token"
}

// token is what is published for a connection.
func (w *world) token(connection string) string {
	w.t.Helper()
	p, ok := w.aws.Parameter(parameterName(connection))
	if !ok || p.Value.Reveal() == "" {
		w.t.Fatalf("%s has no token", connection)
	}
	return p.Value.Reveal()
}

// wantReads checks how often the store was read.
func (w *world) wantReads(n int, what string) {
	w.t.Helper()
	if got := w.aws.Count(awstest.GetParameter).Calls; got != n {
		w.t.Errorf("%s: %d calls of GetParameter, want %d", what, got, n)
	}
}

// deny refuses every read of a token, as IAM does without the reader's policy.
func (w *world) deny() {
	w.aws.Inject(awstest.Fault{Op: awstest.GetParameter, Effect: awstest.AccessDenied})
}

// put writes a file into the folder where the programs run.
func (w *world) put(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.dir, name)
	must(w.t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(w.t, os.WriteFile(file, []byte(text), 0o600))
}
