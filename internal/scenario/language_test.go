package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// why is a comment that is long enough.
const why = "A rule, and why it is one.\n\n"

// TestMistakesInAScenario: a scenario that says something that cannot be is refused with its place, and an expectation that is not met is told
// with its line.
func TestMistakesInAScenario(t *testing.T) {
	const world = "-- world --\nconnect kiwify/main kiwify k\n"
	for name, c := range map[string]struct{ script, want string }{
		"no comment":                         {"-- world --\n-- 1. x --\nrun\ncounts connections=0\n", "x.txtar:1: the comment must say"},
		"no step":                            {why + world, "there is no step"},
		"no world":                           {why + "-- start --\n-- 1. x --\nrun\ncounts connections=0\n", `x.txtar:3: the first section must be "world"`},
		"a step that is not numbered":        {why + world + "-- first --\nrun\ncounts connections=1\n", `x.txtar:5: section "first" must be a step`},
		"a step with the wrong number":       {why + world + "-- 2. x --\nrun\n", `x.txtar:5: section "2. x"`},
		"an unknown directive in the world":  {why + "-- world --\nconnekt a b\n-- 1. x --\nrun\n", "x.txtar:4: connekt: there is no such directive"},
		"an unknown directive in a step":     {why + world + "-- 1. x --\nrunn\n", "x.txtar:6: runn: there is no such directive"},
		"a step that wants nothing":          {why + world + "-- 1. nothing --\nrun\n", `x.txtar:5: step "1. nothing" wants nothing`},
		"two runs in one step":               {why + world + "-- 1. x --\nrun\nrun\ncounts connections=1 fresh=1\n", "x.txtar:7: run: there is a run in this step already"},
		"an expectation without a run":       {why + world + "-- 1. x --\ncounts connections=1\n", "x.txtar:6: counts: there was no run in this step"},
		"a change after the run":             {why + world + "-- 1. x --\nrun\ncounts connections=1 refreshed=1\nadvance 1m\n", "x.txtar:8: advance: a change of the world stands before the run"},
		"a count that is not named is 0":     {why + world + "-- 1. x --\nrun\ncounts connections=1\n", "x.txtar:7: counts: refreshed is 1, want 0"},
		"a count that does not exist":        {why + world + "-- 1. x --\nrun\ncounts renewed=1\n", `x.txtar:7: counts: there is no count "renewed"`},
		"a number that is none":              {why + world + "-- 1. x --\nrun\ncounts refreshed=one\n", `"refreshed=one" is not name=number`},
		"a field that does not exist":        {why + world + "-- 1. x --\nrun\nrefreshed kiwify/main edition=\n", `there is no field "edition"`},
		"a value that is another":            {why + world + "-- 1. x --\nrun\nrefreshed kiwify/main version=2\n", `x.txtar:7: refreshed: version is "1", want = "2"`},
		"a connection that is not in a list": {why + world + "-- 1. x --\nrun\nfailed kiwify/main code=x\n", "kiwify/main is not in this list of the result"},
		"a condition that is none":           {why + world + "-- 1. x --\nrun\nrefreshed kiwify/main version\n", `"version" is no condition`},
		"an empty part of a text":            {why + world + "-- 1. x --\nrun\nrefreshed kiwify/main stage~\n", `stage is "AWSCURRENT", want ~ ""`},
		"a comparison of words":              {why + world + "-- 1. x --\nrun\nrefreshed kiwify/main stage>=2\n", `"AWSCURRENT" is no number`},
		"a parameter that is not there":      {why + world + "-- 1. x --\nfailure kiwify/main code=x\n", "there is no parameter /oauth/kiwify/main/refresh_failure"},
		"a parameter that should not be":     {why + world + "-- 1. x --\nrun\nnone token kiwify/main\n", "there is a parameter /oauth/kiwify/main/access_token"},
		"none of what never was":             {why + world + "-- 1. x --\nrun\nnone token kiwify/mian\n", `there never was a connection "kiwify/mian"`},
		"none of an event that cannot be":    {why + world + "-- 1. x --\nrun\nnone event fallbakc\n", `there is no kind of event "fallbakc"`},
		"an event that did not happen":       {why + world + "-- 1. x --\nrun\nevent fallback\n", "x.txtar:7: event: there was no such event"},
		"a notice that nobody wants":         {why + world + "-- 1. x --\nbackdate kiwify/main 4000h\nrun\ncounts connections=1 refreshed=1\n", "x.txtar:5: unwanted event notice credential_old kiwify/main"},
		"an error that nobody wants":         {why + world + "-- 1. x --\naws-fault Scan * AccessDenied\nrun\ncounts connections=0\n", "x.txtar:5: the run failed"},
		"an error that does not come":        {why + world + "-- 1. x --\nrun\nerror \"x\"\n", "x.txtar:7: error: the run did not fail"},
		"calls of a provider that is not":    {why + world + "-- 1. x --\nrun\ncalls kiwifi=1\n", `there is no provider "kiwifi"`},
		"calls that are not named are 0":     {why + world + "-- 1. x --\nrun\ncalls hotmart=0\n", "kiwify got 1 calls, want 0"},
		"an operation that is none":          {why + world + "-- 1. x --\nrun\naws PutParameters=0\n", `there is no operation "PutParameters"`},
		"operations beside the only ones":    {why + world + "-- 1. x --\nrun\naws only PutParameter=2\n", "ListSecrets got 1 calls, want 0"},
		"tokens of a client that is none":    {why + world + "-- 1. x --\nrun\nissued kk=0\n", `there never was a client "kk"`},
		"a cost that is another":             {why + world + "-- 1. x --\nrun\ncost \"x\" calls=1 writes=1\n", "x.txtar:7: cost: writes got 2 calls, want 1"},
		"a promise for a call that is none":  {why + world + "-- 1. x --\nbefore DeleteParameters * advance 1s\nrun\ncounts connections=1 refreshed=1\n", "x.txtar:6: before: there was no such call"},
		"a promise that cannot be kept":      {why + world + "-- 1. x --\nbefore ListSecrets * drop-secret a/b\nrun\ncounts connections=1 refreshed=1\n", "x.txtar:6: drop-secret: "},
		"a reference to nothing":             {why + world + "-- 1. x --\nrun {\"connections\":[\"$name(x)\"]}\ncounts connections=1\n", "$name(x): there is nothing of this kind"},
		"a quote that is not closed":         {why + world + "-- 1. x --\nrun\nrefreshed \"kiwify/main\n", "a quote is not closed"},
		"a result that is another":           {why + world + "-- 1. x --\nrun\nresult {\"connections\":1}\n", `x.txtar:7: result: it is {"connections":1,"counts":`},
		"time that goes back":                {why + world + "-- 1. x --\nadvance T-5m\nrun\ncounts connections=1 refreshed=1\n", "time does not go back"},
		"an option that is none":             {why + world + "-- 1. x --\nset colour=red\nrun\ncounts connections=1 refreshed=1\n", `"colour=red" is no option`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := Play(t.Context(), "x.txtar", []byte(c.script))
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v\nwant %s", err, c.want)
				}
			})
		})
	}
}

// TestPromisesOfEveryRun: what holds for every run is checked in every run.
func TestPromisesOfEveryRun(t *testing.T) {
	const world = why + "-- world --\nconnect kiwify/main kiwify k\n-- 1. a token --\nrun\ncounts connections=1 refreshed=1\n-- 2. x --\nadvance 1h\n"
	for name, c := range map[string]struct{ lines, want string }{
		"a published token that vanishes": {"after GetParameters * drop kiwify/main token\nrun\n", "kiwify/main: the published token is gone"},
		"a token that is no provider's":   {"after GetParameters * overwrite kiwify/main by-hand\nrun\n", "what is published now is no token of a provider"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := Play(t.Context(), "x.txtar", []byte(world+c.lines+"counts connections=1\n"))
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v\nwant %s", err, c.want)
				}
			})
		})
	}
}

// TestLanguageIsDocumentedAndUsed: a directive that nobody can look up, or that no scenario uses, is not part of the language.
func TestLanguageIsDocumentedAndUsed(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range append(files(t, "testdata/*.txtar"), files(t, "testdata/outage/*.txtar")...) {
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			t.Fatal(err)
		}
		s, err := parse(file, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range append(s.steps, s.world) {
			for _, l := range st.lines {
				used[l.verb] = true
				if l.verb == "before" || l.verb == "after" {
					used[strings.Fields(l.rest)[2]] = true
				}
			}
		}
	}
	for _, verb := range append(sortedKeys(changes()), sortedKeys(expectations())...) {
		if !strings.Contains(string(doc), verb) {
			t.Errorf("%s is not in the package comment", verb)
		}
		if !used[verb] {
			t.Errorf("%s is in no scenario", verb)
		}
	}
}
