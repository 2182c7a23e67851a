package stack_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/scenario"
)

// matches reports whether an event has the form that a pattern of EventBridge asks for: every field of the pattern is there, with one of
// its values.
func matches(t *testing.T, pattern, event any) bool {
	t.Helper()
	for key, want := range mapping(pattern) {
		got, there := mapping(event)[key]
		if below, nested := want.(map[string]any); nested {
			if !matches(t, below, got) {
				return false
			}
			continue
		}
		if !there || !anyOf(t, list(want), text(got)) {
			return false
		}
	}
	return true
}

// anyOf: the values of one field are alternatives, whatever their kind.
func anyOf(t *testing.T, wanted []any, got string) bool {
	t.Helper()
	for _, want := range wanted {
		condition, special := want.(map[string]any)
		switch {
		case !special:
			if text(want) == got {
				return true
			}
		case condition["wildcard"] != nil && len(condition) == 1:
			e := strings.ReplaceAll(regexp.QuoteMeta(text(condition["wildcard"])), `\*`, `.*`)
			if regexp.MustCompile(`^(?s:` + e + `)$`).MatchString(got) {
				return true
			}
		default:
			t.Fatalf("the condition %v is not modelled: no rule of the template had it", condition)
		}
	}
	return false
}

// transform makes the text of a target: each <name> of the template becomes the value at its path, as it is. What is not in the event
// leaves nothing. EventBridge user guide, "Input transformation" (read 2026-11-22): for texts quotation marks around each are required,
// and values are not escaped.
func transform(t *testing.T, transformer, event any) string {
	t.Helper()
	paths := mapping(at(transformer, "InputPathsMap"))
	for line := range strings.Lines(text(at(transformer, "InputTemplate"))) {
		line = strings.TrimSuffix(line, "\n")
		if inner := strings.Trim(line, `"`); line != `"`+inner+`"` || strings.ContainsAny(inner, `"\`) {
			t.Errorf("this line of a mail is no text in quotation marks: %s", line)
		}
	}
	used := map[string]bool{}
	mail := variable.ReplaceAllStringFunc(text(at(transformer, "InputTemplate")), func(m string) string {
		name := m[1 : len(m)-1]
		path, known := paths[name]
		if !known {
			t.Errorf("the mail uses <%s>, which has no path", name)
		}
		used[name] = true
		return text(at(event, strings.Split(strings.TrimPrefix(text(path), "$."), ".")...))
	})
	for name := range paths {
		if !used[name] {
			t.Errorf("the path of %s is not used", name)
		}
	}
	return mail
}

var variable = regexp.MustCompile(`<[^<>]*>`)

// parameterChange is the event that SSM sends, in the form that the Systems Manager user guide shows ("Parameter Store Change", read
// 2026-11-22). One that is deleted has no description any more.
func parameterChange(operation, name, typ, description string) map[string]any {
	detail := map[string]any{"operation": operation, "name": name, "type": typ}
	if description != "" {
		detail["description"] = description
	}
	return map[string]any{
		"version": "0", "id": "6a7e4feb-b491-4cf7-a9f1-bf3703497718", "detail-type": "Parameter Store Change", "source": "aws.ssm",
		"account": awstest.Account, "time": "2026-01-05T03:12:44Z", "region": awstest.Region,
		"resources": []any{parameterArn(name)}, "detail": detail,
	}
}

// mails are the texts that the stack's rules make of an event, by the rule's logical id.
func (s *stack) mails(event any) map[string]string {
	s.t.Helper()
	made := map[string]string{}
	for _, id := range s.ofType("AWS::Events::Rule") {
		properties := s.properties(id)
		if !matches(s.t, properties["EventPattern"], event) {
			continue
		}
		targets := list(properties["Targets"])
		if len(targets) != 1 || at(targets[0], "Arn") != s.ref("AlarmTopic") {
			s.t.Fatalf("%s mails to %v", id, targets)
		}
		made[id] = transform(s.t, at(targets[0], "InputTransformer"), event)
	}
	return made
}

const failing = "/oauth/kiwify/main/refresh_failure"

func TestWhichEventsBecomeAMail(t *testing.T) {
	s := deploy(t, nil)
	other := parameterChange("Create", failing, "String", "")
	other["source"] = "shop.imitation"
	for name, c := range map[string]struct {
		event any
		rule  string // "" for none
	}{
		"a failure record is made":             {parameterChange("Create", failing, "String", "{}"), "ConnectionFailsRule"},
		"a failure record of a tenant":         {parameterChange("Create", "/oauth/tenant-42/kiwify/main/refresh_failure", "String", "{}"), "ConnectionFailsRule"},
		"a failure record is written again":    {parameterChange("Update", failing, "String", "{}"), ""},
		"a failure record is deleted":          {parameterChange("Delete", failing, "String", ""), "ConnectionRecoversRule"},
		"a token is published":                 {parameterChange("Create", "/oauth/kiwify/main/access_token", "SecureString", "{}"), ""},
		"a token is renewed":                   {parameterChange("Update", "/oauth/kiwify/main/access_token", "SecureString", "{}"), ""},
		"a failure record of another prefix":   {parameterChange("Create", "/shop/kiwify/main/refresh_failure", "String", "{}"), ""},
		"a prefix that begins so":              {parameterChange("Create", "/oauth2/kiwify/main/refresh_failure", "String", "{}"), ""},
		"a prefix that ends so":                {parameterChange("Create", "/shop/oauth/kiwify/main/refresh_failure", "String", "{}"), ""},
		"a name that ends otherwise":           {parameterChange("Create", "/oauth/kiwify/main/refresh_failure_2", "String", "{}"), ""},
		"a label":                              {parameterChange("LabelParameterVersion", failing, "String", ""), ""},
		"an event that only looks like SSM's":  {other, ""},
		"a policy of SSM with the same detail": {map[string]any{"source": "aws.ssm", "detail-type": "Parameter Store Policy Action", "detail": map[string]any{"operation": "Create", "name": failing}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			mails := s.mails(c.event)
			if c.rule == "" && len(mails) > 0 || c.rule != "" && (len(mails) != 1 || mails[c.rule] == "") {
				t.Errorf("mails %q, want one of %q", mails, c.rule)
			}
		})
	}
}

func TestThePrefixIsTheRules(t *testing.T) {
	s := deploy(t, map[string]string{"Prefix": "prod/o.auth_2"})
	if mails := s.mails(parameterChange("Create", "/prod/o.auth_2/kiwify/main/refresh_failure", "String", "{}")); len(mails) != 1 {
		t.Errorf("mails %q", mails)
	}
	if mails := s.mails(parameterChange("Create", failing, "String", "{}")); len(mails) != 0 {
		t.Errorf("mails of another prefix: %q", mails)
	}
}

// TestTheMailTellsWhatAPersonNeeds has the event of a failure record that the refresher really wrote.
func TestTheMailTellsWhatAPersonNeeds(t *testing.T) {
	var record string
	synctest.Test(t, func(t *testing.T) {
		w, err := scenario.New(t.Name())
		must(t, err)
		must(t, w.PutSecret("kiwify/main", "", `{"provider":"kiwify","client_id":"of this panel","client_secret":"of another panel"}`))
		w.Advance(time.Minute)
		must(t, w.Run(t.Context(), `{}`).Err)
		p, ok := w.AWS.Parameter(failing)
		if !ok {
			t.Fatal("there is no failure record")
		}
		record = p.Description
	})
	if !json.Valid([]byte(record)) || !strings.Contains(record, `"code":"invalid_client"`) {
		t.Fatalf("the record is %s", record)
	}
	s := deploy(t, nil)
	mail := s.mails(parameterChange("Create", failing, "String", record))["ConnectionFailsRule"]
	for what, want := range map[string]string{
		"the connection":       failing,
		"since when":           "since 2026-01-05T03:12:44Z",
		"which stack":          stackName,
		"the record":           record,
		"how to read the rest": "aws ssm get-parameter --region " + awstest.Region + " --name " + failing + " --query Parameter.Value --output text",
		"what to do":           "docs/runbooks/ConnectionsFailing.md",
	} {
		if !strings.Contains(mail, want) {
			t.Errorf("%s is not in the mail:\n%s", what, mail)
		}
	}
	if begin, _, _ := strings.Cut(mail, "\n"); !strings.Contains(begin, failing) || len(begin) > 160 {
		t.Errorf("a telephone shows the beginning, which is: %s", begin)
	}
	end := s.mails(parameterChange("Delete", failing, "String", ""))["ConnectionRecoversRule"]
	for _, want := range []string{failing, stackName, "2026-01-05T03:12:44Z", "nothing to do"} {
		if !strings.Contains(end, want) {
			t.Errorf("%q is not in the mail:\n%s", want, end)
		}
	}
	for _, text := range []string{mail, end} {
		if strings.ContainsAny(text, "<>$") {
			t.Errorf("something was left open in the mail:\n%s", text)
		}
	}
}

// TestWhoMayPublish: the two services that mail, and nobody else. Only the alarms' part has a condition; see the template.
func TestWhoMayPublish(t *testing.T) {
	s := deploy(t, nil)
	policies := s.ofType("AWS::SNS::TopicPolicy")
	if len(policies) != 1 {
		t.Fatalf("policies %v", policies)
	}
	topic := text(s.ref("AlarmTopic"))
	services := map[string]map[string]any{}
	for _, item := range list(at(s.properties(policies[0]), "PolicyDocument", "Statement")) {
		if at(item, "Effect") != "Allow" || at(item, "Action") != "sns:Publish" || at(item, "Resource") != topic {
			t.Errorf("%v", item)
		}
		services[text(at(item, "Principal", "Service"))] = mapping(at(item, "Condition"))
	}
	if len(services) != 2 {
		t.Fatalf("%v may publish", services)
	}
	alarms, known := services["cloudwatch.amazonaws.com"]
	if !known || at(alarms, "StringEquals", "aws:SourceAccount") != awstest.Account {
		t.Errorf("alarms may publish under %v", alarms)
	}
	for _, id := range s.ofType("AWS::CloudWatch::Alarm") {
		arn := "arn:aws:cloudwatch:" + awstest.Region + ":" + awstest.Account + ":alarm:" + text(s.properties(id)["AlarmName"])
		if !wild(text(at(alarms, "ArnLike", "aws:SourceArn")), arn, true) {
			t.Errorf("%s may not publish", arn)
		}
	}
	if condition, known := services["events.amazonaws.com"]; !known || condition != nil {
		t.Errorf("rules may publish under %v; with a condition they publish nothing", condition)
	}
}

func TestTheMailIsOptional(t *testing.T) {
	if ids := deploy(t, nil).ofType("AWS::SNS::Subscription"); len(ids) != 0 {
		t.Errorf("without an address there is %v", ids)
	}
	s := deploy(t, map[string]string{"AlarmEmail": "you@example.com"})
	ids := s.ofType("AWS::SNS::Subscription")
	if len(ids) != 1 {
		t.Fatalf("with an address there is %v", ids)
	}
	if p := s.properties(ids[0]); p["Endpoint"] != "you@example.com" || p["Protocol"] != "email" || p["TopicArn"] != s.ref("AlarmTopic") {
		t.Errorf("%v", p)
	}
	for name, want := range map[string]any{"": nil, keyArn: keyArn} {
		if got := deploy(t, map[string]string{"KmsKeyArn": name}).properties("AlarmTopic")["KmsMasterKeyId"]; got != want {
			t.Errorf("with the key %q the topic has %v", name, got)
		}
	}
}
