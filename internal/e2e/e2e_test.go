// Package e2e_test runs the functions as they are deployed, the built bootstrap binaries, through every event of their folder in events: on our
// own Lambda Runtime API against awstest, the refresher and the healthcheck also against a moto_server, and all of them by `sam local invoke`,
// which is AWS's runtime emulator. The providers are oauthtest's, on loopback ports. Nothing of a function is replaced; only the addresses of
// its environment point here.
package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/store"
)

// The connections of the story: the first two are those that the events name.
const (
	hotmart = "hotmart/loja-a"
	kiwify  = "kiwify/main"
	typo    = "kiwify/loja-b" // its secret holds a wrong client_secret
)

const eventsDir = "../../events/refresher"

func TestTheBuiltRefresher(t *testing.T) {
	bootstrap, err := lambdatest.Build(t.Context(), "../../functions/refresher", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("against awstest", func(t *testing.T) {
		t.Parallel()
		server, err := new(awstest.World).Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
		s := newStory(t, newStores(server.URL))
		f, err := lambdatest.Start(t.Context(), s.lambda(bootstrap))
		if err != nil {
			t.Fatal(err)
		}
		s.tell(t, f)
	})
	t.Run("against moto", func(t *testing.T) {
		t.Parallel()
		moto := os.Getenv("CHAVEIRO_MOTO_URL")
		if moto == "" {
			t.Skip("CHAVEIRO_MOTO_URL names no moto_server; make test and make e2e start one")
		}
		s := newStory(t, newMotoStores(t, moto))
		f, err := lambdatest.Start(t.Context(), s.lambda(bootstrap))
		if err != nil {
			t.Fatal(err)
		}
		s.tell(t, f)
	})
}

func TestNoFunctionStartsWithoutItsEnvironment(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"refresher", "rotator", "healthcheck"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bootstrap, err := lambdatest.Build(t.Context(), "../../functions/"+name, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			f, err := lambdatest.Start(t.Context(), lambdatest.Config{Bootstrap: bootstrap, Env: map[string]string{"MAX_CONCURRENCY": "many", "LATENCY_THRESHOLD": "fast"}})
			if err == nil {
				f.Close()
				t.Fatal("it started")
			}
			for _, want := range []string{name + " cannot start", "SECRET_PREFIX", "PARAMETER_PREFIX", "STACK_NAME", `MAX_CONCURRENCY is "many"`, `LATENCY_THRESHOLD is "fast"`} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not name %s:\n%v", want, err)
				}
			}
		})
	}
}

func TestTheSearchForLeaksFindsEveryForm(t *testing.T) {
	const secret = "S3cr3t/+%&=tail"
	s := &story{canaries: map[string]string{"secret": secret}}
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"plain":                secret,
		"in a query":           "https://x/?client_secret=" + url.QueryEscape(secret) + "&a=b",
		"in a path":            "https://x/" + url.PathEscape(secret),
		"in JSON":              string(quoted),
		"as Basic":             "Basic " + base64.StdEncoding.EncodeToString([]byte("id:"+secret)),
		"as Basic, other id":   "Basic " + base64.StdEncoding.EncodeToString([]byte("id-2:"+secret)),
		"as Basic, another id": "Basic " + base64.URLEncoding.EncodeToString([]byte("id-22:"+secret)),
	} {
		if len(s.leaks("before "+text+" after")) != 1 {
			t.Errorf("%s: not found", name)
		}
		if strings.Contains(s.censor(text), text) {
			t.Errorf("%s: not censored", name)
		}
	}
	if leaked := s.leaks("S3cr3t, but not all of it"); leaked != nil {
		t.Errorf("found %v in a text without it", leaked)
	}
}

// tell invokes the function again and again while the world around it changes. Each chapter begins where the one before ended.
func (s *story) tell(t *testing.T, f *lambdatest.Function) {
	t.Cleanup(f.Close)
	s.function = f
	chapters := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"a dry run plans and touches nothing", s.dryRun},
		{"the schedule publishes the first tokens, and one bad pair fails alone", s.firstTokens},
		{"the next sweep finds them fresh and asks nobody", s.nothingToDo},
		{"a named connection that is fresh stays so", s.oneConnection},
		{"a rejected token that was minted a moment ago is not replaced", s.rejectedTooSoon},
		{"a rejected token is replaced", s.rejected},
		{"a new pair is used at once", s.newPair},
		{"a mistyped event is an error that names the field", s.mistypedEvent},
		{"every event file was sent", s.allEventsSent},
		{"no secret and no token was printed or returned", s.nothingLeaked},
	}
	for _, c := range chapters {
		if !t.Run(c.name, c.run) {
			t.Fatalf("the story ends here; the function's logs:\n%s", s.censor(f.Logs()))
		}
	}
}

func (s *story) dryRun(t *testing.T) {
	r := s.send(t, "dry-run.json")
	var due []string
	for _, p := range r.Plan {
		if p.Reason == "missing" {
			due = append(due, p.Connection)
		}
	}
	slices.Sort(due)
	if want := []string{hotmart, typo, kiwify}; !slices.Equal(due, want) {
		t.Errorf("the plan has %v as missing, want %v", due, want)
	}
	if calls := s.tokenCalls(); calls != 0 {
		t.Errorf("a dry run made %d token calls", calls)
	}
	if names := s.stores.parameters(t); len(names) != 0 {
		t.Errorf("a dry run wrote %v", names)
	}
}

func (s *story) firstTokens(t *testing.T) {
	r := s.send(t, "schedule.json")
	if r.Connections != 3 || r.Counts.Refreshed != 2 || r.Counts.Failed != 1 {
		t.Errorf("%d connections, counts %+v", r.Connections, r.Counts)
	}
	s.wantToken(t, hotmart, "loja-a-client", 1)
	s.wantToken(t, kiwify, "main-client", 1)
	if account := s.stores.parameter(t, kiwify, store.KindAccount); account.value != "store-main" || account.kind != "String" {
		t.Errorf("account_id is a %s that says %q", account.kind, account.value)
	}

	if len(r.Failed) != 1 || r.Failed[0].Connection != typo || r.Failed[0].Code != "invalid_client" || r.Failed[0].Class != "credentials" {
		t.Errorf("failed: %+v", r.Failed)
	}
	sentence := s.stores.parameter(t, typo, store.KindFailure).value
	if failure := s.stores.state(t, typo).Failure; failure == nil || failure.Code != "invalid_client" || failure.Attempts != 1 || sentence == "" {
		t.Errorf("failure: %+v; refresh_failure is %q", failure, sentence)
	}
	if s.stores.has(t, typo, store.KindToken) {
		t.Error("a token was published for the pair that was refused")
	}
}

func (s *story) nothingToDo(t *testing.T) {
	calls := s.tokenCalls()
	r := s.send(t, "schedule.json")
	if r.Counts.Fresh != 2 || r.Counts.Failed != 1 || r.Counts.Refreshed != 0 {
		t.Errorf("counts %+v", r.Counts)
	}
	if now := s.tokenCalls(); now != calls {
		t.Errorf("an idle sweep made %d token calls", now-calls)
	}
	s.wantToken(t, hotmart, "loja-a-client", 1)
}

func (s *story) oneConnection(t *testing.T) {
	r := s.send(t, "one-connection.json")
	if r.Connections != 1 || len(r.Fresh) != 1 || r.Fresh[0].Connection != hotmart {
		t.Errorf("%d connections, fresh %+v", r.Connections, r.Fresh)
	}
}

func (s *story) rejectedTooSoon(t *testing.T) {
	r := s.send(t, "rejected.json")
	if len(r.Fresh) != 1 || !strings.HasPrefix(r.Fresh[0].Reason, "issued_recently") {
		t.Errorf("fresh %+v", r.Fresh)
	}
	s.wantToken(t, kiwify, "main-client", 1)
}

func (s *story) rejected(t *testing.T) {
	s.age(t, kiwify, time.Hour)
	before := s.stores.parameter(t, kiwify, store.KindToken).value
	r := s.sendText(t, `{"connections":["kiwify/main"],"rejected_version":1}`)
	if len(r.Refreshed) != 1 || r.Refreshed[0].Version != 2 {
		t.Fatalf("refreshed %+v", r.Refreshed)
	}
	s.wantToken(t, kiwify, "main-client", 2)
	if s.stores.parameter(t, kiwify, store.KindToken).value == before {
		t.Error("the rejected token is still there")
	}
}

func (s *story) newPair(t *testing.T) {
	s.connect(t, hotmart, s.hotmart, "loja-a-client-2", "")
	s.hotmart.provider.Remove("loja-a-client")
	r := s.send(t, "schedule.json")
	if len(r.Refreshed) != 1 || r.Refreshed[0].Connection != hotmart || r.Refreshed[0].Stage != "AWSCURRENT" {
		t.Errorf("refreshed %+v", r.Refreshed)
	}
	s.wantToken(t, hotmart, "loja-a-client-2", 2)
}

func (s *story) mistypedEvent(t *testing.T) {
	_, err := s.function.Invoke(t.Context(), []byte(`{"connection":["hotmart/loja-a"]}`))
	var failure *lambdatest.FunctionError
	if !errors.As(err, &failure) || !strings.Contains(failure.Message, "connections") {
		t.Errorf("got %v, want a function error that names connections", err)
	}
}

func (s *story) allEventsSent(t *testing.T) { wantAllSent(t, eventsDir, s.sent) }

// wantAllSent wants every event file of a folder among those that were sent.
func wantAllSent(t *testing.T, dir string, sent map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no events: %v", err)
	}
	for _, file := range files {
		if !sent[filepath.Base(file)] {
			t.Errorf("%s was not sent: give it a chapter", filepath.Base(file))
		}
	}
}

func (s *story) nothingLeaked(t *testing.T) {
	logs := s.function.Logs()
	if !strings.Contains(logs, hotmart) {
		t.Fatal("the logs do not even name a connection: this chapter would see nothing")
	}
	if len(s.canaries) != 8 { // four client secrets, four tokens
		t.Fatalf("%d secrets and tokens to look for", len(s.canaries))
	}
	for what, text := range map[string]string{"logs": logs, "results": s.results.String()} {
		if leaked := s.leaks(text); len(leaked) > 0 {
			t.Errorf("the %s hold %v", what, leaked)
		}
	}
}

func httpClient() *http.Client { return &http.Client{Timeout: 30 * time.Second} }
