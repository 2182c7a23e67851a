package docs_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/scenario"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

const audit = "docs/audit.md"

// heard is what the functions printed: for each function and event the fields of every line.
type heard struct {
	mu    sync.Mutex
	lines map[string][]map[string]json.RawMessage
}

// take notes the lines that a function printed.
func (h *heard) take(t *testing.T, function string, printed []byte) {
	t.Helper()
	for line := range bytes.Lines(printed) {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Errorf("%s prints something else than JSON: %s", function, line)
			continue
		}
		var event string
		must(t, json.Unmarshal(fields["message"], &event))
		name := function + " " + event
		if function == "rotator" && fields["step"] == nil && event != "metrics" { // told by the refresher's gate
			name = "refresher " + event
		}
		h.mu.Lock()
		h.lines[name] = append(h.lines[name], fields)
		h.mu.Unlock()
	}
}

// hearScenarios plays every scenario, and prints what the refresher observes in it as its function does.
func (h *heard) hearScenarios(t *testing.T) {
	t.Helper()
	folder := filepath.Join(root, "internal", "scenario", "testdata")
	files, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	must(t, err)
	outages, err := filepath.Glob(filepath.Join(folder, "outage", "*.txtar"))
	must(t, err)
	if len(files) < 40 || len(outages) < 20 {
		t.Fatalf("%d scenarios and %d outages", len(files), len(outages))
	}
	for _, file := range slices.Concat(files, outages) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			must(t, err)
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				reporter := report.New(report.Config{Out: &out, Stack: "chaveiro"})
				_, err := scenario.Play(t.Context(), filepath.Base(file), data, func(in scenario.Invocation) {
					run := reporter.Run("request")
					for _, ev := range in.Events {
						run.Observe(ev)
					}
					run.Done(in.Result, in.Err)
				})
				must(t, err)
				h.take(t, "refresher", out.Bytes())
			})
		})
	}
}

// hearTheSameToken has a provider hand out a token again: requests take no time in the scenarios, and here they do.
func (h *heard) hearTheSameToken(t *testing.T) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var out bytes.Buffer
		w.reporter = report.New(report.Config{Out: &out, Stack: "chaveiro"})
		w.hotmart.Configure(func(s *oauthtest.Settings) { s.SameToken = true })
		w.hotmart.Inject(oauthtest.Latency(50 * time.Millisecond).Always())
		w.connect(hotmartShop, w.hotmart)
		for _, event := range []string{`{}`, `{"connections":["hotmart/loja-a"],"force":true}`} {
			run := w.run()
			w.observe = run.Observe
			run.Done(w.invoke(event), nil)
			time.Sleep(time.Hour)
		}
		h.take(t, "refresher", out.Bytes())
	})
}

// hearRotations makes rotations of every kind, and prints what the rotator observes as its function does.
func (h *heard) hearRotations(t *testing.T) {
	t.Helper()
	all := rotations()
	all = append(all,
		rotation{"all is well, and the new pair has another lifetime", "", func(w *world, live pair) {
			w.adopt("new", w.accountOf(live), nil)
			w.kiwify.Configure(func(s *oauthtest.Settings) { s.Lifetime = 12 * time.Hour })
		}, nil},
		rotation{"a label cannot be moved at the end", "", func(w *world, live pair) {
			w.adopt("new", w.accountOf(live), nil)
			w.aws.Inject(awstest.Fault{Op: awstest.UpdateSecretVersionStage, Effect: awstest.AccessDenied, Skip: 2})
		}, nil},
	)
	for _, r := range all {
		t.Run(r.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var out bytes.Buffer
				w.reporter = report.New(report.Config{Out: &out, Stack: "chaveiro"})
				w.kiwify.Inject(oauthtest.Latency(50 * time.Millisecond).Always())
				r.play(w)
				h.take(t, "rotator", out.Bytes())
			})
		})
	}
}

// adopt makes a pair of an account and stages it.
func (w *world) adopt(name, account string, scopes []string) {
	w.t.Helper()
	c := pair{"3f1c7d52-0a4b-4c7e-9d2f-" + name, "q8ZrLw2vN5tYx7Kp3-" + name}
	w.kiwify.Add(oauthtest.Client{ID: c.id, Secret: oauth.NewSecret(c.secret), AccountID: account, Scopes: scopes})
	w.stagePair(c)
}

// lookAt are the worlds that the healthcheck is shown.
func lookAt() map[string]func(w *world) {
	return map[string]func(w *world){
		"all is well":        func(*world) {},
		"a provider is slow": func(w *world) { w.breakKiwify(oauthtest.Latency(2 * time.Second)) },
		"a provider is down": func(w *world) {
			w.breakKiwify(oauthtest.Status(http.StatusServiceUnavailable).After(50 * time.Millisecond))
		},
		"a pair is refused": func(w *world) {
			w.store(kiwifyMain, strings.Replace(w.text(kiwifyMain), "q8ZrLw", "wrong-", 1))
			w.invoke(`{}`)
		},
		"a server of one's own": func(w *world) {
			host := oauthtest.Generic(oauthtest.Options{}).Hosts()[0]
			w.store(kiwifyMain, `{"provider":"generic","token_endpoint":"https://`+host+`/oauth/token","client_id":"3f1c7d52","client_secret":"q8ZrLw2vN5tYx7Kp3"}`)
			w.move(kiwifyMain, "generic", host)
		},
		"a token is asked for": func(w *world) {
			host := oauthtest.Generic(oauthtest.Options{}).Hosts()[0]
			w.store(kiwifyMain, `{"provider":"paypal","token_endpoint":"https://`+host+`/oauth/token","client_id":"3f1c7d52","client_secret":"q8ZrLw2vN5tYx7Kp3"}`)
			w.move(kiwifyMain, "paypal", host)
			w.healthEvent = `{"probe":"token"}`
		},
		"nobody is there": func(w *world) { w.breakKiwify(oauthtest.Reset().After(50 * time.Millisecond)) },
		"a secret is illegible": func(w *world) {
			w.move(kiwifyMain, "generic", "auth.example.com")
			w.aws.Inject(awstest.Fault{Op: awstest.GetSecretValue, Effect: awstest.AccessDenied})
		},
		"the sentences cannot be read": func(w *world) {
			w.store(kiwifyMain, `{}`)
			w.invoke(`{}`)
			w.aws.Inject(awstest.Fault{Op: awstest.GetParameters, Effect: awstest.AccessDenied})
		},
		"the time is over": func(w *world) { w.healthTime = 5 * time.Second },
		"nothing can be listed": func(w *world) {
			w.aws.Inject(awstest.Fault{Op: awstest.ListSecrets, Effect: awstest.AccessDenied})
		},
	}
}

// hearHealth prints what the healthcheck observes as its function does.
func (h *heard) hearHealth(t *testing.T) {
	t.Helper()
	for name, prepare := range lookAt() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var out bytes.Buffer
				w.connect(hotmartShop, w.hotmart)
				w.connect(kiwifyMain, w.kiwify)
				w.invoke(`{}`)
				for _, p := range []*oauthtest.Provider{w.hotmart, w.kiwify} {
					p.Inject(oauthtest.Latency(50 * time.Millisecond).Always())
				}
				prepare(w)
				w.reporter = report.New(report.Config{Out: &out, Stack: "chaveiro"})
				_, _ = w.look(cmp.Or(w.healthEvent, `{}`))
				h.take(t, "healthcheck", out.Bytes())
			})
		})
	}
}

// look asks the healthcheck, which prints as its function does.
func (w *world) look(event string) (probe.Report, error) {
	w.t.Helper()
	cfg := w.aws.Config()
	secrets, err := smsecret.New(smsecret.Config{Client: secretsmanager.NewFromConfig(cfg), Prefix: secretPrefix})
	must(w.t, err)
	parameters, err := ssmstore.New(ssmstore.Config{Client: ssm.NewFromConfig(cfg), Prefix: parameterPrefix, KMSKeyID: "alias/aws/ssm"})
	must(w.t, err)
	own := oauthtest.Generic(oauthtest.Options{Settings: oauthtest.Settings{Format: oauthtest.FormatJWT}, Clients: []oauthtest.Client{
		{ID: "3f1c7d52", Secret: oauth.NewSecret("q8ZrLw2vN5tYx7Kp3"), Scopes: []string{"sales"}},
	}})
	own.Inject(oauthtest.Latency(50 * time.Millisecond).Always())
	client, err := oauth.New(oauth.Config{Transport: oauthtest.NewNetwork(w.hotmart, w.kiwify, own)})
	must(w.t, err)
	run := w.run()
	checker, err := probe.New(probe.Config{
		Secrets: secrets.Reader(), Parameters: parameters.Reader(), Asker: client, Catalogue: catalogue(w.t),
		SecretPrefix: secretPrefix, Region: awstest.Region, Observe: run.ObserveProbe,
	})
	must(w.t, err)
	call, err := probe.ParseCall([]byte(event))
	must(w.t, err)
	limit := w.healthTime
	if limit == 0 {
		limit = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	found, err := checker.Run(ctx, call)
	run.HealthDone(found, err)
	return found, err
}

// run begins an invocation of the world's reporter.
func (w *world) run() *report.Run {
	if w.reporter == nil {
		w.reporter = report.New(report.Config{Out: new(bytes.Buffer), Stack: "chaveiro"})
	}
	return w.reporter.Run("request")
}

func (w *world) breakKiwify(how oauthtest.Fault) {
	w.kiwify.ClearFaults()
	w.kiwify.Inject(how.Always())
}

// move has the record of a connection say that its token came from another provider, or from a server that the catalogue does not know.
func (w *world) move(connection, providerID, host string) {
	w.t.Helper()
	name := parameterPrefix + "/" + connection + "/access_token"
	p, _ := w.aws.Parameter(name)
	record, err := renew.ParseRecord(p.Description)
	must(w.t, err)
	record.Provider, record.Endpoint, record.Seq = providerID, host, p.Version+1
	_, err = w.aws.SetParameterDescription(name, record.Encode())
	must(w.t, err)
}

// text is the document of a connection.
func (w *world) text(connection string) string {
	s, _ := w.aws.Secret(secretPrefix + connection)
	return s.Version("AWSCURRENT").Value.Reveal()
}

// described is one row of a table of events.
type described struct {
	levels            []string
	always, sometimes []string
}

var eventRow = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\| [^|]+ \\|$")

const (
	eventsBegin = "<!-- begin: events of the %s, checked by go test ./internal/docs -->\n"
	eventsEnd   = "<!-- end -->"
)

// events are the rows of the page's table for a function.
func events(t *testing.T, function string) map[string]described {
	t.Helper()
	_, table, _ := between(t, audit, read(t, audit), fmt.Sprintf(eventsBegin, function), eventsEnd)
	rows := map[string]described{}
	for _, m := range eventRow.FindAllStringSubmatch(table, -1) {
		spans := func(cell string) []string {
			var names []string
			for _, s := range codeSpan.FindAllStringSubmatch(cell, -1) {
				names = append(names, s[1])
			}
			return names
		}
		rows[m[1]] = described{strings.Split(m[2], ", "), spans(m[3]), spans(m[4])}
	}
	if lines := strings.Count("\n"+table, "\n| `"); len(rows) == 0 || len(rows) != lines {
		t.Fatalf("%s: of %d rows about the %s %d can be read", audit, lines, function, len(rows))
	}
	return rows
}

// everyLine are the fields that each line has, and so no row names.
func everyLine() []string { return []string{"timestamp", "level", "message", "requestId"} }

// TestThePageOfTheAuditTellsEveryFieldOfEveryEvent has the functions do all that they do, and compares each line that they print with the tables:
// fields that are always there, fields that are sometimes there and were seen at least once, no other; and the level.
func TestThePageOfTheAuditTellsEveryFieldOfEveryEvent(t *testing.T) {
	if testing.Short() {
		t.Skip("plays every scenario again, which takes seconds; make test does")
	}
	h := &heard{lines: map[string][]map[string]json.RawMessage{}}
	h.hearScenarios(t)
	h.hearTheSameToken(t)
	h.hearRotations(t)
	h.hearHealth(t)
	explained := fieldsOf(t)
	used := map[string]bool{}
	for _, function := range []string{"refresher", "rotator", "healthcheck"} {
		rows := events(t, function)
		for _, event := range slices.Sorted(maps.Keys(rows)) {
			row, lines := rows[event], h.lines[function+" "+event]
			delete(h.lines, function+" "+event)
			for _, field := range slices.Concat(row.always, row.sometimes) {
				used[field] = true
				if !explained[field] {
					t.Errorf("%s: the field %s of %s is in no row of the table of fields", audit, field, event)
				}
			}
			if len(lines) == 0 {
				t.Errorf("%s: nothing that the %s does here makes the event %s", audit, function, event)
				continue
			}
			row.compare(t, function+": "+event, lines)
		}
	}
	for _, rest := range slices.Sorted(maps.Keys(h.lines)) {
		t.Errorf("%s: no row tells of %s with %v", audit, rest, fieldsIn(h.lines[rest]))
	}
	for field := range explained {
		if !used[field] && !slices.Contains(everyLine(), field) {
			t.Errorf("%s: no event has the field %s", audit, field)
		}
	}
}

func (d described) compare(t *testing.T, what string, lines []map[string]json.RawMessage) {
	t.Helper()
	missing, strange, unseen := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, field := range d.sometimes {
		unseen[field] = true
	}
	levels := map[string]bool{}
	for _, line := range lines {
		for _, field := range slices.Concat(d.always, everyLine()) {
			if line[field] == nil && (field != "requestId" || line["_aws"] == nil) {
				missing[field] = true
			}
		}
		for field := range line {
			delete(unseen, field)
			if !slices.Contains(d.always, field) && !slices.Contains(d.sometimes, field) && !slices.Contains(everyLine(), field) {
				strange[field] = true
			}
		}
		levels[strings.Trim(string(line["level"]), `"`)] = true
	}
	for problem, fields := range map[string]map[string]bool{
		"lacks, in some line, fields that the page promises:": missing, "has fields that the page does not tell of:": strange, "never has, here, what the page tells of:": unseen,
	} {
		if len(fields) > 0 {
			t.Errorf("%s %s %v", what, problem, slices.Sorted(maps.Keys(fields)))
		}
	}
	if got := slices.Sorted(maps.Keys(levels)); !slices.Equal(got, slices.Sorted(slices.Values(d.levels))) {
		t.Errorf("%s is logged at %v, the page says %v", what, got, d.levels)
	}
}

// fieldsIn is for the message about a line that nobody has described: always, and sometimes.
func fieldsIn(lines []map[string]json.RawMessage) string {
	count := map[string]int{}
	levels := map[string]bool{}
	for _, l := range lines {
		for f := range l {
			count[f]++
		}
		levels[string(l["level"])] = true
	}
	var always, sometimes []string
	for _, f := range slices.Sorted(maps.Keys(count)) {
		switch {
		case slices.Contains(everyLine(), f):
		case count[f] == len(lines):
			always = append(always, "`"+f+"`")
		default:
			sometimes = append(sometimes, "`"+f+"`")
		}
	}
	return fmt.Sprintf("| %v | %s | %s |", slices.Sorted(maps.Keys(levels)), strings.Join(always, " "), strings.Join(sometimes, " "))
}

// exampleOfALine checks a line of the log as the page shows it: an event of the table of the refresher, with its fields.
func exampleOfALine(t *testing.T) func(string) error {
	rows := events(t, "refresher")
	return func(text string) error {
		var line map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			return err
		}
		row, ok := rows[strings.Trim(string(line["message"]), `"`)]
		if !ok {
			return fmt.Errorf("there is no event %s", line["message"])
		}
		for _, field := range slices.Concat(row.always, everyLine()) {
			if line[field] == nil {
				return fmt.Errorf("it lacks %s", field)
			}
		}
		for field := range line {
			if !slices.Contains(slices.Concat(row.always, row.sometimes, everyLine()), field) {
				return fmt.Errorf("the event has no %s", field)
			}
		}
		return nil
	}
}

var fieldRow = regexp.MustCompile("(?m)^\\| ((?:`[A-Za-z_]+`(?:, )?)+) \\| [^|]+ \\|$")

// fieldsOf are the fields that the page explains.
func fieldsOf(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, m := range fieldRow.FindAllStringSubmatch(readPage(t, audit).section(t, "Fields").prose, -1) {
		for _, span := range codeSpan.FindAllStringSubmatch(m[1], -1) {
			names[span[1]] = true
		}
	}
	return names
}

var eventConstant = regexp.MustCompile(`(?m)^\tEvent\w+ +(?:EventKind )?= "([a-z_.]+)"|^\tEvent\w+ +EventKind += "([a-z_.]+)"`)

// TestThePageOfTheAuditListsEveryEvent of the source, and none that is not there; beside them the lines that internal/report words itself.
func TestThePageOfTheAuditListsEveryEvent(t *testing.T) {
	for function, source := range map[string]string{"refresher": "internal/refresh/event.go", "rotator": "internal/rotate/audit.go", "healthcheck": "internal/probe/observe.go"} {
		want := map[string]bool{"metrics": true}
		for _, own := range map[string][]string{"refresher": {"run"}, "rotator": {"step"}, "healthcheck": {"attention", "health"}}[function] {
			want[own] = true
		}
		for _, m := range eventConstant.FindAllStringSubmatch(read(t, source), -1) {
			want[m[1]+m[2]] = true
		}
		got := events(t, function)
		if len(want) < 6 || !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
			t.Errorf("%s: the %s has the events\n%v, the page tells of\n%v", audit, function, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
		}
	}
}
