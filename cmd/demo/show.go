package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/store"
)

// demo shows what happens, and counts whether it was as it should be.
type demo struct {
	printer

	now         func() time.Time
	world       *world
	function    *lambdatest.Function // the refresher
	rotator     *lambdatest.Function
	healthcheck *lambdatest.Function
	lojaB       credential // the right credentials of the connection that was typed wrongly

	chapters []chapter
}

// chapter is a part of the demo with its checks.
type chapter struct {
	title         string
	checks, wrong int
}

func (d *demo) title(text string) {
	d.sayIn(bold, text, "%s", text)
	d.say("%s", strings.Repeat("=", len(text)))
}

func (d *demo) chapter(text string) {
	d.chapters = append(d.chapters, chapter{title: text})
	d.say("")
	d.sayIn(bold, text, "%d. %s", len(d.chapters), text)
}

// expect prints whether something is as it should be.
func (d *demo) expect(what string, ok bool) {
	c := &d.chapters[len(d.chapters)-1]
	c.checks++
	if ok {
		d.sayIn(green, "ok", "  ok    %s", what)
		return
	}
	c.wrong++
	d.sayIn(red, "WRONG", "  WRONG %s", what)
}

// verdict sums up. The error says how many checks are wrong.
func (d *demo) verdict() error {
	d.say("")
	d.sayIn(bold, "Summary", "Summary")
	checks, wrong := 0, 0
	for i, c := range d.chapters {
		checks, wrong = checks+c.checks, wrong+c.wrong
		colour, mark := green, "ok"
		if c.wrong > 0 {
			colour, mark = red, "WRONG"
		}
		d.sayIn(colour, mark, "  %-5s %2d of %2d checks  %d. %s", mark, c.checks-c.wrong, c.checks, i+1, c.title)
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks are wrong", wrong, checks)
	}
	d.say("\nAll %d checks are ok. What you saw, in words: README.md; how it is built: ARCHITECTURE.md.", checks)
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
