package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
)

// run shows the chapters. Each changes the world, invokes the function and compares.
func (d *demo) run(ctx context.Context) (err error) {
	d.title("chaveiro: a demonstration on this machine, without AWS")
	dir, err := os.MkdirTemp("", "chaveiro-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d.say("Building the three functions as they are deployed. The first time this takes a minute.")
	if d.world, err = openWorld(ctx); err != nil {
		return err
	}
	defer d.world.close()
	for _, f := range []struct {
		name    string
		started **lambdatest.Function
	}{{"refresher", &d.function}, {"rotator", &d.rotator}, {"healthcheck", &d.healthcheck}} {
		from := d.now()
		if *f.started, err = startFunction(ctx, f.name, filepath.Join(dir, f.name), d.world.storesURL); err != nil {
			return err
		}
		defer (*f.started).Close()
		d.say("  functions/%-11s built and started in %.1f s", f.name, d.now().Sub(from).Seconds())
	}
	d.say("Each function runs on a Lambda Runtime API of its own. Secrets Manager, SSM, DynamoDB, Hotmart and Kiwify are stand-ins on loopback.")
	for _, chapter := range []func(context.Context) error{d.firstTokens, d.timePasses, d.newCredentials, d.corrected, d.promoted, d.rejected, d.rolledBack, d.inDanger} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return d.verdict()
}

// firstTokens creates three secrets, one with a wrong client_secret.
func (d *demo) firstTokens(ctx context.Context) error {
	w := d.world
	d.chapter("Three secrets are created, and the schedule fires")
	var err error
	if d.lojaB, err = w.storeThree(); err != nil {
		return err
	}
	d.say("  oauth/%s  Hotmart credentials (sent by HTTP Basic)", shop)
	d.say("  oauth/%s     Kiwify credentials (sent in the form body)", course)
	d.say("  oauth/%s   Kiwify credentials with the wrong client_secret pasted", typo)
	result, logs, err := d.invoke(ctx)
	if err != nil {
		return err
	}
	d.expect("Hotmart and Kiwify tokens are published", refreshed(result, shop) && refreshed(result, course))
	d.expect("both for the reason missing", reason(logs, shop) == "missing" && reason(logs, course) == "missing")
	d.expect("the readers' parameters hold tokens that the providers accept", d.valid(shop) && d.valid(course))
	d.expect("Kiwify's account id is published beside the token", d.value(course, store.KindAccount) == "acc-main")
	d.expect("the third fails alone, and says why", failedWith(result, typo, "invalid_client"))
	d.expect("no token is published for it", d.value(typo, store.KindToken) == "")
	return nil
}

// timePasses lets 15 hours go by: a Kiwify token lives 24 h and is due after 9.6 to 14.4 h, a Hotmart token lives 48 h.
func (d *demo) timePasses(ctx context.Context) error {
	d.chapter("15 hours pass (the times in the state table are moved back; the demo does not wait)")
	if err := d.world.letTimePass(15*time.Hour, shop, course, typo); err != nil {
		return err
	}
	before := d.value(course, store.KindToken)
	result, logs, err := d.invoke(ctx)
	if err != nil {
		return err
	}
	d.expect("Kiwify's token is renewed because it is due, 9 hours before its end", refreshed(result, course) && reason(logs, course) == "due")
	d.expect("its parameter holds another token", d.value(course, store.KindToken) != before && d.valid(course))
	d.expect("Hotmart's token stays: fresh, no request was made", fresh(result, shop) && d.world.hotmart.Total().TokenCalls == 1)
	d.expect("the wrong credentials are tried a second time", failedWith(result, typo, "invalid_client") && d.attempts(typo) == 2)
	return nil
}

// newCredentials stores new Hotmart credentials and deletes the old ones in the panel.
func (d *demo) newCredentials(ctx context.Context) error {
	w := d.world
	d.chapter("New Hotmart credentials are stored with put-secret-value, and the old ones are deleted in the panel")
	if err := w.store(shop, "hotmart", w.hotmartURL, newCredential(w.hotmart, "loja-a-client-2", "")); err != nil {
		return err
	}
	w.hotmart.Remove("loja-a-client")
	result, logs, err := d.invoke(ctx)
	if err != nil {
		return err
	}
	d.expect("Hotmart's token is renewed because the credentials changed", refreshed(result, shop) && reason(logs, shop) == "credential_changed")
	d.expect("the new credentials got it", d.valid(shop) && d.world.hotmart.Stats("loja-a-client-2").Minted == 1)
	d.expect("Kiwify's token stays fresh", fresh(result, course))
	d.expect("the wrong credentials are not tried again so soon: backing off", failedWith(result, typo, "invalid_client") && d.attempts(typo) == 2)
	return nil
}

// corrected stores the right credentials for the third connection.
func (d *demo) corrected(ctx context.Context) error {
	d.chapter("The right client_secret is pasted for the third connection")
	if err := d.world.store(typo, "kiwify", d.world.kiwifyURL, d.lojaB); err != nil {
		return err
	}
	result, _, err := d.invoke(ctx)
	if err != nil {
		return err
	}
	d.expect("it has its token in the next run, without waiting", refreshed(result, typo) && d.valid(typo))
	d.expect("its refresh_failure parameter is gone", d.value(typo, store.KindFailure) == "")
	d.expect("nothing else was renewed", len(result.Refreshed) == 1 && len(result.Failed) == 0)
	return nil
}

func refreshed(r refresh.Result, connection string) bool {
	for _, e := range r.Refreshed {
		if e.Connection == connection {
			return true
		}
	}
	return false
}

func fresh(r refresh.Result, connection string) bool {
	for _, e := range r.Fresh {
		if e.Connection == connection {
			return true
		}
	}
	return false
}

func failedWith(r refresh.Result, connection, code string) bool {
	for _, e := range r.Failed {
		if e.Connection == connection {
			return e.Code == code
		}
	}
	return false
}

// attempts that the failure of a connection counts.
func (d *demo) attempts(connection string) int {
	f := d.world.state(connection).Failure
	if f == nil {
		return 0
	}
	return f.Attempts
}

// value of a published parameter, "" when there is none. It is compared, never printed.
func (d *demo) value(connection string, kind store.Kind) string {
	return d.world.value(connection, kind)
}

// valid reports whether the provider accepts the published token.
func (d *demo) valid(connection string) bool {
	provider := d.world.kiwify
	if strings.HasPrefix(connection, "hotmart/") {
		provider = d.world.hotmart
	}
	return provider.Validate(d.value(connection, store.KindToken))
}
