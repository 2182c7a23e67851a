package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const (
	secretPrefix    = "oauth/"
	parameterPrefix = "/oauth"
)

// world is everything around the function: AWS's two stores and two providers.
type world struct {
	aws             *awstest.World
	hotmart, kiwify *oauthtest.Provider
	storesURL       string
	hotmartURL      string // of tokens
	kiwifyURL       string
	closers         []func()
}

func newWorld() *world {
	return &world{aws: &awstest.World{}, hotmart: oauthtest.Hotmart(oauthtest.Options{}), kiwify: oauthtest.Kiwify(oauthtest.Options{})}
}

// openWorld serves a new world on free ports of loopback.
func openWorld(ctx context.Context) (*world, error) {
	w := newWorld()
	var bases [3]string
	for i, handler := range []http.Handler{w.aws, w.hotmart, w.kiwify} {
		address, err := w.serve(ctx, handler, "127.0.0.1:0")
		if err != nil {
			w.close()
			return nil, err
		}
		bases[i] = "http://" + address
	}
	w.storesURL, w.hotmartURL, w.kiwifyURL = bases[0], bases[1]+w.hotmart.TokenPath(), bases[2]+w.kiwify.TokenPath()
	return w, nil
}

// serve answers on an address until the world is closed, and returns the address that it got.
func (w *world) serve(ctx context.Context, handler http.Handler, address string) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with close
	}()
	w.closers = append(w.closers, func() {
		_ = server.Close()
		<-done
	})
	return listener.Addr().String(), nil
}

func (w *world) close() {
	for _, c := range w.closers {
		c()
	}
}

// credential is a client_id with its client_secret, as a person copies them from a provider's panel.
type credential struct {
	provider *oauthtest.Provider
	id       string
	secret   oauth.Secret
}

// newCredential makes client credentials in the provider's panel.
func newCredential(p *oauthtest.Provider, id, account string) credential {
	c := credential{p, id, oauth.NewSecret(rand.Text())}
	p.Add(oauthtest.Client{ID: id, Secret: c.secret, AccountID: account})
	return c
}

// store writes a connection's secret, as `aws secretsmanager put-secret-value` does.
func (w *world) store(connection, provider, endpoint string, c credential) error {
	document, err := c.document(provider, endpoint)
	if err != nil {
		return err
	}
	_, err = w.aws.PutSecret(secretPrefix+connection, string(document))
	return err
}

// document is the connection document (contract.md section 1). It holds the client_secret.
func (c credential) document(provider, endpoint string) ([]byte, error) {
	return json.Marshal(map[string]string{
		"provider": provider, "client_id": c.id, "client_secret": c.secret.Reveal(), "token_endpoint": endpoint,
	})
}

// storeThree creates the three connections, one with a wrong client_secret, and returns the right credentials of that one.
func (w *world) storeThree() (right credential, err error) {
	hot := newCredential(w.hotmart, "loja-a-client", "")
	kiwi := newCredential(w.kiwify, "main-client", "acc-main")
	right = newCredential(w.kiwify, "loja-b-client", "acc-loja-b")
	wrong := right
	wrong.secret = hot.secret // pasted from the wrong panel
	return right, errors.Join(w.store(shop, "hotmart", w.hotmartURL, hot), w.store(course, "kiwify", w.kiwifyURL, kiwi),
		w.store(typo, "kiwify", w.kiwifyURL, wrong))
}

// letTimePass moves every instant in the state table back, as if the given time had passed. Nothing sleeps.
func (w *world) letTimePass(d time.Duration, connections ...string) error {
	states, err := w.states()
	if err != nil {
		return err
	}
	for _, c := range connections {
		s := w.state(c)
		if t := s.Token; t != nil {
			t.IssuedAt, t.ExpiresAt, t.RenewAt = t.IssuedAt.Add(-d), t.ExpiresAt.Add(-d), t.RenewAt.Add(-d)
		}
		if f := s.Failure; f != nil {
			f.FirstAt, f.LastAt, f.NextAt = f.FirstAt.Add(-d), f.LastAt.Add(-d), f.NextAt.Add(-d)
		}
		if _, err := states.Update(context.Background(), s); err != nil {
			return fmt.Errorf("age %s: %w", c, err)
		}
	}
	return nil
}

// endLease moves the end of a connection's lease into the past, as if the deadline of the invocation that holds it had passed.
func (w *world) endLease(connection string, now time.Time) error {
	item, ok := w.aws.Item(connection)
	if !ok || item["lease"] == nil {
		return fmt.Errorf("%s has no lease", connection)
	}
	var lease struct {
		M map[string]map[string]string
	}
	if err := json.Unmarshal(item["lease"], &lease); err != nil {
		return fmt.Errorf("read the lease of %s: %w", connection, err)
	}
	lease.M["until"] = map[string]string{"N": strconv.FormatInt(now.Add(-time.Second).Unix(), 10)}
	changed, err := json.Marshal(lease)
	if err != nil {
		return err
	}
	item["lease"] = changed
	return w.aws.PutItem(connection, item)
}

// states is the state table, without the network in between.
func (w *world) states() (*dynamostate.Store, error) {
	return dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: w.aws}, Table: awstest.StateTable})
}

// state is the item of a connection.
func (w *world) state(connection string) lifecycle.State {
	s := dynamostate.Decode(w.aws.SDKItem(connection))
	s.ID = connection
	return s
}

func parameterName(connection string, kind store.Kind) string {
	return parameterPrefix + "/" + connection + "/" + string(kind)
}

// value of a published parameter, "" when there is none. It is compared and sent, never printed.
func (w *world) value(connection string, kind store.Kind) string {
	p, _ := w.aws.Parameter(parameterName(connection, kind))
	return p.Value.Reveal()
}

// startFunction builds a function as it is deployed, into dir, and starts it on a Lambda Runtime API with AWS's stores at storesURL.
func startFunction(ctx context.Context, name, dir, storesURL string) (*lambdatest.Function, error) {
	bootstrap, err := lambdatest.Build(ctx, filepath.Join("functions", name), dir)
	if err != nil {
		return nil, err
	}
	return lambdatest.Start(ctx, lambdatest.Config{Bootstrap: bootstrap, Name: "chaveiro-" + name, Timeout: 60 * time.Second, Env: map[string]string{
		"SECRET_PREFIX": secretPrefix, "PARAMETER_PREFIX": parameterPrefix, "STATE_TABLE": awstest.StateTable, "STACK_NAME": "chaveiro", "MAX_WRITES_PER_SECOND": "3",
		"AWS_REGION": awstest.Region, "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_SAM_LOCAL": "true",
		"AWS_ENDPOINT_URL_SSM": storesURL, "AWS_ENDPOINT_URL_SECRETS_MANAGER": storesURL, "AWS_ENDPOINT_URL_DYNAMODB": storesURL,
	}})
}

// invoke sends an event file to the function.
func invoke(ctx context.Context, f *lambdatest.Function, eventFile string) (refresh.Result, string, error) {
	event, err := os.ReadFile(eventFile) //nolint:gosec // the path is a constant of this program
	if err != nil {
		return refresh.Result{}, "", err
	}
	answer, err := f.Invoke(ctx, event)
	if err != nil {
		return refresh.Result{}, answer.Logs, fmt.Errorf("invoke with %s: %w\n%s", eventFile, err, answer.Logs)
	}
	var result refresh.Result
	if err := json.Unmarshal(answer.Payload, &result); err != nil {
		return refresh.Result{}, answer.Logs, fmt.Errorf("invoke with %s: %w", eventFile, err)
	}
	return result, answer.Logs, nil
}

// calls is how many token requests a provider has answered so far.
func calls(p *oauthtest.Provider) string {
	s := p.Total()
	return fmt.Sprintf("%s: %s, %s, %d refused", p.Name(), plural(s.TokenCalls, "token request"), plural(s.Minted, "token"), s.Refused)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
