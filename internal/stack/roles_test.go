package stack_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/scenario"
)

// The stores' own words for an operation, as IAM writes them.
var inSecretsManager = []awstest.Op{
	awstest.ListSecrets, awstest.DescribeSecret, awstest.GetSecretValue, awstest.BatchGetSecretValue, awstest.PutSecretValue,
	awstest.CreateSecret, awstest.UpdateSecretVersionStage, awstest.DeleteSecret, awstest.RestoreSecret, awstest.TagResource,
	awstest.UntagResource, awstest.RotateSecret,
}

// takesNoResource are the operations for which IAM knows no resource, so that a policy must say "*".
var takesNoResource = []string{"secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue", "ssm:DescribeParameters"}

func action(op awstest.Op) string {
	if slices.Contains(inSecretsManager, op) {
		return "secretsmanager:" + string(op)
	}
	return "ssm:" + string(op)
}

func parameterArn(name string) string {
	return "arn:aws:ssm:" + awstest.Region + ":" + awstest.Account + ":parameter" + name
}

// secretArn is the ARN of a secret: AWS adds six characters to the name of one that exists.
func secretArn(name string) string {
	return "arn:aws:secretsmanager:" + awstest.Region + ":" + awstest.Account + ":secret:" + name
}

// requests are what IAM is asked for one call.
func requests(c awstest.Call) []request {
	var asked []request
	if slices.Contains(takesNoResource, action(c.Op)) {
		asked = append(asked, request{action: action(c.Op), resource: "*"})
	}
	for _, name := range c.Names {
		switch {
		case c.Op == awstest.BatchGetSecretValue: // each value in the batch is a read of its own
			asked = append(asked, request{action: "secretsmanager:GetSecretValue", resource: secretArn(name + "-a1B2c3")})
		case slices.Contains(inSecretsManager, c.Op):
			asked = append(asked, request{action: action(c.Op), resource: secretArn(name + "-a1B2c3")})
		case c.Op != awstest.DescribeParameters:
			asked = append(asked, request{action: action(c.Op), resource: parameterArn(name)})
		}
	}
	return asked
}

// everything plays what makes the refresher use each operation on each kind of parameter, and returns the calls that reached AWS.
func everything(t *testing.T) []awstest.Call {
	t.Helper()
	var calls []awstest.Call
	synctest.Test(t, func(t *testing.T) {
		w, err := scenario.New(t.Name())
		must(t, err)
		run := func(event string) {
			t.Helper()
			in := w.Run(t.Context(), event)
			must(t, in.Err)
			if len(in.Broken) > 0 {
				t.Errorf("%s: %v", event, in.Broken)
			}
		}
		must(t, w.Connect("hotmart/loja-a", "hotmart", "shop", ""))
		must(t, w.Connect("kiwify/main", "kiwify", "main", "")) // publishes its account beside the token
		run(`{}`)
		run(`{"dry_run":true}`)
		run(`{"connections":["hotmart/loja-a"],"force":true}`)
		run(`{"connections":["hotmart/nobody"]}`)

		// A pair that the provider refuses: the failure record comes, the standby serves, and when AWSCURRENT is good again, it goes.
		pair := `{"client_id":"` + w.ClientID("main") + `","client_secret":"` + w.ClientSecret("main") + `"}`
		must(t, w.PutSecret("kiwify/main", "BACKUP", pair))
		must(t, w.PutSecret("kiwify/main", "", `{"provider":"kiwify","client_id":"wrong","client_secret":"of another panel"}`))
		for range 300 { // over the renewal of the token
			w.Advance(5 * time.Minute)
			run(`{}`)
		}
		if in := w.Run(t.Context(), `{}`); in.Result.Health.FallbackActive != 1 {
			t.Errorf("the standby does not serve: %+v", in.Result)
		}
		must(t, w.PutSecret("kiwify/main", "", `{"provider":"kiwify",`+strings.TrimPrefix(pair, "{")))
		run(`{}`)

		// A connection that fails and then goes, with its account.
		must(t, w.PutSecret("kiwify/main", "", `{"provider":"unheard-of"}`))
		run(`{}`)
		must(t, w.AWS.DropSecret("oauth/kiwify/main"))
		w.Advance(30 * 24 * time.Hour)
		run(`{}`)
		for _, name := range w.AWS.ParameterNames() {
			if strings.HasPrefix(name, "/oauth/kiwify/main/") {
				t.Errorf("%s is still there", name)
			}
		}
		calls = w.AWS.Calls()
	})
	return calls
}

// beside are what the role needs for Lambda and KMS, which no call of the refresher shows. TestTheRoleBesideTheStores asks about each.
var beside = map[string]string{
	"logs:CreateLogStream": "Lambda makes a stream for each instance of the function",
	"logs:PutLogEvents":    "Lambda writes what the function prints",
	"sqs:SendMessage":      "Lambda reports a run that failed with the function's own role",
	"kms:Encrypt":          "SSM encrypts a standard parameter with the caller's rights",
	"kms:GenerateDataKey":  "SSM encrypts an advanced parameter with a data key, with the caller's rights",
	"kms:Decrypt":          "Secrets Manager decrypts a secret under one's own key with the caller's rights",
}

func TestTheRefreshersRoleAllowsWhatItCallsAndNothingElse(t *testing.T) {
	calls := everything(t)
	for name, s := range variants(t) {
		t.Run(name, func(t *testing.T) {
			role := s.functionRole("RefresherFunction")
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
						if _, known := beside[a]; !known && !used[grant{st.sid, a, r}] {
							t.Errorf("the role allows %s on %s (%s), and it was never called", a, r, st.sid)
						}
					}
				}
			}
			if len(used) < 12 {
				t.Errorf("only %d parts of the role were used: %v", len(used), slices.Collect(maps.Keys(used)))
			}
		})
	}
}

func TestTheRefreshersRoleRefuses(t *testing.T) {
	const account2 = "210987654321"
	elsewhere := func(arn string) string { return strings.Replace(arn, awstest.Account, account2, 1) }
	token, secret := parameterArn("/oauth/hotmart/loja-a/access_token"), secretArn("oauth/hotmart/loja-a-a1B2c3")
	for name, r := range map[string]request{
		"writing a secret":                         {action: "secretsmanager:PutSecretValue", resource: secret},
		"moving a secret's label":                  {action: "secretsmanager:UpdateSecretVersionStage", resource: secret},
		"deleting a secret":                        {action: "secretsmanager:DeleteSecret", resource: secret},
		"reading a secret of another prefix":       {action: "secretsmanager:GetSecretValue", resource: secretArn("database/main-a1B2c3")},
		"reading a secret whose prefix begins so":  {action: "secretsmanager:GetSecretValue", resource: secretArn("oauth2/hotmart/loja-a-a1B2c3")},
		"reading a secret named as the prefix":     {action: "secretsmanager:GetSecretValue", resource: secretArn("oauth-a1B2c3")},
		"reading a secret of another account":      {action: "secretsmanager:GetSecretValue", resource: elsewhere(secret)},
		"describing a secret of another prefix":    {action: "secretsmanager:DescribeSecret", resource: secretArn("database/main-a1B2c3")},
		"writing under another prefix":             {action: "ssm:PutParameter", resource: parameterArn("/oauth2/hotmart/loja-a/access_token")},
		"writing another kind of parameter":        {action: "ssm:PutParameter", resource: parameterArn("/oauth/hotmart/loja-a/password")},
		"writing in another account":               {action: "ssm:PutParameter", resource: elsewhere(token)},
		"deleting under another prefix":            {action: "ssm:DeleteParameters", resource: parameterArn("/shop/hotmart/access_token")},
		"deleting one at a time":                   {action: "ssm:DeleteParameter", resource: token},
		"reading a whole path":                     {action: "ssm:GetParametersByPath", resource: parameterArn("/oauth/")},
		"reading a token's history":                {action: "ssm:GetParameterHistory", resource: token},
		"reading one token":                        {action: "ssm:GetParameter", resource: token},
		"labelling a version":                      {action: "ssm:LabelParameterVersion", resource: token},
		"tagging":                                  {action: "ssm:AddTagsToResource", resource: token},
		"making log groups":                        {action: "logs:CreateLogGroup", resource: "arn:aws:logs:" + awstest.Region + ":" + awstest.Account + ":log-group:any:*"},
		"publishing to the topic":                  {action: "sns:Publish", resource: "arn:aws:sns:" + awstest.Region + ":" + awstest.Account + ":" + stackName + "-AlarmTopic"},
		"starting a function":                      {action: "lambda:InvokeFunction", resource: "arn:aws:lambda:" + awstest.Region + ":" + awstest.Account + ":function:" + stackName + "-refresher"},
		"reading the queue":                        {action: "sqs:ReceiveMessage", resource: "arn:aws:sqs:" + awstest.Region + ":" + awstest.Account + ":" + stackName + "-DeadLetterQueue"},
		"becoming another role":                    {action: "sts:AssumeRole", resource: "arn:aws:iam::" + awstest.Account + ":role/admin"},
		"anything of KMS without a service before": {action: "kms:Encrypt", resource: keyArn},
	} {
		t.Run(name, func(t *testing.T) {
			for variant, s := range variants(t) {
				if by, ok := s.functionRole("RefresherFunction").allows(t, r); ok {
					t.Errorf("%s: allowed by %+v", variant, by)
				}
			}
		})
	}
}

func TestTheRoleBesideTheStores(t *testing.T) {
	ssm, secrets := "ssm."+awstest.Region+".amazonaws.com", "secretsmanager."+awstest.Region+".amazonaws.com"
	key := func(action, via, contextKey, context string) request {
		return request{action, keyArn, map[string]string{"kms:ViaService": via, "kms:EncryptionContext:" + contextKey: context}}
	}
	token, secret := parameterArn("/oauth/hotmart/loja-a/access_token"), secretArn("oauth/hotmart/loja-a-a1B2c3")
	group := "arn:aws:logs:" + awstest.Region + ":" + awstest.Account + ":log-group:/aws/lambda/" + stackName + "-refresher"
	queue := "arn:aws:sqs:" + awstest.Region + ":" + awstest.Account + ":" + stackName + "-DeadLetterQueue"
	const always, own, never = "always", "with a key of one's own", "never"
	asked := map[string]bool{}
	for name, c := range map[string]struct {
		request request
		allowed string
	}{
		"a stream of its own log group":             {request{action: "logs:CreateLogStream", resource: group + ":log-stream:2026/01/01/[$LATEST]abc"}, always},
		"lines in its own log group":                {request{action: "logs:PutLogEvents", resource: group + ":log-stream:2026/01/01/[$LATEST]abc"}, always},
		"lines in another log group":                {request{action: "logs:PutLogEvents", resource: group + "s:log-stream:x"}, never},
		"a failed run in the queue":                 {request{action: "sqs:SendMessage", resource: queue}, always},
		"a message in another queue":                {request{action: "sqs:SendMessage", resource: queue + "2"}, never},
		"a standard token is encrypted":             {key("kms:Encrypt", ssm, "PARAMETER_ARN", token), own},
		"an advanced token is encrypted":            {key("kms:GenerateDataKey", ssm, "PARAMETER_ARN", token), own},
		"a token is decrypted":                      {key("kms:Decrypt", ssm, "PARAMETER_ARN", token), never},
		"another parameter is encrypted":            {key("kms:Encrypt", ssm, "PARAMETER_ARN", parameterArn("/oauth/x/password")), never},
		"a secret is decrypted":                     {key("kms:Decrypt", secrets, "SecretARN", secret), own},
		"a secret of another prefix is decrypted":   {key("kms:Decrypt", secrets, "SecretARN", secretArn("database/main-a1B2c3")), never},
		"a secret is encrypted":                     {key("kms:GenerateDataKey", secrets, "SecretARN", secret), never},
		"a token is encrypted by another service":   {key("kms:Encrypt", "s3."+awstest.Region+".amazonaws.com", "PARAMETER_ARN", token), never},
		"a token is encrypted with another key":     {request{"kms:Encrypt", keyArn + "0", key("", ssm, "PARAMETER_ARN", token).keys}, never},
		"a token is encrypted without a context":    {request{"kms:Encrypt", keyArn, map[string]string{"kms:ViaService": ssm}}, never},
		"a secret is decrypted through SSM instead": {key("kms:Decrypt", ssm, "SecretARN", secret), never},
	} {
		asked[c.request.action] = true
		t.Run(name, func(t *testing.T) {
			for variant, s := range variants(t) {
				want := c.allowed == always || c.allowed == variant
				if by, got := s.functionRole("RefresherFunction").allows(t, c.request); got != want {
					t.Errorf("%s: allowed %v by %+v, want %v", variant, got, by, want)
				}
			}
		})
	}
	for a, why := range beside {
		if !asked[a] {
			t.Errorf("nothing asks about %s (%s)", a, why)
		}
	}
}

// TestNothingIsAllowedOnEverything looks at every policy of the stack, whatever it belongs to.
func TestNothingIsAllowedOnEverything(t *testing.T) {
	for variant, s := range variants(t) {
		t.Run(variant, func(t *testing.T) {
			policies := map[string]policy{}
			for _, id := range s.ofType("AWS::IAM::Role") {
				policies[id] = s.roleOf(id)
			}
			for _, id := range s.ofType("AWS::IAM::ManagedPolicy") {
				policies[id] = policyOf(s.properties(id)["PolicyDocument"])
			}
			if len(policies) < 3 {
				t.Fatalf("found %d policies", len(policies))
			}
			for id, p := range policies {
				for _, st := range p {
					for _, a := range st.actions {
						if strings.ContainsAny(a, "*?") {
							t.Errorf("%s, %s: %s names more than one action", id, st.sid, a)
						}
						if slices.Contains(st.resources, "*") && !slices.Contains(takesNoResource, a) {
							t.Errorf("%s, %s: %s on everything", id, st.sid, a)
						}
					}
					for _, r := range st.resources {
						if parts := strings.SplitN(r, ":", 6); r != "*" && (len(parts) < 6 || strings.ContainsAny(strings.Join(parts[:5], ":"), "*?")) {
							t.Errorf("%s, %s: %s leaves the service, region or account open", id, st.sid, r)
						}
					}
				}
			}
		})
	}
}

func TestAReaderReadsTokensOnly(t *testing.T) {
	ssm := "ssm." + awstest.Region + ".amazonaws.com"
	token := parameterArn("/oauth/hotmart/loja-a/access_token")
	decrypt := func(via, parameter string) request {
		return request{"kms:Decrypt", keyArn, map[string]string{"kms:ViaService": via, "kms:EncryptionContext:PARAMETER_ARN": parameter}}
	}
	const always, own, never = "always", "with a key of one's own", "never"
	for name, c := range map[string]struct {
		request request
		allowed string
	}{
		"a token":                              {request{action: "ssm:GetParameter", resource: token}, always},
		"several tokens":                       {request{action: "ssm:GetParameters", resource: token}, always},
		"a token of a tenant":                  {request{action: "ssm:GetParameter", resource: parameterArn("/oauth/tenant-42/kiwify/main/access_token")}, always},
		"an account id":                        {request{action: "ssm:GetParameter", resource: parameterArn("/oauth/kiwify/main/account_id")}, always},
		"writing a token":                      {request{action: "ssm:PutParameter", resource: token}, never},
		"deleting a token":                     {request{action: "ssm:DeleteParameter", resource: token}, never},
		"writing a failure record":             {request{action: "ssm:PutParameter", resource: parameterArn("/oauth/kiwify/main/refresh_failure")}, never},
		"a parameter beside the token":         {request{action: "ssm:GetParameter", resource: parameterArn("/oauth/kiwify/main/password")}, never},
		"a prefix that begins so":              {request{action: "ssm:GetParameter", resource: parameterArn("/oauth2/hotmart/loja-a/access_token")}, never},
		"another prefix":                       {request{action: "ssm:GetParameter", resource: parameterArn("/shop/oauth/hotmart/loja-a/access_token")}, never},
		"another account":                      {request{action: "ssm:GetParameter", resource: strings.Replace(token, awstest.Account, "210987654321", 1)}, never},
		"a whole path":                         {request{action: "ssm:GetParametersByPath", resource: parameterArn("/oauth")}, never},
		"the history":                          {request{action: "ssm:GetParameterHistory", resource: token}, never},
		"the secret":                           {request{action: "secretsmanager:GetSecretValue", resource: secretArn("oauth/hotmart/loja-a-a1B2c3")}, never},
		"decrypting a token":                   {decrypt(ssm, token), own},
		"decrypting another parameter":         {decrypt(ssm, parameterArn("/oauth/kiwify/main/password")), never},
		"decrypting without SSM":               {decrypt("secretsmanager."+awstest.Region+".amazonaws.com", token), never},
		"decrypting with a key of another one": {request{"kms:Decrypt", keyArn + "0", decrypt(ssm, token).keys}, never},
	} {
		t.Run(name, func(t *testing.T) {
			for variant, s := range variants(t) {
				want := c.allowed == always || c.allowed == variant
				if by, got := s.managedPolicy("ReadTokensPolicyArn").allows(t, c.request); got != want {
					t.Errorf("%s: allowed %v by %+v, want %v", variant, got, by, want)
				}
			}
		})
	}
}

// managedPolicy is the managed policy that an output names.
func (s *stack) managedPolicy(output string) policy {
	s.t.Helper()
	for _, id := range s.ofType("AWS::IAM::ManagedPolicy") {
		if text(s.ref(id)) == s.output(output) {
			return policyOf(s.properties(id)["PolicyDocument"])
		}
	}
	s.t.Fatalf("the output %s is %q, which is no managed policy of the stack", output, s.output(output))
	return nil
}

// TestWhoMayTakeARole: each role trusts one service, and the scheduler only for this account.
func TestWhoMayTakeARole(t *testing.T) {
	s := deploy(t, nil)
	want := map[string]string{"RefresherRole": "lambda.amazonaws.com", "RotatorRole": "lambda.amazonaws.com", "HealthcheckRole": "lambda.amazonaws.com", "ScheduleRole": "scheduler.amazonaws.com"}
	ids := s.ofType("AWS::IAM::Role")
	if !slices.Equal(ids, slices.Sorted(maps.Keys(want))) {
		t.Errorf("roles %v, expected %v: say here whom a new one trusts", ids, slices.Sorted(maps.Keys(want)))
	}
	for _, id := range ids {
		statements := list(at(s.properties(id), "AssumeRolePolicyDocument", "Statement"))
		if len(statements) != 1 {
			t.Fatalf("%s has %d statements of trust", id, len(statements))
		}
		if got := at(statements[0], "Principal", "Service"); got != want[id] {
			t.Errorf("%s trusts %v", id, got)
		}
		if source := at(statements[0], "Condition", "StringEquals", "aws:SourceAccount"); id == "ScheduleRole" && source != awstest.Account {
			t.Errorf("%s trusts schedules of any account: %v", id, statements[0])
		}
		if s.properties(id)["RoleName"] != nil {
			t.Errorf("%s has a name of its own: the deploy would need CAPABILITY_NAMED_IAM", id)
		}
	}
}

// TestTheSchedulesRoleStartsWhatHasASchedule, and nothing else: not the rotator, which Secrets Manager invokes.
func TestTheSchedulesRoleStartsWhatHasASchedule(t *testing.T) {
	s := deploy(t, nil)
	role := s.roleOf("ScheduleRole")
	function, queue := s.attribute("RefresherFunction", "Arn"), s.attribute("DeadLetterQueue", "Arn")
	for name, c := range map[string]struct {
		request request
		want    bool
	}{
		"the refresher":       {request{action: "lambda:InvokeFunction", resource: function}, true},
		"the healthcheck":     {request{action: "lambda:InvokeFunction", resource: s.attribute("HealthcheckFunction", "Arn")}, true},
		"the rotator":         {request{action: "lambda:InvokeFunction", resource: s.attribute("RotatorFunction", "Arn")}, false},
		"its queue":           {request{action: "sqs:SendMessage", resource: queue}, true},
		"another function":    {request{action: "lambda:InvokeFunction", resource: function + "2"}, false},
		"another queue":       {request{action: "sqs:SendMessage", resource: queue + "2"}, false},
		"changing a function": {request{action: "lambda:UpdateFunctionCode", resource: function}, false},
	} {
		if _, got := role.allows(t, c.request); got != c.want {
			t.Errorf("%s: allowed %v, want %v", name, got, c.want)
		}
	}
}
