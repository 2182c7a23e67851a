package awstest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// What a person does in the console, without a call that is counted, throttled or failed. The rules of the services hold all the same:
// a refusal is an error that names the code.

// ErrMissing is wrapped by the error of a change to something that is not there.
var ErrMissing = errors.New("does not exist")

func (e *apiError) asError(verb, name string) error {
	if e == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %s: %s", verb, name, e.code, e.message)
}

// PutSecret stores text as the AWSCURRENT version of a secret, creating the secret if need be, and returns the version id, which is the
// same in every run.
func (w *World) PutSecret(name, text string) (versionID string, err error) {
	return w.StageSecret(name, "", text)
}

// CreateWithoutValue makes a secret that has no version, as CreateSecret does that is given no value.
func (w *World) CreateWithoutValue(name string) error {
	return w.runByHand("create secret", name, &createSecretInput{Name: name})
}

// StageSecret is PutSecret with a staging label other than AWSCURRENT, such as CANDIDATE; an empty one means AWSCURRENT.
func (w *World) StageSecret(name, stage, text string) (versionID string, err error) {
	return w.putByHand(name, stage, payload{SecretString: &sealed{oauth.NewSecret(text)}})
}

// PutSecretBinary is PutSecret with SecretBinary.
func (w *World) PutSecretBinary(name string, value []byte) (versionID string, err error) {
	return w.putByHand(name, "", payload{SecretBinary: &sealed{encodeBinary(value)}})
}

func (w *World) putByHand(name, stage string, p payload) (string, error) {
	defer w.lock()()
	s := w.findSecret(name)
	if s == nil {
		in := &createSecretInput{payload: p, Name: name}
		in.ClientRequestToken = plainID(name + "|1")
		if _, err := in.run(w); err != nil {
			return "", err.asError("create secret", name)
		}
		s = w.findSecret(name)
		if stage != "" {
			s.attach(in.ClientRequestToken, stage)
			w.touch(s)
		}
		return in.ClientRequestToken, nil
	}
	in := &putSecretValueInput{payload: p, SecretID: name}
	for n := len(s.versions) + 1; in.ClientRequestToken == "" || s.version(in.ClientRequestToken) != nil; n++ {
		in.ClientRequestToken = plainID(name + "|" + strconv.Itoa(n))
	}
	if stage != "" {
		in.VersionStages = []string{stage}
	}
	if _, err := in.run(w); err != nil {
		return "", err.asError("put secret", name)
	}
	return in.ClientRequestToken, nil
}

// MoveStage puts a staging label on a version, or takes it off every version if versionID is empty.
func (w *World) MoveStage(name, stage, versionID string) error {
	defer w.lock()()
	s := w.findSecret(name)
	if s == nil {
		return fmt.Errorf("move stage of secret %q: %w", name, ErrMissing)
	}
	in := &updateStageInput{SecretID: name, VersionStage: stage, MoveToVersionID: versionID, RemoveFromVersionID: s.stages[stage]}
	if in.RemoveFromVersionID == versionID {
		return nil // already there, or on none
	}
	_, err := in.run(w)
	return err.asError("move stage of secret", name)
}

// EmptyVersion puts AWSPENDING on a new version without a value, as RotateSecret does, and returns its id.
func (w *World) EmptyVersion(name string) (versionID string, err error) {
	defer w.lock()()
	s := w.findSecret(name)
	if s == nil {
		return "", fmt.Errorf("empty version of secret %q: %w", name, ErrMissing)
	}
	id := plainID(name + "|pending|" + strconv.Itoa(len(s.versions)))
	s.versions = append(s.versions, &secretVersion{id: id, made: w.now()})
	s.attach(id, stagePending)
	w.touch(s)
	return id, nil
}

// TagSecret sets a tag.
func (w *World) TagSecret(name, key, value string) error {
	return w.runByHand("tag secret", name, &tagInput{SecretID: name, Tags: []tag{{Key: key, Value: value}}})
}

// UntagSecret removes a tag.
func (w *World) UntagSecret(name, key string) error {
	return w.runByHand("untag secret", name, &untagInput{SecretID: name, TagKeys: []string{key}})
}

// ScheduleDeletion marks a secret for deletion in 30 days.
func (w *World) ScheduleDeletion(name string) error {
	return w.runByHand("delete secret", name, &deleteSecretInput{SecretID: name})
}

// RestoreSecret takes a scheduled deletion back.
func (w *World) RestoreSecret(name string) error {
	return w.runByHand("restore secret", name, &restoreSecretInput{SecretID: name})
}

// DropSecret deletes a secret at once.
func (w *World) DropSecret(name string) error {
	defer w.lock()()
	s := w.findSecret(name)
	if s == nil {
		return fmt.Errorf("drop secret %q: %w", name, ErrMissing)
	}
	w.removeSecret(s)
	return nil
}

// SetSecretDescription changes a secret's description.
func (w *World) SetSecretDescription(name, description string) error {
	defer w.lock()()
	s := w.findSecret(name)
	if s == nil {
		return fmt.Errorf("describe secret %q: %w", name, ErrMissing)
	}
	s.description = description
	w.touch(s)
	return nil
}

// ParameterWrite is a parameter as a person writes it.
type ParameterWrite struct {
	Type        string // empty: SecureString
	Value       string
	Description string
	Tier        string // empty: Standard
	KeyID       string // empty: alias/aws/ssm
}

// Format prints a ParameterWrite without its value.
func (p ParameterWrite) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "{%s [redacted] %q %s %s}", p.Type, p.Description, p.Tier, p.KeyID)
}

// WriteParameter creates or overwrites a parameter and returns its version.
func (w *World) WriteParameter(name string, p ParameterWrite) (version int64, err error) {
	if p.Type == "" {
		p.Type = typeSecure
	}
	return w.putParameterByHand(&putParameterInput{
		Name: name, Value: sealed{oauth.NewSecret(p.Value)}, Type: p.Type, Description: &p.Description, Tier: p.Tier, KeyID: p.KeyID, Overwrite: true,
	})
}

// ChangeParameter overwrites the value of a parameter that exists, and nothing else, and returns its new version.
func (w *World) ChangeParameter(name, value string) (version int64, err error) {
	p, ok := w.Parameter(name)
	if !ok {
		return 0, fmt.Errorf("change parameter %q: %w", name, ErrMissing)
	}
	return w.putParameterByHand(&putParameterInput{
		Name: name, Value: sealed{oauth.NewSecret(value)}, Description: &p.Description, Tier: p.Tier, KeyID: p.KeyID, Overwrite: true,
	})
}

// SetParameterDescription overwrites the description of a parameter that exists, which makes a new version, and returns it.
func (w *World) SetParameterDescription(name, description string) (version int64, err error) {
	p, ok := w.Parameter(name)
	if !ok {
		return 0, fmt.Errorf("describe parameter %q: %w", name, ErrMissing)
	}
	return w.putParameterByHand(&putParameterInput{
		Name: name, Value: sealed{p.Value}, Description: &description, Tier: p.Tier, KeyID: p.KeyID, Overwrite: true,
	})
}

func (w *World) putParameterByHand(in *putParameterInput) (int64, error) {
	defer w.lock()()
	if _, err := in.run(w); err != nil {
		return 0, err.asError("put parameter", in.Name)
	}
	return w.parameters[in.Name].latest().version, nil
}

// DropParameter deletes a parameter.
func (w *World) DropParameter(name string) error {
	defer w.lock()()
	if !w.removeParameter(name) {
		return fmt.Errorf("drop parameter %q: %w", name, ErrMissing)
	}
	return nil
}

// BackdateSecret sets when a secret and its versions were created, for tests about age.
func (w *World) BackdateSecret(name string, created time.Time) error {
	defer w.lock()()
	s := w.findSecret(name)
	if s == nil {
		return fmt.Errorf("backdate secret %q: %w", name, ErrMissing)
	}
	s.made = created
	for _, v := range s.versions {
		v.made = created
	}
	w.touch(s)
	return nil
}

func (w *World) runByHand(verb, name string, in input) error {
	defer w.lock()()
	_, err := in.run(w)
	return err.asError(verb, name)
}
