package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"chaveiro/internal/awstest"
	"chaveiro/internal/lambdatest"
	"chaveiro/internal/refresh"
	"chaveiro/internal/renew"
	"chaveiro/pkg/oauth"
	"chaveiro/pkg/oauth/oauthtest"
)

const (
	secretPrefix    = "oauth/"
	parameterPrefix = "/oauth"
)

// world is everything around the function: AWS's two stores and two providers, all on loopback.
type world struct {
	aws             *awstest.World
	server          *awstest.Server
	hotmart, kiwify *oauthtest.Provider
	hotmartURL      string
	kiwifyURL       string
	closers         []func()
}

func openWorld() (*world, error) {
	w := &world{aws: &awstest.World{}, hotmart: oauthtest.Hotmart(oauthtest.Options{}), kiwify: oauthtest.Kiwify(oauthtest.Options{})}
	server, err := w.aws.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.server = server
	w.closers = append(w.closers, func() { _ = server.Close() })
	for provider, url := range map[*oauthtest.Provider]*string{w.hotmart: &w.hotmartURL, w.kiwify: &w.kiwifyURL} {
		base, closer, err := provider.Listen("")
		if err != nil {
			w.close()
			return nil, err
		}
		*url = base + provider.TokenPath()
		w.closers = append(w.closers, closer)
	}
	return w, nil
}

func (w *world) close() {
	for _, c := range w.closers {
		c()
	}
}

// credential is a pair as a person copies it from a provider's panel.
type credential struct {
	provider *oauthtest.Provider
	id       string
	secret   oauth.Secret
}

// newCredential makes a pair in the provider's panel.
func newCredential(p *oauthtest.Provider, id, account string) credential {
	c := credential{p, id, oauth.NewSecret(rand.Text())}
	p.Add(oauthtest.Client{ID: id, Secret: c.secret, AccountID: account})
	return c
}

// store writes a connection's secret, as `aws secretsmanager put-secret-value` does.
func (w *world) store(connection, provider, endpoint string, c credential) error {
	document, err := json.Marshal(map[string]string{
		"provider": provider, "client_id": c.id, "client_secret": c.secret.Reveal(), "token_endpoint": endpoint,
	})
	if err != nil {
		return err
	}
	_, err = w.aws.PutSecret(secretPrefix+connection, string(document))
	return err
}

// letTimePass moves every record back, as if the given time had passed. Nothing sleeps.
func (w *world) letTimePass(d time.Duration, connections ...string) error {
	for _, c := range connections {
		if err := w.age(c, refresh.KindToken, func(text string, version int64) (string, error) {
			r, err := renew.ParseRecord(text)
			if err != nil {
				return "", err
			}
			r.IssuedAt, r.ExpiresAt, r.RenewAt = r.IssuedAt.Add(-d), r.ExpiresAt.Add(-d), r.RenewAt.Add(-d)
			r.Seq = version
			return r.Encode(), nil
		}); err != nil {
			return err
		}
		if err := w.age(c, refresh.KindFailure, func(text string, _ int64) (string, error) {
			f, err := renew.ParseFailure(text)
			if err != nil {
				return "", err
			}
			f.FirstAt, f.LastAt, f.NextAt = f.FirstAt.Add(-d), f.LastAt.Add(-d), f.NextAt.Add(-d)
			return f.Encode(), nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) age(connection string, kind refresh.Kind, change func(text string, version int64) (string, error)) error {
	name := parameterName(connection, kind)
	p, ok := w.aws.Parameter(name)
	if !ok {
		return nil
	}
	text, err := change(p.Description, p.Version+1)
	if err != nil {
		return fmt.Errorf("age %s: %w", name, err)
	}
	_, err = w.aws.SetParameterDescription(name, text)
	return err
}

func parameterName(connection string, kind refresh.Kind) string {
	return parameterPrefix + "/" + connection + "/" + string(kind)
}

// startFunction builds the deployed binary and starts it on a Lambda Runtime API.
func (w *world) startFunction(ctx context.Context, dir string) (*lambdatest.Function, error) {
	bootstrap, err := lambdatest.Build(ctx, "functions/refresher", dir)
	if err != nil {
		return nil, err
	}
	return lambdatest.Start(ctx, lambdatest.Config{Bootstrap: bootstrap, Name: "chaveiro-refresher", Timeout: 60 * time.Second, Env: map[string]string{
		"SECRET_PREFIX": secretPrefix, "PARAMETER_PREFIX": parameterPrefix, "STACK_NAME": "chaveiro", "MAX_WRITES_PER_SECOND": "3",
		"AWS_REGION": awstest.Region, "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_SAM_LOCAL": "true",
		"AWS_ENDPOINT_URL_SSM": w.server.URL, "AWS_ENDPOINT_URL_SECRETS_MANAGER": w.server.URL,
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
	return fmt.Sprintf("%s: %s, %d tokens, %d refused", p.Name(), plural(s.TokenCalls, "token request"), s.Minted, s.Refused)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
