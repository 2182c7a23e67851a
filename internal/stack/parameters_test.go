package stack_test

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/scenario"
)

func TestThreeParametersStandInFront(t *testing.T) {
	tpl := readTemplate(t)
	form := at(map[string]any(tpl), "Metadata", "AWS::CloudFormation::Interface")
	groups := map[string][]string{}
	for _, g := range list(at(form, "ParameterGroups")) {
		groups[text(at(g, "Label", "default"))] = texts(at(g, "Parameters"))
	}
	front, advanced := groups["What to decide"], groups["Advanced"]
	if want := []string{"AlarmEmail", "Prefix", "KmsKeyArn"}; !slices.Equal(front, want) || len(groups) != 2 {
		t.Errorf("in front there are %v, want %v; groups %v", front, want, groups)
	}
	shown := slices.Sorted(slices.Values(slices.Concat(front, advanced)))
	if all := slices.Sorted(maps.Keys(tpl.parameters())); !slices.Equal(shown, all) {
		t.Errorf("the groups hold %v, the template %v", shown, all)
	}
	for name, p := range tpl.parameters() {
		m := mapping(p)
		if text(m["Description"]) == "" || at(form, "ParameterLabels", name, "default") == nil {
			t.Errorf("%s has no description or no label", name)
		}
		if _, has := m["Default"]; !has {
			t.Errorf("%s has no default: a deploy would have to name it", name)
		}
		bounded := m["AllowedValues"] != nil || m["MinValue"] != nil && m["MaxValue"] != nil || m["AllowedPattern"] != nil && m["MaxLength"] != nil
		if !bounded {
			t.Errorf("%s takes anything: it needs values, a range, or a pattern with a length", name)
		}
		if m["AllowedPattern"] != nil && text(m["ConstraintDescription"]) == "" {
			t.Errorf("%s has a pattern and no words for a person", name)
		}
		if !accepts(t, m, text(m["Default"])) {
			t.Errorf("%s does not accept its own default %q", name, m["Default"])
		}
	}
}

// accepts reports whether CloudFormation would take a value.
func accepts(t *testing.T, parameter map[string]any, value string) bool {
	t.Helper()
	if values := parameter["AllowedValues"]; values != nil && !slices.Contains(texts(values), value) {
		return false
	}
	if pattern := parameter["AllowedPattern"]; pattern != nil && !regexp.MustCompile(text(pattern)).MatchString(value) {
		return false
	}
	if most := parameter["MaxLength"]; most != nil && len(value) > most.(int) {
		return false
	}
	if parameter["Type"] == "Number" {
		n, err := strconv.ParseFloat(value, 64)
		return err == nil && bound(t, parameter["MinValue"], n) <= n && n <= bound(t, parameter["MaxValue"], n)
	}
	return true
}

func bound(t *testing.T, v any, otherwise float64) float64 {
	t.Helper()
	if v == nil {
		return otherwise
	}
	n, err := strconv.ParseFloat(text(v), 64)
	must(t, err)
	return n
}

func TestWhatTheParametersWithAPatternAccept(t *testing.T) {
	parameters := readTemplate(t).parameters()
	for name, c := range map[string]struct{ good, bad []string }{
		"AlarmEmail": {
			good: []string{"", "you@example.com", "alerts+chaveiro@mail.example.com.br"},
			bad:  []string{"you", "you@example", "you@@example.com", "you@example.com, me@example.com", "You <you@example.com>", " you@example.com"},
		},
		"KmsKeyArn": {
			good: []string{"", keyArn, "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"},
			bad: []string{"alias/mine", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:sa-east-1:123456789012:alias/mine",
				"arn:aws:kms:sa-east-1:123456789012:key/*", keyArn + " ", "arn:aws:s3:::bucket"},
		},
		"MaxConcurrency": {
			good: []string{"1", "9", "10", "16", "99", "100", "199", "249", "256"},
			bad:  []string{"0", "257", "260", "300", "1000", "16.5", "16.0", "016", "-1", "1e2", "", " 16"},
		},
		"MemorySizeMB": {
			good: []string{"128", "129", "130", "199", "200", "256", "999", "1000", "2999", "3000", "3008"},
			bad:  []string{"127", "64", "3009", "3010", "4000", "10240", "256.5", "256.0", "0256", "-256", ""},
		},
	} {
		for _, value := range c.good {
			if !accepts(t, mapping(parameters[name]), value) {
				t.Errorf("%s refuses %q", name, value)
			}
		}
		for _, value := range c.bad {
			if accepts(t, mapping(parameters[name]), value) {
				t.Errorf("%s accepts %q", name, value)
			}
		}
	}
}

// TestRunsCannotOverlap: for every period the function is cut off before the next run begins, and has most of the period.
func TestRunsCannotOverlap(t *testing.T) {
	for minutes, period := range periods(t) {
		s := deploy(t, map[string]string{"SchedulePeriodMinutes": minutes})
		function := s.properties("RefresherFunction")
		timeout := time.Duration(s.number(function["Timeout"])) * time.Second
		if timeout >= period || timeout < period*8/10 || timeout > 15*time.Minute {
			t.Errorf("every %v it may take %v", period, timeout)
		}
		if got := at(function, "Environment", "Variables", "SCHEDULE_PERIOD"); got != minutes+"m" {
			t.Errorf("every %v the function is told %v", period, got)
		}
		unit := " minutes)"
		if minutes == "1" {
			unit = " minute)"
		}
		if got := at(function, "Events", "Sweep", "Properties", "ScheduleExpression"); got != "rate("+minutes+unit {
			t.Errorf("every %v the schedule is %v", period, got)
		}
		for _, id := range []string{"TokenInDanger", "RenewalOverdue", "ConnectionsFailing", "FallbackActive"} {
			if a := s.alarm(id); a.period != period {
				t.Errorf("every %v %s counts in %v", period, id, a.period)
			}
		}
		if a := s.alarm("RefresherSilent"); time.Duration(a.of)*a.period != 3*period || a.needed != a.of {
			t.Errorf("every %v RefresherSilent waits for %d of %d of %v", period, a.needed, a.of, a.period)
		}
	}
}

func TestReservedConcurrencyIsOffAtFirst(t *testing.T) {
	for value, want := range map[string]any{"off": nil, "1": "1"} {
		s := deploy(t, map[string]string{"ReservedConcurrency": value})
		if got := s.properties("RefresherFunction")["ReservedConcurrentExecutions"]; got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}

// TestBothWaysOfLosingARunEndInTheQueue: a delivery that failed, and a run that failed.
func TestBothWaysOfLosingARunEndInTheQueue(t *testing.T) {
	s := deploy(t, nil)
	queue := s.attribute("DeadLetterQueue", "Arn")
	understands := map[string]func([]byte) error{
		"RefresherFunction/Sweep":   func(event []byte) error { _, err := refresh.ParseCall(event); return err },
		"HealthcheckFunction/Check": func(event []byte) error { _, err := probe.ParseCall(event); return err },
	}
	scheduled := 0
	for _, id := range s.ofType("AWS::Serverless::Function") {
		function := s.properties(id)
		for event, e := range mapping(function["Events"]) {
			scheduled++
			schedule := mapping(at(e, "Properties"))
			if at(e, "Type") != "ScheduleV2" || understands[id+"/"+event] == nil {
				t.Fatalf("%s/%s is not known here: %v", id, event, e)
			}
			if got := at(schedule, "DeadLetterConfig", "Arn"); got != queue {
				t.Errorf("%s: what the scheduler cannot deliver goes to %v", id, got)
			}
			if retry := mapping(schedule["RetryPolicy"]); retry["MaximumRetryAttempts"] != 2 || retry["MaximumEventAgeInSeconds"] != 120 {
				t.Errorf("%s: the scheduler tries %v", id, retry)
			}
			invoke := mapping(function["EventInvokeConfig"])
			if got := at(invoke, "DestinationConfig", "OnFailure", "Destination"); got != queue {
				t.Errorf("%s: runs that fail go to %v", id, got)
			}
			if invoke["MaximumRetryAttempts"] != 0 || invoke["MaximumEventAgeInSeconds"] != 60 {
				t.Errorf("%s: the next run is the retry, and here is %v", id, invoke)
			}
			if text(schedule["OmitName"]) != "true" || at(schedule, "FlexibleTimeWindow", "Mode") != "OFF" || schedule["Input"] != "{}" {
				t.Errorf("%s: the schedule is %v", id, schedule)
			}
			if schedule["RoleArn"] != s.attribute("ScheduleRole", "Arn") {
				t.Errorf("%s: the schedule's role is %v", id, schedule["RoleArn"])
			}
			if err := understands[id+"/"+event]([]byte(text(schedule["Input"]))); err != nil {
				t.Error(err)
			}
		}
	}
	if scheduled != len(understands) {
		t.Errorf("%d schedules", scheduled)
	}
	if quoted := strings.Count(read(t, "template.yaml"), "Mode: 'OFF'"); quoted != scheduled {
		t.Error("OFF needs quotation marks: SAM reads YAML 1.1, where it is a boolean")
	}
}

func TestMetricsPassEveryLogLevel(t *testing.T) {
	for _, level := range texts(at(readTemplate(t).parameters()["LogLevel"], "AllowedValues")) {
		s := deploy(t, map[string]string{"LogLevel": level})
		for _, id := range s.ofType("AWS::Serverless::Function") {
			function := s.properties(id)
			if got := at(function, "LoggingConfig", "ApplicationLogLevel"); got != "DEBUG" {
				t.Errorf("%s, %s: Lambda drops what is below %v, and metrics are of level INFO", id, level, got)
			}
			if got := at(function, "Environment", "Variables", "LOG_LEVEL"); got != level {
				t.Errorf("%s, %s: the function is told %v", id, level, got)
			}
		}
	}
}

func TestEachFunctionHasALogGroupOfItsOwnName(t *testing.T) {
	s := deploy(t, nil)
	for _, id := range s.ofType("AWS::Serverless::Function") {
		function := s.properties(id)
		if want := "/aws/lambda/" + text(function["FunctionName"]); at(function, "LoggingConfig", "LogGroup") != want {
			t.Errorf("%s logs to %v, want %s", id, at(function, "LoggingConfig", "LogGroup"), want)
		}
		if !strings.HasPrefix(text(function["FunctionName"]), stackName+"-") {
			t.Errorf("%s is called %v in every stack", id, function["FunctionName"])
		}
		if architectures := texts(function["Architectures"]); !slices.Equal(architectures, []string{"arm64"}) {
			t.Errorf("%s runs on %v", id, architectures)
		}
	}
	for _, id := range s.ofType("AWS::Logs::LogGroup") {
		if s.properties(id)["RetentionInDays"] == nil {
			t.Errorf("%s keeps its lines for ever", id)
		}
	}
}

// TestTheBuiltFunctionStartsWithTheTemplatesEnvironment starts the real program with what the template gives it, and lets it sweep.
func TestTheBuiltFunctionStartsWithTheTemplatesEnvironment(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a function: left to make test")
	}
	t.Parallel()
	bootstrap, err := lambdatest.Build(t.Context(), root+"/functions/refresher", t.TempDir())
	must(t, err)
	stores, err := new(awstest.World).Listen("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, stores.Close()) })
	given := map[string]map[string]string{
		"with every default": nil,
		"with everything set": {
			"Prefix": "prod/oauth", "KmsKeyArn": keyArn, "MaxWritesPerSecond": "0.1", "MaxConcurrency": "256", "TokenTimeoutSeconds": "60",
			"LogLevel": "ERROR", "MetricsByProvider": "true",
		},
	}
	for minutes := range periods(t) {
		given["every "+minutes+" min"] = map[string]string{"SchedulePeriodMinutes": minutes}
	}
	for name, values := range given {
		t.Run(name, func(t *testing.T) {
			s := deploy(t, values)
			env := map[string]string{}
			for variable, value := range mapping(at(s.properties("RefresherFunction"), "Environment", "Variables")) {
				env[variable] = text(value)
			}
			for _, variable := range []string{"AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL_SECRETS_MANAGER"} {
				if value, declared := env[variable]; !declared || value != "" {
					t.Errorf("%s is %q, declared %v: sam local overrides only what is declared, and AWS wants none", variable, value, declared)
				}
				env[variable] = stores.URL
			}
			env["AWS_REGION"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = awstest.Region, "test", "test"
			f, err := lambdatest.Start(t.Context(), lambdatest.Config{Bootstrap: bootstrap, Env: env, Name: text(s.properties("RefresherFunction")["FunctionName"])})
			must(t, err)
			t.Cleanup(f.Close)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			result, err := f.Invoke(ctx, []byte(`{}`))
			must(t, err)
			if !json.Valid(result.Payload) {
				t.Errorf("it answered %s", result.Payload)
			}
			if written := parseEMF(t, jsonLines(f.Logs())); len(written[s.alarm("RefresherSilent").metric]) != 1 {
				t.Errorf("RefresherSilent would not hear of this run: %v", written)
			}
			if values == nil {
				refusesToStart(t, bootstrap, env, "MAX_CONCURRENCY", "16.5")
			}
		})
	}
}

// refusesToStart wants the function not to start with what the template refuses: else the pattern would guard nothing.
func refusesToStart(t *testing.T, bootstrap string, env map[string]string, variable, value string) {
	t.Helper()
	if accepts(t, mapping(readTemplate(t).parameters()["MaxConcurrency"]), value) {
		t.Errorf("MaxConcurrency accepts %s", value)
	}
	env = maps.Clone(env)
	env[variable] = value
	f, err := lambdatest.Start(t.Context(), lambdatest.Config{Bootstrap: bootstrap, Env: env, Name: "refresher"})
	if err == nil {
		f.Close()
		t.Fatalf("it starts with %s=%s, so the template need not refuse it", variable, value)
	}
	if !strings.Contains(err.Error(), variable+" is ") {
		t.Errorf("with %s=%s it does not say why it cannot start: %v", variable, value, err)
	}
}

// jsonLines are the lines of a log that the function printed itself.
func jsonLines(log string) string {
	var out strings.Builder
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "{") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// TestTheCommandsOfTheOutputs: they name what this stack has, and the refresher and the stores understand them.
func TestTheCommandsOfTheOutputs(t *testing.T) {
	s := deploy(t, nil)
	if got := s.output("RefresherName"); got != stackName+"-refresher" {
		t.Errorf("RefresherName is %q", got)
	}
	if got := s.output("AlarmTopicArn"); got != s.ref("AlarmTopic") {
		t.Errorf("AlarmTopicArn is %q", got)
	}
	for output, wanted := range map[string][]string{
		"AddConnection":   {"create-secret", "--name oauth/hotmart/loja-a ", "--region " + awstest.Region + " ", "file://hotmart.json"},
		"CheckConnection": {"lambda invoke", "--function-name " + stackName + "-refresher ", "--region " + awstest.Region + " ", "&& cat out.json"},
		"StatusQuery":     {"ssm describe-parameters", "'/oauth/'", "--region " + awstest.Region + " "},
	} {
		for _, want := range wanted {
			if got := s.output(output); !strings.HasPrefix(got, "aws ") || strings.Contains(got, "\n") || !strings.Contains(got, want) {
				t.Errorf("%s has no %q: %s", output, want, got)
			}
		}
	}
	payload := regexp.MustCompile(`--payload '([^']*)'`).FindStringSubmatch(s.output("CheckConnection"))
	if payload == nil {
		t.Fatalf("no payload in %s", s.output("CheckConnection"))
	}
	if call, err := refresh.ParseCall([]byte(payload[1])); err != nil || !slices.Equal(call.Connections, []string{"hotmart/loja-a"}) {
		t.Errorf("%s is read as %+v, %v", payload[1], call, err)
	}
}

// TestStatusQueryFindsWhatFails asks the stores with the filter of the output.
func TestStatusQueryFindsWhatFails(t *testing.T) {
	m := regexp.MustCompile(`Key=(\w+),Option=(\w+),Values=(\S+)`).FindStringSubmatch(deploy(t, nil).output("StatusQuery"))
	if m == nil {
		t.Fatal("StatusQuery has no filter")
	}
	synctest.Test(t, func(t *testing.T) {
		w, err := scenario.New(t.Name())
		must(t, err)
		must(t, w.Connect("hotmart/loja-a", "hotmart", "shop", ""))
		must(t, w.PutSecret("kiwify/main", "", `{"provider":"kiwify","client_id":"of this panel","client_secret":"of another panel"}`))
		must(t, w.Run(t.Context(), `{}`).Err)
		out, err := w.AWS.SSM().DescribeParameters(t.Context(), &ssm.DescribeParametersInput{
			ParameterFilters: []types.ParameterStringFilter{{Key: &m[1], Option: &m[2], Values: []string{m[3]}}},
		})
		must(t, err)
		if len(out.Parameters) != 1 || *out.Parameters[0].Name != failing {
			t.Errorf("it found %d parameters", len(out.Parameters))
		}
	})
}
