package probe_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/dynamostate"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/scenario"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const version = "11111111-1111-4111-8111-111111111111" // of a credential, in records that nobody compares

// world is an installation whose stores a test fills by hand, so that every state can be there at once.
type world struct {
	t        *testing.T
	aws      *awstest.World
	network  oauthtest.Network
	hotmart  *oauthtest.Provider
	kiwify   *oauthtest.Provider
	canaries map[string]string
	change   func(*probe.Config)

	mu     sync.Mutex
	events []probe.Event
	out    strings.Builder // everything that came out
}

// bubble runs f in virtual time, in a world that has begun a moment ago.
func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, aws: new(awstest.World), canaries: map[string]string{}}
		w.hotmart, w.kiwify = oauthtest.Hotmart(oauthtest.Options{}), oauthtest.Kiwify(oauthtest.Options{Seed: 2})
		w.network = oauthtest.NewNetwork(w.hotmart, w.kiwify)
		<-time.After(30 * 24 * time.Hour)
		w.aws.ResetCalls()
		f(w)
		if leaks := scenario.Leaks(w.canaries, w.out.String()); len(leaks) > 0 {
			t.Errorf("came out: %v", leaks)
		}
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// checker is what functions/healthcheck wires.
func (w *world) checker() *probe.Checker {
	w.t.Helper()
	secrets, err := smsecret.New(smsecret.Config{Client: w.aws.SecretsManager(), Prefix: "oauth/"})
	w.must(err)
	states, err := dynamostate.New(dynamostate.Config{Client: w.aws.DynamoDB(), Table: awstest.StateTable})
	w.must(err)
	catalogue, err := provider.Load()
	w.must(err)
	client, err := oauth.New(oauth.Config{Transport: w.network})
	w.must(err)
	cfg := probe.Config{
		Secrets: secrets, States: states, Prober: client, Catalogue: catalogue, SecretPrefix: "oauth/", Region: awstest.Region,
	}
	if w.change != nil {
		w.change(&cfg)
	}
	c, err := probe.New(cfg)
	w.must(err)
	return c
}

func (w *world) observe(ev probe.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, ev)
	fmt.Fprintf(&w.out, "%+v\n", ev)
}

// run makes one report of an event.
func (w *world) run(event string) probe.Report {
	w.t.Helper()
	report, err := w.runWithin(w.t.Context(), event)
	w.must(err)
	return report
}

func (w *world) runWithin(ctx context.Context, event string) (probe.Report, error) {
	w.t.Helper()
	call, err := probe.ParseCall([]byte(event))
	w.must(err)
	w.events = nil
	report, err := w.checker().Run(ctx, call, probe.Invocation{Observe: w.observe})
	text, marshalErr := json.Marshal(report)
	w.must(marshalErr)
	fmt.Fprintf(&w.out, "%s\n%+v\n%v\n", text, report, err)
	return report, err
}

// secret stores a connection document. Its client_secret is a canary.
func (w *world) secret(connection, document string) {
	w.t.Helper()
	canary := canary("secret", connection)
	w.canaries[canary] = "client_secret of " + connection
	id := "id-of-" + strings.ReplaceAll(connection, "/", "-")
	_, err := w.aws.PutSecret("oauth/"+connection, fmt.Sprintf(`{%s,"client_id":%q,"client_secret":%q}`, document, id, canary))
	w.must(err)
}

// canary is a text that looks different in each encoding, and nothing like a name.
func canary(kind, connection string) string {
	sum := sha256.Sum256([]byte(kind + connection))
	return "c/" + hex.EncodeToString(sum[:]) + "+=&"
}

// record describes a token of a day, which was issued with the connection's present secret.
func (w *world) record(connection string, expiresIn time.Duration) lifecycle.Token {
	now := time.Now().UTC().Truncate(time.Second)
	t := lifecycle.Token{Provider: "kiwify", Endpoint: "public-api.kiwify.com",
		IssuedAt: now.Add(expiresIn - 24*time.Hour), ExpiresAt: now.Add(expiresIn),
		TokenID: "0123456789abcdef", Shape: "89abcdef", Credential: w.current(connection), Stage: "AWSCURRENT", Version: 1}
	t.RenewAt = t.IssuedAt.Add(12 * time.Hour)
	return t
}

// current is the version id of AWSCURRENT.
func (w *world) current(connection string) string {
	if s, ok := w.aws.Secret("oauth/" + connection); ok {
		return s.Stages["AWSCURRENT"]
	}
	return version
}

// token publishes one. Its text is a canary.
func (w *world) token(connection string, t lifecycle.Token) {
	w.t.Helper()
	text := canary("token", connection)
	w.canaries[text] = "token of " + connection
	_, err := w.aws.WriteParameter("/oauth/"+connection+"/access_token", awstest.ParameterWrite{Value: text})
	w.must(err)
	w.update(connection, func(s *lifecycle.State) { s.Token, s.Current = &t, w.current(connection) })
}

// update changes the item of a connection.
func (w *world) update(connection string, change func(*lifecycle.State)) {
	w.t.Helper()
	states, err := dynamostate.New(dynamostate.Config{Client: awstest.DirectStates{World: w.aws}, Table: awstest.StateTable})
	w.must(err)
	s := dynamostate.Decode(w.aws.SDKItem(connection))
	s.ID = connection
	change(&s)
	_, err = states.Update(w.t.Context(), s)
	w.must(err)
}

// kiwi is a Kiwify connection with a token that has this long to live; it is due with 12 h left.
func (w *world) kiwi(connection string, left time.Duration) {
	w.t.Helper()
	w.secret(connection, `"provider":"kiwify"`)
	w.token(connection, w.record(connection, left))
}

// failure records a failure with its sentence.
func (w *world) failure(connection, sentence string, first time.Duration) {
	w.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	w.update(connection, func(s *lifecycle.State) {
		s.Failure = &lifecycle.Failure{Class: lifecycle.Credentials, Code: "invalid_client", Provider: "kiwify", Endpoint: "public-api.kiwify.com",
			Attempts: 3, FirstAt: now.Add(-first), LastAt: now.Add(-time.Minute), NextAt: now.Add(time.Hour),
			Current: w.current(connection), Message: sentence}
	})
}

// only is the report's one endpoint.
func (w *world) only(r probe.Report) probe.Endpoint {
	w.t.Helper()
	if len(r.Endpoints) != 1 {
		w.t.Fatalf("endpoints %+v", r.Endpoints)
	}
	return r.Endpoints[0]
}

// attention is what the report says of a connection.
func attention(r probe.Report, connection string) probe.Attention {
	i := slices.IndexFunc(r.Attention, func(a probe.Attention) bool { return a.Connection == connection })
	if i < 0 {
		return probe.Attention{}
	}
	return r.Attention[i]
}

// clientSecret is the one that a connection's document holds.
func (w *world) clientSecret(connection string) oauth.Secret {
	return oauth.NewSecret(canary("secret", connection))
}
