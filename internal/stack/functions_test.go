package stack_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
)

// periods are the allowed values of SchedulePeriodMinutes.
func periods(t *testing.T) map[string]time.Duration {
	t.Helper()
	all := map[string]time.Duration{}
	for _, minutes := range texts(at(readTemplate(t).parameters()["SchedulePeriodMinutes"], "AllowedValues")) {
		d, err := time.ParseDuration(minutes + "m")
		must(t, err)
		all[minutes] = d
	}
	if len(all) < 4 {
		t.Fatalf("periods: %v", all)
	}
	return all
}

// seconds is a property in seconds.
func (s *stack) seconds(v any) time.Duration {
	s.t.Helper()
	return time.Duration(s.number(v)) * time.Second
}

func (s *stack) number(v any) float64 {
	s.t.Helper()
	n, err := strconv.ParseFloat(text(v), 64)
	must(s.t, err)
	return n
}

// build builds a function for this machine.
func (s *stack) build(id string) (bootstrap string) {
	s.t.Helper()
	bootstrap, err := lambdatest.Build(s.t.Context(), root+"/"+text(s.properties(id)["CodeUri"]), s.t.TempDir())
	must(s.t, err)
	return bootstrap
}

// start starts a built function with the environment that the template gives it. All AWS endpoints are those of a world.
func (s *stack) start(id, bootstrap string, world *awstest.World, more map[string]string) *lambdatest.Function {
	s.t.Helper()
	server, err := world.Listen("127.0.0.1:0")
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, server.Close()) })
	function := s.properties(id)
	env := map[string]string{"AWS_REGION": awstest.Region, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
	for variable, value := range mapping(at(function, "Environment", "Variables")) {
		env[variable] = text(value)
		if strings.HasPrefix(variable, "AWS_ENDPOINT_URL_") {
			if env[variable] != "" {
				s.t.Errorf("%s: %s is %q; it must be empty, and declared so that sam local can override it", id, variable, env[variable])
			}
			env[variable] = server.URL
		}
	}
	if table := text(s.ref("StateTable")); env["STATE_TABLE"] != table {
		s.t.Errorf("%s: STATE_TABLE is %q, want the table of the stack, %q", id, env["STATE_TABLE"], table)
	}
	env["STATE_TABLE"] = awstest.StateTable // the one table of the world
	maps.Copy(env, more)
	f, err := lambdatest.Start(s.t.Context(), lambdatest.Config{
		Bootstrap: bootstrap, Env: env, Name: text(function["FunctionName"]), Timeout: s.seconds(function["Timeout"]),
	})
	must(s.t, err)
	s.t.Cleanup(f.Close)
	return f
}

// TestTheBuiltFunctionsStartWithTheTemplatesEnvironment starts each program with what the template gives it and sends the event of its schedule.
func TestTheBuiltFunctionsStartWithTheTemplatesEnvironment(t *testing.T) {
	given := map[string]map[string]string{
		"with every default": nil,
		"with the greatest values": {
			"Prefix": "prod/oauth", "KmsKeyArn": keyArn, "MaxWritesPerSecond": "40", "MaxConcurrency": "256", "TokenTimeoutSeconds": "60",
			"LogLevel": "ERROR", "MetricsByProvider": "true", "LatencyThresholdMs": "60000", "SchedulePeriodMinutes": "15", "MemorySizeMB": "3008",
		},
		"with the least values": {
			"MaxWritesPerSecond": "0.1", "MaxConcurrency": "1", "TokenTimeoutSeconds": "1", "LatencyThresholdMs": "1", "SchedulePeriodMinutes": "1",
			"MemorySizeMB": "128",
		},
	}
	defaults := deploy(t, nil)
	for _, id := range defaults.ofType("AWS::Serverless::Function") {
		bootstrap := defaults.build(id)
		for name, values := range given {
			t.Run(id+" "+name, func(t *testing.T) {
				s := deploy(t, values)
				for parameter, value := range values {
					if !accepts(t, mapping(s.tpl.parameters()[parameter]), value) {
						t.Errorf("the template does not accept %s=%s", parameter, value)
					}
				}
				f := s.start(id, bootstrap, new(awstest.World), nil)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				for event, e := range mapping(s.properties(id)["Events"]) {
					result, err := f.Invoke(ctx, []byte(text(at(e, "Properties", "Input"))))
					if err != nil || !json.Valid(result.Payload) {
						t.Errorf("%s: %s, %v", event, result.Payload, err)
					}
				}
			})
		}
	}
}

// TestFunctionsAreAlike: logs, metrics, memory and what a lost run leaves behind are the same for all functions.
func TestFunctionsAreAlike(t *testing.T) {
	s := deploy(t, map[string]string{
		"Prefix": "prod/oauth", "KmsKeyArn": keyArn, "SchedulePeriodMinutes": "10", "MaxWritesPerSecond": "7", "TokenTimeoutSeconds": "23",
		"LogLevel": "WARN", "MemorySizeMB": "512", "LogRetentionDays": "30", "MetricsByProvider": "true", "ReservedConcurrency": "1",
	})
	refresher := mapping(at(s.properties("RefresherFunction"), "Environment", "Variables"))
	for _, id := range s.ofType("AWS::Serverless::Function") {
		function := s.properties(id)
		variables := mapping(at(function, "Environment", "Variables"))
		for name, value := range variables {
			if other, both := refresher[name]; both && other != value {
				t.Errorf("%s: %s is %v, and %v for the refresher", id, name, value, other)
			}
		}
		for property, want := range map[string]any{"MemorySize": "512", "Runtime": "provided.al2023", "Handler": "bootstrap"} {
			if function[property] != want {
				t.Errorf("%s: %s is %v, want %v", id, property, function[property], want)
			}
		}
		// Lambda would drop the lines of metrics, which are of level INFO; LOG_LEVEL filters the others in the function.
		if at(function, "LoggingConfig", "ApplicationLogLevel") != "DEBUG" || variables["LOG_LEVEL"] != "WARN" {
			t.Errorf("%s: LoggingConfig is %v, LOG_LEVEL %v", id, function["LoggingConfig"], variables["LOG_LEVEL"])
		}
		name, group := text(function["FunctionName"]), at(function, "LoggingConfig", "LogGroup")
		if group != "/aws/lambda/"+name || !strings.HasPrefix(name, stackName+"-") {
			t.Errorf("%s is called %s, and logs to %v", id, name, group)
		}
		// A failed run is never repeated by Lambda: the next scheduled run is the retry.
		if invoke := mapping(function["EventInvokeConfig"]); invoke["MaximumRetryAttempts"] != 0 || invoke["MaximumEventAgeInSeconds"] != 60 {
			t.Errorf("%s: EventInvokeConfig is %v", id, invoke)
		}
		if reserved := function["ReservedConcurrentExecutions"]; (reserved != nil) != (id == "RefresherFunction") {
			t.Errorf("%s: %v executions are reserved", id, reserved)
		}
	}
	for _, id := range s.ofType("AWS::Logs::LogGroup") {
		if s.properties(id)["RetentionInDays"] != "30" {
			t.Errorf("%s keeps its lines for %v days", id, s.properties(id)["RetentionInDays"])
		}
	}
}

// TestGoStaysBelowTheMemoryOfTheFunction: a malformed GOMEMLIMIT ends the start of a Go program.
func TestGoStaysBelowTheMemoryOfTheFunction(t *testing.T) {
	for _, megabytes := range []string{"128", "256", "3008"} {
		s := deploy(t, map[string]string{"MemorySizeMB": megabytes})
		for _, id := range s.ofType("AWS::Serverless::Function") {
			variables := mapping(at(s.properties(id), "Environment", "Variables"))
			limit, unit := strings.CutSuffix(text(variables["GOMEMLIMIT"]), "B")
			if share := s.number(limit) / (s.number(megabytes) * (1 << 20)); !unit || share < 0.9 || share > 0.96 {
				t.Errorf("%s with %s MB: GOMEMLIMIT is %v, %.2f of it", id, megabytes, variables["GOMEMLIMIT"], share)
			}
			if variables["GOGC"] != "400" || variables["GOMAXPROCS"] != "1" {
				t.Errorf("%s: GOGC is %v, GOMAXPROCS %v", id, variables["GOGC"], variables["GOMAXPROCS"])
			}
		}
	}
}

// TestRunsDoNotOverlap: for every period a run ends before the next one starts, and has most of the period.
func TestRunsDoNotOverlap(t *testing.T) {
	for minutes, period := range periods(t) {
		s := deploy(t, map[string]string{"SchedulePeriodMinutes": minutes})
		refresher, healthcheck := s.properties("RefresherFunction"), s.properties("HealthcheckFunction")
		if timeout := s.seconds(refresher["Timeout"]); timeout >= period || timeout < period*8/10 || timeout > 15*time.Minute {
			t.Errorf("every %v a sweep may take %v", period, timeout)
		}
		if timeout := s.seconds(healthcheck["Timeout"]); timeout >= checks {
			t.Errorf("a check may take %v", timeout)
		}
		rate := "rate(" + minutes + " minutes)"
		if minutes == "1" {
			rate = "rate(1 minute)"
		}
		if got := at(refresher, "Events", "Sweep", "Properties", "ScheduleExpression"); got != rate {
			t.Errorf("every %v the schedule is %v", period, got)
		}
		if got := at(healthcheck, "Events", "Check", "Properties", "ScheduleExpression"); got != "rate(5 minutes)" {
			t.Errorf("a check runs at %v, and two alarms count in five minutes", got)
		}
		for _, function := range []map[string]any{refresher, healthcheck} {
			if got := at(function, "Environment", "Variables", "SCHEDULE_PERIOD"); got != minutes+"m" {
				t.Errorf("every %v the function has the period %v", period, got)
			}
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

// TestARequestThatHangsFitsIntoARun, with the longest TokenTimeoutSeconds: three tries of a rotation's step with their waits, and the last of a
// hundred endpoints of a check, which start a tenth of a second apart.
func TestARequestThatHangsFitsIntoARun(t *testing.T) {
	s := deploy(t, nil)
	longest := s.seconds(at(s.tpl.parameters()["TokenTimeoutSeconds"], "MaxValue"))
	if got, least := s.seconds(s.properties("RotatorFunction")["Timeout"]), 3*longest+2*30*time.Second+30*time.Second; got < least {
		t.Errorf("a step of a rotation may take %v, and needs %v", got, least)
	}
	if got, least := s.seconds(s.properties("HealthcheckFunction")["Timeout"]), longest+10*time.Second+30*time.Second; got < least {
		t.Errorf("a check may take %v, and needs %v", got, least)
	}
}

// TestEveryLostRunEndsInTheQueue: an event that could not be delivered, and a run that failed.
func TestEveryLostRunEndsInTheQueue(t *testing.T) {
	s := deploy(t, nil)
	queue, scheduled := s.attribute("DeadLetterQueue", "Arn"), []string(nil)
	for _, id := range s.ofType("AWS::Serverless::Function") {
		function := s.properties(id)
		for event, e := range mapping(function["Events"]) {
			scheduled = append(scheduled, id+event)
			schedule := mapping(at(e, "Properties"))
			if at(e, "Type") != "ScheduleV2" || at(schedule, "DeadLetterConfig", "Arn") != queue || schedule["RoleArn"] != s.attribute("ScheduleRole", "Arn") {
				t.Errorf("%s/%s is %v", id, event, e)
			}
			if got := at(function, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination"); got != queue {
				t.Errorf("%s: runs that fail go to %v", id, got)
			}
			if retry := mapping(schedule["RetryPolicy"]); retry["MaximumRetryAttempts"] != 2 || retry["MaximumEventAgeInSeconds"] != 120 {
				t.Errorf("%s: the scheduler tries %v", id, retry)
			}
			if text(schedule["OmitName"]) != "true" || at(schedule, "FlexibleTimeWindow", "Mode") != "OFF" {
				t.Errorf("%s: the schedule is %v", id, schedule)
			}
		}
	}
	if slices.Sort(scheduled); !slices.Equal(scheduled, []string{"HealthcheckFunctionCheck", "RefresherFunctionSweep"}) {
		t.Errorf("scheduled are %v; a rotation is started by a person", scheduled)
	}
	// SAM reads YAML 1.1, where a bare OFF is a boolean.
	if quoted := strings.Count(read(t, "template.yaml"), "Mode: 'OFF'"); quoted != len(scheduled) {
		t.Errorf("%d schedules have a quoted 'OFF'", quoted)
	}
	// A new alarm without values rings; it is created after the first run is scheduled.
	if after := text(mapping(s.resources["RefresherSilent"])["DependsOn"]); !slices.Contains(scheduled, after) {
		t.Errorf("RefresherSilent is created after %q, and the schedules are %v", after, scheduled)
	}
}

// TestWhoMayInvoke: Secrets Manager of this account the rotator, and IAM alone the healthcheck's URL, which is off by default.
func TestWhoMayInvoke(t *testing.T) {
	s := deploy(t, nil)
	if ids := s.ofType("AWS::Lambda::Url"); len(ids) != 0 || s.outputs["StatusUrl"] != nil {
		t.Errorf("by default there are the URLs %v, and the output %v", ids, s.outputs["StatusUrl"])
	}
	s = deploy(t, map[string]string{"StatusUrl": "on"})
	permissions, urls := s.ofType("AWS::Lambda::Permission"), s.ofType("AWS::Lambda::Url")
	if len(permissions) != 1 || len(urls) != 1 {
		t.Fatalf("permissions %v, URLs %v", permissions, urls)
	}
	if got, want := s.properties(permissions[0]), map[string]any{
		"Action": "lambda:InvokeFunction", "FunctionName": s.attribute("RotatorFunction", "Arn"), "Principal": "secretsmanager.amazonaws.com",
		"SourceAccount": awstest.Account, // without it, secrets of any account could be rotated here
	}; !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	url := map[string]any{"AuthType": "AWS_IAM", "TargetFunctionArn": s.attribute("HealthcheckFunction", "Arn")}
	if got := s.properties(urls[0]); !maps.Equal(got, url) {
		t.Errorf("got  %v\nwant %v", got, url)
	}
	if got := s.output("StatusUrl"); got != s.attribute(urls[0], "FunctionUrl") {
		t.Errorf("the output StatusUrl is %q", got)
	}
	for _, id := range s.ofType("AWS::Serverless::Function") {
		if s.properties(id)["FunctionUrlConfig"] != nil {
			t.Errorf("%s has a URL of its own", id)
		}
	}
}
