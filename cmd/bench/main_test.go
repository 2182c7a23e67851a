package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// part is a measurement that tells what it is given.
func part(name string, err error, rows ...row) measurement {
	return measurement{name, func(context.Context, *bench) ([]row, error) { return rows, err }}
}

func TestTheExitStatusIsThatOfTheWorstRow(t *testing.T) {
	kept := row{Measure: "kept", Value: 1, Limit: &limit{Most: 2}}
	missed := row{Measure: "missed", Value: 3, Limit: &limit{Most: 2}}
	beside := row{Measure: "beside", Value: 1e6}
	for name, c := range map[string]struct {
		parts []measurement
		want  int
		says  string
	}{
		"every limit is kept":             {[]measurement{part("a", nil, kept, beside)}, exitOK, "every limit is kept"},
		"one is missed":                   {[]measurement{part("a", nil, kept, missed), part("b", nil, kept)}, exitOver, "1 of the limits are missed"},
		"a part fails":                    {[]measurement{part("a", errors.New("no program")), part("b", nil, kept)}, exitOver, "a was not measured: no program"},
		"a part fails with rows":          {[]measurement{part("a", errors.New("cut off"), kept)}, exitOver, "a was not measured: cut off"},
		"a part reports nothing":          {[]measurement{part("a", nil)}, exitOver, "a was not measured: measured nothing"},
		"the others are printed all same": {[]measurement{part("a", errors.New("x")), part("b", nil, kept)}, exitOver, "kept"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			b := &bench{now: time.Now, log: io.Discard}
			if got := b.measure(t.Context(), c.parts, &out); got != c.want || !strings.Contains(out.String(), c.says) {
				t.Errorf("status %d, want %d, and in the output %q:\n%s", got, c.want, c.says, out.String())
			}
			if !strings.Contains(out.String(), "left out: what a user has today in Python") {
				t.Error("it does not say what was left out")
			}
		})
	}
}

func TestArgumentsThatMeanNothingAreRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"an unknown flag":         {"-fast"},
		"an unknown part":         {"-only", "init,speed"},
		"an argument":             {"init"},
		"no contestant":           {contestantCommand},
		"an unknown contestant":   {contestantCommand, "sprinter"},
		"a contestant of nothing": {contestantCommand, "-tokens", "0", "bare"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, log strings.Builder
			if got := run(t.Context(), args, &out, &log); got != exitUsage || out.Len() > 0 || log.Len() == 0 {
				t.Errorf("status %d, output %q, messages %q", got, out.String(), log.String())
			}
		})
	}
}

func TestPartsAreChosenByName(t *testing.T) {
	for only, want := range map[string]string{"": "init,size,cpu,rotation,virtual", "cpu": "cpu", "virtual,init": "init,virtual"} {
		parts, err := chosen(only)
		if got := strings.Join(names(parts), ","); err != nil || got != want {
			t.Errorf("-only %q: %s, %v; want %s", only, got, err, want)
		}
	}
}

func TestATallyThatDoesNotMatchTheTaskIsRefused(t *testing.T) {
	asked := task{tokens: 100, passes: 2}
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"what was asked":  {`{"tokens":100,"us_per_token":[210.5,190]}`, true},
		"fewer passes":    {`{"tokens":100,"us_per_token":[210.5]}`, false},
		"fewer tokens":    {`{"tokens":10,"us_per_token":[210.5,190]}`, false},
		"no time at all":  {`{"tokens":100,"us_per_token":[210.5,0]}`, false},
		"a negative time": {`{"tokens":100,"us_per_token":[210.5,-3]}`, false},
		"no tally":        {`Traceback (most recent call last):`, false},
		"nothing":         {``, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readTally([]byte(c.text), asked)
			if (err == nil) != c.ok || c.ok && (got[0] != 210.5 || got[1] != 190) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestTheCPUTimeIsThatOfWork(t *testing.T) {
	before, err := cpuTime()
	must(t, err)
	sum := 0
	for deadline := before + 20*time.Millisecond; ; sum++ {
		if sum%1000 != 0 {
			continue
		}
		now, err := cpuTime()
		must(t, err)
		if now < before {
			t.Fatalf("the CPU time went from %s back to %s", before, now)
		}
		if now >= deadline {
			return
		}
	}
}

func TestThePeakOfMemoryIsReadFromTheStatus(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want float64
	}{
		"as Linux reports it": {"Name:\tbootstrap\nVmPeak:\t 1236452 kB\nVmHWM:\t   12500 kB\nVmRSS:\t   12000 kB\n", 12.8},
		"not reported":        {"Name:\tbootstrap\n", 0},
		"not a number":        {"VmHWM:\tmany kB\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := peakOf(c.text); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestWhatGoTestReportsBecomesRows(t *testing.T) {
	const good = `{"Action":"run","Test":"TestVirtualA"}
{"Action":"attr","Test":"TestVirtualA","Key":"row","Value":"{\"measure\":\"a\",\"value\":1,\"limit\":{\"most\":2}}"}
{"Action":"attr","Test":"TestVirtualA","Key":"colour","Value":"blue"}
{"Action":"pass","Test":"TestVirtualA"}
{"Action":"pass"}
`
	const over = `{"Action":"attr","Test":"TestVirtualB","Key":"row","Value":"{\"measure\":\"b\",\"value\":3,\"limit\":{\"most\":2}}"}
{"Action":"output","Test":"TestVirtualB","Output":"over the limit\n"}
{"Action":"fail","Test":"TestVirtualB"}
`
	const silent = `{"Action":"run","Test":"TestVirtualC"}
{"Action":"output","Test":"TestVirtualC/sub","Output":"panic: at the disco\n"}
{"Action":"fail","Test":"TestVirtualC"}
`
	broken := strings.ReplaceAll(strings.Replace(good, `"pass"`, `"fail"`, 1), "TestVirtualA", "TestVirtualD")
	for name, c := range map[string]struct {
		text string
		want string // measure and verdict of each row
		says string
	}{
		"a test that passes":                       {good, "a ok", ""},
		"a limit that is missed":                   {good + over, "a ok, b OVER", ""},
		"a test that reports nothing":              {silent, "TestVirtualC OVER", "panic: at the disco"},
		"one that fails for another reason":        {broken, "a ok, TestVirtualD OVER", "the test failed"},
		"no tests at all: an error of the measure": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := readVirtual(strings.NewReader(c.text))
			must(t, err)
			var got, faults []string
			for _, r := range rows {
				got, faults = append(got, r.Measure+" "+r.verdict()), append(faults, r.Fault)
			}
			if strings.Join(got, ", ") != c.want || !strings.Contains(strings.Join(faults, "\n"), c.says) {
				t.Errorf("rows %q, faults %q", got, faults)
			}
		})
	}
	for _, text := range []string{"no JSON", `{"Action":"attr","Test":"T","Key":"row","Value":"no row"}`} {
		if _, err := readVirtual(strings.NewReader(text)); err == nil {
			t.Errorf("no error for %s", text)
		}
	}
}

func TestAMeasurementThatNoTestReportsIsAFault(t *testing.T) {
	var rows []row
	for _, name := range virtualMeasures() {
		rows = append(rows, row{Measure: name, Limit: &limit{}})
	}
	if found := missing(rows); len(found) != 0 {
		t.Errorf("all were reported, but missing: %v", found)
	}
	unlimited := append([]row{{Measure: rows[0].Measure}}, rows[2:]...)
	if found := missing(unlimited); len(found) != 2 || found[0].verdict() != verdictOver || found[1].Measure != rows[1].Measure {
		t.Errorf("one without its limit and one that was not reported: %v", found)
	}
}

func TestTheTapeAnswersWithoutTheFake(t *testing.T) {
	s := mustStage(t, oauthtest.Kiwify(oauthtest.Options{}), 3)
	fake := newTape(network(s.provider))
	ask := func(body string) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.provider.TokenURL(), strings.NewReader(body))
		must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := fake.RoundTrip(req)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(res.Body)
		must(t, err)
		return string(text), nil
	}
	const known = "client_id=client-00001&client_secret=secret-00001"
	first, err := ask(known)
	must(t, err)
	fake.playing.Store(true)
	for range 2 {
		if again, err := ask(known); err != nil || again != first {
			t.Errorf("another answer than the one recorded: %v", err)
		}
	}
	if _, err := ask("client_id=client-00002&client_secret=secret-00002"); !errors.Is(err, errNotRecorded) {
		t.Errorf("a request that was never made: %v", err)
	}
	if calls := s.provider.Total().TokenCalls; calls != 1 {
		t.Errorf("the provider was asked %d times", calls)
	}
}

func TestAWriteIsKnownByItsNameOrKey(t *testing.T) {
	const put, update = "AmazonSSM.PutParameter", "DynamoDB_20120810.UpdateItem"
	const item = `{"ExpressionAttributeValues":{":now":{"S":"9"}},"Key":{"connection":{"S":"a/b"}},"UpdateExpression":"SET #x = :x"}`
	for name, c := range map[string]struct{ target, body, want string }{
		"as the SDK writes it":             {put, `{"Description":"{\"v\":1}","Name":"/oauth/a/access_token","Value":"x"}`, "|/oauth/a/access_token"},
		"a name inside of another value":   {put, `{"Description":"{\"Name\":\"wrong\"}","Name":"/oauth/b/access_token"}`, "|/oauth/b/access_token"},
		"no name":                          {put, `{"Value":"x"}`, "|"},
		"a name that is not the parameter": {put, `{"KeyName":"k"}`, "|"},
		"an item, whatever its values are": {update, item, "|a/b|SET #x = :x"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{targetHeader: {c.target}}}
			if got := keyOf(r, []byte(c.body)); got != c.target+c.want {
				t.Errorf("%q, want %q", got, c.target+c.want)
			}
		})
	}
}

// TestContestantsDoTheirWork runs each contestant over loopback as the driver does, but in this process: every tenant then has a token that
// its provider takes, as many as the passes make.
func TestContestantsDoTheirWork(t *testing.T) {
	for _, name := range []string{"refresher", "bare"} {
		t.Run(name, func(t *testing.T) {
			s, err := openOnLoopback(25)
			must(t, err)
			defer s.closeAll()
			for _, variable := range s.environment() {
				key, value, _ := strings.Cut(variable, "=")
				if strings.HasPrefix(key, "AWS_") {
					t.Setenv(key, value)
				}
			}
			var out, log strings.Builder
			if status := run(t.Context(), task{tokens: 25, passes: 2}.argv("", name)[1:], &out, &log); status != exitOK {
				t.Fatalf("status %d: %s", status, log.String())
			}
			_, err = readTally([]byte(out.String()), task{tokens: 25, passes: 2})
			must(t, err)
			must(t, s.check(3*25))
			if err := s.check(2 * 25); err == nil {
				t.Error("the check takes fewer tokens than there are")
			}
		})
	}
}

// TestTheRotatorDoesItsWork runs it as the driver does, but in this process: every rotation then has ended, as many as the passes make.
func TestTheRotatorDoesItsWork(t *testing.T) {
	asked := task{tokens: 3 * stepsOf, passes: 2}
	s, err := openOnLoopback(rotationsOf(asked))
	must(t, err)
	defer s.closeAll()
	must(t, s.beginRotations(t.Context()))
	if err := s.checkRotations(s.tenants, false); err == nil {
		t.Error("the check takes rotations that have not ended")
	}
	for _, variable := range s.environment() {
		if key, value, _ := strings.Cut(variable, "="); strings.HasPrefix(key, "AWS_") {
			t.Setenv(key, value)
		}
	}
	var out, log strings.Builder
	if status := run(t.Context(), asked.argv("", "rotator")[1:], &out, &log); status != exitOK {
		t.Fatalf("status %d: %s", status, log.String())
	}
	_, err = readTally([]byte(out.String()), asked)
	must(t, err)
	must(t, s.checkRotations(s.tenants, true))
	if err := s.checkRotations(s.tenants-1, true); err == nil {
		t.Error("the check takes more rotations than there should be")
	}
}

func TestAStepIsComparedWithTheTemplate(t *testing.T) {
	for name, c := range map[string]struct {
		ours, template float64
		verdict        string
	}{
		"twelve times less":            {100, 1200, verdictOK},
		"a little more":                {101, 1200, verdictOver},
		"a template that took no time": {100, 0, verdictOver},
	} {
		field := []rival{{spent: samples{c.ours}}, {name: "template", spent: samples{c.template}}, {name: "other", spent: samples{1}}}
		rows := rotationRows("here", field, true)
		if len(rows) != 2 || rows[0].verdict() != c.verdict || rows[1].verdict() != verdictNone {
			t.Errorf("%s: %+v", name, rows)
		}
	}
	if rows := rotationRows("here", []rival{{spent: samples{1}}}, true); len(rows) != 1 || rows[0].verdict() != verdictNone {
		t.Errorf("without Python: %+v", rows)
	}
}

func TestTheContestantsInProcessAskNothingNew(t *testing.T) {
	for _, name := range []string{"in-process/hotmart", "in-process/kiwify", "in-process/bare", "in-process/rotator"} {
		spent, err := contestants()[name](t.Context(), task{tokens: 32, passes: 2})
		if err != nil || len(spent) != 2 {
			t.Errorf("%s: %v, %v", name, spent, err)
		}
	}
}

// TestAStartIsMeasuredToTheFirstRequest starts shell scripts: one asks for an event, one ends, and one does neither.
func TestAStartIsMeasuredToTheFirstRequest(t *testing.T) {
	api, err := listenForNext(t.Context(), time.Now)
	must(t, err)
	defer api.close()
	const ask = `exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"
printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n' >&3
read -r _ <&3`
	one, err := api.measure(t.Context(), []string{"bash", "-c", "sleep 0.2\n" + ask}, os.Environ())
	if err != nil || one.took < 200*time.Millisecond || one.took > startLimit {
		t.Errorf("took %s, %v", one.took, err)
	}
	if _, err := api.measure(t.Context(), []string{"bash", "-c", "echo no such region >&2; exit 3"}, os.Environ()); err == nil ||
		!errors.Is(err, errEnded) || !strings.Contains(err.Error(), "no such region") {
		t.Errorf("a program that ends: %v", err)
	}
	if _, err := api.measure(t.Context(), []string{filepath.Join(t.TempDir(), "bootstrap")}, nil); err == nil {
		t.Error("no error for a program that does not exist")
	}
}

// TestAFileIsPacked: the archive of a file that says the same again and again is shorter than the file, and not empty.
func TestAFileIsPacked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bootstrap")
	must(t, os.WriteFile(file, []byte(strings.Repeat("the same again and again ", 10_000)), 0o600))
	size, err := zipped(file)
	if err != nil || size < 100 || size > 10_000 {
		t.Errorf("%d bytes, %v", size, err)
	}
	if _, err := zipped(file + ".missing"); err == nil {
		t.Error("no error for a file that does not exist")
	}
}
