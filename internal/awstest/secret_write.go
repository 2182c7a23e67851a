package awstest

import (
	"cmp"
	"slices"
	"time"
)

// payload is the value of a new version as CreateSecret and PutSecretValue take it.
type payload struct {
	ClientRequestToken string
	SecretString       *sealed
	SecretBinary       *sealed // base64, and kept so
}

// given reports whether there is a value at all.
func (p *payload) given() bool { return p.SecretString != nil || p.SecretBinary != nil }

func (p *payload) validate() *apiError {
	if p.SecretString != nil && p.SecretBinary != nil {
		return refuse("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	if n := len(p.ClientRequestToken); n != 0 && (n < minToken || n > maxToken) {
		return refuse("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
	}
	if p.SecretString != nil {
		return validateSize("secretString", len(p.SecretString.Reveal()))
	}
	if p.SecretBinary != nil {
		return validateSize("secretBinary", len(p.SecretBinary.Reveal())/4*3)
	}
	return nil
}

func validateSize(field string, n int) *apiError {
	if n == 0 {
		return tooShort(field, 1)
	}
	if n > maxSecretValue {
		return tooLong(field, maxSecretValue)
	}
	return nil
}

// version is the new version that the payload makes. Its id is the client request token.
func (p *payload) version(now time.Time) *secretVersion {
	v := &secretVersion{id: cmp.Or(p.ClientRequestToken, randomID()), made: now}
	if p.SecretString != nil {
		v.value = p.SecretString.Secret
	}
	if p.SecretBinary != nil {
		v.value, v.binary = p.SecretBinary.Secret, true
	}
	return v
}

// same reports whether a version holds the payload already.
func (p *payload) same(v *secretVersion) bool {
	given, binary := p.SecretString, false
	if given == nil {
		given, binary = p.SecretBinary, true
	}
	return given != nil && v.binary == binary && v.value.Equal(given.Secret)
}

type createSecretInput struct {
	payload

	Name        string
	Description string
	KmsKeyID    string `json:"KmsKeyId"`
	Tags        []tag
}

func (in *createSecretInput) names() []string { return []string{in.Name} }

type createSecretOutput struct {
	ARN       string
	Name      string
	VersionID string `json:"VersionId,omitempty"`
}

func (in *createSecretInput) run(w *World) (any, *apiError) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	if s := w.findSecret(in.Name); s != nil {
		return in.again(s)
	}
	s := w.addSecret(in.Name)
	s.description, s.keyID, s.tags = in.Description, in.KmsKeyID, in.Tags
	out := createSecretOutput{ARN: s.arn, Name: s.name}
	if in.given() {
		v := in.version(w.now())
		s.versions = append(s.versions, v)
		s.attach(v.id, stageCurrent)
		out.VersionID = v.id
	}
	w.touch(s)
	return out, nil
}

// again answers for a name that is taken: the same call once more is no error, anything else is.
func (in *createSecretInput) again(s *secret) (any, *apiError) {
	if !s.deleteAt.IsZero() {
		return nil, refuse("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v := s.version(in.ClientRequestToken); v != nil && in.same(v) {
		return createSecretOutput{ARN: s.arn, Name: s.name, VersionID: v.id}, nil
	}
	return nil, refuse("ResourceExistsException", "The operation failed because the secret "+in.Name+" already exists.")
}

func (in *createSecretInput) validate() *apiError {
	if in.Name == "" {
		return tooShort("name", 1)
	}
	if len(in.Name) > maxSecretName {
		return tooLong("name", maxSecretName)
	}
	if !onlyLettersDigitsAnd(in.Name, "-/_+=.@!") {
		return refuse("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	return in.payload.validate()
}

// addSecret makes a secret without a version. w.mu is held.
func (w *World) addSecret(name string) *secret {
	w.created++
	s := &secret{name: name, arn: secretARN(name, w.created), made: w.now(), stages: make(map[string]string)}
	w.secrets[name] = s
	w.secretByARN[s.arn] = s
	return s
}

type putSecretValueInput struct {
	payload

	SecretID      string `json:"SecretId"`
	VersionStages []string
}

func (in *putSecretValueInput) names() []string { return []string{in.SecretID} }

type putSecretValueOutput struct {
	ARN           string
	Name          string
	VersionID     string `json:"VersionId"`
	VersionStages []string
}

func (in *putSecretValueInput) run(w *World) (any, *apiError) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	s, err := w.liveSecret(in.SecretID)
	if err != nil {
		return nil, err
	}
	v := s.version(in.ClientRequestToken)
	if v != nil && !v.empty() {
		if in.same(v) { // the same call again: nothing happens
			return s.put(v), nil
		}
		return nil, refuse("ResourceExistsException", "You can't use ClientRequestToken "+v.id+" because that value is already in use for a version of secret "+s.arn+".")
	}
	labels := s.labelsFor(in.VersionStages)
	if s.count(labels) > maxStages {
		return nil, tooManyLabels()
	}
	added := in.version(w.now())
	if v == nil {
		s.versions = append(s.versions, added)
		s.abandonRotation(added.id)
	} else { // what RotateSecret made: it gets its value now
		v.value, v.binary = added.value, added.binary
	}
	w.label(s, added.id, labels)
	return s.put(added), nil
}

func (in *putSecretValueInput) validate() *apiError {
	if !in.given() {
		return refuse("InvalidParameterException", "You must provide either SecretString or SecretBinary.")
	}
	if len(in.VersionStages) > maxStages {
		return tooLong("versionStages", maxStages)
	}
	return in.payload.validate()
}

func (s *secret) put(v *secretVersion) putSecretValueOutput {
	return putSecretValueOutput{ARN: s.arn, Name: s.name, VersionID: v.id, VersionStages: s.labels(v.id)}
}

// labelsFor are the labels that a new version gets: AWSCURRENT unless others are given, and always for the first version of a secret.
func (s *secret) labelsFor(given []string) []string {
	if len(given) == 0 || len(s.versions) == 0 && !slices.Contains(given, stageCurrent) {
		return append(slices.Clone(given), stageCurrent)
	}
	return given
}

// label puts labels on a version that was added; the version that this demotes loses AWSPENDING. w.mu is held.
func (w *World) label(s *secret, id string, labels []string) {
	demoted := s.stages[stageCurrent]
	s.attach(id, labels...)
	if s.stages[stageCurrent] != demoted && s.stages[stagePending] == demoted {
		delete(s.stages, stagePending)
	}
	w.touch(s)
}

func tooManyLabels() *apiError {
	return refuse("LimitExceededException", "You have exceeded the quota of staging labels of a secret.")
}

// count is how many labels the secret would have with these.
func (s *secret) count(labels []string) int {
	n := len(s.stages)
	for _, l := range labels {
		if _, there := s.stages[l]; !there {
			n++
		}
	}
	return n
}

type updateStageInput struct {
	SecretID            string `json:"SecretId"`
	VersionStage        string
	RemoveFromVersionID string `json:"RemoveFromVersionId"`
	MoveToVersionID     string `json:"MoveToVersionId"`
}

func (in *updateStageInput) names() []string { return []string{in.SecretID} }

// secretRef is the answer of the operations that change a secret and tell nothing.
type secretRef struct {
	ARN  string
	Name string
}

func (in *updateStageInput) run(w *World) (any, *apiError) {
	s, err := w.liveSecret(in.SecretID)
	if err != nil {
		return nil, err
	}
	if err := in.validate(s); err != nil {
		return nil, err
	}
	if in.MoveToVersionID == "" {
		delete(s.stages, in.VersionStage)
	} else {
		s.attach(in.MoveToVersionID, in.VersionStage)
		if in.VersionStage == stageCurrent && s.stages[stagePrevious] == in.MoveToVersionID {
			delete(s.stages, stagePrevious)
		}
	}
	w.touch(s)
	return secretRef{s.arn, s.name}, nil
}

// validate holds the move against where the label is: RemoveFromVersionId is the compare-and-swap of this API.
func (in *updateStageInput) validate(s *secret) *apiError {
	for _, id := range []string{in.RemoveFromVersionID, in.MoveToVersionID} {
		if id != "" && s.version(id) == nil {
			return refuse("InvalidParameterException", "Not a valid version: "+id)
		}
	}
	holder := s.stages[in.VersionStage]
	switch {
	case in.VersionStage == "":
		return tooShort("versionStage", 1)
	case in.RemoveFromVersionID == "" && in.MoveToVersionID == "":
		return refuse("InvalidParameterException", "You must specify RemoveFromVersionId, MoveToVersionId, or both.")
	case in.RemoveFromVersionID != "" && in.RemoveFromVersionID != holder:
		return refuse("InvalidParameterException", "Version stage "+in.VersionStage+" not found in version "+in.RemoveFromVersionID)
	case in.RemoveFromVersionID == "" && holder != "" && holder != in.MoveToVersionID:
		return refuse("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label "+in.VersionStage+
			" is currently attached to version "+holder+", so you must explicitly reference that version in RemoveFromVersionId.")
	case in.VersionStage == stageCurrent && in.MoveToVersionID == "":
		return refuse("InvalidParameterException", "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	case holder == "" && s.count([]string{in.VersionStage}) > maxStages:
		return tooManyLabels()
	default:
		return nil
	}
}

type tagInput struct {
	SecretID string `json:"SecretId"`
	Tags     []tag
}

func (in *tagInput) names() []string { return []string{in.SecretID} }

func (in *tagInput) run(w *World) (any, *apiError) {
	s, err := w.liveSecret(in.SecretID)
	if err != nil {
		return nil, err
	}
	s.tags = tagged(s.tags, in.Tags)
	w.touch(s)
	return struct{}{}, nil
}

type untagInput struct {
	SecretID string `json:"SecretId"`
	TagKeys  []string
}

func (in *untagInput) names() []string { return []string{in.SecretID} }

func (in *untagInput) run(w *World) (any, *apiError) {
	s, err := w.liveSecret(in.SecretID)
	if err != nil {
		return nil, err
	}
	s.tags = untagged(s.tags, in.TagKeys)
	w.touch(s)
	return struct{}{}, nil
}

// Recovery windows of DeleteSecret, in days.
const (
	minWindow     = 7
	maxWindow     = 30
	defaultWindow = 30
)

type deleteSecretInput struct {
	SecretID                   string `json:"SecretId"`
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

func (in *deleteSecretInput) names() []string { return []string{in.SecretID} }

type deleteSecretOutput struct {
	ARN          string
	Name         string
	DeletionDate epoch
}

func (in *deleteSecretInput) run(w *World) (any, *apiError) {
	window := defaultWindow
	if in.RecoveryWindowInDays != nil {
		window = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return nil, refuse("InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
		if window < minWindow || window > maxWindow {
			return nil, refuse("InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
	}
	now := w.now()
	if in.ForceDeleteWithoutRecovery {
		s := w.findSecret(in.SecretID)
		if s == nil { // no error, says the API reference
			return deleteSecretOutput{ARN: secretARNPrefix + in.SecretID, Name: in.SecretID, DeletionDate: epoch(now)}, nil
		}
		w.removeSecret(s)
		return deleteSecretOutput{ARN: s.arn, Name: s.name, DeletionDate: epoch(now)}, nil
	}
	s, err := w.liveSecret(in.SecretID)
	if err != nil {
		return nil, err
	}
	s.deleteAt = now.AddDate(0, 0, window)
	w.touch(s)
	return deleteSecretOutput{ARN: s.arn, Name: s.name, DeletionDate: epoch(s.deleteAt)}, nil
}

type restoreSecretInput struct {
	SecretID string `json:"SecretId"`
}

func (in *restoreSecretInput) names() []string { return []string{in.SecretID} }

func (in *restoreSecretInput) run(w *World) (any, *apiError) {
	s := w.findSecret(in.SecretID)
	if s == nil {
		return nil, secretNotFound()
	}
	s.deleteAt = time.Time{}
	w.touch(s)
	return secretRef{s.arn, s.name}, nil
}
