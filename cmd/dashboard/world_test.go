package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/publish"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/scenario"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const rotatorARN = "arn:aws:lambda:" + awstest.Region + ":" + awstest.Account + ":function:chaveiro-rotator"

// world is one installation: the scenarios' stores and providers, and the three functions wired as their wire.go does, which print into out.
type world struct {
	*scenario.World

	t          *testing.T
	out        bytes.Buffer
	reporter   *report.Reporter
	secrets    *smsecret.Store
	parameters *ssmstore.Store
	states     *dynamostate.Store
	catalogue  provider.Catalogue
	client     *oauth.Client
	runs       int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	w.World, err = scenario.New(t.Name())
	must(t, err)
	w.reporter = report.New(report.Config{Out: &w.out, Stack: "chaveiro"})
	w.secrets, err = smsecret.New(smsecret.Config{Client: w.AWS.SecretsManager(), Prefix: scenario.SecretPrefix})
	must(t, err)
	w.parameters, err = ssmstore.New(ssmstore.Config{Client: w.AWS.SSM(), Prefix: scenario.ParameterPrefix, KMSKeyID: "alias/aws/ssm"})
	must(t, err)
	w.states, err = dynamostate.New(dynamostate.Config{Client: w.AWS.DynamoDB(), Table: awstest.StateTable})
	must(t, err)
	w.catalogue, err = provider.Load()
	must(t, err)
	w.client, err = oauth.New(oauth.Config{
		Transport: distance{oauthtest.NewNetwork(w.Provider("hotmart"), w.Provider("kiwify"))}, Rand: func() float64 { return 0.5 },
	})
	must(t, err)
	return w
}

// distance makes each request take some time: a little more or less from one to the next, as the hash of who asks and when has it, and a second
// and a half more in two of a hundred.
type distance struct{ to http.RoundTripper }

func (d distance) RoundTrip(req *http.Request) (*http.Response, error) {
	who := []byte(req.Header.Get("Authorization"))
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			form, _ := io.ReadAll(body)
			who = append(who, form...)
		}
	}
	sum := sha256.Sum256(fmt.Appendf(who, "|%s|%d", req.URL.Host, time.Now().Unix()))
	wait := 140*time.Millisecond + time.Duration(sum[0])*time.Millisecond/2
	if sum[1] < 5 {
		wait += 1500 * time.Millisecond
	}
	select {
	case <-time.After(wait):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	return d.to.RoundTrip(req)
}

// run begins an invocation.
func (w *world) run() *report.Run {
	w.runs++
	return w.reporter.Run(fmt.Sprintf("request-%d", w.runs))
}

func (w *world) refresher() *refresh.Refresher {
	w.t.Helper()
	r, err := refresh.New(refresh.Config{
		Leases: w.states, States: w.states, Secrets: w.secrets, Parameters: w.parameters, Requester: w.client, Catalogue: w.catalogue,
		SecretPrefix: scenario.SecretPrefix, Region: awstest.Region,
	})
	must(w.t, err)
	return r
}

// sweep invokes the refresher as its schedule does.
func (w *world) sweep() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 270*time.Second)
	defer cancel()
	run := w.run()
	result, err := w.refresher().Run(ctx, refresh.Call{}, refresh.Invocation{RequestID: fmt.Sprintf("request-%d", w.runs), Observe: run.Observe})
	run.Done(result, err)
	must(w.t, err)
}

// health invokes the healthcheck as its schedule does.
func (w *world) health() probe.Report {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	run := w.run()
	checker, err := probe.New(probe.Config{
		Secrets: w.secrets, States: w.states, Prober: w.client, Catalogue: w.catalogue, SecretPrefix: scenario.SecretPrefix, Region: awstest.Region,
	})
	must(w.t, err)
	found, err := checker.Run(ctx, probe.Call{}, probe.Invocation{Observe: run.ObserveProbe})
	run.HealthDone(found, err)
	must(w.t, err)
	return found
}

// rotate stages a pair and has Secrets Manager, as awstest plays it, rotate to it. It reports whether the pair is live.
func (w *world) rotate(connection, clientID, clientSecret string) bool {
	w.t.Helper()
	pair, err := json.Marshal(map[string]string{"client_id": clientID, "client_secret": clientSecret})
	must(w.t, err)
	must(w.t, w.PutSecret(connection, "CANDIDATE", string(pair)))
	versions, err := smsecret.NewVersions(smsecret.VersionsConfig{Client: w.AWS.SecretsManager()})
	must(w.t, err)
	driver := &awstest.Rotator{World: w.AWS, Function: rotatorARN, Tries: 1, Invoke: func(ctx context.Context, event []byte) error {
		run := w.run()
		ev, err := rotate.ParseEvent(event)
		if err != nil {
			return err
		}
		r, err := rotate.New(rotate.Config{
			Secrets: versions, Leases: w.states, States: w.states, Publisher: publish.New(w.parameters, publish.NewPacer(3, nil)),
			Requester: w.client, Catalogue: w.catalogue, SecretPrefix: scenario.SecretPrefix, Region: awstest.Region,
		})
		if err != nil {
			return err
		}
		err = r.Handle(ctx, ev, rotate.Invocation{
			RequestID: fmt.Sprintf("request-%d", w.runs), FunctionARN: rotatorARN, Observe: run.ObserveRotation,
		})
		run.RotationDone(ev.Step, err)
		return err
	}}
	rotation, err := driver.Rotate(w.t.Context(), scenario.SecretPrefix+connection)
	must(w.t, err)
	return rotation.Err == nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
