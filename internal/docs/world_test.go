// Package docs_test keeps the pages from saying anything but the code: what they quote is produced, what they link to exists, and both
// READMEs say the same.
package docs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// The installation that the pages tell of.
const (
	secretPrefix    = "oauth/"
	parameterPrefix = "/oauth"
	hotmartShop     = "hotmart/loja-a"
	kiwifyMain      = "kiwify/main"
	kiwifyOther     = "kiwify/loja-b"
)

// firstDay is when the examples of the pages begin.
func firstDay() time.Time { return time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC) }

// world is one installation with two providers, in process. It is made inside a synctest bubble, so that its times are always the same.
type world struct {
	t               *testing.T
	aws             *awstest.World
	hotmart, kiwify *oauthtest.Provider
	refresher       *refresh.Refresher
	reporter        *report.Reporter    // what the functions print goes there; nil: nowhere
	observe         func(refresh.Event) // told what the refresher observes; nil: nobody
	healthTime      time.Duration       // that the healthcheck has; 0: 2 min
	healthEvent     string              // what it is asked; "": everything
}

func newWorld(t *testing.T) *world {
	t.Helper()
	time.Sleep(time.Until(firstDay()))
	w := &world{
		t: t, aws: new(awstest.World),
		hotmart: oauthtest.Hotmart(oauthtest.Options{}), kiwify: oauthtest.Kiwify(oauthtest.Options{}),
	}
	cfg := w.aws.Config()
	secrets, err := smsecret.New(smsecret.Config{Client: secretsmanager.NewFromConfig(cfg), Prefix: secretPrefix})
	must(t, err)
	parameters, err := ssmstore.New(ssmstore.Config{Client: ssm.NewFromConfig(cfg), Prefix: parameterPrefix, KMSKeyID: "alias/aws/ssm"})
	must(t, err)
	client, err := oauth.New(oauth.Config{Transport: oauthtest.NewNetwork(w.hotmart, w.kiwify)})
	must(t, err)
	w.refresher, err = refresh.New(refresh.Config{
		Secrets: secrets, Parameters: parameters, Exchanger: client, Catalogue: catalogue(t), SecretPrefix: secretPrefix, Region: awstest.Region,
		Observe: func(ev refresh.Event) {
			if w.observe != nil {
				w.observe(ev)
			}
		},
	})
	must(t, err)
	return w
}

// pair is what a person copies from a provider's panel.
type pair struct{ id, secret string }

// sign makes a pair in the provider's panel.
func (w *world) sign(p *oauthtest.Provider, name string) pair {
	c := pair{"3f1c7d52-0a4b-4c7e-9d2f-" + name, "q8ZrLw2vN5tYx7Kp3-" + name}
	p.Add(oauthtest.Client{ID: c.id, Secret: oauth.NewSecret(c.secret), AccountID: "acc-" + name})
	return c
}

// store writes a connection's secret.
func (w *world) store(connection, text string) {
	w.t.Helper()
	_, err := w.aws.PutSecret(secretPrefix+connection, text)
	must(w.t, err)
}

// connect stores the document of a connection with a pair that works, and further fields.
func (w *world) connect(connection string, p *oauthtest.Provider, more ...string) pair {
	w.t.Helper()
	c := w.sign(p, p.Name())
	w.store(connection, document(w.t, p.Name(), c, more...))
	return c
}

func document(t *testing.T, providerID string, c pair, more ...string) string {
	t.Helper()
	fields := map[string]string{"provider": providerID, "client_id": c.id, "client_secret": c.secret}
	for i := 0; i+1 < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	raw, err := json.Marshal(fields)
	must(t, err)
	return string(raw)
}

// invoke calls the refresher with an event.
func (w *world) invoke(event string) refresh.Result {
	w.t.Helper()
	call, err := refresh.ParseCall([]byte(event))
	must(w.t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 270*time.Second)
	defer cancel()
	result, err := w.refresher.Run(ctx, call)
	must(w.t, err)
	return result
}

// failure invokes and returns the one failure as the pages quote it.
func (w *world) failure(event string) string {
	w.t.Helper()
	result := w.invoke(event)
	if len(result.Failed) != 1 {
		w.t.Fatalf("%d failures, the page tells of one: %+v", len(result.Failed), result)
	}
	return fmt.Sprintf("`%s`: `%s`", result.Failed[0].Code, result.Failed[0].Message)
}

func catalogue(t *testing.T) provider.Catalogue {
	t.Helper()
	c, err := provider.Load()
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
