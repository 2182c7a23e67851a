package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
)

// demo tells a person what happens, and remembers whether it was as it should be.
type demo struct {
	out         io.Writer
	now         func() time.Time
	world       *world
	function    *lambdatest.Function // the refresher
	rotator     *lambdatest.Function
	healthcheck *lambdatest.Function
	lojaB       credential // the right pair of the connection that was typed wrongly

	chapters, checks, wrong int
}

func (d *demo) say(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demo) title(text string) { d.say("%s\n%s", text, strings.Repeat("=", len(text))) }

func (d *demo) chapter(text string) {
	d.chapters++
	d.say("\n%d. %s", d.chapters, text)
}

// expect prints whether something is as it should be.
func (d *demo) expect(what string, ok bool) {
	d.checks++
	mark := "ok   "
	if !ok {
		d.wrong++
		mark = "WRONG"
	}
	d.say("  %s %s", mark, what)
}

func (d *demo) verdict() error {
	if d.wrong > 0 {
		return fmt.Errorf("%d of %d checks are wrong", d.wrong, d.checks)
	}
	d.say("\nAll %d checks are ok. What you saw, in words: README.md; how it is built: ARCHITECTURE.md.", d.checks)
	return nil
}

// invoke sends the schedule's event and shows what came of it.
func (d *demo) invoke(ctx context.Context) (refresh.Result, string, error) {
	d.say("\n  > invoke chaveiro-refresher with %s", schedule)
	started := d.now()
	result, logs, err := invoke(ctx, d.function, schedule)
	if err != nil {
		return result, logs, err
	}
	d.say("    answered in %d ms: %d refreshed, %d fresh, %d failed", d.now().Sub(started).Milliseconds(),
		result.Counts.Refreshed, result.Counts.Fresh, result.Counts.Failed)
	for _, e := range result.Refreshed {
		d.say("    refreshed  %-15s reason: %s; valid until %s, issued with %s", e.Connection, reason(logs, e.Connection), clock(e.ExpiresAt), e.Stage)
	}
	for _, e := range result.Fresh {
		d.say("    fresh      %-15s %s", e.Connection, e.Reason)
	}
	for _, e := range result.Failed {
		d.say("    failed     %-15s %s (%s), next try %s", e.Connection, e.Code, e.Class, clock(e.NextAt))
		d.say("               %s", e.Message)
	}
	d.say("  The store now:")
	for _, c := range []string{shop, course, typo} {
		d.showStored(c)
	}
	d.say("  Requests so far: %s; %s", calls(d.world.hotmart), calls(d.world.kiwify))
	if err := d.searchLogs(logs); err != nil {
		return result, logs, err
	}
	return result, logs, nil
}

// showStored prints what readers of one connection find; the token only by its first letters.
func (d *demo) showStored(connection string) {
	for _, kind := range []store.Kind{store.KindToken, store.KindAccount, store.KindFailure} {
		p, ok := d.world.aws.Parameter(parameterName(connection, kind))
		switch {
		case !ok && kind == store.KindToken:
			d.say("    %-36s does not exist", parameterName(connection, kind))
		case !ok:
		case kind == store.KindToken:
			renewal := "no state"
			if t := d.world.state(connection).Token; t != nil {
				renewal = "renew at " + clock(t.RenewAt)
			}
			d.say("    %-36s version %d, %s %s, %s", p.Name, p.Version, p.Type, masked(p.Value.Reveal()), renewal)
		case kind == store.KindAccount:
			d.say("    %-36s %s", p.Name, p.Value.Reveal())
		default:
			d.say("    %-36s (a sentence: see \"failed\" above)", p.Name)
		}
	}
}

func masked(token string) string {
	return fmt.Sprintf("%.4s… (%d characters)", token, len(token))
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// searchLogs looks for any stored secret or token in what the function printed.
func (d *demo) searchLogs(logs string) error {
	for _, v := range d.world.aws.Values() {
		text := v.Reveal()
		var document map[string]string
		if json.Unmarshal([]byte(text), &document) == nil {
			text = document["client_secret"]
		}
		if len(text) > 12 && strings.Contains(logs, text) && !strings.Contains(text, " ") {
			return errors.New("a secret stands in the function's log")
		}
	}
	return nil
}

// reason is why the function says it renewed a connection, from its log.
func reason(logs, connection string) string {
	for line := range strings.Lines(logs) {
		var entry struct{ Message, Connection, Reason string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Message == string(refresh.EventRefreshed) && entry.Connection == connection {
			return entry.Reason
		}
	}
	return ""
}
