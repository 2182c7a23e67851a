package rotate

import (
	"encoding/json"
	"regexp"
	"slices"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Step is one of the four calls that Secrets Manager makes for a rotation.
type Step string

// Steps, as they are on the wire, in their order.
const (
	CreateSecret Step = "createSecret"
	SetSecret    Step = "setSecret"
	TestSecret   Step = "testSecret"
	FinishSecret Step = "finishSecret"
)

// Steps are the four of a rotation, in their order.
func Steps() []Step { return []Step{CreateSecret, SetSecret, TestSecret, FinishSecret} }

// Event is what Secrets Manager invokes a rotation function with.
type Event struct {
	Step          Step
	SecretID      string       // ARN of the secret; emulators send its name
	Token         string       // ClientRequestToken: the id of the version that the rotation is about
	RotationToken oauth.Secret // proves to PutSecretValue who calls; zero from emulators
}

// tokenPattern is what PutSecretValue takes as ClientRequestToken, without what a shell would read in the commands of a message.
var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9_+=.@:/-]+$`)

// secretIDPattern is what an ARN or a name may be made of.
var secretIDPattern = regexp.MustCompile(`^[A-Za-z0-9/_+=.@:!-]+$`)

// maxSecretID is in bytes. It is not part of the pattern: compiling a repetition of a thousand takes milliseconds at every cold start.
const maxSecretID = 1000

// ParseEvent reads the event of one step. Other fields are ignored, names count by their exact spelling. The error is an *Error with
// ERR_EVENT_INVALID that names the field and never repeats a value.
func ParseEvent(raw []byte) (Event, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return Event{}, invalidEvent("it is not a JSON object")
	}
	var ev Event
	for _, f := range []struct {
		name string
		take func(string)
	}{
		{"Step", func(s string) { ev.Step = Step(s) }},
		{"SecretId", func(s string) { ev.SecretID = s }},
		{"ClientRequestToken", func(s string) { ev.Token = s }},
		{"RotationToken", func(s string) { ev.RotationToken = oauth.NewSecret(s) }},
	} {
		raw, there := fields[f.name]
		if !there || string(raw) == "null" {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return Event{}, invalidEvent(f.name + " is not a string")
		}
		f.take(text)
	}
	return ev, ev.check()
}

// check checks the event's fields, without any call (G1).
func (ev Event) check() error {
	switch {
	case ev.Step == "":
		return invalidEvent("Step is missing")
	case !slices.Contains(Steps(), ev.Step):
		return invalidEvent("Step must be createSecret, setSecret, testSecret or finishSecret")
	case ev.SecretID == "":
		return invalidEvent("SecretId is missing")
	case len(ev.SecretID) > maxSecretID || !secretIDPattern.MatchString(ev.SecretID):
		return invalidEvent("SecretId must be the ARN or the name of a secret")
	case ev.Token == "":
		return invalidEvent("ClientRequestToken is missing")
	case len(ev.Token) < 32 || len(ev.Token) > 64:
		return invalidEvent("ClientRequestToken must have 32 to 64 characters")
	case !tokenPattern.MatchString(ev.Token):
		return invalidEvent("ClientRequestToken has a character that no version id has")
	}
	return nil
}

func invalidEvent(why string) error {
	return &Error{Code: CodeEventInvalid, Text: "this is not a rotation event of Secrets Manager: " + why,
		Advice: "Secrets Manager invokes this function: aws secretsmanager rotate-secret. Examples for a local run are in events/rotator"}
}
