package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

var update = flag.Bool("update", false, "draw docs/dashboard.svg anew")

// What happens in the picture, hours after its beginning.
const (
	deadPair    = 1.0  // two pairs are deleted in Kiwify's panel; one of them has a standby
	fewerScopes = 6.0  // a credential gets other scopes in Kiwify's panel
	newPair     = 17.0 // somebody stores new pairs
	outageFrom  = 22.0 // Kiwify is down
	outageTo    = 27.0
	slowFrom    = 33.0 // Hotmart answers slowly
	slowTo      = 34.0
	badRotation = 40.0 // a wrong pair is staged, and an hour later the right one
	shownHours  = 48

	tenantsKiwify = 30
	tenantsShop   = 10
)

// story is two days of forty connections, and what each function printed. It begins a day before the picture, so that the renewals are spread as
// they are in an installation that has run for a while.
func story(t *testing.T) (printed []byte, marks []mark) {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	w := newWorld(t)
	must(t, w.ConnectMany(tenantsKiwify, "kiwify", "kiwify/loja-"))
	must(t, w.ConnectMany(tenantsShop, "hotmart", "hotmart/loja-"))
	for range 24 * time.Hour / period {
		w.tick()
	}
	begin := time.Now().UTC()
	w.out.Reset()
	when := func(hours float64) time.Time { return begin.Add(time.Duration(hours * float64(time.Hour))) }
	told := func(what string, from, to float64) { marks = append(marks, mark{what, when(from), when(to)}) }

	told("two pairs are deleted in Kiwify's panel, one has a standby", deadPair, deadPair)
	w.until(when(deadPair))
	must(t, w.AddClient("kiwify", "standby", func(c *oauthtest.Client) { c.AccountID = "store-kiwify-loja-2" }))
	must(t, w.PutSecret("kiwify/loja-2", "BACKUP", w.pair("standby")))
	w.Provider("kiwify").Remove(w.ClientID("kiwify-loja-1"))
	w.Provider("kiwify").Remove(w.ClientID("kiwify-loja-2"))

	told("a credential loses a scope, which its next renewal shows", fewerScopes, fewerScopes)
	w.until(when(fewerScopes))
	must(t, w.AddClient("kiwify", "kiwify-loja-9", func(c *oauthtest.Client) { c.Scopes = []string{"sales"} }))

	told("new pairs are stored for both", newPair, newPair)
	w.until(when(newPair))
	for _, n := range []string{"1", "2"} {
		must(t, w.Connect("kiwify/loja-"+n, "kiwify", "kiwify-loja-"+n, ""))
	}

	told("Kiwify is down (503)", outageFrom, outageTo)
	w.until(when(outageFrom))
	w.Provider("kiwify").Inject(oauthtest.Status(http.StatusServiceUnavailable).Always())
	w.until(when(outageTo))
	w.Provider("kiwify").ClearFaults()

	told("Hotmart answers in 1.8 seconds and more", slowFrom, slowTo)
	w.until(when(slowFrom))
	w.Provider("hotmart").Inject(oauthtest.Latency(1700 * time.Millisecond).Always())
	w.until(when(slowTo))
	w.Provider("hotmart").ClearFaults()

	told("a wrong pair is staged and refused, an hour later the right one goes live", badRotation, badRotation+1)
	w.until(when(badRotation))
	if w.rotate("hotmart/loja-3", w.ClientID("hotmart-loja-3")+"0", "pasted from the wrong panel") {
		t.Error("the wrong pair is live")
	}
	w.until(when(badRotation + 1))
	must(t, w.AddClient("hotmart", "next", func(c *oauthtest.Client) { c.AccountID = "store-hotmart-loja-3" }))
	if !w.rotate("hotmart/loja-3", w.ClientID("next"), w.ClientSecret("next")) {
		t.Error("the right pair is not live")
	}
	w.until(when(shownHours))
	return w.out.Bytes(), marks
}

// tick is what the two schedules do in five minutes: the healthcheck half a minute after the refresher.
func (w *world) tick() {
	w.t.Helper()
	next := time.Now().Add(period)
	w.sweep()
	time.Sleep(time.Until(next.Add(30*time.Second - period)))
	w.health()
	time.Sleep(time.Until(next))
}

func (w *world) until(at time.Time) {
	w.t.Helper()
	for time.Now().Before(at) {
		w.tick()
	}
}

// pair is the value of a standby.
func (w *world) pair(client string) string {
	return fmt.Sprintf(`{"client_id":%q,"client_secret":%q}`, w.ClientID(client), w.ClientSecret(client))
}

// TestPicture draws docs/dashboard.svg from what the functions print in two virtual days, and compares it with the one that is kept.
func TestPicture(t *testing.T) {
	if testing.Short() {
		t.Skip("two virtual days take seconds; make test runs them")
	}
	synctest.Test(t, func(t *testing.T) {
		printed, marks := story(t)
		readAsThePageDoes(t, printed, marks)
		args := []string{"-title", "chaveiro: two days of forty connections"}
		for _, m := range marks {
			args = append(args, "-mark", m.What+"="+m.From.Format(time.RFC3339)+"/"+m.To.Format(time.RFC3339))
		}
		var drawn bytes.Buffer
		must(t, run(args, bytes.NewReader(printed), &drawn))
		name := filepath.Join("..", "..", "docs", "dashboard.svg")
		if *update {
			must(t, os.WriteFile(name, drawn.Bytes(), 0o600))
			return
		}
		kept, err := os.ReadFile(name)
		must(t, err)
		// Renewals of one instant have no order, so a latency may be another's from run to run. readAsThePageDoes holds the numbers.
		if was, is := labels(string(kept)), labels(drawn.String()); was != is {
			t.Errorf("docs/dashboard.svg is not what cmd/dashboard draws from what the functions print: %s\nlook at it after: make dashboard", difference(was, is))
		}
	})
}

// readAsThePageDoes holds what docs/alarms.md says about the picture against the numbers in it. The marks are A to F.
func readAsThePageDoes(t *testing.T, printed []byte, marks []mark) {
	t.Helper()
	l := newLines()
	must(t, l.read(bytes.NewReader(printed)))
	within := func(points []point, m mark) (found []float64) {
		for _, p := range points {
			if !p.at.Before(m.From) && p.at.Before(m.To) {
				found = append(found, p.value)
			}
		}
		return found
	}
	all := func(points []point) []float64 { return within(points, mark{From: l.first, To: l.last}) }
	outage, slow := marks[3], marks[4]
	say := func(ok bool, what string) {
		if !ok {
			t.Errorf("docs/alarms.md says of the picture: %s", what)
		}
	}
	say(slices.Min(all(l.each("MinSecondsToExpiry", least))) > 6*3600, "the runway stays hours away from the alarm")
	say(slices.Max(within(l.each("RefreshFailed", sum), outage)) == 3, "in the outage three requests a sweep")
	say(slices.Min(within(l.each("AuthLatency", most), slow)) > 1000, "the provider is slow for an hour")
	for _, p := range l.each("AuthSuccess", average) {
		say(p.value == 1 || !p.at.Before(outage.From) && p.at.Before(outage.To), "who did not answer as he should was the provider in D, not the dead pairs")
	}
	say(slices.Max(all(l.each("FallbackActive", most))) == 1, "one of the two has a standby")
	say(sum(all(l.each("Notices", sum))) == 1, "a scope was lost")
	say(sum(all(l.each("RotationFailed", sum))) == 1, "a bad pair was refused, and then a good one went live")
	say(slices.Max(all(capacity(l))) < 1, "forty accounts need next to nothing of what may be written")
}

// difference is the first line that is another.
// labels are the texts of a picture in their order, without the numbers in them.
func labels(picture string) string {
	return figures.ReplaceAllString(strings.Join(label.FindAllString(picture, -1), "\n"), "#")
}

var (
	label   = regexp.MustCompile(`<text[^>]*>[^<]*</text>`)
	figures = regexp.MustCompile(`[0-9][0-9.,]*`)
)

func difference(kept, drawn string) string {
	was, is := strings.Split(kept, "\n"), strings.Split(drawn, "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			return fmt.Sprintf("line %d is\n%.300s\nand is drawn\n%.300s", i+1, was[i], is[i])
		}
	}
	return fmt.Sprintf("%d lines, and %d are drawn", len(was), len(is))
}
