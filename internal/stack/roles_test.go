package stack_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/scenario"
	"github.com/chaveiro/chaveiro/pkg/oauth"
	"github.com/chaveiro/chaveiro/pkg/oauth/oauthtest"
)

var (
	// ofSecretsManager and ofDynamoDB are the operations of these services; the others are SSM's.
	ofSecretsManager = strings.Fields(`ListSecrets DescribeSecret GetSecretValue BatchGetSecretValue PutSecretValue CreateSecret
		UpdateSecretVersionStage DeleteSecret RestoreSecret TagResource UntagResource RotateSecret`)
	ofDynamoDB = strings.Fields(`Scan GetItem BatchGetItem PutItem UpdateItem DeleteItem Query TransactWriteItems`)

	// takesNoResource are the actions for which a policy must say "*" (service authorization reference, read 2026-11-22).
	takesNoResource = []string{"secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue", "ssm:DescribeParameters"}

	// byLambda are the actions that Lambda carries out with the function's role.
	byLambda = []string{"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}

	// keyOfTable are what DynamoDB checks before it uses a customer managed key for a caller (DynamoDB developer guide, "Managing encrypted
	// tables", read 2026-11-29).
	keyOfTable = []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:DescribeKey"}
)

func parameterArn(name string) string {
	return "arn:aws:ssm:" + awstest.Region + ":" + awstest.Account + ":parameter" + name
}

// secretArn is the ARN of a secret: AWS adds six characters to the name of one that exists.
func secretArn(name string) string {
	return "arn:aws:secretsmanager:" + awstest.Region + ":" + awstest.Account + ":secret:" + name + "-a1B2c3"
}

// kms is a use of the customer managed key by a service on behalf of the caller. The encryption context names what is encrypted.
func kms(action, service, contextKey, context string) request {
	return request{action, keyArn, map[string]string{
		"kms:ViaService": service + "." + awstest.Region + ".amazonaws.com", "kms:EncryptionContext:" + contextKey: context,
	}}
}

// requests are what IAM decides about for one call, with the uses of a customer managed key.
func (s *stack) requests(c awstest.Call) []request {
	op := string(c.Op)
	var all []request
	switch {
	case slices.Contains(ofDynamoDB, op):
		for _, id := range s.ofType("AWS::DynamoDB::Table") {
			all = append(all, request{action: "dynamodb:" + op, resource: s.attribute(id, "Arn")})
		}
		for _, action := range keyOfTable {
			all = append(all, kms(action, "dynamodb", "aws:dynamodb:subscriberId", awstest.Account))
		}
	case slices.Contains(ofSecretsManager, op):
		if slices.Contains(takesNoResource, "secretsmanager:"+op) {
			all = append(all, request{action: "secretsmanager:" + op, resource: "*"})
		}
		if op == "BatchGetSecretValue" { // each value is a read of its own
			op = "GetSecretValue"
		}
		for _, name := range c.Names {
			named := map[string]string{"secretsmanager:resource/AllowRotationLambdaArn": s.attribute("RotatorFunction", "Arn")}
			all = append(all, request{"secretsmanager:" + op, secretArn(name), named})
			if op == "GetSecretValue" || op == "PutSecretValue" {
				all = append(all, kms("kms:Decrypt", "secretsmanager", "SecretARN", secretArn(name)))
			}
			if op == "PutSecretValue" {
				all = append(all, kms("kms:GenerateDataKey", "secretsmanager", "SecretARN", secretArn(name)))
			}
		}
	case slices.Contains(takesNoResource, "ssm:"+op):
		all = append(all, request{action: "ssm:" + op, resource: "*"})
	default:
		for _, name := range c.Names {
			all = append(all, request{action: "ssm:" + op, resource: parameterArn(name)})
			if op == "PutParameter" && strings.HasSuffix(name, "/access_token") { // a standard parameter, and an advanced one
				for _, action := range []string{"kms:Encrypt", "kms:GenerateDataKey"} {
					all = append(all, kms(action, "ssm", "PARAMETER_ARN", parameterArn(name)))
				}
			}
		}
	}
	if s.params["KmsKeyArn"] == "" {
		all = slices.DeleteFunc(all, func(r request) bool { return strings.HasPrefix(r.action, "kms:") })
	}
	return all
}

// TestRolesAllowTheCallsThatAreMade: a role allows every call that its function makes, nothing that it never uses, and not the same call on
// another account, prefix, parameter or table.
func TestRolesAllowTheCallsThatAreMade(t *testing.T) {
	refresher, healthcheck := callsOfSweepsAndChecks(t)
	for function, calls := range map[string][]awstest.Call{
		"RefresherFunction": refresher, "HealthcheckFunction": healthcheck, "RotatorFunction": callsOfARotation(t),
	} {
		for name, s := range variants(t) {
			t.Run(function+" "+name, func(t *testing.T) {
				role, used := s.functionRole(function), map[grant]bool{}
				for _, c := range calls {
					for _, r := range s.requests(c) {
						by, ok := role.allows(t, r)
						if !ok {
							t.Fatalf("it called %s on %s (%v), and the role does not allow it", r.action, r.resource, r.keys)
						}
						used[by] = true
						for _, other := range elsewhere(r) {
							if by, ok := role.allows(t, other); ok {
								t.Errorf("%s on %s (%v) is allowed by %+v", other.action, other.resource, other.keys, by)
							}
						}
					}
				}
				for _, g := range role.grants() {
					if !used[g] && !slices.Contains(byLambda, g.action) {
						t.Errorf("the role allows %s on %s (%s), and it was never called", g.action, g.resource, g.sid)
					}
				}
				if len(used) < 4 {
					t.Errorf("only %d parts of the role were used: %v", len(used), slices.Collect(maps.Keys(used)))
				}
			})
		}
	}
}

// elsewhere are requests that differ from one in a single respect, none of which a role may allow.
func elsewhere(r request) []request {
	if r.resource == "*" {
		return nil
	}
	var all []request
	change := func(old, replacement string) {
		changed := request{r.action, strings.Replace(r.resource, old, replacement, 1), maps.Clone(r.keys)}
		for key, value := range changed.keys {
			changed.keys[key] = strings.Replace(value, old, replacement, 1)
		}
		if changed.resource != r.resource || !maps.Equal(changed.keys, r.keys) {
			all = append(all, changed)
		}
	}
	change(":oauth/", ":oauth2/")
	change("/oauth/", "/oauth2/")
	change("/access_token", "/password")
	change("/account_id", "/password")
	change("/refresh_failure", "/password")
	change(":table/", ":table/x")
	if _, ofTable := r.keys["kms:EncryptionContext:aws:dynamodb:subscriberId"]; !ofTable {
		change(awstest.Account, "210987654321")
	}
	change("ssm."+awstest.Region, "s3."+awstest.Region)
	change("secretsmanager."+awstest.Region, "s3."+awstest.Region)
	return all
}

// callsOfSweepsAndChecks make the refresher and the healthcheck use each operation on each kind of parameter.
func callsOfSweepsAndChecks(t *testing.T) (refresher, healthcheck []awstest.Call) {
	t.Helper()
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
			refresher = append(refresher, w.AWS.Calls()...)
			w.AWS.ResetCalls()
		}
		check := func(event string) {
			t.Helper()
			_, _, err := w.Health(t.Context(), event)
			must(t, err)
			healthcheck = append(healthcheck, w.AWS.Calls()...)
			w.AWS.ResetCalls()
		}
		must(t, w.Connect("hotmart/loja-a", "hotmart", "shop", ""))
		must(t, w.Connect("kiwify/main", "kiwify", "main", "")) // publishes its account beside the token
		must(t, w.AddClient("generic", "hourly"))
		must(t, w.PutSecret("generic/hourly", "", genericDocument(w, "hourly")))
		w.AWS.ResetCalls()
		run(`{}`)
		run(`{"dry_run":true}`)
		run(`{"connections":["hotmart/loja-a"],"force":true}`)
		run(`{"connections":["hotmart/nobody"]}`)

		// The provider refuses the client credentials: the failure record appears, the standby serves, and the record goes.
		credentials := `{"client_id":"` + w.ClientID("main") + `","client_secret":"` + w.ClientSecret("main") + `"}`
		must(t, w.PutSecret("kiwify/main", "BACKUP", credentials))
		must(t, w.PutSecret("kiwify/main", "", `{"provider":"kiwify","client_id":"wrong","client_secret":"of another panel"}`))
		w.AWS.ResetCalls()
		for range 60 { // over the renewal of the token
			run(`{}`)
			w.Advance(20 * time.Minute)
		}
		for _, event := range []string{`{}`, `{"probe":"token"}`, `{"connections":["kiwify/main"]}`, `{"connections":["kiwify/nobody"]}`} {
			check(event)
		}
		must(t, w.PutSecret("kiwify/main", "", `{"provider":"kiwify",`+strings.TrimPrefix(credentials, "{")))
		w.AWS.ResetCalls()
		run(`{}`)

		// A connection that fails is deleted, with its account.
		must(t, w.PutSecret("kiwify/main", "", `{"provider":"unheard-of"}`))
		run(`{}`)
		must(t, w.AWS.DropSecret("oauth/kiwify/main"))
		run(`{}`) // notices it
		w.Advance(30 * 24 * time.Hour)
		run(`{}`)
		run(`{}`)
		for _, name := range w.AWS.ParameterNames() {
			if strings.HasPrefix(name, "/oauth/kiwify/main/") {
				t.Errorf("%s is still there", name)
			}
		}
	})
	return refresher, healthcheck
}

// genericDocument is the document of a connection whose endpoint no catalogue names.
func genericDocument(w *scenario.World, client string) string {
	text, _ := json.Marshal(map[string]string{
		"provider": "generic", "token_endpoint": "https://" + w.Provider("generic").Hosts()[0] + "/oauth/token",
		"client_id": w.ClientID(client), "client_secret": w.ClientSecret(client),
	})
	return string(text)
}

// callsOfARotation are those of the built rotator, with the template's environment: a rotation that ends a failure, and a test of AWSCURRENT.
func callsOfARotation(t *testing.T) []awstest.Call {
	t.Helper()
	s, world, provider := deploy(t, nil), new(awstest.World), oauthtest.Kiwify(oauthtest.Options{})
	base, closer, err := provider.Listen("127.0.0.1:0")
	must(t, err)
	t.Cleanup(closer)
	credentials := func(id string) string {
		provider.Add(oauthtest.Client{ID: id, Secret: oauth.NewSecret("secret-of-" + id + "-0123456789"), AccountID: "store-main"})
		return `"client_id":"` + id + `","client_secret":"secret-of-` + id + `-0123456789"`
	}
	const secret = "oauth/kiwify/main"
	_, err = world.PutSecret(secret, `{"provider":"kiwify","token_endpoint":"`+base+provider.TokenPath()+`",`+credentials("old")+`}`)
	must(t, err)
	local := map[string]string{"AWS_SAM_LOCAL": "true"} // accepts endpoints on this machine
	refresher := s.start("RefresherFunction", s.build("RefresherFunction"), world, local)
	_, err = refresher.Invoke(t.Context(), []byte(`{}`)) // the first token
	must(t, err)
	item, _ := world.Item("kiwify/main")
	delete(item, "account_id") // the rotation publishes it again
	must(t, world.PutItem("kiwify/main", item))
	f := s.start("RotatorFunction", s.build("RotatorFunction"), world, local)
	invoke := func(ctx context.Context, event []byte) error {
		_, err := f.Invoke(ctx, event)
		return err
	}
	driver := &awstest.Rotator{World: world, Function: s.attribute("RotatorFunction", "Arn"), Invoke: invoke, Tries: 1}
	world.ResetCalls()
	for _, id := range []string{"first", "second"} {
		_, err = world.StageSecret(secret, "CANDIDATE", "{"+credentials(id)+"}")
		must(t, err)
		rotation, err := driver.Rotate(t.Context(), secret)
		must(t, err)
		if rotation.Err != nil {
			t.Fatalf("%v\n%s", rotation.Err, f.Logs())
		}
	}
	tested, err := driver.Test(t.Context(), secret)
	must(t, err)
	must(t, tested.Err)
	return world.Calls()
}

// TestPoliciesForPeople: who reads tokens reads nothing else, and who rotates reads no credentials.
func TestPoliciesForPeople(t *testing.T) {
	s := deploy(t, nil)
	token, secret := parameterArn("/oauth/hotmart/loja-a/access_token"), secretArn("oauth/hotmart/loja-a")
	rotator := s.attribute("RotatorFunction", "Arn")
	rotates := func(arn, function string) request {
		return request{"secretsmanager:RotateSecret", arn, map[string]string{"secretsmanager:RotationLambdaARN": function}}
	}
	type cases struct{ always, withOwnKey, never []request }
	for output, c := range map[string]cases{
		"ReadTokensPolicyArn": {
			always: []request{
				{action: "ssm:GetParameter", resource: token},
				{action: "ssm:GetParameters", resource: token},
				{action: "ssm:GetParameter", resource: parameterArn("/oauth/tenant-42/kiwify/main/account_id")},
			},
			withOwnKey: []request{kms("kms:Decrypt", "ssm", "PARAMETER_ARN", token)},
			never: []request{
				{action: "ssm:PutParameter", resource: token},
				{action: "ssm:GetParameter", resource: parameterArn("/oauth/kiwify/main/password")},
				{action: "ssm:GetParameter", resource: parameterArn("/oauth2/hotmart/loja-a/access_token")},
				{action: "ssm:GetParametersByPath", resource: parameterArn("/oauth")},
				{action: "secretsmanager:GetSecretValue", resource: secret},
				kms("kms:Decrypt", "ssm", "PARAMETER_ARN", parameterArn("/oauth/kiwify/main/password")),
				kms("kms:Decrypt", "secretsmanager", "PARAMETER_ARN", token),
			},
		},
		"RotateConnectionsPolicyArn": {
			always: []request{
				{action: "secretsmanager:PutSecretValue", resource: secret},
				{action: "secretsmanager:UpdateSecretVersionStage", resource: secret},
				{action: "secretsmanager:RotateSecret", resource: secret},
				{action: "lambda:InvokeFunction", resource: rotator},
				rotates(secret, rotator),
			},
			withOwnKey: []request{kms("kms:GenerateDataKey", "secretsmanager", "SecretARN", secret)},
			never: []request{
				{action: "secretsmanager:GetSecretValue", resource: secret},
				{action: "secretsmanager:DeleteSecret", resource: secret},
				{action: "ssm:GetParameter", resource: token},
				{action: "lambda:InvokeFunction", resource: s.attribute("RefresherFunction", "Arn")},
				rotates(secret, rotator+"2"),
				rotates(secretArn("database/main"), rotator),
				kms("kms:Decrypt", "secretsmanager", "SecretARN", secretArn("database/main")),
			},
		},
	} {
		check := func(r request, want func(ownKey bool) bool) {
			for name, s := range variants(t) {
				if by, got := s.managedPolicy(output).allows(t, r); got != want(s.params["KmsKeyArn"] != "") {
					t.Errorf("%s %s: %s on %s (%v) is allowed: %v, by %+v", output, name, r.action, r.resource, r.keys, got, by)
				}
			}
		}
		for _, r := range c.always {
			check(r, func(bool) bool { return true })
		}
		for _, r := range c.withOwnKey {
			check(r, func(ownKey bool) bool { return ownKey })
		}
		for _, r := range c.never {
			check(r, func(bool) bool { return false })
		}
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

// TestEveryPolicyIsBounded: actions are named one by one, and resources with service, region and account.
func TestEveryPolicyIsBounded(t *testing.T) {
	for name, s := range variants(t) {
		policies := map[string]policy{}
		for _, id := range s.ofType("AWS::IAM::Role") {
			policies[id] = s.roleOf(id)
		}
		for _, id := range s.ofType("AWS::IAM::ManagedPolicy") {
			policies[id] = policyOf(s.properties(id)["PolicyDocument"])
		}
		if len(policies) < 6 {
			t.Fatalf("%s: found only %d policies", name, len(policies))
		}
		for id, p := range policies {
			for _, g := range p.grants() {
				// The key of a table is granted as AWS documents it, with two wildcards.
				if wildcard := strings.ContainsAny(g.action, "*?"); wildcard && g.action != "kms:GenerateDataKey*" && g.action != "kms:ReEncrypt*" {
					t.Errorf("%s, %s: %s names more than one action", id, g.sid, g.action)
				}
				parts := strings.SplitN(g.resource, ":", 6)
				switch {
				case g.resource == "*":
					if !slices.Contains(takesNoResource, g.action) {
						t.Errorf("%s, %s: %s on everything", id, g.sid, g.action)
					}
				case len(parts) < 6 || strings.ContainsAny(strings.Join(parts[:5], ":"), "*?"):
					t.Errorf("%s, %s: %s leaves the service, region or account open", id, g.sid, g.resource)
				}
			}
		}
	}
}

// TestWhoMayAssumeARole: each role trusts one service, and the scheduler only for this account.
func TestWhoMayAssumeARole(t *testing.T) {
	s := deploy(t, nil)
	for _, id := range s.ofType("AWS::IAM::Role") {
		service := "lambda.amazonaws.com"
		if id == "ScheduleRole" {
			service = "scheduler.amazonaws.com"
		}
		statements := list(at(s.properties(id), "AssumeRolePolicyDocument", "Statement"))
		if len(statements) != 1 || at(statements[0], "Principal", "Service") != service {
			t.Fatalf("%s trusts %v, want only %s", id, statements, service)
		}
		if source := at(statements[0], "Condition", "StringEquals", "aws:SourceAccount"); id == "ScheduleRole" && source != awstest.Account {
			t.Errorf("%s trusts schedules of any account: %v", id, statements[0])
		}
		if s.properties(id)["RoleName"] != nil {
			t.Errorf("%s has a name of its own: the deployment would need CAPABILITY_NAMED_IAM", id)
		}
	}
	var invoked []string
	for _, g := range s.roleOf("ScheduleRole").grants() {
		if g.action == "lambda:InvokeFunction" {
			invoked = append(invoked, g.resource)
		}
	}
	if want := []string{s.attribute("RefresherFunction", "Arn"), s.attribute("HealthcheckFunction", "Arn")}; !slices.Equal(invoked, want) {
		t.Errorf("schedules may invoke %v, want %v", invoked, want)
	}
}

// TestTheRotatorChangesOnlySecretsThatNameIt for their rotation.
func TestTheRotatorChangesOnlySecretsThatNameIt(t *testing.T) {
	s := deploy(t, nil)
	function := s.attribute("RotatorFunction", "Arn")
	for _, action := range []string{"DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"} {
		for named, want := range map[string]bool{function: true, function + "2": false, function + ":live": false, "": false} {
			keys := map[string]string{"secretsmanager:resource/AllowRotationLambdaArn": named}
			if named == "" {
				keys = nil
			}
			r := request{"secretsmanager:" + action, secretArn("oauth/hotmart/loja-a"), keys}
			if by, got := s.functionRole("RotatorFunction").allows(t, r); got != want {
				t.Errorf("%s of a secret that names %q is allowed: %v, by %+v", action, named, got, by)
			}
		}
	}
}
