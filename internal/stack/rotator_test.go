package stack_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/lambdatest"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

// TestSecretsManagerMayInvokeTheRotator for every secret of this account, and for none of another.
func TestSecretsManagerMayInvokeTheRotator(t *testing.T) {
	s := deploy(t, nil)
	ids := s.ofType("AWS::Lambda::Permission")
	if len(ids) != 1 {
		t.Fatalf("permissions %v", ids)
	}
	want := map[string]any{
		"Action": "lambda:InvokeFunction", "FunctionName": s.attribute("RotatorFunction", "Arn"), "Principal": "secretsmanager.amazonaws.com",
		"SourceAccount": awstest.Account, // without it a secret of any account could be rotated here; with SourceArn only one of ours
	}
	if got := s.properties(ids[0]); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := s.output("RotatorArn"); got != s.attribute("RotatorFunction", "Arn") {
		t.Errorf("RotatorArn is %s", got)
	}
}

// TestNoClockStartsARotation: without a staged pair it fails (contract.md section 6).
func TestNoClockStartsARotation(t *testing.T) {
	s := deploy(t, map[string]string{"AlarmEmail": "you@example.com", "KmsKeyArn": keyArn})
	if ids := s.ofType("AWS::SecretsManager::RotationSchedule"); len(ids) != 0 {
		t.Errorf("%v", ids)
	}
	if events := s.properties("RotatorFunction")["Events"]; events != nil {
		t.Errorf("the rotator is started by %v", events)
	}
}

// TestTheRotatorIsInvokedOnce: Lambda never repeats a step by itself, and no reservation lets one rotation throttle another.
func TestTheRotatorIsInvokedOnce(t *testing.T) {
	function := deploy(t, map[string]string{"ReservedConcurrency": "1"}).properties("RotatorFunction")
	if got := mapping(function["EventInvokeConfig"]); got["MaximumRetryAttempts"] != 0 || got["MaximumEventAgeInSeconds"] != 60 {
		t.Errorf("EventInvokeConfig is %v", got)
	}
	if got := function["ReservedConcurrentExecutions"]; got != nil {
		t.Errorf("%v are reserved", got)
	}
}

// TestBothFunctionsPublishByTheSameRules: what the rotator publishes the refresher renews, so what they are both told is the same.
func TestBothFunctionsPublishByTheSameRules(t *testing.T) {
	s := deploy(t, map[string]string{
		"Prefix": "prod/oauth", "KmsKeyArn": keyArn, "SchedulePeriodMinutes": "10", "MaxWritesPerSecond": "7", "TokenTimeoutSeconds": "23",
		"LogLevel": "WARN", "MemorySizeMB": "512", "LogRetentionDays": "30",
	})
	refresher, rotator := s.properties("RefresherFunction"), s.properties("RotatorFunction")
	told := mapping(at(refresher, "Environment", "Variables"))
	shared := mapping(at(rotator, "Environment", "Variables"))
	for name, value := range shared {
		if told[name] != value {
			t.Errorf("%s is %v for the rotator and %v for the refresher", name, value, told[name])
		}
	}
	if len(shared) < 11 {
		t.Errorf("the rotator is told %v", shared)
	}
	for _, property := range []string{"MemorySize", "Runtime", "Handler"} {
		if refresher[property] != rotator[property] {
			t.Errorf("%s: %v and %v", property, refresher[property], rotator[property])
		}
	}
	if at(rotator, "LoggingConfig", "ApplicationLogLevel") != "DEBUG" {
		t.Error("Lambda drops metrics, which are of level INFO")
	}
	if got := s.properties("RotatorLogGroup")["RetentionInDays"]; text(got) != "30" {
		t.Errorf("the rotator's lines are kept for %v days", got)
	}
}

// TestAStepHasItsTime: a provider that answers none of the tries of a step, with the longest waits in between, is told as such before Lambda
// would cut the step off, and before the rotator's own deadline.
func TestAStepHasItsTime(t *testing.T) {
	most := text(at(readTemplate(t).parameters()["TokenTimeoutSeconds"], "MaxValue"))
	for name, c := range map[string]struct {
		tokenTime string
		fault     oauthtest.Fault
		code      rotate.Code // of the only try
		asked     int
	}{
		"it hangs, with the default":            {"10", oauthtest.Hang(), rotate.CodeProviderUnavailable, 3},
		"it hangs, with the longest time-out":   {most, oauthtest.Hang(), rotate.CodeProviderUnavailable, 3},
		"it wants patience, with the longest":   {most, oauthtest.TooMany(20 * time.Second), rotate.CodeProviderUnavailable, 3},
		"it answers at the last moment, always": {most, oauthtest.Latency(59 * time.Second), "", 2},
	} {
		inBubble(t, name, func(t *testing.T) {
			s := deploy(t, map[string]string{"TokenTimeoutSeconds": c.tokenTime})
			r := newRotations(t, s, rotatesGeneric)
			r.client("new")
			r.stage("new")
			r.provider.InjectFor("client-new", c.fault.Always())
			r.driver.Tries = 1
			begun := r.now()
			r.run(c.code)
			if asked := r.provider.Stats("client-new").TokenCalls; asked != c.asked {
				t.Errorf("the provider was asked %d times, want %d", asked, c.asked)
			}
			if took := r.now().Sub(begun); took > s.rotatorTime()-10*time.Second {
				t.Errorf("it took %v of %v", took, s.rotatorTime())
			}
		})
	}
}

// TestTheBuiltRotatorStartsWithTheTemplatesEnvironment, and its metrics are those of the alarm.
func TestTheBuiltRotatorStartsWithTheTemplatesEnvironment(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a function: left to make test")
	}
	t.Parallel()
	bootstrap, err := lambdatest.Build(t.Context(), root+"/functions/rotator", t.TempDir())
	must(t, err)
	stores, err := new(awstest.World).Listen("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, stores.Close()) })
	for name, values := range map[string]map[string]string{
		"with every default": nil,
		"with everything set": {
			"Prefix": "prod/oauth", "KmsKeyArn": keyArn, "MaxWritesPerSecond": "0.1", "TokenTimeoutSeconds": "60", "SchedulePeriodMinutes": "15", "LogLevel": "ERROR",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := deploy(t, values)
			env := map[string]string{"AWS_REGION": awstest.Region, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
			for variable, value := range mapping(at(s.properties("RotatorFunction"), "Environment", "Variables")) {
				env[variable] = text(value)
			}
			for _, variable := range []string{"AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL_SECRETS_MANAGER"} {
				if value, declared := env[variable]; !declared || value != "" {
					t.Errorf("%s is %q, declared %v: sam local overrides only what is declared, and AWS wants none", variable, value, declared)
				}
				env[variable] = stores.URL
			}
			f, err := lambdatest.Start(t.Context(), lambdatest.Config{
				Bootstrap: bootstrap, Env: env, Name: text(s.properties("RotatorFunction")["FunctionName"]), Timeout: s.rotatorTime(),
			})
			must(t, err)
			t.Cleanup(f.Close)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			event, err := json.Marshal(map[string]string{
				"Step": "createSecret", "SecretId": env["SECRET_PREFIX"] + "hotmart/nobody", "ClientRequestToken": "3f2b6c1e-0d4a-4c7e-9a51-8d2e7b90c613",
			})
			must(t, err)
			_, err = f.Invoke(ctx, event)
			var failure *lambdatest.FunctionError
			if !errors.As(err, &failure) || !strings.HasPrefix(failure.Message, string(rotate.CodeSecretNotFound)) {
				t.Errorf("it answered %v", err)
			}
			written := parseEMF(t, jsonLines(f.Logs()))
			if data := written[s.alarm("RotationFailed").metric]; len(data) != 1 || data[0].value != 1 {
				t.Errorf("RotationFailed would not hear of this step: %v", written)
			}
		})
	}
}

// during plays rotations that make the rotator use each operation on each kind of resource: a success beside a failure that it ends, a refusal, a
// recovery, a rollback, and a test of AWSCURRENT. It returns the calls that reached AWS and the secret that they were about.
func during(t *testing.T, s *stack) (calls []awstest.Call, secret awstest.SecretState) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRotations(t, s, rotatesKiwify)
		_, err := r.aws.WriteParameter(r.parameter(refresh.KindFailure), awstest.ParameterWrite{Type: "String", Value: "x", Description: "{}"})
		must(t, err)
		r.aws.ResetCalls()
		r.succeeded("first")
		if _, there := r.aws.Parameter(r.parameter(refresh.KindFailure)); there || !r.published("first") {
			t.Error("the first rotation has not published, or not ended the failure")
		}
		r.refused()
		rotation := r.cutOff("second")
		rotation.Try(t.Context())
		if r.wantEnd(rotation.Err, ""); !r.published("second") {
			t.Error("the recovery has not published")
		}
		rotation = r.cutOff("third")
		r.provider.Remove("client-third")
		rotation.Try(t.Context())
		if r.wantEnd(rotation.Err, rotate.CodeRolledBack); !r.published("second") {
			t.Error("the rollback has not published")
		}
		tested, err := r.driver.Test(t.Context(), r.secret())
		must(t, err)
		r.wantEnd(tested.Err, "")
		calls = r.aws.Calls()
		secret, _ = r.aws.Secret(r.secret())
	})
	return calls, secret
}

// rotatorRequests are what IAM is asked for one call of the rotator, and for what AWS does with KMS on its behalf under a key of one's own.
func rotatorRequests(c awstest.Call, secret awstest.SecretState, ownKey bool) []request {
	asked := requests(c)
	for i := range asked {
		if strings.HasPrefix(asked[i].action, "secretsmanager:") {
			asked[i].resource = secret.ARN
			asked[i].keys = map[string]string{"secretsmanager:resource/AllowRotationLambdaArn": secret.RotationLambda}
		}
	}
	if !ownKey {
		return asked
	}
	kms := func(via, key, context string, actions ...string) {
		for _, a := range actions {
			asked = append(asked, request{a, keyArn, map[string]string{"kms:ViaService": via + "." + awstest.Region + ".amazonaws.com", "kms:EncryptionContext:" + key: context}})
		}
	}
	switch c.Op {
	case awstest.GetSecretValue:
		kms("secretsmanager", "SecretARN", secret.ARN, "kms:Decrypt")
	case awstest.PutSecretValue:
		kms("secretsmanager", "SecretARN", secret.ARN, "kms:Decrypt", "kms:GenerateDataKey")
	case awstest.PutParameter:
		if strings.HasSuffix(c.Names[0], "/access_token") { // by the tier: encrypted by KMS, or with a data key
			kms("ssm", "PARAMETER_ARN", parameterArn(c.Names[0]), "kms:Encrypt", "kms:GenerateDataKey")
		}
	}
	return asked
}

func TestTheRotatorsRoleAllowsWhatItCallsAndNothingElse(t *testing.T) {
	for name, s := range variants(t) {
		t.Run(name, func(t *testing.T) {
			s.t = t
			calls, secret := during(t, s)
			role := s.functionRole("RotatorFunction")
			used := map[grant]bool{}
			for _, c := range calls {
				for _, r := range rotatorRequests(c, secret, s.params["KmsKeyArn"] != "") {
					by, ok := role.allows(t, r)
					if !ok {
						t.Fatalf("it called %s on %s (%v), and the role does not allow it", r.action, r.resource, r.keys)
					}
					used[by] = true
				}
			}
			for _, st := range role {
				for _, a := range st.actions {
					for _, r := range st.resources {
						if !strings.HasPrefix(a, "logs:") && !used[grant{st.sid, a, r}] {
							t.Errorf("the role allows %s on %s (%s), and it was never called", a, r, st.sid)
						}
					}
				}
			}
			if len(used) < 11 {
				t.Errorf("only %d parts of the role were used: %v", len(used), slices.Collect(maps.Keys(used)))
			}
		})
	}
}

func TestTheRotatorsRoleRefuses(t *testing.T) {
	s := deploy(t, nil)
	own := map[string]string{"secretsmanager:resource/AllowRotationLambdaArn": s.attribute("RotatorFunction", "Arn")}
	other := map[string]string{"secretsmanager:resource/AllowRotationLambdaArn": s.attribute("RotatorFunction", "Arn") + "2"}
	alias := map[string]string{"secretsmanager:resource/AllowRotationLambdaArn": s.attribute("RotatorFunction", "Arn") + ":live"}
	secret, token := secretArn("oauth/hotmart/loja-a-a1B2c3"), parameterArn("/oauth/hotmart/loja-a/access_token")
	kms := func(action, via, key, context string) request {
		return request{action, keyArn, map[string]string{"kms:ViaService": via + "." + awstest.Region + ".amazonaws.com", "kms:EncryptionContext:" + key: context}}
	}
	refused := map[string]request{
		"a secret that names no function":             {action: "secretsmanager:PutSecretValue", resource: secret},
		"one that names another":                      {"secretsmanager:GetSecretValue", secret, other},
		"one that names an alias":                     {"secretsmanager:GetSecretValue", secret, alias},
		"describing one that names another":           {"secretsmanager:DescribeSecret", secret, other},
		"moving a label of one that names another":    {"secretsmanager:UpdateSecretVersionStage", secret, other},
		"a secret of another prefix":                  {"secretsmanager:GetSecretValue", secretArn("database/main-a1B2c3"), own},
		"a prefix that begins so":                     {"secretsmanager:GetSecretValue", secretArn("oauth2/hotmart/loja-a-a1B2c3"), own},
		"a secret of another account":                 {"secretsmanager:GetSecretValue", strings.Replace(secret, awstest.Account, "210987654321", 1), own},
		"starting a rotation":                         {"secretsmanager:RotateSecret", secret, own},
		"ending one":                                  {"secretsmanager:CancelRotateSecret", secret, own},
		"deleting a secret":                           {"secretsmanager:DeleteSecret", secret, own},
		"opening a secret to others":                  {"secretsmanager:PutResourcePolicy", secret, own},
		"changing a secret":                           {"secretsmanager:UpdateSecret", secret, own},
		"tagging":                                     {"secretsmanager:TagResource", secret, own},
		"listing":                                     {action: "secretsmanager:ListSecrets", resource: "*"},
		"reading many":                                {action: "secretsmanager:BatchGetSecretValue", resource: "*"},
		"making passwords":                            {action: "secretsmanager:GetRandomPassword", resource: "*"},
		"writing a failure record":                    {action: "ssm:PutParameter", resource: parameterArn("/oauth/hotmart/loja-a/refresh_failure")},
		"writing under another prefix":                {action: "ssm:PutParameter", resource: parameterArn("/oauth2/hotmart/loja-a/access_token")},
		"writing another kind of parameter":           {action: "ssm:PutParameter", resource: parameterArn("/oauth/hotmart/loja-a/password")},
		"deleting a token":                            {action: "ssm:DeleteParameters", resource: token},
		"deleting an account id":                      {action: "ssm:DeleteParameters", resource: parameterArn("/oauth/kiwify/main/account_id")},
		"reading a token's history":                   {action: "ssm:GetParameterHistory", resource: token},
		"invoking a function":                         {action: "lambda:InvokeFunction", resource: s.attribute("RefresherFunction", "Arn")},
		"becoming another role":                       {action: "sts:AssumeRole", resource: "arn:aws:iam::" + awstest.Account + ":role/admin"},
		"making log groups":                           {action: "logs:CreateLogGroup", resource: "arn:aws:logs:" + awstest.Region + ":" + awstest.Account + ":log-group:any:*"},
		"lines in the refresher's log group":          {action: "logs:PutLogEvents", resource: s.attribute("RefresherLogGroup", "Arn")},
		"decrypting a token":                          kms("kms:Decrypt", "ssm", "PARAMETER_ARN", token),
		"encrypting another parameter":                kms("kms:Encrypt", "ssm", "PARAMETER_ARN", parameterArn("/oauth/x/password")),
		"decrypting a secret of another prefix":       kms("kms:Decrypt", "secretsmanager", "SecretARN", secretArn("database/main-a1B2c3")),
		"encrypting a secret of another prefix":       kms("kms:GenerateDataKey", "secretsmanager", "SecretARN", secretArn("database/main-a1B2c3")),
		"encrypting a secret by KMS itself":           kms("kms:Encrypt", "secretsmanager", "SecretARN", secret),
		"decrypting a secret for another service":     kms("kms:Decrypt", "s3", "SecretARN", secret),
		"anything of KMS without a service before it": {action: "kms:Decrypt", resource: keyArn},
	}
	for name, r := range refused {
		t.Run(name, func(t *testing.T) {
			for variant, s := range variants(t) {
				if by, ok := s.functionRole("RotatorFunction").allows(t, r); ok {
					t.Errorf("%s: allowed by %+v", variant, by)
				}
			}
		})
	}
	group := "arn:aws:logs:" + awstest.Region + ":" + awstest.Account + ":log-group:/aws/lambda/" + stackName + "-rotator:log-stream:x"
	for name, r := range map[string]request{
		"the secret that names it":  {"secretsmanager:GetSecretValue", secret, own},
		"a stream of its log group": {action: "logs:CreateLogStream", resource: group},
		"lines in its log group":    {action: "logs:PutLogEvents", resource: group},
	} {
		if _, ok := s.functionRole("RotatorFunction").allows(t, r); !ok {
			t.Errorf("%s: refused", name)
		}
	}
}

// TestWhoRotatesReadsNothing: the managed policy of the person who stages pairs has what the documented commands need, and reads no pair.
func TestWhoRotatesReadsNothing(t *testing.T) {
	s := deploy(t, nil)
	function := s.attribute("RotatorFunction", "Arn")
	names := func(arn string) map[string]string { return map[string]string{"secretsmanager:RotationLambdaARN": arn} }
	secret, elsewhere := secretArn("oauth/hotmart/loja-a-a1B2c3"), secretArn("database/main-a1B2c3")
	kms := func(action, secret string) request {
		return request{action, keyArn, map[string]string{"kms:ViaService": "secretsmanager." + awstest.Region + ".amazonaws.com", "kms:EncryptionContext:SecretARN": secret}}
	}
	const always, own, never = "always", "with a key of one's own", "never"
	for name, c := range map[string]struct {
		request request
		allowed string
	}{
		"staging a pair":                          {request{action: "secretsmanager:PutSecretValue", resource: secret}, always},
		"the first rotation, which names it":      {request{"secretsmanager:RotateSecret", secret, names(function)}, always},
		"a later one, which names none":           {request{action: "secretsmanager:RotateSecret", resource: secret}, always},
		"invoking it, as RotateSecret asks for":   {request{action: "lambda:InvokeFunction", resource: function}, always},
		"looking at the labels":                   {request{action: "secretsmanager:DescribeSecret", resource: secret}, always},
		"taking a label off":                      {request{action: "secretsmanager:UpdateSecretVersionStage", resource: secret}, always},
		"ending the schedule of a secret":         {request{action: "secretsmanager:CancelRotateSecret", resource: secret}, always},
		"staging under a key":                     {kms("kms:GenerateDataKey", secret), own},
		"comparing under a key":                   {kms("kms:Decrypt", secret), own},
		"another prefix's secret under a key":     {kms("kms:Decrypt", elsewhere), never},
		"a rotation that names another function":  {request{"secretsmanager:RotateSecret", secret, names(function + "2")}, never},
		"a rotation that names an alias":          {request{"secretsmanager:RotateSecret", secret, names(function + ":live")}, never},
		"reading a pair":                          {request{action: "secretsmanager:GetSecretValue", resource: secret}, never},
		"staging elsewhere":                       {request{action: "secretsmanager:PutSecretValue", resource: elsewhere}, never},
		"rotating elsewhere":                      {request{"secretsmanager:RotateSecret", elsewhere, names(function)}, never},
		"deleting":                                {request{action: "secretsmanager:DeleteSecret", resource: secret}, never},
		"reading a token":                         {request{action: "ssm:GetParameter", resource: parameterArn("/oauth/hotmart/loja-a/access_token")}, never},
		"invoking the refresher":                  {request{action: "lambda:InvokeFunction", resource: s.attribute("RefresherFunction", "Arn")}, never},
		"letting the rotator do something else":   {request{action: "lambda:UpdateFunctionCode", resource: function}, never},
		"decrypting a token under a key":          {request{"kms:Decrypt", keyArn, map[string]string{"kms:ViaService": "ssm." + awstest.Region + ".amazonaws.com"}}, never},
		"anything of KMS outside Secrets Manager": {request{action: "kms:Decrypt", resource: keyArn}, never},
	} {
		t.Run(name, func(t *testing.T) {
			for variant, s := range variants(t) {
				want := c.allowed == always || c.allowed == variant
				if by, got := s.managedPolicy("RotateConnectionsPolicyArn").allows(t, c.request); got != want {
					t.Errorf("%s: allowed %v by %+v, want %v", variant, got, by, want)
				}
			}
		})
	}
}
