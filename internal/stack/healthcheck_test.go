package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// looks plays what makes the healthcheck use each operation: an endpoint that the catalogue knows, one that only a document names, and a
// connection that fails. It returns the calls that reached AWS.
func looks(t *testing.T) (calls []awstest.Call) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		in := install(t, 5*time.Minute)
		in.connectAll()
		must(t, in.PutSecret("kiwify/dead", "", `{"provider":"kiwify","client_id":"of this panel","client_secret":"of another panel"}`))
		in.sweep()
		for _, event := range []string{`{}`, `{"probe":"reachability"}`, `{"probe":"token"}`, `{"probe":"none"}`, `{"connections":["kiwify/dead"]}`, `{"connections":["kiwify/nobody"]}`} {
			in.AWS.ResetCalls()
			if found := in.check(event); event == `{}` && (len(found.Endpoints) != 3 || len(found.Attention) != 1 || found.Connections.Total != 4) {
				t.Errorf("%+v", found)
			}
			calls = append(calls, in.AWS.Calls()...)
		}
	})
	return calls
}

// besideLooking are what its role needs for Lambda and KMS.
var besideLooking = []string{"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage", "kms:Decrypt"}

func TestTheHealthchecksRoleAllowsWhatItCallsAndNothingElse(t *testing.T) {
	calls := looks(t)
	for name, s := range variants(t) {
		t.Run(name, func(t *testing.T) {
			s.t = t
			role := s.functionRole("HealthcheckFunction")
			used := map[grant]bool{}
			for _, c := range calls {
				for _, r := range requests(c) {
					by, ok := role.allows(t, r)
					if !ok {
						t.Fatalf("it called %s on %s, and the role does not allow it", r.action, r.resource)
					}
					used[by] = true
				}
			}
			for _, st := range role {
				for _, a := range st.actions {
					for _, r := range st.resources {
						if !slices.Contains(besideLooking, a) && !used[grant{st.sid, a, r}] {
							t.Errorf("the role allows %s on %s (%s), and it was never called", a, r, st.sid)
						}
					}
				}
			}
			if len(used) != 4 {
				t.Errorf("%d parts of the role were used: %v", len(used), slices.Collect(maps.Keys(used)))
			}
		})
	}
}

// TestTheHealthcheckCanWriteToNeitherStore: by what its role is made of, and by what it is asked for.
func TestTheHealthcheckCanWriteToNeitherStore(t *testing.T) {
	reads := append([]string{"secretsmanager:ListSecrets", "secretsmanager:GetSecretValue", "ssm:DescribeParameters", "ssm:GetParameters"}, besideLooking...)
	token, secret := parameterArn("/oauth/hotmart/loja-a/access_token"), secretArn("oauth/hotmart/loja-a-a1B2c3")
	failure, account := parameterArn("/oauth/hotmart/loja-a/refresh_failure"), parameterArn("/oauth/hotmart/loja-a/account_id")
	ssm, secrets := "ssm."+awstest.Region+".amazonaws.com", "secretsmanager."+awstest.Region+".amazonaws.com"
	key := func(action, via, contextKey, context string) request {
		return request{action, keyArn, map[string]string{"kms:ViaService": via, "kms:EncryptionContext:" + contextKey: context}}
	}
	for variant, s := range variants(t) {
		role := s.functionRole("HealthcheckFunction")
		for _, st := range role {
			for _, a := range st.actions {
				if st.effect == "Allow" && !slices.Contains(reads, a) {
					t.Errorf("%s: %s allows %s, which is not known to write to no store", variant, st.sid, a)
				}
			}
		}
		var refused []request
		for _, op := range inSecretsManager {
			if op != awstest.ListSecrets && op != awstest.GetSecretValue {
				refused = append(refused, request{action: action(op), resource: secret})
			}
		}
		for _, a := range []string{"PutParameter", "DeleteParameter", "DeleteParameters", "LabelParameterVersion", "AddTagsToResource", "GetParameter", "GetParametersByPath", "GetParameterHistory"} {
			for _, resource := range []string{token, failure, account} {
				refused = append(refused, request{action: "ssm:" + a, resource: resource})
			}
		}
		refused = append(refused,
			request{action: "ssm:GetParameters", resource: token}, request{action: "ssm:GetParameters", resource: account},
			request{action: "ssm:GetParameters", resource: parameterArn("/oauth2/x/refresh_failure")},
			request{action: "secretsmanager:GetSecretValue", resource: secretArn("database/main-a1B2c3")},
			request{action: "secretsmanager:GetSecretValue", resource: secretArn("oauth2/hotmart/loja-a-a1B2c3")},
			request{action: "secretsmanager:GetSecretValue", resource: strings.Replace(secret, awstest.Account, "210987654321", 1)},
			request{action: "lambda:InvokeFunction", resource: s.attribute("RefresherFunction", "Arn")},
			request{action: "logs:PutLogEvents", resource: s.attribute("RefresherLogGroup", "Arn")},
			request{action: "logs:CreateLogGroup", resource: s.attribute("HealthcheckLogGroup", "Arn")},
			request{action: "sqs:ReceiveMessage", resource: s.attribute("DeadLetterQueue", "Arn")},
			request{action: "sqs:SendMessage", resource: s.attribute("DeadLetterQueue", "Arn") + "2"},
			request{action: "sns:Publish", resource: text(s.ref("AlarmTopic"))},
			request{action: "kms:Decrypt", resource: keyArn},
			key("kms:Decrypt", ssm, "PARAMETER_ARN", token), key("kms:Decrypt", ssm, "SecretARN", secret),
			key("kms:GenerateDataKey", secrets, "SecretARN", secret), key("kms:Encrypt", ssm, "PARAMETER_ARN", token),
			key("kms:Decrypt", secrets, "SecretARN", secretArn("database/main-a1B2c3")),
		)
		for _, r := range refused {
			if by, ok := role.allows(t, r); ok {
				t.Errorf("%s: %s on %s is allowed by %+v", variant, r.action, r.resource, by)
			}
		}
		group := strings.TrimSuffix(s.attribute("HealthcheckLogGroup", "Arn"), "*") + "log-stream:x"
		for r, want := range map[*request]bool{
			{action: "logs:CreateLogStream", resource: group}:                            true,
			{action: "logs:PutLogEvents", resource: group}:                               true,
			{action: "sqs:SendMessage", resource: s.attribute("DeadLetterQueue", "Arn")}: true,
			ptr(key("kms:Decrypt", secrets, "SecretARN", secret)):                        s.params["KmsKeyArn"] != "",
		} {
			if _, ok := role.allows(t, *r); ok != want {
				t.Errorf("%s: %s on %s is allowed: %v", variant, r.action, r.resource, ok)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// TestTheHealthcheckRunsEveryFiveMinutes whatever the period of the sweeps, since two alarms count its runs, and it is cut off before the next.
func TestTheHealthcheckRunsEveryFiveMinutes(t *testing.T) {
	for minutes := range periods(t) {
		s := deploy(t, map[string]string{"SchedulePeriodMinutes": minutes})
		function := s.properties("HealthcheckFunction")
		if got := at(function, "Events", "Check", "Properties", "ScheduleExpression"); got != "rate(5 minutes)" {
			t.Errorf("it runs at %v", got)
		}
		if timeout := time.Duration(s.number(function["Timeout"])) * time.Second; timeout >= checks {
			t.Errorf("it may take %v", timeout)
		}
		for _, id := range []string{"AuthSlow", "AuthFailing"} {
			if a := s.alarm(id); a.period != checks {
				t.Errorf("%s counts in %v", id, a.period)
			}
		}
		if got := at(function, "Environment", "Variables", "SCHEDULE_PERIOD"); got != minutes+"m" {
			t.Errorf("it judges by a period of %v, and the refresher has one of %s minutes", got, minutes)
		}
	}
	if got := deploy(t, map[string]string{"ReservedConcurrency": "1"}).properties("HealthcheckFunction")["ReservedConcurrentExecutions"]; got != nil {
		t.Errorf("%v are reserved", got)
	}
}

// TestAHealthcheckHasItsTime: a hundred endpoints that hang, with the longest time-out. Each is told as such before Lambda would end the run.
func TestAHealthcheckHasItsTime(t *testing.T) {
	s := deploy(t, map[string]string{"TokenTimeoutSeconds": text(at(readTemplate(t).parameters()["TokenTimeoutSeconds"], "MaxValue"))})
	function := s.properties("HealthcheckFunction")
	most, err := time.ParseDuration(text(at(function, "Environment", "Variables", "TOKEN_TIMEOUT")))
	must(t, err)
	limit := time.Duration(s.number(function["Timeout"])) * time.Second
	inBubble(t, "a hundred", func(t *testing.T) {
		in := install(t, 5*time.Minute)
		in.Settings.TokenTimeout = most
		const endpoints = 100
		in.twelve(endpoints, endpoints, 24*time.Hour)
		in.sweep()
		for i := range endpoints {
			in.Provider(fmt.Sprintf("p%d", i+1)).Inject(oauthtest.Hang().Always())
		}
		begun := in.Now()
		found := in.check(`{}`)
		if took := in.Now().Sub(begun); took > limit-20*time.Second {
			t.Errorf("it took %v of %v", took, limit)
		}
		for _, e := range found.Endpoints {
			if e.Status != probe.Unhealthy {
				t.Errorf("%s is %s", e.Host, e.Status)
			}
		}
		if len(found.Endpoints) != endpoints {
			t.Errorf("%d endpoints", len(found.Endpoints))
		}
	})
}

// TestTheStatusUrlIsOffAndAsksIAM: without the parameter there is no URL, and with it nobody is let in but by IAM.
func TestTheStatusUrlIsOffAndAsksIAM(t *testing.T) {
	s := deploy(t, nil)
	if ids := s.ofType("AWS::Lambda::Url"); len(ids) != 0 || s.outputs["StatusUrl"] != nil {
		t.Errorf("by default there is %v, and the output %v", ids, s.outputs["StatusUrl"])
	}
	s = deploy(t, map[string]string{"StatusUrl": "on"})
	ids := s.ofType("AWS::Lambda::Url")
	if len(ids) != 1 {
		t.Fatalf("with it there is %v", ids)
	}
	want := map[string]any{"AuthType": "AWS_IAM", "TargetFunctionArn": s.attribute("HealthcheckFunction", "Arn")}
	if got := s.properties(ids[0]); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := s.output("StatusUrl"); got != s.attribute(ids[0], "FunctionUrl") {
		t.Errorf("the output is %q", got)
	}
	for _, id := range s.ofType("AWS::Lambda::Permission") {
		if s.properties(id)["FunctionName"] != s.attribute("RotatorFunction", "Arn") {
			t.Errorf("%s lets somebody in: %v", id, s.properties(id))
		}
	}
	for _, id := range s.ofType("AWS::Serverless::Function") {
		if s.properties(id)["FunctionUrlConfig"] != nil {
			t.Errorf("%s has a URL of its own", id)
		}
	}
}

// TestAllFunctionsAreToldTheSame: a variable that two functions have means the same in both.
func TestAllFunctionsAreToldTheSame(t *testing.T) {
	s := deploy(t, map[string]string{
		"Prefix": "prod/oauth", "KmsKeyArn": keyArn, "SchedulePeriodMinutes": "10", "MaxWritesPerSecond": "7", "TokenTimeoutSeconds": "23",
		"LogLevel": "WARN", "MemorySizeMB": "512", "LogRetentionDays": "30", "MetricsByProvider": "true", "LatencyThresholdMs": "777",
	})
	refresher, health := s.properties("RefresherFunction"), s.properties("HealthcheckFunction")
	told := mapping(at(health, "Environment", "Variables"))
	for name, value := range told {
		if name == "LATENCY_THRESHOLD" {
			if value != "777ms" {
				t.Errorf("slow is %v", value)
			}
			continue
		}
		if want := at(refresher, "Environment", "Variables", name); want != value {
			t.Errorf("%s is %v for the healthcheck and %v for the refresher", name, value, want)
		}
	}
	if len(told) < 11 {
		t.Errorf("the healthcheck is told %v", told)
	}
	for _, property := range []string{"MemorySize", "Runtime", "Handler"} {
		if refresher[property] != health[property] {
			t.Errorf("%s: %v and %v", property, refresher[property], health[property])
		}
	}
	if got := s.properties("HealthcheckLogGroup")["RetentionInDays"]; text(got) != "30" {
		t.Errorf("its lines are kept for %v days", got)
	}
	if a := s.alarm("AuthSlow"); a.threshold != 777 {
		t.Errorf("AuthSlow has the threshold %g", a.threshold)
	}
}

// TestTheBuiltHealthcheckStartsWithTheTemplatesEnvironment and says that an installation without connections is well.
func TestTheBuiltHealthcheckStartsWithTheTemplatesEnvironment(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a function: left to make test")
	}
	t.Parallel()
	bootstrap, err := lambdatest.Build(t.Context(), root+"/functions/healthcheck", t.TempDir())
	must(t, err)
	stores, err := new(awstest.World).Listen("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, stores.Close()) })
	for name, values := range map[string]map[string]string{
		"with every default": nil,
		"with everything set": {
			"Prefix": "prod/oauth", "KmsKeyArn": keyArn, "TokenTimeoutSeconds": "60", "SchedulePeriodMinutes": "15", "LogLevel": "ERROR", "LatencyThresholdMs": "60000",
			"MetricsByProvider": "true", "StatusUrl": "on",
		},
		"with the least": {"TokenTimeoutSeconds": "1", "SchedulePeriodMinutes": "1", "LatencyThresholdMs": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := deploy(t, values)
			env := map[string]string{}
			for variable, value := range mapping(at(s.properties("HealthcheckFunction"), "Environment", "Variables")) {
				env[variable] = text(value)
			}
			for _, variable := range []string{"AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL_SECRETS_MANAGER"} {
				if value, declared := env[variable]; !declared || value != "" {
					t.Errorf("%s is %q, declared %v: sam local overrides only what is declared, and AWS wants none", variable, value, declared)
				}
				env[variable] = stores.URL
			}
			env["AWS_REGION"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = awstest.Region, "test", "test"
			f, err := lambdatest.Start(t.Context(), lambdatest.Config{Bootstrap: bootstrap, Env: env, Name: text(s.properties("HealthcheckFunction")["FunctionName"])})
			must(t, err)
			t.Cleanup(f.Close)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			result, err := f.Invoke(ctx, []byte(text(at(s.properties("HealthcheckFunction"), "Events", "Check", "Properties", "Input"))))
			must(t, err)
			var found probe.Report
			must(t, json.Unmarshal(result.Payload, &found))
			if found.Status != probe.Healthy {
				t.Errorf("it answered %s", result.Payload)
			}
		})
	}
}

// TestTheCommandOfCheckHealth names what this stack has, and the healthcheck understands it.
func TestTheCommandOfCheckHealth(t *testing.T) {
	s := deploy(t, nil)
	if got := s.output("HealthcheckName"); got != stackName+"-healthcheck" {
		t.Errorf("HealthcheckName is %q", got)
	}
	command := s.output("CheckHealth")
	for _, want := range []string{"aws lambda invoke ", "--function-name " + stackName + "-healthcheck ", "--region " + awstest.Region + " ", " out.json && cat out.json"} {
		if !strings.Contains(command, want) || strings.Contains(command, "\n") {
			t.Errorf("it has no %q: %s", want, command)
		}
	}
	payload := regexp.MustCompile(`--payload '([^']*)'`).FindStringSubmatch(command)
	if payload == nil {
		t.Fatalf("no payload in %s", command)
	}
	if call, err := probe.ParseCall([]byte(payload[1])); err != nil || call.Connections != nil || call.Probe != "" {
		t.Errorf("%s is read as %+v, %v", payload[1], call, err)
	}
}

// TestGoStaysBelowTheMemoryOfTheFunction: a malformed GOMEMLIMIT ends the start of a Go program.
func TestGoStaysBelowTheMemoryOfTheFunction(t *testing.T) {
	for _, megabytes := range []string{"128", "256", "3008"} {
		s := deploy(t, map[string]string{"MemorySizeMB": megabytes})
		for _, id := range s.ofType("AWS::Serverless::Function") {
			variables := mapping(at(s.properties(id), "Environment", "Variables"))
			limit, unit := strings.CutSuffix(text(variables["GOMEMLIMIT"]), "B")
			bytes, err := strconv.ParseFloat(limit, 64)
			memory, _ := strconv.ParseFloat(megabytes, 64)
			if share := bytes / (memory * (1 << 20)); !unit || err != nil || share < 0.9 || share > 0.96 {
				t.Errorf("%s with %s MB: GOMEMLIMIT is %v, %.2f of it", id, megabytes, variables["GOMEMLIMIT"], share)
			}
			if variables["GOGC"] != "400" || variables["GOMAXPROCS"] != "1" {
				t.Errorf("%s: GOGC is %v, GOMAXPROCS %v", id, variables["GOGC"], variables["GOMAXPROCS"])
			}
		}
	}
}
